//! Messages without secrets. Errors of the schema, of templates and of the API server can quote values, and
//! values can come from Secrets: what came from one is taken out before anything is said.

mod finder;
mod forms;

use std::collections::BTreeSet;

use helmapp_goyaml::sigs::{self, Numbers};
use serde_json::Value;

use crate::api::{HelmAppSpec, ValuesKind};

use super::leaves::{leaves, text};
use super::values::{Contents, Reference};
use forms::{Form, MIN_ANYWHERE, Stands};

pub(super) use finder::Finder;

/// Texts that are looked for. Of a release that reads more, no message is shown that could quote them.
pub const MAX_TEXTS: usize = 4096;
/// Bytes of Secrets that are looked into for such texts, and bytes that are kept to look for them. Of a release that reads
/// more, no message is shown either.
pub const MAX_SECRET_BYTES: usize = 1 << 20;
/// Longest text that is looked through. A longer one counts as secret.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Shorter texts are no secrets, and taking them out would leave no message.
const MIN_LENGTH: usize = 4;
/// Words that are no secrets, whoever has them in a Secret, in small letters.
const PLAIN: [&str; 6] = ["true", "false", "null", "none", "default", "enabled"];
/// Numbers of so many digits are ports and sizes.
const PLAIN_DIGITS: usize = 5;
/// Documents within the values of documents that are looked into.
const MAX_NESTED: usize = 3;

/// The texts of the Secrets that a HelmApp's values come from, that its chart looked up, or that it has itself.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    forms: Box<[Form]>,
    too_many: bool,
}

impl Redactor {
    /// Every scalar of what the spec names of Secrets, in the forms in which messages quote it.
    pub(super) fn of(spec: &HelmAppSpec, contents: &Contents) -> Self {
        let secrets = spec
            .values_from
            .iter()
            .filter(|from| from.kind == ValuesKind::Secret);
        let data = secrets.filter_map(|from| contents.get(&Reference::of(from))?.data.get(&from.values_key));
        let texts: BTreeSet<&str> = data.filter_map(|data| std::str::from_utf8(data).ok()).collect();
        Self::default().and(texts)
    }

    /// The same with the scalars of further texts.
    pub(super) fn and<'a>(&self, data: impl IntoIterator<Item = &'a str>) -> Self {
        match all_scalars(data) {
            Some(texts) => self.with(&texts),
            None => Self::of_too_many(),
        }
    }

    /// The same with the scalars of the release's own Secrets. Short ones count only as words of their own, and not
    /// where they are no secrets by what they are, or one of these `names`.
    pub(super) fn and_own<'a>(&self, data: impl IntoIterator<Item = &'a str>, names: &[&str]) -> Self {
        let Some(mut texts) = all_scalars(data) else {
            return Self::of_too_many();
        };
        texts.retain(|text| !is_plain(text.trim(), names));
        self.looking_for(&texts, Stands::AsWord)
    }

    fn of_too_many() -> Self {
        Self {
            too_many: true,
            ..Self::default()
        }
    }

    /// The same with further texts, each as a whole.
    pub(super) fn with(&self, texts: &BTreeSet<String>) -> Self {
        self.looking_for(texts, Stands::Anywhere)
    }

    fn looking_for(&self, texts: &BTreeSet<String>, stands: Stands) -> Self {
        let texts = texts.iter().filter(|text| text.trim().len() >= MIN_LENGTH);
        if texts.clone().count() > MAX_TEXTS {
            return Self::of_too_many();
        }
        let further = texts.flat_map(|text| Form::all(text, stands));
        let mut forms: Vec<Form> = self.forms.iter().cloned().chain(further).collect();
        forms.sort();
        forms.dedup_by(|next, kept| {
            let same = next.start == kept.start;
            if same {
                kept.merge(next);
            }
            same
        });
        let kept: usize = forms.iter().map(|form| form.start.len()).sum();
        if kept > MAX_SECRET_BYTES {
            return Self::of_too_many();
        }
        Self {
            forms: forms.into(),
            too_many: self.too_many,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty() && !self.too_many
    }

    /// Looks through texts that have so many bytes together.
    pub(super) fn finder(&self, bytes: usize) -> Finder<'_> {
        if self.too_many {
            return Finder::of_everything(format!(
                "(the message is not shown: it could quote what was read from Secrets, which is more than {MAX_TEXTS} texts \
                 or {} MiB)",
                MAX_SECRET_BYTES >> 20
            ));
        }
        Finder::new(&self.forms, bytes)
    }

    /// Whether so many bytes of text are looked through in a moment.
    pub(super) fn is_quick(&self, bytes: usize) -> bool {
        finder::is_quick(&self.forms, bytes)
    }

    /// The message without the secrets.
    pub(super) fn clean(&self, message: &str) -> String {
        self.finder(message.len()).clean(message)
    }
}

/// The texts of documents; None where there are too many.
fn all_scalars<'a>(data: impl IntoIterator<Item = &'a str>) -> Option<BTreeSet<String>> {
    let (mut texts, mut bytes) = (BTreeSet::new(), 0);
    for data in data {
        bytes += data.len();
        if bytes > MAX_SECRET_BYTES {
            return None;
        }
        texts.extend(scalars(data));
        if texts.len() > MAX_TEXTS {
            return None;
        }
    }
    Some(texts)
}

/// Whether a text in a release's own Secret is no secret.
fn is_plain(text: &str, names: &[&str]) -> bool {
    let is_number = text.len() <= PLAIN_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = PLAIN.contains(&text.to_ascii_lowercase().as_str()) || names.contains(&text);
    text.len() < MIN_ANYWHERE && (is_number || is_word)
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
            Err(_) => {
                let after_name = |line: &str| Some(line.split_once(": ")?.1.trim().to_owned());
                let quotable = |value: String| {
                    value
                        .trim_start_matches(['*', '&', '!', '"', '\'', '{', '['])
                        .to_owned()
                };
                found.extend(data.lines().filter_map(after_name).map(quotable));
                found.insert(data.clone());
            }
        }
        // What is no YAML document, or one that could not be read, is secret by the line, and by what its error can quote.
        found.extend(
            data.lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| !line.contains(": ")),
        );
    }
    found.retain(|text| text.trim().len() >= MIN_LENGTH);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::content::Content;

    fn redactor(kind: ValuesKind, data: &str) -> Redactor {
        let spec = json!({
            "chart": {"path": "web"},
            "valuesFrom": [{"kind": kind.as_str(), "name": "values"}, {"kind": kind.as_str(), "name": "values"}],
        });
        let reference = Reference {
            kind,
            name: "values".to_owned(),
        };
        let content = Content {
            data: [("values.yaml", data), ("other", "unnamed-text")]
                .map(|(key, data)| (key.to_owned(), data.as_bytes().to_vec()))
                .into(),
            ..Content::default()
        };
        let spec = serde_json::from_value(spec).unwrap();
        Redactor::of(&spec, &Contents::from([(reference, content)]))
    }

    fn cleans(redactor: &Redactor, table: &[(&str, &str)]) {
        for (message, expected) in table {
            assert_eq!(redactor.clean(message), *expected);
        }
    }

    fn finds(redactor: &Redactor, text: &str) -> bool {
        redactor.finder(text.len()).finds(text)
    }

    #[test]
    fn what_comes_from_a_secret_is_taken_out_in_every_form() {
        let redactor = redactor(
            ValuesKind::Secret,
            "auth:\n  password: hunter2-and-more\n  short: abc\n  pin: 12345678\nkeys:\n- |\n  line one\n  line two\n",
        );
        cleans(
            &redactor,
            &[
                ("'hunter2-and-more' does not match", "'[redacted]' does not match"),
                ("Value:12345678}", "Value:[redacted]}"),
                ("got aHVudGVyMi1hbmQtbW9yZQ==", "got [redacted]"),
                ("quoted \"line one\\nline two\\n\"", "quoted \"[redacted]\""),
                ("only line one of it", "only [redacted] of it"),
                ("abc stays", "abc stays"),
                ("so does an unnamed-text", "so does an unnamed-text"),
                (
                    "Basic bWU6aHVudGVyMi1hbmQtbW9yZQ, HUNTER2-AND-MORE",
                    "Basic [redacted], [redacted]",
                ),
            ],
        );
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
            assert!(finds(&redactor, message));
        }
        assert!(!finds(&redactor, "nothing of it"));
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
    fn what_an_error_quotes_of_no_document_is_taken_out() {
        let redactor = Redactor::default().and(["a: *hunter2xyz\n"]);
        assert_eq!(
            redactor.clean("unknown anchor 'hunter2xyz' referenced"),
            "unknown anchor '[redacted]' referenced"
        );
    }

    #[test]
    fn numbers_are_taken_out_however_they_are_written() {
        let redactor = redactor(
            ValuesKind::Secret,
            "pin: 123456\nrate: 1234.5678\nlong: 4711999\nsmall: 0.00000125\nport: 8080\n",
        );
        cleans(
            &redactor,
            &[
                ("maximum: got 123,456, want 3", "maximum: got [redacted], want 3"),
                ("got 1,234.5678, want 9,999", "got [redacted], want 9,999"),
                ("got 4.711999×10⁰⁶", "got [redacted]"),
                ("4711999 is 4.711999e+06", "[redacted] is [redacted]"),
                ("1.25e-06 and 1.25×10⁻⁰⁶", "[redacted] and [redacted]"),
                ("8,080 and 8080", "[redacted] and [redacted]"),
            ],
        );
    }

    #[test]
    fn texts_are_taken_out_however_go_escapes_them() {
        let redactor = redactor(
            ValuesKind::Secret,
            "a: \"Pässwörd \\\"x\\\" 😀\"\nb: |-\n  one two\n  three\n",
        );
        for message in [
            r#""P\u00e4ssw\u00f6rd \"x\" \U0001f600""#,
            r#"parsing time "P\xc3\xa4ssw\xc3\xb6rd \"x\" \xf0\x9f\x98\x80" as "2006""#,
            r#"parsing time "one two\x0athree""#,
            "50 c3 a4 73 73 77 c3 b6 72 64 20 22 78 22 20 f0 9f 98 80",
            "0x6f6e652074776f",
        ] {
            let clean = redactor.clean(message);
            assert!(clean.contains("[redacted]"), "{message}: {clean}");
            for part in ["ssw", "x22", "three", "73 73", "776f"] {
                assert!(!clean.contains(part), "{message}: {clean}");
            }
        }
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

    #[test]
    fn short_texts_of_own_secrets_are_taken_out_as_words() {
        let data =
            "password: hunter2\nuser: shop\nport: 5432\npin: 123456\ndebug: 'True'\ntoken: longer-one\n";
        let redactor = Redactor::default().and_own([data, "s3cr"], &["shop"]);
        for (text, expected) in [
            ("db://me:hunter2@db", "db://me:[redacted]@db"),
            ("hunter22 and --s3cr=s3crs", "hunter22 and --[redacted]=s3crs"),
            ("shop:5432 is True", "shop:5432 is True"),
            ("1234567 is not 123456", "1234567 is not [redacted]"),
            ("aHVudGVyMg== xlonger-onex", "[redacted] x[redacted]x"),
        ] {
            assert_eq!(redactor.clean(text), expected);
        }
        // What came from a Secret that the spec names goes wherever it stands.
        let both = redactor.and(["hunter2"]);
        assert_eq!(both.clean("hunter22"), "[redacted]2");
        assert_eq!(both.and_own(["hunter2"], &[]).clean("hunter22"), "[redacted]2");
    }

    #[test]
    fn what_is_kept_to_look_for_is_bounded() {
        let long = "long ".repeat(MAX_SECRET_BYTES / 10);
        let redactor = Redactor::default().and([long.as_str()]);
        let kept: usize = redactor.forms.iter().map(|form| form.start.len()).sum();
        assert!(kept < 1024, "{kept} bytes");
        assert_eq!(
            redactor.and([long.as_str()]).forms,
            redactor.forms,
            "nothing is kept twice"
        );
        let said = redactor.and([long.as_str(); 3]).clean("hello");
        assert!(said.contains("4096 texts or 1 MiB"), "{said}");

        let lines = |count: usize| -> Vec<String> {
            let line = |number| format!("{number:06}<\"{}", "Line".repeat(20));
            (0..count).map(line).collect()
        };
        let held = |count| {
            Redactor::default()
                .and([lines(count).join("\n").as_str()])
                .too_many
        };
        assert!(!held(2000));
        assert!(held(MAX_TEXTS - 10), "few enough texts, and too many bytes");
    }
}
