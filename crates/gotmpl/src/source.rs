//! The text of a template's source, which need not be UTF-8: Go takes any bytes.

use std::borrow::Cow;
use std::ops::Range;

/// A source as text. Each byte that is no UTF-8 stands in it as a replacement character, and beside it as it is.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// Where such characters are, and which bytes they stand for.
    strays: Box<[(usize, u8)]>,
}

impl Source {
    pub(crate) fn new(bytes: &[u8]) -> Source {
        let mut text = String::with_capacity(bytes.len());
        let mut strays = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                strays.push((text.len(), *byte));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Source {
            text,
            strays: strays.into(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A part of the text as the bytes that it was.
    pub(crate) fn bytes(&self, part: Range<usize>) -> Cow<'_, [u8]> {
        let strays = self.strays(&part);
        let text = self.text.as_bytes();
        if strays.is_empty() {
            return Cow::Borrowed(text.get(part).unwrap_or_default());
        }
        let mut bytes = Vec::with_capacity(part.len());
        let mut at = part.start;
        for (position, byte) in strays {
            bytes.extend_from_slice(text.get(at..*position).unwrap_or_default());
            bytes.push(*byte);
            at = position + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        bytes.extend_from_slice(text.get(at..part.end).unwrap_or_default());
        Cow::Owned(bytes)
    }

    /// How many bytes a part of the text was.
    pub(crate) fn width(&self, part: Range<usize>) -> usize {
        let more = char::REPLACEMENT_CHARACTER.len_utf8() - 1;
        part.len() - self.strays(&part).len() * more
    }

    /// Whether the whole source is UTF-8.
    pub(crate) fn is_utf8(&self) -> bool {
        self.strays.is_empty()
    }

    fn strays(&self, part: &Range<usize>) -> &[(usize, u8)] {
        let from = self.strays.partition_point(|(at, _)| *at < part.start);
        let to = self.strays.partition_point(|(at, _)| *at < part.end);
        self.strays.get(from..to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn bytes_that_are_no_text_come_back() {
        for bytes in [
            &b"plain \xc3\xa9"[..],
            b"\xe9",
            b"a\xe2\x82b\xffc",
            b"\xf0\x9f\x98",
            b"",
        ] {
            let source = Source::new(bytes);
            let all = 0..source.text().len();
            assert_eq!(*source.bytes(all.clone()), *bytes);
            assert_eq!(source.width(all), bytes.len());
            assert_eq!(source.is_utf8(), std::str::from_utf8(bytes).is_ok());
        }
        let source = Source::new(b"a\xe9b\xffc");
        assert_eq!(source.text(), "a\u{fffd}b\u{fffd}c");
        assert_eq!(*source.bytes(4..8), *b"b\xff");
        assert_eq!(source.width(0..8), 4);
    }
}
