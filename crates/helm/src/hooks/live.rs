//! Hook objects in the cluster: how they are marked, what one under the same name means, when one is through.

use serde_json::{Map, Value};

use crate::plan::{OWNER_NAME_LABEL, OWNER_NAMESPACE_LABEL, Object, Owner, Ownership, classify};
use crate::release::{HOOK_ANNOTATION, Hook, HookDeletePolicy};

/// Annotation of a hook's object that names the run which made it: revision, event, and what else makes it one.
pub const RUN_ANNOTATION: &str = "helmapp.io/hook-run";

/// Never deleted, so it can't be made anew either.
const CRD: &str = "CustomResourceDefinition";

/// How far a hook's object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed; the text says how.
    Failed(String),
}

/// Whether a hook's object has to end before the next hook runs. Others are through once they are made.
pub fn waits(object: &Object) -> bool {
    is_job(object) || is_pod(object)
}

/// How far a live object of a hook is.
pub fn verdict(object: &Object, live: &Value) -> Verdict {
    if is_job(object) {
        job(live)
    } else if is_pod(object) {
        pod(object, live)
    } else {
        Verdict::Succeeded
    }
}

/// The object as it is made for a run. Helm adds nothing to a hook; the labels have its watch tell of it, and the
/// annotation keeps it from being made twice.
pub fn mark(object: &Value, owner: &Owner, run: &str) -> Value {
    let mut value = object.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some((namespace, name)) = &owner.app {
            set(metadata, "labels", OWNER_NAME_LABEL, name);
            set(metadata, "labels", OWNER_NAMESPACE_LABEL, namespace);
        }
        set(metadata, "annotations", RUN_ANNOTATION, run);
    }
    value
}

/// What an object that is there already means for a run that would make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// This run has made it.
    Made,
    /// It is on its way out; the next one can be made when it is gone.
    Going,
    /// It goes, and is made anew.
    Replace,
    /// It stays, and counts as made: data could go with it.
    Keep,
    /// It is in the way; the text says why.
    InTheWay(&'static str),
}

/// What an object under the name of a hook's object means. Helm deletes whatever has the name; here it has to be a
/// hook's, or this release's. `data` is whether data could go with it: then only a policy that is written down
/// deletes it.
pub fn existing(
    object: &Object,
    hook: &Hook,
    live: &Value,
    owner: &Owner,
    run: &str,
    data: bool,
) -> Existing {
    let text = |section: &str, key: &str| live.get("metadata")?.get(section)?.get(key)?.as_str();
    let ours = is_owned(live, owner);
    let made_by = text("annotations", RUN_ANNOTATION).filter(|_| ours);
    if made_by == Some(run) {
        return Existing::Made;
    }
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Existing::Going;
    }
    let another = text("labels", OWNER_NAME_LABEL).is_some() && !ours;
    match classify(live, owner) {
        Ownership::Another { .. } => return Existing::InTheWay("it belongs to another release"),
        Ownership::Unowned if another => return Existing::InTheWay("it belongs to another HelmApp"),
        Ownership::Unowned if made_by.is_none() && text("annotations", HOOK_ANNOTATION).is_none() => {
            return Existing::InTheWay("it is no hook, and does not belong to the release");
        }
        Ownership::Ours | Ownership::Unowned => {}
    }
    if data && hook.delete_policies.is_empty() || hook.kind == CRD {
        return Existing::Keep;
    }
    let unended = made_by.is_some() && waits(object) && verdict(object, live) == Verdict::Running;
    if hook.is_deleted(&HookDeletePolicy::BeforeHookCreation) || unended {
        Existing::Replace
    } else {
        Existing::InTheWay("its delete policy keeps the one of an earlier run")
    }
}

/// Whether the labels of a live object lead to this owner's HelmApp.
pub fn is_owned(live: &Value, owner: &Owner) -> bool {
    let label = |key: &str| live.get("metadata")?.get("labels")?.get(key)?.as_str();
    owner.app.as_ref().is_none_or(|(namespace, name)| {
        label(OWNER_NAME_LABEL) == Some(name) && label(OWNER_NAMESPACE_LABEL) == Some(namespace)
    })
}

fn is_job(object: &Object) -> bool {
    object.id.group == "batch" && object.id.kind == "Job"
}

fn is_pod(object: &Object) -> bool {
    object.id.group.is_empty() && object.id.kind == "Pod"
}

fn job(live: &Value) -> Verdict {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten() {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        match (text("type"), text("status")) {
            ("Complete", "True") => return Verdict::Succeeded,
            ("Failed", "True") => return Verdict::Failed(said(text("reason"), text("message"))),
            _ => {}
        }
    }
    Verdict::Running
}

fn pod(object: &Object, live: &Value) -> Verdict {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/status/phase") {
        "Succeeded" => Verdict::Succeeded,
        "Failed" => {
            let why = Some(said(text("/status/reason"), text("/status/message")));
            let why = why.filter(|why| !why.is_empty()).or_else(|| exit(live));
            Verdict::Failed(why.unwrap_or_else(|| format!("pod {} failed", object.id.name)))
        }
        _ => Verdict::Running,
    }
}

/// How the first container ended that did not end well.
fn exit(live: &Value) -> Option<String> {
    let statuses = live.pointer("/status/containerStatuses")?.as_array()?;
    let ended = |status: &Value| {
        let code = status.pointer("/state/terminated/exitCode")?.as_i64()?;
        let name = status.get("name")?.as_str()?;
        (code != 0).then(|| format!("container {name} ended with exit code {code}"))
    };
    statuses.iter().find_map(ended)
}

fn said(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn set(metadata: &mut Map<String, Value>, section: &str, key: &str, text: &str) {
    let entry = metadata.entry(section).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    if let Some(marks) = entry.as_object_mut() {
        marks.insert(key.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{
        MANAGED_BY_HELM, MANAGED_BY_LABEL, ObjectId, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION,
    };

    fn object(group: &str, kind: &str) -> Object {
        let id = ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "web".into(),
            name: "migrate".into(),
        };
        Object {
            id,
            version: "v1".into(),
            value: json!({"kind": kind, "metadata": {"name": "migrate"}}),
            chart: String::new(),
            warnings: Vec::new(),
        }
    }

    fn owner() -> Owner {
        Owner {
            release: "shop".into(),
            namespace: "web".into(),
            app: Some(("apps".into(), "shop".into())),
        }
    }

    #[test]
    fn jobs_and_pods_end_and_others_are_through_at_once() {
        let condition = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "R", "message": "m"}]}});
        let failed = |text: &str| Verdict::Failed(text.to_owned());
        let table = [
            ("batch", "Job", json!({}), Verdict::Running),
            ("batch", "Job", condition("Suspended", "True"), Verdict::Running),
            (
                "batch",
                "Job",
                condition("FailureTarget", "True"),
                Verdict::Running,
            ),
            ("batch", "Job", condition("Complete", "True"), Verdict::Succeeded),
            ("batch", "Job", condition("Failed", "True"), failed("R: m")),
            (
                "",
                "Pod",
                json!({"status": {"phase": "Running"}}),
                Verdict::Running,
            ),
            (
                "",
                "Pod",
                json!({"status": {"phase": "Succeeded"}}),
                Verdict::Succeeded,
            ),
            (
                "",
                "Pod",
                json!({"status": {"phase": "Failed"}}),
                failed("pod migrate failed"),
            ),
            (
                "",
                "Pod",
                json!({"status": {"phase": "Failed", "reason": "Evicted"}}),
                failed("Evicted"),
            ),
            (
                "",
                "Pod",
                json!({"status": {"phase": "Failed", "containerStatuses": [
                    {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "b", "state": {"terminated": {"exitCode": 3}}},
                ]}}),
                failed("container b ended with exit code 3"),
            ),
            ("", "ConfigMap", json!({}), Verdict::Succeeded),
            ("example.com", "Job", json!({}), Verdict::Succeeded),
        ];
        for (group, kind, live, expected) in table {
            assert_eq!(verdict(&object(group, kind), &live), expected, "{kind} {live}");
        }
    }

    /// Labels and annotations of a live object.
    fn marked(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Value {
        let map = |pairs: &[(&str, &str)]| -> Map<String, Value> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).into()))
                .collect()
        };
        json!({"metadata": {"labels": map(labels), "annotations": map(annotations)}})
    }

    #[test]
    fn what_is_there_already_is_made_by_this_run_or_goes_or_is_in_the_way() {
        use HookDeletePolicy::{BeforeHookCreation, HookSucceeded};
        let ours = [(OWNER_NAMESPACE_LABEL, "apps"), (OWNER_NAME_LABEL, "shop")];
        let others = [(OWNER_NAMESPACE_LABEL, "apps"), (OWNER_NAME_LABEL, "other")];
        let release = |name| {
            marked(
                &[(MANAGED_BY_LABEL, MANAGED_BY_HELM)],
                &[
                    (RELEASE_NAME_ANNOTATION, name),
                    (RELEASE_NAMESPACE_ANNOTATION, "web"),
                ],
            )
        };
        let this_run = marked(&ours, &[(RUN_ANNOTATION, "2/pre-upgrade")]);
        let earlier = marked(&ours, &[(RUN_ANNOTATION, "1/pre-install")]);
        let mut ended = earlier.clone();
        ended["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        let mut going = earlier.clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let helms = marked(&[], &[(HOOK_ANNOTATION, "pre-upgrade")]);
        let way = |text| Existing::InTheWay(text);
        // live, policies, what it means
        let table = [
            (&this_run, &[][..], Existing::Made),
            (&going, &[], Existing::Going),
            (&earlier, &[], Existing::Replace),
            (&ended, &[BeforeHookCreation], Existing::Replace),
            // Nobody waits for it any more.
            (&earlier, &[HookSucceeded], Existing::Replace),
            (
                &ended,
                &[HookSucceeded],
                way("its delete policy keeps the one of an earlier run"),
            ),
            (&helms, &[], Existing::Replace),
            (&release("shop"), &[], Existing::Replace),
            (&release("other"), &[], way("it belongs to another release")),
            (&marked(&others, &[]), &[], way("it belongs to another HelmApp")),
            (
                &marked(&[], &[]),
                &[],
                way("it is no hook, and does not belong to the release"),
            ),
        ];
        for (live, policies, expected) in table {
            let hook = Hook {
                kind: "Job".to_owned(),
                delete_policies: policies.to_vec(),
                ..Hook::default()
            };
            let job = object("batch", "Job");
            let got = existing(&job, &hook, live, &owner(), "2/pre-upgrade", false);
            assert_eq!(got, expected, "{live} {policies:?}");
        }
        let claim = Hook {
            kind: "PersistentVolumeClaim".to_owned(),
            ..Hook::default()
        };
        let data = object("", "PersistentVolumeClaim");
        let got = existing(&data, &claim, &earlier, &owner(), "2/pre-upgrade", true);
        assert_eq!(got, Existing::Keep);
    }

    #[test]
    fn a_hook_is_marked_for_its_watch_and_its_run() {
        let marked = mark(
            &json!({"metadata": {"name": "a", "annotations": {"b": "c"}}}),
            &owner(),
            "2/test",
        );
        assert_eq!(
            marked["metadata"],
            json!({
                "name": "a",
                "labels": {OWNER_NAME_LABEL: "shop", OWNER_NAMESPACE_LABEL: "apps"},
                "annotations": {"b": "c", RUN_ANNOTATION: "2/test"},
            })
        );
    }
}
