//! The reader: text to tokens, events, nodes, and then the caller's values.

mod chars;
mod decode;
mod direct;
mod input;
mod node;
mod parser;
mod scalars;
mod scanner;
mod tags;
mod token;

pub use decode::{Builder, Key};
pub use input::decode_text;

use crate::error::Result;
use crate::limits::Limits;
use node::Documents;

/// How to read a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Keys that come twice in a map are errors. Default false: the last one counts.
    pub strict: bool,
    /// What the text may cost.
    pub limits: Limits,
}

/// Reads the first document of `text`, as go-yaml v2's `Unmarshal` does: what follows that document is not
/// looked at. None if there is no document at all.
pub fn build<B: Builder>(text: &str, options: &Options, builder: &mut B) -> Result<Option<B::Value>> {
    build_whole(text, options, builder)
}

/// [`build`] for builders that keep nothing of values that were not asked for: `new` makes one for each attempt.
pub(crate) fn build_fresh<B: Builder>(
    text: &str,
    options: &Options,
    new: impl Fn() -> B,
) -> Result<(Option<B::Value>, B)> {
    let mut builder = new();
    if !options.strict
        && let Some(value) = direct::read(text, &options.limits, &mut builder)
    {
        return Ok((Some(value), builder));
    }
    let mut builder = new();
    let value = build_whole(text, options, &mut builder)?;
    Ok((value, builder))
}

fn build_whole<B: Builder>(text: &str, options: &Options, builder: &mut B) -> Result<Option<B::Value>> {
    match Documents::new(text, &options.limits)?.next()? {
        None => Ok(None),
        Some(nodes) => decode::decode(&nodes, options.strict, &options.limits, builder).map(Some),
    }
}

/// Reads every document of `text`.
pub fn build_all<B: Builder>(text: &str, options: &Options, builder: &mut B) -> Result<Vec<B::Value>> {
    let mut documents = Documents::new(text, &options.limits)?;
    let mut values = Vec::new();
    while let Some(nodes) = documents.next()? {
        values.push(decode::decode(&nodes, options.strict, &options.limits, builder)?);
    }
    Ok(values)
}
