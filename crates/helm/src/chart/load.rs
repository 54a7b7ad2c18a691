//! From files to a chart: which file is what, and where the sub-charts are.

use std::{collections::BTreeMap, sync::Arc};

use helmapp_goyaml::sigs;
use serde_json::Value;

use super::{
    Chart, File, archive,
    error::{Error, Result},
    metadata::{Draft, Lock},
    path, typed,
};
use crate::{
    limits::{Budget, Limits},
    values::{Shared, read_yaml_within},
};

impl Chart {
    /// Makes a chart of files whose names are paths below the chart's directory.
    ///
    /// Sub-charts are read from `charts/NAME/` and `charts/*.tgz`, in the order of their names; what starts
    /// with `_` or `.` there is no chart.
    ///
    /// # Errors
    /// [`Error`], with Helm's text where Helm refuses the chart too.
    pub fn load_files(files: Vec<File>, limits: &Limits) -> Result<Self> {
        let mut budget = Budget::new(limits);
        for file in &files {
            budget.take_file(&file.name, file.data.len() as u64)?;
        }
        load(files, &mut budget)
    }
}

impl Budget {
    /// Counts a file, before it is read.
    pub(super) fn take_file(&mut self, name: &str, size: u64) -> Result<()> {
        let Limits {
            unpacked_bytes,
            file_bytes,
            file_count,
            ..
        } = self.limits;
        let remaining = self.remaining_bytes.checked_sub(size);
        if remaining.is_some() && size > file_bytes {
            return Err(Error::FileTooLarge {
                file: name.to_owned(),
                limit: file_bytes,
            });
        }
        // Helm refuses a chart that is exactly as large as the limit, too.
        self.remaining_bytes = remaining
            .filter(|left| *left > 0)
            .ok_or(Error::UnpackedTooLarge {
                limit: unpacked_bytes,
            })?;
        self.remaining_files = self
            .remaining_files
            .checked_sub(1)
            .ok_or(Error::TooManyFiles { limit: file_count })?;
        Ok(())
    }
}

/// Makes a chart of files that the budget has counted.
pub(super) fn load(files: Vec<File>, budget: &mut Budget) -> Result<Chart> {
    let mut chart = load_nested(files, budget, 1)?;
    chart.adopt(None);
    Ok(chart)
}

fn load_nested(files: Vec<File>, budget: &mut Budget, depth: usize) -> Result<Chart> {
    if depth > budget.limits.chart_depth {
        return Err(Error::ChartsTooDeep {
            limit: budget.limits.chart_depth,
        });
    }
    let mut sorted = Sorted::default();
    sorted.read_chart_yaml(&files)?;
    for file in &files {
        sorted.sort(file, &budget.limits)?;
    }
    let draft = sorted.draft.ok_or(Error::NoChartYaml)?;
    let metadata = draft.validate()?;
    let mut dependencies = Vec::new();
    for (name, files) in sorted.subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let loaded = load_subchart(&name, files, &metadata.name, budget, depth);
        dependencies.push(loaded.map_err(|source| match source {
            named @ Error::SubchartName { .. } => named,
            source => Error::Subchart {
                name,
                parent: metadata.name.clone(),
                source: Box::new(source),
            },
        })?);
    }
    Ok(Chart {
        metadata,
        lock: sorted.lock,
        values: sorted.values,
        values_raw: sorted.values_raw,
        schema: sorted.schema,
        templates: sorted.templates.into(),
        files: sorted.files.into(),
        raw: files.into(),
        dependencies,
        parent_path: None,
    })
}

/// Loads what lies under one name in `charts/`: an archive, or a directory whose files outside of any chart
/// are left out.
fn load_subchart(
    name: &str,
    files: Vec<File>,
    parent: &str,
    budget: &mut Budget,
    depth: usize,
) -> Result<Chart> {
    if path::extension(name) == ".tgz" {
        let Some(first) = files.first() else {
            return Err(Error::Empty);
        };
        if &*first.name != name {
            return Err(Error::SubchartName {
                parent: parent.to_owned(),
                expected: name.to_owned(),
                got: first.name.to_string(),
            });
        }
        let files = archive::read(&first.data, budget)?;
        return load_nested(files, budget, depth + 1);
    }
    let inner = files.into_iter().filter_map(|file| {
        let (_, below) = file.name.split_once('/')?;
        Some(File {
            name: below.into(),
            data: file.data,
        })
    });
    load_nested(inner.collect(), budget, depth + 1)
}

/// A chart's files, told apart.
#[derive(Default)]
struct Sorted {
    draft: Option<Draft>,
    lock: Option<Lock>,
    values: Shared,
    values_raw: Option<Arc<[u8]>>,
    schema: Option<Arc<[u8]>>,
    templates: Vec<File>,
    files: Vec<File>,
    /// By the first part of the path below `charts/`; names are from there on.
    subcharts: BTreeMap<String, Vec<File>>,
}

impl Sorted {
    /// `Chart.yaml` decides how the other files are read, wherever it stands among them.
    fn read_chart_yaml(&mut self, files: &[File]) -> Result<()> {
        let mut found = files.iter().filter(|file| &*file.name == "Chart.yaml");
        let Some(file) = found.next() else {
            return Ok(());
        };
        if found.next().is_some() {
            return Err(Error::DuplicateChartYaml);
        }
        let mut draft = Draft::default();
        let document = document(file, "Chart.yaml")?;
        draft.read(&document).map_err(|message| Error::File {
            file: "Chart.yaml",
            message,
        })?;
        draft.default_api_version();
        self.draft = Some(draft);
        Ok(())
    }

    fn sort(&mut self, file: &File, limits: &Limits) -> Result<()> {
        match &*file.name {
            "Chart.yaml" => {}
            "Chart.lock" => self.lock = read_lock(file, "Chart.lock")?,
            "values.yaml" => {
                let error = |message| Error::File {
                    file: "values.yaml",
                    message,
                };
                let values = read_yaml_within(&file.data, &limits.yaml);
                self.values = Shared::table(&values.map_err(error)?);
                self.values_raw = Some(file.data.clone());
            }
            "values.schema.json" => self.schema = Some(file.data.clone()),
            "requirements.yaml" => {
                let document = document(file, "requirements.yaml")?;
                let draft = self.draft.get_or_insert_default();
                draft.read(&document).map_err(|message| Error::File {
                    file: "requirements.yaml",
                    message,
                })?;
                if draft.is_v1() {
                    self.files.push(file.clone());
                }
            }
            "requirements.lock" => {
                self.lock = read_lock(file, "requirements.lock")?;
                if self.draft.get_or_insert_default().is_v1() {
                    self.files.push(file.clone());
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file.clone()),
            name => match name.strip_prefix("charts/") {
                Some(below) if path::extension(name) != ".prov" => {
                    let first = below.split('/').next().unwrap_or(below);
                    let file = File {
                        name: below.into(),
                        data: file.data.clone(),
                    };
                    self.subcharts.entry(first.to_owned()).or_default().push(file);
                }
                _ => self.files.push(file.clone()),
            },
        }
        Ok(())
    }
}

/// Reads a lock file, which may have nothing in it.
fn read_lock(file: &File, name: &'static str) -> Result<Option<Lock>> {
    Lock::read(&document(file, name)?).map_err(|message| Error::File { file: name, message })
}

fn document(file: &File, name: &'static str) -> Result<Value> {
    let message = |message: String| Error::File { file: name, message };
    let text = sigs::decode_text(&file.data).map_err(|error| message(error.to_string()))?;
    typed::document(&text).map_err(message)
}
