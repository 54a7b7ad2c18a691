//! The differences from Helm that COMPATIBILITY.md explains, each as a rule: what the answers may differ in, with all
//! else the same.

use helmapp_oracle::helm::{Answer, Case};

use crate::compare::{agree, ordered, settled};

/// How an error about values and their schemas begins.
pub(crate) const SCHEMA: &str = "values don't meet the specifications of the schema(s)";

struct Rule {
    name: &'static str,
    /// Whether it explains how the first answer, which is ours, differs from Helm's.
    explains: fn(&Case, &Answer, &Answer) -> bool,
}

const RULES: [Rule; 13] = [
    Rule {
        name: "Helm panics, here it is an error",
        explains: |_, got, want| want.err.starts_with("panic: ") && !got.err.is_empty(),
    },
    Rule {
        name: "words about a schema that is none",
        explains: no_schema,
    },
    Rule {
        name: "why a text is not of a schema's format",
        explains: |_, got, want| {
            want.err.starts_with(SCHEMA)
                && same(got, want, without_format_reasons)
                && format_reasons(&got.err).all(|line| want.err.contains(line))
        },
    },
    Rule {
        name: "a schema that refers to itself without end",
        explains: |case, got, _| got.err.contains(" (limit schema depth)") && refers_to_itself(case),
    },
    Rule {
        name: "words about what is no TOML",
        explains: |_, got, want| same(got, want, without_toml_errors),
    },
    Rule {
        name: "what times are made of",
        explains: |_, got, want| same(got, want, without_innards),
    },
    Rule {
        name: "a file that is no text is refused before one that is no YAML",
        explains: no_text,
    },
    Rule {
        name: "slices into the room that Go's array has left",
        explains: room,
    },
    Rule {
        name: "addresses",
        explains: |_, got, want| same(got, want, without_addresses),
    },
    Rule {
        name: "warnings of a chart that does not load",
        explains: |_, got, want| {
            let loading = |warning: &String| warning.starts_with("Warning: Dependenc");
            !got.err.is_empty()
                && got.err == want.err
                && got.warnings.is_empty()
                && want.warnings.iter().all(loading)
        },
    },
    Rule {
        name: "paths of an archive, and lines of .helmignore, are named",
        explains: |_, got, want| without_places(&got.err) == want.err && got.err != want.err,
    },
    Rule {
        name: "links in a directory: not logged, other words for one that leads nowhere",
        explains: |_, got, want| agree(&without_link_words(got), &without_link_words(want)),
    },
    Rule {
        name: "archives with links, absolute paths or two charts are refused",
        explains: refused,
    },
];

/// The name of the rule that explains a difference; that of links goes with any other.
pub(crate) fn explain(case: &Case, got: &Answer, want: &Answer) -> Option<&'static str> {
    let by = |got: &Answer, want: &Answer| RULES.iter().find(|rule| (rule.explains)(case, got, want));
    let rule = by(got, want).or_else(|| by(&without_link_words(got), &without_link_words(want)));
    rule.map(|rule| rule.name)
}

/// The names of all rules.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}

/// Whether two answers are the same once something is taken out of every text.
fn same(got: &Answer, want: &Answer, cut: fn(&str) -> String) -> bool {
    let without = |answer: &Answer| {
        settled(&Answer {
            out: cut(&answer.out),
            notes: cut(&answer.notes),
            err: cut(&answer.err),
            warnings: answer.warnings.iter().map(|w| cut(w)).collect(),
            ..Answer::default()
        })
    };
    without(got) == without(want)
}

/// A schema that is none is refused in other words; what other charts' values have wrong reads the same.
fn no_schema(_: &Case, got: &Answer, want: &Answer) -> bool {
    if !(want.err.starts_with(SCHEMA) && got.err.starts_with(SCHEMA)) {
        return false;
    }
    let (ours, helms) = (sections(&got.err), sections(&want.err));
    let as_whole = |section: &str| ordered(&format!("{SCHEMA}\n{section}"));
    let explained = |(ours, helms): (&(String, String), &(String, String))| {
        let helm_refuses = helms
            .1
            .starts_with("\"file:///values.schema.json#\" is not valid against metaschema: ")
            || helms
                .1
                .starts_with("json-pointer in \"file:///values.schema.json#");
        ours.0 == helms.0
            && (as_whole(&ours.1) == as_whole(&helms.1) || helm_refuses && ours.1.starts_with(NO_SCHEMA))
    };
    ours.len() == helms.len() && ours.iter().zip(&helms).all(explained)
}

/// Whether a definition of a schema refers to itself; [`crate::schema`] calls it `x`, the one behind it `y`.
fn refers_to_itself(case: &Case) -> bool {
    let schemas = case.files.iter().chain(case.files.iter().flat_map(|f| &f.packed));
    schemas
        .filter(|f| f.name.ends_with("values.schema.json"))
        .any(|f| {
            let definition = f
                .text
                .split("\"x\":")
                .nth(1)
                .and_then(|rest| rest.split(",\"y\":").next());
            definition.is_some_and(|text| text.contains("/x\""))
        })
}

const NO_SCHEMA: &str = "values.schema.json is not a usable schema: ";

/// What is said of each chart, by its name.
fn sections(error: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in error.lines().skip(1) {
        match line.strip_suffix(':').filter(|name| !name.contains([' ', '\''])) {
            Some(name) => sections.push((name.to_owned(), String::new())),
            None => {
                if let Some((_, text)) = sections.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    sections
}

fn no_text(_: &Case, got: &Answer, want: &Answer) -> bool {
    let file = |answer: &Answer| {
        let rest = answer.err.strip_prefix("YAML parse error on ")?;
        rest.split_once(": ").map(|(file, _)| file.to_owned())
    };
    match (file(got), file(want)) {
        (Some(ours), Some(helms)) => got.err.contains("UTF-8") && helms < ours,
        _ => false,
    }
}

fn room(case: &Case, got: &Answer, want: &Answer) -> bool {
    let calls = |name: &str| case.files.iter().any(|f| f.text.contains(name));
    (calls("slice ") || calls("mustSlice "))
        && got
            .err
            .contains(": reflect.Value.Slice: slice index out of bounds")
        && want.err != got.err
}

fn refused(case: &Case, got: &Answer, _: &Answer) -> bool {
    let link = "the chart archive contains a link, ";
    let absolute = "chart illegally contains absolute paths: \"/";
    let refused = |text: &str| got.err.contains(text);
    (case.form == "tgz" || refused(".tgz in ")) && refused(absolute)
        || refused(link)
        || refused("the chart contains Chart.yaml more than once")
}

/// An answer without what is said of links.
fn without_link_words(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    answer
        .warnings
        .retain(|warning| !warning.starts_with("found symbolic link in path: "));
    for nowhere in ["error evaluating symlink ", "error reading "] {
        if let Some((path, _)) = answer
            .err
            .strip_prefix(nowhere)
            .and_then(|rest| rest.split_once(": "))
        {
            answer.err = format!("link {path}");
        }
    }
    answer
}

/// What this crate adds to Helm's words about archives and `.helmignore`.
fn without_places(error: &str) -> String {
    if let Some((start, rest)) = error.split_once(".helmignore line ") {
        return match rest.split_once(": ") {
            Some((_, message)) => format!("{start}{message}"),
            None => error.to_owned(),
        };
    }
    let known = ["absolute paths", "parent directory", "illegally named files"];
    match error.rsplit_once(": \"") {
        Some((start, _)) if known.iter().any(|text| start.ends_with(text)) => start.to_owned(),
        _ => error.to_owned(),
    }
}

/// Each violation of a format without the reason behind it.
fn without_format_reasons(text: &str) -> String {
    let cut = |line: &str| match line.rsplit_once(" is not valid ") {
        Some((start, rest)) => format!(
            "{start} is not valid {}",
            rest.split(':').next().unwrap_or_default()
        ),
        None => line.to_owned(),
    };
    text.split('\n').map(cut).collect::<Vec<_>>().join("\n")
}

/// The violations of a format that are told with the reason.
fn format_reasons(text: &str) -> impl Iterator<Item = &str> {
    let told = |line: &&str| {
        line.rsplit_once(" is not valid ")
            .is_some_and(|(_, rest)| rest.contains(": "))
    };
    text.split('\n').filter(told)
}

/// A text without the last of what verbs for numbers show of a time: an address, or what is there.
fn without_innards(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("(*time.Location=&");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str("(*time.Location=&");
        out.push_str(part.split_once(')').map_or(part, |(_, behind)| behind));
    }
    let mut parts = out.split('{');
    let mut cut = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        cut.push('{');
        cut.push_str(&without_last_number(part).unwrap_or_else(|| part.to_owned()));
    }
    cut
}

/// What follows a brace, without the last of the three numbers in it.
fn without_last_number(part: &str) -> Option<String> {
    let (inside, behind) = part.split_once('}')?;
    let numbers: Vec<&str> = inside.split_whitespace().collect();
    let is_number = |text: &&str| {
        text.trim_start_matches('+')
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    };
    match numbers.as_slice() {
        [wall, ext, last] if numbers.iter().all(is_number) && last.len() >= 7 => {
            Some(format!("{wall} {ext}}}{behind}"))
        }
        _ => None,
    }
}

/// Each line up to what the reader of TOML says.
fn without_toml_errors(text: &str) -> String {
    let lines = text.split('\n');
    let cut = lines.map(|line| line.split_once("toml: ").map_or(line, |(before, _)| before));
    cut.collect::<Vec<_>>().join("\n")
}

/// A text without the addresses in it. What has no size, such as an empty list, is at one of seven digits.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let is_address = part.len() - digits.len() >= 7;
        out.push_str(if is_address { digits } else { part });
    }
    out
}

/// COMPATIBILITY.md names every rule, and no other.
#[test]
fn every_rule_is_in_the_list_of_differences() {
    let text = include_str!("../../../../COMPATIBILITY.md");
    let mut listed: Vec<&str> = Vec::new();
    for cell in text
        .lines()
        .filter_map(|line| line.split_once("rule"))
        .map(|(_, rest)| rest)
    {
        listed.extend(
            cell.split('"')
                .skip(1)
                .step_by(2)
                .map(|name| name.trim_end_matches(" …")),
        );
    }
    for name in names() {
        assert!(
            listed.iter().any(|known| name.starts_with(known)),
            "not listed: {name}"
        );
    }
    for known in listed {
        assert!(names().any(|name| name.starts_with(known)), "no rule: {known}");
    }
}
