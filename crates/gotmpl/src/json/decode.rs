//! JSON to values.

use crate::error::Error;
use crate::meter;
use crate::strconv::{parse_float, quote};
use crate::value::{List, Map, MapType, Str, Value};

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 400;

/// Reads a JSON text as `json.Unmarshal` does into an `interface {}`: numbers become `float64`.
///
/// Errors: Go's, and nesting deeper than [`MAX_DEPTH`], in Go's words for its own bound.
pub fn decode(text: &[u8]) -> Result<Value, Error> {
    match decode_partial(text) {
        (value, None) => Ok(value),
        (_, Some(error)) => Err(error),
    }
}

/// Bytes of a text that are read in a step.
const BYTES_OF_A_STEP: u64 = 4;

/// What reading any text counts for, that of an error included.
const READ_STEPS: u64 = 10;

/// As [`decode`], with the value that Go leaves where it reports an error: nil for a text that is not
/// JSON, and nil in place of a number that does not fit.
pub fn decode_partial(text: &[u8]) -> (Value, Option<Error>) {
    let (decoder, read) = Decoder::read(text);
    match read {
        Ok(value) => (value, decoder.number_error),
        Err(error) => (Value::Nil, Some(error)),
    }
}

/// Reads a JSON text as `json.Unmarshal` does into a `string`, which null leaves empty.
///
/// Errors: those of [`decode`], and that of a text which holds something else; with the bytes that Go has read then.
pub(crate) fn decode_string(text: &[u8]) -> Result<Str, (Error, usize)> {
    let (decoder, read) = Decoder::read(text);
    let (kind, read) = match read {
        Ok(Value::String(text)) => return Ok(text),
        Ok(Value::Nil) if decoder.number_error.is_none() => return Ok(Str::default()),
        Err(error) => return Err((error, text.len().min(decoder.at + 1))),
        // Of a list or an object Go has read the bracket, of others all.
        Ok(Value::List(_)) => ("array", text.len() - text.trim_ascii_start().len() + 1),
        Ok(Value::Map(_)) => ("object", text.len() - text.trim_ascii_start().len() + 1),
        Ok(Value::Bool(_)) => ("bool", text.trim_ascii_end().len()),
        Ok(_) => ("number", text.trim_ascii_end().len()),
    };
    let message = format!("json: cannot unmarshal {kind} into Go value of type string");
    Err((Error::new(message), read))
}

struct Decoder<'a> {
    text: &'a [u8],
    at: usize,
    /// The first number that does not fit; Go goes on reading after it.
    number_error: Option<Error>,
}

impl<'a> Decoder<'a> {
    /// The document of a text, and the decoder as it stands then.
    fn read(text: &'a [u8]) -> (Self, Result<Value, Error>) {
        let mut decoder = Self {
            text,
            at: 0,
            number_error: None,
        };
        let steps = READ_STEPS + text.len() as u64 / BYTES_OF_A_STEP;
        let read = meter::work(steps).and_then(|()| decoder.document());
        (decoder, read)
    }

    fn document(&mut self) -> Result<Value, Error> {
        self.spaces();
        let value = self.value(0)?;
        self.spaces();
        if self.peek().is_some() {
            return Err(self.unexpected("after top-level value"));
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the character here: what it is and where it stands.
    fn unexpected(&self, place: &str) -> Error {
        let Some(b) = self.peek() else {
            return Error::new("unexpected end of JSON input");
        };
        let shown = match b {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            _ => {
                let quoted = quote(char::from(b).to_string().as_bytes());
                format!("'{}'", quoted.trim_matches('"'))
            }
        };
        Error::new(format!("invalid character {shown} {place}"))
    }

    /// As [`unexpected`](Self::unexpected) inside a number, literal or escape, where Go reads on and sees a
    /// space at the end of the text.
    fn unexpected_inside(&self, place: &str) -> Error {
        match self.peek() {
            None => Error::new(format!("invalid character ' ' {place}")),
            Some(_) => self.unexpected(place),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new("exceeded max depth"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, name: &str, value: Value) -> Result<Value, Error> {
        for expected in name.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return Err(self.unexpected_inside(&format!("in literal {name} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, Error> {
        self.at += 1;
        self.spaces();
        let mut entries = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::new()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.spaces();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.spaces();
            entries.push((key, self.value(depth + 1)?));
            meter::check(entries.capacity() * size_of::<(Str, Value)>())?;
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(Map::with_entries(&MapType::ANY, entries)));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.spaces();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Error> {
        self.at += 1;
        self.spaces();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(List::new(items)));
        }
        loop {
            items.push(self.value(depth + 1)?);
            meter::check(items.capacity() * size_of::<Value>())?;
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(List::new(items)));
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.spaces();
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !self.digits() {
            return Err(self.unexpected_inside("in numeric literal"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.digits() {
                return Err(self.unexpected_inside("after decimal point in numeric literal"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                return Err(self.unexpected_inside("in exponent of numeric literal"));
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        match parse_float(text, 64) {
            Ok(f) => Ok(Value::float(f)),
            Err(_) => {
                let text = String::from_utf8_lossy(text);
                let message = format!("json: cannot unmarshal number {text} into Go value of type float64");
                self.number_error.get_or_insert_with(|| Error::new(message));
                Ok(Value::Nil)
            }
        }
    }

    fn string(&mut self) -> Result<Str, Error> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest
                .iter()
                .take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20))
                .count();
            out.push_str(&crate::value::Str::from(rest.get(..plain).unwrap_or_default()).to_str_lossy());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Str::from(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escaped()?);
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Error> {
        let c = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.hex4()?;
                return Ok(match first {
                    0xD800..0xDC00 => self.low_surrogate(first),
                    _ => char::from_u32(first).unwrap_or('\u{FFFD}'),
                });
            }
            _ => return Err(self.unexpected_inside("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return Err(self.unexpected_inside("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// The character of a surrogate pair, U+FFFD where the second half does not follow.
    fn low_surrogate(&mut self, high: u32) -> char {
        let start = self.at;
        if self
            .text
            .get(start..)
            .is_some_and(|rest| rest.starts_with(b"\\u"))
        {
            self.at += 2;
            if let Ok(low @ 0xDC00..0xE000) = self.hex4() {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(code).unwrap_or('\u{FFFD}');
            }
            self.at = start;
        }
        '\u{FFFD}'
    }
}
