//! A value as go-yaml v2 decodes it into an empty interface.

use crate::error::Result;
use crate::gosyntax;
use crate::read::{Builder, Key, Options, build, build_all};
use std::borrow::Cow;

/// What a YAML document holds. Timestamps are strings, as go-yaml v2 gives them.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// A boolean of YAML 1.1.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A string.
    String(String),
    /// A `!!binary` whose bytes are not UTF-8 (those that are, are strings).
    Binary(Vec<u8>),
    /// A sequence.
    Seq(Vec<Value>),
    /// A map, keys in the order of their first appearance.
    Map(Vec<(Value, Value)>),
}

impl From<Key<'_>> for Value {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Null => Value::Null,
            Key::Bool(value) => Value::Bool(value),
            Key::Int(value) => Value::Int(value),
            Key::Uint(value) => Value::Uint(value),
            Key::Float(value) => Value::Float(value),
            Key::Str(value) => Value::String(value.into_owned()),
            Key::Bytes(value) => Value::Binary(value),
        }
    }
}

/// Reads the first document of `text`; [`Value::Null`] if there is none.
///
/// ```
/// use helmapp_goyaml::{Value, from_str};
/// assert_eq!(from_str("on").unwrap(), Value::Bool(true));
/// assert_eq!(from_str("0644").unwrap(), Value::Int(420));
/// ```
///
/// # Errors
/// What is not YAML, or breaks a limit of [`Limits::default`](crate::Limits).
pub fn from_str(text: &str) -> Result<Value> {
    Ok(build(text, &Options::default(), &mut ValueBuilder::default())?.unwrap_or_default())
}

/// Reads all documents of `text`.
///
/// # Errors
/// As [`from_str`], for any of them.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    build_all(text, &Options::default(), &mut ValueBuilder::default())
}

/// Builds [`Value`]s.
#[derive(Debug, Default)]
pub(crate) struct ValueBuilder {}

/// Entries of a map being built.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    entries: Vec<(Value, Value)>,
    /// Where string keys are, once there are many.
    index: std::collections::HashMap<String, usize>,
}

/// Entries up to which a map is searched from end to end.
const SMALL_MAP: usize = 16;

impl Entries {
    fn position(&self, key: &Value) -> Option<usize> {
        match key {
            Value::String(text) if self.entries.len() > SMALL_MAP => self.index.get(text).copied(),
            _ => self.entries.iter().position(|(known, _)| known == key),
        }
    }

    fn insert(&mut self, key: Value, value: Value) {
        if let Some((_, slot)) = self.position(&key).and_then(|at| self.entries.get_mut(at)) {
            *slot = value;
            return;
        }
        let at = self.entries.len();
        if at == SMALL_MAP {
            let known = self.entries.iter().enumerate();
            self.index = known
                .filter_map(|(at, (key, _))| Some((key.as_str()?.to_owned(), at)))
                .collect();
        }
        if at >= SMALL_MAP
            && let Value::String(text) = &key
        {
            self.index.insert(text.clone(), at);
        }
        self.entries.push((key, value));
    }
}

impl Value {
    /// The value as Go's `%#v` prints it, with the types go-yaml v2 gives. Keys of different types in one map
    /// come in an order of our own.
    pub fn go_syntax(&self) -> String {
        gosyntax::value(self)
    }

    /// Gives the value to a builder, as reading it would.
    pub(crate) fn build<B: Builder>(self, builder: &mut B) -> B::Value {
        match self {
            Value::Null => builder.null(),
            Value::Bool(value) => builder.bool(value),
            Value::Int(value) => builder.int(value),
            Value::Uint(value) => builder.uint(value),
            Value::Float(value) => builder.float(value),
            Value::String(text) => builder.str(Cow::Owned(text)),
            Value::Binary(bytes) => builder.bytes(bytes),
            Value::Seq(items) => {
                let mut seq = builder.begin_seq(items.len());
                for item in items {
                    let item = item.build(builder);
                    builder.push(&mut seq, item);
                }
                builder.end_seq(seq)
            }
            Value::Map(entries) => {
                let mut map = builder.begin_map(entries.len());
                for (key, item) in entries {
                    let item = item.build(builder);
                    if let Some(key) = key.into_key() {
                        builder.insert(&mut map, key, item);
                    }
                }
                builder.end_map(map)
            }
        }
    }

    /// The value as a key; collections can't be one.
    fn into_key(self) -> Option<Key<'static>> {
        Some(match self {
            Value::Null => Key::Null,
            Value::Bool(value) => Key::Bool(value),
            Value::Int(value) => Key::Int(value),
            Value::Uint(value) => Key::Uint(value),
            Value::Float(value) => Key::Float(value),
            Value::String(text) => Key::Str(Cow::Owned(text)),
            Value::Binary(bytes) => Key::Bytes(bytes),
            Value::Seq(_) | Value::Map(_) => return None,
        })
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Builder for ValueBuilder {
    type Value = Value;
    type Seq = Vec<Value>;
    type Map = Entries;

    fn null(&mut self) -> Value {
        Value::Null
    }
    fn bool(&mut self, value: bool) -> Value {
        Value::Bool(value)
    }
    fn int(&mut self, value: i64) -> Value {
        Value::Int(value)
    }
    fn uint(&mut self, value: u64) -> Value {
        Value::Uint(value)
    }
    fn float(&mut self, value: f64) -> Value {
        Value::Float(value)
    }
    fn str(&mut self, value: Cow<'_, str>) -> Value {
        Value::String(value.into_owned())
    }
    fn bytes(&mut self, value: Vec<u8>) -> Value {
        Value::Binary(value)
    }
    fn begin_seq(&mut self, len: usize) -> Vec<Value> {
        Vec::with_capacity(len)
    }
    fn push(&mut self, seq: &mut Vec<Value>, value: Value) {
        seq.push(value);
    }
    fn end_seq(&mut self, seq: Vec<Value>) -> Value {
        Value::Seq(seq)
    }
    fn begin_map(&mut self, _len: usize) -> Entries {
        Entries::default()
    }
    fn insert(&mut self, map: &mut Entries, key: Key<'_>, value: Value) {
        map.insert(key.into(), value);
    }
    fn end_map(&mut self, map: Entries) -> Value {
        Value::Map(map.entries)
    }
}
