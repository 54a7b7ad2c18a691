//! The parser of `--set-literal`.

use serde_json::Value;

use super::{
    Growth, ParseError, Result, check_index_level, check_name_level, conversion, index, item,
    scanner::Scanner, set,
};
use crate::values::Table;

/// One run over a text.
pub(super) struct Parser<'t> {
    scanner: Scanner<'t>,
    growth: Growth,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            scanner: Scanner::new(text),
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

    fn key(&mut self, values: &mut Table, level: usize) -> Result<()> {
        let read = self.scanner.until_literal(&['=', '[', '.']);
        let key = read.text;
        match read.stop {
            None if key.is_empty() => Err(ParseError::end()),
            None => Err(ParseError::new(format!("key {key:?} has no value"))),
            Some('=') => {
                let value = self.rest();
                set(values, &key, value);
                Ok(())
            }
            Some('[') => {
                let at = self.key_index()?;
                let mut list = match values.get_mut(&key) {
                    None => Vec::new(),
                    Some(Value::Array(list)) => std::mem::take(list),
                    Some(other) => return Err(conversion(other, "[]interface {}")),
                };
                let result = self.list_item(&mut list, at, level, 1);
                set(values, &key, Value::Array(list));
                result
            }
            Some(_) => self.table(values, &key, level + 1),
        }
    }

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

    fn key_index(&mut self) -> Result<i64> {
        let read = self.scanner.until_literal(&[']']);
        if read.stop.is_none() {
            return Err(ParseError::new("error parsing index: EOF"));
        }
        index(&read.text)
    }

    fn list_item(&mut self, list: &mut Vec<Value>, at: i64, level: usize, nested: usize) -> Result<()> {
        check_index_level(nested)?;
        if at < 0 {
            return Err(ParseError::new(format!("negative {at} index not allowed")));
        }
        match self
            .scanner
            .until_literal(&['[', '.', '='])
            .no_text_before_stop()?
        {
            '=' => {
                let value = self.rest();
                self.growth.set_index(list, at, value)
            }
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

    /// All that is left.
    fn rest(&mut self) -> Value {
        Value::from(self.scanner.until_literal(&[]).text)
    }
}
