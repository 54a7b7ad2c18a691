//! What `sigs.k8s.io/yaml.Marshal` does to a value before go-yaml writes it: it prints JSON and reads that
//! back as YAML. Texts that the YAML reader treats differently from a JSON reader change or fail on the way.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// Longest key that go-yaml recognises before a colon, in characters of its quoted JSON text.
const JSON_KEY_CHARS: usize = 1024;

pub(super) fn unsupported(value: f64) -> Error {
    let name = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    Error::MarshalJson(format!("json: unsupported value: {name}"))
}

/// Checks that a key survives: no control characters, short enough, no line break that JSON leaves as it is.
pub(super) fn key(key: &str) -> Result<()> {
    if key.len() < JSON_KEY_CHARS / 6 && key.is_ascii() && !key.contains('\x7F') {
        return Ok(());
    }
    check(key)?;
    let chars: usize = 2 + key.chars().map(json_width).sum::<usize>();
    if chars > JSON_KEY_CHARS || key.contains('\u{85}') {
        return Err(syntax("did not find expected ',' or '}'"));
    }
    Ok(())
}

/// What is left of a text after JSON and back.
pub(super) fn through_json(text: &str) -> Result<Cow<'_, str>> {
    // DEL is the only ASCII character, and C2 and EF lead the only others, that don't pass unchanged.
    if !text
        .bytes()
        .fold(false, |any, b| any | (b == 0x7F) | (b == 0xC2) | (b == 0xEF))
    {
        return Ok(Cow::Borrowed(text));
    }
    check(text)?;
    if text.contains('\u{85}') {
        fold_next_lines(text).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(text))
    }
}

fn check(text: &str) -> Result<()> {
    let refused =
        |c: char| matches!(c, '\x7F' | '\u{80}'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}');
    if text.contains(refused) {
        Err(syntax("control characters are not allowed"))
    } else {
        Ok(())
    }
}

fn syntax(message: &'static str) -> Error {
    Error::Syntax {
        line: None,
        message: Cow::Borrowed(message),
    }
}

/// Characters that Go's encoding/json uses for one of the text's.
fn json_width(c: char) -> usize {
    match c {
        '"' | '\\' | '\x08' | '\x0C' | '\n' | '\r' | '\t' => 2,
        '\0'..='\x1F' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    }
}

/// U+0085 is a line break to YAML, and JSON does not escape it: lines fold as in any quoted scalar.
fn fold_next_lines(text: &str) -> Result<String> {
    let mut lines = text.split('\u{85}');
    let first = lines.next().unwrap_or_default();
    let mut folded = first.trim_end_matches(' ').to_owned();
    let mut empty = 0;
    let mut pending = lines.peekable();
    while let Some(line) = pending.next() {
        let last = pending.peek().is_none();
        let ends_marker = line
            .get(3..)
            .is_some_and(|rest| rest.is_empty() && !last || rest.starts_with(' '));
        if (line.starts_with("---") || line.starts_with("...")) && ends_marker {
            return Err(syntax("found unexpected document indicator"));
        }
        let body = line.trim_start_matches(' ');
        if body.is_empty() && !last {
            empty += 1;
            continue;
        }
        if empty == 0 {
            folded.push(' ');
        }
        folded.extend(std::iter::repeat_n('\n', empty));
        empty = 0;
        folded.push_str(if last { body } else { body.trim_end_matches(' ') });
    }
    Ok(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_line_folds() {
        let cases = [
            ("a\u{85}b", "a b"),
            ("a  \u{85} \u{85} b ", "a\nb "),
            ("\u{85}", " "),
            ("a\u{85}\u{85}\u{85}", "a\n\n"),
        ];
        for (text, want) in cases {
            assert_eq!(through_json(text).unwrap(), want);
        }
        assert!(through_json("a\u{85}--- b").is_err());
        assert!(through_json("a\x7F").is_err());
        assert!(through_json("a\u{9F}").is_err());
    }

    #[test]
    fn long_keys_fail() {
        assert!(key(&"k".repeat(1022)).is_ok());
        assert!(key(&"k".repeat(1023)).is_err());
        assert!(key(&"<".repeat(171)).is_err());
    }
}
