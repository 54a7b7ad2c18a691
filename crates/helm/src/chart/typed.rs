//! Reading a YAML document into fields of fixed types as Go does: `sigs.k8s.io/yaml` turns numbers and booleans
//! into text where text is wanted, then `encoding/json` finds fields without regard to case, leaves them alone
//! for null, and refuses other kinds.

use helmapp_goyaml::Value as Yaml;
use serde_json::{Map, Value};

use crate::values::text::{float_text, json_kind};

/// The mapping of a document, its fields to be taken one by one.
pub(super) struct Object<'v> {
    /// The Go struct, for the text of errors.
    go_struct: &'static str,
    /// The path of fields that led here, with a dot after it.
    path: String,
    map: &'v Map<String, Value>,
}

/// What a document's reader returns: the text is Go's.
pub(super) type Result<T> = std::result::Result<T, String>;

impl<'v> Object<'v> {
    /// The document's top level; null is an empty mapping.
    pub(super) fn root(value: &'v Value, go_struct: &'static str) -> Result<Option<Self>> {
        match value {
            Value::Null => Ok(None),
            Value::Object(map) => Ok(Some(Self {
                go_struct,
                path: String::new(),
                map,
            })),
            other => Err(format!(
                "{PREFIX}json: cannot unmarshal {} into Go value of type chart.{go_struct}",
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
            self.go_struct,
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

    /// A list of objects; a null among them is nothing. As in Go, an object is read over the one that stood in its
    /// place before, and keeps what it does not name.
    pub(super) fn objects<T: Default>(
        &self,
        field: &str,
        element: &'static str,
        target: &mut Vec<Option<T>>,
        read: impl Fn(&Object<'_>, &mut T) -> Result<()>,
    ) -> Result<()> {
        for value in self.values(field) {
            let items = match value {
                Value::Null => &[][..],
                Value::Array(items) => items,
                other => return Err(self.mismatch(other, field, &format!("[]*chart.{element}"))),
            };
            let before = std::mem::take(target).into_iter();
            for (item, before) in items.iter().zip(before.chain(std::iter::repeat_with(|| None))) {
                target.push(match item {
                    Value::Null => None,
                    Value::Object(map) => {
                        let mut object = before.unwrap_or_default();
                        let path = format!("{}{field}.", self.path);
                        read(
                            &Object {
                                go_struct: element,
                                path,
                                map,
                            },
                            &mut object,
                        )?;
                        Some(object)
                    }
                    other => return Err(self.mismatch(other, field, &format!("chart.{element}"))),
                });
            }
        }
        Ok(())
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

/// Reads a document, with what is a float in YAML as a float: its text depends on it. Infinite numbers are
/// texts, since JSON has none and they can only be meant as texts.
pub(super) fn document(text: &str) -> Result<Value> {
    let value =
        helmapp_goyaml::from_str(text).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
    convert(value)
}

fn convert(value: Yaml) -> Result<Value> {
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Int(value) => Value::from(value),
        Yaml::Uint(value) => Value::from(value),
        Yaml::Float(value) if value.is_finite() => Value::from(value),
        Yaml::Float(value) => Value::from(single_text(value)),
        Yaml::String(value) => Value::from(value),
        Yaml::Binary(bytes) => Value::from(String::from_utf8_lossy(&bytes).into_owned()),
        Yaml::Seq(items) => Value::Array(items.into_iter().map(convert).collect::<Result<_>>()?),
        Yaml::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                map.insert(key_text(key)?, convert(value)?);
            }
            Value::Object(map)
        }
    })
}

fn key_text(key: Yaml) -> Result<String> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Bool(value) => Ok(value.to_string()),
        Yaml::Int(value) => Ok(value.to_string()),
        Yaml::Float(value) if value.is_nan() => Ok(".nan".to_owned()),
        Yaml::Float(value) if value.is_infinite() => {
            Ok(if value > 0.0 { ".inf" } else { "-.inf" }.to_owned())
        }
        Yaml::Float(value) => Ok(single_text(value)),
        _ => Err("error converting YAML to JSON: unsupported map key".to_owned()),
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
            (_, _, Some(float)) => single_text(float),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// A float as `strconv.FormatFloat(f, 'g', -1, 32)` writes it: sigs takes the digits of the 32-bit float.
fn single_text(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "as Go does")]
    let float = float as f32;
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    float_text(format!("{float:e}"), float.to_string())
}
