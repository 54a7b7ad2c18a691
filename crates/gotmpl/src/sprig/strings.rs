//! Functions on strings that work on bytes, as Go's `strings` package does.

use std::collections::HashSet;

use crate::error::Error;
use crate::exec::State;
use crate::fmt::to_str;
use crate::func::{Functions, Strings, Variadic};
use crate::meter;
use crate::value::{List, Map, MapType, Str, Value};

use super::text::{self, reserve, strslice, strval};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("hello", || "Hello!");
    funcs.add("trim", |state: &mut State, s: Str| {
        let trimmed = trim_space(s.as_bytes());
        // Spaces are looked at one by one, the rest not at all.
        state.spend((s.len() - trimmed.len()) as u64 / 8)?;
        Ok::<_, Error>(Str::from(trimmed))
    });
    funcs.add("trimAll", |state: &mut State, cut: Str, s: Str| {
        state.spend((cut.len() + s.len()) as u64 / 4)?;
        Ok::<_, Error>(trim_set(s.as_bytes(), &cut))
    });
    funcs.alias("trimall", "trimAll");
    funcs.add("trimSuffix", |end: Str, s: Str| {
        s.as_bytes()
            .strip_suffix(end.as_bytes())
            .map_or_else(|| s.clone(), Str::from)
    });
    funcs.add("trimPrefix", |start: Str, s: Str| {
        s.as_bytes()
            .strip_prefix(start.as_bytes())
            .map_or_else(|| s.clone(), Str::from)
    });
    funcs.add("hasPrefix", |start: Str, s: Str| {
        s.as_bytes().starts_with(start.as_bytes())
    });
    funcs.add("hasSuffix", |end: Str, s: Str| {
        s.as_bytes().ends_with(end.as_bytes())
    });
    funcs.add("contains", |state: &mut State, part: Str, s: Str| {
        text::spend_on_needle(state, &part)?;
        Ok::<_, Error>(text::find(s.as_bytes(), part.as_bytes()).is_some())
    });
    funcs.add("replace", |state: &mut State, old: Str, new: Str, s: Str| {
        text::replace_all(state, s.as_bytes(), old.as_bytes(), new.as_bytes()).map(Str::from)
    });
    funcs.add("repeat", |state: &mut State, n: i64, s: Str| {
        repeat(state, s.as_bytes(), n).map(Str::from)
    });
    funcs.add("trunc", trunc);
    funcs.add("substr", substr);
    funcs.add("indent", |state: &mut State, n: i64, s: Str| {
        indent(state, n, &s, "")
    });
    funcs.add("nindent", |state: &mut State, n: i64, s: Str| {
        indent(state, n, &s, "\n")
    });
    funcs.add(
        "plural",
        |one: Str, many: Str, n: i64| if n == 1 { one } else { many },
    );
    funcs.add("toString", |v: Value| strval(&v));
    funcs.add("toStrings", |v: Value| {
        Ok::<_, Error>(Strings(text::strings_of(&v, strslice(&v)?)))
    });
    funcs.add("join", |state: &mut State, separator: Str, v: Value| {
        let parts = strslice(&v)?;
        let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
        let bytes = parts.iter().map(|p| p.len() + separator.len());
        reserve(state, bytes.fold(0, usize::saturating_add))?;
        Ok::<_, Error>(Str::from(parts.join(separator.as_bytes())))
    });
    funcs.add("splitList", |state: &mut State, separator: Str, s: Str| {
        reserve(state, s.len())?;
        text::spend_on_needle(state, &separator)?;
        let parts = text::split(s.as_bytes(), separator.as_bytes(), -1)?;
        Ok::<_, Error>(Strings(List::strings(parts)))
    });
    funcs.add("split", |state: &mut State, separator: Str, s: Str| {
        reserve(state, s.len())?;
        text::spend_on_needle(state, &separator)?;
        numbered(text::split(s.as_bytes(), separator.as_bytes(), -1)?)
    });
    funcs.add("splitn", |state: &mut State, separator: Str, n: i64, s: Str| {
        reserve(state, s.len())?;
        text::spend_on_needle(state, &separator)?;
        numbered(text::split(s.as_bytes(), separator.as_bytes(), n)?)
    });
    funcs.add("quote", |state: &mut State, values: Variadic<Value>| {
        each_with_space(state, &values, |v| {
            let text = strval(v)?;
            meter::work(text.len() as u64 / QUOTED_OF_A_STEP)?;
            Ok(crate::strconv::quote(text.as_bytes()).into_bytes())
        })
    });
    funcs.add("squote", |state: &mut State, values: Variadic<Value>| {
        each_with_space(state, &values, |v| {
            let text = to_str(v)?;
            Ok([b"'", text.as_bytes(), b"'"].concat())
        })
    });
    funcs.add("cat", cat);
}

/// What an entry counts for, beside its part of the text.
const ENTRY_STEPS: u64 = 4;

/// Bytes that are quoted in a step.
const QUOTED_OF_A_STEP: u64 = 8;

/// `{"_0": ..., "_1": ...}`
fn numbered(parts: Vec<Str>) -> Result<Map, Error> {
    meter::work(ENTRY_STEPS * parts.len() as u64)?;
    let entries = parts.into_iter().enumerate();
    let entries = entries.map(|(i, part)| (Str::from(format!("_{i}")), Value::String(part)));
    Ok(Map::with_entries(&MapType::STRING, entries.collect()))
}

fn trim_space(s: &[u8]) -> &[u8] {
    trim_by(s, char::is_whitespace)
}

/// Sets of characters of so many bytes are searched from the start.
const SHORT: usize = 16;

fn trim_set(s: &[u8], cut: &Str) -> Str {
    // Bytes that are not UTF-8 count as U+FFFD on both sides.
    let cut = cut.to_str_lossy();
    if cut.len() <= SHORT {
        return Str::from(trim_by(s, |c| cut.contains(c)));
    }
    let cut: HashSet<char> = cut.chars().collect();
    Str::from(trim_by(s, |c| cut.contains(&c)))
}

fn trim_by(mut s: &[u8], drop: impl Fn(char) -> bool) -> &[u8] {
    let decode = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|t| t.chars().next())
            .unwrap_or('\u{FFFD}')
    };
    while !s.is_empty() {
        let width = text::char_width(s);
        let Some((head, tail)) = s.split_at_checked(width).filter(|(head, _)| drop(decode(head))) else {
            break;
        };
        debug_assert!(!head.is_empty());
        s = tail;
    }
    while !s.is_empty() {
        let width = last_char_width(s);
        match s.split_at_checked(s.len() - width) {
            Some((head, last)) if drop(decode(last)) => s = head,
            _ => break,
        }
    }
    s
}

fn last_char_width(s: &[u8]) -> usize {
    (1..=s.len().min(4))
        .find(|n| {
            s.get(s.len() - n..)
                .is_some_and(|tail| std::str::from_utf8(tail).is_ok())
        })
        .unwrap_or(1)
}

fn repeat(state: &mut State, s: &[u8], n: i64) -> Result<Vec<u8>, Error> {
    let Ok(n) = usize::try_from(n) else {
        return Err(Error::new("strings: negative Repeat count"));
    };
    reserve(state, s.len().saturating_mul(n))?;
    Ok(s.repeat(n))
}

fn trunc(n: i64, s: Str) -> Str {
    let len = s.len() as i64;
    if n < 0 && len.saturating_add(n) > 0 {
        s.slice((len + n) as usize, s.len()).unwrap_or(s)
    } else if n >= 0 && len > n {
        s.slice(0, n as usize).unwrap_or(s)
    } else {
        s
    }
}

/// `s[start:end]` as Go's runtime checks it.
fn slice(s: &Str, start: i64, end: i64) -> Result<Str, Error> {
    let len = s.len() as i64;
    let range = |bounds: String| Error::new(format!("runtime error: slice bounds out of range {bounds}"));
    if end < 0 {
        return Err(range(format!("[:{end}]")));
    }
    if end > len {
        return Err(range(format!("[:{end}] with length {len}")));
    }
    if start > end {
        return Err(range(format!("[{start}:{end}]")));
    }
    Ok(s.slice(start as usize, end as usize).unwrap_or_default())
}

fn substr(start: i64, end: i64, s: Str) -> Result<Str, Error> {
    let len = s.len() as i64;
    if start < 0 {
        return slice(&s, 0, end);
    }
    if end < 0 || end > len {
        return slice(&s, start, len);
    }
    slice(&s, start, end)
}

fn indent(state: &mut State, n: i64, s: &Str, before: &str) -> Result<Str, Error> {
    let Ok(n) = usize::try_from(n) else {
        return Err(Error::new("strings: negative Repeat count"));
    };
    let s = s.as_bytes();
    let lines = memchr::memchr_iter(b'\n', s).count() + 1;
    let bytes = lines.saturating_mul(n).saturating_add(before.len() + s.len());
    reserve(state, bytes)?;
    state.spend(lines as u64 / 2)?;
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(before.as_bytes());
    for (i, line) in s.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + n, b' ');
        out.extend_from_slice(line);
    }
    Ok(Str::from(out))
}

/// The texts of all values that are not nil, joined by spaces.
fn each_with_space(
    state: &mut State,
    values: &[Value],
    show: impl Fn(&Value) -> Result<Vec<u8>, Error>,
) -> Result<Str, Error> {
    let mut out = Vec::new();
    for (i, value) in values.iter().filter(|v| !v.is_nil()).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        let text = show(value)?;
        reserve(state, out.len() + text.len())?;
        out.extend_from_slice(&text);
    }
    Ok(Str::from(out))
}

fn cat(state: &mut State, values: Variadic<Value>) -> Result<Str, Error> {
    each_with_space(state, &values, |v| Ok(to_str(v)?.as_bytes().to_vec()))
}
