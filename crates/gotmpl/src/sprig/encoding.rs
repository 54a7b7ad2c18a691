//! Base64, base32 and JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::json::{self, Style};
use crate::value::{Str, Value};

use super::text::reserve;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("b64enc", |state: &mut State, s: Str| {
        reserve(state, s.len() / 3 * 4 + 4)?;
        Ok::<_, Error>(base64_encode(s.as_bytes()))
    });
    // sprig gives the error's text as the result.
    funcs.add("b64dec", |s: Str| match base64_decode(s.as_bytes()) {
        Ok(bytes) => Str::from(bytes),
        Err(at) => Str::from(format!("illegal base64 data at input byte {at}")),
    });
    funcs.add("b32enc", |state: &mut State, s: Str| {
        reserve(state, s.len() / 5 * 8 + 8)?;
        Ok::<_, Error>(base32_encode(s.as_bytes()))
    });
    funcs.add("b32dec", |s: Str| match base32_decode(s.as_bytes()) {
        Ok(bytes) => Str::from(bytes),
        Err(at) => Str::from(format!("illegal base32 data at input byte {at}")),
    });
    funcs.add("fromJson", |text: Str| {
        match json::decode_partial(text.as_bytes()) {
            (_, Some(error)) if error.limit().is_some() => Err(error),
            (value, _) => Ok(value),
        }
    });
    funcs.add("mustFromJson", |text: Str| json::decode(text.as_bytes()));
    let html = Style::default();
    let pretty = Style { pretty: true, ..html };
    let raw = Style {
        raw_html: true,
        ..html
    };
    // The plain forms drop the error; only toRawJson panics with it.
    for (plain, must, style) in [
        ("toJson", "mustToJson", html),
        ("toPrettyJson", "mustToPrettyJson", pretty),
    ] {
        funcs.add(plain, move |state: &mut State, v: Value| {
            match json::encode(&v, style) {
                Ok(text) => reserve(state, text.len()).map(|()| text),
                Err(e) if e.limit().is_some() => Err(e),
                Err(_) => Ok(String::new()),
            }
        });
        funcs.add(must, move |state: &mut State, v: Value| to_json(state, &v, style));
    }
    funcs.add("toRawJson", move |state: &mut State, v: Value| {
        to_json(state, &v, raw)
    });
    funcs.alias("mustToRawJson", "toRawJson");
}

fn to_json(state: &mut State, v: &Value, style: Style) -> Result<String, Error> {
    let text = json::encode(v, style)?;
    reserve(state, text.len())?;
    Ok(text)
}

/// Standard base64 with padding.
pub(super) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Go's decoder: line breaks are skipped, bits left over need not be zero. The error is the place of the
/// byte that Go calls wrong.
pub(super) fn base64_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut count = 0;
    let mut at = 0;
    let line_break = |b: Option<&u8>| matches!(b, Some(b'\n' | b'\r'));
    while let Some(b) = text.get(at) {
        at += 1;
        if let Some(value) = digit(*b) {
            bits = bits << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                out.extend_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
                (bits, count) = (0, 0);
            }
            continue;
        }
        if matches!(b, b'\n' | b'\r') {
            continue;
        }
        if *b != b'=' || count < 2 {
            return Err(at - 1);
        }
        if count == 2 {
            // A second padding character must follow.
            while line_break(text.get(at)) {
                at += 1;
            }
            match text.get(at) {
                None => return Err(text.len()),
                Some(b'=') => at += 1,
                Some(_) => return Err(at - 1),
            }
        }
        while line_break(text.get(at)) {
            at += 1;
        }
        if at < text.len() {
            return Err(at);
        }
        let bytes = (bits << (6 * (4 - count))).to_be_bytes();
        out.extend_from_slice(bytes.get(1..count).unwrap_or_default());
        return Ok(out);
    }
    if count > 0 {
        Err(text.len() - count)
    } else {
        Ok(out)
    }
}

/// Go's decoder. It removes line breaks first, so that the place in an error does not count them.
fn base32_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5 + 5);
    for (start, chunk) in text.chunks(8).enumerate().map(|(i, chunk)| (8 * i, chunk)) {
        let mut bits = 0_u64;
        let mut count = 8;
        for j in 0..8 {
            let at = start + j;
            let Some(b) = chunk.get(j) else {
                return Err(text.len() - j);
            };
            let left = text.len() - at - 1;
            if *b == b'=' && j >= 2 && left < 8 {
                if left + j < 7 {
                    return Err(text.len());
                }
                for k in 0..7 - j {
                    if text.get(at + 1 + k).is_some_and(|b| *b != b'=') {
                        return Err(at + k);
                    }
                }
                if matches!(j, 3 | 6) {
                    return Err(at);
                }
                count = j;
                break;
            }
            let value = match b {
                b'A'..=b'Z' => b - b'A',
                b'2'..=b'7' => b - b'2' + 26,
                _ => return Err(at),
            };
            bits = bits << 5 | u64::from(value);
        }
        let bytes = (bits << (5 * (8 - count))).to_be_bytes();
        out.extend_from_slice(bytes.get(3..3 + count * 5 / 8).unwrap_or_default());
        if count < 8 {
            break;
        }
    }
    Ok(out)
}

fn base32_encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().fold(0_u64, |bits, b| bits << 8 | u64::from(*b)) << (8 * (5 - chunk.len()));
        let letters = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = (bits >> (35 - 5 * i)) as usize & 31;
            let letter = ALPHABET.get(index).copied().map_or('=', char::from);
            out.push(if i < letters { letter } else { '=' });
        }
    }
    out
}
