//! What is wrong with a pattern, in the words of Go's `regexp/syntax`.

use std::fmt;

/// A pattern that Go would reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    expr: String,
}

/// The kinds of mistakes in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Translated, yet not accepted by the matching engine: a mistake of this module.
    Internal,
    /// A malformed or unknown class, or a range whose end is below its start.
    CharRange,
    /// A backslash sequence that does not exist.
    Escape,
    /// A group's name that is not made of letters, digits and underscores.
    NamedCapture,
    /// An unknown `(?` group.
    PerlOp,
    /// A repetition of a repetition, such as `a**`.
    RepeatOp,
    /// A count over 1000 (alone or nested), or a maximum below the minimum.
    RepeatSize,
    /// Bytes that are not UTF-8.
    Utf8,
    /// `[` without `]`.
    MissingBracket,
    /// `(` without `)`.
    MissingParen,
    /// Nothing to repeat.
    MissingRepeatArgument,
    /// `\` at the end.
    TrailingBackslash,
    /// `)` without `(`.
    UnexpectedParen,
    /// Groups nested more than [`MAX_DEPTH`](super::MAX_DEPTH) deep.
    NestingDepth,
    /// Over [`MAX_PATTERN_LEN`](super::MAX_PATTERN_LEN) or [`MAX_PROGRAM_SIZE`](super::MAX_PROGRAM_SIZE).
    Large,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, expr: impl Into<String>) -> Self {
        let expr = expr.into();
        Self { kind, expr }
    }

    /// What is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Internal => "regexp/syntax: internal error",
            ErrorKind::CharRange => "invalid character class range",
            ErrorKind::Escape => "invalid escape sequence",
            ErrorKind::NamedCapture => "invalid named capture",
            ErrorKind::PerlOp => "invalid or unsupported Perl syntax",
            ErrorKind::RepeatOp => "invalid nested repetition operator",
            ErrorKind::RepeatSize => "invalid repeat count",
            ErrorKind::Utf8 => "invalid UTF-8",
            ErrorKind::MissingBracket => "missing closing ]",
            ErrorKind::MissingParen => "missing closing )",
            ErrorKind::MissingRepeatArgument => "missing argument to repetition operator",
            ErrorKind::TrailingBackslash => "trailing backslash at end of expression",
            ErrorKind::UnexpectedParen => "unexpected )",
            ErrorKind::NestingDepth => "expression nests too deeply",
            ErrorKind::Large => "expression too large",
        };
        write!(f, "error parsing regexp: {what}: `{}`", self.expr)
    }
}

impl std::error::Error for Error {}
