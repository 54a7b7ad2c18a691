//! Coalescing and merging: a chart's values under what is given, chart by chart, with globals handed down.
//! Follows `chartutil/coalesce.go` of Helm 3.19 step by step, since the order of steps decides what shared
//! tables end up holding.

use serde_json::Value;

use super::{
    Error, Merger, Result, Table,
    forest::{ChartId, Forest},
    text,
    tree::{Node, TableId, Tree},
};
use crate::chart::Chart;

const GLOBAL: &str = "global";

/// What becomes of nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nulls {
    /// A null removes the key (`CoalesceValues`).
    Remove,
    /// A null stays, for a later coalescing (`MergeValues`).
    Keep,
}

impl Merger {
    /// Puts a chart's values, and its sub-charts', under the values given (`chartutil.CoalesceValues`): tables
    /// are merged, all else is replaced, a null removes the chart's key, and globals are handed down.
    ///
    /// # Errors
    /// [`Error`] where the name of a sub-chart holds something else than a table, or a limit is reached.
    pub fn coalesce_values(&mut self, chart: &Chart, values: &Value) -> Result<Value> {
        let (forest, root) = Forest::plant(chart);
        let mut tree = Tree::new(self.limits);
        let values = import(&mut tree, values)?;
        Merging {
            tree: &mut tree,
            warnings: &mut self.warnings,
        }
        .chart(&forest, root, values, "", Nulls::Remove)?;
        tree.export_table(values).map(Value::Object)
    }

    /// Puts one table under another, whose entries win (`chartutil.CoalesceTables`).
    ///
    /// # Errors
    /// [`Error`] where a limit is reached.
    pub fn coalesce_tables(&mut self, over: &Table, under: &Table) -> Result<Table> {
        let mut tree = Tree::new(self.limits);
        let over = tree.import_table(over)?;
        let under = tree.import_table(under)?;
        Merging {
            tree: &mut tree,
            warnings: &mut self.warnings,
        }
        .tables(over, under, "", Nulls::Remove, 0)?;
        tree.export_table(over)
    }
}

/// Takes over values given from outside; null is the empty table.
pub(super) fn import(tree: &mut Tree, values: &Value) -> Result<TableId> {
    match values {
        Value::Null => Ok(tree.empty()),
        Value::Object(table) => tree.import_table(table),
        other => Err(Error::NotATable(text::go_type(other))),
    }
}

/// The merging of one tree.
pub(super) struct Merging<'m> {
    pub(super) tree: &'m mut Tree,
    pub(super) warnings: &'m mut Vec<String>,
}

impl Merging<'_> {
    /// Merges a chart and its sub-charts into `over`.
    pub(super) fn chart(
        &mut self,
        forest: &Forest<'_>,
        chart: ChartId,
        over: TableId,
        prefix: &str,
        nulls: Nulls,
    ) -> Result<()> {
        self.own_values(forest, chart, over, prefix, nulls)?;
        let prefix = join(prefix, &forest[chart].name);
        for &dependency in &forest[chart].dependencies {
            let name = &forest[dependency].name;
            let below = match self.tree.get(over, name).cloned() {
                Some(Node::Table(below)) => below,
                Some(other) => {
                    let value = text::as_bool(&self.tree.export(&other)?);
                    return Err(Error::TypeMismatch {
                        name: name.clone(),
                        value,
                    });
                }
                None => {
                    let below = self.tree.empty();
                    self.tree.insert(over, name.as_str(), Node::Table(below))?;
                    below
                }
            };
            self.globals(below, over, &prefix)?;
            self.chart(forest, dependency, below, &prefix, nulls)?;
        }
        Ok(())
    }

    /// Merges a chart's own values into `over`.
    fn own_values(
        &mut self,
        forest: &Forest<'_>,
        chart: ChartId,
        over: TableId,
        prefix: &str,
        nulls: Nulls,
    ) -> Result<()> {
        let prefix = join(prefix, &forest[chart].name);
        let Value::Object(own) = &*forest[chart].values else {
            return Ok(());
        };
        let own = self.tree.import_table(own)?;
        for (key, value) in self.tree.snapshot(own) {
            match self.tree.get(over, &key).cloned() {
                None => self.tree.insert(over, key, value)?,
                Some(Node::Null) if nulls == Nulls::Remove => self.tree.remove(over, &key),
                Some(Node::Table(below)) => match value {
                    Node::Table(value) => {
                        // What is for a sub-chart keeps its nulls until the sub-chart's turn.
                        let of_subchart = forest[chart]
                            .dependencies
                            .iter()
                            .any(|id| *forest[*id].name == *key);
                        let nulls = if of_subchart { Nulls::Keep } else { nulls };
                        self.tables(below, value, &join(&prefix, &key), nulls, 0)?;
                    }
                    Node::Null => {}
                    Node::Leaf(_) => {
                        self.warnings
                            .push(format!("warning: skipped value for {prefix}.{key}: Not a table."));
                    }
                },
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Hands globals down from the values of a chart to those of a sub-chart.
    fn globals(&mut self, to: TableId, from: TableId, prefix: &str) -> Result<()> {
        let target = match self.tree.get(to, GLOBAL).cloned() {
            None => self.tree.empty(),
            Some(Node::Table(target)) => target,
            Some(_) => return self.skip_globals("destination"),
        };
        let source = match self.tree.get(from, GLOBAL).cloned() {
            None => self.tree.empty(),
            Some(Node::Table(source)) => source,
            Some(_) => return self.skip_globals("source"),
        };
        for (key, value) in self.tree.snapshot(source) {
            let present = self.tree.get(target, &key).cloned();
            let Node::Table(value) = value else {
                if present.is_some_and(|node| node.is_table()) {
                    self.warnings.push(format!("key {key} is table. Skipping"));
                } else {
                    self.tree.insert(target, key, value)?;
                }
                continue;
            };
            // Only the first level is copied: tables below it are the same in both charts from now on.
            let copy = self.tree.copy_shallow(value)?;
            match present {
                None => {}
                Some(Node::Table(present)) => {
                    self.tables(copy, present, &join(prefix, &key), Nulls::Keep, 0)?;
                }
                Some(_) => {
                    self.warnings.push(format!(
                        "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                    ));
                    continue;
                }
            }
            self.tree.insert(target, key, Node::Table(copy))?;
        }
        self.tree.insert(to, GLOBAL, Node::Table(target))
    }

    fn skip_globals(&mut self, side: &str) -> Result<()> {
        self.warnings.push(format!(
            "warning: skipping globals because {side} {GLOBAL} is not a table."
        ));
        Ok(())
    }

    /// Merges the table `under` into `over`, whose entries win.
    pub(super) fn tables(
        &mut self,
        over: TableId,
        under: TableId,
        prefix: &str,
        nulls: Nulls,
        depth: usize,
    ) -> Result<()> {
        self.tree.check_depth(depth)?;
        for (key, value) in self.tree.snapshot(over) {
            if value.is_null() {
                self.tree.insert(under, key, Node::Null)?;
            }
        }
        for (key, value) in self.tree.snapshot(under) {
            match (self.tree.get(over, &key).cloned(), value) {
                (Some(Node::Null), _) if nulls == Nulls::Remove => self.tree.remove(over, &key),
                (None, value) => self.tree.insert(over, key, value)?,
                (Some(Node::Table(present)), Node::Table(value)) => {
                    self.tables(present, value, &join(prefix, &key), nulls, depth + 1)?;
                }
                (Some(_), value @ Node::Table(_)) => {
                    let value = text::plain(&self.tree.export(&value)?);
                    self.warnings.push(format!(
                        "warning: cannot overwrite table with non table for {} ({value})",
                        join(prefix, &key)
                    ));
                }
                (Some(Node::Table(_)), Node::Leaf(value)) => {
                    self.warnings.push(format!(
                        "warning: destination for {} is a table. Ignoring non-table value ({})",
                        join(prefix, &key),
                        text::plain(&value)
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}
