//! Tables that are shared as Go's maps are.
//!
//! Helm merges values in place, and its maps end up under several parents: a table below `global` is the same
//! one in a chart and in its sub-charts, so that what one chart merges into it shows in all of them. To give the
//! same results, tables here are handles into one store.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Result,
    budget::{Budget, Measure},
    shared::{self, Shared},
};

/// A handle to a table of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableId(usize);

/// A value: a table by its handle, or something that is never merged into.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    /// No table, and not null.
    Leaf(Shared),
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
pub(super) struct Tree<'b> {
    budget: &'b Budget,
    tables: Vec<Entries>,
    /// Entries that the budget has counted for it.
    held: usize,
}

impl<'b> Tree<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self {
            budget,
            tables: Vec::new(),
            held: 0,
        }
    }

    pub(super) fn budget(&self) -> &'b Budget {
        self.budget
    }

    pub(super) fn empty(&mut self) -> TableId {
        self.tables.push(Entries::new());
        TableId(self.tables.len() - 1)
    }

    pub(super) fn entries(&self, id: TableId) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.tables.get(id.0).into_iter().flatten()
    }

    /// The entries as they are now, for loops that change tables.
    pub(super) fn snapshot(&self, id: TableId) -> Result<Vec<(Arc<str>, Node)>> {
        self.budget.step(self.tables.get(id.0).map_or(0, BTreeMap::len))?;
        let entries = self.entries(id);
        Ok(entries.map(|(key, node)| (key.clone(), node.clone())).collect())
    }

    pub(super) fn get(&self, id: TableId, key: &str) -> Option<&Node> {
        self.tables.get(id.0)?.get(key)
    }

    pub(super) fn is_empty(&self, id: TableId) -> bool {
        self.tables.get(id.0).is_none_or(BTreeMap::is_empty)
    }

    pub(super) fn insert(&mut self, id: TableId, key: impl Into<Arc<str>>, node: Node) -> Result<()> {
        self.budget.hold()?;
        self.held += 1;
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
        for (key, node) in self.snapshot(id)? {
            self.insert(copy, key, node)?;
        }
        Ok(copy)
    }

    /// A table that shares no table with the one copied, nor within itself.
    pub(super) fn copy_deep(&mut self, id: TableId) -> Result<TableId> {
        self.copy_deep_below(id, 0)
    }

    fn copy_deep_below(&mut self, id: TableId, depth: usize) -> Result<TableId> {
        self.budget.check_depth(depth)?;
        let copy = self.empty();
        for (key, node) in self.snapshot(id)? {
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
        self.budget.check_depth(depth)?;
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

    /// Takes over the entries of a table from outside.
    pub(super) fn import_table(&mut self, entries: &[(Arc<str>, Shared)]) -> Result<TableId> {
        self.import_below(entries, 0)
    }

    fn import_below(&mut self, entries: &[(Arc<str>, Shared)], depth: usize) -> Result<TableId> {
        self.budget.check_depth(depth)?;
        let id = self.empty();
        for (key, value) in entries {
            let node = self.import_value(value, depth)?;
            self.insert(id, key.clone(), node)?;
        }
        Ok(id)
    }

    fn import_value(&mut self, value: &Shared, depth: usize) -> Result<Node> {
        Ok(match value {
            Shared::Null => Node::Null,
            Shared::Table(below) => Node::Table(self.import_below(below, depth + 1)?),
            leaf => Node::Leaf(leaf.clone()),
        })
    }

    /// Takes over a value from outside.
    pub(super) fn import(&mut self, value: &Shared) -> Result<Node> {
        self.import_value(value, 0)
    }

    /// A table with all that is below it. Tables that stand at several places are written out at each.
    pub(super) fn export_table(&self, id: TableId) -> Result<Shared> {
        self.export_below(id, 0, &mut self.budget.measure())
    }

    fn export_below(&self, id: TableId, depth: usize, measure: &mut Measure<'_>) -> Result<Shared> {
        self.budget.check_depth(depth)?;
        let mut table = Vec::with_capacity(self.tables.get(id.0).map_or(0, BTreeMap::len));
        for (key, node) in self.entries(id) {
            measure.entry(key)?;
            let value = match node {
                Node::Null => Shared::Null,
                Node::Leaf(leaf) => {
                    measure.value(leaf)?;
                    leaf.clone()
                }
                Node::Table(below) => self.export_below(*below, depth + 1, measure)?,
            };
            table.push((key.clone(), value));
        }
        Ok(Shared::Table(shared::Entries::from(table)))
    }

    /// A node as a value, for the texts of warnings.
    pub(super) fn export(&self, node: &Node) -> Result<Shared> {
        Ok(match node {
            Node::Null => Shared::Null,
            Node::Leaf(leaf) => leaf.clone(),
            Node::Table(id) => self.export_table(*id)?,
        })
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        self.budget.release(self.held);
    }
}
