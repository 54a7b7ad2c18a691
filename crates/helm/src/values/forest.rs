//! Charts and their dependencies' declarations as Helm's processing shares and changes them: an alias is a copy
//! of a chart that still shares its sub-charts and the declarations of its dependencies with the original.

use std::{collections::HashSet, rc::Rc};

use serde_json::{Value, json};

use super::{Result, budget::Budget, shared::Shared};
use crate::chart::{Chart, Dependency};

/// A handle to a chart of a [`Forest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChartId(usize);

/// A handle to a dependency's declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequirementId(usize);

/// A chart in processing.
#[derive(Clone, Debug)]
pub(super) struct Tended<'c> {
    /// The chart as loaded, for all that processing leaves alone.
    pub(super) loaded: &'c Chart,
    pub(super) name: String,
    pub(super) values: Shared,
    /// The declarations in `Chart.yaml`; none is something else than an empty list.
    pub(super) requirements: Option<Rc<[RequirementId]>>,
    pub(super) dependencies: Rc<[ChartId]>,
    parent: Option<ChartId>,
}

/// A declaration of a dependency.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    pub(super) declared: Dependency,
    pub(super) imports: Vec<Import>,
}

/// An item of `import-values`.
#[derive(Clone, Debug)]
pub(super) enum Import {
    /// As it stands in the file.
    Declared(Value),
    /// As processing leaves it; processing it again, through another alias of the chart, does nothing.
    Processed { child: String, parent: String },
}

/// A store of charts and declarations. Every handle was made by the store it is used with.
#[derive(Debug)]
pub(super) struct Forest<'c> {
    charts: Vec<Tended<'c>>,
    requirements: Vec<Requirement>,
}

impl<'c> Forest<'c> {
    /// A forest of one chart with its sub-charts.
    pub(super) fn plant(root: &'c Chart) -> (Self, ChartId) {
        let mut forest = Self {
            charts: Vec::new(),
            requirements: Vec::new(),
        };
        let root = forest.add(root, None);
        (forest, root)
    }

    fn add(&mut self, chart: &'c Chart, parent: Option<ChartId>) -> ChartId {
        let declared = &chart.metadata.dependencies;
        let requirements = (chart.metadata.declares_dependencies || !declared.is_empty()).then(|| {
            let from = self.requirements.len();
            self.requirements.extend(declared.iter().map(|declared| {
                Requirement {
                    declared: declared.clone(),
                    imports: declared
                        .import_values
                        .iter()
                        .cloned()
                        .map(Import::Declared)
                        .collect(),
                }
            }));
            (from..self.requirements.len()).map(RequirementId).collect()
        });
        let id = self.push(Tended {
            loaded: chart,
            name: chart.name().to_owned(),
            values: chart.values.clone(),
            requirements,
            dependencies: Rc::default(),
            parent,
        });
        let dependencies = chart
            .dependencies
            .iter()
            .map(|below| self.add(below, Some(id)))
            .collect();
        self[id].dependencies = dependencies;
        id
    }

    fn push(&mut self, chart: Tended<'c>) -> ChartId {
        self.charts.push(chart);
        ChartId(self.charts.len() - 1)
    }

    /// A copy of a chart under a name. Its sub-charts are the original's and keep it as the chart around them.
    pub(super) fn copy(&mut self, id: ChartId, name: &str) -> ChartId {
        let mut copy = self[id].clone();
        name.clone_into(&mut copy.name);
        self.push(copy)
    }

    /// Gives a chart its sub-charts, which then know it as the chart around them.
    pub(super) fn set_dependencies(&mut self, id: ChartId, dependencies: Vec<ChartId>) {
        for dependency in &dependencies {
            self[*dependency].parent = Some(id);
        }
        self[id].dependencies = dependencies.into();
    }

    /// Whether a chart has a sub-chart of that name.
    pub(super) fn has_dependency(&self, id: ChartId, name: &str) -> bool {
        let mut dependencies = self[id].dependencies.iter();
        dependencies.any(|dependency| self[*dependency].name == name)
    }

    /// The chart that processing has made, as a tree again.
    ///
    /// # Errors
    /// There are too many charts, each alias being one, or they have too much of their own.
    pub(super) fn harvest(&self, id: ChartId, budget: &Budget) -> Result<Chart> {
        self.harvest_below(id, budget, &mut HashSet::new())
    }

    /// `seen` are the addresses of the loaded charts that are there already: another alias of one costs more.
    fn harvest_below(&self, id: ChartId, budget: &Budget, seen: &mut HashSet<*const Chart>) -> Result<Chart> {
        let tended = &self[id];
        let loaded = tended.loaded;
        budget.chart()?;
        if !seen.insert(std::ptr::from_ref(loaded)) {
            budget.copy(own_bytes(loaded))?;
        }
        let mut metadata = loaded.metadata.clone();
        metadata.name.clone_from(&tended.name);
        metadata.declares_dependencies = tended.requirements.is_some();
        metadata.dependencies = tended
            .requirements
            .iter()
            .flat_map(|requirements| requirements.iter())
            .map(|requirement| {
                let Requirement { declared, imports } = &self[*requirement];
                let import_values = imports.iter().map(|import| match import {
                    Import::Declared(value) => value.clone(),
                    Import::Processed { child, parent } => json!({"child": child, "parent": parent}),
                });
                Dependency {
                    import_values: import_values.collect(),
                    ..declared.clone()
                }
            })
            .collect();
        Ok(Chart {
            metadata,
            lock: loaded.lock.clone(),
            values: tended.values.clone(),
            values_raw: loaded.values_raw.clone(),
            schema: loaded.schema.clone(),
            templates: loaded.templates.clone(),
            files: loaded.files.clone(),
            raw: loaded.raw.clone(),
            dependencies: tended
                .dependencies
                .iter()
                .map(|below| self.harvest_below(*below, budget, seen))
                .collect::<Result<_>>()?,
            parent_path: tended.parent.map(|parent| self.full_path(parent).into()),
        })
    }

    fn full_path(&self, id: ChartId) -> String {
        let tended = &self[id];
        match tended.parent {
            Some(parent) => format!("{}/charts/{}", self.full_path(parent), tended.name),
            None => tended.name.clone(),
        }
    }
}

/// What a template takes up under each path that it has, beside its text.
const TEMPLATE_BYTES: usize = 512;

/// Bytes that an alias of a chart has of its own: what `Chart.yaml` says, and the templates, which are compiled under
/// each of their paths.
fn own_bytes(chart: &Chart) -> usize {
    let templates = chart.templates.iter();
    let texts: usize = templates.map(|file| file.data.len() + TEMPLATE_BYTES).sum();
    texts.saturating_add(chart.metadata.bytes())
}

impl<'c> std::ops::Index<ChartId> for Forest<'c> {
    type Output = Tended<'c>;

    #[allow(clippy::indexing_slicing, reason = "a forest makes its ids and never shrinks")]
    fn index(&self, id: ChartId) -> &Tended<'c> {
        &self.charts[id.0]
    }
}

impl std::ops::IndexMut<ChartId> for Forest<'_> {
    #[allow(clippy::indexing_slicing, reason = "a forest makes its ids and never shrinks")]
    fn index_mut(&mut self, id: ChartId) -> &mut Self::Output {
        &mut self.charts[id.0]
    }
}

impl std::ops::Index<RequirementId> for Forest<'_> {
    type Output = Requirement;

    #[allow(clippy::indexing_slicing, reason = "a forest makes its ids and never shrinks")]
    fn index(&self, id: RequirementId) -> &Requirement {
        &self.requirements[id.0]
    }
}

impl std::ops::IndexMut<RequirementId> for Forest<'_> {
    #[allow(clippy::indexing_slicing, reason = "a forest makes its ids and never shrinks")]
    fn index_mut(&mut self, id: RequirementId) -> &mut Requirement {
        &mut self.requirements[id.0]
    }
}
