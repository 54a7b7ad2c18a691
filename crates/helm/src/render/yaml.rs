//! `toYaml`, `toYamlPretty`, `fromYaml` and `fromYamlArray` between template values and goyaml, without a tree between.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_gotmpl::value::MAX_VALUE_DEPTH;
use helmapp_gotmpl::{List, Map, MapType, Str, Value};
use helmapp_goyaml::{Emitter, natural_cmp, natural_cmp_v3, natural_sort, sigs};
use serde_json::Value as Json;

/// Helm's `toYaml`: without the last line's end, and empty for what has no YAML.
pub(super) fn to_yaml(value: &Value) -> String {
    write(
        Writer {
            emitter: Emitter::sigs(),
            compare: natural_cmp,
            v3: false,
        },
        value,
    )
}

/// Helm's `toYamlPretty`: sequences are indented in their maps.
pub(super) fn to_yaml_pretty(value: &Value) -> String {
    write(
        Writer {
            emitter: Emitter::v3(),
            compare: natural_cmp_v3,
            v3: true,
        },
        value,
    )
}

fn write(mut writer: Writer, value: &Value) -> String {
    if writer.value(value, 0).is_none() {
        return String::new();
    }
    let mut text = writer.emitter.finish().unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

struct Writer {
    emitter: Emitter,
    compare: fn(&str, &str) -> Ordering,
    v3: bool,
}

impl Writer {
    /// `None` where the value nests too deep or has no JSON; Helm swallows such errors.
    fn value(&mut self, value: &Value, depth: usize) -> Option<()> {
        if depth > MAX_VALUE_DEPTH {
            return None;
        }
        match value {
            Value::Nil => self.emitter.null(),
            Value::Bool(b) => self.emitter.bool(*b),
            Value::Int(n, _) => self.emitter.int(*n),
            Value::Uint(n, _) => self.emitter.uint(*n),
            Value::Float(f, _) => self.emitter.float(*f),
            Value::String(s) => self.emitter.str(&s.to_str_lossy()),
            Value::Bytes(b) if self.v3 => {
                self.emitter.begin_seq();
                b.iter().for_each(|b| self.emitter.uint(u64::from(*b)));
                self.emitter.end_seq();
            }
            Value::Bytes(b) => self.emitter.str(&STANDARD.encode(b)),
            Value::List(l) if l.is_nil() && !self.v3 => self.emitter.null(),
            Value::List(l) => {
                self.emitter.begin_seq();
                for item in l.iter() {
                    self.value(item, depth + 1)?;
                }
                self.emitter.end_seq();
            }
            Value::Map(m) if m.is_nil() && !self.v3 => self.emitter.null(),
            Value::Map(m) => self.map(m, depth)?,
            Value::Object(o) => match o.underlying() {
                Some(v) => self.value(&v, depth + 1)?,
                None => self.json(&o.to_json().ok()?, depth)?,
            },
        }
        Some(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Option<()> {
        let entries = map.entries();
        let mut entries: Vec<(Cow<'_, str>, &Value)> =
            entries.iter().map(|(k, v)| (k.to_str_lossy(), v)).collect();
        natural_sort(&mut entries, |a, b| (self.compare)(&a.0, &b.0));
        self.emitter.begin_map();
        for (key, value) in entries {
            self.emitter.key(&key);
            self.value(value, depth + 1)?;
        }
        self.emitter.end_map();
        Some(())
    }

    /// A struct, by its JSON.
    fn json(&mut self, json: &Json, depth: usize) -> Option<()> {
        if depth > MAX_VALUE_DEPTH {
            return None;
        }
        match json {
            Json::Null => self.emitter.null(),
            Json::Bool(b) => self.emitter.bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
                (Some(n), _, _) => self.emitter.int(n),
                (_, Some(n), _) => self.emitter.uint(n),
                (_, _, f) => self.emitter.float(f?),
            },
            Json::String(s) => self.emitter.str(s),
            Json::Array(items) => {
                self.emitter.begin_seq();
                for item in items {
                    self.json(item, depth + 1)?;
                }
                self.emitter.end_seq();
            }
            Json::Object(map) => {
                let mut entries: Vec<(&String, &Json)> = map.iter().collect();
                natural_sort(&mut entries, |a, b| (self.compare)(a.0, b.0));
                self.emitter.begin_map();
                for (key, value) in entries {
                    self.emitter.key(key);
                    self.json(value, depth + 1)?;
                }
                self.emitter.end_map();
            }
        }
        Some(())
    }
}

/// Helm's `fromYaml`: a map, with the error's text under `Error` where the text is not one.
pub(super) fn from_yaml(text: &Str) -> Value {
    Value::Map(
        match sigs::to_json_map(&text.to_str_lossy(), sigs::Numbers::Float64) {
            Ok(map) => Map::from_json(&MapType::ANY, &map),
            Err(e) => error_map(e.to_string()),
        },
    )
}

/// Helm's `fromYamlArray`: a list, of the error's text where the text is not one.
pub(super) fn from_yaml_array(text: &Str) -> Value {
    match sigs::to_json_array(&text.to_str_lossy(), sigs::Numbers::Float64) {
        Ok(items) => Value::List(items.iter().map(Value::from_json).collect()),
        Err(e) => Value::List(List::new(vec![Value::from(e.to_string())])),
    }
}

/// What Helm's `from…` functions give for text that they can not read.
pub(super) fn error_map(error: String) -> Map {
    [("Error", Value::from(error))].into_iter().collect()
}
