use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Layers, Merger, Shared, ValueLimits, merge_maps, read_yaml};
use crate::chart::{Chart, Dependency, Metadata};

#[derive(Deserialize)]
struct Spec {
    name: String,
    version: String,
    values: Value,
    declares: Option<Vec<Dependency>>,
    #[serde(default)]
    charts: Vec<Spec>,
}

#[derive(Deserialize)]
struct Case {
    chart: Spec,
    values: Value,
    want: Want,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Want {
    error: String,
    tree: Value,
    coalesced: Value,
    warnings: Vec<String>,
}

fn build(spec: Spec) -> Chart {
    let metadata = Metadata {
        name: spec.name,
        version: spec.version,
        declares_dependencies: spec.declares.is_some(),
        dependencies: spec.declares.unwrap_or_default(),
        ..Metadata::default()
    };
    let mut chart = Chart {
        metadata,
        lock: None,
        values: Shared::from(&spec.values),
        values_raw: None,
        schema: None,
        templates: Arc::default(),
        files: Arc::default(),
        raw: Arc::default(),
        dependencies: spec.charts.into_iter().map(build).collect(),
        parent_path: None,
    };
    chart.adopt(None);
    chart
}

fn tree(chart: &Chart) -> Value {
    let declares = match &chart.metadata.dependencies {
        none if none.is_empty() && !chart.metadata.declares_dependencies => Value::Null,
        some => serde_json::to_value(some).unwrap(),
    };
    let mut described = json!({
        "name": chart.name(),
        "path": chart.full_path(),
        "values": chart.values.to_json(),
        "declares": declares,
    });
    if !chart.dependencies.is_empty() {
        described["charts"] = chart.dependencies.iter().map(tree).collect();
    }
    described
}

/// What differs between Helm and us in a case, if anything.
fn difference(case: Case) -> Option<String> {
    let chart = build(case.chart);
    let mut merger = Merger::default();
    let mut got = Want::default();
    match merger.process_dependencies(&chart, &case.values) {
        Err(error) => got.error = format!("process: {error}"),
        Ok(processed) => {
            got.tree = tree(&processed);
            match merger.coalesce_values(&processed, &case.values) {
                Err(error) => got.error = format!("coalesce: {error}"),
                Ok(values) => got.coalesced = values.to_json(),
            }
        }
    }
    got.warnings = merger.warnings;
    got.warnings.sort();
    let mut want = case.want;
    if want.error.is_empty() && want.coalesced.is_null() {
        // The recorder leaves out what is empty.
        want.coalesced = json!({});
    }
    [
        ("error", json!(want.error), json!(got.error)),
        ("tree", want.tree, got.tree),
        ("coalesced", want.coalesced, got.coalesced),
        ("warnings", json!(want.warnings), json!(got.warnings)),
    ]
    .into_iter()
    .find(|(_, want, got)| want != got)
    .map(|(part, want, got)| format!("{part}\nwant {want}\ngot  {got}"))
}

/// Charts made at random, and what Helm 3.19.5 made of them. `HELMAPP_VALUES_CASES` names a file with more.
#[test]
fn dependencies_and_values_come_out_as_helms() {
    let recorded = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/values/dependencies.jsonl"
    ));
    let more = std::env::var_os("HELMAPP_VALUES_CASES").map(PathBuf::from);
    for file in std::iter::once(recorded).chain(more) {
        let cases = std::fs::read_to_string(&file).unwrap();
        let (mut count, mut differences) = (0, Vec::new());
        for line in cases.lines() {
            count += 1;
            let case = serde_json::from_str(line).unwrap();
            differences.extend(difference(case).map(|text| format!("line {count}: {text}\n{line}")));
        }
        assert!(count >= 100, "{} holds {count} cases", file.display());
        let first = differences.iter().min_by_key(|text| text.len());
        assert!(
            differences.is_empty(),
            "{} of {count} differ; {}",
            differences.len(),
            first.unwrap()
        );
    }
}

#[test]
fn limits_of_values_hold() {
    let chart =
        build(serde_json::from_value(json!({"name": "a", "version": "1.0.0", "values": {}})).unwrap());
    let limits = ValueLimits {
        entries: 10,
        depth: 3,
        ..ValueLimits::default()
    };
    let run = |values: &Value| {
        Merger {
            limits,
            warnings: Vec::new(),
        }
        .coalesce_values(&chart, values)
        .map(|values| values.to_json())
    };

    assert_eq!(
        run(&json!({"a": {"b": {"c": {"d": 1}}}})),
        Ok(json!({"a": {"b": {"c": {"d": 1}}}}))
    );
    assert_eq!(
        run(&json!({"a": {"b": {"c": {"d": {}}}}})),
        Err(Error::TooDeep(3))
    );
    let wide: Value = (0..10)
        .map(|at| (at.to_string(), json!(at)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(run(&wide), Ok(wide.clone()));
    let wider: Value = (0..11)
        .map(|at| (at.to_string(), json!(at)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(run(&wider), Err(Error::TooManyEntries(10)));
    assert_eq!(run(&json!([])), Err(Error::NotATable("[]interface {}")));
}

#[test]
fn numbers_keep_their_kind() {
    let chart = build(
        serde_json::from_value(json!({"name": "a", "version": "1.0.0", "values": {"from": {"chart": 1e6}}}))
            .unwrap(),
    );
    let merged = Merger::default()
        .coalesce_values(&chart, &json!({"from": {"user": 1_000_000}}))
        .unwrap()
        .to_json();
    assert!(merged["from"]["chart"].is_f64());
    assert_eq!(merged["from"]["user"].as_i64(), Some(1_000_000));
}

#[test]
fn layers_of_files_merge_tables_and_keep_nulls() {
    let base = read_yaml(b"a: {b: 1, c: 2}\nlist: [1]\nd: x").unwrap();
    let over = read_yaml(b"a: {b: null}\nlist: [2, 3]\nd: {e: 0644}").unwrap();
    let merged = Value::Object(merge_maps(base, over));
    assert_eq!(
        merged,
        json!({"a": {"b": null, "c": 2.0}, "list": [2.0, 3.0], "d": {"e": 420.0}})
    );
    assert_eq!(read_yaml(b"# nothing\n"), Ok(serde_json::Map::new()));
    assert_eq!(
        read_yaml(b"- a"),
        Err("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type \
             map[string]interface {}"
            .to_owned())
    );
}

#[test]
fn flags_come_in_helms_order_over_the_files() {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let layers = Layers {
        value_files: own(&["one.yaml", "two.yaml"]),
        json_values: own(&["a.json={\"x\":1}", "e=1"]),
        values: own(&["a.set=1,e=2", "a.file=null"]),
        string_values: own(&["a.string=1,e=3"]),
        file_values: own(&["a.contents=text,e=text"]),
        literal_values: own(&["a.literal=1,e=5"]),
    };
    let read = |name: &str| match name {
        "one.yaml" => Ok(b"a: {file: one, kept: 1}\ne: 0".to_vec()),
        "two.yaml" => Ok(b"a: {file: two}".to_vec()),
        "text" => Ok(b"t".to_vec()),
        other => Err(format!("open {other}: no such file or directory")),
    };
    let merged = layers.merge(read).unwrap();
    assert_eq!(
        Value::Object(merged),
        json!({"a": {"file": null, "kept": 1.0, "json": {"x": 1.0}, "set": 1, "string": "1", "contents": "t",
                     "literal": "1,e=5"}, "e": "t"})
    );
    let error = |layers: Layers| layers.merge(read).unwrap_err().to_string();
    let set = |texts: &[&str]| Layers {
        values: own(texts),
        ..Layers::default()
    };
    assert_eq!(
        error(set(&["a"])),
        "failed parsing --set data: key \"a\" has no value"
    );
    assert_eq!(
        error(Layers {
            json_values: own(&["a={"]),
            ..Layers::default()
        }),
        "failed parsing --set-json data a={"
    );
    assert_eq!(
        error(Layers {
            value_files: own(&["none"]),
            ..Layers::default()
        }),
        "open none: no such file or directory"
    );
    let broken = Layers {
        value_files: own(&["b"]),
        ..Layers::default()
    };
    let broken = broken.merge(|_| Ok(b"a: [".to_vec())).unwrap_err().to_string();
    assert!(
        broken.starts_with("failed to parse b: error converting YAML to JSON: yaml: line 1"),
        "{broken}"
    );
}
