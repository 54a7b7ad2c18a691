//! A document as a flat list of nodes, each before its children. go-yaml also reads a document whole before it
//! decodes it, which decides what error is seen first.

use super::parser::Parser;
use super::token::{Event, EventKind};
use crate::error::{Error, Result};
use crate::limits::Limits;
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Debug)]
pub(super) enum NodeKind<'a> {
    Scalar {
        value: Cow<'a, str>,
        tag: Option<Cow<'a, str>>,
        implicit: bool,
    },
    Sequence,
    Mapping,
    /// Stands for the node at `target`.
    Alias {
        name: &'a str,
        target: usize,
    },
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) kind: NodeKind<'a>,
    pub(super) line: u32,
    /// Where the next sibling is: just past the last descendant.
    pub(super) end: usize,
    pub(super) children: usize,
}

/// Reads the documents of a text, one at a time.
#[derive(Debug)]
pub(super) struct Documents<'a> {
    parser: Parser<'a>,
    depth: usize,
    most_nodes: usize,
}

impl<'a> Documents<'a> {
    pub(super) fn new(text: &'a str, limits: &Limits) -> Result<Self> {
        if text.len() > limits.input_bytes {
            return Err(Error::InputBytes {
                size: text.len(),
                limit: limits.input_bytes,
            });
        }
        Ok(Documents {
            parser: Parser::new(text),
            depth: limits.depth,
            most_nodes: limits.nodes,
        })
    }

    /// Nodes of the next document, none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Node<'a>>>> {
        if self.parser.next_event()?.kind == EventKind::StreamEnd {
            return Ok(None);
        }
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut anchors: HashMap<&'a str, usize> = HashMap::new();
        loop {
            let Event { kind, line } = self.parser.next_event()?;
            let at = nodes.len();
            let (kind, anchor, opens) = match kind {
                EventKind::Scalar {
                    properties,
                    value,
                    implicit,
                } => (
                    NodeKind::Scalar {
                        value,
                        tag: properties.tag,
                        implicit,
                    },
                    properties.anchor,
                    false,
                ),
                EventKind::SequenceStart { anchor } => (NodeKind::Sequence, anchor, true),
                EventKind::MappingStart { anchor } => (NodeKind::Mapping, anchor, true),
                EventKind::Alias(name) => match anchors.get(name) {
                    Some(&target) => (NodeKind::Alias { name, target }, None, false),
                    None => return Err(Error::document(format!("unknown anchor '{name}' referenced"))),
                },
                EventKind::SequenceEnd | EventKind::MappingEnd => {
                    if let Some(node) = open.pop().and_then(|opened| nodes.get_mut(opened)) {
                        node.end = at;
                    }
                    continue;
                }
                EventKind::DocumentStart => continue,
                EventKind::DocumentEnd | EventKind::StreamEnd => return Ok(Some(nodes)),
            };
            if let Some(name) = anchor {
                anchors.insert(name, at);
            }
            if let Some(parent) = open.last().and_then(|parent| nodes.get_mut(*parent)) {
                parent.children += 1;
            }
            if at >= self.most_nodes {
                return Err(Error::Nodes {
                    limit: self.most_nodes,
                });
            }
            nodes.push(Node {
                kind,
                line,
                end: at + 1,
                children: 0,
            });
            if opens {
                if open.len() >= self.depth {
                    return Err(Error::Depth {
                        line: Some(line + 1),
                        limit: self.depth,
                    });
                }
                open.push(at);
            }
        }
    }
}
