//! A release's manifest: rendered files become objects in install order, hooks and notes
//! (`pkg/releaseutil/manifest_sorter.go` and `renderResources` of Helm 3.19).

mod head;
mod kind;
mod split;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use helmapp_goyaml::Options;
use helmapp_goyaml::sigs::{Numbers, to_json_with};
use serde_json::Value;

pub use head::Head;
pub use kind::KindOrder;
pub use split::split_documents;

use crate::release::{
    HOOK_ANNOTATION, HOOK_DELETE_ANNOTATION, HOOK_OUTPUT_LOG_ANNOTATION, HOOK_WEIGHT_ANNOTATION, Hook,
    HookDeletePolicy, HookEvent, HookOutputLogPolicy,
};

/// What can go wrong when rendered files are read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A document is not YAML, or not an object. The text is Helm's.
    #[error("YAML parse error on {path}: {reason}")]
    Parse {
        /// The template the document came from.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// All objects together have more nodes than [`Limits::nodes`].
    #[error("the manifest's objects have more than {limit} values (limit manifest nodes)")]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
}

/// A release's rendered content.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// All documents that are no hooks, in install order. Documents with only comments are among them.
    pub objects: Vec<ManifestObject>,
    /// The hooks in install order. Their order of execution is by weight and name.
    pub hooks: Vec<Hook>,
    /// The chart's own rendered NOTES.txt; `None` when it has none.
    pub notes: Option<String>,
    /// The text that Helm keeps as the release's manifest.
    pub text: String,
    /// What Helm would say on standard error.
    pub warnings: Vec<String>,
}

/// One document of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestObject {
    /// The template it came from, with the charts' names; empty when a stored manifest does not say.
    pub source: String,
    /// Its text.
    pub text: String,
    /// Its kind, name and annotations.
    pub head: Head,
    /// Its content; `Null` when it has only comments.
    pub object: Value,
}

const NOTES: &str = "NOTES.txt";

/// What the objects of a manifest may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Scalars, lists and maps in all of them. Default 500,000.
    pub nodes: usize,
    /// What one of them may cost to read. Default: that of [`helmapp_goyaml`].
    pub yaml: helmapp_goyaml::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 500_000,
            yaml: helmapp_goyaml::Limits::default(),
        }
    }
}

/// The nodes of a tree. The reader of YAML bounds its depth.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

impl Manifest {
    /// Sorts rendered files (path to text) into objects, hooks and notes. Partials (`_*`), blank files and the
    /// sub-charts' notes are left out.
    ///
    /// # Errors
    /// When a document is not an object in YAML.
    pub fn build(chart_name: &str, files: BTreeMap<String, String>) -> Result<Manifest, Error> {
        Manifest::build_within(chart_name, files, &Limits::default())
    }

    /// [`Manifest::build`] within the caller's limits.
    ///
    /// # Errors
    /// As [`Manifest::build`].
    pub fn build_within(
        chart_name: &str,
        files: BTreeMap<String, String>,
        limits: &Limits,
    ) -> Result<Manifest, Error> {
        let mut manifest = Manifest::default();
        let mut nodes = 0;
        let own_notes = format!("{chart_name}/templates/{NOTES}");
        for (path, content) in files {
            if path.ends_with(NOTES) {
                if path == own_notes {
                    manifest.notes = Some(content);
                }
                continue;
            }
            let base = path.rsplit('/').next().unwrap_or(&path);
            if base.starts_with('_') || content.trim().is_empty() {
                continue;
            }
            for text in split_documents(&content) {
                let object = ManifestObject::parse_within(&path, text, &limits.yaml)?;
                nodes += count(&object.object);
                if nodes > limits.nodes {
                    return Err(Error::TooManyNodes { limit: limits.nodes });
                }
                manifest.add(object);
            }
        }
        KindOrder::Install.sort(&mut manifest.objects, |o| &o.head.kind);
        KindOrder::Install.sort(&mut manifest.hooks, |h| &h.kind);
        manifest.text = text_of(&manifest.objects);
        Ok(manifest)
    }

    fn add(&mut self, object: ManifestObject) {
        let Some(events) = object.head.annotations.get(HOOK_ANNOTATION) else {
            self.objects.push(object);
            return;
        };
        let events: Option<Vec<HookEvent>> = listed(events).map(|e| HookEvent::from_annotation(&e)).collect();
        match events {
            Some(events) => self.hooks.push(hook(object, events)),
            None => {
                let named = object
                    .head
                    .annotations
                    .get(HOOK_ANNOTATION)
                    .map(String::as_str)
                    .unwrap_or_default();
                let named = helmapp_gotmpl::strconv::quote(named.as_bytes());
                self.warnings
                    .push(format!("info: skipping unknown hook: {named}"));
            }
        }
    }

    /// The objects' contents in install order, without documents that have only comments.
    pub fn parse_objects(&self) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|o| !o.object.is_null())
            .map(|o| o.object.clone())
            .collect()
    }
}

impl ManifestObject {
    /// Reads one document.
    ///
    /// # Errors
    /// When it is not an object in YAML.
    pub fn parse(source: &str, text: &str) -> Result<ManifestObject, Error> {
        ManifestObject::parse_within(source, text, &helmapp_goyaml::Limits::default())
    }

    fn parse_within(
        source: &str,
        text: &str,
        limits: &helmapp_goyaml::Limits,
    ) -> Result<ManifestObject, Error> {
        let error = |reason| Error::Parse {
            path: source.to_owned(),
            reason,
        };
        let options = Options {
            limits: *limits,
            ..Options::default()
        };
        let object = to_json_with(text, Numbers::Exact, &options).map_err(|e| error(e.to_string()))?;
        let head = Head::read(&object).map_err(error)?;
        Ok(ManifestObject {
            source: source.to_owned(),
            text: text.to_owned(),
            head,
            object,
        })
    }
}

/// Reads a stored manifest: the text of [`Manifest::text`], or of a record that Helm wrote.
///
/// # Errors
/// When a document is not an object in YAML.
pub fn parse_stored(text: &str) -> Result<Vec<ManifestObject>, Error> {
    split_documents(text)
        .map(|document| {
            let (source, rest) = document
                .strip_prefix("# Source: ")
                .map(|d| d.split_once('\n').unwrap_or((d, "")))
                .unwrap_or(("", document));
            ManifestObject::parse(source.trim_end(), rest)
        })
        .collect()
}

/// A document as Helm prints it, with its separator and origin.
pub fn source_block(source: &str, text: &str) -> String {
    format!("---\n# Source: {source}\n{text}\n")
}

fn text_of(objects: &[ManifestObject]) -> String {
    let size = objects.iter().map(|o| o.source.len() + o.text.len() + 16).sum();
    let mut text = String::with_capacity(size);
    for o in objects {
        for part in ["---\n# Source: ", &o.source, "\n", &o.text, "\n"] {
            text.push_str(part);
        }
    }
    text
}

fn hook(object: ManifestObject, events: Vec<HookEvent>) -> Hook {
    let annotation = |name: &str| object.head.annotations.get(name);
    let weight = annotation(HOOK_WEIGHT_ANNOTATION)
        .and_then(|w| w.parse().ok())
        .unwrap_or(0);
    let delete_policies = annotation(HOOK_DELETE_ANNOTATION)
        .map(|a| listed(a).map(|p| HookDeletePolicy::from_annotation(&p)).collect())
        .unwrap_or_default();
    let output_log_policies = annotation(HOOK_OUTPUT_LOG_ANNOTATION)
        .map(|a| {
            listed(a)
                .map(|p| HookOutputLogPolicy::from_annotation(&p))
                .collect()
        })
        .unwrap_or_default();
    Hook {
        name: object.head.name,
        kind: object.head.kind,
        path: object.source,
        manifest: object.text,
        events,
        weight,
        delete_policies,
        output_log_policies,
        ..Hook::default()
    }
}

/// The words of an annotation that lists some, trimmed and lowered.
fn listed(annotation: &str) -> impl Iterator<Item = String> {
    annotation.split(',').map(|word| word.trim().to_lowercase())
}
