use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use super::{Documents, Schema, Shared, Violation, validate, validate_within};
use crate::{
    chart::{Chart, File},
    limits::Limits,
};

/// The lines, with the words in order of those that list names as a Go map gives them; all in order, unless they
/// came in the same order each time.
fn lines(text: &str, stable: bool) -> Vec<String> {
    let mut lines: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line.split([' ', ',']).collect();
            if line.contains("additional properties") {
                words.sort_unstable();
            }
            words.join(" ")
        })
        .collect();
    if !stable {
        lines.sort_unstable();
    }
    lines
}

/// Schemas and values, most made at random, and what Helm 3.19.5 says of them; where its order is that of a Go map,
/// lines are compared without order. `HELMAPP_SCHEMA_CASES` names a file with more.
#[test]
fn violations_read_as_helms() {
    let recorded = ["random.jsonl", "order.jsonl"]
        .map(|name| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/schema")).join(name));
    let more = std::env::var_os("HELMAPP_SCHEMA_CASES").map(PathBuf::from);
    for file in recorded.into_iter().chain(more) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (mut count, mut differences) = (0, Vec::new());
        for line in text.lines() {
            let (schema, values, want, stable): (Value, Value, String, bool) =
                serde_json::from_str(line).unwrap();
            let schema = Schema::compile(schema.to_string().as_bytes(), &Arc::new(Documents::new()));
            let (got, violations) = match &schema {
                Ok(schema) => schema.check(&values),
                Err(error) => panic!("{error}: {line}"),
            };
            count += 1;
            assert_eq!(violations.is_empty(), got.is_empty());
            if lines(&want, stable) != lines(&got, stable) {
                differences.push(format!("want\n{want}\ngot\n{got}\n{line}"));
            }
        }
        assert!(count >= 12, "{} holds {count} cases", file.display());
        differences.sort_by_key(String::len);
        let shown = differences
            .iter()
            .take(4)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n");
        assert!(
            differences.is_empty(),
            "{} of {count} differ:\n{shown}",
            differences.len()
        );
    }
}

fn chart(files: &[(&str, &str)]) -> Chart {
    let files = files
        .iter()
        .map(|(name, data)| File::new(*name, data.as_bytes()))
        .collect();
    Chart::load_files(files, &Limits::default()).unwrap()
}

#[test]
fn sub_charts_have_their_own_schemas() {
    let chart = chart(&[
        ("Chart.yaml", "name: top\nversion: 1.0.0"),
        (
            "values.schema.json",
            r#"{"properties": {"port": {"type": "integer"}}}"#,
        ),
        ("charts/one/Chart.yaml", "name: one\nversion: 1.0.0"),
        ("charts/one/values.schema.json", r#"{"required": ["name"]}"#),
        ("charts/two/Chart.yaml", "name: two\nversion: 1.0.0"),
    ]);
    let check = |values: Value| validate(&chart, &Shared::from(&values), &Arc::default());
    assert_eq!(
        check(json!({"port": 80.0, "one": {"name": 1}, "two": {}})),
        Ok(())
    );
    assert_eq!(check(json!({"one": null})), Ok(()));
    let error = check(json!({"port": "x", "one": {}, "two": []})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "values don't meet the specifications of the schema(s) in the following chart(s):\n\
         top:\n- at '/port': got string, want integer\n\
         one:\n- at '': missing property 'name'\n\
         two:\ninvalid type for values: expected object (map), got []interface {}\n"
    );
    let violation = |chart: &str, path: &str, message: &str| Violation {
        chart: chart.to_owned(),
        path: path.to_owned(),
        message: message.to_owned(),
    };
    assert_eq!(
        error.violations,
        [
            violation("top", "/port", "got string, want integer"),
            violation("one", "", "missing property 'name'"),
            violation(
                "two",
                "",
                "invalid type for values: expected object (map), got []interface {}"
            ),
        ]
    );
}

#[test]
fn references_are_never_fetched() {
    let compile = |schema: &str, documents: &Arc<Documents>| {
        Schema::compile(schema.as_bytes(), documents).map(|schema| schema.check(&json!({"a": 1})).0)
    };
    let none = Arc::default();
    for uri in [
        "https://example.com/a.json",
        "file:///etc/hostname",
        "http://127.0.0.1/x",
        "other.json",
    ] {
        let error = compile(&format!(r#"{{"$ref": "{uri}"}}"#), &none).unwrap_err();
        assert!(error.starts_with("failing loading \""), "{uri}: {error}");
        assert!(
            error.contains(" put what the schema refers to into it"),
            "{uri}: {error}"
        );
    }
    let ftp = compile(r#"{"$ref": "ftp://h/a#x"}"#, &none).unwrap_err();
    assert_eq!(
        ftp,
        "failing loading \"ftp://h/a\": no URLLoader registered for \"ftp://h/a\""
    );
    assert_eq!(compile(r#"{"$ref": "urn:example:a"}"#, &none), Ok(String::new()));
    let given = Documents::from([("https://example.com/a.json".to_owned(), json!({"type": "string"}))]);
    assert_eq!(
        compile(r#"{"$ref": "https://example.com/a.json"}"#, &Arc::new(given)),
        Ok("- at '': got object, want string".to_owned())
    );
}

#[test]
fn of_several_documents_the_same_is_told_each_time() {
    let mut schema = json!({"$ref": "file:///z.json", "properties": {}});
    for n in 0..20 {
        schema["properties"][format!("p{n}")] =
            json!({"$ref": format!("{}.json#/definitions/x", (b'a' + n) as char)});
    }
    let schema = schema.to_string();
    for _ in 0..20 {
        let error = Schema::compile(schema.as_bytes(), &Arc::default()).unwrap_err();
        let told = "failing loading \"file:///a.json\": open /a.json: no such file or directory";
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn schemas_that_can_not_be_used_are_named() {
    let compile = |schema: &str| {
        Schema::compile(schema.as_bytes(), &Arc::default())
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(compile("{"), "unexpected EOF");
    let refused = compile(r#"{"type": "text"}"#);
    assert!(
        refused.starts_with("\"file:///values.schema.json#\" is not valid against metaschema: ")
            && refused.contains("\n    - at '/type': got string, want array"),
        "{refused}"
    );
    assert!(compile(r#"{"pattern": "(?=a)"}"#).starts_with("values.schema.json is not a usable schema: "));
    let large = format!(r#"{{"pattern": "{}"}}"#, "\\\\w{1000}".repeat(20));
    assert!(compile(&large).starts_with("values.schema.json is not a usable schema: "));
}

#[test]
fn the_schemas_of_all_charts_have_their_steps_together() {
    const SCHEMA: &str = r#"{"properties": {"a": {"type": "integer"}}}"#;
    let chart = chart(&[
        ("Chart.yaml", "name: top\nversion: 1.0.0"),
        ("values.schema.json", SCHEMA),
        ("charts/one/Chart.yaml", "name: one\nversion: 1.0.0"),
        ("charts/one/values.schema.json", SCHEMA),
    ]);
    let values = Shared::from(&json!({"a": 1, "one": {"a": 1}}));
    let check = |steps| validate_within(&chart, &values, &Arc::default(), steps);
    assert_eq!(check(100), Ok(()));
    let error = check(40).unwrap_err().to_string();
    assert!(
        error.contains("\none:\n") && !error.contains("\ntop:\n"),
        "{error}"
    );
    assert!(
        error.contains("takes more than 40 steps (limit schema steps)"),
        "{error}"
    );
}

#[test]
fn a_chart_with_a_bad_schema_is_an_error_of_that_chart() {
    let chart = chart(&[
        ("Chart.yaml", "name: top\nversion: 1.0.0"),
        ("values.schema.json", "{"),
    ]);
    let error = validate(&chart, &Shared::default(), &Arc::default()).unwrap_err();
    assert_eq!(error.violations[0].chart, "top");
    assert!(error.to_string().contains("\ntop:\n"), "{error}");
}
