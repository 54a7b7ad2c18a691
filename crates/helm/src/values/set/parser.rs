//! The parser of `--set`, `--set-string`, `--set-file` and `--set-json`.

use serde_json::Value;

use super::{
    Growth, ParseError, Result, check_index_level, check_name_level, conversion, index, item,
    scanner::Scanner, set, typed_value,
};
use crate::values::Table;

/// What becomes of the text after `=`.
pub(super) enum Reader<'r> {
    /// A boolean, null, an integer or a text.
    Typed,
    /// A text.
    Text,
    /// The path of a file.
    File(&'r mut dyn FnMut(&str) -> std::result::Result<String, String>),
    /// JSON.
    Json,
    /// There is no text after the path: this is the value.
    Given(Option<Value>),
}

/// One run over a text.
pub(super) struct Parser<'t, 'r> {
    scanner: Scanner<'t>,
    reader: Reader<'r>,
    growth: Growth,
}

impl<'t, 'r> Parser<'t, 'r> {
    pub(super) fn new(text: &'t str, reader: Reader<'r>) -> Self {
        Self {
            scanner: Scanner::new(text),
            reader,
            growth: Growth::new(),
        }
    }

    pub(super) fn parse(mut self, values: &mut Table) -> Result<()> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(error) if error.is_end() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads a path with nothing after it.
    pub(super) fn parse_path(mut self, values: &mut Table) -> Result<()> {
        let path = self.scanner.rest();
        let unusable = || ParseError::new(format!("{path:?} is not a path of values"));
        match self.key(values, 0) {
            Ok(()) if self.scanner.rest().is_empty() && matches!(self.reader, Reader::Given(None)) => Ok(()),
            Err(error) if !error.is_end() => Err(error),
            _ => Err(unusable()),
        }
    }

    /// The value given for a path, once the path has ended.
    fn given(&mut self, ended: bool) -> Option<Value> {
        match &mut self.reader {
            Reader::Given(value) if ended => value.take(),
            _ => None,
        }
    }

    fn key(&mut self, values: &mut Table, level: usize) -> Result<()> {
        let read = self.scanner.until(&['=', '[', ',', '.']);
        let key = read.text;
        if let Some(value) = self.given(read.stop.is_none()).filter(|_| !key.is_empty()) {
            set(values, &key, value);
            return Ok(());
        }
        match read.stop {
            None if key.is_empty() => Err(ParseError::end()),
            None => Err(ParseError::new(format!("key {key:?} has no value"))),
            Some('[') => self.list(values, &key, level),
            Some('=') => self.value(values, &key),
            Some(',') => {
                set(values, &key, Value::from(""));
                Err(ParseError::new(format!(
                    "key {key:?} has no value (cannot end with ,)"
                )))
            }
            Some(_) => self.table(values, &key, level + 1),
        }
    }

    /// `key[0]…`
    fn list(&mut self, values: &mut Table, key: &str, level: usize) -> Result<()> {
        let at = self.key_index()?;
        let mut list = match values.get_mut(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => std::mem::take(list),
            Some(other) => return Err(conversion(other, "[]interface {}")),
        };
        let result = self.list_item(&mut list, at, level, 1);
        set(values, key, Value::Array(list));
        result
    }

    /// `key.…`
    fn table(&mut self, values: &mut Table, key: &str, level: usize) -> Result<()> {
        check_name_level(level)?;
        let mut inner = match values.get_mut(key) {
            None => Table::new(),
            Some(Value::Object(inner)) => std::mem::take(inner),
            Some(other) => return Err(conversion(other, "map[string]interface {}")),
        };
        let result = self.key(&mut inner, level);
        let empty = inner.is_empty();
        if !empty {
            set(values, key, Value::Object(inner));
        }
        if result.is_ok() && empty {
            return Err(ParseError::new(format!("key map {key:?} has no value")));
        }
        result
    }

    /// `key=…`
    fn value(&mut self, values: &mut Table, key: &str) -> Result<()> {
        if matches!(self.reader, Reader::Json) {
            let value = self.json(|value| set(values, key, value));
            return value;
        }
        if self.scanner.rest().is_empty() {
            set(values, key, Value::from(""));
            return Err(ParseError::end());
        }
        let value = if self.scanner.accept('{') {
            self.braces()?
        } else {
            self.scalar()?
        };
        set(values, key, value);
        Ok(())
    }

    fn key_index(&mut self) -> Result<i64> {
        let read = self.scanner.until(&[']']);
        if read.stop.is_none() {
            return Err(ParseError::new("error parsing index: EOF"));
        }
        index(&read.text)
    }

    /// What follows the `]` of an index.
    fn list_item(&mut self, list: &mut Vec<Value>, at: i64, level: usize, nested: usize) -> Result<()> {
        check_index_level(nested)?;
        if at < 0 {
            return Err(ParseError::new(format!("negative {at} index not allowed")));
        }
        let read = self.scanner.until(&['[', '.', '=']);
        if let Some(value) = self.given(read.stop.is_none()).filter(|_| read.text.is_empty()) {
            return self.growth.set_index(list, at, value);
        }
        match read.no_text_before_stop()? {
            '=' => self.item_value(list, at),
            '[' => {
                let next = self.key_index()?;
                let mut inner = match item(list, at) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(inner)) => std::mem::take(inner),
                    Some(other) => return Err(conversion(other, "[]interface {}")),
                };
                let result = self.list_item(&mut inner, next, level, nested + 1);
                self.growth.put_back(list, at, Value::Array(inner), result)
            }
            _ => {
                let mut inner = match item(list, at) {
                    Some(Value::Object(inner)) => std::mem::take(inner),
                    _ => Table::new(),
                };
                let result = self.key(&mut inner, level);
                self.growth.put_back(list, at, Value::Object(inner), result)
            }
        }
    }

    fn item_value(&mut self, list: &mut Vec<Value>, at: i64) -> Result<()> {
        if matches!(self.reader, Reader::Json) {
            let (value, rest) = json_value(&mut self.scanner)?;
            self.growth.set_index(list, at, value)?;
            self.skip_after_json(rest);
            return Ok(());
        }
        let value = if self.scanner.rest().is_empty() {
            Value::from("")
        } else if self.scanner.accept('{') {
            self.braces()?
        } else {
            self.scalar()?
        };
        self.growth.set_index(list, at, value)
    }

    fn json(&mut self, set: impl FnOnce(Value)) -> Result<()> {
        let (value, rest) = json_value(&mut self.scanner)?;
        set(value);
        self.skip_after_json(rest);
        Ok(())
    }

    fn skip_after_json(&mut self, more: bool) {
        if more {
            self.scanner.empty_value();
        }
    }

    /// A value up to a comma.
    fn scalar(&mut self) -> Result<Value> {
        let text = self.scanner.until(&[',']).text;
        self.read(text)
    }

    /// A list of values up to the closing brace.
    fn braces(&mut self) -> Result<Value> {
        let mut list = Vec::new();
        loop {
            let read = self.scanner.until(&[',', '}']);
            match read.stop {
                None => return Err(ParseError::new("list must terminate with '}'")),
                Some('}') => {
                    self.scanner.accept(',');
                    list.push(self.read(read.text)?);
                    return Ok(Value::Array(list));
                }
                Some(_) => list.push(self.read(read.text)?),
            }
        }
    }

    fn read(&mut self, text: String) -> Result<Value> {
        match &mut self.reader {
            Reader::Typed => Ok(typed_value(&text)),
            Reader::File(read) => read(&text).map(Value::from).map_err(ParseError::new),
            Reader::Text | Reader::Json | Reader::Given(_) => Ok(Value::from(text)),
        }
    }
}

/// The JSON at the start of what is left, and whether a separator may follow; nothing, up to a comma, is null.
fn json_value(scanner: &mut Scanner<'_>) -> Result<(Value, bool)> {
    if scanner.empty_value() {
        return Ok((Value::Null, false));
    }
    let rest = scanner.rest();
    let length = json_length(rest);
    let text = rest.get(..length).unwrap_or(rest);
    let mut value = serde_json::from_str(text).map_err(|error| ParseError::new(error.to_string()))?;
    floats(&mut value);
    scanner.skip(length);
    Ok((value, true))
}

/// How long the JSON value at the start of a text is: scalars end where they can not go on, so that what follows
/// needs no separator, as in Go's decoder.
fn json_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ if depth == 0 => return scalar_length(text),
            _ => {}
        }
    }
    text.len()
}

fn scalar_length(text: &str) -> usize {
    for word in ["true", "false", "null"] {
        if text.starts_with(word) {
            return word.len();
        }
    }
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
    };
    let next = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|byte| wanted.contains(byte));
    let start = usize::from(next(0, b"-"));
    // Nothing follows a leading zero in its number.
    let mut end = if next(start, b"0") {
        start + 1
    } else {
        digits(start)
    };
    if next(end, b".") {
        end = digits(end + 1);
    }
    if next(end, b"eE") {
        end += 1 + usize::from(next(end + 1, b"+-"));
        end = digits(end);
    }
    end
}

/// Makes floats of all numbers, as Go's decoder does.
fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = Value::from(float);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(map) => map.values_mut().for_each(floats),
        _ => {}
    }
}
