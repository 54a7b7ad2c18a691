//! The text that is searched, and references in replacement templates.

use crate::error::Error;
use crate::meter;

/// The most that the readable form takes for a byte: three bytes and their places.
const BYTES_FOR_ONE: usize = 3 * (1 + size_of::<usize>());

/// A text as Go sees it: where its bytes are not UTF-8, each of them is one U+FFFD to the pattern.
pub(super) struct Text<'t> {
    original: &'t [u8],
    /// The readable form and, for each of its bytes and its end, the place in the original.
    readable: Option<(Vec<u8>, Vec<usize>)>,
}

impl<'t> Text<'t> {
    pub(super) fn new(original: &'t [u8]) -> Result<Self, Error> {
        if std::str::from_utf8(original).is_ok() {
            let readable = None;
            return Ok(Self { original, readable });
        }
        meter::check(original.len().saturating_mul(BYTES_FOR_ONE))?;
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        let mut at = 0;
        for chunk in original.utf8_chunks() {
            for b in chunk.valid().bytes() {
                bytes.push(b);
                places.push(at);
                at += 1;
            }
            for _ in chunk.invalid() {
                for b in "\u{FFFD}".bytes() {
                    bytes.push(b);
                    places.push(at);
                }
                at += 1;
            }
        }
        places.push(at);
        let readable = Some((bytes, places));
        Ok(Self { original, readable })
    }

    /// What the pattern is matched against. Positions elsewhere in this type are in these bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.readable.as_ref().map_or(self.original, |(bytes, _)| bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// The original bytes between two positions.
    pub(super) fn original(&self, start: usize, end: usize) -> &'t [u8] {
        let place = |at: usize| match &self.readable {
            Some((_, places)) => places.get(at).copied().unwrap_or(self.original.len()),
            None => at,
        };
        self.original.get(place(start)..place(end)).unwrap_or_default()
    }

    /// Whether a character begins at the position, or the text ends there.
    pub(super) fn is_boundary(&self, at: usize) -> bool {
        self.bytes().get(at).is_none_or(|b| b & 0xC0 != 0x80)
    }

    /// The number of bytes of the character at the position, 0 at the end.
    pub(super) fn width(&self, at: usize) -> usize {
        match self.bytes().get(at) {
            None => 0,
            Some(0..=0x7F) => 1,
            Some(0x80..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(_) => 4,
        }
    }
}

/// The name or number that a template's `$` is followed by, with or without braces, and the rest.
pub(super) fn reference(template: &[u8]) -> Option<(&[u8], &[u8])> {
    let (braced, body) = match template.strip_prefix(b"{") {
        Some(body) => (true, body),
        None => (false, template),
    };
    let mut len = 0;
    while let Some(c) = first_char(body.get(len..).unwrap_or_default()) {
        if c != '_' && !is_letter_or_digit(c) {
            break;
        }
        len += c.len_utf8();
    }
    let (name, rest) = body.split_at_checked(len)?;
    if name.is_empty() {
        return None;
    }
    let rest = if braced { rest.strip_prefix(b"}")? } else { rest };
    Some((name, rest))
}

/// The first character, where there is one and it is UTF-8.
fn first_char(text: &[u8]) -> Option<char> {
    let head = text.get(..text.len().min(4))?;
    head.utf8_chunks().next()?.valid().chars().next()
}

/// Go asks for a letter or a decimal digit; `is_numeric` would let fractions and the like in, and
/// `is_alphabetic` marks and letter numbers.
fn is_letter_or_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    static CLASS: std::sync::LazyLock<Option<regex::Regex>> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"^[\p{L}\p{Nd}]$").ok());
    let mut buffer = [0; 4];
    CLASS
        .as_ref()
        .is_some_and(|class| class.is_match(c.encode_utf8(&mut buffer)))
}

/// The name as a group's number: digits without a leading zero, below Go's bound.
pub(super) fn group_number(name: &[u8]) -> Option<usize> {
    if name.len() > 1 && name.first() == Some(&b'0') {
        return None;
    }
    name.iter().try_fold(0_usize, |n, b| {
        let digit = char::from(*b).to_digit(10)?;
        (n < 100_000_000).then_some(n * 10 + digit as usize)
    })
}
