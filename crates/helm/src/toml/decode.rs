//! Reads TOML into values as BurntSushi/toml does for `map[string]any`. Dates and times become strings.

use serde_json::{Map, Number, Value};

use super::Error;

/// Reads a TOML document.
///
/// # Errors
/// When it is not TOML, with the parser's words (which are not Go's).
pub fn decode(text: &str) -> Result<Map<String, Value>, Error> {
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| Error::Syntax(e.message().to_owned()))?;
    Ok(map(table))
}

fn map(table: toml::Table) -> Map<String, Value> {
    table.into_iter().map(|(k, v)| (k, value(v))).collect()
}

/// The parser bounds the depth.
fn value(v: toml::Value) -> Value {
    match v {
        toml::Value::String(s) => Value::String(s),
        toml::Value::Integer(i) => Value::Number(i.into()),
        toml::Value::Float(f) => {
            Number::from_f64(f).map_or_else(|| Value::String(f.to_string()), Value::Number)
        }
        toml::Value::Boolean(b) => Value::Bool(b),
        toml::Value::Datetime(d) => Value::String(d.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(value).collect()),
        toml::Value::Table(t) => Value::Object(map(t)),
    }
}
