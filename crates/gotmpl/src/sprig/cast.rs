//! Conversions of any value to numbers, as github.com/spf13/cast v1.7.0 makes them for sprig. What can
//! not be converted is 0.

use crate::strconv::{parse_float, parse_int};
use crate::value::{Kind, Value};

/// `cast.ToInt64`. Strings may have a base prefix and a fraction of zeros.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(b) => i64::from(*b),
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => *n as i64,
        Value::Float(f, _) => float_to_int64(*f),
        Value::String(s) => parse_int(trim_zero_decimal(s.as_bytes()), 0, 64).unwrap_or(0),
        Value::Object(o) if is_calendar_number(&o.type_name()) => o.underlying().map_or(0, |v| to_int64(&v)),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Int(n, _) => *n as f64,
        Value::Uint(n, _) => *n as f64,
        Value::Float(f, _) => *f,
        Value::String(s) => parse_float(s.as_bytes(), 64).unwrap_or(0.0),
        Value::Object(o) if is_calendar_number(&o.type_name()) => {
            o.underlying().map_or(0.0, |v| to_float64(&v))
        }
        _ => 0.0,
    }
}

/// The only declared number types that cast looks behind.
fn is_calendar_number(type_name: &str) -> bool {
    matches!(type_name, "time.Month" | "time.Weekday")
}

/// Go's conversion on amd64: towards zero, and the smallest number for what does not fit.
pub(super) fn float_to_int64(f: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f) {
        f as i64
    } else {
        i64::MIN
    }
}

/// Removes a decimal point that only zeros follow.
fn trim_zero_decimal(text: &[u8]) -> &[u8] {
    let zeros = text.iter().rev().take_while(|b| **b == b'0').count();
    match text.split_at_checked(text.len() - zeros) {
        Some(([whole @ .., b'.'], _)) if zeros > 0 => whole,
        _ => text,
    }
}

/// The kind's name of a value, for messages.
pub(super) fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        Kind::Invalid => "invalid",
        kind => kind.name(),
    }
}
