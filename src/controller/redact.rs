//! Messages without secrets. Errors of the schema, of templates and of the API server can quote values, and
//! values can come from Secrets: what came from one is taken out before anything is said.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use helmapp_goyaml::sigs::{self, Numbers};
use serde_json::Value;

use crate::api::ValuesKind;

use super::leaves::{leaves, text};
use super::values::Contents;

/// Texts that are looked for. Of a release that reads more, no message is shown that could quote them.
const MAX_TEXTS: usize = 4096;
/// Shorter texts are no secrets, and taking them out would leave no message.
const MIN_LENGTH: usize = 4;
/// Shorter ones are looked for only as they are written.
const MIN_FOLDED: usize = 8;
/// Shorter words are not looked into as base64, which hides no more than four letters in them.
const MIN_ENCODED: usize = 8;
/// Documents within the values of documents that are looked into.
const MAX_NESTED: usize = 3;
/// As Go's templates encode, whatever the last letter's idle bits are.
const STANDARD_NO_PAD: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The texts of the Secrets that a HelmApp's values come from or that its chart looked up.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    forms: Vec<String>,
    too_many: bool,
}

impl Redactor {
    /// Every scalar of every Secret, in the forms in which messages quote it.
    pub(super) fn of(contents: &Contents) -> Self {
        let secrets = contents
            .iter()
            .filter(|(reference, _)| reference.kind == ValuesKind::Secret);
        let data = secrets.flat_map(|(_, content)| content.data.values());
        Self::default().and(data.filter_map(|data| std::str::from_utf8(data).ok()))
    }

    /// The same with the scalars of further texts.
    pub(super) fn and<'a>(&self, data: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = BTreeSet::new();
        for data in data {
            texts.extend(scalars(data));
            if texts.len() > MAX_TEXTS {
                return Self::of_too_many();
            }
        }
        self.with(&texts)
    }

    fn of_too_many() -> Self {
        Self {
            forms: Vec::new(),
            too_many: true,
        }
    }

    /// The same with further texts, each as a whole.
    pub(super) fn with(&self, texts: &BTreeSet<String>) -> Self {
        let texts: Vec<&String> = texts
            .iter()
            .filter(|text| text.trim().len() >= MIN_LENGTH)
            .collect();
        if texts.len() > MAX_TEXTS {
            return Self::of_too_many();
        }
        let mut forms = self.forms.clone();
        forms.extend(texts.iter().flat_map(|text| self::forms(text)));
        // A secret that contains another goes first, or its rest would stay.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self {
            forms,
            too_many: self.too_many,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty() && !self.too_many
    }

    /// The message without the secrets.
    pub(super) fn clean(&self, message: &str) -> String {
        if self.too_many {
            return format!(
                "(the message is not shown: it could quote one of more than {MAX_TEXTS} texts that were read from Secrets)"
            );
        }
        let message = self
            .forms
            .iter()
            .filter(|form| message.contains(form.as_str()))
            .fold(message.to_owned(), |message, form| {
                message.replace(form, REDACTED)
            });
        let encoded = |word: &str| decoded(word).is_some_and(|text| self.quotes(&text));
        words(&message)
            .map(|(could_be, word)| if could_be && encoded(word) { REDACTED } else { word })
            .collect()
    }

    /// Whether a text has a secret in it.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.too_many
            || self.quotes(text)
            || words(text)
                .any(|(could_be, word)| could_be && decoded(word).is_some_and(|text| self.quotes(&text)))
    }

    fn quotes(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// The texts of a document: its values, and the lines of what is none.
fn scalars(data: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = vec![(data.to_owned(), 0)];
    while let Some((data, depth)) = rest.pop() {
        match sigs::to_json(&data, Numbers::Exact) {
            Ok(document @ (Value::Object(_) | Value::Array(_))) => {
                for (_, text) in leaves(&document) {
                    // A value can be a document itself, such as a file of settings.
                    if depth < MAX_NESTED && text.contains('\n') {
                        rest.push((text.clone(), depth + 1));
                    }
                    found.insert(text);
                }
            }
            Ok(value) => found.extend(text(&value)),
            Err(_) => _ = found.insert(data.clone()),
        }
        // What is no YAML document, or one that could not be read, is secret by the line.
        found.extend(
            data.lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| !line.contains(": ")),
        );
    }
    found.retain(|text| text.trim().len() >= MIN_LENGTH);
    found
}

/// A text as messages, templates and servers write it: as it is, trimmed, escaped as in quotes of Go, JSON and YAML, in
/// base64, in an address, and in capitals or small letters.
fn forms(text: &str) -> Vec<String> {
    let trimmed = text.trim();
    let mut forms = vec![
        trimmed.to_owned(),
        STANDARD.encode(text),
        STANDARD.encode(trimmed),
    ];
    for text in [text, trimmed] {
        let quoted = Value::from(text).to_string();
        let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        let for_html = escaped
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        forms.extend([escaped.to_owned(), for_html]);
    }
    forms.push(trimmed.replace('\'', "''"));
    forms.push(in_address(trimmed, "+", "-_.~"));
    forms.push(in_address(trimmed, "%20", "-_.~$&+=:@"));
    if trimmed.len() >= MIN_FOLDED {
        forms.extend([trimmed.to_uppercase(), trimmed.to_lowercase()]);
    }
    forms
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

/// The parts of a text that could be base64, and those between.
fn words(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some((is_part(first), word))
    })
}

/// What a word says in base64, if it is that.
fn decoded(word: &str) -> Option<String> {
    if word.len() < MIN_ENCODED {
        return None;
    }
    let word = word.replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(word).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::content::Content;
    use crate::controller::values::Reference;

    fn redactor(kind: ValuesKind, data: &str) -> Redactor {
        let reference = Reference {
            kind,
            name: "values".to_owned(),
        };
        let content = Content {
            data: [("values.yaml".to_owned(), data.as_bytes().to_vec())].into(),
            ..Content::default()
        };
        Redactor::of(&Contents::from([(reference, content)]))
    }

    #[test]
    fn what_comes_from_a_secret_is_taken_out_in_every_form() {
        let redactor = redactor(
            ValuesKind::Secret,
            "auth:\n  password: hunter2-and-more\n  short: abc\n  pin: 12345678\nkeys:\n- |\n  line one\n  line two\n",
        );
        for (message, expected) in [
            ("'hunter2-and-more' does not match", "'[redacted]' does not match"),
            ("Value:12345678}", "Value:[redacted]}"),
            ("got aHVudGVyMi1hbmQtbW9yZQ==", "got [redacted]"),
            ("quoted \"line one\\nline two\\n\"", "quoted \"[redacted]\""),
            ("only line one of it", "only [redacted] of it"),
            ("abc stays", "abc stays"),
            (
                "Basic bWU6aHVudGVyMi1hbmQtbW9yZQ, HUNTER2-AND-MORE",
                "Basic [redacted], [redacted]",
            ),
        ] {
            assert_eq!(redactor.clean(message), expected);
        }
    }

    #[test]
    fn what_templates_make_of_a_secret_is_taken_out() {
        let redactor = redactor(
            ValuesKind::Secret,
            "a: 'it''s <p@ss word>&/'\nfile: |\n  user: somebody\n  password: deep-down\n",
        );
        for message in [
            "it's <p@ss word>&/",
            "'it''s <p@ss word>&/'",
            r#""it's \u003cp@ss word\u003e\u0026/""#,
            "https://db/?p=it%27s+%3Cp%40ss+word%3E%26%2F",
            "https://db/it%27s%20%3Cp@ss%20word%3E&%2F",
            "IT'S <P@SS WORD>&/",
            // base64 of `user:it's <p@ss word>&/`, then as in addresses and without padding
            "dXNlcjppdCdzIDxwQHNzIHdvcmQ+Ji8=",
            "dXNlcjppdCdzIDxwQHNzIHdvcmQ-Ji8",
            "key=deep-down",
        ] {
            let clean = redactor.clean(message);
            assert!(clean.contains("[redacted]"), "{message}: {clean}");
            assert!(
                !clean.to_lowercase().contains("ss") && !clean.contains("deep"),
                "{message}: {clean}"
            );
            assert!(redactor.finds(message));
        }
        assert!(!redactor.finds("nothing of it"));
        assert_eq!(redactor.clean("https://x/a_b-c"), "https://x/a_b-c");
    }

    #[test]
    fn a_secret_that_is_no_document_is_taken_out_whole() {
        let redactor = redactor(ValuesKind::Secret, "*hunter2\n");
        assert_eq!(
            redactor.clean("unknown anchor '*hunter2' referenced"),
            "unknown anchor '[redacted]' referenced"
        );
    }

    #[test]
    fn what_was_looked_up_is_taken_out_too() {
        let redactor = redactor(ValuesKind::Secret, "a: hunter2").and(["looked-up"]);
        assert_eq!(redactor.clean("hunter2, looked-up"), "[redacted], [redacted]");
        let many: Vec<String> = (0..=MAX_TEXTS).map(|index| format!("text-{index}")).collect();
        let redactor = redactor.and(many.iter().map(String::as_str));
        assert!(!redactor.is_empty());
        let said = redactor.clean("hunter2 text-7");
        assert!(!said.contains("hunter2") && !said.contains("text-7"), "{said}");
    }

    #[test]
    fn config_maps_hold_no_secrets() {
        assert!(redactor(ValuesKind::ConfigMap, "a: longer-than-four").is_empty());
    }
}
