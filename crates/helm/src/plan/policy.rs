//! What may be done to objects: by their own annotations, and by what the release is told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::object::{Object, ObjectId};
use super::ownership::{RESOURCE_POLICY_ANNOTATION, metadata_text};

/// nelm's annotation beside [`RESOURCE_POLICY_ANNOTATION`].
const WERF_RESOURCE_POLICY: &str = "werf.io/resource-policy";
/// nelm's annotation for when an object is made anew.
const DELETE_POLICY: &str = "werf.io/delete-policy";
/// nelm's annotation for what becomes of what an object owns.
const DELETE_PROPAGATION: &str = "werf.io/delete-propagation";

/// What must not be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourcePolicy {
    /// Deleted when the release lets go of it: `keep` or `skip-delete`.
    Keep,
    /// Made where it is not there: `skip-create`.
    SkipCreate,
    /// Changed where it is there: `skip-update`.
    SkipUpdate,
    /// Deleted and made anew: `skip-recreate`.
    SkipRecreate,
}

impl ResourcePolicy {
    /// Whether the object has it.
    pub fn is_of(self, object: &Value) -> bool {
        let words: &[&str] = match self {
            Self::Keep => &["keep", "skip-delete"],
            Self::SkipCreate => &["skip-create"],
            Self::SkipUpdate => &["skip-update"],
            Self::SkipRecreate => &["skip-recreate"],
        };
        let own = listed(object, WERF_RESOURCE_POLICY).any(|word| words.contains(&word.as_str()));
        // Helm knows this one word, and takes the annotation whole.
        let helms = metadata_text(object, "annotations", RESOURCE_POLICY_ANNOTATION)
            .is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"));
        own || helms && self == Self::Keep
    }
}

/// What a release is told about objects that stand in its way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// Objects that are nobody's are taken over.
    pub adopt: bool,
    /// Releases, by namespace and name, of which nothing but the marks is left: their objects are nobody's.
    pub ended: Option<&'a BTreeSet<(String, String)>>,
    /// Kinds whose objects are made anew where a field of them can't be changed: `Deployment`, or `Widget.example.com`.
    pub recreate: &'a [String],
}

/// What becomes of what an object owns when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// It goes first.
    Foreground,
    /// It goes after.
    Background,
    /// It stays.
    Orphan,
}

/// Why an object is not made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Nobody asked for it; the text says how to.
    NotAsked(String),
    /// It must not be, whoever asks; the text says why, and the way out.
    Never(String),
}

/// Whether data can go with an object of the kind.
pub fn holds_data(id: &ObjectId) -> bool {
    matches!(
        (id.group.as_str(), id.kind.as_str()),
        ("", "PersistentVolumeClaim" | "PersistentVolume" | "Namespace")
            | ("apps", "StatefulSet")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | (
                "snapshot.storage.k8s.io",
                "VolumeSnapshot" | "VolumeSnapshotContent"
            )
    )
}

/// Whether the kind is none of Kubernetes' own: what its objects stand for only its controller knows.
pub fn is_custom(id: &ObjectId) -> bool {
    let own = [
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "internal.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    ];
    match id.group.strip_suffix(".k8s.io") {
        Some(group) => !own.contains(&group),
        None => id.group.contains('.'),
    }
}

/// How an object is deleted so that it can be made anew. `live` is the spec of the one that is there.
pub(super) fn recreation(object: &Object, live: &Value, rules: &Rules<'_>) -> Result<Propagation, Obstacle> {
    let id = &object.id;
    let kind = (id.group.as_str(), id.kind.as_str());
    if ResourcePolicy::SkipRecreate.is_of(&object.value) {
        let text = format!(
            "its {WERF_RESOURCE_POLICY} annotation says skip-recreate; set the field back, or take that away"
        );
        return Err(Obstacle::Never(text));
    }
    if holds_data(id) && kind != ("apps", "StatefulSet") {
        return Err(Obstacle::Never(way_out_of_data(id)));
    }
    let asked = is_asked(object, rules);
    if !asked {
        return Err(Obstacle::NotAsked(way_to_ask(id)));
    }
    if kind == ("apps", "StatefulSet") {
        return orphaned(object, live);
    }
    Ok(
        match metadata_text(&object.value, "annotations", DELETE_PROPAGATION) {
            Some("Background") => Propagation::Background,
            Some("Orphan") => Propagation::Orphan,
            // What runs ends before what takes its place begins.
            _ => Propagation::Foreground,
        },
    )
}

fn is_asked(object: &Object, rules: &Rules<'_>) -> bool {
    let id = &object.id;
    let listed_kind = rules.recreate.iter().any(|kind| match kind.split_once('.') {
        Some((kind, group)) => kind == id.kind && group == id.group,
        None => *kind == id.kind,
    });
    let mut policies = listed(&object.value, DELETE_POLICY).peekable();
    let by_itself = match policies.peek() {
        Some(_) => policies
            .any(|policy| ["before-creation", "before-creation-if-immutable"].contains(&policy.as_str())),
        // A Job that ran can't become another, and is not needed any more.
        None => (id.group.as_str(), id.kind.as_str()) == ("batch", "Job"),
    };
    listed_kind || by_itself
}

fn way_to_ask(id: &ObjectId) -> String {
    let keeping = match (id.group.as_str(), id.kind.as_str()) {
        ("apps", "StatefulSet") => ", which keeps its pods and claims",
        ("", "Service") => ", which gives it other addresses",
        _ => "",
    };
    format!(
        "set it back, or have the object made anew{keeping}: with {kind} in spec.upgrade.recreate, or with the annotation {DELETE_POLICY}: before-creation-if-immutable",
        kind = id.kind
    )
}

fn way_out_of_data(id: &ObjectId) -> String {
    let way = match id.kind.as_str() {
        "PersistentVolumeClaim" => {
            "set it back (storage requests can grow where the StorageClass allows it), or give the claim another name and move the data"
        }
        "PersistentVolume" => "set it back, or give the volume another name",
        "CustomResourceDefinition" => "set it back; all objects of the kind would go with it",
        _ => "set it back; everything in it would go with it",
    };
    format!("it is never deleted to be made anew, as it can hold data: {way}")
}

/// Whether a StatefulSet can be made anew around its pods.
fn orphaned(object: &Object, live: &Value) -> Result<Propagation, Obstacle> {
    let never = |why: &str| {
        Err(Obstacle::Never(format!(
            "it can't be made anew around its pods: {why}; set the field back, or move the data to a StatefulSet of another name"
        )))
    };
    let none = Value::Null;
    let new = object.value.get("spec").unwrap_or(&none);
    let when_deleted = |spec: &Value| {
        let policy = spec.pointer("/persistentVolumeClaimRetentionPolicy/whenDeleted");
        policy
            .and_then(Value::as_str)
            .is_none_or(|policy| policy == "Retain")
    };
    if !when_deleted(live) {
        return never(
            "persistentVolumeClaimRetentionPolicy.whenDeleted of the live one is not Retain, so that its claims would go",
        );
    }
    if !selects_all_of(new, live) {
        return never("its selector would not match all the pods that it has");
    }
    if templates(new) != templates(live) {
        return never("its volumeClaimTemplates have other names, so that its pods would get other claims");
    }
    Ok(Propagation::Orphan)
}

/// Whether a selector matches whatever another one matches: it asks for nothing that the other does not ask for.
fn selects_all_of(new: &Value, live: &Value) -> bool {
    let labels = |spec: &Value| {
        let labels = spec.pointer("/selector/matchLabels").and_then(Value::as_object);
        labels.cloned().unwrap_or_default()
    };
    let expressions = |spec: &Value| {
        let all = spec
            .pointer("/selector/matchExpressions")
            .and_then(Value::as_array);
        all.cloned().unwrap_or_default()
    };
    let (known, known_expressions) = (labels(live), expressions(live));
    labels(new)
        .iter()
        .all(|(key, value)| known.get(key) == Some(value))
        && expressions(new).iter().all(|one| known_expressions.contains(one))
}

/// The names of the claims that each pod has.
fn templates(spec: &Value) -> BTreeSet<&str> {
    let templates = spec.get("volumeClaimTemplates").and_then(Value::as_array);
    let names = templates.into_iter().flatten();
    names
        .filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
        .collect()
}

/// The words of an annotation that lists some, trimmed and lowered.
fn listed(object: &Value, annotation: &str) -> impl Iterator<Item = String> {
    let text = metadata_text(object, "annotations", annotation).unwrap_or_default();
    let words: Vec<String> = text
        .split(',')
        .map(|word| word.trim().to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(group: &str, kind: &str, annotations: Value, spec: Value) -> Object {
        Object {
            id: ObjectId {
                group: group.into(),
                kind: kind.into(),
                namespace: "web".into(),
                name: "a".into(),
            },
            version: "v1".into(),
            value: json!({"metadata": {"annotations": annotations}, "spec": spec}),
            chart: String::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn kinds_that_kubernetes_does_not_define_are_custom() {
        for (group, kind, custom) in [
            ("", "Service", false),
            ("apps", "Deployment", false),
            ("networking.k8s.io", "Ingress", false),
            ("flowcontrol.apiserver.k8s.io", "FlowSchema", false),
            ("gateway.networking.k8s.io", "Gateway", true),
            ("metrics.k8s.io", "PodMetrics", true),
            ("postgresql.cnpg.io", "Cluster", true),
        ] {
            let id = object(group, kind, json!({}), json!({})).id;
            assert_eq!(is_custom(&id), custom, "{group} {kind}");
        }
    }

    #[test]
    fn policies_are_read_from_both_annotations() {
        use ResourcePolicy::{Keep, SkipCreate, SkipRecreate, SkipUpdate};
        let all = [Keep, SkipCreate, SkipUpdate, SkipRecreate];
        let table = [
            (json!({"helm.sh/resource-policy": " Keep "}), vec![Keep]),
            (json!({"helm.sh/resource-policy": "skip-create"}), vec![]),
            (json!({"werf.io/resource-policy": "keep"}), vec![Keep]),
            (
                json!({"werf.io/resource-policy": "skip-delete, skip-update"}),
                vec![Keep, SkipUpdate],
            ),
            (
                json!({"werf.io/resource-policy": "skip-create,skip-recreate"}),
                vec![SkipCreate, SkipRecreate],
            ),
            (json!({}), vec![]),
        ];
        for (annotations, expected) in table {
            let object = json!({"metadata": {"annotations": annotations}});
            let found: Vec<_> = all.into_iter().filter(|policy| policy.is_of(&object)).collect();
            assert_eq!(found, expected, "{object}");
        }
    }

    /// One of the three answers, without its words.
    fn word(found: Result<Propagation, Obstacle>) -> &'static str {
        match found {
            Ok(Propagation::Foreground) => "foreground",
            Ok(Propagation::Background) => "background",
            Ok(Propagation::Orphan) => "orphan",
            Err(Obstacle::NotAsked(_)) => "not asked",
            Err(Obstacle::Never(_)) => "never",
        }
    }

    #[test]
    fn what_is_made_anew_depends_on_the_kind_and_on_who_asks() {
        let if_immutable = || json!({"werf.io/delete-policy": "before-creation-if-immutable"});
        let all = [
            "PersistentVolumeClaim",
            "CustomResourceDefinition",
            "Deployment",
            "Service",
            "StatefulSet",
        ];
        let table = [
            ("batch", "Job", json!({}), &[][..], "foreground"),
            (
                "batch",
                "Job",
                json!({"werf.io/delete-propagation": "Background"}),
                &[],
                "background",
            ),
            (
                "batch",
                "Job",
                json!({"werf.io/delete-policy": "succeeded"}),
                &[],
                "not asked",
            ),
            (
                "batch",
                "Job",
                json!({"werf.io/resource-policy": "skip-recreate"}),
                &[],
                "never",
            ),
            ("example.com", "Job", json!({}), &[], "not asked"),
            ("apps", "Deployment", json!({}), &[], "not asked"),
            ("apps", "Deployment", if_immutable(), &[], "foreground"),
            ("apps", "Deployment", json!({}), &all, "foreground"),
            (
                "apps",
                "Deployment",
                json!({}),
                &["Deployment.apps"],
                "foreground",
            ),
            (
                "apps",
                "Deployment",
                json!({}),
                &["Deployment.example.com"],
                "not asked",
            ),
            ("", "Service", json!({}), &[], "not asked"),
            ("", "Service", json!({}), &all, "foreground"),
            ("", "PersistentVolumeClaim", if_immutable(), &all, "never"),
            ("", "PersistentVolume", if_immutable(), &[], "never"),
            (
                "apiextensions.k8s.io",
                "CustomResourceDefinition",
                json!({}),
                &all,
                "never",
            ),
            ("apps", "StatefulSet", json!({}), &[], "not asked"),
            ("apps", "StatefulSet", json!({}), &all, "orphan"),
            ("apps", "StatefulSet", if_immutable(), &[], "orphan"),
        ];
        for (group, kind, annotations, recreate, expected) in table {
            let recreate: Vec<String> = recreate.iter().map(|kind| (*kind).to_owned()).collect();
            let rules = Rules {
                recreate: &recreate,
                ..Rules::default()
            };
            let object = object(group, kind, annotations.clone(), json!({}));
            let found = recreation(&object, &json!({}), &rules);
            assert_eq!(word(found), expected, "{kind} {annotations} {recreate:?}");
        }
    }

    #[test]
    fn a_statefulset_keeps_its_pods_and_its_claims() {
        let spec = |labels: Value, deleted: Option<&str>, claim: &str| {
            let mut spec = json!({"selector": {"matchLabels": labels},
                                  "volumeClaimTemplates": [{"metadata": {"name": claim}, "spec": {}}]});
            if let Some(deleted) = deleted {
                spec["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": deleted});
            }
            spec
        };
        let (one, two) = (json!({"app": "a"}), json!({"app": "a", "tier": "db"}));
        let table = [
            (
                spec(one.clone(), None, "data"),
                spec(one.clone(), Some("Retain"), "data"),
                "orphan",
            ),
            (
                spec(one.clone(), None, "data"),
                spec(two.clone(), None, "data"),
                "orphan",
            ),
            (
                spec(two.clone(), None, "data"),
                spec(one.clone(), None, "data"),
                "never",
            ),
            (
                spec(json!({"app": "b"}), None, "data"),
                spec(one.clone(), None, "data"),
                "never",
            ),
            (
                spec(one.clone(), Some("Retain"), "data"),
                spec(one.clone(), Some("Delete"), "data"),
                "never",
            ),
            (
                spec(one.clone(), None, "other"),
                spec(one.clone(), None, "data"),
                "never",
            ),
        ];
        let rules = ["StatefulSet".to_owned()];
        let rules = Rules {
            recreate: &rules,
            ..Rules::default()
        };
        for (new, live, expected) in table {
            let object = object("apps", "StatefulSet", json!({}), new);
            assert_eq!(
                word(recreation(&object, &live, &rules)),
                expected,
                "{object:?} {live}"
            );
        }
    }
}
