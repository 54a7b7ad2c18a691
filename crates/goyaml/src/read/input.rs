//! Bytes to text, as go-yaml's reader takes them: UTF-8, or UTF-16 that starts with a byte order mark.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// The text of a file or a Secret's value, for the functions that read one.
///
/// # Errors
/// go-yaml's words for bytes that are not UTF-8 (or, after its byte order mark, UTF-16). go-yaml itself may
/// not come across those if they stand behind the first document; here they are always an error.
pub fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(refuse(utf8_problem(
                bytes.get(error.valid_up_to()..).unwrap_or_default(),
            ))),
        },
    }
}

fn refuse(message: &'static str) -> Error {
    Error::Syntax {
        line: None,
        message: Cow::Borrowed(message),
    }
}

/// What is wrong with the sequence that `bytes` starts with.
fn utf8_problem(bytes: &[u8]) -> &'static str {
    let Some(&lead) = bytes.first() else {
        return "incomplete UTF-8 octet sequence";
    };
    let (width, smallest) = match lead {
        0..=0x7F => (1, 0),
        0xC0..=0xDF => (2, 0x80),
        0xE0..=0xEF => (3, 0x800),
        0xF0..=0xF7 => (4, 0x1_0000),
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(trail) = bytes.get(1..width) else {
        return "incomplete UTF-8 octet sequence";
    };
    if trail.iter().any(|octet| octet & 0xC0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let head = u32::from(lead) & (0x7F >> width);
    let value = trail
        .iter()
        .fold(head, |value, octet| value << 6 | u32::from(octet & 0x3F));
    if value < smallest {
        "invalid length of a UTF-8 sequence"
    } else {
        "invalid Unicode character"
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut units = bytes.chunks(2).map(|pair| match pair {
        [a, b] => Ok(unit([*a, *b])),
        _ => Err(()),
    });
    while let Some(next) = units.next() {
        let first = next.map_err(|()| refuse("incomplete UTF-16 character"))?;
        let code = match first {
            0xDC00..=0xDFFF => return Err(refuse("unexpected low surrogate area")),
            0xD800..=0xDBFF => match units.next() {
                Some(Ok(low @ 0xDC00..=0xDFFF)) => {
                    0x1_0000 + ((u32::from(first) & 0x3FF) << 10) + (u32::from(low) & 0x3FF)
                }
                Some(Ok(_)) => return Err(refuse("expected low surrogate area")),
                _ => return Err(refuse("incomplete UTF-16 surrogate pair")),
            },
            _ => u32::from(first),
        };
        text.extend(char::from_u32(code));
    }
    Ok(text)
}
