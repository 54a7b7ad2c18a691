//! What a text looks like where it is quoted.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_gotmpl::{date, strconv};
use helmapp_helm::schema;
use serde_json::{Number, Value};

/// Bytes of a form that are looked for. Where a longer one begins, as much is taken out as it is long.
const MAX_START: usize = 64;
/// Shorter ones are looked for only as they are written, longer ones in capital and small letters.
const MIN_FOLDED: usize = 8;
/// Shorter ways to write a number say too little.
const MIN_NUMBER: usize = 4;
/// Shorter ones need not be secrets where they are a part of a longer word.
pub(super) const MIN_ANYWHERE: usize = 8;

/// One form of a text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    /// All of it, or its first [`MAX_START`] bytes; in small letters where it is [`folded`](Self::folded).
    pub(super) start: Box<str>,
    /// Capital and small letters (of ASCII) are the same in it.
    pub(super) folded: bool,
    /// Bytes of all of it.
    length: usize,
    /// It counts only where it is no part of a longer word.
    word: bool,
}

/// Where a text may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Anywhere.
    Anywhere,
    /// A short one only as a word of its own.
    AsWord,
}

impl Form {
    fn new(form: &str, stands: Stands) -> Self {
        let start = form.get(..ceil(form, MAX_START)).unwrap_or(form);
        let folded = form.len() >= MIN_FOLDED;
        Self {
            start: if folded {
                start.to_ascii_lowercase().into()
            } else {
                start.into()
            },
            folded,
            length: form.len(),
            word: stands == Stands::AsWord && form.len() < MIN_ANYWHERE,
        }
    }

    /// All forms of a text.
    pub(super) fn all(text: &str, stands: Stands) -> impl Iterator<Item = Self> {
        forms(text).into_iter().map(move |form| Self::new(&form, stands))
    }

    /// Takes over what another form that begins the same is looked for by.
    pub(super) fn merge(&mut self, other: &Self) {
        self.length = self.length.max(other.length);
        self.word &= other.word;
    }

    /// What is to be taken out of a text in which it was found at a place; None where it does not count there.
    pub(super) fn span(&self, text: &str, at: usize) -> Option<Range<usize>> {
        let span = at..ceil(text, at.saturating_add(self.length));
        let is_letter = |c: char| c.is_alphanumeric() || c == '_';
        let before = text.get(..span.start)?.chars().next_back();
        let after = text.get(span.end..)?.chars().next();
        let within = before.is_some_and(is_letter) || after.is_some_and(is_letter);
        (!self.word || !within).then_some(span)
    }
}

/// The first place from here on where a character begins, or the end.
fn ceil(text: &str, at: usize) -> usize {
    let found = (at..text.len()).find(|at| text.is_char_boundary(*at));
    found.unwrap_or(text.len())
}

/// A text as messages, templates and servers write it: as it is, trimmed, escaped as in quotes of Go, JSON and YAML, in
/// base64, in an address, in the capitals or small letters of other alphabets than ASCII's, and where it is a number, in
/// the ways in which that is written.
fn forms(text: &str) -> Vec<String> {
    let trimmed = text.trim();
    let mut forms = vec![
        trimmed.to_owned(),
        STANDARD.encode(text),
        STANDARD.encode(trimmed),
    ];
    for text in [text, trimmed] {
        let escaped = within(&Value::from(text).to_string());
        let for_html = escaped
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        let of_go = [strconv::quote_to_ascii, date::quote].map(|quote| within(&quote(text.as_bytes())));
        forms.extend([escaped, for_html].into_iter().chain(of_go));
    }
    forms.push(trimmed.replace('\'', "''"));
    forms.push(in_address(trimmed, "+", "-_.~"));
    forms.push(in_address(trimmed, "%20", "-_.~$&+=:@"));
    if trimmed.len() >= MIN_FOLDED {
        forms.extend([trimmed.to_uppercase(), trimmed.to_lowercase()]);
    }
    forms.extend(as_number(trimmed));
    forms
}

/// What stands between quotes.
fn within(quoted: &str) -> String {
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// A number as Go prints floating-point ones, without an exponent, and as the schema's violations say it.
fn as_number(text: &str) -> Vec<String> {
    let (Ok(number), Ok(float)) = (text.parse::<Number>(), text.parse::<f64>()) else {
        return Vec::new();
    };
    let go = |format| strconv::format_float(float, format, -1, 64);
    let mut all = vec![go(b'e'), go(b'f'), schema::number(&number)];
    all.retain(|form| form.len() >= MIN_NUMBER);
    all
}

/// Escaped as in an address, where these signs stay as they are.
fn in_address(text: &str, blank: &str, plain: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || plain.contains(c) {
            escaped.push(c);
        } else if c == ' ' {
            escaped.push_str(blank);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_form_is_known_by_its_beginning_and_taken_out_whole() {
        let long = "é".repeat(100);
        let form = Form::new(&long, Stands::Anywhere);
        assert_eq!(form.start.len(), MAX_START);
        let text = format!("a {long} b");
        assert_eq!(form.span(&text, 2), Some(2..202));
        // One that was cut, or goes on in another way, goes as far as it could reach.
        assert_eq!(form.span(&text[..80], 2), Some(2..80));
        let other = format!("a {}x{}", &long[..MAX_START], "€".repeat(100));
        let span = form.span(&other, 2).unwrap();
        assert!(span.end >= 202 && other.is_char_boundary(span.end), "{span:?}");
    }

    #[test]
    fn a_short_word_counts_only_as_a_word() {
        let form = Form::new("hunter2", Stands::AsWord);
        for (text, expected) in [
            ("hunter2", true),
            ("db://me:hunter2@db", true),
            ("--password=hunter2,", true),
            ("hunter23", false),
            ("_hunter2", false),
            ("éhunter2", false),
        ] {
            let at = text.find("hunter2").unwrap();
            assert_eq!(form.span(text, at).is_some(), expected, "{text}");
        }
        for anywhere in [
            Form::new("hunter2", Stands::Anywhere),
            Form::new("hunter22", Stands::AsWord),
        ] {
            assert!(anywhere.span("xhunter222", 1).is_some());
        }
    }
}
