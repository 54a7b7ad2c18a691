use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    MAX_ADDED_ITEMS, MAX_NESTED_INDEX_LEVEL, parse_file_into, parse_into, parse_json_into,
    parse_literal_into, parse_string_into, set_path,
};

#[derive(Deserialize)]
struct Case {
    flag: String,
    text: String,
    #[serde(default)]
    base: Map<String, Value>,
    #[serde(default)]
    want: Value,
    #[serde(default)]
    error: String,
}

/// Integers marked as the recorder marks them: JSON can not tell them from floats.
fn marked(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_i64() => json!({"$int": number.to_string()}),
        Value::Array(items) => items.iter().map(marked).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), marked(value)))
            .collect(),
        other => other.clone(),
    }
}

fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(map) => map.values_mut().for_each(floats),
        _ => {}
    }
}

fn difference(mut case: Case) -> Option<String> {
    case.base.values_mut().for_each(floats);
    floats(&mut case.want);
    let mut values = case.base;
    let result = match case.flag.as_str() {
        "set" => parse_into(&case.text, &mut values),
        "string" => parse_string_into(&case.text, &mut values),
        "json" => parse_json_into(&case.text, &mut values),
        "literal" => parse_literal_into(&case.text, &mut values),
        "file" => parse_file_into(&case.text, &mut values, |path| match path {
            "missing" => Err("no file missing".to_owned()),
            path => Ok(format!("<{path}>")),
        }),
        other => panic!("unknown flag {other}"),
    };
    let (want, got) = match result {
        // The JSON parser's own texts differ.
        Err(_) if case.flag == "json" && !case.error.is_empty() => return None,
        Err(error) => (json!(case.error), json!(error.to_string())),
        Ok(()) if !case.error.is_empty() => (json!(case.error), marked(&Value::Object(values))),
        Ok(()) => (case.want, marked(&Value::Object(values))),
    };
    (want != got).then(|| format!("{} {:?}\nwant {want}\ngot  {got}", case.flag, case.text))
}

/// What Helm 3.19.5 makes of each text. `HELMAPP_SET_CASES` names a file with more.
#[test]
fn texts_set_what_helm_sets() {
    let recorded = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/values/set.jsonl"));
    let more = std::env::var_os("HELMAPP_SET_CASES").map(PathBuf::from);
    for file in std::iter::once(recorded).chain(more) {
        let cases = std::fs::read_to_string(&file).unwrap();
        let differences: Vec<String> = cases
            .lines()
            .filter_map(|line| difference(serde_json::from_str(line).unwrap()))
            .collect();
        let count = cases.lines().count();
        assert!(count >= 1000, "{} holds {count} cases", file.display());
        let shown: Vec<&str> = differences.iter().take(12).map(String::as_str).collect();
        assert!(
            differences.is_empty(),
            "{} of {count} differ:\n{}",
            differences.len(),
            shown.join("\n")
        );
    }
}

#[test]
fn a_path_sets_one_value_as_it_is() {
    let mut values = Map::new();
    set_path("a.b[1].c", json!("x,y=z"), &mut values).unwrap();
    set_path("a.d", json!(1_000_000), &mut values).unwrap();
    assert_eq!(
        Value::Object(values.clone()),
        json!({"a": {"b": [null, {"c": "x,y=z"}], "d": 1_000_000}})
    );
    for path in ["", "a.", "a=1", "a,b", "a[0", "a[0]x", "a.d.e"] {
        assert!(set_path(path, json!(1), &mut values.clone()).is_err(), "{path:?}");
    }
}

#[test]
fn our_own_limits_hold() {
    let set = |text: &str| parse_into(text, &mut Map::new()).map_err(|error| error.to_string());
    assert_eq!(
        set(&format!("a{}=1", "[0]".repeat(MAX_NESTED_INDEX_LEVEL))),
        Ok(())
    );
    let deeper = set(&format!("a{}=1", "[0]".repeat(MAX_NESTED_INDEX_LEVEL + 1))).unwrap_err();
    assert!(deeper.contains("limit MAX_NESTED_INDEX_LEVEL"), "{deeper}");
    let lists = MAX_ADDED_ITEMS / 65_537;
    let grow = |lists: usize| {
        (0..lists)
            .map(|at| format!("k{at}[65536]=1,"))
            .collect::<String>()
            + "z=1"
    };
    assert_eq!(set(&grow(lists)), Ok(()));
    let larger = set(&grow(lists + 1)).unwrap_err();
    assert!(larger.contains("limit MAX_ADDED_ITEMS"), "{larger}");
}
