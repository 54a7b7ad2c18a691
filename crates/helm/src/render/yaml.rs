//! `toYaml`, `toYamlPretty`, `fromYaml` and `fromYamlArray` between template values and goyaml, without a tree between.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_gotmpl::sprig::TimeObject;
use helmapp_gotmpl::value::{MAX_VALUE_DEPTH, downcast};
use helmapp_gotmpl::{Error, Limit, List, Map, MapType, Str, Value, json, meter};
use helmapp_goyaml::{Emitter, Options, natural_cmp, natural_cmp_v3, natural_sort, sigs};
use serde_json::Value as Json;

/// Helm's `toYaml`: without the last line's end, and empty for what has no YAML.
///
/// # Errors
/// A limit of the render.
pub(super) fn to_yaml(value: &Value) -> Result<String, Error> {
    write(
        Writer {
            emitter: Emitter::sigs(),
            compare: natural_cmp,
            v3: false,
        },
        value,
    )
}

/// Helm 4's `mustToYaml`.
///
/// # Errors
/// Why the value has no YAML, or a limit of the render.
pub(super) fn must_to_yaml(value: &Value) -> Result<String, Error> {
    let text = to_yaml(value)?;
    if !text.is_empty() {
        return Ok(text);
    }
    match json::encode(value, json::Style::default()) {
        Ok(_) => Ok(text),
        Err(error) => Err(Error::new(format!("error marshaling into JSON: {error}"))),
    }
}

/// Helm's `toYamlPretty`: sequences are indented in their maps.
///
/// # Errors
/// A limit of the render.
pub(super) fn to_yaml_pretty(value: &Value) -> Result<String, Error> {
    write(
        Writer {
            emitter: Emitter::v3(),
            compare: natural_cmp_v3,
            v3: true,
        },
        value,
    )
}

/// What writing a value counts for, beside its text.
const VALUE_STEPS: u64 = 8;

/// What a float counts for on top of that, and a value of a declared type.
const FLOAT_STEPS: u64 = 8;
const OBJECT_STEPS: u64 = 32;

/// Bytes of a text that are written, or read, in a step.
const BYTES_OF_A_STEP: u64 = 8;

fn write(mut writer: Writer, value: &Value) -> Result<String, Error> {
    match writer.value(value, 0) {
        Ok(()) => {}
        Err(Failure::Swallowed) => return Ok(String::new()),
        Err(Failure::Ends(error)) => return Err(error),
    }
    let mut text = writer.emitter.finish().unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Why a value is not written.
enum Failure {
    /// It has no JSON; Helm swallows such errors.
    Swallowed,
    /// A limit, or a value at which Helm's library panics.
    Ends(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Ends(error)
    }
}

struct Writer {
    emitter: Emitter,
    compare: fn(&str, &str) -> Ordering,
    v3: bool,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Failure> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Failure::Ends(Error::value_depth()));
        }
        self.room()?;
        meter::work(match value {
            Value::String(s) => s.len() as u64 / BYTES_OF_A_STEP,
            Value::Float(..) => FLOAT_STEPS,
            Value::Object(_) => OBJECT_STEPS,
            _ => 0,
        })?;
        match value {
            Value::Nil => self.emitter.null(),
            Value::Bool(b) => self.emitter.bool(*b),
            Value::Int(n, _) => self.emitter.int(*n),
            Value::Uint(n, _) => self.emitter.uint(*n),
            Value::Float(f, _) => self.emitter.float(*f),
            Value::Complex(_) if self.v3 => {
                let type_name = value.type_name();
                return Err(Error::new(format!("cannot marshal type: {type_name}")).into());
            }
            Value::Complex(_) => return Err(Failure::Swallowed),
            Value::String(s) => self.emitter.str(&s.to_str_lossy()),
            Value::Bytes(b) if self.v3 => {
                self.emitter.begin_seq();
                b.iter().for_each(|b| self.emitter.uint(u64::from(*b)));
                self.emitter.end_seq();
            }
            Value::Bytes(b) => self.emitter.str(&STANDARD.encode(&b[..])),
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
                None if self.v3 && downcast::<TimeObject>(o).is_some() => {
                    match o.to_json().map_err(|_| Failure::Swallowed)? {
                        Json::String(time) => self.emitter.timestamp(&time),
                        other => self.json(&other, depth)?,
                    }
                }
                None => self.json(&o.to_json().map_err(|_| Failure::Swallowed)?, depth)?,
            },
        }
        Ok(())
    }

    fn room(&self) -> Result<(), Error> {
        meter::work(VALUE_STEPS)?;
        meter::check_text(self.emitter.written())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<(), Failure> {
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
        Ok(())
    }

    /// A struct, by its JSON.
    fn json(&mut self, json: &Json, depth: usize) -> Result<(), Failure> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Failure::Ends(Error::value_depth()));
        }
        self.room()?;
        match json {
            Json::Null => self.emitter.null(),
            Json::Bool(b) => self.emitter.bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
                (Some(n), _, _) => self.emitter.int(n),
                (_, Some(n), _) => self.emitter.uint(n),
                (_, _, f) => self.emitter.float(f.ok_or(Failure::Swallowed)?),
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
        Ok(())
    }
}

/// Helm's `fromYaml`: a map, with the error's text under `Error` where the text is not one.
///
/// # Errors
/// A limit of the render or of reading YAML.
pub(super) fn from_yaml(text: &Str, options: &Options) -> Result<Value, Error> {
    before_reading(text)?;
    Ok(Value::Map(
        match sigs::to_json_map_with(&text.to_str_lossy(), sigs::Numbers::Float64, options) {
            Ok(map) => Map::from_json(&MapType::ANY, &map),
            Err(e) => error_map(readable(&e)?),
        },
    ))
}

/// Helm's `fromYamlArray`: a list, of the error's text where the text is not one.
///
/// # Errors
/// A limit of the render or of reading YAML.
pub(super) fn from_yaml_array(text: &Str, options: &Options) -> Result<Value, Error> {
    before_reading(text)?;
    match sigs::to_json_array_with(&text.to_str_lossy(), sigs::Numbers::Float64, options) {
        Ok(items) => Ok(Value::List(items.iter().map(Value::from_json).collect())),
        Err(e) => Ok(Value::List(List::new(vec![Value::from(readable(&e)?)]))),
    }
}

/// What reading any text counts for, that of an error included.
const READ_STEPS: u64 = 20;

/// Accounts for reading YAML: a step or two for each byte.
fn before_reading(text: &Str) -> Result<(), Error> {
    meter::check(text.len())?;
    meter::work(READ_STEPS + 2 * text.len() as u64)
}

/// The text of an error that templates see; a limit ends the render instead.
fn readable(error: &helmapp_goyaml::Error) -> Result<String, Error> {
    if error.is_limit() {
        Err(Error::limited(Limit::Host, error.to_string()))
    } else {
        Ok(error.to_string())
    }
}

/// What Helm's `from…` functions give for text that they can not read.
pub(super) fn error_map(error: String) -> Map {
    [("Error", Value::from(error))].into_iter().collect()
}
