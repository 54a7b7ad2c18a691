//! Go's strconv: numbers and quoted strings to text and back, with Go's error texts.

mod float;
mod int;
mod quote;

use std::fmt;

pub use float::{append_float, format_float, parse_float};
pub use int::{atoi, parse_int, parse_uint};
pub use quote::{
    can_backquote, quote, quote_rune, quote_rune_to_ascii, quote_to_ascii, unquote, unquote_char,
};

/// Why a text is not the number asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumError {
    /// Go's name of the failing function, such as `ParseInt`.
    pub func: &'static str,
    /// The text.
    pub text: Vec<u8>,
    /// The reason.
    pub kind: NumErrorKind,
}

/// The reason of a [`NumError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumErrorKind {
    /// Not a number in the syntax asked for.
    Syntax,
    /// A number that the type cannot hold.
    Range,
}

impl fmt::Display for NumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            NumErrorKind::Syntax => "invalid syntax",
            NumErrorKind::Range => "value out of range",
        };
        write!(f, "strconv.{}: parsing {}: {why}", self.func, quote(&self.text))
    }
}

impl std::error::Error for NumError {}

impl From<NumError> for crate::error::Error {
    fn from(e: NumError) -> Self {
        crate::error::Error::new(e.to_string())
    }
}

/// Whether the underscores of a literal stand only between digits or after a base prefix.
fn underscores_ok(s: &[u8]) -> bool {
    let mut s = s.strip_prefix(b"-").or_else(|| s.strip_prefix(b"+")).unwrap_or(s);
    let mut previous = b'^';
    let mut hex = false;
    if let [b'0', base, rest @ ..] = s
        && matches!(base.to_ascii_lowercase(), b'b' | b'o' | b'x')
    {
        previous = b'0';
        hex = base.eq_ignore_ascii_case(&b'x');
        s = rest;
    }
    for &c in s {
        if c.is_ascii_digit() || hex && c.is_ascii_hexdigit() {
            previous = b'0';
        } else if c == b'_' {
            if previous != b'0' {
                return false;
            }
            previous = b'_';
        } else {
            if previous == b'_' {
                return false;
            }
            previous = b'!';
        }
    }
    previous != b'_'
}
