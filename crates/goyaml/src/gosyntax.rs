//! Values as Go's `%#v` prints them, for the error texts that carry one.

use crate::read::Key;
use crate::value::Value;
use std::cmp::Ordering;
use std::fmt::Write;

/// A key.
pub(crate) fn key(key: &Key<'_>) -> String {
    value(&Value::from(key.clone()))
}

/// A value that stands in an interface.
pub(crate) fn value(value: &Value) -> String {
    let mut out = String::new();
    if *value == Value::Null {
        // %#v of a bare nil; within a collection its type is known.
        out.push_str("<nil>");
    } else {
        push(&mut out, value);
    }
    out
}

/// Go's name of the type that go-yaml v2 gives a value.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint64",
        Value::Float(_) => "float64",
        Value::String(_) | Value::Binary(_) => "string",
        Value::Seq(_) => "[]interface {}",
        Value::Map(_) => "map[interface {}]interface {}",
    }
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("interface {}(nil)"),
        Value::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Uint(value) => {
            let _ = write!(out, "{value:#x}");
        }
        Value::Float(value) => push_float(out, *value),
        Value::String(text) => quote(out, text),
        Value::Binary(bytes) => quote_bytes(out, bytes),
        Value::Seq(items) => {
            out.push_str("[]interface {}{");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push(out, item);
            }
            out.push('}');
        }
        Value::Map(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            crate::natural_sort(&mut sorted, |(a, _), (b, _)| key_order(a, b));
            out.push_str("map[interface {}]interface {}{");
            for (at, (key, item)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push(out, key);
                out.push(':');
                push(out, item);
            }
            out.push('}');
        }
    }
}

fn push_float(out: &mut String, float: f64) {
    if float.is_nan() {
        out.push_str("NaN");
    } else if float.is_infinite() {
        out.push_str(if float > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        crate::number::push_float(out, float);
    }
}

/// Go prints maps sorted; keys of different types in an order of its own, here: by kind.
fn key_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::String(_) | Value::Binary(_) => 1,
        Value::Uint(_) => 2,
        Value::Int(_) => 3,
        Value::Float(_) => 4,
        _ => 5,
    }
}

/// Go's `strconv.Quote`.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    text.chars().for_each(|c| push_char(out, c));
    out.push('"');
}

fn quote_bytes(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(out, c));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
}

fn push_char(out: &mut String, c: char) {
    let _ = match c {
        '"' | '\\' => write!(out, "\\{c}"),
        '\x07' => write!(out, "\\a"),
        '\x08' => write!(out, "\\b"),
        '\x0C' => write!(out, "\\f"),
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\x0B' => write!(out, "\\v"),
        ' '..='~' => write!(out, "{c}"),
        '\0'..='\x1F' | '\x7F' => write!(out, "\\x{:02x}", u32::from(c)),
        _ if is_printable(c) => write!(out, "{c}"),
        '\0'..='\u{FFFF}' => write!(out, "\\u{:04x}", u32::from(c)),
        _ => write!(out, "\\U{:08x}", u32::from(c)),
    };
}

/// Go's `unicode.IsPrint`, by Rust's own notion: after another character marks are shown as they are.
fn is_printable(c: char) -> bool {
    let text: String = ['a', c].into_iter().collect();
    text.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_str;

    #[test]
    fn prints_as_go() {
        let cases = [
            ("{a: }", r#"map[interface {}]interface {}{"a":interface {}(nil)}"#),
            (
                "[1, 1.5, yes, \"a\\tb\", 18446744073709551615]",
                r#"[]interface {}{1, 1.5, true, "a\tb", 0xffffffffffffffff}"#,
            ),
            ("{}", "map[interface {}]interface {}{}"),
            ("~", "<nil>"),
        ];
        for (text, want) in cases {
            assert_eq!(value(&from_str(text).unwrap()), want);
        }
    }
}
