//! The state of a formatting and its padding.

use crate::exec::output::Output;

/// The flags of one verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

#[derive(Debug)]
pub(super) struct Printer<'o> {
    pub(super) out: &'o mut Output,
    /// Where its text starts in the output.
    pub(super) start: usize,
    pub(super) flags: Flags,
    /// While a bad verb is reported: the value's own methods are not asked then.
    pub(super) erroring: bool,
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut Output) -> Printer<'o> {
        let start = out.len();
        Printer {
            out,
            start,
            flags: Flags::default(),
            erroring: false,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// So many fill characters: zeros only on the left.
    pub(super) fn fill(&mut self, count: usize) {
        let fill = if self.flags.zero && !self.flags.minus {
            "0"
        } else {
            " "
        };
        self.out.push_str(&fill.repeat(count));
    }

    /// The text, padded to the width in characters.
    pub(super) fn pad(&mut self, text: &str) {
        self.pad_bytes(text.as_bytes());
    }

    pub(super) fn pad_bytes(&mut self, bytes: &[u8]) {
        let Some(width) = self.flags.width.filter(|w| *w > 0) else {
            self.out.push_bytes(bytes);
            return;
        };
        let fill = width.saturating_sub(rune_count(bytes));
        if !self.flags.minus {
            self.fill(fill);
        }
        self.out.push_bytes(bytes);
        if self.flags.minus {
            self.fill(fill);
        }
    }

    /// As [`Printer::pad`], but never with zeros.
    pub(super) fn pad_with_spaces(&mut self, text: &str) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }
}

/// Characters as Go counts them: each invalid byte is one.
pub(super) fn rune_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    bytes
        .utf8_chunks()
        .map(|c| c.valid().chars().count() + c.invalid().len())
        .sum()
}
