//! Character classes of go-yaml's scanner, on the bytes of UTF-8 text.

pub(super) const BLANK: u8 = 1;
/// A line break, or the first byte of what may be one.
pub(super) const BREAK: u8 = 2;
/// Ends, or may end, a plain scalar in a flow collection.
pub(super) const FLOW: u8 = 4;
pub(super) const COLON: u8 = 8;
pub(super) const ALPHA: u8 = 16;
/// May stand in a tag.
pub(super) const URI: u8 = 32;
pub(super) const SINGLE: u8 = 64;
/// Ends a run in a double-quoted scalar.
pub(super) const DOUBLE: u8 = 128;

/// The classes of a byte.
pub(super) fn class(byte: u8) -> u8 {
    // The table has a place for every byte: there is no check left in what is compiled.
    CLASS.get(usize::from(byte)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "made when compiling")]
static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        table[byte] = class_of(byte as u8);
        byte += 1;
    }
    table
};

const fn class_of(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' => BLANK,
        b'\r' | b'\n' | 0xC2 | 0xE2 => BREAK,
        b',' | b'?' | b'[' | b']' => FLOW | URI,
        b'{' | b'}' => FLOW,
        b':' => COLON | URI,
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' => ALPHA | URI,
        b'\'' => SINGLE | URI,
        b'"' | b'\\' => DOUBLE,
        b';' | b'/' | b'@' | b'&' | b'=' | b'+' | b'$' | b'.' | b'!' | b'~' | b'*' | b'(' | b')' | b'%' => {
            URI
        }
        _ => 0,
    }
}

/// Offset of the first character that go-yaml's reader refuses.
pub(super) fn first_refused(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = next_suspect(bytes.get(at..).unwrap_or_default()) {
        at += found;
        let refused = match bytes.get(at..) {
            Some([0xC2, second, ..]) => *second < 0xA0 && *second != 0x85,
            Some([0xEF, 0xBF, third, ..]) => *third >= 0xBE,
            Some([0xEF, ..]) | None => false,
            Some(_) => true,
        };
        if refused {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Position of the next suspect byte: block by block first, which the compiler does many bytes at a time.
fn next_suspect(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 256;
    let clean = bytes
        .chunks(BLOCK)
        .take_while(|block| !block.iter().fold(false, |any, byte| any | is_suspect(*byte)));
    let skipped = (clean.count() * BLOCK).min(bytes.len());
    let rest = bytes.get(skipped..).unwrap_or_default();
    rest.iter()
        .position(|byte| is_suspect(*byte))
        .map(|found| skipped + found)
}

const fn is_suspect(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0C | 0x0E..=0x1F | 0x7F | 0xC2 | 0xEF)
}

/// Bytes that go-yaml's reader decodes at a time.
const CHUNK: usize = 512;

/// Start of the chunk that `offset` is in: where reading stops for a refused character there. A character
/// cut off by the end of a chunk opens the next.
pub(super) fn chunk_start(text: &str, offset: usize) -> usize {
    let mut start = 0;
    loop {
        let mut end = start + CHUNK;
        while end < text.len() && !text.is_char_boundary(end) {
            end -= 1;
        }
        if offset < end || end >= text.len() {
            return start;
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "\0",
            "a\x08",
            "\x7F",
            "\u{80}",
            "é\u{9F}",
            "\u{FFFE}",
            "x\u{FFFF}",
        ] {
            assert!(first_refused(text).is_some(), "{text:?}");
        }
        for text in [
            "",
            "a\tb\r\n",
            "\u{85}\u{A0}é",
            "\u{FEFF}",
            "\u{FFFD}",
            "😀",
            "\u{E000}",
        ] {
            assert_eq!(first_refused(text), None, "{text:?}");
        }
    }

    #[test]
    fn chunks_end_between_characters() {
        let text = format!("{}é{}", "a".repeat(511), "b".repeat(600));
        assert_eq!(chunk_start(&text, 0), 0);
        assert_eq!(chunk_start(&text, 511), 511);
        assert_eq!(chunk_start(&text, 1022), 511);
        assert_eq!(chunk_start(&text, 1023), 1023);
    }
}
