//! What the scanner finds in a text, and what the parser makes of it.

use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    StreamStart,
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective { handle: &'a str, prefix: Cow<'a, str> },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: &'a str, suffix: Cow<'a, str> },
    Scalar { value: Cow<'a, str>, plain: bool },
}

/// A token and the line it starts on, from 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) line: u32,
}

/// Name and tag that may stand before a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Properties<'a> {
    pub(super) anchor: Option<&'a str>,
    pub(super) tag: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum EventKind<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'a str),
    /// `implicit`: nothing but its own text says what the scalar is.
    Scalar {
        properties: Properties<'a>,
        value: Cow<'a, str>,
        implicit: bool,
    },
    SequenceStart {
        anchor: Option<&'a str>,
    },
    SequenceEnd,
    MappingStart {
        anchor: Option<&'a str>,
    },
    MappingEnd,
}

/// An event and the line it starts on, from 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event<'a> {
    pub(super) kind: EventKind<'a>,
    pub(super) line: u32,
}
