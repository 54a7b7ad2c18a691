//! What templates get as `.`: one map a chart, with values scoped to the chart (`recAllTpls` of Helm's engine).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use helmapp_gotmpl::{Map, Str, Value};

use super::capabilities::CapabilitiesObject;
use super::chart::ChartObject;
use super::files::{FileSet, Files};
use super::values::{VALUES, root_table, table};
use super::{ReleaseOptions, RenderInput};
use crate::chart::{Chart, File, Metadata};

/// A chart, as far as renders need it.
#[derive(Debug)]
pub(super) struct ChartNode {
    /// Its place among the charts in the order of [`root_values`].
    number: usize,
    metadata: Arc<Metadata>,
    is_root: bool,
    path: String,
    files: Arc<FileSet>,
    /// The files of the chart that it was made from.
    templates: Arc<[File]>,
    others: Arc<[File]>,
    children: Vec<ChartNode>,
}

/// A template's text and what it belongs to.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: Arc<[u8]>,
    pub(super) base_path: Arc<str>,
    pub(super) chart: usize,
}

/// What is collected from a chart and its sub-charts.
#[derive(Debug, Default)]
pub(super) struct Collected {
    charts: usize,
    /// The templates by path.
    pub(super) sources: BTreeMap<Arc<str>, Source>,
    /// Files by the address of what they were made from, which all aliases of a chart have in common.
    files: HashMap<*const File, Arc<FileSet>>,
}

impl Collected {
    fn files(&mut self, files: &Arc<[File]>) -> Arc<FileSet> {
        let known = self.files.entry(files.as_ptr());
        let made = known.or_insert_with(|| {
            let files = files.iter();
            Arc::new(
                files
                    .map(|f| (Arc::clone(&f.name), Str::from(&*f.data)))
                    .collect(),
            )
        });
        Arc::clone(made)
    }
}

impl ChartNode {
    /// Takes over a chart and its sub-charts, and puts their templates into `collected`. The depth of charts is
    /// limited where they are loaded.
    pub(super) fn collect(chart: &Chart, collected: &mut Collected) -> ChartNode {
        let number = collected.charts;
        collected.charts += 1;
        let children = chart
            .dependencies
            .iter()
            .map(|child| ChartNode::collect(child, collected))
            .collect();
        let path = chart.full_path();
        let base_path: Arc<str> = format!("{path}/templates").into();
        for template in chart.templates.iter() {
            let is_partial = template
                .name
                .rsplit('/')
                .next()
                .is_some_and(|base| base.starts_with('_'));
            if chart.is_library() && !is_partial {
                continue;
            }
            let source = Source {
                text: Arc::clone(&template.data),
                base_path: Arc::clone(&base_path),
                chart: number,
            };
            let path = format!("{path}/{}", template.name);
            collected.sources.insert(path.into(), source);
        }
        ChartNode {
            number,
            metadata: Arc::new(chart.metadata.clone()),
            is_root: chart.is_root(),
            path,
            files: collected.files(&chart.files),
            templates: Arc::clone(&chart.templates),
            others: Arc::clone(&chart.files),
            children,
        }
    }

    /// Whether it and its sub-charts were made from these very files, under the same names. The depth of charts is
    /// limited where they are loaded.
    pub(super) fn is_of(&self, chart: &Chart) -> bool {
        Arc::ptr_eq(&self.templates, &chart.templates)
            && Arc::ptr_eq(&self.others, &chart.files)
            && self.is_root == chart.is_root()
            && self.children.len() == chart.dependencies.len()
            && *self.metadata == chart.metadata
            && self.path == chart.full_path()
            && self
                .children
                .iter()
                .zip(&chart.dependencies)
                .all(|(child, chart)| child.is_of(chart))
    }

    /// About how many bytes the files take up, the templates' as they were loaded and the others' twice.
    pub(super) fn bytes(&self) -> usize {
        let size = |files: &[File]| files.iter().map(|file| file.data.len()).sum::<usize>();
        let children: usize = self.children.iter().map(ChartNode::bytes).sum();
        size(&self.templates) + 2 * size(&self.others) + children
    }

    fn name(&self) -> &str {
        &self.metadata.name
    }
}

/// The map of every chart, by [`ChartNode::number`].
pub(super) fn root_values(root: &ChartNode, input: &RenderInput<'_>) -> Vec<Map> {
    let shared = OfAll {
        release: Value::Map(release(input.release)),
        capabilities: Value::object(CapabilitiesObject::new(
            Arc::clone(&input.capabilities),
            Arc::clone(&input.asked),
        )),
    };
    let mut charts = Vec::new();
    shared.chart_values(root, root_table(input.values), &mut charts);
    charts.sort_by_key(|(number, _)| *number);
    charts.into_iter().map(|(_, map)| map).collect()
}

/// Sets `.Template` for the file that is rendered next.
pub(super) fn set_template(dot: &Map, name: &str, base_path: &str) {
    let entries = vec![
        (Str::from("Name"), Value::from(name)),
        (Str::from("BasePath"), Value::from(base_path)),
    ];
    dot.insert("Template", Value::Map(Map::with_entries(&VALUES, entries)));
}

fn release(options: &ReleaseOptions) -> Map {
    [
        ("Name", Value::from(options.name.as_str())),
        ("Namespace", Value::from(options.namespace.as_str())),
        ("IsUpgrade", Value::Bool(options.is_upgrade)),
        ("IsInstall", Value::Bool(options.is_install)),
        ("Revision", Value::int(options.revision)),
        ("Service", Value::from("Helm")),
    ]
    .into_iter()
    .collect()
}

struct OfAll {
    release: Value,
    capabilities: Value,
}

impl OfAll {
    fn chart_values(&self, chart: &ChartNode, values: Map, charts: &mut Vec<(usize, Map)>) -> Map {
        let subcharts = Map::new();
        let object = ChartObject {
            metadata: Arc::clone(&chart.metadata),
            is_root: chart.is_root,
        };
        let entries = vec![
            ("Chart", Value::object(object)),
            ("Files", Value::object(Files::new(Arc::clone(&chart.files)))),
            ("Release", self.release.clone()),
            ("Capabilities", self.capabilities.clone()),
            ("Values", Value::Map(values)),
            ("Subcharts", Value::Map(subcharts.clone())),
        ];
        let dot = Map::with_entries(
            &VALUES,
            entries.into_iter().map(|(k, v)| (Str::from(k), v)).collect(),
        );
        for child in &chart.children {
            // The sub-chart's values are the table in its parent's, not a copy: what either sets, both see.
            let values =
                table(&dot, &format!("Values.{}", child.name())).unwrap_or_else(|_| Map::typed(&VALUES));
            subcharts.insert(child.name(), Value::Map(self.chart_values(child, values, charts)));
        }
        charts.push((chart.number, dot.clone()));
        dot
    }
}
