//! The part of a document that decides its place: version, kind, name, annotations.
//!
//! Read as Go reads Helm's `SimpleHead`: keys match without regard to case, numbers and booleans become strings, and
//! a field of another shape is an error with Go's words.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// What Helm reads of a document before it sorts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `apiVersion`; empty when absent.
    pub api_version: String,
    /// `kind`; empty when absent.
    pub kind: String,
    /// `metadata.name`; empty when absent.
    pub name: String,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
}

const METADATA_TYPE: &str =
    r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;

impl Head {
    /// Reads a document's head. A document without content has an empty one.
    pub(super) fn read(document: &Value) -> Result<Head, String> {
        let mut head = Head::default();
        let fields = match document {
            Value::Null => return Ok(head),
            Value::Object(fields) => fields,
            other => return Err(mismatch(other, "Go value of type releaseutil.SimpleHead")),
        };
        let mut first_error = Ok(());
        for (key, value) in fields {
            let result = if key.eq_ignore_ascii_case("apiVersion") {
                read_string(value, "SimpleHead.apiVersion", &mut head.api_version)
            } else if key.eq_ignore_ascii_case("kind") {
                read_string(value, "SimpleHead.kind", &mut head.kind)
            } else if key.eq_ignore_ascii_case("metadata") {
                match value {
                    Value::Null => Ok(()),
                    Value::Object(metadata) => head.read_metadata(metadata),
                    other => Err(mismatch_field(other, "SimpleHead.metadata", METADATA_TYPE)),
                }
            } else {
                Ok(())
            };
            first_error = first_error.and(result);
        }
        first_error.map(|()| head)
    }

    fn read_metadata(&mut self, metadata: &Map<String, Value>) -> Result<(), String> {
        let mut first_error = Ok(());
        for (key, value) in metadata {
            let result = if key.eq_ignore_ascii_case("name") {
                read_string(value, ".metadata.name", &mut self.name)
            } else if key.eq_ignore_ascii_case("annotations") {
                self.read_annotations(value)
            } else {
                Ok(())
            };
            first_error = first_error.and(result);
        }
        first_error
    }

    fn read_annotations(&mut self, value: &Value) -> Result<(), String> {
        let mut first_error = Ok(());
        match value {
            Value::Null => {}
            Value::Object(annotations) => {
                for (key, value) in annotations {
                    let mut text = String::new();
                    first_error = first_error.and(read_string(value, ".metadata.annotations", &mut text));
                    self.annotations.insert(key.clone(), text);
                }
            }
            other => {
                return Err(mismatch_field(
                    other,
                    ".metadata.annotations",
                    "map[string]string",
                ));
            }
        }
        first_error
    }
}

fn read_string(value: &Value, field: &str, into: &mut String) -> Result<(), String> {
    match value {
        Value::Null => {}
        Value::String(s) => into.clone_from(s),
        Value::Bool(b) => *into = b.to_string(),
        Value::Number(n) => *into = number_text(n),
        other => return Err(mismatch_field(other, field, "string")),
    }
    Ok(())
}

/// A float as Go's `%g`, whatever has no fraction included.
fn number_text(n: &Number) -> String {
    match n
        .as_f64()
        .filter(|_| n.is_f64())
        .map(|f| helmapp_goyaml::v3::to_string(&Value::from(f)))
    {
        Some(Ok(text)) => text.trim_end().to_owned(),
        _ => n.to_string(),
    }
}

fn mismatch_field(value: &Value, field: &str, wanted: &str) -> String {
    mismatch(value, &format!("Go struct field {field} of type {wanted}"))
}

fn mismatch(value: &Value, into: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {into}")
}
