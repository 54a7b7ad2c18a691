//! What a scalar means: go-yaml v2's reading of YAML 1.1's implicit types, and explicit tags.

use crate::error::{Error, Result};
use crate::number::{self, Number};
use crate::timestamp::is_timestamp;
use std::borrow::Cow;

/// The meaning of a scalar. `Str` and `Timestamp` stand for the scalar's own text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Timestamp,
    Str,
    Binary,
}

impl Resolved {
    fn tag(self) -> &'static str {
        match self {
            Resolved::Null => "null",
            Resolved::Bool(_) => "bool",
            Resolved::Int(_) | Resolved::Uint(_) => "int",
            Resolved::Float(_) => "float",
            Resolved::Timestamp => "timestamp",
            Resolved::Str => "str",
            Resolved::Binary => "binary",
        }
    }
}

const LONG_PREFIX: &str = "tag:yaml.org,2002:";

/// First bytes after which a text may be anything but a string.
const fn may_resolve(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-' | b'.' | b'~' | b'0'
            ..=b'9' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O'
    )
}

/// Resolves a plain scalar without a tag.
pub(crate) fn resolve_plain(text: &str) -> Resolved {
    resolve_implicit(text, true)
}

fn resolve_implicit(text: &str, timestamps: bool) -> Resolved {
    let Some(&first) = text.as_bytes().first() else {
        return Resolved::Null;
    };
    if !may_resolve(first) {
        return Resolved::Str;
    }
    if text.len() <= 5
        && let Some(resolved) = lookup(text)
    {
        return resolved;
    }
    match first {
        b'.' => number::parse_dot_float(text).map_or(Resolved::Str, Resolved::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            if timestamps && is_timestamp(text) {
                return Resolved::Timestamp;
            }
            let plain = if text.contains('_') {
                Cow::Owned(text.replace('_', ""))
            } else {
                Cow::Borrowed(text)
            };
            match number::parse(&plain) {
                Some(Number::Int(int)) => Resolved::Int(int),
                Some(Number::Uint(uint)) => Resolved::Uint(uint),
                Some(Number::Float(float)) => Resolved::Float(float),
                None => Resolved::Str,
            }
        }
        _ => Resolved::Str,
    }
}

fn lookup(text: &str) -> Option<Resolved> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// Resolves a scalar that carries a tag (in its long form).
pub(crate) fn resolve_tagged(tag: &str, text: &str) -> Result<Resolved> {
    let Some(short) = tag.strip_prefix(LONG_PREFIX) else {
        return Ok(Resolved::Str);
    };
    match short {
        "binary" => return Ok(Resolved::Binary),
        "str" => return Ok(Resolved::Str),
        "bool" | "int" | "float" | "null" | "timestamp" => {}
        _ => return Ok(Resolved::Str),
    }
    let resolved = resolve_implicit(text, short == "timestamp");
    match (short, resolved) {
        #[allow(clippy::cast_precision_loss)]
        ("float", Resolved::Int(int)) => Ok(Resolved::Float(int as f64)),
        _ if short == resolved.tag() => Ok(resolved),
        _ => Err(Error::document(format!(
            "cannot decode !!{} `{text}` as a !!{short}",
            resolved.tag()
        ))),
    }
}

/// Reports whether `text` is a number in YAML 1.1's base 60, which go-yaml reads as a string but writes quoted.
pub(crate) fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some((whole, mut rest)) = unsigned.split_once(':') else {
        return false;
    };
    let mut digits = whole.bytes();
    if !digits.next().is_some_and(|b| b.is_ascii_digit()) || !digits.all(|b| b.is_ascii_digit() || b == b'_')
    {
        return false;
    }
    if let Some((groups, fraction)) = rest.split_once('.') {
        if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            return false;
        }
        rest = groups;
    }
    rest.split(':')
        .all(|group| matches!(group.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}

/// Reports whether go-yaml v2 can write `text` without quotes and read a string back.
pub(crate) fn is_plain_string(text: &str) -> bool {
    match text.as_bytes().first() {
        None => false,
        Some(&first) if !may_resolve(first) => true,
        Some(_) => resolve_plain(text) == Resolved::Str && !is_base60(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base60() {
        for text in ["1:2", "190:20:30", "+1:59.5", "-1_0:0:0.", "1:5"] {
            assert!(is_base60(text), "{text}");
        }
        for text in ["1", "1:60", "1:", ":1", "_1:1", "1:1.x", "1:001"] {
            assert!(!is_base60(text), "{text}");
        }
    }

    #[test]
    fn tags() {
        assert_eq!(
            resolve_tagged("tag:yaml.org,2002:float", "1"),
            Ok(Resolved::Float(1.0))
        );
        assert_eq!(resolve_tagged("tag:yaml.org,2002:str", "1"), Ok(Resolved::Str));
        assert_eq!(resolve_tagged("!x", "1"), Ok(Resolved::Str));
        let error = resolve_tagged("tag:yaml.org,2002:int", "abc").unwrap_err();
        assert_eq!(error.to_string(), "yaml: cannot decode !!str `abc` as a !!int");
    }
}
