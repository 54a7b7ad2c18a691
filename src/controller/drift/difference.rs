//! What an apply changes in a live object: where, from what, to what.

use helmapp_helm::plan::Object;
use serde_json::Value;

use crate::cluster::apply::is_secret;

/// Most differences that are named of one object.
const MAX_NAMED: usize = 4;
/// Longest value that is shown whole, in bytes.
const MAX_VALUE: usize = 64;
/// What of the metadata an apply is for.
const METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// One place in which two objects differ.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controller) struct Difference {
    /// JSON pointer to it.
    pub at: String,
    /// What is there; `None` for nothing.
    pub live: Option<Value>,
    /// What an apply puts there.
    pub wanted: Option<Value>,
}

/// Where a live object and what an apply makes of it differ, but for what the server writes itself.
pub(in crate::controller) fn differences(live: &Value, applied: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, live, applied) in members(live, applied) {
        match name {
            "status" | "apiVersion" | "kind" => {}
            "metadata" => {
                let none = Value::Null;
                let (live, applied) = (live.unwrap_or(&none), applied.unwrap_or(&none));
                let ours = members(live, applied).filter(|(name, ..)| METADATA.contains(name));
                ours.for_each(|(name, live, applied)| {
                    compare(format!("/metadata/{name}"), live, applied, &mut found)
                });
            }
            name => compare(format!("/{}", escaped(name)), live, applied, &mut found),
        }
    }
    found
}

fn compare(at: String, live: Option<&Value>, applied: Option<&Value>, found: &mut Vec<Difference>) {
    match (live, applied) {
        (Some(Value::Object(_)), Some(Value::Object(_))) => {
            if let (Some(live), Some(applied)) = (live, applied) {
                for (name, live, applied) in members(live, applied) {
                    compare(format!("{at}/{}", escaped(name)), live, applied, found);
                }
            }
        }
        (Some(Value::Array(live)), Some(Value::Array(applied))) if live.len() == applied.len() => {
            for (index, (live, applied)) in live.iter().zip(applied).enumerate() {
                compare(format!("{at}/{index}"), Some(live), Some(applied), found);
            }
        }
        _ if live == applied => {}
        _ => found.push(Difference {
            at,
            live: live.cloned(),
            wanted: applied.cloned(),
        }),
    }
}

/// The members of two objects, each once.
fn members<'v>(
    live: &'v Value,
    applied: &'v Value,
) -> impl Iterator<Item = (&'v str, Option<&'v Value>, Option<&'v Value>)> {
    let names = |value: &'v Value| {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    };
    let only_applied = names(applied).filter(|name| live.get(*name).is_none());
    names(live)
        .chain(only_applied)
        .map(|name| (name, live.get(name), applied.get(name)))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The differences in words: the first few, with their values, but for those of a Secret.
pub(super) fn told(object: &Object, differences: &[Difference]) -> String {
    let secret = is_secret(&object.id);
    let one = |difference: &Difference| {
        let path = path(&difference.at);
        if secret {
            return format!("{path} differs");
        }
        format!(
            "{path}: {} -> {}",
            shown(difference.live.as_ref()),
            shown(difference.wanted.as_ref())
        )
    };
    let mut texts: Vec<String> = differences.iter().take(MAX_NAMED).map(one).collect();
    let more = differences.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(", ")
}

/// A pointer as people write it: `spec.template.spec.containers[0].image`.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&part);
    }
    path
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(value) => crate::excerpt::excerpt(&value.to_string(), MAX_VALUE),
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::ObjectId;
    use serde_json::json;

    use super::*;

    fn object(kind: &str) -> Object {
        let id = ObjectId {
            group: String::new(),
            kind: kind.into(),
            namespace: "web".into(),
            name: "a".into(),
        };
        Object {
            id,
            version: "v1".into(),
            value: Value::Null,
            chart: String::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_the_server_writes_is_no_difference() {
        let live = json!({
            "metadata": {"resourceVersion": "1", "managedFields": [1], "labels": {"a": "1", "theirs": "x"}},
            "data": {"text": "mine", "same": "s"}, "list": [1, 2], "status": {"replicas": 1},
        });
        let applied = json!({
            "metadata": {"resourceVersion": "2", "labels": {"a": "2", "theirs": "x"}, "annotations": {"b/c": "1"}},
            "data": {"text": "one", "same": "s", "new": 1}, "list": [1], "status": {"replicas": 2},
        });
        let found = differences(&live, &applied);
        let told: Vec<(&str, Option<Value>, Option<Value>)> = found
            .iter()
            .map(|one| (one.at.as_str(), one.live.clone(), one.wanted.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("/data/text", Some(json!("mine")), Some(json!("one"))),
                ("/data/new", None, Some(json!(1))),
                ("/list", Some(json!([1, 2])), Some(json!([1]))),
                ("/metadata/labels/a", Some(json!("1")), Some(json!("2"))),
                ("/metadata/annotations", None, Some(json!({"b/c": "1"}))),
            ]
        );
        assert_eq!(differences(&live, &live), []);
    }

    #[test]
    fn values_are_told_but_those_of_secrets() {
        let live = json!({"data": {"a.b": "x".repeat(100), "c": 1}, "spec": {"list": [{"image": "a"}]}});
        let applied = json!({"data": {"c": 2, "d": null}, "spec": {"list": [{"image": "b"}]}});
        let found = differences(&live, &applied);
        let said = told(&object("ConfigMap"), &found);
        assert!(
            said.contains("data.c: 1 -> 2") && said.contains("spec.list[0].image: \"a\" -> \"b\""),
            "{said}"
        );
        assert!(
            said.contains("data.a.b: \"xx") && !said.contains(&"x".repeat(65)),
            "{said}"
        );
        let said = told(&object("Secret"), &found);
        assert!(said.contains("data.c differs") && !said.contains("->"), "{said}");
    }

    #[test]
    fn long_lists_are_cut() {
        let live: Value = (0..9)
            .map(|n| (format!("k{n}"), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let said = told(&object("ConfigMap"), &differences(&live, &json!({})));
        assert!(said.ends_with("k3: 3 -> nothing, 5 more"), "{said}");
    }
}
