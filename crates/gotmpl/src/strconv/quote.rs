//! Go string and character literals.

use crate::unicode::is_print;

/// Go's `Quote`: a double-quoted literal; unprintable characters and invalid bytes are escaped.
pub fn quote(s: &[u8]) -> String {
    quote_with(s, '"', false)
}

/// Go's `QuoteToASCII`: as [`quote`], with everything outside ASCII escaped.
pub fn quote_to_ascii(s: &[u8]) -> String {
    quote_with(s, '"', true)
}

/// Go's `QuoteRune`: a single-quoted literal of one character.
pub fn quote_rune(c: char) -> String {
    quote_with(c.encode_utf8(&mut [0; 4]).as_bytes(), '\'', false)
}

/// Go's `QuoteRuneToASCII`.
pub fn quote_rune_to_ascii(c: char) -> String {
    quote_with(c.encode_utf8(&mut [0; 4]).as_bytes(), '\'', true)
}

fn quote_with(s: &[u8], quote: char, ascii_only: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(s.len() + 2);
    out.push(quote);
    for chunk in s.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(&mut out, c, quote, ascii_only);
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii_only: bool) {
    use std::fmt::Write as _;
    if c == quote || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if is_print(c) && (c.is_ascii() || !ascii_only) {
        out.push(c);
        return;
    }
    let _ = match c {
        '\x07' => out.write_str("\\a"),
        '\x08' => out.write_str("\\b"),
        '\x0c' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\x0b' => out.write_str("\\v"),
        c if c < ' ' || c == '\x7f' => write!(out, "\\x{:02x}", c as u32),
        c if (c as u32) < 0x10000 => write!(out, "\\u{:04x}", c as u32),
        c => write!(out, "\\U{:08x}", c as u32),
    };
}

/// Go's `CanBackquote`: whether the string can stand between backquotes on one line.
pub fn can_backquote(s: &[u8]) -> bool {
    std::str::from_utf8(s).is_ok_and(|s| {
        s.chars()
            .all(|c| c != '\u{feff}' && c != '`' && c != '\x7f' && (c >= ' ' || c == '\t'))
    })
}

/// Go's `UnquoteChar`: the first character or byte of an escaped text. Gives its value, whether it is a
/// character (and not a single byte), and the rest; `None` for invalid syntax.
pub fn unquote_char(s: &[u8], quote: u8) -> Option<(u32, bool, &[u8])> {
    let (&first, rest) = s.split_first()?;
    if first == quote && matches!(quote, b'\'' | b'"') {
        return None;
    }
    if first >= 0x80 {
        let chunk = s.utf8_chunks().next()?;
        return match chunk.valid().chars().next() {
            Some(c) => Some((c as u32, true, s.get(c.len_utf8()..)?)),
            None => Some((0xfffd, true, rest)),
        };
    }
    if first != b'\\' {
        return Some((u32::from(first), false, rest));
    }
    let (&c, rest) = rest.split_first()?;
    let simple = |v: u8| Some((u32::from(v), false, rest));
    match c {
        b'a' => simple(0x07),
        b'b' => simple(0x08),
        b'f' => simple(0x0c),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(0x0b),
        b'\\' => simple(b'\\'),
        b'\'' | b'"' if c == quote => simple(c),
        b'x' | b'u' | b'U' => {
            let n = match c {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let (digits, rest) = rest.split_at_checked(n)?;
            let mut v = 0u32;
            for d in digits {
                v = v.checked_mul(16)?.checked_add((*d as char).to_digit(16)?)?;
            }
            if c == b'x' {
                return Some((v, false, rest));
            }
            char::from_u32(v)?;
            Some((v, true, rest))
        }
        b'0'..=b'7' => {
            let (digits, tail) = rest.split_at_checked(2)?;
            let mut v = u32::from(c - b'0');
            for d in digits {
                v = v * 8 + (*d as char).to_digit(8)?;
            }
            (v <= 255).then_some((v, false, tail))
        }
        _ => None,
    }
}

/// Go's `Unquote`: the string that a quoted, single-quoted or backquoted literal stands for; `None` for
/// invalid syntax.
pub fn unquote(s: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = s.split_first()?;
    match quote {
        b'`' => {
            let (b'`', body) = rest.split_last()? else {
                return None;
            };
            if body.contains(&b'`') {
                return None;
            }
            Some(body.iter().copied().filter(|c| *c != b'\r').collect())
        }
        b'"' | b'\'' => {
            let mut out = Vec::with_capacity(rest.len());
            let mut rest = rest;
            while let Some(&c) = rest.first() {
                if c == quote {
                    return (rest.len() == 1).then_some(out);
                }
                if c == b'\n' {
                    return None;
                }
                let (v, character, tail) = unquote_char(rest, quote)?;
                if character {
                    out.extend_from_slice(char::from_u32(v)?.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    out.push(v as u8);
                }
                rest = tail;
                if quote == b'\'' {
                    return (rest == b"'").then_some(out);
                }
            }
            None
        }
        _ => None,
    }
}
