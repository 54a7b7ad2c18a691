//! `sigs.k8s.io/yaml`: YAML to JSON values and back, with its conversions and its error texts.

use crate::emit::{Emitter, natural_cmp, natural_sort};
use crate::error::{Error, Result};
use crate::gosyntax;
use crate::number::{self, Number};
use crate::read::{Builder, Key, Options, build, build_fresh};
use crate::value::{Value, ValueBuilder};
use std::borrow::Cow;

type Json = serde_json::Value;
type JsonMap = serde_json::Map<String, Json>;

/// What becomes of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Every number is a float, as Go's encoding/json gives it: what Helm reads from values files.
    #[default]
    Float64,
    /// A number is what its JSON text says: integers stay integers, and so do floats without a fraction.
    Exact,
}

/// Reads `text` as `sigs.k8s.io/yaml.Unmarshal` into an `interface{}`: its first document, converted to JSON.
/// Null if there is none. The last of equal keys counts.
///
/// ```
/// use helmapp_goyaml::sigs::{Numbers, to_json};
/// let json = to_json("{1: yes, mode: 0644}", Numbers::Exact).unwrap();
/// assert_eq!(json, serde_json::json!({"1": true, "mode": 420}));
/// ```
///
/// # Errors
/// `error converting YAML to JSON: …`, in the library's words.
pub fn to_json(text: &str, numbers: Numbers) -> Result<Json> {
    to_json_with(text, numbers, &Options::default())
}

/// [`to_json`] as `UnmarshalStrict` reads: equal keys in a map are errors.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_strict(text: &str, numbers: Numbers) -> Result<Json> {
    to_json_with(
        text,
        numbers,
        &Options {
            strict: true,
            ..Options::default()
        },
    )
}

/// [`to_json`] with the caller's options.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_with(text: &str, numbers: Numbers, options: &Options) -> Result<Json> {
    convert(text, numbers, options).map_err(|error| Error::ToJson(Box::new(error)))
}

/// [`to_json`] into a `map[string]interface{}`: what Helm's `fromYaml` and its reading of values files do.
/// No document, or null, is an empty map.
///
/// # Errors
/// As [`to_json`], and `error unmarshaling JSON: …` for another type.
pub fn to_json_map(text: &str, numbers: Numbers) -> Result<JsonMap> {
    to_json_map_with(text, numbers, &Options::default())
}

/// [`to_json_map`] with the caller's options.
///
/// # Errors
/// As [`to_json_map`].
pub fn to_json_map_with(text: &str, numbers: Numbers, options: &Options) -> Result<JsonMap> {
    match to_json_with(text, numbers, options)? {
        Json::Object(map) => Ok(map),
        Json::Null => Ok(JsonMap::new()),
        other => Err(wrong_type(&other, "map[string]interface {}")),
    }
}

/// [`to_json`] into a `[]interface{}`: what Helm's `fromYamlArray` does. No document, or null, is empty.
///
/// # Errors
/// As [`to_json`], and `error unmarshaling JSON: …` for another type.
pub fn to_json_array(text: &str, numbers: Numbers) -> Result<Vec<Json>> {
    to_json_array_with(text, numbers, &Options::default())
}

/// [`to_json_array`] with the caller's options.
///
/// # Errors
/// As [`to_json_array`].
pub fn to_json_array_with(text: &str, numbers: Numbers, options: &Options) -> Result<Vec<Json>> {
    match to_json_with(text, numbers, options)? {
        Json::Array(items) => Ok(items),
        Json::Null => Ok(Vec::new()),
        other => Err(wrong_type(&other, "[]interface {}")),
    }
}

/// The text of a file's bytes for the functions here: [`decode_text`](crate::decode_text).
///
/// # Errors
/// As [`to_json`].
pub fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>> {
    crate::decode_text(bytes).map_err(|error| Error::ToJson(Box::new(error)))
}

fn wrong_type(value: &Json, target: &str) -> Error {
    let kind = match value {
        Json::Object(_) => "object",
        Json::Array(_) => "array",
        Json::String(_) => "string",
        Json::Bool(_) => "bool",
        Json::Number(_) | Json::Null => "number",
    };
    Error::FromJson(format!(
        "json: cannot unmarshal {kind} into Go value of type {target}"
    ))
}

fn convert(text: &str, numbers: Numbers, options: &Options) -> Result<Json> {
    let (value, mut builder) = build_fresh(text, options, || JsonBuilder {
        numbers,
        refused: false,
    })?;
    if builder.refused {
        // Rare: read again for what the error names. What was refused may since have been replaced.
        let value = build(text, options, &mut ValueBuilder::default())?.unwrap_or_default();
        return match unsupported_key(&value).or_else(|| unsupported_value(&value)) {
            Some(text) => Err(Error::NotJson(text)),
            None => Ok(value.build(&mut builder)),
        };
    }
    Ok(value.unwrap_or_default())
}

fn unsupported_key(value: &Value) -> Option<String> {
    match value {
        Value::Seq(items) => items.iter().find_map(unsupported_key),
        Value::Map(entries) => entries.iter().find_map(|(key, item)| match key {
            Value::Null | Value::Uint(_) => Some(format!(
                "unsupported map key of type: {}, key: {}, value: {}",
                gosyntax::type_name(key),
                gosyntax::value(key),
                gosyntax::value(item)
            )),
            _ => unsupported_key(item),
        }),
        _ => None,
    }
}

fn unsupported_value(value: &Value) -> Option<String> {
    match value {
        Value::Float(float) if !float.is_finite() => {
            let name = if float.is_nan() {
                "NaN"
            } else if *float > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            Some(format!("json: unsupported value: {name}"))
        }
        Value::Seq(items) => items.iter().find_map(unsupported_value),
        Value::Map(entries) => {
            let mut sorted: Vec<_> = entries.iter().map(|(key, item)| (key_text(key), item)).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            sorted.into_iter().find_map(|(_, item)| unsupported_value(item))
        }
        _ => None,
    }
}

fn key_text(key: &Value) -> Option<String> {
    Some(match key {
        Value::String(text) => text.clone(),
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Float(value) => {
            let mut text = String::new();
            number::push_float32(&mut text, *value);
            text
        }
        Value::Binary(bytes) => go_lossy(bytes),
        _ => return None,
    })
}

/// Bytes as Go's encoding/json writes them: each one that is not UTF-8 becomes U+FFFD.
fn go_lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\u{FFFD}', chunk.invalid().len()));
    }
    text
}

struct JsonBuilder {
    numbers: Numbers,
    /// A key or a float that JSON can't have was met.
    refused: bool,
}

impl JsonBuilder {
    fn float64(&mut self, value: f64) -> Json {
        serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
    }
}

impl Builder for JsonBuilder {
    type Value = Json;
    type Seq = Vec<Json>;
    type Map = JsonMap;

    fn null(&mut self) -> Json {
        Json::Null
    }
    fn bool(&mut self, value: bool) -> Json {
        Json::Bool(value)
    }
    #[allow(clippy::cast_precision_loss)]
    fn int(&mut self, value: i64) -> Json {
        match self.numbers {
            Numbers::Float64 => self.float64(value as f64),
            Numbers::Exact => Json::from(value),
        }
    }
    #[allow(clippy::cast_precision_loss)]
    fn uint(&mut self, value: u64) -> Json {
        match self.numbers {
            Numbers::Float64 => self.float64(value as f64),
            Numbers::Exact => Json::from(value),
        }
    }
    fn float(&mut self, value: f64) -> Json {
        self.refused |= !value.is_finite();
        match (self.numbers, number::json_integer(value)) {
            (Numbers::Exact, _) if value == 0.0 && value.is_sign_negative() => self.float64(value),
            (Numbers::Exact, Some(Number::Int(int))) => Json::from(int),
            (Numbers::Exact, Some(Number::Uint(uint))) => Json::from(uint),
            _ => self.float64(value),
        }
    }
    fn str(&mut self, value: Cow<'_, str>) -> Json {
        Json::String(value.into_owned())
    }
    fn bytes(&mut self, value: Vec<u8>) -> Json {
        Json::String(go_lossy(&value))
    }
    fn begin_seq(&mut self, len: usize) -> Vec<Json> {
        Vec::with_capacity(len)
    }
    fn push(&mut self, seq: &mut Vec<Json>, value: Json) {
        seq.push(value);
    }
    fn end_seq(&mut self, seq: Vec<Json>) -> Json {
        Json::Array(seq)
    }
    fn begin_map(&mut self, _len: usize) -> JsonMap {
        JsonMap::new()
    }
    fn insert(&mut self, map: &mut JsonMap, key: Key<'_>, value: Json) {
        let key = match key {
            Key::Str(text) => text.into_owned(),
            other => match key_text(&Value::from(other)) {
                Some(text) => text,
                None => {
                    self.refused = true;
                    return;
                }
            },
        };
        map.insert(key, value);
    }
    fn end_map(&mut self, map: JsonMap) -> Json {
        Json::Object(map)
    }
}

/// Writes a value as `sigs.k8s.io/yaml.Marshal` does (Helm's `toYaml`, with the trailing newline).
///
/// ```
/// let text = helmapp_goyaml::sigs::from_json(&serde_json::json!({"b10": "yes", "b2": [1.0, null]})).unwrap();
/// assert_eq!(text, "b2:\n- 1\n- null\nb10: \"yes\"\n");
/// ```
///
/// # Errors
/// Strings with control characters that JSON does not escape and YAML does not read, and keys over 1022
/// characters: the library fails on them, too, as it goes through JSON text.
pub fn from_json(value: &Json) -> Result<String> {
    let mut emitter = Emitter::sigs();
    emit_json(&mut emitter, value, natural_cmp);
    emitter.finish()
}

/// Writes a tree of JSON with keys in the order of `compare`.
pub(crate) fn emit_json(emitter: &mut Emitter, value: &Json, compare: fn(&str, &str) -> std::cmp::Ordering) {
    match value {
        Json::Null => emitter.null(),
        Json::Bool(value) => emitter.bool(*value),
        Json::String(text) => emitter.str(text),
        Json::Number(value) => {
            if let Some(int) = value.as_i64() {
                emitter.int(int);
            } else if let Some(uint) = value.as_u64() {
                emitter.uint(uint);
            } else {
                emitter.float(value.as_f64().unwrap_or(f64::NAN));
            }
        }
        Json::Array(items) => {
            emitter.begin_seq();
            items.iter().for_each(|item| emit_json(emitter, item, compare));
            emitter.end_seq();
        }
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            natural_sort(&mut entries, |(a, _), (b, _)| compare(a, b));
            emitter.begin_map();
            for (key, item) in entries {
                emitter.key(key);
                emit_json(emitter, item, compare);
            }
            emitter.end_map();
        }
    }
}
