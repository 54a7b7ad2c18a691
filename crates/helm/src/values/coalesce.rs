//! Coalescing and merging: a chart's values under what is given, chart by chart, with globals handed down.
//! Follows `chartutil/coalesce.go` of Helm 3.19 step by step, since the order of steps decides what shared
//! tables end up holding.

use serde_json::Value;

use super::{
    Error, Merger, Result, Table,
    budget::Budget,
    forest::{ChartId, Forest},
    shared::Shared,
    text,
    tree::{Node, TableId, Tree},
};
use crate::chart::Chart;

const GLOBAL: &str = "global";

/// What a visit to a chart counts for, beside its values.
pub(super) const CHART_STEPS: usize = 16;

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
    pub fn coalesce_values(&mut self, chart: &Chart, values: &Value) -> Result<Shared> {
        let budget = Budget::new(self.limits);
        let (forest, root) = Forest::plant(chart);
        self.coalesce(&budget, &forest, root, &values.into())
    }

    /// Puts one table under another, whose entries win (`chartutil.CoalesceTables`).
    ///
    /// # Errors
    /// [`Error`] where a limit is reached.
    pub fn coalesce_tables(&mut self, over: &Table, under: &Table) -> Result<Shared> {
        let budget = Budget::new(self.limits);
        let mut tree = Tree::new(&budget);
        let over = import(&mut tree, &Shared::table(over))?;
        let under = import(&mut tree, &Shared::table(under))?;
        self.merging(&mut tree)
            .tables(over, under, "", Nulls::Remove, 0)?;
        tree.export_table(over)
    }

    /// Coalesces the values of a forest's chart.
    pub(super) fn coalesce(
        &mut self,
        budget: &Budget,
        forest: &Forest<'_>,
        root: ChartId,
        values: &Shared,
    ) -> Result<Shared> {
        let mut tree = Tree::new(budget);
        let values = import(&mut tree, values)?;
        self.merging(&mut tree)
            .chart(forest, root, values, "", Nulls::Remove)?;
        tree.export_table(values)
    }

    /// Merges in a tree, with warnings going where all go.
    pub(super) fn merging<'m, 'b>(&'m mut self, tree: &'m mut Tree<'b>) -> Merging<'m, 'b> {
        Merging {
            tree,
            warnings: &mut self.warnings,
        }
    }
}

/// Takes over values given from outside; null is the empty table.
pub(super) fn import(tree: &mut Tree<'_>, values: &Shared) -> Result<TableId> {
    match values {
        Shared::Null => Ok(tree.empty()),
        Shared::Table(entries) => tree.import_table(entries),
        other => Err(Error::NotATable(text::go_type_of(other))),
    }
}

/// The merging of one tree.
pub(super) struct Merging<'m, 'b> {
    tree: &'m mut Tree<'b>,
    warnings: &'m mut Vec<String>,
}

impl Merging<'_, '_> {
    /// Merges a chart and its sub-charts into `over`.
    pub(super) fn chart(
        &mut self,
        forest: &Forest<'_>,
        chart: ChartId,
        over: TableId,
        prefix: &str,
        nulls: Nulls,
    ) -> Result<()> {
        self.tree.budget().step(CHART_STEPS)?;
        self.own_values(forest, chart, over, prefix, nulls)?;
        let prefix = join(prefix, &forest[chart].name);
        for &dependency in forest[chart].dependencies.iter() {
            let name = &forest[dependency].name;
            let below = match self.tree.get(over, name).cloned() {
                Some(Node::Table(below)) => below,
                Some(other) => {
                    let value = text::as_bool(&self.tree.export(&other)?.to_json());
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
        let Shared::Table(own) = &forest[chart].values else {
            return Ok(());
        };
        for (key, value) in own.iter() {
            self.tree.budget().step(1)?;
            match self.tree.get(over, key).cloned() {
                None => {
                    let value = self.tree.import(value)?;
                    self.tree.insert(over, key.clone(), value)?;
                }
                Some(Node::Null) if nulls == Nulls::Remove => self.tree.remove(over, key),
                Some(Node::Table(below)) => match value {
                    Shared::Table(value) => {
                        self.tree.budget().step(forest[chart].dependencies.len() / 8)?;
                        // What is for a sub-chart keeps its nulls until the sub-chart's turn.
                        let nulls = if forest.has_dependency(chart, key) {
                            Nulls::Keep
                        } else {
                            nulls
                        };
                        let value = self.tree.import_table(value)?;
                        self.tables(below, value, &join(&prefix, key), nulls, 0)?;
                    }
                    Shared::Null => {}
                    _ => self.warn(format!("warning: skipped value for {prefix}.{key}: Not a table."))?,
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
        for (key, value) in self.tree.snapshot(source)? {
            let present = self.tree.get(target, &key).cloned();
            let Node::Table(value) = value else {
                if present.is_some_and(|node| node.is_table()) {
                    self.warn(format!("key {key} is table. Skipping"))?;
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
                    self.warn(format!(
                        "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                    ))?;
                    continue;
                }
            }
            self.tree.insert(target, key, Node::Table(copy))?;
        }
        self.tree.insert(to, GLOBAL, Node::Table(target))
    }

    fn skip_globals(&mut self, side: &str) -> Result<()> {
        self.warn(format!(
            "warning: skipping globals because {side} {GLOBAL} is not a table."
        ))
    }

    /// Adds a warning. Those that quote tables are as long as these are.
    fn warn(&mut self, warning: String) -> Result<()> {
        self.tree.budget().copy(warning.len())?;
        self.warnings.push(warning);
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
        self.tree.budget().check_depth(depth)?;
        for (key, value) in self.tree.snapshot(over)? {
            if value.is_null() {
                self.tree.insert(under, key, Node::Null)?;
            }
        }
        for (key, value) in self.tree.snapshot(under)? {
            match (self.tree.get(over, &key).cloned(), value) {
                (Some(Node::Null), _) if nulls == Nulls::Remove => self.tree.remove(over, &key),
                (None, value) => self.tree.insert(over, key, value)?,
                (Some(Node::Table(present)), Node::Table(value)) => {
                    self.tables(present, value, &join(prefix, &key), nulls, depth + 1)?;
                }
                (Some(_), value @ Node::Table(_)) => {
                    let value = text::plain(&self.tree.export(&value)?.to_json());
                    self.warn(format!(
                        "warning: cannot overwrite table with non table for {} ({value})",
                        join(prefix, &key)
                    ))?;
                }
                (Some(Node::Table(_)), Node::Leaf(value)) => {
                    self.warn(format!(
                        "warning: destination for {} is a table. Ignoring non-table value ({})",
                        join(prefix, &key),
                        text::plain(&value.to_json())
                    ))?;
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
