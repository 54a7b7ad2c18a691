//! Made-up cases: strings, numbers, trees and documents that reach every corner of the libraries.

use crate::oracle::{Case, case};
use helmapp_goyaml::natural_sort;
use helmapp_oracle::Random;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Pieces that mean something to YAML, or look as if they did.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "a", "b", "key", "x1", "x10", "x2", "yes", "no", "on", "off", "y", "n", "true", "null", "~", "0", "1",
    "10", "007", "0o7", "0x1f", "0b11", "1_000", "1.5", ".5", "1e3", "1e+06", "-1", "+1", ".inf", "-.inf",
    ".nan", "1:30", "12:30:45", "190:20:30.15", "2001-01-01", "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43", "2002-1-2", "-", "- ", ":", ": ", "?", "? ", "#", " #", "# c", "&", "&a ", "*",
    "*a", "!", "!!str ", "!!int ", "!!float ", "!!binary ", "!!null ", "!x ", "!!set ",
    "!<tag:yaml.org,2002:str> ", "|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "'", "\"", "''", "\"\"",
    "'a'", "\"a\"", "%", "@", "`", "{", "}", "[", "]", ",", ", ", "{}", "[]", "{a: b}", "[a, b]", "---",
    "...", "--- ", "\n---\n", "\n...\n", "\\", "\\n", "\\x41", "\\u00e9", "\\U0001F600", "<<", "<<: *a",
    "=", "\t", " ", "  ", "\n", "\n\n", "\n  ", "\n ", "\n- ", "\n  - ", "\r\n", "\r", "é", "日本", "😀",
    "\u{85}", "\u{2028}", "\u{A0}", "\u{FEFF}", "::", "a:b", "a: b", "a#b", "a #b", "http://x/y?z=1&w",
    "{{ .Values.x }}", "$(FOO)", "a,b", "a]b", "a}b", "a?b", "?a", "-a", ":a", "a:", "18446744073709551615",
    "9223372036854775808", "-9223372036854775809", "1e400", "0.1", "1.", "0.", "-0", "0x", "0b2", "1__0",
    "._5", ".5_0",
];

/// Words for texts that may need folding.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "lorem", "ipsum", "it's", "\"q\"", "a:b", "x: y", "#h", "é", "日本語", "averyveryverylongword", "-", "1",
];

/// Characters of every class.
#[rustfmt::skip]
const CHARS: &[char] = &[
    'a', 'Z', '0', '9', '_', '-', '.', '/', ' ', ' ', '\n', '\t', ':', '#', '\'', '"', '\\', ',', '[', ']',
    '{', '}', '&', '*', '!', '|', '>', '%', '@', '`', '?', '<', '=', '~', '+', '$', '(', ';', '^', '\r',
    '\0', '\x07', '\x1B', '\x7F', '\u{80}', '\u{85}', '\u{A0}', 'é', 'ß', '\u{300}', '中', '\u{2028}',
    '\u{2029}', '\u{FEFF}', '\u{FFFD}', '\u{FFFE}', '\u{E000}', '😀', '\u{10FFFF}', '٣', 'Ⅷ',
];

pub(crate) fn text(random: &mut Random) -> String {
    let mut out = String::new();
    match random.below(6) {
        0 => out.push_str(random.pick(PIECES)),
        1 => {
            for _ in 0..1 + random.below(4) {
                out.push_str(random.pick(PIECES));
            }
        }
        2 => {
            for _ in 0..random.below(12) {
                out.push(CHARS[random.below(CHARS.len())]);
            }
        }
        3 => {
            for at in 0..5 + random.below(40) {
                if at > 0 {
                    out.push_str(if random.one_in(12) { "  " } else { " " });
                }
                out.push_str(random.pick(WORDS));
                if random.one_in(25) {
                    out.push('\n');
                }
            }
        }
        4 => {
            for _ in 0..1 + random.below(5) {
                out.push_str(random.pick(&["", " ", "  ", "\t"]));
                out.push_str(random.pick(PIECES));
                out.push('\n');
            }
            if random.one_in(2) {
                out.pop();
            }
        }
        _ => {
            for _ in 0..1 + random.below(8) {
                out.push(char::from(b' ' + u8::try_from(random.below(95)).expect("ASCII")));
            }
        }
    }
    if random.one_in(60) {
        out = out.repeat(1 + random.below(80));
    }
    out
}

pub(crate) fn number(random: &mut Random) -> Value {
    let bits = random.next_u64();
    match random.below(8) {
        0 => json!(bits as i64),
        1 => json!(bits),
        2 => json!(bits >> random.below(64)),
        3 => json!(-((bits >> (1 + random.below(63))) as i64)),
        4 => finite(f64::from_bits(bits)),
        5 => finite((bits >> 40) as f64 / 1000.0),
        6 => finite((bits >> random.below(64)) as f64),
        _ => finite((random.below(2000) as f64 - 1000.0) * 10f64.powi(random.below(50) as i32 - 25)),
    }
}

fn finite(float: f64) -> Value {
    if float.is_finite() {
        json!(float)
    } else {
        json!(0.5)
    }
}

fn tree(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 12 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => number(random),
        3..6 => json!(text(random)),
        6..9 => {
            let mut map = Map::new();
            for _ in 0..random.below(6) {
                map.insert(text(random), tree(random, depth - 1));
            }
            Value::Object(map)
        }
        _ => Value::Array((0..random.below(5)).map(|_| tree(random, depth - 1)).collect()),
    }
}

/// A tree to be written.
pub(crate) fn marshal(random: &mut Random) -> Case {
    let value = match random.below(4) {
        0 => json!({"k": text(random)}),
        1 => json!({"k": [number(random)]}),
        2 => json!({text(random): text(random), text(random): 1, text(random): {text(random): text(random)}}),
        _ => tree(random, 4),
    };
    case(
        if random.one_in(3) { "v3pretty" } else { "marshal" },
        value.to_string(),
    )
}

fn scalar(random: &mut Random, out: &mut String, indent: usize, flow: bool) {
    match random.below(14) {
        0 => out.push_str(&format!("'{}'", random.pick(WORDS).replace('\'', "''"))),
        1 => out.push_str(&format!(
            "\"{}\\n\\u00e9{}\"",
            random.pick(&["a", "b\\\"", " "]),
            random.below(10)
        )),
        2 if !flow => {
            out.push_str(random.pick(&["|", ">", "|-", ">-", "|+", ">+", "|2", "> # c"]));
            for _ in 0..1 + random.below(4) {
                out.push('\n');
                if !random.one_in(5) {
                    out.push_str(&" ".repeat(indent + 2 + random.below(2)));
                    out.push_str(random.pick(WORDS));
                }
            }
        }
        3 => out.push_str(&format!(
            "{}\n{}{}",
            random.pick(WORDS),
            " ".repeat(indent + 1),
            random.pick(WORDS)
        )),
        4 => out.push_str(&format!(
            "\"{} \n{} {}\"",
            random.pick(&["a", "b"]),
            " ".repeat(indent + 1),
            random.below(10)
        )),
        5 => out.push_str(random.pick(&["*a", "*b", "*m"])),
        6 => out.push_str(&format!(
            "{}{}",
            random.pick(&["&a ", "&b ", "!!str ", "!!int ", "!x ", "!!float "]),
            random.below(20)
        )),
        7 | 8 => out.push_str(random.pick(PIECES)),
        _ => out.push_str(random.pick(&[
            "a",
            "1",
            "yes",
            "x y",
            "0755",
            "1.50",
            "~",
            "",
            "2001-01-01",
            "a-b",
            "v1.2.3",
            "1e3",
            "host:80",
        ])),
    }
}

fn flow(random: &mut Random, out: &mut String, depth: usize) {
    if depth == 0 || random.one_in(3) {
        scalar(random, out, 0, true);
        return;
    }
    let map = random.one_in(2);
    out.push(if map { '{' } else { '[' });
    for at in 0..random.below(4) {
        if at > 0 {
            out.push_str(random.pick(&[", ", ",", ",\n  ", " , "]));
        }
        if map || random.one_in(8) {
            scalar(random, out, 0, true);
            out.push_str(random.pick(&[": ", ": ", ":", " : "]));
        }
        flow(random, out, depth - 1);
    }
    out.push_str(random.pick(&["", "", " ", ","]));
    out.push(if map { '}' } else { ']' });
}

fn block(random: &mut Random, out: &mut String, indent: usize, depth: usize) {
    let pad = " ".repeat(indent);
    let map = random.below(3) > 0;
    for at in 0..1 + random.below(4) {
        if random.one_in(10) {
            out.push_str(random.pick(&["# comment\n", "\n", "   # c\n"]));
        }
        out.push_str(&pad);
        if random.one_in(60) {
            out.push(' ');
        }
        if map {
            match random.below(16) {
                0 => out.push_str(random.pick(&[
                    "<<: *m",
                    "<<: [*m, *a]",
                    "<<: {z: 1}",
                    "? a\n: b",
                    "1: x",
                    "yes: x",
                    "1.0: x",
                    "~: x",
                ])),
                1 => out.push_str(&format!("? {}\n{pad}: ", random.pick(&["a", "[a]", "x y"]))),
                2 => out.push_str(&format!("\"q{at}\": ")),
                _ => out.push_str(&format!("k{}: ", random.below(6))),
            }
        } else {
            out.push_str("- ");
        }
        match random.below(8) {
            0 | 1 if depth > 0 => {
                if random.one_in(4) {
                    out.push_str(random.pick(&["&m", "&a", "!!map", "# c"]));
                }
                out.push('\n');
                let step = if map && random.one_in(4) {
                    0
                } else {
                    2 + random.below(2)
                };
                block(random, out, indent + step, depth - 1);
                continue;
            }
            2 if depth > 0 && !map => {
                let mut inner = String::new();
                block(random, &mut inner, indent + 2, depth - 1);
                out.push_str(inner.trim_start());
                continue;
            }
            3 => flow(random, out, 2),
            _ => scalar(random, out, indent, false),
        }
        out.push_str(random.pick(&["", "", "", " # c", " "]));
        out.push_str(if random.one_in(50) { "\r\n" } else { "\n" });
    }
}

/// A text to be read: mostly YAML, some of it broken.
pub(crate) fn document(random: &mut Random) -> Case {
    let mut out = String::new();
    match random.below(6) {
        0 => {
            for _ in 0..1 + random.below(8) {
                out.push_str(random.pick(PIECES));
            }
        }
        1 => flow(random, &mut out, 3),
        2 => {
            out.push_str("v: ");
            scalar(random, &mut out, 0, false);
        }
        3 => out = text(random),
        _ => {
            if random.one_in(10) {
                out.push_str(random.pick(&[
                    "%YAML 1.1\n---\n",
                    "---\n",
                    "--- # c\n",
                    "%TAG !e! tag:e,2000:\n---\n",
                    "\u{FEFF}",
                    "%YAML 1.2\n---\n",
                ]));
            }
            if random.one_in(2) {
                out.push_str("m: &m {k0: 1, k1: 2}\na: &a 7\nb: &b [x]\n");
            }
            block(random, &mut out, 0, 3);
            if random.one_in(10) {
                out.push_str(random.pick(&["---\nb\n", "...\n", "... x\n", "--- a"]));
            }
        }
    }
    if random.one_in(8) && !out.is_empty() {
        out = change(random, &out);
    }
    case(
        random.pick(&["yamlToJSON", "yamlToJSON", "value", "strict", "map"]),
        out,
    )
}

/// One small change to a text, wherever it falls.
pub(crate) fn change(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return String::new();
    }
    let at = random.below(chars.len());
    match random.below(4) {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, CHARS[random.below(CHARS.len())]),
        2 => drop(chars.splice(at..at, random.pick(PIECES).chars())),
        _ => chars.truncate(at),
    }
    chars.into_iter().collect()
}

/// Whether every map of a tree has an order. Some sets of keys have none under go-yaml's rule, and Go's sort
/// leaves them as its random walk over the map found them.
pub(crate) fn has_order(value: &Value, compare: fn(&str, &str) -> Ordering) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| has_order(item, compare)),
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            natural_sort(&mut keys, |a, b| compare(a, b));
            let ordered = (0..keys.len()).all(|at| {
                keys[at + 1..]
                    .iter()
                    .all(|later| compare(keys[at], later).is_lt())
            });
            ordered && map.values().all(|item| has_order(item, compare))
        }
        _ => true,
    }
}
