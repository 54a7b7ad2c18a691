//! Our side: the same pieces of work as the judge times of Helm's.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use helmapp_helm::capabilities::{Capabilities, KubeVersion};
use helmapp_helm::chart::{Chart, DirOptions};
use helmapp_helm::limits::Limits;
use helmapp_helm::manifest::Manifest;
use helmapp_helm::render::{CompiledChart, CompiledCharts, Prepared, ReleaseOptions, RenderInput, prepare};
use helmapp_helm::schema;
use helmapp_helm::values::{Merger, Shared, Table};
use serde_json::Value;

use crate::charts::{KUBE_VERSION, NAMESPACE, RELEASE, What};

/// As the operator keeps by default.
const KEPT_BYTES: usize = 32 << 20;

/// Templates may include each other a thousand deep.
const STACK_BYTES: usize = 64 << 20;

/// Does all the work on a thread that has room for it.
pub(crate) fn on_a_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    thread.unwrap().join().unwrap();
}

/// A chart that is loaded and compiled, and what a render needs beside it.
pub(crate) struct Ours {
    source: Source,
    chart: Chart,
    kept: CompiledCharts,
    prepared: Prepared,
    compiled: CompiledChart,
    values: Table,
    release: ReleaseOptions,
    capabilities: Arc<Capabilities>,
}

enum Source {
    Archive(Vec<u8>),
    Directory(PathBuf),
}

impl Ours {
    pub(crate) fn new(path: &Path) -> Ours {
        let source = match path.is_dir() {
            true => Source::Directory(path.to_owned()),
            false => Source::Archive(std::fs::read(path).unwrap()),
        };
        let values = Table::new();
        let chart = source.load();
        let prepared = prepare(&chart, &values, None, &mut Vec::new()).unwrap();
        let compiled = CompiledChart::compile(&prepared.chart).unwrap();
        let release = ReleaseOptions {
            name: RELEASE.to_owned(),
            namespace: NAMESPACE.to_owned(),
            revision: 1,
            is_install: true,
            is_upgrade: false,
        };
        Ours {
            source,
            chart,
            kept: CompiledCharts::new(KEPT_BYTES),
            prepared,
            compiled,
            values,
            release,
            capabilities: Arc::new(Capabilities::without_cluster(
                KubeVersion::parse(KUBE_VERSION).unwrap(),
                &[],
            )),
        }
    }

    /// One run of a piece of work.
    pub(crate) fn run(&self, what: What) {
        match what {
            What::Load => {
                black_box(self.source.load());
            }
            What::Values => {
                let values = self.coalesce();
                schema::validate(&self.prepared.chart, &values, &Arc::default()).unwrap();
                black_box(values);
            }
            What::Render => {
                black_box(self.render(&self.compiled, &self.coalesce()));
            }
            What::Manifest => {
                let files = self.render(&self.compiled, &self.coalesce());
                black_box(Manifest::build(self.prepared.chart.name(), files).unwrap());
            }
            What::All => {
                let Prepared { chart, values } = self.prepare(&self.source.load());
                let compiled = CompiledChart::compile(&chart).unwrap();
                let files = self.render(&compiled, &values);
                black_box(Manifest::build(chart.name(), files).unwrap());
            }
            What::Again => {
                let Prepared { chart, values } = self.prepare(&self.chart);
                let compiled = self.kept.get(&chart).unwrap();
                let files = self.render(&compiled, &values);
                black_box(Manifest::build(chart.name(), files).unwrap());
            }
        }
    }

    fn prepare(&self, chart: &Chart) -> Prepared {
        prepare(chart, &self.values, Some(&Arc::default()), &mut Vec::new()).unwrap()
    }

    fn coalesce(&self) -> Shared {
        let values = Value::Object(self.values.clone());
        Merger::default()
            .coalesce_values(&self.prepared.chart, &values)
            .unwrap()
    }

    fn render(&self, compiled: &CompiledChart, values: &Shared) -> BTreeMap<String, String> {
        let input = RenderInput::new(values, &self.release, Arc::clone(&self.capabilities));
        compiled.render(input).unwrap()
    }
}

impl Source {
    fn load(&self) -> Chart {
        match self {
            Source::Archive(bytes) => Chart::load_archive(bytes, &Limits::default()).unwrap(),
            Source::Directory(path) => Chart::load_dir(path, &DirOptions::default()).unwrap(),
        }
    }
}
