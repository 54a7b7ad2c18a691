//! Strings and bytes.

use crate::fmt::printer::Printer;
use crate::strconv;

impl Printer<'_> {
    /// A string by verb; `false` for a verb that strings do not have.
    pub(super) fn string(&mut self, s: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(s),
            'v' | 's' => self.truncated(s),
            'x' | 'X' => self.hex_bytes(s, verb == 'X'),
            'q' => self.quoted(s),
            _ => return false,
        }
        true
    }

    /// The string cut to the precision, padded.
    pub(super) fn truncated(&mut self, s: &[u8]) {
        let cut = self.cut(s);
        self.pad_bytes(cut);
    }

    fn cut<'a>(&self, s: &'a [u8]) -> &'a [u8] {
        let Some(mut left) = self.flags.precision else {
            return s;
        };
        let mut length = 0;
        for chunk in s.utf8_chunks() {
            for c in chunk.valid().chars() {
                if left == 0 {
                    return s.get(..length).unwrap_or(s);
                }
                left -= 1;
                length += c.len_utf8();
            }
            let invalid = chunk.invalid().len().min(left);
            left -= invalid;
            length += invalid;
            if invalid < chunk.invalid().len() {
                return s.get(..length).unwrap_or(s);
            }
        }
        s
    }

    fn quoted(&mut self, s: &[u8]) {
        let s = self.cut(s);
        if self.flags.sharp && strconv::can_backquote(s) {
            let mut text = vec![b'`'];
            text.extend_from_slice(s);
            text.push(b'`');
            self.pad_bytes(&text);
            return;
        }
        let text = if self.flags.plus {
            strconv::quote_to_ascii(s)
        } else {
            strconv::quote(s)
        };
        self.pad(&text);
    }

    /// Hexadecimal digits of the bytes.
    pub(super) fn hex_bytes(&mut self, s: &[u8], upper: bool) {
        let flags = self.flags;
        let s = s
            .get(..flags.precision.unwrap_or(s.len()).min(s.len()))
            .unwrap_or(s);
        if s.is_empty() {
            self.fill(flags.width.unwrap_or(0));
            return;
        }
        let prefix = if upper { "0X" } else { "0x" };
        let mut text = String::with_capacity(s.len() * 2 + 2);
        if flags.sharp {
            text.push_str(prefix);
        }
        for (i, b) in s.iter().enumerate() {
            if flags.space && i > 0 {
                text.push(' ');
                if flags.sharp {
                    text.push_str(prefix);
                }
            }
            let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
            let digits = [digit(b >> 4), digit(b & 15)];
            text.extend(digits.map(|digit| if upper { digit.to_ascii_uppercase() } else { digit }));
        }
        self.pad(&text);
    }
}
