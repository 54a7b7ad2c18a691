//! Texts with a grammar of their own: `uuid`, `semver`, `regex` and pointers into JSON.

use helmapp_gotmpl::{re2::Regex, strconv::quote_rune};

use super::{Checked, digits, refuse};

pub(super) fn uuid(text: &str) -> Checked {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != GROUPS.len() {
        return Err(format!("must have {} elements", GROUPS.len()));
    }
    for (at, (group, length)) in groups.iter().zip(GROUPS).enumerate() {
        if group.len() != length {
            return Err(format!("element {} must be {length} characters long", at + 1));
        }
        if let Some(other) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("non-hex character {}", quote_rune(other)));
        }
    }
    Ok(())
}

pub(super) fn json_pointer(text: &str) -> Checked {
    let tokens = match text.strip_prefix('/') {
        Some(tokens) => tokens,
        None if text.is_empty() => return Ok(()),
        None => return refuse("not starting with /"),
    };
    let escaped = tokens.split('/').flat_map(|token| token.split('~').skip(1));
    for after in escaped {
        if !after.starts_with(['0', '1']) {
            return refuse("~ must be followed by 0 or 1");
        }
    }
    Ok(())
}

pub(super) fn relative_json_pointer(text: &str) -> Checked {
    let (steps, pointer) = digits(text);
    if steps.is_empty() {
        return refuse("must start with non-negative integer");
    }
    if steps.len() > 1 && steps.starts_with('0') {
        return refuse("starts with zero");
    }
    match pointer {
        "#" => Ok(()),
        pointer => json_pointer(pointer),
    }
}

pub(super) fn regex(text: &str) -> Checked {
    Regex::new(text.as_bytes())
        .map(drop)
        .map_err(|error| error.to_string())
}

pub(super) fn semver(text: &str) -> Checked {
    let (text, build) = split(text, '+');
    match build {
        Some("") => return refuse("build is empty"),
        Some(build) => build.split('.').try_for_each(|part| identifier(part, "build"))?,
        None => {}
    }
    let (core, pre_release) = split(text, '-');
    for part in pre_release.into_iter().flat_map(|all| all.split('.')) {
        identifier(part, "pre-release")?;
        if part.len() > 1 && part.starts_with('0') && digits(part).1.is_empty() {
            return refuse("pre-release numeric identifier starts with zero");
        }
    }
    let numbers: Vec<&str> = core.split('.').collect();
    if numbers.len() != 3 {
        return refuse("versionCore must have 3 numbers separated by dot");
    }
    for (number, name) in numbers.into_iter().zip(["major", "minor", "patch"]) {
        if number.is_empty() {
            return Err(format!("{name} is empty"));
        }
        if number.len() > 1 && number.starts_with('0') {
            return Err(format!("{name} starts with zero"));
        }
        if !digits(number).1.is_empty() {
            return Err(format!("{name} contains non-digit"));
        }
    }
    Ok(())
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn identifier(text: &str, what: &str) -> Checked {
    if text.is_empty() {
        return Err(format!("{what} identifier is empty"));
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        Some(other) => Err(format!(
            "invalid character {} in {what} identifier",
            quote_rune(other)
        )),
        None => Ok(()),
    }
}
