//! From source to tokens, as Go's lexer makes them, trim markers included.

use crate::parse::token::{Kind, Token};
use crate::strconv;
use crate::unicode::{is_digit, is_letter, is_print};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
/// A trim marker is a minus and the space that sets it off.
const TRIM_LEN: usize = 2;

/// The scanner. After an [`Kind::Error`] token its message is in `error`.
#[derive(Debug)]
pub(super) struct Lexer<'s> {
    input: &'s str,
    pos: usize,
    start: usize,
    at_eof: bool,
    paren_depth: i32,
    line: u32,
    start_line: u32,
    inside_action: bool,
    break_ok: bool,
    continue_ok: bool,
    pub(super) error: String,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(input: &'s str, break_ok: bool, continue_ok: bool) -> Lexer<'s> {
        Lexer {
            input,
            pos: 0,
            start: 0,
            at_eof: false,
            paren_depth: 0,
            line: 1,
            start_line: 1,
            inside_action: false,
            break_ok,
            continue_ok,
            error: String::new(),
        }
    }

    pub(super) fn next_token(&mut self) -> Token<'s> {
        if self.inside_action {
            self.action()
        } else {
            self.text()
        }
    }

    fn rest(&self) -> &'s str {
        self.input.get(self.pos..).unwrap_or("")
    }

    /// The character at the position; most are ASCII, which needs no decoding.
    #[inline]
    fn char_here(&self) -> Option<char> {
        match self.input.as_bytes().get(self.pos) {
            Some(b) if b.is_ascii() => Some(*b as char),
            _ => self.rest().chars().next(),
        }
    }

    #[inline]
    fn next(&mut self) -> Option<char> {
        let Some(c) = self.char_here() else {
            self.at_eof = true;
            return None;
        };
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    #[inline]
    fn peek(&mut self) -> Option<char> {
        let c = self.char_here();
        self.at_eof |= c.is_none();
        c
    }

    fn backup(&mut self) {
        if self.at_eof || self.pos == 0 {
            return;
        }
        let c = match self.input.as_bytes().get(self.pos - 1) {
            Some(b) if b.is_ascii() => Some(*b as char),
            _ => self.input.get(..self.pos).and_then(|s| s.chars().next_back()),
        };
        if let Some(c) = c {
            self.pos -= c.len_utf8();
            if c == '\n' {
                self.line -= 1;
            }
        }
    }

    fn token(&mut self, kind: Kind) -> Token<'s> {
        let text = self.input.get(self.start..self.pos).unwrap_or("");
        let token = Token {
            kind,
            pos: self.start,
            line: self.start_line,
            text,
        };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    /// Skips what lies before the position, which `next` has not gone over.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn count_lines(&mut self) {
        let skipped = self.input.get(self.start..self.pos).unwrap_or("");
        self.line += skipped.bytes().filter(|b| *b == b'\n').count() as u32;
    }

    fn accept(&mut self, valid: &str) -> bool {
        if self.next().is_some_and(|c| valid.contains(c)) {
            return true;
        }
        self.backup();
        false
    }

    fn accept_run(&mut self, valid: &str) {
        while self.next().is_some_and(|c| valid.contains(c)) {}
        self.backup();
    }

    fn fail(&mut self, message: impl Into<String>) -> Token<'s> {
        self.error = message.into();
        let token = Token {
            kind: Kind::Error,
            pos: self.start,
            line: self.start_line,
            text: "",
        };
        self.start = 0;
        self.pos = 0;
        self.input = "";
        token
    }

    fn text(&mut self) -> Token<'s> {
        loop {
            let rest = self.rest();
            let Some(x) = rest.find(LEFT) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.count_lines();
                    return self.token(Kind::Text);
                }
                return self.token(Kind::Eof);
            };
            if x > 0 {
                let text = rest.get(..x).unwrap_or("");
                let after = rest.get(x + LEFT.len()..).unwrap_or("");
                let kept = if has_left_trim(after) {
                    text.trim_end_matches(is_space).len()
                } else {
                    x
                };
                self.pos += kept;
                self.count_lines();
                let token = self.token(Kind::Text);
                self.pos += x - kept;
                self.ignore();
                if !token.text.is_empty() {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// The left delimiter; `None` after a comment, which is passed over.
    fn left_delim(&mut self) -> Option<Token<'s>> {
        self.pos += LEFT.len();
        let after_marker = if has_left_trim(self.rest()) { TRIM_LEN } else { 0 };
        if self
            .rest()
            .get(after_marker..)
            .is_some_and(|s| s.starts_with("/*"))
        {
            self.pos += after_marker;
            self.ignore();
            return self.comment();
        }
        let token = self.token(Kind::LeftDelim);
        self.inside_action = true;
        self.pos += after_marker;
        self.ignore();
        self.paren_depth = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'s>> {
        self.pos += 2;
        let Some(x) = self.rest().find("*/") else {
            return Some(self.fail("unclosed comment"));
        };
        self.pos += x + 2;
        let (delim, trim) = self.at_right_delim();
        if !delim {
            return Some(self.fail("comment ends before closing delimiter"));
        }
        if trim {
            self.pos += TRIM_LEN;
        }
        self.pos += RIGHT.len();
        if trim {
            self.pos += leading_space(self.rest());
        }
        self.ignore();
        None
    }

    fn at_right_delim(&self) -> (bool, bool) {
        let rest = self.rest();
        if has_right_trim(rest) && rest.get(TRIM_LEN..).is_some_and(|s| s.starts_with(RIGHT)) {
            return (true, true);
        }
        (rest.starts_with(RIGHT), false)
    }

    fn right_delim(&mut self) -> Token<'s> {
        let (_, trim) = self.at_right_delim();
        if trim {
            self.pos += TRIM_LEN;
            self.ignore();
        }
        self.pos += RIGHT.len();
        let token = self.token(Kind::RightDelim);
        if trim {
            self.pos += leading_space(self.rest());
            self.ignore();
        }
        self.inside_action = false;
        token
    }

    fn action(&mut self) -> Token<'s> {
        if self.at_right_delim().0 {
            if self.paren_depth == 0 {
                return self.right_delim();
            }
            return self.fail("unclosed left paren");
        }
        let Some(c) = self.next() else {
            return self.fail("unclosed action");
        };
        match c {
            c if is_space(c) => {
                self.backup();
                self.space()
            }
            '=' => self.token(Kind::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.token(Kind::Declare)
                } else {
                    self.fail("expected :=")
                }
            }
            '|' => self.token(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => {
                loop {
                    match self.next() {
                        None => return self.fail("unterminated raw quoted string"),
                        Some('`') => break,
                        Some(_) => {}
                    }
                }
                self.token(Kind::RawString)
            }
            '$' => self.field_or_variable(Kind::Variable),
            '.' if !self.rest().is_empty() && !self.rest().starts_with(|c: char| c.is_ascii_digit()) => {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.backup();
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.backup();
                self.identifier()
            }
            '(' => {
                self.paren_depth += 1;
                self.token(Kind::LeftParen)
            }
            ')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return self.fail("unexpected right paren");
                }
                self.token(Kind::RightParen)
            }
            ' '..='~' => self.token(Kind::Char),
            c => self.fail(format!("unrecognized character in action: {}", code_point(c))),
        }
    }

    fn space(&mut self) -> Token<'s> {
        let mut count = 0;
        while self.peek().is_some_and(is_space) {
            self.next();
            count += 1;
        }
        // A minus after the last space may start a trimming right delimiter, to which the space belongs.
        let last = self.input.get(self.pos.saturating_sub(1)..).unwrap_or("");
        if has_right_trim(last) && last.get(TRIM_LEN..).is_some_and(|s| s.starts_with(RIGHT)) {
            self.backup();
            if count == 1 {
                return self.right_delim();
            }
        }
        self.token(Kind::Space)
    }

    fn identifier(&mut self) -> Token<'s> {
        let c = self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!(
                "bad character {}",
                c.map_or_else(String::new, code_point)
            ));
        }
        let word = self.input.get(self.start..self.pos).unwrap_or("");
        match Kind::keyword(word) {
            Some(Kind::Break) if !self.break_ok => self.token(Kind::Identifier),
            Some(Kind::Continue) if !self.continue_ok => self.token(Kind::Identifier),
            Some(kind) => self.token(kind),
            None if word == "true" || word == "false" => self.token(Kind::Bool),
            None => self.token(Kind::Identifier),
        }
    }

    /// Goes over letters, digits and underscores; gives what stands behind them.
    fn skip_word(&mut self) -> Option<char> {
        loop {
            match self.next() {
                Some(c) if is_alphanumeric(c) => {}
                c => {
                    self.backup();
                    return c;
                }
            }
        }
    }

    fn field_or_variable(&mut self, kind: Kind) -> Token<'s> {
        if self.at_terminator() {
            return self.token(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        let c = self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!(
                "bad character {}",
                c.map_or_else(String::new, code_point)
            ));
        }
        self.token(kind)
    }

    fn at_terminator(&mut self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) if is_space(c) => true,
            _ => self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Token<'s> {
        loop {
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        return self.fail(unterminated);
                    }
                }
                None | Some('\n') => return self.fail(unterminated),
                Some(c) if c == quote => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Token<'s> {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            let complete = self.scan_number();
            if !complete || !self.input.get(..self.pos).is_some_and(|s| s.ends_with('i')) {
                return self.bad_number();
            }
            return self.token(Kind::Complex);
        }
        self.token(Kind::Number)
    }

    fn bad_number(&mut self) -> Token<'s> {
        let text = self.input.get(self.start..self.pos).unwrap_or("");
        self.fail(format!("bad number syntax: {}", strconv::quote(text.as_bytes())))
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits == DECIMAL && self.accept("eE") || digits == HEX && self.accept("pP") {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '_'
    } else {
        is_letter(c) || is_digit(c)
    }
}

fn leading_space(s: &str) -> usize {
    s.len() - s.trim_start_matches(is_space).len()
}

fn has_left_trim(s: &str) -> bool {
    s.strip_prefix('-').is_some_and(|s| s.starts_with(is_space))
}

fn has_right_trim(s: &str) -> bool {
    s.strip_prefix(is_space).is_some_and(|s| s.starts_with('-'))
}

/// A character as Go's `%#U` shows it.
fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", c as u32);
    if is_print(c) {
        format!("{number} '{c}'")
    } else {
        number
    }
}
