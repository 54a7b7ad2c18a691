//! Scanning the inside of scalars: plain, quoted and block.

use super::chars::{BLANK, BREAK, COLON, DOUBLE, FLOW, SINGLE, class};
use super::scanner::Scanner;
use super::token::Kind;
use crate::error::Result;
use std::borrow::Cow;

/// The line breaks between two lines of a flow scalar.
#[derive(Default)]
struct Breaks<'a> {
    first: &'a str,
    rest: String,
}

impl Breaks<'_> {
    /// Adds what the breaks mean: one is a space, more are one line break less.
    fn fold_into(&self, out: &mut String) {
        if self.first != "\n" {
            out.push_str(self.first);
            out.push_str(&self.rest);
        } else if self.rest.is_empty() {
            out.push(' ');
        } else {
            out.push_str(&self.rest);
        }
    }
}

impl<'a> Scanner<'a> {
    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn scan_plain(&mut self) -> Result<Kind<'a>> {
        let indent = self.indent + 1;
        let line = self.line;
        let start = self.pos;
        let mut end = start;
        let mut folded: Option<String> = None;
        let mut segment = start;
        let mut leading_blanks = false;
        let mut breaks = Breaks::default();
        loop {
            if self.at_document_marker() || self.byte(0) == b'#' {
                break;
            }
            let word_end = self.plain_word_end();
            if word_end > self.pos {
                if std::mem::take(&mut leading_blanks) {
                    let out = folded.get_or_insert_default();
                    out.push_str(self.slice(segment, end));
                    breaks.fold_into(out);
                    segment = self.pos;
                }
                self.skip_to(word_end);
                end = word_end;
            }
            if !(self.is(0, BLANK) || self.at_break(0)) {
                break;
            }
            while self.is(0, BLANK) || self.at_break(0) {
                if self.is(0, BLANK) {
                    if leading_blanks && (self.column() as isize) < indent && self.byte(0) == b'\t' {
                        return Err(self.error(line, "found a tab character that violates indentation"));
                    }
                    self.skip(1);
                } else if leading_blanks {
                    let more = self.take_break();
                    breaks.rest.push_str(more);
                } else {
                    breaks = Breaks {
                        first: self.take_break(),
                        rest: String::new(),
                    };
                    leading_blanks = true;
                }
            }
            if self.flow_level == 0 && (self.column() as isize) < indent {
                break;
            }
        }
        if leading_blanks {
            self.simple_key_allowed = true;
        }
        let last = self.slice(segment, end);
        let value = match folded {
            None => Cow::Borrowed(last),
            Some(mut out) => {
                out.push_str(last);
                Cow::Owned(out)
            }
        };
        Ok(Kind::Scalar { value, plain: true })
    }

    /// End of the run of characters that a plain scalar takes from here: up to a blank, a break or an indicator.
    fn plain_word_end(&self) -> usize {
        let stops = BLANK | BREAK | COLON | if self.flow_level > 0 { FLOW } else { 0 };
        let mut at = self.pos;
        while let Some(byte) = self.bytes.get(at) {
            let class = class(*byte) & stops;
            if class != 0 {
                let ahead = at - self.pos;
                let stop = match class {
                    COLON => self.at_blankz(ahead + 1),
                    BREAK => self.at_break(ahead),
                    BLANK => !self.continues_word(at),
                    _ => true,
                };
                if stop {
                    break;
                }
            }
            at += 1;
        }
        at
    }

    /// Whether the blank at `at` is a lone space before a character that can only go on with the scalar.
    fn continues_word(&self, at: usize) -> bool {
        match self.bytes.get(at..) {
            Some([b' ', next, ..]) => class(*next) & (BLANK | BREAK | FLOW | COLON) == 0 && *next != b'#',
            _ => false,
        }
    }

    /// Blanks and line breaks within a quoted scalar, after the first break (empty if it was escaped).
    fn fold_quoted(&mut self, out: &mut String, first: &'a str) {
        let mut breaks = Breaks {
            first,
            rest: String::new(),
        };
        loop {
            self.skip_blanks();
            if !self.at_break(0) {
                break;
            }
            let more = self.take_break();
            breaks.rest.push_str(more);
        }
        breaks.fold_into(out);
    }

    fn check_quoted_line(&self, line: u32) -> Result<()> {
        if self.at_document_marker() {
            return Err(self.error(line, "found unexpected document indicator"));
        }
        if self.at_end() {
            return Err(self.error(line, "found unexpected end of stream"));
        }
        Ok(())
    }

    /// End of the run, from here, of characters that stand for themselves; blanks count as such.
    fn quoted_run_end(&self, quote: u8) -> usize {
        let mut at = self.pos;
        while let Some(byte) = self.bytes.get(at) {
            let class = class(*byte);
            if class & quote != 0 || class & BREAK != 0 && self.at_break(at - self.pos) {
                break;
            }
            at += 1;
        }
        at
    }

    /// Takes a run into `out`, without the blanks at its end if a line break follows.
    fn take_quoted_run(&mut self, quote: u8, out: &mut String) {
        let from = self.pos;
        let end = self.quoted_run_end(quote);
        let run = self.slice(from, end);
        self.skip_to(end);
        out.push_str(if self.at_break(0) {
            run.trim_end_matches([' ', '\t'])
        } else {
            run
        });
    }

    pub(super) fn scan_single_quoted(&mut self) -> Result<Kind<'a>> {
        let line = self.line;
        self.skip(1);
        if let Some(value) = self.take_simple_quoted(SINGLE, b'\'') {
            return Ok(Kind::Scalar { value, plain: false });
        }
        let mut out = String::new();
        loop {
            self.check_quoted_line(line)?;
            self.take_quoted_run(SINGLE, &mut out);
            if self.byte(0) == b'\'' {
                if self.byte(1) != b'\'' {
                    break;
                }
                out.push('\'');
                self.skip(2);
            } else if self.at_break(0) {
                let first = self.take_break();
                self.fold_quoted(&mut out, first);
            }
        }
        self.skip(1);
        Ok(Kind::Scalar {
            value: Cow::Owned(out),
            plain: false,
        })
    }

    pub(super) fn scan_double_quoted(&mut self) -> Result<Kind<'a>> {
        let line = self.line;
        self.skip(1);
        if let Some(value) = self.take_simple_quoted(DOUBLE, b'"') {
            return Ok(Kind::Scalar { value, plain: false });
        }
        let mut out = String::new();
        loop {
            self.check_quoted_line(line)?;
            self.take_quoted_run(DOUBLE, &mut out);
            match self.byte(0) {
                b'"' => break,
                b'\\' if self.at_break(1) => {
                    self.skip(1);
                    self.take_break();
                    self.fold_quoted(&mut out, "");
                }
                b'\\' => self.take_escape(&mut out, line)?,
                _ if self.at_break(0) => {
                    let first = self.take_break();
                    self.fold_quoted(&mut out, first);
                }
                _ => {}
            }
        }
        self.skip(1);
        Ok(Kind::Scalar {
            value: Cow::Owned(out),
            plain: false,
        })
    }

    /// A quoted scalar on one line without escapes, as it stands.
    fn take_simple_quoted(&mut self, quote: u8, close: u8) -> Option<Cow<'a, str>> {
        let end = self.quoted_run_end(quote);
        let doubled = close == b'\'' && self.bytes.get(end + 1) == Some(&b'\'');
        if self.bytes.get(end) != Some(&close) || doubled {
            return None;
        }
        let value = self.slice(self.pos, end);
        self.skip_to(end);
        self.skip(1);
        Some(Cow::Borrowed(value))
    }

    fn take_escape(&mut self, out: &mut String, line: u32) -> Result<()> {
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            byte => {
                let Some(c) = simple_escape(byte) else {
                    return Err(self.error(line, "found unknown escape character"));
                };
                out.push(c);
                self.skip(2);
                return Ok(());
            }
        };
        self.skip(2);
        let mut code = 0u64;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.byte(ahead)).to_digit(16) else {
                return Err(self.error(line, "did not find expected hexdecimal number"));
            };
            code = code << 4 | u64::from(digit);
        }
        let Some(c) = u32::try_from(code).ok().and_then(char::from_u32) else {
            return Err(self.error(line, "found invalid Unicode character escape code"));
        };
        out.push(c);
        self.skip(digits);
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<Kind<'a>> {
        let line = self.line;
        self.skip(1);
        let (chomp, increment) = self.block_header(line)?;
        self.finish_line(line)?;
        let mut indent = increment.map(|increment| usize::try_from(self.indent).unwrap_or(0) + increment);
        let mut out = String::new();
        let mut leading_break = "";
        let mut trailing = String::new();
        self.block_breaks(&mut indent, &mut trailing, line)?;
        let mut leading_blank = false;
        while Some(self.column()) == indent && !self.at_end() {
            let blank = self.is(0, BLANK);
            if !literal && leading_break == "\n" && !leading_blank && !blank {
                if trailing.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push_str(leading_break);
            }
            out.push_str(&trailing);
            trailing.clear();
            leading_blank = blank;
            let end = self.line_end();
            out.push_str(self.slice(self.pos, end));
            self.skip_to(end);
            leading_break = if self.at_break(0) { self.take_break() } else { "" };
            self.block_breaks(&mut indent, &mut trailing, line)?;
        }
        if chomp != b'-' {
            out.push_str(leading_break);
        }
        if chomp == b'+' {
            out.push_str(&trailing);
        }
        Ok(Kind::Scalar {
            value: Cow::Owned(out),
            plain: false,
        })
    }

    /// Chomping indicator (0 if none) and indentation indicator, in either order.
    fn block_header(&mut self, line: u32) -> Result<(u8, Option<usize>)> {
        let mut chomp = 0;
        let mut increment = None;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomp == 0 => chomp = sign,
                b'0' if increment.is_none() => {
                    return Err(self.error(line, "found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
                _ => break,
            }
            self.skip(1);
        }
        Ok((chomp, increment))
    }

    /// Moves over indentation and empty lines; the first line with text sets the indentation if nothing has.
    fn block_breaks(&mut self, indent: &mut Option<usize>, breaks: &mut String, line: u32) -> Result<()> {
        let mut widest = 0;
        loop {
            while indent.is_none_or(|indent| self.column() < indent) && self.byte(0) == b' ' {
                self.skip(1);
            }
            widest = widest.max(self.column());
            if indent.is_none_or(|indent| self.column() < indent) && self.byte(0) == b'\t' {
                return Err(self.error(
                    line,
                    "found a tab character where an indentation space is expected",
                ));
            }
            if !self.at_break(0) {
                break;
            }
            let more = self.take_break();
            breaks.push_str(more);
        }
        if indent.is_none() {
            *indent = Some(widest.max(usize::try_from(self.indent + 1).unwrap_or(0)).max(1));
        }
        Ok(())
    }
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'0' => '\0',
        b'a' => '\x07',
        b'b' => '\x08',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\x0B',
        b'f' => '\x0C',
        b'r' => '\r',
        b'e' => '\x1B',
        b' ' => ' ',
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'N' => '\u{85}',
        b'_' => '\u{A0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}
