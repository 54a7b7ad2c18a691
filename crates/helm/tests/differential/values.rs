//! Values layers: trees of odd values as YAML, and what --set and its family take.

use helmapp_oracle::Random;
use helmapp_oracle::helm::{Case, File};

/// Keys that the charts know, among others that they do not.
const KEYS: [&str; 18] = [
    "text", "n", "m", "l", "nested", "global", "on", "ls", "f", "huge", "tags", "a", "b", "x.y", "é", "t",
    "exports", "data",
];

const SCALARS: [&str; 36] = [
    "~",
    "null",
    "true",
    "no",
    "0",
    "-1",
    "5",
    "1.5",
    "1e3",
    "1000000",
    "9007199254740993",
    "0x1F",
    "010",
    "18446744073709551615",
    "-0",
    ".5",
    "\"\"",
    "''",
    "a",
    "x y",
    "\"quoted: #x\"",
    "é日本",
    "2024-02-29",
    "\"{{ .Release.Name }}\"",
    "12:30",
    "\"null\"",
    "'1'",
    "1_000",
    "\"a\\nb\\n\"",
    "!!str 5",
    "!!int \"7\"",
    "\"😀\"",
    "v1.2.3",
    "\"  x\"",
    "\"\\u2028\"",
    "0.1",
];

/// A tree as YAML in flow style.
pub(crate) fn tree(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0..5 => random.pick(&SCALARS).to_owned(),
        5..8 => map(random, depth - 1),
        _ => {
            let items: Vec<String> = (0..random.below(4)).map(|_| tree(random, depth - 1)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn map(random: &mut Random, depth: usize) -> String {
    let mut entries: Vec<(&str, String)> = Vec::new();
    for _ in 0..random.below(4) {
        let key = random.pick(&KEYS);
        // Twice the same key is an error for most readers; that is another test's matter.
        if entries.iter().all(|(known, _)| *known != key) {
            entries.push((key, tree(random, depth)));
        }
    }
    let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    format!("{{{}}}", entries.join(", "))
}

/// A values file: some keys with trees.
pub(crate) fn layer(random: &mut Random, keys: &[&str]) -> String {
    let mut text = String::new();
    let mut seen = Vec::new();
    for _ in 0..random.below(6) {
        let key = match random.below(2) {
            0 => random.pick(keys),
            _ => random.pick(&KEYS),
        };
        if !seen.contains(&key) {
            seen.push(key);
            // Where a sub-chart reads its values, mostly a map.
            let value = match key {
                "sub" | "lib" | "alias" | "global" | "on" if !random.one_in(15) => map(random, 2),
                _ => tree(random, 3),
            };
            text.push_str(&format!("{key}: {value}\n"));
        }
    }
    text
}

fn path(random: &mut Random, keys: &[&str]) -> String {
    if random.one_in(200) {
        return random.pick(&["[0]", "x[", "a[-1]", "l[99999]", "."]).to_owned();
    }
    let mut path = match random.below(3) {
        0 => random.pick(&[
            "a\\.b",
            "list[0]",
            "l[1]",
            "ls[9]",
            "m.new[1].x",
            "nested.list[2]",
            "[0]",
            "x[",
            "é",
        ]),
        1 => random.pick(keys),
        _ => random.pick(&KEYS),
    }
    .to_owned();
    for _ in 0..random.below(3) {
        path.push('.');
        path.push_str(random.pick(&[
            "a", "enabled", "x", "b", "text", "l[0]", "global", "g", "tags", "deep",
        ]));
    }
    path
}

fn set(random: &mut Random, keys: &[&str]) -> String {
    let mut parts = Vec::new();
    for _ in 0..1 + random.below(2) {
        let value = random.pick(&[
            "1",
            "true",
            "null",
            "",
            "x",
            "{a,b}",
            "{}",
            "a\\,b",
            "0x1F",
            "010",
            "1.5",
            "\"q\"",
            "a=b",
            "{1,null,x}",
            "[1]",
            "9007199254740993",
            "false",
            "é 日本",
            "1e3",
            "0",
            "-7",
            "nil",
        ]);
        parts.push(match random.below(40) {
            0 => path(random, keys),
            _ => format!("{}={value}", path(random, keys)),
        });
    }
    parts.join(",")
}

/// Layers over a chart that has these top-level keys and sub-charts.
pub(crate) fn add_layers(case: &mut Case, random: &mut Random, keys: &[&str]) {
    for _ in 0..random.below(3) {
        case.values.push(match random.below(40) {
            0 => random
                .pick(&["a: [", "- 1", "x", "", "a: 1\na: 2\n", "\t", "~", "# only\n"])
                .to_owned(),
            _ => layer(random, keys),
        });
    }
    if random.one_in(4) {
        case.set.push(set(random, keys));
    }
    if random.one_in(6) {
        case.set_string.push(set(random, keys));
    }
    if random.one_in(8) {
        let value = random.pick(&[
            "{\"a\":1,\"b\":[null,2.5]}",
            "[1,\"x\"]",
            "\"s\"",
            "1e3",
            "nope",
            "12345678901234567890",
            "null",
        ]);
        case.set_json.push(match random.below(4) {
            0 => format!("{{\"{}\":{value}}}", random.pick(&KEYS)),
            _ => format!("{}={value}", path(random, keys)),
        });
    }
    if random.one_in(10) {
        case.set_literal.push(set(random, keys));
    }
    if random.one_in(10) {
        case.inputs.push(File {
            name: "f.txt".into(),
            text: random
                .pick(&["", "line\nline\n", "a: 1", "{{ .Release.Name }}", "é, \"x\""])
                .into(),
            ..File::default()
        });
        let name = random.pick(&["f.txt", "f.txt", "f.txt", "f.txt", "f.txt", "missing"]);
        case.set_file.push(format!("{}=case:{name}", path(random, keys)));
    }
}
