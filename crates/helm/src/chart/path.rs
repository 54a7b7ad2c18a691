//! Paths and patterns as Go's `path` and `path/filepath` packages have them on Unix.

/// The shortest path that means the same (`path.Clean`): no empty, `.` or inner `..` parts.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The last part of a path (`filepath.Base`).
pub(super) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// The suffix from the last dot of the last part on (`filepath.Ext`), or nothing.
pub(super) fn extension(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.rfind('.').and_then(|dot| last.get(dot..)).unwrap_or("")
}

/// The pattern of a [`matches`] call can not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadPattern;

/// Whether the whole name matches the pattern (`filepath.Match`): `*` and `?` stop at `/`; `[a-z]`, `[^a-z]`
/// and `\` as in Go. A bad pattern is only found where matching gets to it.
pub(super) fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    match_all(&pattern, &name, &mut 0)
}

/// As [`matches`], and adds to `steps` the characters that are looked at.
pub(super) fn match_all(
    mut pattern: &[char],
    mut name: &[char],
    steps: &mut u64,
) -> Result<bool, BadPattern> {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        *steps += (pattern.len() - rest.len()) as u64;
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&'/'));
        }
        if let Some(left) = match_chunk(chunk, name, steps)?
            && (left.is_empty() || !pattern.is_empty())
        {
            name = left;
            continue;
        }
        if star {
            for skipped in 0..name.len() {
                if name.get(skipped) == Some(&'/') {
                    break;
                }
                let tail = name.get(skipped + 1..).unwrap_or_default();
                if let Some(left) = match_chunk(chunk, tail, steps)? {
                    if pattern.is_empty() && !left.is_empty() {
                        continue;
                    }
                    name = left;
                    continue 'pattern;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Leading stars, what follows up to the next star outside a class, and the rest.
fn scan_chunk(pattern: &[char]) -> (bool, &[char], &[char]) {
    let stars = pattern.iter().take_while(|c| **c == '*').count();
    let body = pattern.get(stars..).unwrap_or_default();
    let mut in_class = false;
    let mut at = 0;
    while let Some(c) = body.get(at) {
        match c {
            '\\' if at + 1 < body.len() => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    let (chunk, rest) = body.split_at(at.min(body.len()));
    (stars > 0, chunk, rest)
}

/// Matches a chunk without stars at the start of `name`; what of `name` is left.
fn match_chunk<'n>(
    mut chunk: &[char],
    mut name: &'n [char],
    steps: &mut u64,
) -> Result<Option<&'n [char]>, BadPattern> {
    let length = chunk.len();
    let mut failed = false;
    while let Some((&c, after)) = chunk.split_first() {
        failed = failed || name.is_empty();
        let head = name.first().copied();
        match c {
            '[' => {
                if !failed {
                    name = name.get(1..).unwrap_or_default();
                }
                let (in_class, rest) = match_class(after, head.unwrap_or_default())?;
                chunk = rest;
                failed = failed || !in_class;
            }
            '?' => {
                if !failed {
                    failed = head == Some('/');
                    name = name.get(1..).unwrap_or_default();
                }
                chunk = after;
            }
            _ => {
                let (literal, rest) = match (c, after.split_first()) {
                    ('\\', None) => return Err(BadPattern),
                    ('\\', Some((&escaped, rest))) => (escaped, rest),
                    _ => (c, after),
                };
                if !failed {
                    failed = head != Some(literal);
                    name = name.get(1..).unwrap_or_default();
                }
                chunk = rest;
            }
        }
    }
    // A chunk is read to its end: a bad pattern behind a character that differs is found.
    *steps += 1 + length as u64;
    Ok((!failed).then_some(name))
}

/// Reads a class after its `[`; whether `c` is in it, and what follows its `]`.
fn match_class(mut class: &[char], c: char) -> Result<(bool, &[char]), BadPattern> {
    let negated = class.first() == Some(&'^');
    if negated {
        class = class.get(1..).unwrap_or_default();
    }
    let mut found = false;
    let mut ranges = 0;
    loop {
        if class.first() == Some(&']') && ranges > 0 {
            return Ok((found != negated, class.get(1..).unwrap_or_default()));
        }
        let (low, rest) = class_char(class)?;
        class = rest;
        let mut high = low;
        if class.first() == Some(&'-') {
            (high, class) = class_char(class.get(1..).unwrap_or_default())?;
        }
        found = found || (low <= c && c <= high);
        ranges += 1;
    }
}

fn class_char(class: &[char]) -> Result<(char, &[char]), BadPattern> {
    let (c, rest) = match class.split_first() {
        None | Some(('-' | ']', _)) => return Err(BadPattern),
        Some(('\\', rest)) => rest.split_first().ok_or(BadPattern)?,
        Some(split) => split,
    };
    // A class that ends with the pattern has no closing bracket.
    if rest.is_empty() {
        Err(BadPattern)
    } else {
        Ok((*c, rest))
    }
}
