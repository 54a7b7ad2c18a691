//! Which charts are rendered, and which pieces of work are looked at.

use std::path::{Path, PathBuf};

/// Charts of the corpus: three that everybody knows, then three whose templates go through `tpl` most.
const CORPUS: [&str; 6] = [
    "postgresql-17.1.0",
    "kube-prometheus-stack-88.5.3",
    "argo-cd-10.1.1",
    "grafana-mimir-3.0.19",
    "milvus-4.0.31",
    "elasticsearch-22.1.7",
];

pub(crate) const RELEASE: &str = "speed";
pub(crate) const NAMESPACE: &str = "bench";
pub(crate) const KUBE_VERSION: &str = "v1.35.0";

/// A piece of work that both sides do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Values coalesced, templates executed.
    Render,
    /// That, and what was rendered split and sorted.
    Manifest,
    /// From the packed chart to that.
    All,
    /// From the packed chart to the chart.
    Load,
    /// Values coalesced and checked against the schema.
    Values,
    /// From the chart to the manifest, where the chart was rendered before: what the operator does at an upgrade.
    Again,
}

impl What {
    const EVERY: [What; 6] = [
        What::Render,
        What::Manifest,
        What::All,
        What::Load,
        What::Values,
        What::Again,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            What::Render => "render",
            What::Manifest => "manifest",
            What::All => "all",
            What::Load => "load",
            What::Values => "values",
            What::Again => "again",
        }
    }

    /// What Helm does meanwhile: it keeps nothing from one time to the next. To switch sub-charts and to check values
    /// is left out of its time, not of ours.
    pub(crate) fn of_helm(self) -> &'static str {
        match self {
            What::Again => What::Manifest.name(),
            other => other.name(),
        }
    }
}

/// What was asked for: `cargo bench --bench render -- CHART... WORK...`; all, if nothing.
#[derive(Debug)]
pub(crate) struct Charts {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) work: Vec<What>,
}

impl Charts {
    pub(crate) fn chosen() -> Charts {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .filter(|a| !a.starts_with('-'))
            .collect();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut paths = vec![repository.join("charts/demo")];
        let corpus = std::env::var_os("HELMAPP_CORPUS")
            .map_or_else(|| repository.join("../shared/corpus"), PathBuf::from)
            .join("charts");
        if corpus.is_dir() {
            paths.extend(CORPUS.iter().map(|name| corpus.join(format!("{name}.tgz"))));
        } else {
            println!(
                "corpus: not run: no charts in {} (HELMAPP_CORPUS names the folder)",
                corpus.display()
            );
        }
        let work = asked(&What::EVERY, |what| words.contains(&what.name()));
        let paths = asked(&paths, |path| words.iter().any(|word| title(path).contains(word)));
        Charts { paths, work }
    }
}

/// A chart's name in tables.
pub(crate) fn title(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".tgz").unwrap_or(&name).to_owned()
}

fn asked<T: Clone>(all: &[T], is: impl Fn(&T) -> bool) -> Vec<T> {
    let some: Vec<T> = all.iter().filter(|item| is(item)).cloned().collect();
    if some.is_empty() { all.to_vec() } else { some }
}
