//! Objects of a manifest and their identity.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::hygiene;
use crate::manifest::ManifestObject;

/// Lists inside lists deeper than this are refused.
const MAX_LIST_DEPTH: usize = 8;

/// What makes two objects the same one across revisions: the API version is not part of it, because a chart
/// that moves from `policy/v1beta1` to `policy/v1` still means the same object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind, as in the manifest.
    pub kind: String,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// `Deployment.apps web/nginx`: kind, group where there is one, namespace where there is one, name.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// One object of a manifest with its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Identity.
    pub id: ObjectId,
    /// API version without the group: `v1`, `v1beta1`.
    pub version: String,
    /// The object as rendered, with `metadata.namespace` set (namespaced) or dropped (cluster-scoped), as
    /// server-side apply takes it.
    pub value: Value,
    /// The chart that it came from, as `shop/charts/database`; empty where that is not known.
    pub chart: String,
    /// What of it was not taken as it stands.
    pub warnings: Vec<String>,
}

/// One document of a manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The template that it came from, as `shop/charts/database/templates/secret.yaml`; empty where that is not known.
    pub source: String,
    /// What it says.
    pub value: Value,
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        let source = String::new();
        Self { source, value }
    }
}

impl From<ManifestObject> for Document {
    fn from(object: ManifestObject) -> Self {
        Self {
            source: object.source,
            value: object.object,
        }
    }
}

impl Document {
    fn chart(&self) -> &str {
        let (chart, _) = self.source.split_once("/templates/").unwrap_or_default();
        chart
    }
}

impl Object {
    /// `apiVersion` as it stands in the object.
    pub fn api_version(&self) -> String {
        if self.id.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.id.group, self.version)
        }
    }
}

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Objects have a namespace.
    Namespaced,
    /// Objects belong to the cluster.
    Cluster,
}

/// Why a document is not an object that can be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// A document is not a mapping, or lacks `apiVersion`, `kind` or `metadata.name`.
    #[error("object {position} of the manifest{} has no {field}", from(.source_template))]
    Incomplete {
        /// Position in the manifest, from 1.
        position: usize,
        /// The template that it came from; empty where that is not known.
        source_template: String,
        /// The field that is missing.
        field: &'static str,
    },
    /// The cluster does not serve the kind and no CRD of the release defines it.
    #[error(
        "no matches for kind \"{kind}\" in version \"{api_version}\" ({name}): the cluster does not serve it and no CRD of the chart defines it"
    )]
    UnknownKind {
        /// `apiVersion` of the object.
        api_version: String,
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// A list contains lists beyond the limit.
    #[error("object {position} of the manifest nests lists deeper than {MAX_LIST_DEPTH}")]
    ListTooDeep {
        /// Position in the manifest, from 1.
        position: usize,
    },
}

/// Gives each document its identity, in the manifest's order.
///
/// `scope` answers for (group, version, kind), `None` when the kind is unknown. A namespaced object without
/// a namespace gets the release's; a cluster-scoped one loses any it has. `List` documents are flattened, as
/// Helm's resource builder does. Of two documents with one identity the later stays, at its own place: that
/// is what applying both in order would leave.
///
/// # Errors
/// Every document that is not an object or whose kind is unknown, not only the first.
pub fn objects<D: Into<Document>>(
    documents: impl IntoIterator<Item = D>,
    release_namespace: &str,
    scope: impl Fn(&str, &str, &str) -> Option<Scope>,
) -> Result<Vec<Object>, Vec<ObjectError>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let position = index + 1;
        let document: Document = document.into();
        let (chart, source) = (document.chart().to_owned(), document.source.clone());
        flatten(
            document.value,
            0,
            position,
            &mut errors,
            &mut |value, errors| match identify(value, position, &source, release_namespace, &scope) {
                Ok(object) => {
                    let chart = chart.clone();
                    found.push((Object { chart, ..object }, source.clone()));
                }
                Err(error) => errors.push(error),
            },
        );
    }
    if errors.is_empty() {
        Ok(last_of_each(found))
    } else {
        Err(errors)
    }
}

/// The kinds that CustomResourceDefinitions among `documents` define: (group, version, kind) to plural and scope.
pub fn crd_kinds<'a>(
    documents: impl IntoIterator<Item = &'a Value>,
) -> BTreeMap<(String, String, String), (String, Scope)> {
    let mut kinds = BTreeMap::new();
    for crd in documents {
        if crd.get("kind").and_then(Value::as_str) != Some("CustomResourceDefinition") {
            continue;
        }
        let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str);
        let (Some(group), Some(kind), Some(plural)) = (
            text("/spec/group"),
            text("/spec/names/kind"),
            text("/spec/names/plural"),
        ) else {
            continue;
        };
        let scope = match text("/spec/scope") {
            Some("Cluster") => Scope::Cluster,
            _ => Scope::Namespaced,
        };
        let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
        for version in versions.into_iter().flatten() {
            if version.get("served").and_then(Value::as_bool) != Some(false)
                && let Some(name) = version.get("name").and_then(Value::as_str)
            {
                let key = (group.to_owned(), name.to_owned(), kind.to_owned());
                kinds.insert(key, (plural.to_owned(), scope));
            }
        }
    }
    kinds
}

/// Group and version of an `apiVersion`; the group of `v1` is empty.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn flatten(
    mut document: Value,
    depth: usize,
    position: usize,
    errors: &mut Vec<ObjectError>,
    each: &mut impl FnMut(Value, &mut Vec<ObjectError>),
) {
    let is_list = document
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items") {
        Some(Value::Array(items)) if is_list => {
            if depth == MAX_LIST_DEPTH {
                errors.push(ObjectError::ListTooDeep { position });
                return;
            }
            for item in std::mem::take(items) {
                flatten(item, depth + 1, position, errors, each);
            }
        }
        _ => each(document, errors),
    }
}

fn identify(
    mut value: Value,
    position: usize,
    source: &str,
    release_namespace: &str,
    scope: &impl Fn(&str, &str, &str) -> Option<Scope>,
) -> Result<Object, ObjectError> {
    let text = |pointer: &str, field| {
        let found = value
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| ObjectError::Incomplete {
            position,
            source_template: source.to_owned(),
            field,
        })
    };
    let api_version = text("/apiVersion", "apiVersion")?;
    let kind = text("/kind", "kind")?;
    let name = text("/metadata/name", "metadata.name")?;
    let (group, version) = split_api_version(&api_version);
    let Some(scope) = scope(group, version, &kind) else {
        return Err(ObjectError::UnknownKind {
            api_version,
            kind,
            name,
        });
    };
    let (group, version) = (group.to_owned(), version.to_owned());
    let namespace = place(&mut value, release_namespace, scope);
    let id = ObjectId {
        group,
        kind,
        namespace,
        name,
    };
    let warnings = hygiene::tidy(&id, &mut value);
    Ok(Object {
        id,
        version,
        value,
        chart: String::new(),
        warnings,
    })
}

fn place(value: &mut Value, release_namespace: &str, scope: Scope) -> String {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return String::new();
    };
    match scope {
        Scope::Cluster => {
            metadata.remove("namespace");
            String::new()
        }
        Scope::Namespaced => {
            let given = metadata
                .get("namespace")
                .and_then(Value::as_str)
                .filter(|given| !given.is_empty());
            let namespace = given.unwrap_or(release_namespace).to_owned();
            metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
            namespace
        }
    }
}

fn last_of_each(found: Vec<(Object, String)>) -> Vec<Object> {
    let mut places: BTreeMap<ObjectId, Vec<(usize, String)>> = BTreeMap::new();
    for (index, (object, source)) in found.iter().enumerate() {
        let places = places.entry(object.id.clone()).or_default();
        places.push((index, source.clone()));
    }
    let objects = found.into_iter().enumerate();
    let kept = objects.filter_map(|(index, (mut object, _))| {
        let places = places.get(&object.id)?;
        if places.last()?.0 != index {
            return None;
        }
        if places.len() > 1 {
            let sources = places.iter().map(|(_, source)| source.as_str());
            let sources: Vec<&str> = sources.filter(|source| !source.is_empty()).collect();
            object.warnings.push(format!(
                "{} is {} times in the manifest{}: the last one counts",
                object.id,
                places.len(),
                from(&sources.join(", "))
            ));
        }
        Some(object)
    });
    kept.collect()
}

/// ` (demo/templates/a.yaml)`, where it is known.
fn from(source: &str) -> String {
    match source {
        "" => String::new(),
        known => format!(" ({known})"),
    }
}
