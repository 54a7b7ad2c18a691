//! Questions to the Go libraries and to this crate, and whether the answers agree.

use helmapp_goyaml::{Error, decode_text, from_str, sigs, v3};
use helmapp_oracle::{Oracle, Program};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A question: what `op` makes of `input`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(crate) op: &'static str,
    #[serde(rename = "in")]
    pub(crate) input: String,
}

pub(crate) fn case(op: &'static str, input: impl Into<String>) -> Case {
    Case {
        op,
        input: input.into(),
    }
}

/// An answer of the oracle, or ours in its form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) out: String,
    #[serde(default)]
    pub(crate) err: String,
    #[serde(default)]
    pub(crate) unstable: bool,
}

impl From<helmapp_goyaml::Result<String>> for Answer {
    fn from(result: helmapp_goyaml::Result<String>) -> Self {
        match result {
            Ok(out) => Answer {
                out,
                ..Answer::default()
            },
            Err(error) => Answer {
                err: error.to_string(),
                ..Answer::default()
            },
        }
    }
}

/// What this crate answers.
pub(crate) fn ours(op: &str, input: &str) -> Answer {
    use sigs::Numbers::{Exact, Float64};
    let json = || serde_json::from_str(input).expect("the case is JSON");
    let text = |value: Value| value.to_string();
    match op {
        "yamlToJSON" => sigs::to_json(input, Exact).map(text),
        "bytes" => decode_text(&bytes(input))
            .map_err(|error| Error::ToJson(Box::new(error)))
            .and_then(|text| sigs::to_json(&text, Float64))
            .map(text),
        "strict" => sigs::to_json_strict(input, Exact).map(text),
        "map" => sigs::to_json_map(input, Float64).map(|map| text(map.into())),
        "value" => from_str(input).map(|value| value.go_syntax()),
        "marshal" => sigs::from_json(&json()),
        "v3pretty" => v3::to_string(&json()),
        _ => panic!("unknown op {op}"),
    }
    .into()
}

/// Whether two answers say the same. JSON is compared as values, for Go escapes more than need be.
pub(crate) fn agree(op: &str, go: &Answer, ours: &Answer) -> bool {
    if !go.err.is_empty() || !ours.err.is_empty() {
        // Marshal's errors are swallowed by every caller; that there is one is what counts.
        return match op {
            "marshal" => !go.err.is_empty() && !ours.err.is_empty(),
            _ => go.err == ours.err,
        };
    }
    match op {
        "yamlToJSON" | "strict" => parse(&go.out) == parse(&ours.out),
        // Both sides hold floats; their texts may be an integer's.
        "map" | "bytes" => floats(parse(&go.out)) == floats(parse(&ours.out)),
        _ => go.out == ours.out,
    }
}

/// Bytes from their hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| u8::try_from(c.to_digit(16).expect("hexadecimal")).expect("4 bits"))
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the answer is JSON")
}

fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (key, floats(item))).collect(),
        other => other,
    }
}

/// Asks the Go libraries.
pub(crate) fn ask(cases: &[Case]) -> Vec<Answer> {
    Oracle::start(Program::Yaml).ask_all(cases)
}
