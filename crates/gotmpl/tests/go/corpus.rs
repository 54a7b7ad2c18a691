//! Real charts: each template of each chart parses here as it does in Go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use helmapp_gotmpl::{Functions, Unit, Value, Variadic};
use helmapp_oracle::tell;

/// The folder of the charts: HELMAPP_CORPUS, or the folder `shared/corpus` beside a checkout's folder.
fn folder() -> PathBuf {
    match std::env::var_os("HELMAPP_CORPUS") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    }
}

/// Functions of the names that charts call; nothing is executed.
fn functions(names: &str) -> Functions {
    let mut functions = Functions::new();
    for name in names.split_whitespace() {
        functions.add(name.to_string(), |_: Variadic<Value>| Value::Nil);
    }
    functions
}

#[test]
fn templates_of_real_charts_parse() {
    let charts = folder().join("charts");
    let Ok(entries) = std::fs::read_dir(&charts) else {
        tell(format!(
            "corpus: not run: {charts:?} is not there (set HELMAPP_CORPUS)"
        ));
        return;
    };
    let funcs = functions(include_str!("helm_functions.txt"));
    let (mut count, mut bytes, mut time) = (0, 0, Duration::ZERO);
    let mut failed = BTreeMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "tgz") {
            continue;
        }
        for (name, source) in templates(&path) {
            let start = Instant::now();
            let result = Unit::compile(&name, &source, &funcs);
            time += start.elapsed();
            count += 1;
            bytes += source.len();
            if let Err(e) = result {
                failed.insert(format!("{}: {name}", path.display()), e.to_string());
            }
        }
    }
    tell(format!(
        "templates of the corpus: {count} parsed, {bytes} bytes, in {time:?}"
    ));
    assert!(count > 1000, "only {count} templates in {charts:?}");
    assert!(failed.is_empty(), "{} do not parse: {failed:#?}", failed.len());
}

/// The templates of a packaged chart and of the charts in it.
fn templates(archive: &PathBuf) -> Vec<(String, String)> {
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut out = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let template = name.contains("/templates/")
            && [".yaml", ".yml", ".tpl", ".txt"]
                .iter()
                .any(|e| name.ends_with(e));
        if template {
            let mut source = String::new();
            if std::io::Read::read_to_string(&mut entry, &mut source).is_ok() {
                out.push((name, source));
            }
        }
    }
    out
}
