//! Recorded answers of the Go libraries, one file a subject, one case a line. They need no Go.
//!
//! `HELMAPP_BLESS=1` records them anew.

use crate::oracle::{Answer, Case, agree, ask, ours};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize, Deserialize)]
struct Fixture {
    name: String,
    op: String,
    #[serde(rename = "in")]
    input: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    out: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    err: String,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("fixtures are there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files
}

fn load(file: &Path) -> Vec<Fixture> {
    let text = std::fs::read_to_string(file).expect("a fixture file is text");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}

#[test]
fn answers_as_recorded() {
    let mut count = 0;
    let mut different = Vec::new();
    for fixture in files().iter().flat_map(|file| load(file)) {
        count += 1;
        let recorded = Answer {
            out: fixture.out,
            err: fixture.err,
            unstable: false,
        };
        let ours = ours(&fixture.op, &fixture.input);
        if !agree(&fixture.op, &recorded, &ours) {
            different.push(format!(
                "{}: {:?}\n  go:   {recorded:?}\n  ours: {ours:?}",
                fixture.name, fixture.input
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {count} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    assert!(count > 100, "only {count} fixtures");
}

#[test]
fn recorded_as_go_answers() {
    const OPS: [&str; 7] = [
        "yamlToJSON",
        "bytes",
        "strict",
        "map",
        "value",
        "marshal",
        "v3pretty",
    ];
    for file in files() {
        let mut fixtures = load(&file);
        let cases: Vec<Case> = fixtures
            .iter()
            .map(|fixture| Case {
                op: OPS.into_iter().find(|op| *op == fixture.op).expect("a known op"),
                input: fixture.input.clone(),
            })
            .collect();
        let mut changed = Vec::new();
        for (fixture, go) in fixtures.iter_mut().zip(ask(&cases)) {
            assert!(!go.unstable, "{} depends on map order", fixture.name);
            if (&go.out, &go.err) != (&fixture.out, &fixture.err) {
                changed.push(fixture.name.clone());
                (fixture.out, fixture.err) = (go.out, go.err);
            }
        }
        if std::env::var_os("HELMAPP_BLESS").is_some() {
            let lines: Vec<String> = fixtures
                .iter()
                .map(|fixture| serde_json::to_string(fixture).expect("JSON") + "\n")
                .collect();
            std::fs::write(&file, lines.concat()).expect("fixtures are writable");
        } else {
            assert!(
                changed.is_empty(),
                "{}: not what Go answers: {}",
                file.display(),
                changed.join(", ")
            );
        }
    }
}
