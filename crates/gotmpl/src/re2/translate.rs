//! Translation of Go's pattern syntax into that of the `regex` crate.
//!
//! The parser follows `regexp/syntax` step by step, so that it accepts and rejects what Go does with the
//! same messages. Flags are resolved here: each atom is written with the flags that hold where it stands,
//! because a repetition may reach back over a flag group to the atom before it.

use std::fmt::Write;

use super::class;
use super::error::{Error, ErrorKind};
use super::{MAX_DEPTH, MAX_REPEAT};

/// A pattern for the `regex` crate, and what its text no longer tells.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Names of the groups by number; group 0 is the whole match.
    pub(super) names: Vec<Option<String>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_newline: bool,
    pub(super) non_greedy: bool,
}

/// The last thing written: what a repetition operator applies to.
struct Atom {
    text: String,
    /// How often its innermost part is repeated; Go bounds the product of nested counts.
    copies: u64,
    repeated: bool,
}

#[derive(Default)]
struct Group {
    capture: bool,
    /// Flags to restore after the group.
    outer: Flags,
    /// Alternatives that are complete, with their `|`.
    done: String,
    copies: u64,
    atoms: Vec<Atom>,
}

impl Group {
    fn end_alternative(&mut self) {
        for atom in self.atoms.drain(..) {
            self.done.push_str(&atom.text);
            self.copies = self.copies.max(atom.copies);
        }
    }
}

struct Parser<'a> {
    whole: &'a str,
    flags: Flags,
    names: Vec<Option<String>>,
    outer: Vec<Group>,
    group: Group,
}

pub(super) fn translate(whole: &str) -> Result<Translated, Error> {
    let mut parser = Parser {
        whole,
        flags: Flags::default(),
        names: vec![None],
        outer: Vec::new(),
        group: Group::default(),
    };
    parser.run()?;
    if !parser.outer.is_empty() {
        return Err(Error::new(ErrorKind::MissingParen, whole));
    }
    parser.group.end_alternative();
    Ok(Translated {
        pattern: parser.group.done,
        names: parser.names,
    })
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), Error> {
        let mut rest = self.whole;
        // The text from the previous repetition operator on, if the last thing read was one.
        let mut last_repeat = None;
        while let Some(c) = rest.chars().next() {
            let before = rest;
            let mut repeat = None;
            match c {
                '(' if rest.starts_with("(?") => rest = self.perl_group(rest)?,
                '(' => {
                    self.names.push(None);
                    self.open(true)?;
                    rest = skip(rest, 1);
                }
                '|' => {
                    self.group.end_alternative();
                    self.group.done.push('|');
                    rest = skip(rest, 1);
                }
                ')' => {
                    self.close()?;
                    rest = skip(rest, 1);
                }
                '^' => {
                    self.push(if self.flags.multi_line { "(?m:^)" } else { r"\A" });
                    rest = skip(rest, 1);
                }
                '$' => {
                    self.push(if self.flags.multi_line { "(?m:$)" } else { r"\z" });
                    rest = skip(rest, 1);
                }
                '.' => {
                    self.push(if self.flags.dot_newline { "(?s:.)" } else { "." });
                    rest = skip(rest, 1);
                }
                '[' => {
                    let (text, after) = class::bracketed(rest, self.flags)?;
                    self.push(&text);
                    rest = after;
                }
                '*' | '+' | '?' => {
                    rest = self.repeat(rest, skip(rest, 1), 1, last_repeat)?;
                    repeat = Some(before);
                }
                '{' => match counts(rest) {
                    None => {
                        self.literal('{');
                        rest = skip(rest, 1);
                    }
                    Some((min, max, after)) => {
                        let bad_size = || Error::new(ErrorKind::RepeatSize, consumed(before, after));
                        let (Some(min), max) = (min, max) else {
                            return Err(bad_size());
                        };
                        let top = max.unwrap_or(min);
                        if min > MAX_REPEAT || top > MAX_REPEAT || min > top {
                            return Err(bad_size());
                        }
                        // An open maximum counts its minimum, and `{0,}` like any star.
                        let copies = if max.is_none() { min.max(1) } else { top };
                        rest = self.repeat(before, after, u64::from(copies), last_repeat)?;
                        repeat = Some(before);
                    }
                },
                '\\' => rest = self.escape(rest)?,
                c => {
                    self.literal(c);
                    rest = skip(rest, c.len_utf8());
                }
            }
            last_repeat = repeat;
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.group.atoms.push(Atom {
            text: text.to_owned(),
            copies: 1,
            repeated: false,
        });
    }

    fn literal(&mut self, c: char) {
        let mut text = String::new();
        class::write_char(&mut text, c);
        if self.flags.fold_case {
            text = format!("(?i:{text})");
        }
        self.push(&text);
    }

    fn open(&mut self, capture: bool) -> Result<(), Error> {
        if self.outer.len() >= MAX_DEPTH {
            return Err(Error::new(ErrorKind::NestingDepth, self.whole));
        }
        let inner = Group {
            capture,
            outer: self.flags,
            ..Group::default()
        };
        self.outer.push(std::mem::replace(&mut self.group, inner));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(outer) = self.outer.pop() else {
            return Err(Error::new(ErrorKind::UnexpectedParen, self.whole));
        };
        let mut inner = std::mem::replace(&mut self.group, outer);
        inner.end_alternative();
        self.flags = inner.outer;
        let opening = if inner.capture { "(" } else { "(?:" };
        self.group.atoms.push(Atom {
            text: format!("{opening}{})", inner.done),
            copies: inner.copies.max(1),
            repeated: false,
        });
        Ok(())
    }

    /// Applies the operator that stands between `before` and `after` to the last atom.
    fn repeat(
        &mut self,
        before: &'a str,
        after: &'a str,
        copies: u64,
        last_repeat: Option<&'a str>,
    ) -> Result<&'a str, Error> {
        let operator = consumed(before, after);
        let (lazy, after) = match after.strip_prefix('?') {
            Some(after) => (!self.flags.non_greedy, after),
            None => (self.flags.non_greedy, after),
        };
        if let Some(last) = last_repeat {
            return Err(Error::new(ErrorKind::RepeatOp, consumed(last, after)));
        }
        let Some(atom) = self.group.atoms.last_mut() else {
            return Err(Error::new(
                ErrorKind::MissingRepeatArgument,
                consumed(before, after),
            ));
        };
        let product = atom.copies.saturating_mul(copies);
        if copies >= 2 && product > u64::from(MAX_REPEAT) {
            return Err(Error::new(ErrorKind::RepeatSize, consumed(before, after)));
        }
        atom.copies = product;
        if atom.repeated {
            atom.text = format!("(?:{})", atom.text);
        }
        atom.repeated = true;
        atom.text.push_str(operator);
        if lazy {
            atom.text.push('?');
        }
        Ok(after)
    }

    /// A named group, a group without capture, or a change of flags.
    fn perl_group(&mut self, text: &'a str) -> Result<&'a str, Error> {
        let name_at = if text.len() > 4 && text.starts_with("(?P<") {
            Some(4)
        } else if text.len() > 3 && text.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        if let Some(start) = name_at {
            let Some((head, rest)) = text.split_once('>') else {
                return Err(Error::new(ErrorKind::NamedCapture, text));
            };
            let name = skip(head, start);
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return Err(Error::new(ErrorKind::NamedCapture, format!("{head}>")));
            }
            self.names.push(Some(name.to_owned()));
            self.open(true)?;
            return Ok(rest);
        }
        let mut flags = self.flags;
        let (mut value, mut seen) = (true, false);
        let mut rest = skip(text, 2);
        while let Some(c) = rest.chars().next() {
            rest = skip(rest, c.len_utf8());
            let flag = match c {
                'i' => &mut flags.fold_case,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_newline,
                'U' => &mut flags.non_greedy,
                '-' if value => {
                    (value, seen) = (false, false);
                    continue;
                }
                ':' | ')' if value || seen => {
                    if c == ':' {
                        self.open(false)?;
                    }
                    self.flags = flags;
                    return Ok(rest);
                }
                _ => break,
            };
            *flag = value;
            seen = true;
        }
        Err(Error::new(ErrorKind::PerlOp, consumed(text, rest)))
    }

    fn escape(&mut self, text: &'a str) -> Result<&'a str, Error> {
        let mut chars = text.chars().skip(1);
        let next = chars.next();
        let two = next.map_or(text, |c| skip(text, 1 + c.len_utf8()));
        match next {
            Some('A') => self.push(r"\A"),
            Some('z') => self.push(r"\z"),
            Some('b') => self.push(r"(?-u:\b)"),
            Some('B') => self.push(r"(?-u:\B)"),
            Some('C') => return Err(Error::new(ErrorKind::Escape, r"\C")),
            Some('Q') => {
                let (quoted, rest) = two.split_once(r"\E").unwrap_or((two, ""));
                for c in quoted.chars() {
                    self.literal(c);
                }
                return Ok(rest);
            }
            Some('p' | 'P') => {
                let (property, rest) = class::property(text)?;
                self.push_class(&property);
                return Ok(rest);
            }
            Some(c) if class::perl(c).is_some() => {
                self.push_class(class::perl(c).unwrap_or_default());
            }
            _ => {
                let (code, rest) = class::escape(text)?;
                match char::from_u32(code) {
                    Some(c) => self.literal(c),
                    // A surrogate: no text contains it.
                    None => self.push("[^\\x00-\\x{10FFFF}]"),
                }
                return Ok(rest);
            }
        }
        Ok(two)
    }

    fn push_class(&mut self, class: &str) {
        let mut text = String::new();
        let opening = if self.flags.fold_case { "(?i:[" } else { "[" };
        let closing = if self.flags.fold_case { "])" } else { "]" };
        // Writing to a String can not fail.
        let _ = write!(text, "{opening}{class}{closing}");
        self.push(&text);
    }
}

/// The text without its first `n` bytes.
pub(super) fn skip(text: &str, n: usize) -> &str {
    text.get(n..).unwrap_or_default()
}

/// What was read on the way from `before` to its suffix `after`.
pub(super) fn consumed<'a>(before: &'a str, after: &str) -> &'a str {
    before.get(..before.len() - after.len()).unwrap_or_default()
}

/// Reads `{min}`, `{min,}` or `{min,max}`. A minimum of `None` stands for a number too large to hold, a
/// maximum of `None` for no maximum. Anything else is a literal brace.
fn counts(text: &str) -> Option<(Option<u32>, Option<u32>, &str)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    if let Some(after) = rest.strip_prefix('}') {
        return Some((min, min, after));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(after) = rest.strip_prefix('}') {
        return Some((min, None, after));
    }
    let (max, rest) = count(rest)?;
    let after = rest.strip_prefix('}')?;
    Some((max.and(min), max, after))
}

fn count(text: &str) -> Option<(Option<u32>, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = consumed(text, rest);
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().ok(), rest))
}
