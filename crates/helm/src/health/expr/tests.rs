use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::health::assess_by;

fn one(current: &str) -> Result<Checks, Error> {
    let source = Source {
        api_version: "example.com/v1",
        kind: Some("Thing"),
        current,
        ..Source::default()
    };
    Checks::compile("exprs", [source])
}

fn thing(status: Value) -> Value {
    json!({"apiVersion": "example.com/v2", "kind": "Thing", "metadata": {"name": "x", "generation": 2},
           "spec": {"replicas": 3}, "status": status})
}

fn conditions(ready: &str) -> Value {
    json!({"observedGeneration": 2, "ready": 3, "conditions": [
        {"type": "Ready", "status": ready, "observedGeneration": 2, "reason": "R", "message": "m"}]})
}

#[test]
fn the_first_that_is_true_says_what_it_is() {
    let has = |word: &str| format!("status.conditions.exists(c, c.type == 'Ready' && c.status == '{word}')");
    let (current, failed, progress) = (has("True"), has("False"), has("Unknown"));
    let source = Source {
        api_version: "example.com/v1",
        kind: Some("Thing"),
        current: &current,
        in_progress: Some(&progress),
        failed: Some(&failed),
    };
    let checks = Checks::compile("exprs", [source]).unwrap();
    let mut stale = conditions("True");
    stale["observedGeneration"] = json!(1);
    let table = [
        (conditions("True"), Status::Ready, ""),
        (
            conditions("False"),
            Status::Failed,
            "exprs[0].failed is true (R: m)",
        ),
        (
            conditions("Unknown"),
            Status::Progressing,
            "exprs[0].inProgress is true (R: m)",
        ),
        (
            conditions("Other"),
            Status::Progressing,
            "exprs[0].current is not true (R: m)",
        ),
        (
            json!({}),
            Status::Progressing,
            "exprs[0].inProgress: there is no conditions",
        ),
        (
            stale,
            Status::Progressing,
            "generation 2 is not observed yet, only 1",
        ),
    ];
    for (status, expected, message) in table {
        let health = checks.assess(&thing(status.clone())).unwrap();
        assert_eq!(
            (health.status, health.message.as_str()),
            (expected, message),
            "{status}"
        );
    }
    let mut going = thing(conditions("True"));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(assess_by(Some(&checks), &going).status, Status::Terminating);
}

#[test]
fn kinds_without_expressions_keep_their_rules() {
    let checks = one("true").unwrap();
    assert!(
        checks.has("example.com", "Thing") && !checks.has("example.com", "Other") && !checks.has("", "Thing")
    );
    let mut other = thing(conditions("False"));
    assert_eq!(assess_by(Some(&checks), &other).status, Status::Ready);
    other["kind"] = json!("Other");
    assert_eq!(assess_by(Some(&checks), &other).status, Status::Progressing);
    let group = Source {
        api_version: "example.com/v1",
        current: "true",
        ..Source::default()
    };
    assert!(
        Checks::compile("exprs", [group])
            .unwrap()
            .has("example.com", "Other")
    );
}

#[test]
fn expressions_mean_what_they_do_in_flux() {
    let object = thing(conditions("True"));
    let table = [
        (
            "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True' && e.observedGeneration == metadata.generation)",
            Ok(true),
        ),
        ("has(status.conditions) && !has(status.other)", Ok(true)),
        ("status.?other.orValue('none') == 'none'", Ok(true)),
        ("status.ready - spec.replicas == 0", Ok(true)),
        ("status.ready >= 2.5", Ok(true)),
        ("metadata.name.lowerAscii().split('').size() == 1", Ok(true)),
        (
            "status.conditions.exists(c, c.type in ['Ready'] && c.status.matches('^T'))",
            Ok(true),
        ),
        ("status.other == 'x'", Err("there is no other")),
        ("data.other == 'x'", Err("there is no data")),
        ("status.conditions", Err("it is neither true nor false")),
        (
            "status.conditions[3].type == 'x'",
            Err("a list has fewer items than that"),
        ),
        (
            "metadata.name + 1 == 'x'",
            Err("what stands on both sides of an operator (add) does not fit"),
        ),
    ];
    for (text, expected) in table {
        let checks = one(text).unwrap();
        let got = checks.0[0].expressions[0].1.is_true(&object);
        assert_eq!(got, expected.map_err(str::to_owned), "{text}");
    }
}

#[test]
fn what_is_no_expression_is_named() {
    for (text, part) in [
        (
            "status.conditions.(",
            "exprs[0].current is no expression in CEL: line 1, column 19",
        ),
        ("", "exprs[0].current is no expression"),
        (
            &"a".repeat(MAX_LENGTH + 1),
            "exprs[0].current has 2049 bytes, more than 2048",
        ),
        (
            &format!("{}1{}", "(".repeat(500), ")".repeat(500)),
            "exprs[0].current nests deeper than 40",
        ),
        (&format!("a{}", ".a".repeat(1000)), "nests deeper"),
        (&format!("{}true", "!".repeat(2001)), ""),
        (&format!("{}1", "a?b:".repeat(500)), "exprs[0].current "),
        (&format!("1{}", "+1".repeat(1000)), "nests deeper"),
    ] {
        match one(text) {
            Err(error) => assert!(error.to_string().contains(part), "{text}: {error}"),
            Ok(_) => assert_eq!(part, "", "{text}"),
        }
    }
}

/// What is not refused ends in time, on the stack of any thread.
#[test]
fn hostile_expressions_end() {
    let list: Vec<u32> = (0..200).collect();
    let mut object = thing(conditions("True"));
    object["spec"]["list"] = json!(list);
    object["spec"]["text"] = json!("a".repeat(1000));
    let doubled = |n: usize| format!("[spec.text]{}.size() == 1", ".map(a, a + a)".repeat(n));
    let hostile = [
        "spec.list.all(a, spec.list.all(b, spec.list.all(c, spec.list.all(d, true))))".to_owned(),
        doubled(30),
        format!("spec.text{}.size() == 1", ".replace('a', 'aaaaaaaa')".repeat(12)),
        format!("{}'%s%s'.format([spec.text, spec.text]){}.size() > 0", "", ""),
        "spec.text.split('').all(a, spec.text.split('').all(b, spec.text.split('').all(c, a == b)))"
            .to_owned(),
        "spec.list.map(a, spec.list.map(b, spec.list.map(c, [a, b, c]))).size() == 1".to_owned(),
    ];
    for text in hostile {
        let began = Instant::now();
        let checks = one(&text).unwrap();
        let said = checks.0[0].expressions[0].1.is_true(&object);
        assert!(
            said.is_ok() || said.as_ref().is_err_and(|why| why.contains("10000000 steps")),
            "{text}: {said:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(30), "{text}");
    }
    assert!(
        one(&doubled(30)).unwrap().0[0].expressions[0]
            .1
            .is_true(&object)
            .is_err()
    );
    let deepest = (0..MAX_DEPTH).rev().find_map(|depth| {
        let text = format!("{}true{}", "[".repeat(depth), "][0]".repeat(depth));
        one(&text).ok()
    });
    assert_eq!(deepest.unwrap().0[0].expressions[0].1.is_true(&object), Ok(true));
}
