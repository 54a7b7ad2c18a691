//! Recorded answers of Go's regexp, and the limits. Bytes are written as the code points of Latin-1,
//! because JSON can not hold text that is not UTF-8.

use serde_json::Value;

use super::{ErrorKind, MAX_CACHED, MAX_DEPTH, MAX_PATTERN_LEN, Regex, quote_meta};

fn bytes(v: &Value) -> Vec<u8> {
    v.as_str()
        .unwrap()
        .chars()
        .map(|c| u8::try_from(c).unwrap())
        .collect()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn list(parts: Vec<&[u8]>) -> Value {
    parts.into_iter().map(latin1).collect()
}

#[test]
fn patterns_behave_as_recorded() {
    let rows: Vec<Value> = include_str!("../../tests/fixtures/re2.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let texts: Vec<Vec<u8>> = rows.last().unwrap()["texts"]
        .as_array()
        .unwrap()
        .iter()
        .map(bytes)
        .collect();
    let (mut runs, mut differ) = (0, Vec::new());
    for row in &rows[..rows.len() - 1] {
        let pattern = row["p"].as_str().unwrap();
        let regex = match Regex::new(pattern.as_bytes()) {
            Ok(regex) => regex,
            Err(e) => {
                if row["err"] != e.to_string() {
                    differ.push(format!("{pattern:?}: {e}, Go says {}", row["err"]));
                }
                continue;
            }
        };
        if row.get("err").is_some() {
            differ.push(format!("{pattern:?}: accepted, Go says {}", row["err"]));
            continue;
        }
        for run in row["runs"].as_array().unwrap() {
            runs += 1;
            let text = &texts[run[0].as_u64().unwrap() as usize];
            let n = run[2].as_i64().unwrap();
            let template = run[5].as_str().unwrap().as_bytes();
            let all = regex.find_all(text, n).unwrap();
            let got = serde_json::json!([
                run[0],
                regex.find(text).unwrap().map(latin1),
                n,
                if all.is_empty() { Value::Null } else { list(all) },
                regex.split(text, n).unwrap().map(list),
                run[5],
                latin1(&regex.replace_all(text, template).unwrap()),
                latin1(&regex.replace_all_literal(text, template).unwrap()),
            ]);
            if got != *run {
                differ.push(format!("{pattern:?}: {got}, Go says {run}"));
            }
        }
    }
    assert!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
    assert!(runs > 3000, "{runs}");
}

#[test]
fn limits_are_enforced() {
    let error = |pattern: String| Regex::new(pattern.as_bytes()).unwrap_err();
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Regex::new(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(error(nested(MAX_DEPTH + 1)).kind(), ErrorKind::NestingDepth);
    assert!(Regex::new("a".repeat(10_000).as_bytes()).is_ok());
    assert_eq!(error("a".repeat(MAX_PATTERN_LEN + 1)).kind(), ErrorKind::Large);
    let large = error(r"(\pL{1000}|.{999}x)|(\pN|\pL){900}".repeat(3));
    assert_eq!(large.kind(), ErrorKind::Large);
    assert!(
        large
            .to_string()
            .starts_with("error parsing regexp: expression too large: `")
    );
}

#[test]
fn invalid_utf8_in_a_pattern_is_named() {
    let error = Regex::new(b"ab\xff(").unwrap_err();
    assert_eq!(
        error.to_string(),
        "error parsing regexp: invalid UTF-8: `\u{FFFD}(`"
    );
}

#[test]
fn the_cache_gives_the_same_program_and_stays_bounded() {
    let first = Regex::cached(b"cached(a|b)").unwrap();
    let again = Regex::cached(b"cached(a|b)").unwrap();
    assert_eq!(first.as_str(), again.as_str());
    assert!(Regex::cached(b"cached(").is_err());
    for i in 0..2 * MAX_CACHED {
        assert!(
            Regex::cached(format!("cached{i}$").as_bytes())
                .unwrap()
                .is_match(format!("cached{i}").as_bytes())
                .unwrap()
        );
    }
}

#[test]
fn meta_characters_are_quoted() {
    assert_eq!(
        quote_meta(br"a.b\*+?()|[]{}^$-/"),
        br"a\.b\\\*\+\?\(\)\|\[\]\{\}\^\$-/"
    );
}
