//! Every limit on reading: that it holds, and what it says.

use helmapp_goyaml::{Error, Limits, Options, from_str, sigs};
use std::fmt::Write;

fn read(text: &str, limits: Limits) -> Result<serde_json::Value, String> {
    sigs::to_json_with(
        text,
        sigs::Numbers::Exact,
        &Options {
            strict: false,
            limits,
        },
    )
    .map_err(|e| e.to_string())
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(from_str(&nested(1000)).is_ok());
    assert_eq!(
        from_str(&nested(1001)),
        Err(Error::Depth {
            line: Some(1),
            limit: 1000
        })
    );
    let limits = Limits {
        depth: 3,
        ..Limits::default()
    };
    assert!(read("a: {b: {c: 1}}", limits).is_ok());
    assert_eq!(
        read("a:\n  b:\n    c:\n      d: 1", limits),
        Err("error converting YAML to JSON: yaml: line 4: exceeded max depth of 3 (limit depth)".to_owned())
    );
    // Aliases nest, too.
    assert_eq!(
        read("a: &a [[1]]\nb: [*a]", limits),
        Err("error converting YAML to JSON: yaml: line 1: exceeded max depth of 3 (limit depth)".to_owned())
    );
}

#[test]
fn deep_block_nesting_ends() {
    let mut text = String::new();
    for depth in 0..5000 {
        let _ = writeln!(text, "{}a:", " ".repeat(depth));
    }
    assert_eq!(
        from_str(&text),
        Err(Error::Depth {
            line: Some(1001),
            limit: 1000
        })
    );
}

#[test]
fn input_bytes() {
    let limits = Limits {
        input_bytes: 4,
        ..Limits::default()
    };
    assert!(read("a: 1", limits).is_ok());
    assert_eq!(
        read("a: 12", limits),
        Err("error converting YAML to JSON: yaml: input of 5 bytes exceeds the limit of 4 bytes (limit input_bytes)".to_owned())
    );
}

#[test]
fn nodes() {
    let limits = Limits {
        nodes: 5,
        ..Limits::default()
    };
    assert!(read("a: [1, 2]", limits).is_ok());
    let too_many = "error converting YAML to JSON: yaml: the document has more than 5 nodes (limit nodes)";
    assert_eq!(read("a: [1, 2, 3]", limits), Err(too_many.to_owned()));
    // What aliases stand for counts each time.
    assert!(read("[&a [1, 2]]", limits).is_ok());
    assert_eq!(read("[&a [1, 2], *a]", limits), Err(too_many.to_owned()));
}

#[test]
fn excessive_aliasing() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ["b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g"])
    {
        let _ = writeln!(
            text,
            "{this}: &{this} [{}]",
            vec![format!("*{last}"); 10].join(",")
        );
    }
    assert_eq!(from_str(&text), Err(Error::ExcessiveAliasing));
}

#[test]
fn expanded_bytes() {
    let text = format!("a: &a {}\nb: [*a, *a, *a]\n", "x".repeat(100));
    assert!(
        read(
            &text,
            Limits {
                expanded_bytes: 300,
                ..Limits::default()
            }
        )
        .is_ok()
    );
    assert_eq!(
        read(
            &text,
            Limits {
                expanded_bytes: 299,
                ..Limits::default()
            }
        ),
        Err(
            "error converting YAML to JSON: yaml: aliases expand the document to more than 299 bytes (limit expanded_bytes)"
                .to_owned()
        )
    );
}

#[test]
fn defaults() {
    let limits = Limits::default();
    assert_eq!(
        (
            limits.input_bytes,
            limits.depth,
            limits.nodes,
            limits.expanded_bytes
        ),
        (64 << 20, 1000, 500_000, 16 << 20)
    );
}
