//! Tables that are shared as Go's maps are.
//!
//! Helm merges values in place, and its maps end up under several parents: a table below `global` is the same
//! one in a chart and in its sub-charts, so that what one chart merges into it shows in all of them. To give the
//! same results, tables here are handles into one store.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{Error, Result, Table, ValueLimits};

/// A handle to a table of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableId(usize);

/// A value: a table by its handle, or something that is never merged into.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Leaf(Arc<Value>),
    Table(TableId),
}

impl Node {
    pub(super) fn table(&self) -> Option<TableId> {
        match self {
            Self::Table(id) => Some(*id),
            _ => None,
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self, Self::Table(_))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

type Entries = BTreeMap<Arc<str>, Node>;

/// A store of tables. Every handle was made by the store it is used with.
#[derive(Debug)]
pub(super) struct Tree {
    tables: Vec<Entries>,
    entries: usize,
    limits: ValueLimits,
}

impl Tree {
    pub(super) fn new(limits: ValueLimits) -> Self {
        Self {
            tables: Vec::new(),
            entries: 0,
            limits,
        }
    }

    pub(super) fn empty(&mut self) -> TableId {
        self.tables.push(Entries::new());
        TableId(self.tables.len() - 1)
    }

    pub(super) fn entries(&self, id: TableId) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.tables.get(id.0).into_iter().flatten()
    }

    /// The entries as they are now, for loops that change tables.
    pub(super) fn snapshot(&self, id: TableId) -> Vec<(Arc<str>, Node)> {
        self.entries(id)
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect()
    }

    pub(super) fn get(&self, id: TableId, key: &str) -> Option<&Node> {
        self.tables.get(id.0)?.get(key)
    }

    pub(super) fn is_empty(&self, id: TableId) -> bool {
        self.tables.get(id.0).is_none_or(BTreeMap::is_empty)
    }

    pub(super) fn insert(&mut self, id: TableId, key: impl Into<Arc<str>>, node: Node) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::TooManyEntries(self.limits.entries));
        }
        if let Some(table) = self.tables.get_mut(id.0) {
            table.insert(key.into(), node);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, id: TableId, key: &str) {
        if let Some(table) = self.tables.get_mut(id.0) {
            table.remove(key);
        }
    }

    /// A table with the same entries; tables below are shared with it.
    pub(super) fn copy_shallow(&mut self, id: TableId) -> Result<TableId> {
        let copy = self.empty();
        for (key, node) in self.snapshot(id) {
            self.insert(copy, key, node)?;
        }
        Ok(copy)
    }

    /// A table that shares nothing with the one copied, nor within itself.
    pub(super) fn copy_deep(&mut self, id: TableId) -> Result<TableId> {
        self.copy_deep_below(id, 0)
    }

    fn copy_deep_below(&mut self, id: TableId, depth: usize) -> Result<TableId> {
        self.check_depth(depth)?;
        let copy = self.empty();
        for (key, node) in self.snapshot(id) {
            let node = match node {
                Node::Table(below) => Node::Table(self.copy_deep_below(below, depth + 1)?),
                other => other,
            };
            self.insert(copy, key, node)?;
        }
        Ok(copy)
    }

    /// Takes over a table of another tree.
    pub(super) fn copy_from(&mut self, other: &Self, id: TableId) -> Result<TableId> {
        self.copy_from_below(other, id, 0)
    }

    fn copy_from_below(&mut self, other: &Self, id: TableId, depth: usize) -> Result<TableId> {
        self.check_depth(depth)?;
        let copy = self.empty();
        for (key, node) in other.entries(id) {
            let node = match node {
                Node::Table(below) => Node::Table(self.copy_from_below(other, *below, depth + 1)?),
                other => other.clone(),
            };
            self.insert(copy, key.clone(), node)?;
        }
        Ok(copy)
    }

    /// Takes over a table from outside.
    pub(super) fn import_table(&mut self, table: &Table) -> Result<TableId> {
        self.import_below(table, 0)
    }

    fn import_below(&mut self, table: &Table, depth: usize) -> Result<TableId> {
        self.check_depth(depth)?;
        let id = self.empty();
        for (key, value) in table {
            let node = match value {
                Value::Null => Node::Null,
                Value::Object(below) => Node::Table(self.import_below(below, depth + 1)?),
                leaf => Node::Leaf(Arc::new(leaf.clone())),
            };
            self.insert(id, key.as_str(), node)?;
        }
        Ok(id)
    }

    /// A table with all that is below it.
    pub(super) fn export_table(&self, id: TableId) -> Result<Table> {
        let mut left = self.limits.entries;
        self.export_below(id, 0, &mut left)
    }

    /// Shared tables are written out once for every parent, which the count of entries bounds.
    fn export_below(&self, id: TableId, depth: usize, left: &mut usize) -> Result<Table> {
        self.check_depth(depth)?;
        let mut table = Table::new();
        for (key, node) in self.entries(id) {
            *left = left
                .checked_sub(1)
                .ok_or(Error::TooManyEntries(self.limits.entries))?;
            let value = match node {
                Node::Null => Value::Null,
                Node::Leaf(leaf) => Value::clone(leaf),
                Node::Table(below) => Value::Object(self.export_below(*below, depth + 1, left)?),
            };
            table.insert(key.to_string(), value);
        }
        Ok(table)
    }

    /// A node as a value, for the texts of warnings.
    pub(super) fn export(&self, node: &Node) -> Result<Value> {
        Ok(match node {
            Node::Null => Value::Null,
            Node::Leaf(leaf) => Value::clone(leaf),
            Node::Table(id) => Value::Object(self.export_table(*id)?),
        })
    }

    pub(super) fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > self.limits.depth {
            Err(Error::TooDeep(self.limits.depth))
        } else {
            Ok(())
        }
    }
}
