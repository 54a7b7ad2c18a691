//! Who an object belongs to: Helm's label and annotations, and the labels that lead from an object to its HelmApp.

use serde_json::{Map, Value};

use super::order::DEPENDS_ON_GROUPS;
use super::policy::ResourcePolicy;

/// Nesting below which nulls are looked for; the API server itself refuses deeper objects.
const MAX_DEPTH: usize = 512;

/// Label that Helm puts on every object of a release.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY_HELM: &str = "Helm";
/// Annotation with the release's name.
pub const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
/// Annotation with the release's namespace.
pub const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";
/// Label with the name of the owning HelmApp.
pub const OWNER_NAME_LABEL: &str = "helmapp.io/name";
/// Label with the namespace of the owning HelmApp.
pub const OWNER_NAMESPACE_LABEL: &str = "helmapp.io/namespace";
/// Annotation that says what may be done with an object.
pub const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// The release, and the HelmApp behind it, that objects are marked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Release name.
    pub release: String,
    /// Release namespace.
    pub namespace: String,
    /// Namespace and name of the HelmApp; `None` where a release is planned without one.
    pub app: Option<(String, String)>,
}

/// Whose an object in the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// It carries this release's label and annotations.
    Ours,
    /// It carries no complete ownership metadata.
    Unowned,
    /// It carries another release's annotations.
    Another {
        /// Name of that release.
        release: String,
        /// Namespace of that release.
        namespace: String,
    },
}

/// The object as it is sent to the server: marked with its owner, without nulls and what only says something to us.
///
/// Pod templates are left alone: a label there would restart the pods. A null in a mapping means "not set" in
/// a rendered manifest, while server-side apply would take it for a value or refuse it.
pub fn prepare(object: &Value, owner: &Owner) -> Value {
    let mut value = object.clone();
    drop_nulls(&mut value, 0);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(DEPENDS_ON_GROUPS);
        }
        mark(metadata, "labels", MANAGED_BY_LABEL, MANAGED_BY_HELM);
        if let Some((namespace, name)) = &owner.app {
            mark(metadata, "labels", OWNER_NAME_LABEL, name);
            mark(metadata, "labels", OWNER_NAMESPACE_LABEL, namespace);
        }
        mark(metadata, "annotations", RELEASE_NAME_ANNOTATION, &owner.release);
        mark(
            metadata,
            "annotations",
            RELEASE_NAMESPACE_ANNOTATION,
            &owner.namespace,
        );
    }
    value
}

/// Whose the live object is, by Helm's rules: all three marks, or it is not ours.
pub fn classify(live: &Value, owner: &Owner) -> Ownership {
    let annotation = |key| metadata_text(live, "annotations", key);
    match (
        annotation(RELEASE_NAME_ANNOTATION),
        annotation(RELEASE_NAMESPACE_ANNOTATION),
    ) {
        (Some(release), Some(namespace)) if release == owner.release && namespace == owner.namespace => {
            match metadata_text(live, "labels", MANAGED_BY_LABEL) {
                Some(MANAGED_BY_HELM) => Ownership::Ours,
                _ => Ownership::Unowned,
            }
        }
        (Some(release), Some(namespace)) => Ownership::Another {
            release: release.to_owned(),
            namespace: namespace.to_owned(),
        },
        _ => Ownership::Unowned,
    }
}

/// Whether an object asks to be kept when its release lets go of it.
pub fn keeps(value: &Value) -> bool {
    ResourcePolicy::Keep.is_of(value)
}

/// A text in a mapping of the metadata.
pub(super) fn metadata_text<'a>(value: &'a Value, section: &str, key: &str) -> Option<&'a str> {
    value.get("metadata")?.get(section)?.get(key)?.as_str()
}

fn mark(metadata: &mut Map<String, Value>, section: &str, key: &str, text: &str) {
    let entry = metadata.entry(section).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    if let Some(marks) = entry.as_object_mut() {
        marks.insert(key.to_owned(), text.into());
    }
}

fn drop_nulls(value: &mut Value, depth: usize) {
    if depth == MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            map.retain(|_, item| !item.is_null());
            map.values_mut().for_each(|item| drop_nulls(item, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls(item, depth + 1)),
        _ => {}
    }
}
