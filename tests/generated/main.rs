//! Files that are made from the code are as the code makes them, and documents name everything that they are about.
//! `make generate` writes the generated parts anew.
#![allow(clippy::expect_used, clippy::panic)]

mod commands;
mod conditions;
mod fields;
mod limits;

use std::{env, fs, path::Path, path::PathBuf};

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn committed(path: &str) -> String {
    fs::read_to_string(place(path)).unwrap_or_default()
}

fn same_as_committed(path: &str, generated: &str) {
    let file = place(path);
    if env::var_os("HELMAPP_BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("a directory")).expect("the directory can be made");
        fs::write(&file, generated).expect("the file can be written");
        return;
    }
    let committed = committed(path);
    let differs = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "{path} is not what the code makes (first difference in line {}): run `make generate`",
        differs.unwrap_or(committed.lines().count().min(generated.lines().count())) + 1,
    );
}

/// Parts of a document that people write, each between its markers, are as the code makes them.
fn parts_as_committed(path: &str, parts: &[(&str, String)]) {
    let mut text = committed(path);
    for (name, generated) in parts {
        let begin = format!("<!-- generated: {name} -->\n");
        let (before, rest) = text
            .split_once(&begin)
            .unwrap_or_else(|| panic!("{path} has no line {}", begin.trim()));
        let (_, after) = rest.split_once("<!-- end -->").expect("the part ends");
        text = format!("{before}{begin}\n{generated}\n<!-- end -->{after}");
    }
    same_as_committed(path, &text);
}

/// A row of a table.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

#[test]
fn crd() {
    let generated = helmapp::api::crd_yaml().expect("the CRD can be written");
    same_as_committed("crds/helmapp.io_helmapps.yaml", &generated);
    same_as_committed("charts/helmapp/crds/helmapp.io_helmapps.yaml", &generated);
}
