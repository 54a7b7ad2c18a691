//! Values as text by sprig's rules, and the bounds on text and lists that functions make.

use memchr::memmem;

use crate::error::Error;
use crate::exec::State;
use crate::fmt::to_str;
use crate::limits::Limit;
use crate::meter;
use crate::value::{Elem, Kind, List, Str, Value};

use super::panics;

/// sprig's `strval`: a string or bytes as they are, what an error or Stringer says, else `%v`.
pub(super) fn strval(value: &Value) -> Result<Str, Error> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Bytes(b) => Ok(Str::from(&b[..])),
        other => to_str(other),
    }
}

/// sprig's `strslice`: the elements as text, nil ones left out; a single value as a list of one.
pub(super) fn strslice(value: &Value) -> Result<Vec<Str>, Error> {
    let text = |item: &Value| {
        meter::work(1)?;
        meter::check(0)?;
        strval(item)
    };
    match value {
        Value::Nil => Ok(Vec::new()),
        _ => match elements(value) {
            Some(items) => items.iter().filter(|item| !item.is_nil()).map(text).collect(),
            None => Ok(vec![strval(value)?]),
        },
    }
}

/// The texts as the list that sprig returns: a nil slice of texts stays one.
pub(super) fn strings_of(value: &Value, texts: Vec<Str>) -> List {
    match value {
        Value::List(list) if list.is_nil() && list.elem() == Elem::String => list.clone(),
        _ => List::strings(texts),
    }
}

/// The elements of a slice of any type, `None` for other values.
pub(super) fn elements(value: &Value) -> Option<List> {
    match value {
        Value::List(list) => Some(list.clone()),
        Value::Bytes(bytes) => {
            let items = bytes
                .iter()
                .map(|b| Value::Uint(u64::from(*b), crate::value::UintType::Uint8));
            Some(items.collect())
        }
        Value::Object(object) => object.underlying().and_then(|v| elements(&v)),
        _ => None,
    }
}

/// The elements of a slice, and for other kinds the error that sprig words as `{what} {kind}`.
pub(super) fn slice_or(value: &Value, what: &str) -> Result<List, Error> {
    match value.kind() {
        Kind::Invalid => Err(panics::nil_pointer()),
        kind => elements(value).ok_or_else(|| Error::new(format!("{what} {}", kind.name()))),
    }
}

/// Accounts for text of so many bytes that a function is about to make.
pub(super) fn reserve(state: &mut State, bytes: usize) -> Result<(), Error> {
    meter::check_text(bytes)?;
    state.spend(bytes as u64 / 64 + 1)
}

/// Accounts for a list of so many items that a function is about to make from a number.
pub(super) fn reserve_items(state: &mut State, items: u64) -> Result<(), Error> {
    let max = state.limits().list_items;
    if items > max {
        let message = format!("list items limit exceeded: more than {max} items");
        return Err(Error::limited(Limit::ListItems, message));
    }
    reserve_slots(state, items as usize)
}

/// Accounts for a list of so many items that a function is about to make from other lists.
pub(super) fn reserve_slots(state: &mut State, items: usize) -> Result<(), Error> {
    meter::check(items.saturating_mul(size_of::<Value>()))?;
    state.spend(items as u64 / 2 + 1)
}

/// Where `needle` first is in `text`.
pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memmem::find(text, needle)
}

/// Accounts for a text that is prepared before it is looked for.
pub(super) fn spend_on_needle(state: &mut State, needle: &Str) -> Result<(), Error> {
    state.spend(needle_steps(needle.as_bytes()))
}

fn needle_steps(needle: &[u8]) -> u64 {
    needle.len() as u64 / 2
}

/// Go's `strings.Split`: the parts between separators, the single characters for an empty one.
pub(super) fn split(text: &[u8], separator: &[u8], n: i64) -> Result<Vec<Str>, Error> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let finder = memmem::Finder::new(separator);
    let mut rest = text;
    while parts.len() + 1 < limit {
        let (end, skipped) = if separator.is_empty() {
            match char_width(rest) {
                width if width < rest.len() => (width, 0),
                _ => break,
            }
        } else {
            match finder.find(rest) {
                Some(at) => (at, separator.len()),
                None => break,
            }
        };
        let (head, tail) = rest.split_at(end);
        push_part(&mut parts, head)?;
        rest = tail.get(skipped..).unwrap_or_default();
    }
    if !(separator.is_empty() && rest.is_empty()) {
        push_part(&mut parts, rest)?;
    }
    Ok(parts)
}

/// The steps that finding a part of a text and copying it count for, beside those for its bytes.
const PART_STEPS: u64 = 4;

/// Adds a part of a text to a list, as long as there is memory.
pub(super) fn push_part(parts: &mut Vec<Str>, part: &[u8]) -> Result<(), Error> {
    meter::work(PART_STEPS)?;
    meter::check(parts.len() * (size_of::<Str>() + size_of::<Value>()))?;
    parts.push(Str::from(part));
    Ok(())
}

/// The number of bytes that Go decodes as the first character: one for a byte that is not UTF-8.
pub(super) fn char_width(text: &[u8]) -> usize {
    let head = text.get(..text.len().min(4)).unwrap_or_default();
    let valid = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.chars().next().map_or(1, char::len_utf8)
}

/// The steps that finding a text twice and replacing it count for.
const REPLACE_STEPS: u64 = 3;

/// Go's `strings.Replace` of all occurrences.
pub(super) fn replace_all(state: &mut State, text: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>, Error> {
    state.spend(needle_steps(old))?;
    let finder = memmem::Finder::new(old);
    let count = if old.is_empty() {
        let chars: usize = text
            .utf8_chunks()
            .map(|c| c.valid().chars().count() + c.invalid().len())
            .sum();
        meter::work((chars as u64).saturating_mul(REPLACE_STEPS))?;
        chars + 1
    } else {
        let mut count = 0;
        for _ in finder.find_iter(text) {
            meter::work(REPLACE_STEPS)?;
            count += 1;
        }
        count
    };
    reserve(state, text.len().saturating_add(count.saturating_mul(new.len())))?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    for i in 0..count {
        let at = if old.is_empty() {
            if i == 0 { 0 } else { char_width(rest) }
        } else {
            finder.find(rest).unwrap_or(rest.len())
        };
        let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(head);
        out.extend_from_slice(new);
        rest = tail.get(old.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(out)
}
