//! The buffer that a template writes into: text as long as everything written is UTF-8.

use crate::value::{Str, lossy};

/// Output so far. Go's output is bytes; nearly always they are text, which needs no check at the end.
#[derive(Debug, Default)]
pub struct Output(Repr);

#[derive(Debug)]
enum Repr {
    Text(String),
    Bytes(Vec<u8>),
}

impl Default for Repr {
    fn default() -> Self {
        Repr::Text(String::new())
    }
}

impl Output {
    /// An empty buffer.
    pub fn new() -> Output {
        Output::default()
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Text(s) => s.len(),
            Repr::Bytes(b) => b.len(),
        }
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends text.
    pub fn push_str(&mut self, text: &str) {
        match &mut self.0 {
            Repr::Text(s) => s.push_str(text),
            Repr::Bytes(b) => b.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends bytes.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        match (&mut self.0, std::str::from_utf8(bytes)) {
            (Repr::Text(s), Ok(text)) => s.push_str(text),
            (Repr::Text(s), Err(_)) => {
                let mut all = std::mem::take(s).into_bytes();
                all.extend_from_slice(bytes);
                self.0 = Repr::Bytes(all);
            }
            (Repr::Bytes(b), _) => b.extend_from_slice(bytes),
        }
    }

    /// Appends a string.
    pub fn push(&mut self, s: &Str) {
        match s.as_utf8() {
            Some(text) => self.push_str(text),
            None => self.push_bytes(s.as_bytes()),
        }
    }

    /// An empty buffer that writes into the string's memory.
    pub(crate) fn reusing(mut buffer: String) -> Output {
        buffer.clear();
        Output(Repr::Text(buffer))
    }

    /// What was written, and the memory to use again.
    pub(crate) fn into_str_and_buffer(self) -> (Str, String) {
        match self.0 {
            Repr::Text(s) => (Str::from(s.as_str()), s),
            Repr::Bytes(b) => (Str::from(b), String::new()),
        }
    }

    /// What was written.
    pub fn into_str(self) -> Str {
        match self.0 {
            Repr::Text(s) => Str::from(s),
            Repr::Bytes(b) => Str::from(b),
        }
    }

    /// What was written as text, each invalid byte replaced by U+FFFD.
    pub fn into_string(self) -> String {
        match self.0 {
            Repr::Text(s) => s,
            Repr::Bytes(b) => lossy(&b),
        }
    }
}
