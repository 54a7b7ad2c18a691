//! Reading characters up to one of a set.

use super::{ParseError, Result};

/// The text that is left.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'t> {
    rest: &'t str,
}

/// What was read up to a stop: the characters, and the stop, or nothing where the text ended.
pub(super) struct Read {
    pub(super) text: String,
    pub(super) stop: Option<char>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Consumes a character if it is the next.
    pub(super) fn accept(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads up to and with a stop; a backslash takes the next character as it is.
    pub(super) fn until(&mut self, stops: &[char]) -> Read {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return Read { text, stop: Some(c) };
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match self.next() {
                Some(escaped) => text.push(escaped),
                None => break,
            }
        }
        Read { text, stop: None }
    }

    /// Reads up to and with a stop; a backslash is a character.
    pub(super) fn until_literal(&mut self, stops: &[char]) -> Read {
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let text = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        Read {
            text,
            stop: self.next(),
        }
    }

    /// Skips white space up to and with a comma; whether there was nothing but that.
    pub(super) fn empty_value(&mut self) -> bool {
        loop {
            let before = self.rest;
            match self.next() {
                None | Some(',') => return true,
                Some(c) if c.is_whitespace() => {}
                Some(_) => {
                    self.rest = before;
                    return false;
                }
            }
        }
    }
}

impl Read {
    /// An error for characters where none may be: the end of the text comes second.
    pub(super) fn no_text_before_stop(&self) -> Result<char> {
        if !self.text.is_empty() {
            let quoted: Vec<String> = self.text.chars().map(|c| format!("{c:?}")).collect();
            return Err(ParseError::new(format!(
                "unexpected data at end of array index: [{}]",
                quoted.join(" ")
            )));
        }
        self.stop.ok_or_else(ParseError::end)
    }
}
