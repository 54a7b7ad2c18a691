//! The writer: go-yaml's block style, produced while the caller walks its own values.

mod order;
mod scalar;
mod sigs;

pub use order::{natural_cmp, natural_cmp_v3, natural_sort};

use crate::error::{Error, Result};
use crate::number::{self, Number};
use crate::resolve;
use scalar::{Analysis, Style};
use std::fmt::Write;

/// Whose output an [`Emitter`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavor {
    /// `sigs.k8s.io/yaml.Marshal`: every value passes through JSON, then go-yaml v2.
    Sigs,
    /// `go.yaml.in/yaml/v3`, indent 2.
    V3,
}

/// Writes one YAML document into a string, value by value.
///
/// ```
/// let mut yaml = helmapp_goyaml::Emitter::sigs();
/// yaml.begin_map();
/// yaml.key("replicas");
/// yaml.int(3);
/// yaml.key("args");
/// yaml.begin_seq();
/// yaml.str("yes");
/// yaml.end_seq();
/// yaml.end_map();
/// assert_eq!(yaml.finish().unwrap(), "replicas: 3\nargs:\n- \"yes\"\n");
/// ```
///
/// The caller gives the keys of a map in their order ([`natural_cmp`], or [`natural_cmp_v3`]) and each key once,
/// and closes what it opened. Calls out of place are ignored rather than reported.
#[derive(Debug)]
pub struct Emitter {
    out: String,
    flavor: Flavor,
    frames: Vec<Frame>,
    indent: i32,
    column: usize,
    whitespace: bool,
    indention: bool,
    width: usize,
    error: Option<Error>,
}

#[derive(Debug)]
struct Frame {
    map: bool,
    /// Nothing written of it yet: it may turn out empty.
    pending: bool,
    /// The indent to go back to.
    outer: i32,
    /// It is the value (or the long key) of a map.
    in_map: bool,
    /// The last key was short enough to stand before its colon on one line.
    simple_key: bool,
}

/// Longest key, in bytes, that is written without `? `.
const SIMPLE_KEY_BYTES: usize = 128;
const STEP: i32 = 2;

impl Emitter {
    /// A writer of what `sigs.k8s.io/yaml.Marshal` (Helm's `toYaml`) gives, with its trailing newline.
    pub fn sigs() -> Self {
        Emitter::new(Flavor::Sigs, 80)
    }

    /// A writer of what `go.yaml.in/yaml/v3` gives with indent 2 (Helm's `toYamlPretty`), with its trailing newline.
    pub fn v3() -> Self {
        Emitter::new(Flavor::V3, usize::MAX)
    }

    fn new(flavor: Flavor, width: usize) -> Self {
        Emitter {
            out: String::new(),
            flavor,
            frames: Vec::new(),
            indent: -1,
            column: 0,
            whitespace: true,
            indention: true,
            width,
            error: None,
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Opens a map as the next value.
    pub fn begin_map(&mut self) {
        self.open(true);
    }

    /// Opens a sequence as the next value.
    pub fn begin_seq(&mut self) {
        self.open(false);
    }

    fn open(&mut self, map: bool) {
        let in_map = self.begin_node();
        self.frames.push(Frame {
            map,
            pending: true,
            outer: self.indent,
            in_map,
            simple_key: true,
        });
    }

    /// Closes the map opened last.
    pub fn end_map(&mut self) {
        self.close("{", "}");
    }

    /// Closes the sequence opened last.
    pub fn end_seq(&mut self) {
        self.close("[", "]");
    }

    fn close(&mut self, left: &str, right: &str) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.pending {
            self.indicator(left, true, true, false);
            self.indicator(right, false, false, false);
        } else {
            self.indent = frame.outer;
        }
    }

    /// Writes the next key of the map opened last; its value follows.
    pub fn key(&mut self, key: &str) {
        match self.flavor {
            Flavor::V3 => self.put_key(key),
            Flavor::Sigs => match sigs::key(key) {
                Ok(()) => self.put_key(key),
                Err(error) => self.fail(error),
            },
        }
    }

    fn put_key(&mut self, key: &str) {
        let (style, analysis) = self.string_style(key);
        let simple_key = !analysis.multiline && key.len() <= SIMPLE_KEY_BYTES;
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.simple_key = simple_key;
        if std::mem::take(&mut frame.pending) {
            self.indent = if self.indent < 0 { 0 } else { self.indent + STEP };
        }
        self.write_indent();
        if !simple_key {
            self.indicator("?", true, false, true);
        }
        self.scalar(
            key,
            scalar::choose(style, analysis, key.is_empty(), simple_key),
            simple_key,
        );
    }

    /// Writes what stands before a value where it is. Reports whether that is within a map.
    fn begin_node(&mut self) -> bool {
        let Some(frame) = self.frames.last_mut() else {
            return false;
        };
        if frame.map {
            if frame.simple_key {
                self.indicator(":", false, false, false);
            } else {
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            return true;
        }
        if std::mem::take(&mut frame.pending) {
            let hanging = self.flavor == Flavor::Sigs && frame.in_map && !self.indention;
            if self.indent < 0 {
                self.indent = 0;
            } else if !hanging {
                self.indent += STEP;
            }
        }
        self.write_indent();
        self.indicator("-", true, false, true);
        false
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.plain("null");
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.plain(if value { "true" } else { "false" });
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) {
        self.begin_node();
        self.space();
        let from = self.out.len();
        let _ = write!(self.out, "{value}");
        self.after_plain(from);
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, value: u64) {
        self.begin_node();
        self.space();
        let from = self.out.len();
        let _ = write!(self.out, "{value}");
        self.after_plain(from);
    }

    /// Writes a time, RFC 3339 text that needs no quotes: go-yaml v3 writes Go's times so.
    pub fn timestamp(&mut self, text: &str) {
        self.plain(text);
    }

    /// Writes a float. Through sigs, one without a fraction is written as an integer if it fits 64 bits, and
    /// not-a-number and the infinities are errors; v3 writes all as Go's `%g` and `.nan`, `.inf`.
    pub fn float(&mut self, value: f64) {
        if self.flavor == Flavor::Sigs {
            if !value.is_finite() {
                self.fail(sigs::unsupported(value));
                return;
            }
            match number::json_integer(value) {
                Some(Number::Int(int)) => return self.int(int),
                Some(Number::Uint(uint)) => return self.uint(uint),
                _ => {}
            }
        }
        self.begin_node();
        self.space();
        let from = self.out.len();
        number::push_float(&mut self.out, value);
        self.after_plain(from);
    }

    /// Writes a string in the style that go-yaml chooses for it.
    pub fn str(&mut self, value: &str) {
        if self.flavor == Flavor::Sigs {
            match sigs::through_json(value) {
                Ok(text) => self.string(&text),
                Err(error) => self.fail(error),
            }
        } else {
            self.string(value);
        }
    }

    fn string(&mut self, value: &str) {
        self.begin_node();
        let (style, analysis) = self.string_style(value);
        self.scalar(
            value,
            scalar::choose(style, analysis, value.is_empty(), false),
            false,
        );
    }

    fn string_style(&self, value: &str) -> (Style, Analysis) {
        let v3 = self.flavor == Flavor::V3;
        let style = if value.contains('\n') {
            Style::Literal
        } else if resolve::is_plain_string(value) {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        (style, scalar::analyze(value, v3))
    }

    /// Ends the document and returns its text, or the first value that has no YAML.
    pub fn finish(mut self) -> Result<String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.indent = -1;
        self.write_indent();
        Ok(self.out)
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    fn plain(&mut self, text: &str) {
        self.begin_node();
        self.space();
        let from = self.out.len();
        self.out.push_str(text);
        self.after_plain(from);
    }

    fn space(&mut self) {
        if !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
    }

    fn after_plain(&mut self, from: usize) {
        self.column += self.out.len() - from;
        self.whitespace = false;
        self.indention = false;
    }

    fn indicator(&mut self, text: &str, need_space: bool, is_space: bool, is_indention: bool) {
        if need_space {
            self.space();
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_space;
        self.indention = self.indention && is_indention;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        if self.flavor == Flavor::V3 {
            self.indention = true;
        }
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.line_break();
        }
        if self.column < indent {
            self.out.extend(std::iter::repeat_n(' ', indent - self.column));
            self.column = indent;
        }
        self.whitespace = true;
        if self.flavor == Flavor::Sigs {
            self.indention = true;
        }
    }

    fn push(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn scalar(&mut self, text: &str, style: Style, simple_key: bool) {
        let outer = self.indent;
        self.indent = if outer < 0 { STEP } else { outer + STEP };
        match style {
            Style::Plain => self.write_plain(text, !simple_key),
            Style::SingleQuoted => self.write_single_quoted(text, !simple_key),
            Style::DoubleQuoted => self.write_double_quoted(text, !simple_key),
            Style::Literal => self.write_literal(text),
        }
        self.indent = outer;
    }

    /// Plain text has no line breaks: analysis rules them out.
    fn write_plain(&mut self, text: &str, fold: bool) {
        if self.flavor == Flavor::V3 && text.is_empty() {
            self.indention = false;
            return;
        }
        self.space();
        if fold && self.column + text.len() > self.width {
            self.write_folding(text);
        } else {
            self.out.push_str(text);
            self.column += text.chars().count();
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Breaks the line at lone spaces beyond the width.
    fn write_folding(&mut self, text: &str) {
        let mut spaces = false;
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(' ') {
                if !spaces && self.column > self.width && !after.is_empty() && !after.starts_with(' ') {
                    self.write_indent();
                } else {
                    self.push(' ');
                }
                spaces = true;
                rest = after;
            } else {
                let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                self.out.push_str(word);
                self.column += word.chars().count();
                self.indention = false;
                spaces = false;
                rest = after;
            }
        }
    }

    fn write_single_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("'", true, false, false);
        let mut chars = text.char_indices().peekable();
        let mut spaces = false;
        let mut breaks = false;
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                let inner = at > 0 && chars.peek().is_some_and(|(_, next)| *next != ' ');
                if fold && !spaces && self.column > self.width && inner {
                    self.write_indent();
                } else {
                    self.push(c);
                }
                spaces = true;
            } else if scalar::is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.write_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if c == '\'' {
                    self.push('\'');
                }
                self.push(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.indicator("'", false, false, false);
    }

    fn write_double_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("\"", true, false, false);
        // go-yaml looks for a byte order mark at the start of the text, whichever character it is at.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut chars = text.char_indices().peekable();
        let mut spaces = false;
        while let Some((at, c)) = chars.next() {
            if escape_all || !scalar::is_printable(c) || scalar::is_break(c) || c == '"' || c == '\\' {
                let from = self.out.len();
                scalar::push_escape(&mut self.out, c);
                self.column += self.out.len() - from;
                spaces = false;
            } else if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                if fold && !spaces && self.column > self.width && at > 0 && next.is_some() {
                    self.write_indent();
                    if next == Some(' ') {
                        self.push('\\');
                    }
                } else {
                    self.push(c);
                }
                spaces = true;
            } else {
                self.push(c);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.line_break();
        } else {
            self.out.push(c);
            self.column = 0;
        }
        self.indention = true;
    }

    fn write_literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || scalar::is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut tail = text.chars().rev();
        let ends_in_break = tail.next().is_some_and(scalar::is_break);
        if !ends_in_break {
            self.indicator("-", false, false, false);
        } else if tail.next().is_none_or(scalar::is_break) {
            self.indicator("+", false, false, false);
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        for line in text.split_inclusive(scalar::is_break) {
            let content = line.strip_suffix(scalar::is_break).unwrap_or(line);
            if !content.is_empty() {
                self.write_indent();
                self.out.push_str(content);
                self.column += content.chars().count();
                self.indention = false;
            }
            if let Some(c) = line.chars().next_back().filter(|_| content.len() < line.len()) {
                self.write_break(c);
            }
        }
    }
}
