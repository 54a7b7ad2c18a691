//! Recorded answers of the Go library for versions, their order, and constraints against versions.

use serde_json::Value;

use super::{Constraint, ConstraintError, MAX_CONSTRAINT_LEN, Version};

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/semver.json")).unwrap()
}

fn rows<'a>(all: &'a Value, key: &str) -> &'a Vec<Value> {
    all[key].as_array().unwrap()
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap()
}

#[test]
fn versions_parse_as_recorded() {
    let all = recorded();
    for row in rows(&all, "versions") {
        let input = text(&row["in"]);
        match Version::parse(input) {
            Ok(v) => {
                let fields = [
                    v.major().to_string(),
                    v.minor().to_string(),
                    v.patch().to_string(),
                    v.prerelease().to_owned(),
                    v.metadata().to_owned(),
                    v.to_string(),
                ];
                assert_eq!(serde_json::json!(fields), row["out"], "{input:?}");
                assert_eq!(v.original(), input);
            }
            Err(e) => assert_eq!(e.to_string(), row["err"], "{input:?}"),
        }
        let strict = match Version::parse_strict(input) {
            Ok(v) => format!("= {v}"),
            Err(e) => e.to_string(),
        };
        assert_eq!(strict, row["strict"], "strict {input:?}");
    }
}

fn good_versions(all: &Value) -> Vec<Version> {
    rows(all, "versions")
        .iter()
        .filter_map(|row| Version::parse(text(&row["in"])).ok())
        .collect()
}

#[test]
fn versions_compare_as_recorded() {
    let all = recorded();
    let versions = good_versions(&all);
    assert_eq!(versions.len(), rows(&all, "order").len());
    for (a, row) in versions.iter().zip(rows(&all, "order")) {
        let order: String = versions
            .iter()
            .map(|b| ['<', '=', '>'][(a.compare(b) as i8 + 1) as usize])
            .collect();
        assert_eq!(order, text(row), "{a}");
    }
}

#[test]
fn derived_versions_are_as_recorded() {
    let all = recorded();
    for row in rows(&all, "inc") {
        let v = Version::parse(text(&row[0])).unwrap();
        let derived = [
            v.inc_patch(),
            v.inc_minor(),
            v.inc_major(),
            v.with_prerelease("rc.1").unwrap(),
            v.with_metadata("m").unwrap(),
        ];
        for (i, next) in derived.iter().enumerate() {
            assert_eq!(next.original(), text(&row[i + 1]), "{v} case {i}");
        }
    }
    let v = Version::parse("1.2.3").unwrap();
    assert_eq!(
        v.with_prerelease("a b").unwrap_err().to_string(),
        "invalid prerelease string"
    );
    assert_eq!(
        v.with_metadata("a b").unwrap_err().to_string(),
        "invalid metadata string"
    );
}

#[test]
fn constraints_check_as_recorded() {
    let all = recorded();
    let versions = good_versions(&all);
    let mut pairs = 0;
    for row in rows(&all, "constraints") {
        let input = text(&row["in"]);
        match Constraint::parse(input) {
            Ok(c) => {
                assert_eq!(c.to_string(), row["out"], "{input:?}");
                let answers: String = versions
                    .iter()
                    .map(|v| if c.check(v) { '1' } else { '0' })
                    .collect();
                assert_eq!(answers, row["check"], "{input:?}");
                pairs += versions.len();
            }
            Err(e) => assert_eq!(e.to_string(), row["err"], "{input:?}"),
        }
    }
    assert!(pairs > 10_000, "{pairs}");
}

#[test]
fn reasons_are_as_recorded() {
    let all = recorded();
    for row in rows(&all, "reasons") {
        let c = Constraint::parse(text(&row[0])).unwrap();
        let v = Version::parse(text(&row[1])).unwrap();
        assert_eq!(
            serde_json::json!(c.validate(&v).unwrap_err()),
            row[2],
            "{c} on {v}"
        );
    }
    let c = Constraint::parse(">=1.21.0-0").unwrap();
    assert_eq!(c.validate(&Version::parse("1.22.0-gke.100").unwrap()), Ok(()));
}

#[test]
fn an_overlong_constraint_is_refused() {
    let at_limit = "1".repeat(MAX_CONSTRAINT_LEN);
    assert_eq!(
        Constraint::parse(&at_limit).unwrap_err(),
        ConstraintError::Version
    );
    let over = "1".repeat(MAX_CONSTRAINT_LEN + 1);
    let error = Constraint::parse(&over).unwrap_err();
    assert_eq!(
        error.to_string(),
        "improper constraint: 4097 bytes long, more than 4096 (limit constraint length)"
    );
}
