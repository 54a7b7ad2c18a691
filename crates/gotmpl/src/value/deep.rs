//! Deep copy and deep equality.

use crate::error::Error;
use crate::meter;
use crate::value::{List, MAX_VALUE_DEPTH, Map, Value};

impl Value {
    /// A copy that shares no map with the original. Objects stay shared.
    ///
    /// Errors: nesting deeper than [`MAX_VALUE_DEPTH`].
    pub fn deep_copy(&self) -> Result<Value, Error> {
        copy(self, 0)
    }

    /// Equality as Go's `reflect.DeepEqual`: types must be the same, a nil map or slice differs from
    /// an empty one, NaN differs from itself.
    ///
    /// Errors: nesting deeper than [`MAX_VALUE_DEPTH`].
    pub fn deep_equal(&self, other: &Value) -> Result<bool, Error> {
        equal(self, other, 0)
    }
}

/// How many values a list or map holds.
fn items(value: &Value) -> u64 {
    match value {
        Value::List(l) => l.len() as u64,
        Value::Map(m) => m.len() as u64,
        _ => 0,
    }
}

fn copy(value: &Value, depth: usize) -> Result<Value, Error> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth());
    }
    if value.is_container() {
        meter::work(1 + 2 * items(value))?;
        meter::check(0)?;
    }
    Ok(match value {
        Value::List(l) if l.is_nil() => value.clone(),
        Value::List(l) => {
            let items = l.iter().map(|v| copy(v, depth + 1)).collect::<Result<_, _>>()?;
            Value::List(List::typed(l.elem(), items))
        }
        Value::Map(m) if m.is_nil() => value.clone(),
        Value::Map(m) => {
            let entries = m
                .borrow()
                .iter()
                .map(|(k, v)| Ok((k.clone(), copy(v, depth + 1)?)))
                .collect::<Result<_, Error>>()?;
            Value::Map(Map::with_entries(m.map_type(), entries))
        }
        _ => value.clone(),
    })
}

fn equal(a: &Value, b: &Value, depth: usize) -> Result<bool, Error> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth());
    }
    match a {
        Value::String(s) => meter::work(s.len() as u64 / 256)?,
        _ if a.is_container() => meter::work(1 + items(a) / 4)?,
        _ => {}
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Int(x, t), Value::Int(y, u)) => x == y && t == u,
        (Value::Uint(x, t), Value::Uint(y, u)) => x == y && t == u,
        (Value::Float(x, t), Value::Float(y, u)) => x == y && t == u,
        (Value::Complex(x), Value::Complex(y)) => x == y,
        (Value::String(x), Value::String(y)) => x == y,
        (Value::Bytes(x), Value::Bytes(y)) => x == y,
        (Value::List(x), Value::List(y)) => {
            if x.elem() != y.elem() || x.is_nil() != y.is_nil() || x.len() != y.len() {
                return Ok(false);
            }
            if x.same(y) {
                return Ok(true);
            }
            for (v, w) in x.iter().zip(y.iter()) {
                if !equal(v, w, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(x), Value::Map(y)) => {
            let same_type = x.map_type().elem == y.map_type().elem && x.map_type().name == y.map_type().name;
            if !same_type || x.is_nil() != y.is_nil() || x.len() != y.len() {
                return Ok(false);
            }
            if x.same(y) {
                return Ok(true);
            }
            for ((k, v), (l, w)) in x.borrow().iter().zip(y.borrow().iter()) {
                if k != l || !equal(v, w, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(x), Value::Object(y)) => {
            if x.type_name() != y.type_name() {
                return Ok(false);
            }
            match (x.underlying(), y.underlying()) {
                (Some(x), Some(y)) => equal(&x, &y, depth + 1)?,
                _ => x.equals(y.as_ref()),
            }
        }
        _ => false,
    })
}
