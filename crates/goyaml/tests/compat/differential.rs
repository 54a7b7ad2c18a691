//! The same questions to Go and to this crate.
//!
//! `HELMAPP_DIFF_YAML` sets how many cases of each kind are made up (4,000 unless set), `HELMAPP_DIFF_SEED`
//! the seed, and `HELMAPP_DIFF_CORPUS_SHARE=1` takes all documents of the corpus, not every 40th.

use crate::cases;
use crate::oracle::{Case, agree, ask, case, ours};
use flate2::read::GzDecoder;
use helmapp_goyaml::Value;
use helmapp_oracle::{Random, seed, setting, tell};
use std::io::Read;
use std::path::{Path, PathBuf};

fn is_ordered(case: &Case) -> bool {
    let parse = || serde_json::from_str(&case.input).expect("the case is JSON");
    match case.op {
        "marshal" => cases::has_order(&parse(), helmapp_goyaml::natural_cmp),
        "v3pretty" => cases::has_order(&parse(), helmapp_goyaml::natural_cmp_v3),
        "value" => helmapp_goyaml::from_str(&case.input)
            .as_ref()
            .map_or(true, has_one_kind),
        _ => true,
    }
}

/// Whether the keys of each map are of one type: Go prints those of several in an order that the linker sets.
fn has_one_kind(value: &Value) -> bool {
    match value {
        Value::Seq(items) => items.iter().all(has_one_kind),
        Value::Map(entries) => {
            let mut kinds = entries.iter().map(|(key, _)| std::mem::discriminant(key));
            let first = kinds.next();
            kinds.all(|kind| Some(kind) == first) && entries.iter().all(|(_, item)| has_one_kind(item))
        }
        _ => true,
    }
}

/// Asks both, and fails with the first differences.
fn compare(name: &str, cases: &[Case]) {
    let mut different = Vec::new();
    let mut unstable = 0;
    let mut errors = 0;
    for (case, go) in cases.iter().zip(ask(cases)) {
        if go.unstable || !is_ordered(case) {
            unstable += 1;
            continue;
        }
        errors += usize::from(!go.err.is_empty());
        let ours = ours(case.op, &case.input);
        if !agree(case.op, &go, &ours) {
            different.push((case, go, ours));
        }
    }
    tell(format!(
        "{name}: {} cases, {errors} errors, {unstable} unstable, {} different",
        cases.len(),
        different.len()
    ));
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
    (Random::new(seed()), setting("HELMAPP_DIFF_YAML", 4_000))
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

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Texts of the YAML files below a folder: plain, gzipped (`.yaml.gz`), and in chart archives.
fn yaml_texts(folder: &Path, texts: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).expect("the corpus is readable");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry is readable").path())
        .collect();
    paths.sort();
    for path in paths {
        let unzip = || GzDecoder::new(std::fs::File::open(&path).expect("a file is readable"));
        let mut text = String::new();
        if path.is_dir() {
            yaml_texts(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "tgz") {
            for entry in tar::Archive::new(unzip())
                .entries()
                .expect("a chart is an archive")
            {
                let mut entry = entry.expect("an entry is readable");
                let mut text = String::new();
                if is_yaml(&entry.path().expect("a path")) && entry.read_to_string(&mut text).is_ok() {
                    texts.push(text);
                }
            }
        } else if is_yaml(&path) {
            texts.push(std::fs::read_to_string(&path).expect("a file is text"));
        } else if path.extension().is_some_and(|extension| extension == "gz")
            && is_yaml(&path.with_extension(""))
        {
            unzip().read_to_string(&mut text).expect("a file is text");
            texts.push(text);
        }
    }
}

/// Every YAML file of the charts' corpus, whole and document by document; templates, too, which mostly are
/// none. Each is read once as it stands, and once with a small change; what it holds is written.
#[test]
fn corpus_as_go_reads() {
    let corpus = match std::env::var_os("HELMAPP_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    };
    if !corpus.is_dir() {
        tell(format!("corpus: not run: {} is not there", corpus.display()));
        return;
    }
    let mut texts = Vec::new();
    yaml_texts(&corpus, &mut texts);
    texts.sort();
    texts.dedup();
    let mut documents: Vec<String> = texts
        .iter()
        .filter(|text| text.contains("\n---"))
        .flat_map(|text| text.split("\n---").map(str::to_owned))
        .chain(texts.iter().filter(|text| text.len() < 1 << 18).cloned())
        .collect();
    documents.sort();
    documents.dedup();
    // All of them take minutes: the normal run takes every so many of them.
    let share = setting("HELMAPP_DIFF_CORPUS_SHARE", 40).max(1);
    let share = usize::try_from(share).expect("a small number");
    let (mut random, _) = random();
    let mut reads = Vec::new();
    let mut writes = Vec::new();
    for document in documents.iter().step_by(share) {
        reads.push(case("yamlToJSON", document.as_str()));
        reads.push(case("yamlToJSON", cases::change(&mut random, document)));
        if let Ok(value) = helmapp_goyaml::sigs::to_json(document, helmapp_goyaml::sigs::Numbers::Exact) {
            writes.push(case("marshal", value.to_string()));
            writes.push(case("v3pretty", value.to_string()));
        }
    }
    compare("corpus, read", &reads);
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
