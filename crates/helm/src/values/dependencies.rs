//! Dependencies: which sub-charts are used, under which name, and what of their values the chart around them
//! takes over. Follows `chartutil/dependencies.go` of Helm 3.19 (`ProcessDependenciesWithMerge`), including what
//! the sharing of charts between aliases does there.

use std::{collections::BTreeSet, rc::Rc};

use serde_json::Value;

use super::{
    Merger, Result, Table,
    budget::Budget,
    coalesce::{CHART_STEPS, Nulls, import},
    forest::{ChartId, Forest, Import, RequirementId},
    shared::Shared,
    text,
    tree::{Node, TableId, Tree},
};
use crate::{capabilities::is_compatible_range, chart::Chart};

impl Merger {
    /// Gives the chart as it is used with these values: without the sub-charts that conditions or tags switch
    /// off, with those used under an alias once for each, and with the values that `import-values` takes over.
    ///
    /// # Errors
    /// [`Error`](super::Error) where values can not be merged.
    pub fn process_dependencies(&mut self, chart: &Chart, values: &Value) -> Result<Chart> {
        let budget = Budget::new(self.limits);
        let (mut forest, root) = Forest::plant(chart);
        self.process(&budget, &mut forest, root, &values.into())?;
        forest.harvest(root, &budget)
    }

    /// [`process_dependencies`](Self::process_dependencies) and [`coalesce_values`](Self::coalesce_values) in one: the
    /// chart as it is used, and its values.
    ///
    /// # Errors
    /// As these.
    pub fn settle(&mut self, chart: &Chart, values: &Table) -> Result<(Chart, Shared)> {
        let budget = Budget::new(self.limits);
        let values = Shared::table(values);
        let (mut forest, root) = Forest::plant(chart);
        self.process(&budget, &mut forest, root, &values)?;
        let chart = forest.harvest(root, &budget)?;
        let values = self.coalesce(&budget, &forest, root, &values)?;
        Ok((chart, values))
    }

    fn process(
        &mut self,
        budget: &Budget,
        forest: &mut Forest<'_>,
        root: ChartId,
        values: &Shared,
    ) -> Result<()> {
        let mut tree = Tree::new(budget);
        let values = import(&mut tree, values)?;
        self.switch(forest, root, &tree, values, "")?;
        drop(tree);
        self.import_values(budget, forest, root)
    }

    /// Drops the sub-charts that are switched off, here and below. `path` leads to the chart's values.
    fn switch(
        &mut self,
        forest: &mut Forest<'_>,
        chart: ChartId,
        around: &Tree<'_>,
        values: TableId,
        path: &str,
    ) -> Result<()> {
        let budget = around.budget();
        budget.step(CHART_STEPS)?;
        let Some(requirements) = forest[chart].requirements.clone() else {
            return Ok(());
        };
        apply_aliases(forest, chart, &requirements, budget)?;

        let mut tree = Tree::new(budget);
        let values = tree.copy_from(around, values)?;
        self.merging(&mut tree)
            .chart(forest, chart, values, "", Nulls::Remove)?;
        self.apply_tags(forest, &requirements, &tree, values);
        self.apply_conditions(forest, &requirements, &tree, values, path);

        let off = |id: &RequirementId| !forest[*id].declared.enabled;
        let dropped: BTreeSet<String> = requirements
            .iter()
            .filter(|id| off(id))
            .map(|id| forest[*id].declared.name.clone())
            .collect();
        let mut used = forest[chart].dependencies.to_vec();
        used.retain(|id| !dropped.contains(&forest[*id].name));
        let mut kept = requirements.to_vec();
        kept.retain(|id| !dropped.contains(&forest[*id].declared.name));
        for &dependency in &used {
            let path = format!("{path}{}.", forest[dependency].name);
            self.switch(forest, dependency, &tree, values, &path)?;
        }
        forest[chart].requirements = (!kept.is_empty()).then(|| kept.into());
        forest.set_dependencies(chart, used);
        Ok(())
    }

    fn apply_tags(
        &mut self,
        forest: &mut Forest<'_>,
        requirements: &[RequirementId],
        tree: &Tree<'_>,
        values: TableId,
    ) {
        let Ok(tags) = table_at(tree, values, "tags") else {
            return;
        };
        for &id in requirements {
            let declared = &mut forest[id].declared;
            let (mut on, mut off) = (false, false);
            for tag in &declared.tags {
                match tree.get(tags, tag) {
                    None => {}
                    Some(node) => match boolean(node) {
                        Some(true) => on = true,
                        Some(false) => off = true,
                        None => self.warnings.push(format!(
                            "Warning: Tag '{tag}' for chart {} returned non-bool value",
                            declared.name
                        )),
                    },
                }
            }
            declared.enabled = on || !off;
        }
    }

    fn apply_conditions(
        &mut self,
        forest: &mut Forest<'_>,
        requirements: &[RequirementId],
        tree: &Tree<'_>,
        values: TableId,
        path: &str,
    ) {
        for &id in requirements {
            let declared = &mut forest[id].declared;
            for condition in declared
                .condition
                .trim()
                .split(',')
                .filter(|condition| !condition.is_empty())
            {
                let Some(node) = value_at(tree, values, &format!("{path}{condition}")) else {
                    continue;
                };
                if let Some(enabled) = boolean(&node) {
                    declared.enabled = enabled;
                    break;
                }
                self.warnings.push(format!(
                    "Warning: Condition path '{condition}' for chart {} returned non-bool value",
                    declared.name
                ));
            }
        }
    }

    /// Takes over values from sub-charts, the innermost charts first.
    fn import_values(&mut self, budget: &Budget, forest: &mut Forest<'_>, chart: ChartId) -> Result<()> {
        budget.step(CHART_STEPS)?;
        for &dependency in Rc::clone(&forest[chart].dependencies).iter() {
            self.import_values(budget, forest, dependency)?;
        }
        let Some(requirements) = forest[chart].requirements.clone() else {
            return Ok(());
        };
        let mut tree = Tree::new(budget);
        let own = tree.empty();
        self.merging(&mut tree)
            .chart(forest, chart, own, "", Nulls::Keep)?;
        let imported = tree.empty();
        for &id in requirements.iter() {
            let name = forest[id].declared.name.clone();
            let mut processed = Vec::new();
            for import in std::mem::take(&mut forest[id].imports) {
                let Some((child, parent, by_export)) = endpoints(&import) else {
                    continue;
                };
                processed.push(Import::Processed {
                    child: child.clone(),
                    parent: parent.clone(),
                });
                let from = match table_at(&tree, own, &format!("{name}.{child}")) {
                    // Helm puts a new table in the place of an empty one.
                    Ok(from) if tree.is_empty(from) => tree.empty(),
                    Ok(from) => from,
                    Err(NoTable(key)) => {
                        let chart = if by_export {
                            String::new()
                        } else {
                            format!(" from chart {name}")
                        };
                        self.warnings.push(format!(
                            "Warning: ImportValues missing table{chart}: {key:?} is not a table"
                        ));
                        continue;
                    }
                };
                let from = if by_export {
                    from
                } else {
                    nest(&mut tree, &parent, from)?
                };
                self.merging(&mut tree)
                    .tables(imported, from, "", Nulls::Keep, 0)?;
            }
            forest[id].imports = processed;
        }
        let values = tree.copy_deep(own)?;
        self.merging(&mut tree)
            .tables(values, imported, "", Nulls::Keep, 0)?;
        forest[chart].values = tree.export_table(values)?;
        Ok(())
    }
}

/// Puts sub-charts in the order of their declarations, each under its alias, after those that no declaration
/// names; declarations go by their alias from here on.
fn apply_aliases(
    forest: &mut Forest<'_>,
    chart: ChartId,
    requirements: &[RequirementId],
    budget: &Budget,
) -> Result<()> {
    budget.check_charts(requirements.len())?;
    let present = Rc::clone(&forest[chart].dependencies);
    let mut is_declared = BTreeSet::new();
    let mut aliased = Vec::new();
    for &id in requirements {
        let mut found = None;
        for &dependency in present.iter() {
            if declares(forest, id, dependency, budget)? {
                is_declared.insert(dependency);
                found = found.or(Some(dependency));
            }
        }
        let alias = forest[id].declared.alias.clone();
        if let Some(found) = found {
            let name = if alias.is_empty() {
                forest[found].name.clone()
            } else {
                alias.clone()
            };
            aliased.push((found, name));
        }
        let declared = &mut forest[id].declared;
        if !alias.is_empty() {
            declared.name = alias;
        }
        declared.enabled = true;
    }
    let undeclared = present.iter().copied().filter(|id| !is_declared.contains(id));
    let mut ordered: Vec<ChartId> = undeclared.collect();
    budget.check_charts(ordered.len() + aliased.len())?;
    for (found, name) in aliased {
        budget.step(CHART_STEPS)?;
        ordered.push(forest.copy(found, &name));
    }
    forest.set_dependencies(chart, ordered);
    Ok(())
}

/// Whether a declaration is of this chart. Reading a range of versions takes a step for about each byte.
fn declares(forest: &Forest<'_>, id: RequirementId, dependency: ChartId, budget: &Budget) -> Result<bool> {
    budget.step(1)?;
    let declared = &forest[id].declared;
    if forest[dependency].name != declared.name {
        return Ok(false);
    }
    budget.step(CHART_STEPS + declared.version.len())?;
    let version = &forest[dependency].loaded.metadata.version;
    Ok(is_compatible_range(&declared.version, version))
}

/// From where in the sub-chart's values an import takes, to where in the chart's own it gives, and whether it is
/// the short form for exports. Nothing for what is no import.
fn endpoints(import: &Import) -> Option<(String, String, bool)> {
    match import {
        Import::Declared(Value::String(name)) => Some((format!("exports.{name}"), ".".to_owned(), true)),
        Import::Declared(Value::Object(ends)) => {
            let end = |key: &str| text::plain(ends.get(key).unwrap_or(&Value::Null));
            Some((end("child"), end("parent"), false))
        }
        _ => None,
    }
}

/// A table around another, so that it lies at the path.
fn nest(tree: &mut Tree<'_>, path: &str, inner: TableId) -> Result<TableId> {
    if path == "." {
        return Ok(inner);
    }
    let mut nested = inner;
    for key in path.rsplit('.') {
        let around = tree.empty();
        tree.insert(around, key, Node::Table(nested))?;
        nested = around;
    }
    Ok(nested)
}

/// There is no table under this key.
struct NoTable(String);

/// The table at a path of keys with dots between them.
fn table_at(tree: &Tree<'_>, from: TableId, path: &str) -> std::result::Result<TableId, NoTable> {
    path.split('.').try_fold(from, |table, key| {
        tree.get(table, key)
            .and_then(Node::table)
            .ok_or_else(|| NoTable(key.to_owned()))
    })
}

/// What is at a path, unless it is a table.
fn value_at(tree: &Tree<'_>, from: TableId, path: &str) -> Option<Node> {
    let (table, key) = match path.rsplit_once('.') {
        Some((path, key)) => (table_at(tree, from, path).ok()?, key),
        None => (from, path),
    };
    tree.get(table, key).filter(|node| !node.is_table()).cloned()
}

fn boolean(node: &Node) -> Option<bool> {
    match node {
        Node::Leaf(Shared::Bool(value)) => Some(*value),
        _ => None,
    }
}
