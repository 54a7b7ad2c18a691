use helmapp_gotmpl::Value as Go;
use serde_json::{Value, json};

use super::*;

/// Inputs with what BurntSushi/toml 1.5.0 made of them.
const RECORDED: &str = include_str!("../../testdata/toml/encode.json");

#[test]
fn writes_what_go_writes() {
    let cases: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let (out, error) = match encode(&Go::from_json(&case["in"])) {
            Ok(text) => (text, String::new()),
            Err(e) => (String::new(), e.to_string()),
        };
        assert_eq!(out, case["out"].as_str().unwrap(), "{}", case["in"]);
        assert_eq!(error, case["err"].as_str().unwrap_or_default(), "{}", case["in"]);
    }
}

#[test]
fn reads_documents() {
    let text = "a = 1\nb = 2.5\nd = 2026-11-21T10:00:00Z\n[t]\nx = [1, 'y']\n[[l]]\nk = true\n";
    assert_eq!(
        helmapp_gotmpl::Value::Map(decode(text).unwrap())
            .to_json()
            .unwrap(),
        json!({"a": 1, "b": 2.5, "d": "2026-11-21T10:00:00Z", "t": {"x": [1, "y"]}, "l": [{"k": true}]})
    );
    let time = decode("d = 2026-11-21T10:00:00Z").unwrap().get("d").unwrap();
    assert_eq!(time.type_name().as_ref(), "time.Time");
    assert!(matches!(decode("a = "), Err(Error::Syntax(_))));
}

#[test]
fn refuses_deep_nesting() {
    let mut deep = json!({});
    for _ in 0..MAX_DEPTH + 5 {
        deep = json!({ "a": deep });
    }
    assert!(matches!(encode(&Go::from_json(&deep)), Err(Error::TooDeep)));
    let mut deep = json!([]);
    for _ in 0..MAX_DEPTH + 5 {
        deep = json!([deep]);
    }
    assert!(matches!(
        encode(&Go::from_json(&json!({ "a": deep }))),
        Err(Error::TooDeep)
    ));
}
