//! Writes TOML as BurntSushi/toml 1.5 does: keys sorted, plain keys before tables, two spaces a level, `null` left
//! out, arrays of tables as `[[key]]`, everything else inline.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Error, MAX_DEPTH};

/// Writes a value as a TOML document. A value that is no object is written alone, as Go's encoder does.
///
/// # Errors
/// With the encoder's words: a `null` in an array, an array of tables without a key, or nesting over the limit.
pub fn encode(value: &Value) -> Result<String, Error> {
    let mut encoder = Encoder { out: String::new() };
    encoder.entry(&mut Vec::new(), value)?;
    Ok(encoder.out)
}

#[derive(PartialEq)]
enum Shape {
    Table,
    Tables,
    Plain,
}

struct Encoder {
    out: String,
}

impl Encoder {
    fn entry<'a>(&mut self, key: &mut Vec<&'a str>, value: &'a Value) -> Result<(), Error> {
        if key.len() > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        match (value, shape(value, MAX_DEPTH)?) {
            (Value::Null, _) => Ok(()),
            (Value::Object(map), _) => self.table(key, map),
            (Value::Array(items), Shape::Tables) => self.tables(key, items),
            (other, _) => self.key_value(key, other),
        }
    }

    fn key_value(&mut self, key: &[&str], value: &Value) -> Result<(), Error> {
        let Some(name) = key.last() else {
            return self.element(value, 0);
        };
        self.indent(key.len() - 1);
        self.quoted_key(name);
        self.out.push_str(" = ");
        self.element(value, key.len())?;
        self.out.push('\n');
        Ok(())
    }

    fn table<'a>(&mut self, key: &mut Vec<&'a str>, map: &'a Map<String, Value>) -> Result<(), Error> {
        if key.len() == 1 {
            self.newline();
        }
        if !key.is_empty() {
            self.header(key, "[", "]");
        }
        self.entries(key, map)
    }

    fn tables<'a>(&mut self, key: &mut Vec<&'a str>, items: &'a [Value]) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::NoKey);
        }
        for map in items.iter().filter_map(Value::as_object) {
            self.newline();
            self.header(key, "[[", "]]");
            self.entries(key, map)?;
        }
        Ok(())
    }

    fn header(&mut self, key: &[&str], open: &str, close: &str) {
        self.indent(key.len() - 1);
        self.out.push_str(open);
        for (i, part) in key.iter().enumerate() {
            if i > 0 {
                self.out.push('.');
            }
            self.quoted_key(part);
        }
        self.out.push_str(close);
        self.newline();
    }

    fn entries<'a>(&mut self, key: &mut Vec<&'a str>, map: &'a Map<String, Value>) -> Result<(), Error> {
        let (plain, tables) = parted(map)?;
        for (name, value) in plain.into_iter().chain(tables) {
            key.push(name);
            self.entry(key, value)?;
            key.pop();
        }
        Ok(())
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        match value {
            Value::Null => return Err(Error::NullElement),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
                Some(f) => {
                    let text = f.to_string();
                    self.out.push_str(&text);
                    if !text.contains('.') {
                        self.out.push_str(".0");
                    }
                }
                None => self.out.push_str(&n.to_string()),
            },
            Value::String(s) => self.quoted(s),
            Value::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Object(map) => self.inline_table(map, depth)?,
        }
        Ok(())
    }

    /// A `null` leaves the comma of the key before it standing, as in Go.
    fn inline_table(&mut self, map: &Map<String, Value>, depth: usize) -> Result<(), Error> {
        let (plain, tables) = parted(map)?;
        let last = (plain.len() + tables.len()).saturating_sub(1);
        self.out.push('{');
        for (i, (name, value)) in plain.into_iter().chain(tables).enumerate() {
            if value.is_null() {
                continue;
            }
            self.quoted_key(name);
            self.out.push_str(" = ");
            self.element(value, depth + 1)?;
            if i != last {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, levels: usize) {
        for _ in 0..levels {
            self.out.push_str("  ");
        }
    }

    fn quoted_key(&mut self, key: &str) {
        let bare = !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if bare {
            self.out.push_str(key);
        } else {
            self.quoted(key);
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\u{8}' => self.out.push_str("\\b"),
                '\t' => self.out.push_str("\\t"),
                '\n' => self.out.push_str("\\n"),
                '\u{c}' => self.out.push_str("\\f"),
                '\r' => self.out.push_str("\\r"),
                '\0'..='\u{1f}' | '\u{7f}' => {
                    // Writing to a String can not fail.
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}

type Entries<'a> = Vec<(&'a str, &'a Value)>;

/// The entries written under the key itself, and those that become tables.
fn parted(map: &Map<String, Value>) -> Result<(Entries<'_>, Entries<'_>), Error> {
    let (mut plain, mut tables) = (Vec::new(), Vec::new());
    for (name, value) in map {
        match shape(value, MAX_DEPTH)? {
            Shape::Plain => plain.push((name.as_str(), value)),
            Shape::Table | Shape::Tables => tables.push((name.as_str(), value)),
        }
    }
    Ok((plain, tables))
}

fn shape(value: &Value, depth: usize) -> Result<Shape, Error> {
    let below = depth.checked_sub(1).ok_or(Error::TooDeep)?;
    match value {
        Value::Object(_) => Ok(Shape::Table),
        Value::Array(items) if !items.is_empty() => {
            let mut all_tables = true;
            for item in items {
                if item.is_null() {
                    return Err(Error::NullElement);
                }
                all_tables &= shape(item, below)? == Shape::Table;
            }
            Ok(if all_tables { Shape::Tables } else { Shape::Plain })
        }
        _ => Ok(Shape::Plain),
    }
}
