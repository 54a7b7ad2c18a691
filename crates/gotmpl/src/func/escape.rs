//! Escaping: `html`, `js`, `urlquery`.

use crate::error::Error;
use crate::exec::output::Output;
use crate::fmt;
use crate::unicode::is_print;
use crate::value::{Str, Value};

/// The arguments as one text, as an action would print them.
pub(super) fn text_of(args: &[Value]) -> Result<Str, Error> {
    let mut out = Output::new();
    match args {
        [Value::String(s)] => return Ok(s.clone()),
        [Value::Nil] => return Ok(NO_VALUE),
        [value] => fmt::print_action(&mut out, value)?,
        _ => {
            let printable = |a: &Value| {
                if a.is_nil() {
                    Value::String(NO_VALUE)
                } else {
                    a.clone()
                }
            };
            fmt::sprint(&mut out, &args.iter().map(printable).collect::<Vec<_>>())?;
        }
    }
    Ok(out.into_str())
}

/// What no value looks like.
const NO_VALUE: Str = Str::from_static("<no value>");

/// For HTML: quotes, ampersands and angle brackets; NUL becomes U+FFFD.
pub(super) fn html(s: &Str) -> Str {
    let special = |b: &u8| matches!(b, 0 | b'"' | b'\'' | b'&' | b'<' | b'>');
    if !s.as_bytes().iter().any(special) {
        return s.clone();
    }
    let mut out = Vec::with_capacity(s.len() + 16);
    for b in s.as_bytes() {
        match b {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b => out.push(*b),
        }
    }
    Str::from(out)
}

/// For strings in JavaScript. Invalid bytes stay as they are.
pub(super) fn js(s: &Str) -> Str {
    use std::fmt::Write as _;
    let mut out = Vec::with_capacity(s.len() + 16);
    for chunk in s.as_bytes().utf8_chunks() {
        let mut text = String::new();
        for c in chunk.valid().chars() {
            let _ = match c {
                '\\' => text.write_str("\\\\"),
                '\'' => text.write_str("\\'"),
                '"' => text.write_str("\\\""),
                c if c < ' ' || matches!(c, '<' | '>' | '&' | '=') => write!(text, "\\u{:04X}", c as u32),
                c if c.is_ascii() || is_print(c) => text.write_char(c),
                c => write!(text, "\\u{:04X}", c as u32),
            };
        }
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    Str::from(out)
}

/// For a query of a URL.
pub(super) fn url_query(s: &Str) -> Str {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(s.len() + 16);
    for b in s.as_bytes() {
        let _ = match b {
            b' ' => out.write_char('+'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') => {
                out.write_char(*b as char)
            }
            b => write!(out, "%{b:02X}"),
        };
    }
    Str::from(out)
}
