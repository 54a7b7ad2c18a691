//! Values, schemas and flags that ask for too much.

use helmapp_helm::values::set;
use serde_json::Map;

use crate::templates::{aliases, chart};
use crate::{Case, Expected};

fn values(text: String) -> Result<(), String> {
    chart(vec![("values.yaml".to_owned(), text.into_bytes())])
}

fn schema(values: &str, schema: &str) -> Result<(), String> {
    chart(vec![
        ("values.yaml".to_owned(), values.as_bytes().to_vec()),
        ("values.schema.json".to_owned(), schema.as_bytes().to_vec()),
    ])
}

/// A schema whose references double at each of the levels.
fn doubling(levels: usize) -> String {
    let level = |n: usize| {
        let next = n + 1;
        format!(
            "\"d{n}\": {{\"allOf\": [{{\"$ref\": \"#/$defs/d{next}\"}}, {{\"$ref\": \"#/$defs/d{next}\"}}]}}"
        )
    };
    let levels: Vec<String> = (0..levels).map(level).collect();
    let last = levels.len();
    format!(
        "{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{}, \"d{last}\": {{}}}}}}",
        levels.join(", ")
    )
}

/// A schema whose references follow one another.
fn chain(levels: usize) -> String {
    let level = |n: usize| format!("\"d{n}\": {{\"$ref\": \"#/$defs/d{}\"}}", n + 1);
    let levels: Vec<String> = (0..levels).map(level).collect();
    let last = levels.len();
    format!(
        "{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{}, \"d{last}\": {{}}}}}}",
        levels.join(", ")
    )
}

fn flag(text: &str) -> Result<(), String> {
    set::parse_into(text, &mut Map::new()).map_err(|e| e.to_string())
}

pub(crate) fn cases() -> Vec<Case> {
    use Expected::{Error, Harmless};
    macro_rules! cases {
        ($($name:literal, $expected:expr, $work:expr;)*) => {
            vec![$(Case { name: $name, expected: $expected, work: || $work },)*]
        };
    }
    cases! {
        "values of aliases", Error("excessive aliasing"), values(aliases());
        "values with long aliases", Error("limit expanded_bytes"), values(
            format!("a: &a {}\nl: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 50].join(", ")));
        "many values", Error("limit nodes"), values(format!("l: [{}1]\n", "1,".repeat(1_000_000)));
        "values that nest", Error("limit depth"), values(format!("l: {}\n", "[".repeat(100_000)));
        "a schema that doubles", Error("limit schema steps"), schema("a: 1\n", &doubling(60));
        "a schema without end", Error("limit schema depth"), schema("a: 1\n", "{\"allOf\": [{\"$ref\": \"#\"}]}");
        "a schema of a long chain", Error("limit schema depth"), schema("a: 1\n", &chain(20_000));
        "a schema that just fits", Harmless, schema("a: 1\n", &doubling(18));
        "a schema with a large pattern", Error("pattern"), schema(
            "a: x\n", "{\"properties\": {\"a\": {\"pattern\": \"(\\\\p{L}{100}){100}\"}}}");
        "a schema with nested repetition", Harmless, schema(
            &format!("a: {}\n", "a".repeat(100_000)), "{\"properties\": {\"a\": {\"pattern\": \"^(a+)+b?$\"}}}");
        "a schema with many wrong items", Error(""), schema(
            &format!("a: [{}]\n", vec!["1"; 200_000].join(",")), "{\"properties\": {\"a\": {\"items\": {\"type\": \"string\"}}}}");
        "--set with a large index", Error("index"), flag("a[1000000000]=1");
        "--set that nests", Error("nest"), flag(&"a.".repeat(1_000_000));
        "--set with many braces", Error(""), flag(&format!("a={}", "{".repeat(1_000_000)));
    }
}
