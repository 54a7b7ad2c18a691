//! Between values and JSON trees.

use base64::Engine as _;
use serde_json::Value as Json;

use crate::error::Error;
use crate::meter;
use crate::value::{FloatType, IntType, List, MAX_VALUE_DEPTH, Map, MapType, Str, UintType, Value};

impl Value {
    /// The value of a JSON tree: objects as `map[string]interface {}`, arrays as `[]interface {}`,
    /// integers as `int64` (`uint64` above its range), other numbers as `float64`.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Nil,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => Value::from_number(n),
            Json::String(s) => Value::String(Str::from(s)),
            Json::Array(items) => Value::List(List::new(items.iter().map(Value::from_json).collect())),
            Json::Object(entries) => Value::Map(Map::from_json(&MapType::ANY, entries)),
        }
    }

    /// The value of a JSON number: `int64`, above its range `uint64`, else `float64`.
    pub fn from_number(n: &serde_json::Number) -> Value {
        if let Some(i) = n.as_i64() {
            Value::Int(i, IntType::Int64)
        } else if let Some(u) = n.as_u64() {
            Value::Uint(u, UintType::Uint64)
        } else {
            Value::Float(n.as_f64().unwrap_or(f64::NAN), FloatType::F64)
        }
    }

    /// The value as a JSON tree, as `encoding/json` would see it: `[]uint8` becomes base64, a nil
    /// map or slice null.
    ///
    /// Errors: NaN, infinities and complex numbers, and nesting deeper than [`MAX_VALUE_DEPTH`].
    pub fn to_json(&self) -> Result<Json, Error> {
        to_json(self, 0, &mut 0)
    }
}

impl Map {
    /// A map of the given type from a JSON object.
    pub fn from_json(ty: &'static MapType, entries: &serde_json::Map<String, Json>) -> Map {
        Map::with_entries(
            ty,
            entries
                .iter()
                .map(|(k, v)| (Str::from(k), Value::from_json(v)))
                .collect(),
        )
    }
}

/// What a node of a JSON tree takes up, roughly.
const NODE_BYTES: usize = 64;

/// `made` are the bytes of the tree so far: a tree has no part in common with another, as values have.
fn to_json(value: &Value, depth: usize, made: &mut usize) -> Result<Json, Error> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth());
    }
    *made += NODE_BYTES + value.as_str().map_or(0, Str::len);
    meter::work(1)?;
    if value.is_container() {
        meter::check(*made)?;
    }
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n, _) => Json::from(*n),
        Value::Uint(n, _) => Json::from(*n),
        Value::Float(f, _) => match serde_json::Number::from_f64(*f) {
            Some(n) => Json::Number(n),
            None => {
                let text = if f.is_nan() {
                    "NaN"
                } else if *f > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(Error::new(format!("json: unsupported value: {text}")));
            }
        },
        Value::Complex(_) => return Err(Error::no_json(value)),
        Value::String(s) => Json::String(s.to_str_lossy().into_owned()),
        Value::Bytes(b) => Json::String(base64::engine::general_purpose::STANDARD.encode(&b[..])),
        Value::List(l) if l.is_nil() => Json::Null,
        Value::List(l) => Json::Array(
            l.iter()
                .map(|v| to_json(v, depth + 1, made))
                .collect::<Result<_, _>>()?,
        ),
        Value::Map(m) if m.is_nil() => Json::Null,
        Value::Map(m) => {
            let mut out = serde_json::Map::new();
            for (k, v) in m.borrow().iter() {
                *made += k.len();
                out.insert(k.to_str_lossy().into_owned(), to_json(v, depth + 1, made)?);
            }
            Json::Object(out)
        }
        Value::Object(o) => o.to_json()?,
    })
}

impl From<Vec<u8>> for Value {
    fn from(b: Vec<u8>) -> Self {
        Value::Bytes(b.into())
    }
}
