//! Messages without secrets. Errors of the schema, of templates and of the API server can quote values, and
//! values can come from Secrets: what came from one is taken out before anything is said.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_goyaml::sigs::{self, Numbers};
use serde_json::Value;

use crate::api::ValuesKind;

use super::values::Contents;

/// Texts that are looked for. Of a release that reads more, no message is shown that could quote them.
const MAX_TEXTS: usize = 4096;
/// Shorter texts are no secrets, and taking them out would leave no message.
const MIN_LENGTH: usize = 4;
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
                return Self {
                    forms: Vec::new(),
                    too_many: true,
                };
            }
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
        self.forms.iter().fold(message.to_owned(), |message, secret| {
            message.replace(secret, REDACTED)
        })
    }
}

fn scalars(data: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut queue = vec![sigs::to_json(data, Numbers::Exact).unwrap_or_else(|_| Value::from(data))];
    while let Some(value) = queue.pop() {
        match value {
            Value::String(text) => _ = found.insert(text),
            Value::Number(number) => _ = found.insert(number.to_string()),
            Value::Array(items) => queue.extend(items),
            Value::Object(members) => queue.extend(members.into_iter().map(|(_, value)| value)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    // What is no YAML document, or one that could not be read, is secret by the line.
    found.extend(
        data.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.contains(": ")),
    );
    found.retain(|text| text.trim().len() >= MIN_LENGTH);
    found
}

/// As it is, trimmed, escaped as in a quoted string, and in base64.
fn forms(text: &str) -> Vec<String> {
    let quoted = Value::from(text).to_string();
    let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
    vec![
        text.trim().to_owned(),
        escaped,
        STANDARD.encode(text),
        STANDARD.encode(text.trim()),
    ]
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
        ] {
            assert_eq!(redactor.clean(message), expected);
        }
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
