//! The search for many forms at once, in time that grows with the text and not with text times forms.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};

use super::MAX_TEXT_BYTES;
use super::forms::Form;

/// Bytes of text times forms up to which each form is looked for by itself. An automaton takes longer to make.
const EACH: usize = 1 << 23;
/// Bytes of text and forms together for which an automaton is made and done in a moment.
const QUICK: usize = 128 << 10;
/// Shorter words are not decoded, as they hide no more than four letters.
const MIN_ENCODED: usize = 8;
/// As Go's templates encode, whatever the last letter's idle bits are.
const STANDARD_NO_PAD: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// Looks for forms in texts.
pub(in crate::controller) struct Finder<'a> {
    forms: &'a [Form],
    search: Search,
}

enum Search {
    Each,
    Together(AhoCorasick),
    /// There is more than can be looked for: everything counts as found.
    Nothing(String),
}

/// Whether so many bytes of text are looked through in a moment.
pub(super) fn is_quick(forms: &[Form], bytes: usize) -> bool {
    let all: usize = forms.iter().map(|form| form.start.len()).sum();
    each_is_quick(forms, bytes) || bytes.saturating_add(all) <= QUICK
}

fn each_is_quick(forms: &[Form], bytes: usize) -> bool {
    forms.len().saturating_mul(bytes) <= EACH
}

impl<'a> Finder<'a> {
    /// For texts of so many bytes, all together.
    pub(super) fn new(forms: &'a [Form], bytes: usize) -> Self {
        if each_is_quick(forms, bytes) {
            let search = Search::Each;
            return Self { forms, search };
        }
        // The other kind of automaton takes many times the memory.
        let made = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(true)
            .build(forms.iter().map(|form| form.start.as_bytes()));
        let search = match made {
            Ok(automaton) => Search::Together(automaton),
            Err(error) => Search::Nothing(format!("(the message is not shown: {error})")),
        };
        Self { forms, search }
    }

    /// One that finds everything, and says this in its place.
    pub(super) fn of_everything(instead: String) -> Self {
        Self {
            forms: &[],
            search: Search::Nothing(instead),
        }
    }

    /// Whether a text has a secret in it. One that is too long to be looked through counts as if it had.
    pub(in crate::controller) fn finds(&self, text: &str) -> bool {
        text.len() > MAX_TEXT_BYTES
            || matches!(self.search, Search::Nothing(_))
            || self.spans(text).next().is_some()
            || self.encoded(text).next().is_some()
    }

    /// The text without the secrets.
    pub(in crate::controller) fn clean(&self, text: &str) -> String {
        if let Search::Nothing(instead) = &self.search {
            return instead.clone();
        }
        if text.len() > MAX_TEXT_BYTES {
            return REDACTED.to_owned();
        }
        let mut spans: Vec<Range<usize>> = self.spans(text).chain(self.encoded(text)).collect();
        spans.sort_by_key(|span| (span.start, span.end));
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for span in spans {
            if span.start >= at {
                clean.push_str(text.get(at..span.start).unwrap_or_default());
                clean.push_str(REDACTED);
            }
            at = at.max(span.end);
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        clean
    }

    /// Where forms stand.
    fn spans<'t>(&'t self, text: &'t str) -> Box<dyn Iterator<Item = Range<usize>> + 't> {
        match &self.search {
            Search::Nothing(_) => Box::new(std::iter::empty()),
            Search::Each => {
                let lower = text.to_ascii_lowercase();
                Box::new(self.forms.iter().flat_map(move |form| {
                    let text_of = |form: &Form| if form.folded { lower.as_str() } else { text };
                    let found = places(text_of(form), &form.start);
                    found.filter_map(|at| form.span(text, at)).collect::<Vec<_>>()
                }))
            }
            Search::Together(automaton) => {
                let found = automaton.find_overlapping_iter(text);
                Box::new(found.filter_map(|found| {
                    let form = self.forms.get(found.pattern().as_usize())?;
                    let as_written = || text.get(found.range()) == Some(&*form.start);
                    let counts = form.folded || as_written();
                    counts.then(|| form.span(text, found.start()))?
                }))
            }
        }
    }

    /// Words that say a form in base64, base32 or hexadecimal digits, and rows of pairs of such digits.
    fn encoded<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let says = |said: &str| self.spans(said).next().is_some();
        let words = words(text).filter(move |word| {
            let word = text.get(word.clone()).unwrap_or_default();
            decoded(word).any(|decoded| says(&decoded))
        });
        let rows = rows(text).filter(move |(_, bytes)| says(&String::from_utf8_lossy(bytes)));
        words.chain(rows.map(|(row, _)| row))
    }
}

/// Where a form begins, also within itself.
fn places<'t>(text: &'t str, form: &'t str) -> impl Iterator<Item = usize> + 't {
    let step = form.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text.get(from..)?.find(form)?;
        from = at + step;
        Some(at)
    })
}

/// The parts of a text that could be base64, base32 or hexadecimal digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text.get(at..)?.find(is_part)?;
        let rest = text.get(start..)?;
        let end = rest
            .find(|c| !is_part(c))
            .map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

/// Where bytes stand one by one in hexadecimal digits with blanks between, as Go writes them with `% x`, and the bytes.
fn rows(text: &str) -> impl Iterator<Item = (Range<usize>, Vec<u8>)> + '_ {
    let mut words = words(text).peekable();
    std::iter::from_fn(move || {
        loop {
            let mut row = words.next()?;
            let mut bytes: Vec<u8> = byte(text.get(row.clone())?).into_iter().collect();
            while !bytes.is_empty()
                && let Some(word) = words.peek()
                && text.get(row.end..word.start) == Some(" ")
                && let Some(next) = byte(text.get(word.clone())?)
            {
                bytes.push(next);
                row.end = word.end;
                words.next();
            }
            if bytes.len() > 1 {
                return Some((row, bytes));
            }
        }
    })
}

fn byte(word: &str) -> Option<u8> {
    let digits = plain_hex(word);
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The digits, without what Go writes before them with `%#x`.
fn plain_hex(word: &str) -> &str {
    word.strip_prefix("0x")
        .or_else(|| word.strip_prefix("0X"))
        .unwrap_or(word)
}

/// What a word says in each of the encodings that it can be in.
fn decoded(word: &str) -> impl Iterator<Item = String> {
    let long = (word.len() >= MIN_ENCODED).then_some(word);
    let of_address = long.map(|word| word.replace('-', "+").replace('_', "/"));
    let said = [
        of_address.and_then(|word| STANDARD_NO_PAD.decode(word).ok()),
        long.and_then(|word| BASE32_NOPAD.decode(word.as_bytes()).ok()),
        long.and_then(|word| HEXLOWER_PERMISSIVE.decode(plain_hex(word).as_bytes()).ok()),
    ];
    let said = said.into_iter().flatten();
    said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::forms::Stands;
    use super::*;

    fn forms(texts: &[&str]) -> Vec<Form> {
        let all = texts.iter().flat_map(|text| Form::all(text, Stands::Anywhere));
        all.collect()
    }

    #[test]
    fn each_and_together_find_the_same() {
        let long: String = (0..40).map(|number| format!("{number:03}")).collect();
        let forms = forms(&[
            "hunter2",
            "aaaa",
            "first-secret",
            "secret-second",
            "second",
            &long,
        ]);
        let each = Finder::new(&forms, 1);
        let together = Finder::new(&forms, usize::MAX);
        assert!(matches!(each.search, Search::Each) && matches!(together.search, Search::Together(_)));
        for (text, expected) in [
            ("nothing of it".to_owned(), "nothing of it"),
            ("x hunter2 y".to_owned(), "x [redacted] y"),
            // Those that overlap go together, and nothing of either stays.
            ("a first-secret-second b".to_owned(), "a [redacted] b"),
            ("aaaaaa!".to_owned(), "[redacted]!"),
            (format!("<{long}>"), "<[redacted]>"),
            ("basic bWU6aHVudGVyMg==".to_owned(), "basic [redacted]"),
            ("basic bWU6aHVudGVyMg".to_owned(), "basic [redacted]"),
            // `me:hunter2` in hexadecimal digits and in base32.
            ("6d653a68756e74657232".to_owned(), "[redacted]"),
            ("6D653A68756E74657232".to_owned(), "[redacted]"),
            ("NVSTU2DVNZ2GK4RS".to_owned(), "[redacted]"),
            ("a 0x6d653a68756e74657232".to_owned(), "a [redacted]"),
            ("a 6d 65 3a 68 75 6e 74 65 72 32 b".to_owned(), "a [redacted] b"),
            ("0X68 0X75 0X6E 0X74 0X65 0X72 0X32".to_owned(), "[redacted]"),
            ("68 75 6e  74 65 72 32".to_owned(), "68 75 6e  74 65 72 32"),
            ("First-Secret, fIRST-SECRET".to_owned(), "[redacted], [redacted]"),
            // Short ones as they are.
            ("Hunter2".to_owned(), "Hunter2"),
        ] {
            for finder in [&each, &together] {
                assert_eq!(finder.clean(&text), expected);
                assert_eq!(finder.finds(&text), text != expected, "{text}");
            }
        }
    }

    #[test]
    fn what_can_not_be_looked_through_counts_as_secret() {
        let forms = forms(&["hunter2"]);
        let finder = Finder::new(&forms, 1);
        let most = "a".repeat(MAX_TEXT_BYTES);
        assert!(!finder.finds(&most));
        let more = most + "a";
        assert!(finder.finds(&more));
        assert_eq!(finder.clean(&more), REDACTED);
        let finder = Finder::of_everything("(too much)".to_owned());
        assert!(finder.finds("a"));
        assert_eq!(finder.clean("a"), "(too much)");
    }
}
