//! Charts: what `Chart.yaml` and its neighbours say, loaded as Helm loads them.
//!
//! A chart is read from a packed archive ([`Chart::load_archive`]), a directory ([`Chart::load_dir`]) or files
//! already in memory ([`Chart::load_files`]). All three end in the same tree of charts; contents are shared by
//! reference count, so that cloning a chart costs a few pointers a file.

mod archive;
mod digest;
mod directory;
mod error;
mod ignore;
mod load;
mod metadata;
mod path;
mod typed;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::values::Shared;

pub use self::{
    directory::{DirOptions, Symlinks},
    error::{Error, Result},
    ignore::MAX_IGNORE_STEPS,
    metadata::{Dependency, Lock, Maintainer, Metadata},
};

/// A file of a chart: its path below the chart's directory, with `/` between the parts, and its contents
/// without a byte order mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path below the chart's directory.
    pub name: Arc<str>,
    /// The contents.
    pub data: Arc<[u8]>,
}

impl File {
    /// A file from its name and contents.
    pub fn new(name: impl Into<Arc<str>>, data: impl Into<Arc<[u8]>>) -> Self {
        Self {
            name: name.into(),
            data: data.into(),
        }
    }

    /// The contents as text, for files that are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.data).ok()
    }
}

/// A manifest of a `crds/` directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crd {
    /// The file's name inside its chart.
    pub name: Arc<str>,
    /// The file's path from the root chart on, as Helm prints it: `root/charts/sub/crds/a.yaml`.
    pub filename: String,
    /// The file.
    pub file: File,
}

/// A chart with its sub-charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What `Chart.yaml` (and `requirements.yaml` of v1 charts) says.
    pub metadata: Metadata,
    /// `Chart.lock` or `requirements.lock`.
    pub lock: Option<Lock>,
    /// `values.yaml` as Helm reads it: an object whose numbers are all floats, or null where there is no
    /// file.
    pub values: Shared,
    /// `values.yaml` as it stands.
    pub values_raw: Option<Arc<[u8]>>,
    /// `values.schema.json` as it stands.
    pub schema: Option<Arc<[u8]>>,
    /// Files below `templates/`, in the order of loading.
    pub templates: Arc<[File]>,
    /// Files that are none of the above and no sub-chart's, in the order of loading.
    pub files: Arc<[File]>,
    /// Every file as loaded, sub-charts' included.
    pub raw: Arc<[File]>,
    /// Sub-charts: as loaded, in the order of their names in `charts/`; once dependencies are processed, in the
    /// order of `Chart.yaml` after those that it does not name.
    pub dependencies: Vec<Chart>,
    pub(crate) parent_path: Option<Arc<str>>,
}

impl Chart {
    /// The chart's name, or the alias it is used under.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether this is the chart that was loaded, not a sub-chart of one.
    pub fn is_root(&self) -> bool {
        self.parent_path.is_none()
    }

    /// Whether `type: library` keeps the chart from rendering anything itself.
    pub fn is_library(&self) -> bool {
        self.metadata.r#type.eq_ignore_ascii_case("library")
    }

    /// The path of the chart from the root chart on: `root/charts/sub`.
    pub fn full_path(&self) -> String {
        match &self.parent_path {
            Some(parent) => format!("{parent}/charts/{}", self.name()),
            None => self.name().to_owned(),
        }
    }

    /// What Helm logs when it loads the chart: that a chart of API version v2, or a sub-chart, has files of v1.
    pub fn load_warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        self.collect_warnings(&mut warnings);
        warnings
    }

    fn collect_warnings(&self, warnings: &mut Vec<&'static str>) {
        if self.metadata.api_version != "v1" {
            warnings.extend(self.raw.iter().filter_map(|file| match &*file.name {
                "requirements.yaml" => Some(
                    "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating \
                     dependencies to Chart.yaml.",
                ),
                "requirements.lock" => Some(
                    "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating \
                     to Chart.lock.",
                ),
                _ => None,
            }));
        }
        for dependency in &self.dependencies {
            dependency.collect_warnings(warnings);
        }
    }

    /// The manifests of `crds/` directories: the chart's own, then its sub-charts', each in order of loading.
    pub fn crd_objects(&self) -> Vec<Crd> {
        let mut found = Vec::new();
        self.collect_crds(&mut found);
        found
    }

    fn collect_crds(&self, found: &mut Vec<Crd>) {
        let own = self
            .files
            .iter()
            .filter(|f| f.name.starts_with("crds/") && has_manifest_extension(&f.name));
        let path = self.full_path();
        found.extend(own.map(|file| Crd {
            name: file.name.clone(),
            filename: path::clean(&format!("{path}/{}", file.name)),
            file: file.clone(),
        }));
        for dependency in &self.dependencies {
            dependency.collect_crds(found);
        }
    }

    /// Sets the paths of all sub-charts from the chart's own.
    pub(crate) fn adopt(&mut self, parent_path: Option<Arc<str>>) {
        self.parent_path = parent_path;
        let path: Arc<str> = self.full_path().into();
        for dependency in &mut self.dependencies {
            dependency.adopt(Some(path.clone()));
        }
    }
}

fn has_manifest_extension(name: &str) -> bool {
    let extension = path::extension(name);
    [".yaml", ".yml", ".json"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}
