//! Writes TOML as BurntSushi/toml 1.5 does: keys sorted, plain keys before tables, two spaces a level, nil left out,
//! arrays of tables as `[[key]]`, everything else inline. Structs give their fields by name, times are TOML's own.

use std::borrow::Cow;
use std::fmt::Write as _;

use helmapp_gotmpl::sprig::TimeObject;
use helmapp_gotmpl::value::downcast;
use helmapp_gotmpl::{FloatType, Object, Str, Value, meter};

use super::decode::{LOCAL_DATE, LOCAL_DATETIME, LOCAL_TIME};
use super::{Error, MAX_DEPTH};

/// Writes a value as a TOML document. A value that is no table is written alone, as Go's encoder does.
///
/// # Errors
/// With the encoder's words: a nil in an array, an array of tables without a key; nesting over the limit, or a limit of
/// the render.
pub fn encode(value: &Value) -> Result<String, Error> {
    let mut encoder = Encoder { out: String::new() };
    encoder.entry(&mut Vec::new(), value)?;
    Ok(encoder.out)
}

#[derive(PartialEq)]
enum Shape {
    Nil,
    Table,
    Tables,
    Plain,
}

/// What a value is to the encoder, which looks through pointers and declared types.
enum Form<'v> {
    Nil,
    Bool(bool),
    Number(Cow<'v, Value>),
    Text(Str),
    Time(String),
    Array(Vec<Value>),
    Map(Entries),
    Struct(Entries),
    /// What TOML has no form for.
    Other,
}

/// Keys with their values, in the order in which they are written.
type Entries = Vec<(Str, Value)>;

struct Encoder {
    out: String,
}

impl Encoder {
    fn entry(&mut self, key: &mut Vec<Str>, value: &Value) -> Result<(), Error> {
        if key.len() > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        meter::check(self.out.len())?;
        if let (Value::Complex(_), []) = (value, key.as_slice()) {
            return Err(Error::NoDocument(value.kind().name()));
        }
        match (form(value), shape(value, MAX_DEPTH)?) {
            (Form::Nil, _) if !(key.is_empty() && matches!(value, Value::List(_))) => Ok(()),
            (Form::Map(entries) | Form::Struct(entries), _) => self.table(key, &entries),
            (Form::Array(items), Shape::Tables) => self.tables(key, &items),
            _ => self.key_value(key, value),
        }
    }

    fn key_value(&mut self, key: &[Str], value: &Value) -> Result<(), Error> {
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

    fn table(&mut self, key: &mut Vec<Str>, entries: &Entries) -> Result<(), Error> {
        if key.len() == 1 {
            self.newline();
        }
        if !key.is_empty() {
            self.header(key, "[", "]");
        }
        self.entries(key, entries)
    }

    fn tables(&mut self, key: &mut Vec<Str>, items: &[Value]) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::NoKey);
        }
        for item in items {
            let (Form::Map(entries) | Form::Struct(entries)) = form(item) else {
                continue;
            };
            self.newline();
            self.header(key, "[[", "]]");
            self.entries(key, &entries)?;
        }
        Ok(())
    }

    fn header(&mut self, key: &[Str], open: &str, close: &str) {
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

    fn entries(&mut self, key: &mut Vec<Str>, entries: &Entries) -> Result<(), Error> {
        let (plain, tables) = parted(entries)?;
        for (name, value) in plain.into_iter().chain(tables) {
            key.push(name.clone());
            self.entry(key, value)?;
            key.pop();
        }
        Ok(())
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        match form(value) {
            // Only a list that is nil gets here: other nils are left out or refused.
            Form::Nil => self.out.push_str("[]"),
            Form::Bool(b) => self.out.push_str(if b { "true" } else { "false" }),
            Form::Number(number) => self.number(&number),
            Form::Text(text) => self.quoted(&text),
            Form::Time(text) => self.out.push_str(&text),
            Form::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Form::Map(entries) | Form::Struct(entries) => self.inline_table(&entries, depth)?,
            Form::Other => return Err(Error::NoForm(value.kind().name())),
        }
        meter::check(self.out.len())?;
        Ok(())
    }

    fn number(&mut self, number: &Value) {
        let (float, float_type) = match number {
            Value::Int(n, _) => {
                let _ = write!(self.out, "{n}");
                return;
            }
            Value::Uint(n, _) => {
                let _ = write!(self.out, "{n}");
                return;
            }
            Value::Float(f, float_type) => (*f, *float_type),
            _ => return,
        };
        if !float.is_finite() {
            self.out
                .push_str(match (float.is_sign_negative(), float.is_nan()) {
                    (true, true) => "-nan",
                    (false, true) => "nan",
                    (true, false) => "-inf",
                    (false, false) => "inf",
                });
            return;
        }
        let text = match float_type {
            #[expect(clippy::cast_possible_truncation, reason = "the value is exact in 32 bits")]
            FloatType::F32 => (float as f32).to_string(),
            FloatType::F64 => float.to_string(),
        };
        self.out.push_str(&text);
        if !text.contains('.') {
            self.out.push_str(".0");
        }
    }

    /// A nil leaves the comma of the key before it standing, as in Go.
    fn inline_table(&mut self, entries: &Entries, depth: usize) -> Result<(), Error> {
        let (plain, tables) = parted(entries)?;
        let last = (plain.len() + tables.len()).saturating_sub(1);
        self.out.push('{');
        for (i, (name, value)) in plain.into_iter().chain(tables).enumerate() {
            if matches!(form(value), Form::Nil) {
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

    fn quoted_key(&mut self, key: &Str) {
        let bytes = key.as_bytes();
        let bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !bytes.is_empty() && bytes.iter().all(bare) {
            self.out.push_str(&key.to_str_lossy());
        } else {
            self.quoted(key);
        }
    }

    fn quoted(&mut self, text: &Str) {
        self.out.push('"');
        for c in text.to_str_lossy().chars() {
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

fn form(value: &Value) -> Form<'_> {
    match value {
        Value::Nil => Form::Nil,
        Value::Bool(b) => Form::Bool(*b),
        Value::Int(..) | Value::Uint(..) | Value::Float(..) => Form::Number(Cow::Borrowed(value)),
        Value::Complex(_) => Form::Other,
        Value::String(text) => Form::Text(text.clone()),
        Value::Bytes(bytes) => Form::Array(bytes.iter().map(|b| Value::int(i64::from(*b))).collect()),
        Value::List(list) if list.is_nil() => Form::Nil,
        Value::List(list) => Form::Array(list.to_vec()),
        Value::Map(map) if map.is_nil() => Form::Nil,
        Value::Map(map) => Form::Map(map.entries()),
        Value::Object(object) => match downcast::<TimeObject>(object) {
            Some(time) => Form::Time(time_text(&time)),
            None => object_form(&**object),
        },
    }
}

fn object_form(object: &dyn Object) -> Form<'static> {
    if object.is_nil() {
        return Form::Nil;
    }
    // These have methods that write them as texts.
    if let ("semver.Version" | "*semver.Version" | "time.Duration", Some(text)) =
        (&*object.type_name(), object.string())
    {
        return Form::Text(text);
    }
    match object.underlying() {
        Some(value) => match form(&value) {
            Form::Nil => Form::Nil,
            Form::Bool(b) => Form::Bool(b),
            Form::Number(number) => Form::Number(Cow::Owned(number.into_owned())),
            Form::Text(text) => Form::Text(text),
            Form::Time(text) => Form::Time(text),
            Form::Array(items) => Form::Array(items),
            Form::Map(entries) => Form::Map(entries),
            Form::Struct(entries) => Form::Struct(entries),
            Form::Other => Form::Other,
        },
        None => Form::Struct(fields(object)),
    }
}

/// A struct's fields; those of an embedded one are its own.
fn fields(object: &dyn Object) -> Entries {
    let mut entries = Vec::new();
    let around = object.type_name();
    for (name, value) in object.fields() {
        match &value {
            Value::Object(inner) if around.contains(&format!("struct {{ {};", inner.type_name())) => {
                entries.extend(fields(&**inner));
            }
            _ => entries.push((Str::from(name), value)),
        }
    }
    entries
}

/// A time as TOML writes it: without an offset, or without a day, if it was read so.
fn time_text(time: &TimeObject) -> String {
    let layout = match time.time().zone().name() {
        LOCAL_DATETIME => "2006-01-02T15:04:05.999999999",
        LOCAL_DATE => "2006-01-02",
        LOCAL_TIME => "15:04:05.999999999",
        _ => "2006-01-02T15:04:05.999999999Z07:00",
    };
    let text = time.time().format(layout.as_bytes());
    String::from_utf8_lossy(&text).into_owned()
}

type Parted<'a> = Vec<&'a (Str, Value)>;

/// The entries written under the key itself, and those that become tables.
fn parted(entries: &Entries) -> Result<(Parted<'_>, Parted<'_>), Error> {
    let (mut plain, mut tables) = (Vec::new(), Vec::new());
    for entry in entries {
        match shape(&entry.1, MAX_DEPTH)? {
            Shape::Nil | Shape::Plain => plain.push(entry),
            Shape::Table | Shape::Tables => tables.push(entry),
        }
    }
    Ok((plain, tables))
}

fn shape(value: &Value, depth: usize) -> Result<Shape, Error> {
    let below = depth.checked_sub(1).ok_or(Error::TooDeep)?;
    // What looking at it takes, more than a step of a template does.
    meter::work(match value {
        Value::String(s) => 3 + s.len() as u64 / 8,
        Value::Object(_) => 64,
        Value::Float(..) => 12,
        _ => 4,
    })?;
    match form(value) {
        Form::Nil => Ok(Shape::Nil),
        Form::Map(_) | Form::Struct(_) => Ok(Shape::Table),
        Form::Other => Err(Error::NoForm(value.kind().name())),
        Form::Array(items) if !items.is_empty() => {
            let mut all_tables = true;
            for item in &items {
                let shape = shape(item, below)?;
                if shape == Shape::Nil {
                    return Err(Error::NilElement);
                }
                all_tables &= shape == Shape::Table;
            }
            Ok(if all_tables { Shape::Tables } else { Shape::Plain })
        }
        _ => Ok(Shape::Plain),
    }
}
