//! The parser: tokens to events, by go-yaml v2's grammar.

use super::scanner::Scanner;
use super::token::{Event, EventKind, Kind, Properties, Token};
use crate::error::{Error, Result};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StreamStart,
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirstEntry,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingFirstKey,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

#[derive(Debug)]
pub(super) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Lines where the open collections began.
    lines: Vec<u32>,
    tag_directives: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Parser {
            scanner: Scanner::new(text),
            state: State::StreamStart,
            states: Vec::with_capacity(16),
            lines: Vec::with_capacity(16),
            tag_directives: Vec::new(),
        }
    }

    fn peek(&mut self) -> Result<&Token<'a>> {
        self.scanner.peek()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        self.scanner.take()
    }

    /// Takes the token shown and shows the next.
    fn next(&mut self) -> Result<&Token<'a>> {
        self.scanner.take();
        self.scanner.peek()
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// The next event; after the last, `StreamEnd` for ever.
    pub(super) fn next_event(&mut self) -> Result<Event<'a>> {
        match self.state {
            State::StreamStart => {
                self.peek()?;
                self.take();
                self.state = State::ImplicitDocumentStart;
                self.next_event()
            }
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirstEntry => self.block_sequence_entry(true),
            State::BlockSequenceEntry => self.block_sequence_entry(false),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirstKey => self.block_mapping_key(true),
            State::BlockMappingKey => self.block_mapping_key(false),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirstEntry => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowSequenceEntryMappingKey => self.flow_sequence_entry_mapping_key(),
            State::FlowSequenceEntryMappingValue => self.flow_sequence_entry_mapping_value(),
            State::FlowSequenceEntryMappingEnd => {
                let line = self.peek()?.line;
                self.state = State::FlowSequenceEntry;
                Ok(Event {
                    kind: EventKind::MappingEnd,
                    line,
                })
            }
            State::FlowMappingFirstKey => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
            State::End => Ok(Event {
                kind: EventKind::StreamEnd,
                line: 0,
            }),
        }
    }

    fn document_start(&mut self, first: bool) -> Result<Event<'a>> {
        let mut token = self.peek()?;
        if !first {
            while token.kind == Kind::DocumentEnd {
                token = self.next()?;
            }
        }
        let line = token.line;
        let explicit = matches!(
            token.kind,
            Kind::VersionDirective { .. } | Kind::TagDirective { .. } | Kind::DocumentStart
        );
        if token.kind == Kind::StreamEnd {
            self.take();
            self.state = State::End;
            return Ok(Event {
                kind: EventKind::StreamEnd,
                line,
            });
        }
        self.directives()?;
        self.states.push(State::DocumentEnd);
        if first && !explicit {
            self.state = State::BlockNode;
        } else {
            let token = self.peek()?;
            if token.kind != Kind::DocumentStart {
                return Err(error(token.line, 0, "did not find expected <document start>"));
            }
            self.take();
            self.state = State::DocumentContent;
        }
        Ok(Event {
            kind: EventKind::DocumentStart,
            line,
        })
    }

    fn directives(&mut self) -> Result<()> {
        let mut version = false;
        loop {
            let token = self.peek()?;
            let line = token.line;
            match &token.kind {
                Kind::VersionDirective { major, minor } => {
                    if version {
                        return Err(error(line, 0, "found duplicate %YAML directive"));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(error(line, 0, "found incompatible YAML document"));
                    }
                    version = true;
                    self.take();
                }
                Kind::TagDirective { .. } => {
                    if let Some(Token {
                        kind: Kind::TagDirective { handle, prefix },
                        ..
                    }) = self.take()
                    {
                        if self.tag_directives.iter().any(|(known, _)| *known == handle) {
                            return Err(error(line, 0, "found duplicate %TAG directive"));
                        }
                        self.tag_directives.push((handle, prefix));
                    }
                }
                _ => break,
            }
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| *known == handle) {
                self.tag_directives.push((handle, Cow::Borrowed(prefix)));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if matches!(
            token.kind,
            Kind::VersionDirective { .. }
                | Kind::TagDirective { .. }
                | Kind::DocumentStart
                | Kind::DocumentEnd
                | Kind::StreamEnd
        ) {
            self.pop_state();
            return Ok(empty(line));
        }
        self.node(true, false)
    }

    fn document_end(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if token.kind == Kind::DocumentEnd {
            self.take();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(Event {
            kind: EventKind::DocumentEnd,
            line,
        })
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if let Kind::Alias(name) = token.kind {
            self.take();
            self.pop_state();
            return Ok(Event {
                kind: EventKind::Alias(name),
                line,
            });
        }
        let properties = match token.kind {
            Kind::Anchor(_) | Kind::Tag { .. } => self.properties(line)?,
            _ => Properties::default(),
        };
        let token = self.peek()?;
        let anchor = properties.anchor;
        match token.kind {
            Kind::BlockEntry if indentless => {
                self.state = State::IndentlessSequenceEntry;
                Ok(Event {
                    kind: EventKind::SequenceStart { anchor },
                    line,
                })
            }
            Kind::Scalar { .. } => {
                self.pop_state();
                let Some(Token {
                    kind: Kind::Scalar { value, plain },
                    ..
                }) = self.take()
                else {
                    return Ok(empty(line));
                };
                let implicit = properties.tag.as_deref().map_or(plain, |tag| tag == "!");
                Ok(Event {
                    kind: EventKind::Scalar {
                        properties,
                        value,
                        implicit,
                    },
                    line,
                })
            }
            Kind::FlowSequenceStart => {
                self.state = State::FlowSequenceFirstEntry;
                Ok(Event {
                    kind: EventKind::SequenceStart { anchor },
                    line,
                })
            }
            Kind::FlowMappingStart => {
                self.state = State::FlowMappingFirstKey;
                Ok(Event {
                    kind: EventKind::MappingStart { anchor },
                    line,
                })
            }
            Kind::BlockSequenceStart if block => {
                self.state = State::BlockSequenceFirstEntry;
                Ok(Event {
                    kind: EventKind::SequenceStart { anchor },
                    line,
                })
            }
            Kind::BlockMappingStart if block => {
                self.state = State::BlockMappingFirstKey;
                Ok(Event {
                    kind: EventKind::MappingStart { anchor },
                    line,
                })
            }
            _ if properties != Properties::default() => {
                self.pop_state();
                let implicit = properties.tag.is_none();
                Ok(Event {
                    kind: EventKind::Scalar {
                        properties,
                        value: Cow::Borrowed(""),
                        implicit,
                    },
                    line,
                })
            }
            _ => Err(error(token.line, line, "did not find expected node content")),
        }
    }

    /// An anchor and a tag, each at most once, in either order.
    fn properties(&mut self, line: u32) -> Result<Properties<'a>> {
        let mut anchor = None;
        let mut tag = None;
        loop {
            let token = self.peek()?;
            let tag_line = token.line;
            match &token.kind {
                Kind::Anchor(name) if anchor.is_none() => {
                    anchor = Some(*name);
                    self.take();
                }
                Kind::Tag { .. } if tag.is_none() => {
                    if let Some(Token {
                        kind: Kind::Tag { handle, suffix },
                        ..
                    }) = self.take()
                    {
                        tag = Some((tag_line, handle, suffix));
                    }
                }
                _ => break,
            }
        }
        let tag = match tag {
            Some((tag_line, handle, suffix)) => Some(self.resolve_tag(handle, suffix, line, tag_line)?),
            None => None,
        };
        Ok(Properties { anchor, tag })
    }

    fn resolve_tag(
        &self,
        handle: &str,
        suffix: Cow<'a, str>,
        line: u32,
        tag_line: u32,
    ) -> Result<Cow<'a, str>> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        match self.tag_directives.iter().find(|(known, _)| *known == handle) {
            Some((_, prefix)) => Ok(Cow::Owned(format!("{prefix}{suffix}"))),
            None => Err(error(tag_line, line, "found undefined tag handle")),
        }
    }

    /// Opens a collection: takes its start token and remembers the line.
    fn open(&mut self) -> Result<()> {
        let line = self.peek()?.line;
        self.lines.push(line);
        self.take();
        Ok(())
    }

    /// Closes a collection: takes its end token and goes back to the state before.
    fn close(&mut self, kind: EventKind<'a>, line: u32) -> Event<'a> {
        self.pop_state();
        self.lines.pop();
        self.take();
        Event { kind, line }
    }

    fn unexpected(&mut self, line: u32, message: &'static str) -> Error {
        error(line, self.lines.pop().unwrap_or(0), message)
    }

    fn block_sequence_entry(&mut self, first: bool) -> Result<Event<'a>> {
        if first {
            self.open()?;
        }
        let token = self.peek()?;
        let line = token.line;
        match token.kind {
            Kind::BlockEntry => {
                if matches!(self.next()?.kind, Kind::BlockEntry | Kind::BlockEnd) {
                    self.state = State::BlockSequenceEntry;
                    return Ok(empty(line));
                }
                self.states.push(State::BlockSequenceEntry);
                self.node(true, false)
            }
            Kind::BlockEnd => Ok(self.close(EventKind::SequenceEnd, line)),
            _ => Err(self.unexpected(line, "did not find expected '-' indicator")),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if token.kind != Kind::BlockEntry {
            self.pop_state();
            return Ok(Event {
                kind: EventKind::SequenceEnd,
                line,
            });
        }
        if matches!(
            self.next()?.kind,
            Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd
        ) {
            self.state = State::IndentlessSequenceEntry;
            return Ok(empty(line));
        }
        self.states.push(State::IndentlessSequenceEntry);
        self.node(true, false)
    }

    fn block_mapping_key(&mut self, first: bool) -> Result<Event<'a>> {
        if first {
            self.open()?;
        }
        let token = self.peek()?;
        let line = token.line;
        match token.kind {
            Kind::Key => {
                if matches!(self.next()?.kind, Kind::Key | Kind::Value | Kind::BlockEnd) {
                    self.state = State::BlockMappingValue;
                    return Ok(empty(line));
                }
                self.states.push(State::BlockMappingValue);
                self.node(true, true)
            }
            Kind::BlockEnd => Ok(self.close(EventKind::MappingEnd, line)),
            _ => Err(self.unexpected(line, "did not find expected key")),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if token.kind == Kind::Value && !matches!(self.next()?.kind, Kind::Key | Kind::Value | Kind::BlockEnd)
        {
            self.states.push(State::BlockMappingKey);
            return self.node(true, true);
        }
        self.state = State::BlockMappingKey;
        Ok(empty(line))
    }

    /// In a flow collection: moves past the comma between two entries. Nothing left if the end is there.
    fn flow_separator(&mut self, first: bool, end: &Kind<'a>, message: &'static str) -> Result<()> {
        let token = self.peek()?;
        if first || token.kind == *end {
            return Ok(());
        }
        let line = token.line;
        if token.kind != Kind::FlowEntry {
            return Err(self.unexpected(line, message));
        }
        self.next()?;
        Ok(())
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Result<Event<'a>> {
        if first {
            self.open()?;
        }
        self.flow_separator(first, &Kind::FlowSequenceEnd, "did not find expected ',' or ']'")?;
        let token = self.peek()?;
        let line = token.line;
        match token.kind {
            Kind::FlowSequenceEnd => Ok(self.close(EventKind::SequenceEnd, line)),
            Kind::Key => {
                self.take();
                self.state = State::FlowSequenceEntryMappingKey;
                Ok(Event {
                    kind: EventKind::MappingStart { anchor: None },
                    line,
                })
            }
            _ => {
                self.states.push(State::FlowSequenceEntry);
                self.node(false, false)
            }
        }
    }

    fn flow_sequence_entry_mapping_key(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd) {
            // go-yaml loses the token here, and so do we.
            self.take();
            self.state = State::FlowSequenceEntryMappingValue;
            return Ok(empty(line));
        }
        self.states.push(State::FlowSequenceEntryMappingValue);
        self.node(false, false)
    }

    fn flow_sequence_entry_mapping_value(&mut self) -> Result<Event<'a>> {
        let token = self.peek()?;
        let line = token.line;
        if token.kind == Kind::Value && !matches!(self.next()?.kind, Kind::FlowEntry | Kind::FlowSequenceEnd)
        {
            self.states.push(State::FlowSequenceEntryMappingEnd);
            return self.node(false, false);
        }
        self.state = State::FlowSequenceEntryMappingEnd;
        Ok(empty(line))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Event<'a>> {
        if first {
            self.open()?;
        }
        self.flow_separator(first, &Kind::FlowMappingEnd, "did not find expected ',' or '}'")?;
        let token = self.peek()?;
        let line = token.line;
        match token.kind {
            Kind::FlowMappingEnd => Ok(self.close(EventKind::MappingEnd, line)),
            Kind::Key => {
                let token = self.next()?;
                let line = token.line;
                if matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd) {
                    self.state = State::FlowMappingValue;
                    return Ok(empty(line));
                }
                self.states.push(State::FlowMappingValue);
                self.node(false, false)
            }
            _ => {
                self.states.push(State::FlowMappingEmptyValue);
                self.node(false, false)
            }
        }
    }

    fn flow_mapping_value(&mut self, none: bool) -> Result<Event<'a>> {
        let token = self.peek()?;
        let mut line = token.line;
        if !none && token.kind == Kind::Value {
            let token = self.next()?;
            line = token.line;
            if !matches!(token.kind, Kind::FlowEntry | Kind::FlowMappingEnd) {
                self.states.push(State::FlowMappingKey);
                return self.node(false, false);
            }
        }
        self.state = State::FlowMappingKey;
        Ok(empty(line))
    }
}

/// The node that is not there.
fn empty<'a>(line: u32) -> Event<'a> {
    Event {
        kind: EventKind::Scalar {
            properties: Properties::default(),
            value: Cow::Borrowed(""),
            implicit: true,
        },
        line,
    }
}

/// A parser error. go-yaml prints its line from 0, and the line where the construct began if that is the first.
fn error(line: u32, context: u32, message: &'static str) -> Error {
    let line = [line, context].into_iter().find(|line| *line != 0);
    Error::Syntax {
        line,
        message: Cow::Borrowed(message),
    }
}
