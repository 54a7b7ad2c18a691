//! What commands print: tables for people, JSON and YAML for programs.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// Prints `document` as JSON or YAML, or `table` for a person.
pub(super) fn print(
    format: Format,
    document: &impl Serialize,
    table: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(),
        Format::Json => serde_json::to_string_pretty(document)? + "\n",
        Format::Yaml => helmapp_goyaml::sigs::from_json(&serde_json::to_value(document)?)?,
    };
    write(&text)
}

pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// The text without what a terminal would take as an order: names and messages are other people's.
pub(super) fn printable(text: &str) -> String {
    let is_harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

/// The beginning of a text, on one line.
pub(super) fn brief(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= most {
        return text;
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// Whether standard output shows colours, and nobody asked for none (no-color.org).
pub(super) fn has_colours() -> bool {
    io::stdout().is_terminal() && wants_colours(|name| std::env::var_os(name))
}

fn wants_colours(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Rows under a heading, columns three blanks apart, as kubectl prints them.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A line break in a cell would break the table.
        let one_line = |cell: String| printable(&cell.split_whitespace().collect::<Vec<_>>().join(" "));
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(super) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}   "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// How long ago `then` was, as kubectl shortens it: 45s, 3m, 5h, 12d.
pub(super) fn age(then: Option<Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else {
        return "<unknown>".to_owned();
    };
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_stay_on_one_line() {
        let mut table = Table::new(&["NAME", "MESSAGE"]);
        table.row(["a".to_owned(), "one\n  two".to_owned()]);
        table.row(["longer".to_owned(), String::new()]);
        assert_eq!(table.render(), "NAME     MESSAGE\na        one two\nlonger\n");
    }

    #[test]
    fn messages_give_a_terminal_no_orders() {
        let mut table = Table::new(&["MESSAGE"]);
        table.row(["a\u{1b}[2J\u{9b}b\r\u{7}".to_owned()]);
        assert_eq!(table.render(), "MESSAGE\na\\u{1b}[2J\\u{9b}b \\u{7}\n");
        assert_eq!(printable("ä\n\tb\r"), "ä\n\tb\\r");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(brief("one\n two", 7), "one two");
        assert_eq!(brief("one two three", 9), "one two…");
    }

    #[test]
    fn colours_can_be_refused() {
        let of = |variables: &[(&str, &str)]| {
            wants_colours(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert!(of(&[]));
        assert!(of(&[("NO_COLOR", ""), ("TERM", "xterm")]));
        assert!(!of(&[("NO_COLOR", "1")]));
        assert!(!of(&[("TERM", "dumb")]));
    }

    #[test]
    fn ages_are_short() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (ago, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (200_000, "2d"),
            (-5, "0s"),
        ] {
            assert_eq!(age(Timestamp::from_second(1_000_000 - ago).ok(), now), expected);
        }
        assert_eq!(age(None, now), "<unknown>");
    }
}
