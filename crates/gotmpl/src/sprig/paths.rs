//! Paths: Go's `path` package, and `path/filepath` as it is on Unix, where both agree.

use crate::func::Functions;
use crate::value::Str;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("base", |p: Str| Str::from(base(p.as_bytes())));
    funcs.add("dir", |p: Str| Str::from(dir(p.as_bytes())));
    funcs.add("clean", |p: Str| Str::from(clean(p.as_bytes())));
    funcs.add("ext", |p: Str| Str::from(ext(p.as_bytes())));
    funcs.add("isAbs", |p: Str| p.as_bytes().starts_with(b"/"));
    for (os, path) in [
        ("osBase", "base"),
        ("osDir", "dir"),
        ("osClean", "clean"),
        ("osExt", "ext"),
        ("osIsAbs", "isAbs"),
    ] {
        funcs.alias(os, path);
    }
}

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let path = path.get(..end).unwrap_or_default();
    match path.rsplit(|b| *b == b'/').next() {
        Some([]) | None => b"/",
        Some(last) => last,
    }
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    clean(path.get(..end).unwrap_or_default())
}

fn ext(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|b| *b == b'.');
    dot.and_then(|dot| name.get(dot..)).unwrap_or_default()
}

fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
