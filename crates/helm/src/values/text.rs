//! Values as Go's `fmt` prints them, for the texts of warnings and errors.

use serde_json::{Number, Value};

use super::Shared;

/// A value as `%v` prints it: `map[a:1 b:[x y]]`, `<nil>`.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number_text(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// A value as `%t`, the verb for booleans, prints it: what is no boolean is marked with its type.
pub(super) fn as_bool(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(nested_as_bool).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("%!t(string={key}):{}", nested_as_bool(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::Null => "%!t(<nil>)".to_owned(),
        other => format!("%!t({}={})", go_type(other), plain(other)),
    }
}

fn nested_as_bool(value: &Value) -> String {
    if value.is_null() {
        "<nil>".to_owned()
    } else {
        as_bool(value)
    }
}

/// The Go type of a value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The same of merged values.
pub(crate) fn go_type_of(value: &Shared) -> &'static str {
    match value {
        Shared::Null => "nil",
        Shared::Bool(_) => "bool",
        Shared::Number(number) if number.is_f64() => "float64",
        Shared::Number(_) => "int64",
        Shared::Text(_) => "string",
        Shared::List(_) => "[]interface {}",
        Shared::Table(_) => "map[string]interface {}",
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(format!("{float:e}"), float.to_string()),
        _ => number.to_string(),
    }
}

/// A float as `strconv.FormatFloat(f, 'g', -1, …)` writes it, from its shortest digits with and without an
/// exponent: with one below 1e-04 and from 1e+06 on.
pub(crate) fn float_text(scientific: String, decimal: String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return decimal;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// How Go refuses a document that is no mapping where one is wanted.
pub(crate) fn not_a_map(value: &Value) -> String {
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type \
         map[string]interface {{}}",
        json_kind(value)
    )
}

/// What Go's JSON package calls a value of this kind.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
