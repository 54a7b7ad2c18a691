//! Whose log says how a hook went.

use serde_json::Value;

use crate::health::pods::Log;

/// The container whose lines say most of pods that a hook has: one that failed before one that runs or ended well, of
/// the pod that was made last.
pub fn speaker(pods: &[Value]) -> Option<Log> {
    let mut newest: Vec<&Value> = pods.iter().collect();
    newest.sort_by_key(|pod| std::cmp::Reverse(text(pod, "/metadata/creationTimestamp")));
    let log = |pod: &Value, container: &Value, previous: bool| {
        Some(Log {
            pod: text(pod, "/metadata/name")?.to_owned(),
            container: text(container, "/name")?.to_owned(),
            previous,
        })
    };
    let failed = newest.iter().find_map(|pod| {
        let container = containers(pod).find(|container| failed(container).is_some())?;
        log(pod, container, failed(container)?)
    });
    failed.or_else(|| {
        let pod = newest.iter().find(|pod| containers(pod).any(has_run))?;
        log(
            pod,
            containers(pod).filter(|container| has_run(container)).last()?,
            false,
        )
    })
}

/// The states of a pod's containers, init containers first.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |pointer| {
        pod.pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    of("/status/initContainerStatuses").chain(of("/status/containerStatuses"))
}

/// Whether the container failed: in this run, or (true) in the one before.
fn failed(container: &Value) -> Option<bool> {
    let code = |pointer| {
        container
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    if code("/state/terminated/exitCode") != 0 {
        return Some(false);
    }
    (code("/lastState/terminated/exitCode") != 0).then_some(true)
}

fn has_run(container: &Value) -> bool {
    let has = |pointer| container.pointer(pointer).is_some();
    has("/state/running") || has("/state/terminated")
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, second: u32, containers: Value) -> Value {
        let created = format!("2026-01-01T00:00:0{second}Z");
        json!({"metadata": {"name": name, "creationTimestamp": created}, "status": {"containerStatuses": containers}})
    }

    fn container(name: &str, state: Value, last: Value) -> Value {
        json!({"name": name, "state": state, "lastState": last})
    }

    #[test]
    fn what_failed_speaks_before_what_runs() {
        let ended = |code: i32| json!({"terminated": {"exitCode": code}});
        let (running, waiting, none) = (json!({"running": {}}), json!({"waiting": {}}), json!({}));
        let table = [
            (vec![], None),
            (
                vec![pod(
                    "a",
                    1,
                    json!([container("x", waiting.clone(), none.clone())]),
                )],
                None,
            ),
            (
                vec![
                    pod("old", 1, json!([container("x", ended(1), none.clone())])),
                    pod(
                        "new",
                        2,
                        json!([
                            container("y", ended(0), none.clone()),
                            container("z", ended(2), none.clone())
                        ]),
                    ),
                ],
                Some(("new", "z", false)),
            ),
            (
                vec![
                    pod("old", 1, json!([container("x", waiting, ended(1))])),
                    pod("new", 2, json!([container("y", running.clone(), none.clone())])),
                ],
                Some(("old", "x", true)),
            ),
            (
                vec![pod(
                    "a",
                    1,
                    json!([
                        container("x", ended(0), none.clone()),
                        container("y", running, none)
                    ]),
                )],
                Some(("a", "y", false)),
            ),
        ];
        for (pods, expected) in table {
            let got = speaker(&pods);
            let got = got
                .as_ref()
                .map(|log| (log.pod.as_str(), log.container.as_str(), log.previous));
            assert_eq!(got, expected);
        }
    }
}
