//! Go's string: immutable bytes, nearly always UTF-8, cheap to clone and shareable between threads.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::meter;

/// An immutable byte string. Whether it is UTF-8 is known without looking at the bytes.
#[derive(Clone)]
pub struct Str(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Utf8(Arc<str>),
    Bytes(Arc<[u8]>),
}

/// What an allocation costs beyond its bytes.
const OVERHEAD: usize = 32;

impl Repr {
    fn utf8(text: Arc<str>) -> Repr {
        meter::made(text.len() + OVERHEAD);
        Repr::Utf8(text)
    }

    fn bytes(bytes: Arc<[u8]>) -> Repr {
        meter::made(bytes.len() + OVERHEAD);
        Repr::Bytes(bytes)
    }
}

impl Drop for Repr {
    /// Counts down with the last holder. Two threads that drop at once may both see another: then the count
    /// stays too high until the render ends.
    #[inline]
    fn drop(&mut self) {
        match self {
            Repr::Utf8(s) if Arc::strong_count(s) == 1 => meter::dropped(s.len() + OVERHEAD),
            Repr::Bytes(b) if Arc::strong_count(b) == 1 => meter::dropped(b.len() + OVERHEAD),
            _ => {}
        }
    }
}

impl Str {
    /// A string that lives as long as the program; costs no allocation.
    pub const fn from_static(s: &'static str) -> Str {
        Str(Repr::Static(s))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Static(s) => s.as_bytes(),
            Repr::Utf8(s) => s.as_bytes(),
            Repr::Bytes(b) => b,
        }
    }

    /// The string as UTF-8, or `None` where it has other bytes.
    pub fn as_utf8(&self) -> Option<&str> {
        match &self.0 {
            Repr::Static(s) => Some(s),
            Repr::Utf8(s) => Some(s),
            Repr::Bytes(_) => None,
        }
    }

    /// The string as UTF-8, each byte of an invalid sequence replaced by U+FFFD, as a Go `range` over
    /// the string would see it.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Static(s) => Cow::Borrowed(s),
            Repr::Utf8(s) => Cow::Borrowed(s),
            Repr::Bytes(b) => Cow::Owned(lossy(b)),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `start..end`, or `None` where the range lies outside.
    pub fn slice(&self, start: usize, end: usize) -> Option<Str> {
        if let Some(s) = self.as_utf8()
            && let Some(part) = s.get(start..end)
        {
            return Some(Str::from(part));
        }
        self.as_bytes().get(start..end).map(Str::from)
    }

    /// Whether both share one allocation (and so are equal without a comparison).
    fn same(&self, other: &Str) -> bool {
        match (&self.0, &other.0) {
            (Repr::Utf8(a), Repr::Utf8(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// The bytes as UTF-8, each invalid byte replaced by U+FFFD.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
    }
    out
}

impl Default for Str {
    fn default() -> Self {
        Str::from_static("")
    }
}

impl From<&str> for Str {
    fn from(s: &str) -> Self {
        if s.is_empty() {
            Str::default()
        } else {
            Str(Repr::utf8(Arc::from(s)))
        }
    }
}

impl From<String> for Str {
    fn from(s: String) -> Self {
        if s.is_empty() {
            Str::default()
        } else {
            Str(Repr::utf8(Arc::from(s)))
        }
    }
}

impl From<&String> for Str {
    fn from(s: &String) -> Self {
        Str::from(s.as_str())
    }
}

/// Shares the host's text, which is not counted among the values' memory.
impl From<Arc<str>> for Str {
    fn from(s: Arc<str>) -> Self {
        Str(Repr::Utf8(s))
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(s: Cow<'_, str>) -> Self {
        match s {
            Cow::Borrowed(s) => Str::from(s),
            Cow::Owned(s) => Str::from(s),
        }
    }
}

impl From<char> for Str {
    fn from(c: char) -> Self {
        Str::from(c.encode_utf8(&mut [0; 4]) as &str)
    }
}

impl From<&[u8]> for Str {
    fn from(b: &[u8]) -> Self {
        match std::str::from_utf8(b) {
            Ok(s) => Str::from(s),
            Err(_) => Str(Repr::bytes(Arc::from(b))),
        }
    }
}

impl From<Vec<u8>> for Str {
    fn from(b: Vec<u8>) -> Self {
        match String::from_utf8(b) {
            Ok(s) => Str::from(s),
            Err(e) => Str(Repr::bytes(Arc::from(e.into_bytes()))),
        }
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

/// Shows the string with invalid sequences replaced by U+FFFD.
impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_str_lossy(), f)
    }
}
