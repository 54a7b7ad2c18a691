//! Reading a YAML document into fields of fixed types as Go does: `sigs.k8s.io/yaml` turns numbers and booleans
//! into text where text is wanted, then `encoding/json` finds fields without regard to case, leaves them alone
//! for null, and refuses other kinds.

use serde_json::{Map, Value};

use crate::values::text::{float_text, json_kind};

/// The mapping of a document, its fields to be taken one by one.
pub(super) struct Object<'v> {
    /// The Go type, for the text of errors.
    go_type: &'static str,
    /// The path of fields that led here, with a dot after it.
    path: String,
    map: &'v Map<String, Value>,
}

/// What a document's reader returns: the text is Go's.
pub(super) type Result<T> = std::result::Result<T, String>;

impl<'v> Object<'v> {
    /// The document's top level; null is an empty mapping.
    pub(super) fn root(value: &'v Value, go_type: &'static str) -> Result<Option<Self>> {
        match value {
            Value::Null => Ok(None),
            Value::Object(map) => Ok(Some(Self {
                go_type,
                path: String::new(),
                map,
            })),
            other => Err(format!(
                "{PREFIX}json: cannot unmarshal {} into Go value of type {go_type}",
                json_kind(other)
            )),
        }
    }

    /// All values of the field, in the order in which they are set: of keys that differ in case only, the last
    /// in the order of bytes wins.
    fn values(&self, field: &str) -> impl Iterator<Item = &'v Value> {
        let field = field.to_owned();
        self.map
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(&field))
            .map(|(_, value)| value)
    }

    /// Whether the field ends up set, or null; nothing where it is not there.
    pub(super) fn last_is_set(&self, field: &str) -> Option<bool> {
        self.values(field).last().map(|value| !value.is_null())
    }

    fn mismatch(&self, value: &Value, field: &str, wanted: &str) -> String {
        format!(
            "{PREFIX}json: cannot unmarshal {} into Go struct field {}.{}{field} of type {wanted}",
            json_kind(value),
            self.go_type,
            self.path,
        )
    }

    /// A string.
    pub(super) fn string(&self, field: &str, target: &mut String) -> Result<()> {
        for value in self.values(field) {
            if !value.is_null() {
                *target = text(value).ok_or_else(|| self.mismatch(value, field, "string"))?;
            }
        }
        Ok(())
    }

    /// A boolean.
    pub(super) fn boolean(&self, field: &str, target: &mut bool) -> Result<()> {
        for value in self.values(field) {
            match value {
                Value::Null => {}
                Value::Bool(value) => *target = *value,
                other => return Err(self.mismatch(other, field, "bool")),
            }
        }
        Ok(())
    }

    /// A list, with a reader for its items.
    pub(super) fn list<T>(
        &self,
        field: &str,
        wanted: &str,
        target: &mut Vec<T>,
        item: impl Fn(&Value) -> Result<T>,
    ) -> Result<()> {
        for value in self.values(field) {
            match value {
                Value::Null => target.clear(),
                Value::Array(items) => *target = items.iter().map(&item).collect::<Result<_>>()?,
                other => return Err(self.mismatch(other, field, wanted)),
            }
        }
        Ok(())
    }

    /// A list of strings.
    pub(super) fn strings(&self, field: &str, target: &mut Vec<String>) -> Result<()> {
        self.list(field, "[]string", target, |value| match value {
            Value::Null => Ok(String::new()),
            other => text(other).ok_or_else(|| self.mismatch(other, field, "string")),
        })
    }

    /// A list of objects; a null among them is nothing.
    pub(super) fn objects<T>(
        &self,
        field: &str,
        element: &'static str,
        target: &mut Vec<Option<T>>,
        read: impl Fn(&Object<'_>) -> Result<T>,
    ) -> Result<()> {
        let wanted = format!("[]*chart.{element}");
        self.list(field, &wanted, target, |value| match value {
            Value::Null => Ok(None),
            Value::Object(map) => {
                let path = format!("{}{field}.", self.path);
                read(&Object {
                    go_type: self.go_type,
                    path,
                    map,
                })
                .map(Some)
            }
            other => Err(self.mismatch(other, field, &format!("chart.{element}"))),
        })
    }

    /// A mapping of strings to strings. As in Go, a second mapping under another spelling of the field adds to
    /// the first.
    pub(super) fn string_map(
        &self,
        field: &str,
        target: &mut std::collections::BTreeMap<String, String>,
    ) -> Result<()> {
        for value in self.values(field) {
            match value {
                Value::Null => target.clear(),
                Value::Object(map) => {
                    for (key, value) in map {
                        let text = match value {
                            Value::Null => String::new(),
                            other => text(other).ok_or_else(|| self.mismatch(other, field, "string"))?,
                        };
                        target.insert(key.clone(), text);
                    }
                }
                other => return Err(self.mismatch(other, field, "map[string]string")),
            }
        }
        Ok(())
    }
}

const PREFIX: &str = "error unmarshaling JSON: while decoding JSON: ";

/// A scalar as text, where the field is a string.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => int.to_string(),
            (_, Some(int), _) => int.to_string(),
            (_, _, Some(float)) => {
                // Go takes the digits of the 32-bit float.
                #[expect(clippy::cast_possible_truncation, reason = "as Go does")]
                let float = float as f32;
                float_text(format!("{float:e}"), float.to_string())
            }
            _ => number.to_string(),
        }),
        _ => None,
    }
}
