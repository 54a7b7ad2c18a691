//! The error of parsing, executing and of functions. Its text is Go's to the letter.

use std::fmt;
use std::sync::Arc;

use crate::limits::Limit;
use crate::strconv;
use crate::value::Value;

/// What went wrong, where, and in which chain of template calls.
///
/// `Display` gives the text that Go's text/template would give; the alternate form `{:#}` adds an
/// excerpt of the source for each place of the chain.
pub struct Error(Box<Inner>);

struct Inner {
    message: String,
    place: Option<Place>,
    cause: Option<Error>,
    limit: Option<Limit>,
}

/// Where in a template's source an error arose.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name under which the source was parsed.
    pub file: Arc<str>,
    /// The line, from 1; 0 where the whole template is meant.
    pub line: u32,
    /// The byte column, from 0; `None` for errors of parsing.
    pub column: Option<u32>,
    /// The template that was executing, which a `define` may name differently from the file.
    pub executing: Option<String>,
    /// The expression, as Go prints it.
    pub context: String,
    /// The line's text.
    pub excerpt: String,
}

impl Error {
    /// An error of a function. The executor adds place and `error calling NAME`.
    pub fn new(message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            message: message.into(),
            place: None,
            cause: None,
            limit: None,
        }))
    }

    /// An error that shows as `message: cause`.
    pub fn caused(message: impl Into<String>, cause: Error) -> Error {
        let limit = cause.0.limit;
        Error(Box::new(Inner {
            message: message.into(),
            place: None,
            cause: Some(cause),
            limit,
        }))
    }

    /// An error of a function that a limit has stopped.
    pub fn limited(limit: Limit, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            message: message.into(),
            place: None,
            cause: None,
            limit: Some(limit),
        }))
    }

    /// The error about containers nested deeper than [`MAX_VALUE_DEPTH`](crate::value::MAX_VALUE_DEPTH).
    pub fn value_depth() -> Error {
        let max = crate::value::MAX_VALUE_DEPTH;
        Error::limited(
            Limit::ValueDepth,
            format!("value depth limit exceeded: containers nested deeper than {max}"),
        )
    }

    /// `encoding/json`'s error about a value of a type that it does not write.
    pub(crate) fn no_json(value: &Value) -> Error {
        Error::new(format!("json: unsupported type: {}", value.type_name()))
    }

    pub(crate) fn steps(max: u64) -> Error {
        Error::limited(Limit::Steps, format!("steps limit exceeded: more than {max}"))
    }

    pub(crate) fn deadline() -> Error {
        Error::limited(Limit::Deadline, "deadline exceeded")
    }

    pub(crate) fn at(mut self, place: Place) -> Error {
        self.0.place = Some(place);
        self
    }

    /// The message without place and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where the error arose; `None` for a function's own error.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// The next error of the chain.
    pub fn cause(&self) -> Option<&Error> {
        self.0.cause.as_ref()
    }

    /// The chain from this error to the innermost one.
    pub fn chain(&self) -> impl Iterator<Item = &Error> {
        std::iter::successors(Some(self), |e| e.cause())
    }

    /// The innermost error of the chain.
    pub fn root_cause(&self) -> &Error {
        self.chain().last().unwrap_or(self)
    }

    /// The limit that stopped the render, if one did.
    pub fn limit(&self) -> Option<Limit> {
        self.0.limit
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Error::new(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Error::new(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.chain().enumerate() {
            if i > 0 {
                f.write_str(": ")?;
            }
            if let Some(place) = error.place() {
                place.fmt_prefix(f)?;
            }
            f.write_str(error.message())?;
        }
        if f.alternate() {
            for place in self.chain().filter_map(Error::place) {
                place.fmt_excerpt(f)?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn fmt_prefix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        f.write_str(" ")?;
        if let Some(name) = &self.executing {
            write!(
                f,
                "executing {} at <{}>: ",
                strconv::quote(name.as_bytes()),
                self.context
            )?;
        }
        Ok(())
    }

    fn fmt_excerpt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return Ok(());
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let text = self.excerpt.trim_end();
        match self.column {
            None => write!(f, "\n{gutter} --> {}:{}\n{number} | {text}", self.file, self.line),
            Some(column) => {
                write!(
                    f,
                    "\n{gutter} --> {}:{}:{column}\n{number} | {text}",
                    self.file, self.line
                )?;
                let before = text.get(..column as usize).unwrap_or(text);
                let pad: String = before
                    .chars()
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                write!(f, "\n{gutter} | {pad}^")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|e| e as _)
    }
}
