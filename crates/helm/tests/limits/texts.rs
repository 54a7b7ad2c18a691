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

/// A chart with such files, and a sub-chart `a` that is used under so many aliases.
fn with_aliases(aliases: usize, of_a: &str, files: &[(&str, String)]) -> Result<(), String> {
    let declared: String = (0..aliases)
        .map(|n| format!("- {{name: a, version: '*', alias: a{n}}}\n"))
        .collect();
    let own = [
        ("requirements.yaml", format!("dependencies:\n{declared}")),
        (
            "charts/a/Chart.yaml",
            format!("apiVersion: v2\nname: a\nversion: 1.0.0\n{of_a}"),
        ),
    ];
    let files = own.iter().chain(files);
    chart(
        files
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect(),
    )
}

/// The same with one file.
fn aliased(aliases: usize, file: &str, text: String) -> Result<(), String> {
    with_aliases(aliases, "", &[(file, text)])
}

/// Charts in charts, each used under ten aliases by the one around it, and below so many levels.
fn aliases_of_aliases(levels: usize) -> Result<(), String> {
    let aliases: String = (0..10)
        .map(|n| format!("- {{name: a, version: '*', alias: a{n}}}\n"))
        .collect();
    let files = (1..=levels).flat_map(|level| {
        let path = "charts/a/".repeat(level);
        let chart = "apiVersion: v1\nname: a\nversion: 1.0.0\n".to_owned();
        [
            (format!("{path}Chart.yaml"), chart.into_bytes()),
            (
                format!("{path}requirements.yaml"),
                format!("dependencies:\n{aliases}").into_bytes(),
            ),
        ]
    });
    let root = (
        "requirements.yaml".to_owned(),
        format!("dependencies:\n{aliases}").into_bytes(),
    );
    chart(files.chain([root]).collect())
}

/// Charts in charts, so many levels deep, each with a schema; the values are those of the innermost.
fn schemas_in_schemas(levels: usize, innermost: &str) -> Result<(), String> {
    const SCHEMA: &[u8] = b"{\"type\": \"object\"}";
    let within = (1..=levels).flat_map(|level| {
        let path = "charts/a/".repeat(level);
        [
            (
                format!("{path}Chart.yaml"),
                b"apiVersion: v2\nname: a\nversion: 1.0.0\n".to_vec(),
            ),
            (format!("{path}values.schema.json"), SCHEMA.to_vec()),
        ]
    });
    let values = format!("{}{innermost}{}\n", "{a: ".repeat(levels), "}".repeat(levels));
    let own = [
        ("values.yaml".to_owned(), values.into_bytes()),
        ("values.schema.json".to_owned(), SCHEMA.to_vec()),
    ];
    chart(within.chain(own).collect())
}

fn flag(text: &str) -> Result<(), String> {
    set::parse_into(text, &mut Map::new()).map_err(|e| e.to_string())
}

pub(crate) fn cases() -> Vec<Case> {
    use Expected::{Error, Harmless};
    const BYTES: Expected = Error("limit values_bytes");
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
        "a long text under many aliases", BYTES, aliased(900, "charts/a/values.yaml", format!("x: {}\n", "x".repeat(1 << 20)));
        "a list under many aliases", Error("limit entries"), aliased(900, "charts/a/values.yaml", format!("x: [{}1]\n", "1,".repeat(10_000)));
        "a long text for all aliases", BYTES, aliased(300, "values.yaml", format!("global: {{x: {}}}\n", "x".repeat(1 << 20)));
        "a text under some aliases", Harmless, aliased(300, "charts/a/values.yaml", format!("x: {}\n", "x".repeat(100_000)));
        "a list under some aliases", Harmless, aliased(300, "charts/a/values.yaml", format!("x: [{}1]\n", "1,".repeat(1_000)));
        "too many aliases", Error("limit charts"), aliased(3000, "charts/a/values.yaml", "x: 1\n".to_owned());
        "a long Chart.yaml under many aliases", BYTES, with_aliases(900, &format!("description: {}\n", "x".repeat(1 << 20)), &[]);
        "many keywords under many aliases", BYTES, with_aliases(900, &format!("keywords: [{}a]\n", "a,".repeat(100_000)), &[]);
        "a long template under many aliases", BYTES, aliased(900, "charts/a/templates/a.yaml", "# a\n".repeat(1 << 18));
        "a long file under many aliases", Harmless, aliased(900, "charts/a/a.txt", "# a\n".repeat(1 << 20));
        "a long schema under many aliases", Error("limit schema steps"), aliased(900, "charts/a/values.schema.json",
            format!("{{\"description\": \"{}\"}}", "a".repeat(1 << 20)));
        "aliases of aliases", Error("limit values_steps"), aliases_of_aliases(30);
        "warnings that quote a table", BYTES, with_aliases(900, "", &[
            ("values.yaml", (0..900).map(|n| format!("a{n}: {{t: {{x: 1}}}}\n")).collect()),
            ("charts/a/values.yaml", format!("t: {{x: {{y: {}}}}}\n", "x".repeat(1 << 20))),
        ]);
        "many values that just fit", Harmless, values(format!("l: {{{}}}\n", (0..240_000).map(|n| format!("k{n}: {n},")).collect::<String>()));
        "a schema that doubles", Error("limit schema steps"), schema("a: 1\n", &doubling(60));
        "a schema without end", Error("limit schema depth"), schema("a: 1\n", "{\"allOf\": [{\"$ref\": \"#\"}]}");
        "a schema of a long chain", Error("limit schema depth"), schema("a: 1\n", &chain(20_000));
        "a schema that just fits", Harmless, schema("a: 1\n", &doubling(18));
        "many values below schemas in schemas", Harmless, schemas_in_schemas(
            30, &format!("{{{}}}", (0..150_000).map(|n| format!("k{n}: {n},")).collect::<String>()));
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
