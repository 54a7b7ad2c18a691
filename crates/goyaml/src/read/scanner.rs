//! The scanner: text to tokens, with go-yaml v2's rules (libyaml's, and Go's departures from them).

use super::chars::{self, ALPHA, BLANK, BREAK};
use super::token::{Kind, Token};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::VecDeque;

/// A place in the text. Columns count characters.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    line: u32,
    column: usize,
}

/// A token that a later `:` may turn into a key.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    /// The queue waits for it when its token is at the head.
    awaited: bool,
    token: usize,
    mark: Mark,
}

/// Characters within which a key's colon must follow.
const SIMPLE_KEY_REACH: usize = 1024;

#[derive(Debug)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) pos: usize,
    pub(super) line: u32,
    line_start: usize,
    /// Bytes of this line, up to here, that only continue a character.
    continued: usize,
    /// The text was cut before a character that the reader refuses.
    cut: bool,
    tokens: VecDeque<Token<'a>>,
    taken: usize,
    /// The head of the queue is final.
    ready: bool,
    started: bool,
    ended: bool,
    indents: Vec<isize>,
    pub(super) indent: isize,
    pub(super) flow_level: usize,
    pub(super) simple_key_allowed: bool,
    simple_keys: Vec<SimpleKey>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let refused = chars::first_refused(text);
        let text = refused.map_or(text, |at| {
            text.get(..chars::chunk_start(text, at)).unwrap_or_default()
        });
        Scanner {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            line: 0,
            line_start: 0,
            continued: 0,
            cut: refused.is_some(),
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            ready: false,
            started: false,
            ended: false,
            indents: Vec::with_capacity(16),
            indent: -1,
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
        }
    }

    /// A scanner of a text without a character that the reader refuses, and without byte order marks at its start.
    pub(super) fn whole(text: &'a str) -> Option<Self> {
        let scanner = Scanner::new(text);
        (!scanner.cut && !scanner.text.starts_with('\u{FEFF}')).then_some(scanner)
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<&Token<'a>> {
        if !self.ready {
            while self.need_more()? {
                self.fetch_more()?;
            }
            self.ready = true;
        }
        // After the end of the stream there is nothing to fetch; the parser asks no further.
        static END: Token<'static> = Token {
            kind: Kind::StreamEnd,
            line: 0,
        };
        Ok(self.tokens.front().unwrap_or(&END))
    }

    /// Takes the token that [`peek`](Self::peek) showed.
    pub(super) fn take(&mut self) -> Option<Token<'a>> {
        self.taken += 1;
        self.ready = false;
        self.tokens.pop_front()
    }

    fn need_more(&mut self) -> Result<bool> {
        if self.tokens.is_empty() {
            return Ok(!self.ended);
        }
        // Numbers rise along the stack, so the head's own key is found by halving.
        let at = self.simple_keys.partition_point(|key| key.token < self.taken);
        match self.simple_keys.get(at) {
            Some(key) if key.token == self.taken && key.awaited => self.check_simple_key(at),
            _ => Ok(false),
        }
    }

    fn fetch_more(&mut self) -> Result<()> {
        let fetched = self.fetch();
        // Go decodes ahead by whole chunks: a refused character hides what is just before it.
        if self.cut && self.pos + 4 > self.bytes.len() {
            return Err(Error::Syntax {
                line: None,
                message: "control characters are not allowed".into(),
            });
        }
        fetched
    }

    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    pub(super) fn is(&self, ahead: usize, class: u8) -> bool {
        chars::class(self.byte(ahead)) & class != 0
    }

    pub(super) fn at_break(&self, ahead: usize) -> bool {
        self.break_width(ahead) != 0
    }

    /// Bytes of the line break here, 0 if there is none. CR LF counts as one.
    fn break_width(&self, ahead: usize) -> usize {
        if !self.is(ahead, BREAK) {
            return 0;
        }
        match self.bytes.get(self.pos + ahead..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r' | b'\n', ..]) => 1,
            Some([0xC2, 0x85, ..]) => 2,
            Some([0xE2, 0x80, 0xA8 | 0xA9, ..]) => 3,
            _ => 0,
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    pub(super) fn at_blankz(&self, ahead: usize) -> bool {
        self.is(ahead, BLANK) || self.at_break(ahead) || self.pos + ahead >= self.bytes.len()
    }

    fn at_breakz(&self) -> bool {
        self.at_end() || self.at_break(0)
    }

    /// Characters of this line before the scanner.
    pub(super) fn column(&self) -> usize {
        self.pos - self.line_start - self.continued
    }

    fn mark(&self) -> Mark {
        Mark {
            line: self.line,
            column: self.column(),
        }
    }

    /// Moves over `count` bytes that are ASCII and no line breaks.
    pub(super) fn skip(&mut self, count: usize) {
        self.pos += count;
    }

    /// Moves to `end`, on the same line.
    pub(super) fn skip_to(&mut self, end: usize) {
        let run = self.bytes.get(self.pos..end).unwrap_or_default();
        self.continued += run.iter().filter(|byte| **byte & 0xC0 == 0x80).count();
        self.pos = end;
    }

    /// Moves over a line break and returns what it means in a scalar.
    pub(super) fn take_break(&mut self) -> &'a str {
        let from = self.pos;
        let width = self.break_width(0);
        self.pos += width;
        self.start_line();
        if width == 3 {
            self.text.get(from..self.pos).unwrap_or("\n")
        } else {
            "\n"
        }
    }

    fn start_line(&mut self) {
        self.line += 1;
        self.line_start = self.pos;
        self.continued = 0;
    }

    /// End of the line that the scanner is on.
    pub(super) fn line_end(&self) -> usize {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let line = memchr::memchr2(b'\n', b'\r', rest).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
        let unusual = memchr::memchr2_iter(0xC2, 0xE2, line).find(|at| self.break_width(*at) != 0);
        self.pos + unusual.unwrap_or(line.len())
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is(0, BLANK) {
            self.skip(1);
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            self.skip_to(self.line_end());
        }
    }

    /// What follows a directive or a block scalar's header on its line: blanks, a comment, the line break.
    pub(super) fn finish_line(&mut self, context: u32) -> Result<()> {
        self.skip_blanks();
        self.skip_comment();
        if !self.at_breakz() {
            return Err(self.error(context, "did not find expected comment or line break"));
        }
        if self.at_break(0) {
            self.take_break();
        }
        Ok(())
    }

    /// A scanner error here; `context` is the line where the failing construct began.
    pub(super) fn error(&self, context: u32, message: &'static str) -> Error {
        let line = if self.line != 0 {
            Some(self.line + 1)
        } else {
            Some(context).filter(|n| *n != 0)
        };
        Error::Syntax {
            line,
            message: Cow::Borrowed(message),
        }
    }

    pub(super) fn at_document_marker(&self) -> bool {
        self.column() == 0
            && matches!(self.bytes.get(self.pos..self.pos + 3), Some(b"---" | b"..."))
            && self.at_blankz(3)
    }

    fn push(&mut self, kind: Kind<'a>, line: u32) {
        self.tokens.push_back(Token { kind, line });
    }

    fn fetch(&mut self) -> Result<()> {
        if !self.started {
            self.started = true;
            self.push(Kind::StreamStart, 0);
            return Ok(());
        }
        self.skip_to_token();
        self.unroll_indent(self.column() as isize);
        if self.at_end() {
            return self.fetch_stream_end();
        }
        let byte = self.byte(0);
        if self.column() == 0 {
            if byte == b'%' {
                return self.fetch_directive();
            }
            if self.at_document_marker() {
                let kind = if byte == b'-' {
                    Kind::DocumentStart
                } else {
                    Kind::DocumentEnd
                };
                return self.fetch_document_marker(kind);
            }
        }
        let flow = self.flow_level > 0;
        match byte {
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.at_blankz(1) => self.fetch_block_entry(),
            b'?' if flow || self.at_blankz(1) => self.fetch_key(),
            b':' if flow || self.at_blankz(1) => self.fetch_value(),
            b'*' => self.fetch_anchor(true),
            b'&' => self.fetch_anchor(false),
            b'!' => self.fetch_scalar_like(Self::scan_tag),
            b'|' if !flow => self.fetch_block_scalar(true),
            b'>' if !flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_scalar_like(Self::scan_single_quoted),
            b'"' => self.fetch_scalar_like(Self::scan_double_quoted),
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                Err(self.error(self.line, "found character that cannot start any token"))
            }
            _ => self.fetch_scalar_like(Self::scan_plain),
        }
    }

    fn skip_to_token(&mut self) {
        if self.pos == 0 && self.text.starts_with('\u{FEFF}') {
            self.skip_to('\u{FEFF}'.len_utf8());
        }
        loop {
            while self.byte(0) == b' '
                || self.byte(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed)
            {
                self.skip(1);
            }
            self.skip_comment();
            if !self.at_break(0) {
                return;
            }
            self.take_break();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Whether the key at `at` in the stack can still become one; not after its line or its reach.
    fn check_simple_key(&mut self, at: usize) -> Result<bool> {
        let here = self.mark();
        let Some(key) = self.simple_keys.get_mut(at) else {
            return Ok(false);
        };
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < here.line || key.mark.column + SIMPLE_KEY_REACH < here.column {
            let (required, line) = (key.required, key.mark.line);
            key.possible = false;
            return if required {
                Err(self.error(line, "could not find expected ':'"))
            } else {
                Ok(false)
            };
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Result<()> {
        if self.simple_key_allowed {
            let key = SimpleKey {
                possible: true,
                awaited: true,
                required: self.flow_level == 0 && self.indent == self.column() as isize,
                token: self.taken + self.tokens.len(),
                mark: self.mark(),
            };
            self.remove_simple_key()?;
            if let Some(last) = self.simple_keys.last_mut() {
                *last = key;
            }
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<()> {
        let Some(key) = self.simple_keys.last_mut() else {
            return Ok(());
        };
        if std::mem::take(&mut key.possible) && key.required {
            let line = key.mark.line;
            return Err(self.error(line, "could not find expected ':'"));
        }
        Ok(())
    }

    fn roll_indent(&mut self, column: usize, number: Option<usize>, kind: Kind<'a>, line: u32) {
        let column = column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, line };
        match number {
            Some(number) => self.insert(number, token),
            None => self.tokens.push_back(token),
        }
    }

    fn insert(&mut self, number: usize, token: Token<'a>) {
        match number.checked_sub(self.taken) {
            Some(at) if at <= self.tokens.len() => self.tokens.insert(at, token),
            // The place is gone: the token goes to the end, as in go-yaml.
            _ => self.tokens.push_back(token),
        }
    }

    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.line);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Result<()> {
        if self.column() != 0 {
            self.start_line();
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        self.push(Kind::StreamEnd, self.line);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.line;
        let kind = self.scan_directive()?;
        self.push(kind, line);
        Ok(())
    }

    fn fetch_document_marker(&mut self, kind: Kind<'a>) -> Result<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(kind, self.line);
        self.skip(3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind<'a>) -> Result<()> {
        self.save_simple_key()?;
        let token = self.taken + self.tokens.len();
        self.simple_keys.push(SimpleKey {
            token,
            mark: self.mark(),
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.push_skip(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind<'a>) -> Result<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let inner = self.simple_keys.pop().unwrap_or_default();
            // go-yaml forgets keys by token number, and that of an empty collection's inside is the number
            // of the collection itself: `{}: a` is not seen to be a key in time.
            if let Some(outer) = self.simple_keys.last_mut()
                && outer.token == inner.token
            {
                outer.awaited = false;
            }
        }
        self.simple_key_allowed = false;
        self.push_skip(kind);
        Ok(())
    }

    fn push_skip(&mut self, kind: Kind<'a>) {
        self.push(kind, self.line);
        self.skip(1);
    }

    fn fetch_flow_entry(&mut self) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_skip(Kind::FlowEntry);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(
                    self.line,
                    "block sequence entries are not allowed in this context",
                ));
            }
            self.roll_indent(self.column(), None, Kind::BlockSequenceStart, self.line);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_skip(Kind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(self.line, "mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.column(), None, Kind::BlockMappingStart, self.line);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_skip(Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        let at = self.simple_keys.len().saturating_sub(1);
        if self.check_simple_key(at)? {
            let Some(key) = self.simple_keys.get_mut(at) else {
                return Ok(());
            };
            key.possible = false;
            let SimpleKey { token, mark, .. } = *key;
            self.insert(
                token,
                Token {
                    kind: Kind::Key,
                    line: mark.line,
                },
            );
            self.roll_indent(mark.column, Some(token), Kind::BlockMappingStart, mark.line);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error(self.line, "mapping values are not allowed in this context"));
                }
                self.roll_indent(self.column(), None, Kind::BlockMappingStart, self.line);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_skip(Kind::Value);
        Ok(())
    }

    fn fetch_scalar_like(&mut self, scan: fn(&mut Self) -> Result<Kind<'a>>) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.line;
        let kind = scan(self)?;
        self.push(kind, line);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let line = self.line;
        let kind = self.scan_block_scalar(literal)?;
        self.push(kind, line);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.line;
        self.skip(1);
        let name = self.alphas();
        let ends = self.at_blankz(0)
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            return Err(self.error(line, "did not find expected alphabetic or numeric character"));
        }
        self.push(
            if alias {
                Kind::Alias(name)
            } else {
                Kind::Anchor(name)
            },
            line,
        );
        Ok(())
    }

    pub(super) fn alphas(&mut self) -> &'a str {
        let from = self.pos;
        while self.is(0, ALPHA) {
            self.skip(1);
        }
        self.text.get(from..self.pos).unwrap_or_default()
    }
}
