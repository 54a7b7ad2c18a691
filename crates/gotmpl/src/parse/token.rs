//! Tokens of a template.

use crate::strconv;

/// The kinds of token, those of keywords last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    /// The keyword that a word is, if it is one.
    pub(super) fn keyword(word: &str) -> Option<Kind> {
        Some(match word {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            _ => return None,
        })
    }
}

/// A token: its text is a part of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) pos: usize,
    pub(super) line: u32,
    pub(super) text: &'s str,
}

impl Token<'_> {
    /// The token as error texts show it.
    pub(super) fn show(&self) -> String {
        if self.kind == Kind::Eof {
            return "EOF".into();
        }
        if self.kind > Kind::Variable {
            return format!("<{}>", self.text);
        }
        if self.text.len() > 10 {
            let short: String = self.text.chars().take(10).collect();
            return format!("{}...", strconv::quote(short.as_bytes()));
        }
        strconv::quote(self.text.as_bytes())
    }
}
