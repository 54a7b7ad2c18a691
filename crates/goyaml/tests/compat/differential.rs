//! The same questions to Go and to this crate.
//!
//! `HELMAPP_DIFF_CASES` sets how many cases of each kind are made up (4,000 unless set), `HELMAPP_DIFF_SEED`
//! the seed.

use crate::cases;
use crate::oracle::{Case, agree, ask, case, ours};
use crate::random::Random;
use std::path::{Path, PathBuf};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}

/// Asks both, and fails with the first differences.
fn compare(name: &str, cases: &[Case]) {
    let mut different = Vec::new();
    let mut unstable = 0;
    let mut errors = 0;
    for (case, go) in cases.iter().zip(ask(cases)) {
        if go.unstable {
            unstable += 1;
            continue;
        }
        errors += usize::from(!go.err.is_empty());
        let ours = ours(case.op, &case.input);
        if !agree(case.op, &go, &ours) {
            different.push((case, go, ours));
        }
    }
    println!(
        "{name}: {} cases, {errors} errors, {unstable} unstable, {} different",
        cases.len(),
        different.len()
    );
    different.sort_by_key(|(case, ..)| case.input.len());
    for (case, go, ours) in different.iter().take(30) {
        println!("{} {:?}", case.op, case.input);
        println!("  go:   {:?} {:?}", go.out, go.err);
        println!("  ours: {:?} {:?}", ours.out, ours.err);
    }
    assert!(
        different.is_empty(),
        "{name}: {} of {} cases differ from Go",
        different.len(),
        cases.len()
    );
}

fn random() -> (Random, u64) {
    (
        Random::new(setting("HELMAPP_DIFF_SEED", 1)),
        setting("HELMAPP_DIFF_CASES", 4_000),
    )
}

#[test]
fn written_as_go_writes() {
    let (mut random, count) = random();
    let cases: Vec<Case> = (0..count).map(|_| cases::marshal(&mut random)).collect();
    compare("written", &cases);
}

#[test]
fn read_as_go_reads() {
    let (mut random, count) = random();
    let cases: Vec<Case> = (0..count).map(|_| cases::document(&mut random)).collect();
    compare("read", &cases);
}

/// What Go writes is read back as it was.
#[test]
fn written_and_read_back() {
    let (mut random, count) = random();
    let cases: Vec<Case> = (0..count).map(|_| cases::marshal(&mut random)).collect();
    let texts: Vec<Case> = ask(&cases)
        .into_iter()
        .filter(|answer| answer.err.is_empty())
        .map(|answer| case("yamlToJSON", answer.out))
        .collect();
    compare("read back", &texts);
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            found.push(path);
        }
    }
}

/// Every YAML file of the charts' corpus, and every document of those that hold several.
#[test]
fn corpus_as_go_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus = match std::env::var_os("HELMAPP_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => root.join("../shared/corpus"),
    };
    if !corpus.is_dir() {
        println!("corpus: not run, {} is not there", corpus.display());
        return;
    }
    let mut files = Vec::new();
    yaml_files(&corpus, &mut files);
    files.sort();
    let mut reads = Vec::new();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(file) else {
            continue;
        };
        if text.len() < 1 << 20 {
            reads.push(case("yamlToJSON", text.clone()));
        }
        if text.contains("\n---") {
            reads.extend(text.split("\n---").map(|document| case("yamlToJSON", document)));
        }
    }
    compare("corpus, read", &reads);
    let writes: Vec<Case> = reads
        .iter()
        .filter_map(|read| {
            helmapp_goyaml::sigs::to_json(&read.input, helmapp_goyaml::sigs::Numbers::Exact).ok()
        })
        .flat_map(|value| {
            [
                case("marshal", value.to_string()),
                case("v3pretty", value.to_string()),
            ]
        })
        .collect();
    compare("corpus, written", &writes);
}

/// Numbers alone, many to a case.
#[test]
fn numbers_as_go_writes() {
    let (mut random, count) = random();
    let cases: Vec<Case> = (0..count / 10)
        .map(|at| {
            let numbers: Vec<serde_json::Value> = (0..100).map(|_| cases::number(&mut random)).collect();
            let text = serde_json::Value::Array(numbers).to_string();
            case(if at % 2 == 0 { "marshal" } else { "v3pretty" }, text)
        })
        .collect();
    compare("numbers", &cases);
}
