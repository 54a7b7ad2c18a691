//! Reads TOML into values as BurntSushi/toml does for `map[string]any`.

use helmapp_gotmpl::date::{Time, Zone};
use helmapp_gotmpl::sprig::TimeObject;
use helmapp_gotmpl::{List, Map, Str, Value};

use super::Error;

/// Reads a TOML document.
///
/// # Errors
/// When it is not TOML, with the parser's words (which are not Go's).
pub fn decode(text: &str) -> Result<Map, Error> {
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| Error::Syntax(e.message().to_owned()))?;
    Ok(map(table))
}

fn map(table: toml::Table) -> Map {
    let map = Map::new();
    for (key, item) in table {
        map.insert(Str::from(key), value(item));
    }
    map
}

/// The parser bounds the depth.
fn value(v: toml::Value) -> Value {
    match v {
        toml::Value::String(s) => s.into(),
        toml::Value::Integer(i) => Value::from_json(&i.into()),
        toml::Value::Float(f) => f.into(),
        toml::Value::Boolean(b) => Value::Bool(b),
        toml::Value::Datetime(d) => time(&d.to_string()),
        toml::Value::Array(items) => List::new(items.into_iter().map(value).collect()).into(),
        toml::Value::Table(t) => map(t).into(),
    }
}

/// A time, which without an offset is taken for one in UTC.
fn time(text: &str) -> Value {
    const LAYOUTS: [&str; 4] = [
        "2006-01-02T15:04:05Z07:00",
        "2006-01-02T15:04:05",
        "2006-01-02",
        "15:04:05",
    ];
    let parse = |layout: &str| Time::parse(layout.as_bytes(), text.as_bytes(), &Zone::Utc).ok();
    match LAYOUTS.into_iter().find_map(parse) {
        Some(time) => TimeObject::value(time, &jiff::tz::TimeZone::UTC),
        None => text.to_owned().into(),
    }
}
