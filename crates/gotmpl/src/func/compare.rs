//! Comparison: `eq`, `lt` and those made of them, by Go's kind rules.

use crate::error::Error;
use crate::fmt;
use crate::value::{Kind, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    None,
    Bool,
    Int,
    Float,
    Complex,
    String,
    Uint,
}

fn basic(v: &Value) -> Basic {
    match v {
        Value::Bool(_) => Basic::Bool,
        Value::Int(..) => Basic::Int,
        Value::Uint(..) => Basic::Uint,
        Value::Float(..) => Basic::Float,
        Value::Complex(_) => Basic::Complex,
        Value::String(_) => Basic::String,
        _ => Basic::None,
    }
}

fn incompatible(a: &Value, b: &Value) -> Error {
    Error::new(format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    ))
}

/// Whether the first value equals any of the others.
pub(super) fn eq(first: &Value, others: &[Value]) -> Result<bool, Error> {
    if others.is_empty() {
        return Err(Error::new("missing argument for comparison"));
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(first: &Value, other: &Value) -> Result<bool, Error> {
    let (a, b) = (first.underlying(), other.underlying());
    Ok(match (a.as_ref(), b.as_ref()) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Float(a, _), Value::Float(b, _)) => a == b,
        (Value::Complex(a), Value::Complex(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Int(a, _), Value::Uint(b, _)) | (Value::Uint(b, _), Value::Int(a, _)) => {
            u64::try_from(*a).is_ok_and(|a| a == *b)
        }
        (a, b) if basic(a) != basic(b) => {
            if !a.is_nil() && !b.is_nil() {
                return Err(incompatible(first, other));
            }
            false
        }
        _ => return equal_others(first, other),
    })
}

/// Values that are not of a basic kind: only nil and comparable types can be compared.
fn equal_others(a: &Value, b: &Value) -> Result<bool, Error> {
    let same_kind = std::mem::discriminant(&a.kind()) == std::mem::discriminant(&b.kind());
    if !same_kind && !a.is_nil() && !b.is_nil() {
        let (x, y) = (fmt::display_verb(a, 's')?, fmt::display(b)?);
        let (t, u) = (a.type_name(), b.type_name());
        return Err(Error::new(format!("non-comparable types {x}: {t}, {u}: {y}")));
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    match (a, b) {
        (Value::Object(x), Value::Object(y))
            if matches!(b.kind(), Kind::Struct | Kind::Ptr) && y.comparable() =>
        {
            Ok(x.type_name() == y.type_name() && x.equals(y.as_ref()))
        }
        _ => {
            let x = fmt::display_verb(b, 's')?;
            Err(Error::new(format!("non-comparable type {x}: {}", b.type_name())))
        }
    }
}

fn is_nil(v: &Value) -> bool {
    match v {
        Value::Nil => true,
        Value::List(l) => l.is_nil(),
        Value::Map(m) => m.is_nil(),
        Value::Object(o) => match o.underlying() {
            Some(inner) => is_nil(&inner),
            None => o.is_nil(),
        },
        _ => false,
    }
}

/// Whether the first value is less than the second.
pub(super) fn lt(first: &Value, second: &Value) -> Result<bool, Error> {
    let (a, b) = (first.underlying(), second.underlying());
    let bad = || Error::new("invalid type for comparison");
    if basic(&a) == Basic::None || basic(&b) == Basic::None {
        return Err(bad());
    }
    Ok(match (a.as_ref(), b.as_ref()) {
        (Value::Int(a, _), Value::Int(b, _)) => a < b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a < b,
        (Value::Float(a, _), Value::Float(b, _)) => a < b,
        (Value::String(a), Value::String(b)) => a < b,
        (Value::Int(a, _), Value::Uint(b, _)) => u64::try_from(*a).map_or(true, |a| a < *b),
        (Value::Uint(a, _), Value::Int(b, _)) => u64::try_from(*b).is_ok_and(|b| *a < b),
        (Value::Bool(_), Value::Bool(_)) | (Value::Complex(_), Value::Complex(_)) => return Err(bad()),
        _ => return Err(incompatible(first, second)),
    })
}

/// Whether the first value is less than or equal to the second.
pub(super) fn le(first: &Value, second: &Value) -> Result<bool, Error> {
    Ok(lt(first, second)? || equal(first, second)?)
}
