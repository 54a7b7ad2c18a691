//! Numeric literals: Go's untyped constants, kept under every type that can hold them.

use crate::strconv;

/// A numeric constant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    /// Whether the literal's own syntax makes it a float where no type is asked for.
    pub(crate) is_float_syntax: bool,
}

impl Number {
    /// A character constant, quotes included.
    pub(super) fn character(text: &str) -> Result<Number, String> {
        let body = text.as_bytes().get(1..).unwrap_or_default();
        match strconv::unquote_char(body, b'\'') {
            None => Err("invalid syntax".into()),
            Some((c, _, b"'")) => Ok(Number {
                int: Some(i64::from(c)),
                uint: Some(u64::from(c)),
                float: Some(f64::from(c)),
                is_float_syntax: false,
            }),
            Some(_) => Err(format!("malformed character constant: {text}")),
        }
    }

    /// An integer or float.
    pub(super) fn parse(text: &str) -> Result<Number, String> {
        if text.ends_with('i') {
            return Err(format!("complex numbers are not supported: {text}"));
        }
        let mut n = Number::default();
        let bytes = text.as_bytes();
        n.uint = strconv::parse_uint(bytes, 0, 64).ok();
        n.int = strconv::parse_int(bytes, 0, 64).ok();
        if n.int == Some(0) {
            n.uint = Some(0);
        }
        let float_mark = text.contains(['.', 'e', 'E', 'p', 'P']);
        if let Some(i) = n.int {
            n.float = Some(i as f64);
        } else if let Some(u) = n.uint {
            n.float = Some(u as f64);
        } else if let Ok(f) = strconv::parse_float(bytes, 64) {
            if !float_mark {
                return Err(format!("integer overflow: {}", strconv::quote(bytes)));
            }
            n.float = Some(f);
            if f < 9_223_372_036_854_775_808.0 && f as i64 as f64 == f {
                n.int = Some(f as i64);
            }
            if f < 18_446_744_073_709_551_616.0 && f as u64 as f64 == f {
                n.uint = Some(f as u64);
            }
        } else {
            return Err(format!("illegal number syntax: {}", strconv::quote(bytes)));
        }
        n.is_float_syntax = float_mark && !is_hex_int(text);
        Ok(n)
    }
}

fn is_hex_int(text: &str) -> bool {
    text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P'])
}
