//! Values to JSON.

use base64::Engine as _;

use crate::error::Error;
use crate::meter;
use crate::strconv::append_float;
use crate::value::{FloatType, MAX_VALUE_DEPTH, Str, Value};

/// Bytes of a text that are looked at in a step.
const BYTES_OF_A_STEP: u64 = 16;

/// What writing a float counts for, and a value of a declared type.
const FLOAT_STEPS: u64 = 12;
const OBJECT_STEPS: u64 = 32;

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Writes `<`, `>` and `&` as they are; `json.Marshal` escapes them.
    pub raw_html: bool,
    /// Writes each member and element on a line of its own, indented by two spaces a level.
    pub pretty: bool,
}

/// The value as JSON, as `json.Marshal` gives it: keys sorted, a nil map or slice as null, `[]uint8` as
/// base64, bytes that are not UTF-8 as U+FFFD.
///
/// Errors: NaN, infinities and complex numbers, and nesting deeper than [`MAX_VALUE_DEPTH`].
pub fn encode(value: &Value, style: Style) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, style: Style, depth: usize) -> Result<(), Error> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth());
    }
    meter::work(match value {
        Value::String(s) => 1 + s.len() as u64 / BYTES_OF_A_STEP,
        Value::Float(..) => FLOAT_STEPS,
        Value::Object(_) => OBJECT_STEPS,
        _ => 1,
    })?;
    if value.is_container() {
        meter::check_text(out.len())?;
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Uint(n, _) => out.push_str(&n.to_string()),
        Value::Float(f, ty) => write_float(out, *f, *ty)?,
        Value::Complex(_) => return Err(Error::no_json(value)),
        Value::String(s) => write_str(out, s, style),
        Value::Bytes(b) => {
            let text = base64::engine::general_purpose::STANDARD.encode(&b[..]);
            write_string(out, &text, style);
        }
        Value::List(l) if l.is_nil() => out.push_str("null"),
        Value::List(l) => sequence(out, style, depth, ['[', ']'], l.iter(), |out, item| {
            write(out, item, style, depth + 1)
        })?,
        Value::Map(m) if m.is_nil() => out.push_str("null"),
        Value::Map(m) => sequence(
            out,
            style,
            depth,
            ['{', '}'],
            m.borrow().iter(),
            |out, (key, item)| {
                write_str(out, key, style);
                out.push_str(if style.pretty { ": " } else { ":" });
                write(out, item, style, depth + 1)
            },
        )?,
        Value::Object(o) => match (o.underlying(), o.json_members()) {
            (Some(v), _) => write(out, &v, style, depth + 1)?,
            (None, Some(members)) => sequence(
                out,
                style,
                depth,
                ['{', '}'],
                members.iter(),
                |out, (name, item)| {
                    write_string(out, name, style);
                    out.push_str(if style.pretty { ": " } else { ":" });
                    write(out, item, style, depth + 1)
                },
            )?,
            (None, None) => write(out, &Value::from_json(&o.to_json()?), style, depth + 1)?,
        },
    }
    Ok(())
}

fn sequence<T>(
    out: &mut String,
    style: Style,
    depth: usize,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = T>,
    mut each: impl FnMut(&mut String, T) -> Result<(), Error>,
) -> Result<(), Error> {
    let newline = |out: &mut String, depth: usize| {
        if style.pretty {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    let empty = items.len() == 0;
    out.push(open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        newline(out, depth + 1);
        each(out, item)?;
        meter::check_text(out.len())?;
    }
    if !empty {
        newline(out, depth);
    }
    out.push(close);
    Ok(())
}

fn write_float(out: &mut String, f: f64, ty: FloatType) -> Result<(), Error> {
    if !f.is_finite() {
        let name = if f.is_nan() {
            "NaN"
        } else if f > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return Err(Error::new(format!("json: unsupported value: {name}")));
    }
    let bits = if ty == FloatType::F32 { 32 } else { 64 };
    // As ECMAScript: an exponent for very small and very large numbers, without a leading zero.
    if f == 0.0 || (1e-6..1e21).contains(&f.abs()) {
        append_float(out, f, b'f', -1, bits);
        return Ok(());
    }
    let mut text = String::new();
    append_float(&mut text, f, b'e', -1, bits);
    match text.split_once("e-0") {
        Some((digits, exponent)) => out.extend([digits, "e-", exponent]),
        None => out.push_str(&text),
    }
    Ok(())
}

/// Writes bytes as a string: those that are not UTF-8 as escapes of U+FFFD.
fn write_str(out: &mut String, s: &Str, style: Style) {
    out.push('"');
    for chunk in s.as_bytes().utf8_chunks() {
        escape(out, chunk.valid(), style);
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

fn write_string(out: &mut String, s: &str, style: Style) {
    out.push('"');
    escape(out, s, style);
    out.push('"');
}

fn escape(out: &mut String, s: &str, style: Style) {
    let mut plain = 0;
    for (at, c) in s.char_indices() {
        let escape: Option<&str> = match c {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            '<' | '>' | '&' if !style.raw_html => None,
            '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => None,
            _ => continue,
        };
        out.push_str(s.get(plain..at).unwrap_or_default());
        match escape {
            Some(text) => out.push_str(text),
            None => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
        plain = at + c.len_utf8();
    }
    out.push_str(s.get(plain..).unwrap_or_default());
}
