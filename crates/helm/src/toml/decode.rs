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
        toml::Value::Datetime(d) => time(&d),
        toml::Value::Array(items) => List::new(items.into_iter().map(value).collect()).into(),
        toml::Value::Table(t) => map(t).into(),
    }
}

/// The zones of times without an offset, as Go's reader names them; the encoder knows them by that.
pub(super) const LOCAL_DATETIME: &str = "datetime-local";
pub(super) const LOCAL_DATE: &str = "date-local";
pub(super) const LOCAL_TIME: &str = "time-local";

/// A time, which without an offset is taken for one in UTC.
fn time(read: &toml::value::Datetime) -> Value {
    let (layout, zone) = match (read.date, read.time, read.offset) {
        (_, _, Some(_)) => ("2006-01-02T15:04:05Z07:00", Zone::Utc),
        (Some(_), Some(_), None) => ("2006-01-02T15:04:05", Zone::Fixed(LOCAL_DATETIME.into(), 0)),
        (Some(_), None, None) => ("2006-01-02", Zone::Fixed(LOCAL_DATE.into(), 0)),
        (None, _, None) => ("15:04:05", Zone::Fixed(LOCAL_TIME.into(), 0)),
    };
    let text = read.to_string();
    match Time::parse(layout.as_bytes(), text.as_bytes(), &zone) {
        Ok(time) => TimeObject::value(time, &jiff::tz::TimeZone::UTC),
        Err(_) => text.into(),
    }
}
