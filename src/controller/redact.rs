//! Messages without secrets. Errors of the schema, of templates and of the API server can quote values, and
//! values can come from Secrets: what came from one is taken out before anything is said.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_goyaml::sigs::{self, Numbers};
use serde_json::Value;

use crate::api::ValuesKind;

use super::values::Contents;

/// Shorter texts are no secrets, and taking them out would leave no message.
const MIN_LENGTH: usize = 4;
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The texts of the Secrets that a HelmApp's values come from.
#[derive(Clone, Default)]
pub(super) struct Redactor(Vec<String>);

impl Redactor {
    /// Every scalar of every Secret, in the forms in which messages quote it.
    pub(super) fn of(contents: &Contents) -> Self {
        let mut texts = BTreeSet::new();
        for (reference, content) in contents {
            if reference.kind == ValuesKind::Secret {
                for data in content.texts() {
                    texts.extend(scalars(data));
                }
            }
        }
        let mut forms: Vec<String> = texts.iter().flat_map(|text| forms(text)).collect();
        // A secret that contains another goes first, or its rest would stay.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self(forms)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The message without the secrets.
    pub(super) fn clean(&self, message: &str) -> String {
        self.0.iter().fold(message.to_owned(), |message, secret| {
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
    use crate::controller::values::{Content, Reference};

    fn redactor(kind: ValuesKind, data: &str) -> Redactor {
        let reference = Reference {
            kind,
            name: "values".to_owned(),
        };
        Redactor::of(&Contents::from([(reference, Content::with("values.yaml", data))]))
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
    fn config_maps_hold_no_secrets() {
        assert!(redactor(ValuesKind::ConfigMap, "a: longer-than-four").is_empty());
    }
}
