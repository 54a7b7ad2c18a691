//! Values whose texts, lists and tables are shared by all who hold them.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::Table;

/// A value of JSON's kinds that does not change. Cloning shares it: a chart that is used under a hundred aliases has its
/// texts once.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shared {
    /// `null`
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, of the kind that it was read as.
    Number(Number),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Arc<[Shared]>),
    /// A table, in the order of its keys.
    Table(Entries),
}

/// The entries of a [`Shared::Table`].
pub type Entries = Arc<[(Arc<str>, Shared)]>;

impl Shared {
    /// The table with these entries.
    pub fn table(entries: &Table) -> Self {
        let entries = entries
            .iter()
            .map(|(key, value)| (Arc::from(key.as_str()), value.into()));
        Self::Table(entries.collect())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value of a key, where this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Shared> {
        let Self::Table(entries) = self else { return None };
        let at = entries.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        entries.get(at).map(|(_, value)| value)
    }

    /// A copy that shares nothing, for those who need JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::from(&**text),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Table(entries) => {
                let entries = entries.iter();
                let copied: Map<_, _> = entries
                    .map(|(key, value)| (key.to_string(), value.to_json()))
                    .collect();
                Value::Object(copied)
            }
        }
    }
}

impl From<&Value> for Shared {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(entries) => Self::table(entries),
        }
    }
}
