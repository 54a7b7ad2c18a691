//! What the tracked files must and must not contain.

use std::fs;

use crate::{output, root};

fn tracked() -> Vec<String> {
    output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])
        .lines()
        .map(str::to_owned)
        .collect()
}

fn text_of(path: &str) -> Option<String> {
    fs::read(root().join(path))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
}

/// Directories that exist on somebody's machine only. Spelt in pieces, so that this file does not find itself.
fn absolute_places() -> Vec<String> {
    ["work", "root"].iter().map(|name| format!("/{name}/")).collect()
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let mut found = Vec::new();
    for path in &tracked() {
        let Some(text) = text_of(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split(|c: char| c.is_whitespace() || "\"'`(),;=".contains(c));
            if words.any(|word| {
                absolute_places()
                    .iter()
                    .any(|place| word.starts_with(place.as_str()))
            }) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "paths of one machine:\n{}", found.join("\n"));
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ig", "nore"),
    ];
    let mut found = Vec::new();
    for path in tracked()
        .iter()
        .filter(|path| path.ends_with(".rs") || path.ends_with(".go"))
    {
        let Some(text) = text_of(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if markers.iter().any(|marker| line.contains(marker)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "unfinished work:\n{}", found.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is() {
    let mut silent = Vec::new();
    for path in tracked()
        .iter()
        .filter(|path| path.ends_with(".rs") && !path.ends_with("/tests.rs"))
    {
        let Some(text) = text_of(path) else { continue };
        if !text.starts_with("//!") {
            silent.push(path.clone());
        }
    }
    assert!(
        silent.is_empty(),
        "files without a module doc on their first line:\n{}",
        silent.join("\n")
    );
}

#[test]
fn files_stay_small_enough_to_read() {
    const LIMIT: usize = 1000;
    let long: Vec<String> = tracked()
        .iter()
        .filter(|path| path.ends_with(".rs"))
        .filter_map(|path| {
            let lines = text_of(path)?.lines().count();
            (lines > LIMIT).then(|| format!("{path}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "files over {LIMIT} lines:\n{}", long.join("\n"));
}
