//! Regular expressions as Go's `regexp` package reads and applies them, on top of the `regex-automata` crate.
//!
//! Go's syntax (RE2) and the crate's differ: classes such as `\w` and the word boundary are ASCII in Go,
//! `\Q..\E` quotes, a brace or bracket that opens nothing is a literal, `&&` and `--` have no meaning in
//! classes, and repetitions are bounded. Matching is leftmost-first in both, in linear time.

mod class;
mod error;
mod program;
#[cfg(test)]
mod tests;
mod text;
mod translate;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub use error::{Error, ErrorKind};
use program::{NoProgram, Program, Search};
use text::Text;

use crate::error::Error as Limited;
use crate::meter;

/// The longest pattern, in bytes.
pub const MAX_PATTERN_LEN: usize = 64 << 10;

/// The largest compiled pattern, in bytes.
pub const MAX_PROGRAM_SIZE: usize = 4 << 20;

/// Patterns whose programs are no larger than this are small: all the patterns of real charts.
const SMALL_PROGRAM_SIZE: usize = 128 << 10;

/// How deeply groups may nest.
pub const MAX_DEPTH: usize = 100;

/// Go's bound for a repetition's count, and for the product of nested counts.
pub const MAX_REPEAT: u32 = 1000;

/// How many compiled small patterns are kept for [`Regex::cached`].
pub const MAX_CACHED: usize = 128;

/// How many large ones.
const MAX_CACHED_LARGE: usize = 4;

/// A compiled pattern. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Regex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pattern: String,
    program: Program,
    names: Vec<Option<String>>,
    /// A `\B` may hold inside a character of several bytes, where Go does not look.
    may_split: bool,
    is_large: bool,
}

/// Bytes of a template that are looked at in a step.
const BYTES_OF_A_STEP: u64 = 8;

/// What a match takes up until its part of the text has become a value.
const SPAN_BYTES: usize = 96;

/// Start and end of each group of a match; a group that took no part has none.
type Groups = Vec<Option<(usize, usize)>>;

impl Regex {
    /// Compiles a pattern.
    ///
    /// Errors: what Go's `regexp.Compile` rejects, with its messages, and patterns over the limits
    /// [`MAX_PATTERN_LEN`], [`MAX_PROGRAM_SIZE`] and [`MAX_DEPTH`].
    pub fn new(pattern: &[u8]) -> Result<Self, Error> {
        let pattern = match std::str::from_utf8(pattern) {
            Ok(pattern) => pattern,
            Err(e) => {
                let rest = pattern.get(e.valid_up_to()..).unwrap_or_default();
                return Err(Error::new(ErrorKind::Utf8, String::from_utf8_lossy(rest)));
            }
        };
        if pattern.len() > MAX_PATTERN_LEN {
            let head: String = pattern.chars().take(64).collect();
            return Err(Error::new(ErrorKind::Large, head + "..."));
        }
        let translated = translate::translate(pattern)?;
        let program = Program::new(&translated.pattern).map_err(|e| {
            let kind = match e {
                NoProgram::TooLarge => ErrorKind::Large,
                NoProgram::Broken => ErrorKind::Internal,
            };
            Error::new(kind, pattern)
        })?;
        Ok(Self(Arc::new(Inner {
            pattern: pattern.to_owned(),
            is_large: program.size() > SMALL_PROGRAM_SIZE,
            program,
            names: translated.names,
            may_split: translated.pattern.contains(r"\B"),
        })))
    }

    /// As [`new`](Self::new), from a cache of the patterns compiled before in this process.
    pub fn cached(pattern: &[u8]) -> Result<Self, Error> {
        Self::cached_from(pattern).0
    }

    /// As [`cached`](Self::cached), and the bytes of what was compiled for it; nothing where that was done before.
    pub fn cached_from(pattern: &[u8]) -> (Result<Self, Error>, Option<usize>) {
        static CACHE: LazyLock<Mutex<HashMap<Vec<u8>, Regex>>> = LazyLock::new(Mutex::default);
        // A poisoned cache is still a valid map.
        if let Some(found) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(pattern) {
            return (Ok(found.clone()), None);
        }
        let regex = match Self::new(pattern) {
            Ok(regex) => regex,
            Err(error) => {
                let is_large = error.kind() == ErrorKind::Large;
                let bytes = if is_large { MAX_PROGRAM_SIZE } else { pattern.len() };
                return (Err(error), Some(bytes));
            }
        };
        let (is_large, bytes) = (regex.0.is_large, regex.0.program.size());
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        let of_a_size = |regex: &Regex| regex.0.is_large == is_large;
        let most = if is_large { MAX_CACHED_LARGE } else { MAX_CACHED };
        if cache.values().filter(|r| of_a_size(r)).count() >= most {
            cache.retain(|_, r| !of_a_size(r));
        }
        cache.insert(pattern.to_vec(), regex.clone());
        (Ok(regex), Some(bytes))
    }

    /// The pattern it was compiled from.
    pub fn as_str(&self) -> &str {
        &self.0.pattern
    }

    /// Whether the pattern matches anywhere.
    ///
    /// Errors, here and below: the limits of the render at work, which bound memory and time of searches.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, Limited> {
        if self.0.may_split {
            return Ok(self.find(text)?.is_some());
        }
        self.0.program.search().is_match(Text::new(text)?.bytes(), 0)
    }

    /// The leftmost match, as `FindString`.
    pub fn find<'t>(&self, text: &'t [u8]) -> Result<Option<&'t [u8]>, Limited> {
        let text = Text::new(text)?;
        let found = self.find_at(&mut self.0.program.search(), &text, 0)?;
        Ok(found.map(|(start, end)| text.original(start, end)))
    }

    /// Up to `n` successive matches, all of them where `n` is negative, as `FindAllString`.
    pub fn find_all<'t>(&self, text: &'t [u8], n: i64) -> Result<Vec<&'t [u8]>, Limited> {
        let text = Text::new(text)?;
        let spans = self.spans(&text, n)?;
        let parts = spans.into_iter().map(|(start, end)| text.original(start, end));
        Ok(parts.collect())
    }

    /// The text with each match replaced by the template, in which `$1`, `${1}`, `$name` and `${name}`
    /// stand for groups and `$$` for a dollar, as `ReplaceAllString`. A name is as long as possible: `$1x`
    /// is the group named `1x`.
    pub fn replace_all(&self, text: &[u8], template: &[u8]) -> Result<Vec<u8>, Limited> {
        self.replace(text, template.contains(&b'$'), |text, groups, out| {
            self.expand(text, groups, template, out)
        })
    }

    /// The text with each match replaced by the literal, as `ReplaceAllLiteralString`.
    pub fn replace_all_literal(&self, text: &[u8], literal: &[u8]) -> Result<Vec<u8>, Limited> {
        self.replace(text, false, |_, _, out| {
            out.extend_from_slice(literal);
            meter::check_text(out.len())
        })
    }

    /// The texts between the matches, at most `n` where `n` is positive, all of them where it is negative,
    /// as `Split`. `None` (a nil slice) where `n` is 0.
    pub fn split<'t>(&self, text: &'t [u8], n: i64) -> Result<Option<Vec<&'t [u8]>>, Limited> {
        if n == 0 {
            return Ok(None);
        }
        if text.is_empty() && !self.0.pattern.is_empty() {
            return Ok(Some(vec![text]));
        }
        let limit = usize::try_from(n).unwrap_or(usize::MAX);
        let text = Text::new(text)?;
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (start, stop) in self.spans(&text, n)? {
            if parts.len() + 1 >= limit {
                break;
            }
            end = start;
            if stop != 0 {
                parts.push(text.original(begin, end));
            }
            begin = stop;
        }
        if end != text.len() {
            parts.push(text.original(begin, text.len()));
        }
        Ok(Some(parts))
    }

    fn find_at(
        &self,
        search: &mut Search<'_>,
        text: &Text<'_>,
        mut at: usize,
    ) -> Result<Option<(usize, usize)>, Limited> {
        loop {
            let found = search.find(text.bytes(), at)?;
            match found {
                Some((start, _)) if self.0.may_split && !text.is_boundary(start) => at = start + 1,
                _ => return Ok(found),
            }
        }
    }

    /// Successive matches. One that is empty and right behind another does not count.
    fn spans(&self, text: &Text<'_>, n: i64) -> Result<Vec<(usize, usize)>, Limited> {
        let limit = usize::try_from(n).unwrap_or(usize::MAX);
        let mut spans = Vec::new();
        let (mut at, mut last_end) = (0, None);
        let mut search = self.0.program.search();
        while spans.len() < limit && at <= text.len() {
            let Some((start, end)) = self.find_at(&mut search, text, at)? else {
                break;
            };
            let mut accept = true;
            if end == at {
                accept = last_end != Some(start);
                at += text.width(at).max(1);
            } else {
                at = end;
            }
            last_end = Some(end);
            if accept {
                spans.push((start, end));
                // The parts and the values made of them come on top.
                meter::check(spans.len() * SPAN_BYTES)?;
            }
        }
        Ok(spans)
    }

    /// The groups of each match are looked for only where they are wanted: else there is one, the match.
    fn replace(
        &self,
        text: &[u8],
        with_groups: bool,
        with: impl Fn(&Text<'_>, &Groups, &mut Vec<u8>) -> Result<(), Limited>,
    ) -> Result<Vec<u8>, Limited> {
        let text = Text::new(text)?;
        let mut out = Vec::new();
        let (mut last_end, mut at) = (0, 0);
        let mut search = self.0.program.search();
        while at <= text.len() {
            let Some((start, end)) = self.find_at(&mut search, &text, at)? else {
                break;
            };
            out.extend_from_slice(text.original(last_end, start));
            if end > last_end || start == 0 {
                let groups = match with_groups {
                    true => search.groups(text.bytes(), start, end)?,
                    false => vec![Some((start, end))],
                };
                with(&text, &groups, &mut out)?;
            }
            last_end = end;
            let width = text.width(at);
            if at + width > end {
                at += width;
            } else if at + 1 > end {
                at += 1;
            } else {
                at = end;
            }
        }
        out.extend_from_slice(text.original(last_end, text.len()));
        Ok(out)
    }

    fn expand(
        &self,
        text: &Text<'_>,
        groups: &Groups,
        template: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Limited> {
        meter::work(template.len() as u64 / BYTES_OF_A_STEP)?;
        let mut rest = template;
        while let Some(dollar) = rest.iter().position(|b| *b == b'$') {
            let (before, after) = rest.split_at(dollar);
            out.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
            if let Some(after) = rest.strip_prefix(b"$") {
                out.push(b'$');
                rest = after;
                continue;
            }
            let Some((name, after)) = text::reference(rest) else {
                out.push(b'$');
                continue;
            };
            rest = after;
            let group = match text::group_number(name) {
                Some(number) => groups.get(number).copied().flatten(),
                None => {
                    let named =
                        |known: &Option<String>| known.as_deref().is_some_and(|n| n.as_bytes() == name);
                    let mut known = self.0.names.iter().zip(groups).filter(|(n, _)| named(n));
                    known.find_map(|(_, group)| *group)
                }
            };
            if let Some((start, end)) = group {
                out.extend_from_slice(text.original(start, end));
                meter::check_text(out.len())?;
            }
        }
        out.extend_from_slice(rest);
        meter::check_text(out.len())
    }
}

/// The text with every character escaped that means something in a pattern, as `QuoteMeta`.
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        if br"\.+*?()|[]{}^$".contains(b) {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out
}
