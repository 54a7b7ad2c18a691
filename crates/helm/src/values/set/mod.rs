//! The grammar of `--set` and its relatives: `a.b[0]=1,c={x,y}`.
//!
//! Follows Helm 3.19's `strvals`: what is set is merged into the values given, name by name; `--set` knows
//! `true`, `false`, `null` and integers, the others make texts, or JSON. A backslash takes the next character
//! as it is. On an error the values may already hold the parts before it, as in Helm.

mod error;
mod literal;
mod parser;
mod scanner;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::error::ParseError;
use self::parser::{Parser, Reader};
use super::{Table, text};

/// The highest index of a list that can be set, as in Helm.
pub const MAX_INDEX: i64 = 65_536;

/// How many names deep a value can be set, as in Helm.
pub const MAX_NESTED_NAME_LEVEL: usize = 30;

/// How many indices deep a value can be set: `a[0][0]…`. Helm has no such limit.
pub const MAX_NESTED_INDEX_LEVEL: usize = 30;

/// How many items one text may add to lists, empty ones included. Helm has no such limit.
pub const MAX_ADDED_ITEMS: usize = 1_000_000;

/// The result of setting values.
pub type Result<T, E = ParseError> = std::result::Result<T, E>;

/// `--set`: `name=value,name=value`, where a value is a boolean, null, an integer or a text.
///
/// # Errors
/// [`ParseError`], in Helm's words.
pub fn parse_into(text: &str, values: &mut Table) -> Result<()> {
    Parser::new(text, Reader::Typed).parse(values)
}

/// `--set-string`: as [`parse_into`], with all values as texts.
///
/// # Errors
/// [`ParseError`], in Helm's words.
pub fn parse_string_into(text: &str, values: &mut Table) -> Result<()> {
    Parser::new(text, Reader::Text).parse(values)
}

/// `--set-file`: `name=path,name=path`; `read` gives the contents for a path, or why there are none.
///
/// # Errors
/// [`ParseError`], in Helm's words, or what `read` says.
pub fn parse_file_into(
    text: &str,
    values: &mut Table,
    mut read: impl FnMut(&str) -> std::result::Result<String, String>,
) -> Result<()> {
    Parser::new(text, Reader::File(&mut read)).parse(values)
}

/// `--set-json`: `name=json,name=json`; nothing after `=` is null. Numbers are floats.
///
/// # Errors
/// [`ParseError`], in Helm's words; JSON's own errors are ours.
pub fn parse_json_into(text: &str, values: &mut Table) -> Result<()> {
    Parser::new(text, Reader::Json).parse(values)
}

/// `--set-literal`: `name=text`, where all that follows `=` is the text.
///
/// # Errors
/// [`ParseError`], in Helm's words.
pub fn parse_literal_into(text: &str, values: &mut Table) -> Result<()> {
    literal::Parser::new(text).parse(values)
}

/// Sets the value at a path of [`parse_into`]'s names and indices: `a.b[0]`. The value is taken as it is.
///
/// # Errors
/// [`ParseError`], in Helm's words.
pub fn set_path(path: &str, value: Value, values: &mut Table) -> Result<()> {
    Parser::new(path, Reader::Given(Some(value))).parse_path(values)
}

/// A value as `--set` reads it (`typedVal`): a boolean or null in any case, an integer that does not start with
/// zero, or a text.
pub fn typed_value(text: &str) -> Value {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") {
        return Value::Bool(true);
    }
    if is("false") {
        return Value::Bool(false);
    }
    if is("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::from(number),
        _ => Value::from(text),
    }
}

/// Sets a key, unless it is empty.
fn set(values: &mut Table, key: &str, value: Value) {
    if !key.is_empty() {
        values.insert(key.to_owned(), value);
    }
}

/// How Go's runtime words a wrong kind of value.
fn conversion(found: &Value, wanted: &str) -> ParseError {
    ParseError::new(format!(
        "unable to parse key: interface conversion: interface {{}} is {}, not {wanted}",
        text::go_type(found)
    ))
}

/// The index between brackets, as Go reads it.
fn index(text: &str) -> Result<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let syntax = digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit());
    let problem = if syntax {
        "invalid syntax"
    } else {
        "value out of range"
    };
    text.parse().map_err(|_| {
        ParseError::new(format!(
            "error parsing index: strconv.Atoi: parsing {text:?}: {problem}"
        ))
    })
}

/// What lists may still grow by.
#[derive(Debug)]
struct Growth {
    left: usize,
}

impl Growth {
    fn new() -> Self {
        Self {
            left: MAX_ADDED_ITEMS,
        }
    }

    /// Sets an item; items missing before it become null.
    fn set_index(&mut self, list: &mut Vec<Value>, at: i64, value: Value) -> Result<()> {
        if at < 0 {
            return Err(ParseError::new(format!("negative {at} index not allowed")));
        }
        if at > MAX_INDEX {
            return Err(ParseError::new(format!(
                "index of {at} is greater than maximum supported index of {MAX_INDEX}"
            )));
        }
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(missing) = (at + 1).checked_sub(list.len()).filter(|missing| *missing > 0) {
            self.left = self.left.checked_sub(missing).ok_or_else(|| {
                ParseError::new(format!(
                    "more than {MAX_ADDED_ITEMS} items added to lists (limit MAX_ADDED_ITEMS)"
                ))
            })?;
            list.resize(at + 1, Value::Null);
        }
        if let Some(item) = list.get_mut(at) {
            *item = value;
        }
        Ok(())
    }
}

impl Growth {
    /// Sets an item after what is inside it was set. Where that failed, an item that was there keeps what it
    /// has become, as in Go: a text that ends too early is no error at the top.
    fn put_back(&mut self, list: &mut Vec<Value>, at: i64, value: Value, result: Result<()>) -> Result<()> {
        if result.is_ok() {
            return self.set_index(list, at, value);
        }
        match item(list, at) {
            // A list that was not there is not made.
            Some(present) if value.is_object() || !present.is_null() => *present = value,
            _ => {}
        }
        result
    }
}

/// The item at an index, if the list is long enough.
fn item(list: &mut [Value], at: i64) -> Option<&mut Value> {
    usize::try_from(at).ok().and_then(|at| list.get_mut(at))
}

fn check_index_level(level: usize) -> Result<()> {
    if level <= MAX_NESTED_INDEX_LEVEL {
        return Ok(());
    }
    Err(ParseError::new(format!(
        "value index nested level is greater than maximum supported nested level of {MAX_NESTED_INDEX_LEVEL} \
         (limit MAX_NESTED_INDEX_LEVEL)"
    )))
}

fn check_name_level(level: usize) -> Result<()> {
    if level <= MAX_NESTED_NAME_LEVEL {
        return Ok(());
    }
    Err(ParseError::new(format!(
        "value name nested level is greater than maximum supported nested level of {MAX_NESTED_NAME_LEVEL}"
    )))
}
