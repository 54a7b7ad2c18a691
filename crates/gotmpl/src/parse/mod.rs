//! Parsing: source to tokens to syntax tree, with Go's rules and error texts.

pub(crate) mod ast;
mod lexer;
pub(crate) mod number;
mod parser;
mod pipeline;
mod token;

pub(crate) use parser::parse;

/// Nodes that the syntax tree of one source may have.
pub const MAX_SOURCE_NODES: usize = 200_000;

/// Parentheses and control structures may nest so deep.
pub const MAX_PARSE_DEPTH: usize = 200;
