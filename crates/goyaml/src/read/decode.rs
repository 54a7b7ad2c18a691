//! Decoding: nodes to a caller's values, with go-yaml v2's rules for aliases, merges and duplicate keys.

use super::node::{Node, NodeKind};
use crate::error::{Error, Result};
use crate::gosyntax;
use crate::limits::Limits;
use crate::resolve::{self, Resolved};
use crate::value::{Value, ValueBuilder};
use std::borrow::Cow;
use std::collections::HashSet;

/// A map's key as go-yaml resolves it. Keys of different kinds are different keys (`1` and `"1"`).
#[derive(Debug, Clone, PartialEq)]
pub enum Key<'a> {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean of YAML 1.1, such as `on`.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A string.
    Str(Cow<'a, str>),
    /// A `!!binary` that is not UTF-8.
    Bytes(Vec<u8>),
}

/// What a reader builds its values with. No tree of ours stands between the text and the caller's own.
///
/// A key that comes again replaces the value of the earlier one.
pub trait Builder {
    /// A value.
    type Value;
    /// A sequence being built.
    type Seq;
    /// A map being built.
    type Map;

    /// A null.
    fn null(&mut self) -> Self::Value;
    /// A boolean.
    fn bool(&mut self, value: bool) -> Self::Value;
    /// An integer that fits `i64`.
    fn int(&mut self, value: i64) -> Self::Value;
    /// An integer above `i64::MAX`.
    fn uint(&mut self, value: u64) -> Self::Value;
    /// A float, which may be infinite or not a number.
    fn float(&mut self, value: f64) -> Self::Value;
    /// A string; timestamps are strings too.
    fn str(&mut self, value: Cow<'_, str>) -> Self::Value;
    /// A `!!binary` whose bytes are not UTF-8.
    fn bytes(&mut self, value: Vec<u8>) -> Self::Value;
    /// Starts a sequence of `len` items.
    fn begin_seq(&mut self, len: usize) -> Self::Seq;
    /// Adds an item.
    fn push(&mut self, seq: &mut Self::Seq, value: Self::Value);
    /// Ends a sequence.
    fn end_seq(&mut self, seq: Self::Seq) -> Self::Value;
    /// Starts a map of about `len` entries.
    fn begin_map(&mut self, len: usize) -> Self::Map;
    /// Sets a key.
    fn insert(&mut self, map: &mut Self::Map, key: Key<'_>, value: Self::Value);
    /// Ends a map.
    fn end_map(&mut self, map: Self::Map) -> Self::Value;
}

/// Decodes a document's nodes.
pub(super) fn decode<B: Builder>(
    nodes: &[Node<'_>],
    strict: bool,
    limits: &Limits,
    builder: &mut B,
) -> Result<B::Value> {
    let mut decoder = Decoder {
        nodes,
        strict,
        limits,
        decoded: 1,
        aliased: 0,
        alias_depth: 0,
        expanded_bytes: 0,
        depth: 0,
        expanding: Vec::new(),
        duplicates: Vec::new(),
    };
    let value = decoder.value(0, builder)?;
    if decoder.duplicates.is_empty() {
        Ok(value)
    } else {
        Err(Error::Duplicates(decoder.duplicates))
    }
}

struct Decoder<'n, 'a> {
    nodes: &'n [Node<'a>],
    strict: bool,
    limits: &'n Limits,
    decoded: usize,
    aliased: usize,
    alias_depth: usize,
    expanded_bytes: usize,
    depth: usize,
    /// Alias nodes being followed.
    expanding: Vec<usize>,
    duplicates: Vec<String>,
}

/// Keys seen in a map, kept in strict reads only.
type Seen = HashSet<KeyIdentity>;

#[derive(PartialEq, Eq, Hash)]
enum KeyIdentity {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(u64),
    Bytes(Vec<u8>),
}

impl KeyIdentity {
    /// None for not-a-number, which equals nothing.
    fn of(key: &Key<'_>) -> Option<Self> {
        Some(match key {
            Key::Null => KeyIdentity::Null,
            Key::Bool(value) => KeyIdentity::Bool(*value),
            Key::Int(value) => KeyIdentity::Int(*value),
            Key::Uint(value) => KeyIdentity::Uint(*value),
            Key::Float(value) if value.is_nan() => return None,
            Key::Float(value) => KeyIdentity::Float((value + 0.0).to_bits()),
            Key::Str(value) => KeyIdentity::Bytes(value.as_bytes().to_vec()),
            Key::Bytes(value) => KeyIdentity::Bytes(value.clone()),
        })
    }
}

/// A scalar's value.
enum Scalar<'s> {
    Plain(Resolved),
    Text(Cow<'s, str>),
    Bytes(Vec<u8>),
}

impl<'n, 'a> Decoder<'n, 'a> {
    fn node(&self, at: usize) -> Result<&'n Node<'a>> {
        self.nodes
            .get(at)
            .ok_or_else(|| Error::document("document has no content"))
    }

    /// go-yaml's count of work, and its limit on the part of it that aliases cause.
    fn count(&mut self) -> Result<()> {
        self.decoded += 1;
        if self.decoded > self.limits.nodes.saturating_add(1) {
            return Err(Error::Nodes {
                limit: self.limits.nodes,
            });
        }
        if self.alias_depth > 0 {
            self.aliased += 1;
        }
        if self.aliased > 100 && self.decoded > 1000 {
            #[allow(clippy::cast_precision_loss)]
            let ratio = self.aliased as f64 / self.decoded as f64;
            if ratio > allowed_alias_ratio(self.decoded) {
                return Err(Error::ExcessiveAliasing);
            }
        }
        Ok(())
    }

    fn enter(&mut self, line: u32) -> Result<()> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Error::Depth {
                line: Some(line + 1),
                limit: self.limits.depth,
            });
        }
        Ok(())
    }

    /// Follows an alias for the time of `run`.
    fn follow<T>(&mut self, at: usize, name: &str, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.expanding.contains(&at) {
            return Err(Error::document(format!("anchor '{name}' value contains itself")));
        }
        self.expanding.push(at);
        self.alias_depth += 1;
        let result = run(self);
        self.alias_depth -= 1;
        self.expanding.pop();
        result
    }

    fn value<B: Builder>(&mut self, at: usize, builder: &mut B) -> Result<B::Value> {
        self.count()?;
        let node = self.node(at)?;
        match &node.kind {
            NodeKind::Alias { name, target } => self.follow(at, name, |this| this.value(*target, builder)),
            NodeKind::Scalar { value, tag, implicit } => {
                Ok(match self.scalar(value, tag.as_deref(), *implicit)? {
                    Scalar::Text(text) => builder.str(text),
                    Scalar::Bytes(bytes) => builder.bytes(bytes),
                    Scalar::Plain(Resolved::Bool(value)) => builder.bool(value),
                    Scalar::Plain(Resolved::Int(value)) => builder.int(value),
                    Scalar::Plain(Resolved::Uint(value)) => builder.uint(value),
                    Scalar::Plain(Resolved::Float(value)) => builder.float(value),
                    Scalar::Plain(_) => builder.null(),
                })
            }
            NodeKind::Sequence => {
                self.enter(node.line)?;
                let mut seq = builder.begin_seq(node.children);
                let mut child = at + 1;
                while child < node.end {
                    let value = self.value(child, builder)?;
                    builder.push(&mut seq, value);
                    child = self.node(child)?.end;
                }
                self.depth -= 1;
                Ok(builder.end_seq(seq))
            }
            NodeKind::Mapping => {
                let mut map = builder.begin_map(node.children / 2);
                let mut seen = Seen::new();
                self.entries(at, builder, &mut map, &mut seen)?;
                Ok(builder.end_map(map))
            }
        }
    }

    fn entries<B: Builder>(
        &mut self,
        at: usize,
        builder: &mut B,
        map: &mut B::Map,
        seen: &mut Seen,
    ) -> Result<()> {
        let node = self.node(at)?;
        self.enter(node.line)?;
        let mut child = at + 1;
        while child < node.end {
            let key_node = self.node(child)?;
            let value_at = key_node.end;
            let value_node = self.node(value_at)?;
            if is_merge(key_node) {
                self.merge(value_at, builder, map, seen)?;
            } else {
                let key = self.key(child)?;
                let value = self.value(value_at, builder)?;
                if !self.strict || self.is_new(&key, value_node.line, seen) {
                    builder.insert(map, key, value);
                }
            }
            child = value_node.end;
        }
        self.depth -= 1;
        Ok(())
    }

    fn is_new(&mut self, key: &Key<'_>, line: u32, seen: &mut Seen) -> bool {
        let new = KeyIdentity::of(key).is_none_or(|identity| seen.insert(identity));
        if !new {
            let key = gosyntax::key(key);
            self.duplicates
                .push(format!("line {}: key {key} already set in map", line + 1));
        }
        new
    }

    fn key(&mut self, at: usize) -> Result<Key<'n>> {
        self.count()?;
        let node = self.node(at)?;
        match &node.kind {
            NodeKind::Alias { name, target } => self.follow(at, name, |this| this.key(*target)),
            NodeKind::Scalar { value, tag, implicit } => {
                Ok(match self.scalar(value, tag.as_deref(), *implicit)? {
                    Scalar::Text(text) => Key::Str(text),
                    Scalar::Bytes(bytes) => Key::Bytes(bytes),
                    Scalar::Plain(Resolved::Bool(value)) => Key::Bool(value),
                    Scalar::Plain(Resolved::Int(value)) => Key::Int(value),
                    Scalar::Plain(Resolved::Uint(value)) => Key::Uint(value),
                    Scalar::Plain(Resolved::Float(value)) => Key::Float(value),
                    Scalar::Plain(_) => Key::Null,
                })
            }
            NodeKind::Sequence | NodeKind::Mapping => {
                self.decoded -= 1;
                let value: Value = self.value(at, &mut ValueBuilder::default())?;
                Err(Error::document(format!(
                    "invalid map key: {}",
                    gosyntax::value(&value)
                )))
            }
        }
    }

    fn scalar<'s>(&mut self, text: &'s str, tag: Option<&str>, implicit: bool) -> Result<Scalar<'s>> {
        if self.alias_depth > 0 {
            self.expanded_bytes += text.len();
            if self.expanded_bytes > self.limits.expanded_bytes {
                return Err(Error::ExpandedBytes {
                    limit: self.limits.expanded_bytes,
                });
            }
        }
        let resolved = match tag {
            None if !implicit => Resolved::Str,
            None => resolve::resolve_plain(text),
            Some(tag) => resolve::resolve_tagged(tag, text)?,
        };
        Ok(match resolved {
            Resolved::Str | Resolved::Timestamp => Scalar::Text(Cow::Borrowed(text)),
            Resolved::Binary => match decode_base64(text) {
                None => return Err(Error::document("!!binary value contains invalid base64 data")),
                Some(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => Scalar::Text(Cow::Owned(text)),
                    Err(error) => Scalar::Bytes(error.into_bytes()),
                },
            },
            other => Scalar::Plain(other),
        })
    }

    /// Sets the keys of the map or maps at `at`, over what is set already.
    fn merge<B: Builder>(
        &mut self,
        at: usize,
        builder: &mut B,
        map: &mut B::Map,
        seen: &mut Seen,
    ) -> Result<()> {
        let node = self.node(at)?;
        if !matches!(node.kind, NodeKind::Sequence) {
            return self.merge_map(at, builder, map, seen);
        }
        let mut items = Vec::with_capacity(node.children);
        let mut child = at + 1;
        while child < node.end {
            items.push(child);
            child = self.node(child)?.end;
        }
        // The first map of the list wins, so it comes last.
        items
            .iter()
            .rev()
            .try_for_each(|item| self.merge_map(*item, builder, map, seen))
    }

    fn merge_map<B: Builder>(
        &mut self,
        at: usize,
        builder: &mut B,
        map: &mut B::Map,
        seen: &mut Seen,
    ) -> Result<()> {
        let node = self.node(at)?;
        match &node.kind {
            NodeKind::Mapping => {
                self.count()?;
                self.entries(at, builder, map, seen)
            }
            NodeKind::Alias { name, target } if matches!(self.node(*target)?.kind, NodeKind::Mapping) => {
                self.count()?;
                self.follow(at, name, |this| {
                    this.count()?;
                    this.entries(*target, builder, map, seen)
                })
            }
            _ => Err(Error::document(
                "map merge requires map or sequence of maps as the value",
            )),
        }
    }
}

fn is_merge(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { value, tag, implicit } => {
            value == "<<" && (*implicit || tag.as_deref() == Some("tag:yaml.org,2002:merge"))
        }
        _ => false,
    }
}

/// go-yaml's rule: aliases may make up 99% of a small document, 10% of a large one.
fn allowed_alias_ratio(decoded: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    #[allow(clippy::cast_precision_loss)]
    let decoded = decoded as f64;
    if decoded <= LOW {
        0.99
    } else if decoded >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW))
    }
}

/// Standard base64 with padding, line breaks ignored, as Go's `StdEncoding` decodes.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0u32;
    let mut filled = 0;
    let mut padding = 0;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if filled + padding < 4 && filled >= 2 => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        group = group << 6 | u32::from(digit);
        filled += 1;
        if filled == 4 {
            let [_, first, second, third] = group.to_be_bytes();
            out.extend_from_slice(&[first, second, third]);
            (group, filled) = (0, 0);
        }
    }
    match (filled, padding) {
        (0, 0) => {}
        (2, 2) => out.push((group >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(group >> 10) as u8, (group >> 2) as u8]),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        let cases: [(&str, Option<&[u8]>); 8] = [
            ("", Some(b"")),
            ("aGVsbG8=", Some(b"hello")),
            ("aGVs\nbG8=\n", Some(b"hello")),
            ("aA==", Some(b"h")),
            ("aA=", None),
            ("aA", None),
            ("a===", None),
            ("aGVsbG8= ", None),
        ];
        for (text, want) in cases {
            assert_eq!(decode_base64(text).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn alias_ratio() {
        assert!((allowed_alias_ratio(400_000) - 0.99).abs() < 1e-9);
        assert!((allowed_alias_ratio(2_200_000) - 0.545).abs() < 1e-9);
        assert!((allowed_alias_ratio(4_000_000) - 0.10).abs() < 1e-9);
    }
}
