//! Rendering a chart's templates as Helm 3.19 does (`pkg/engine/engine.go`): the same files, the same error texts.
//!
//! [`prepare`] settles sub-charts and values, [`CompiledChart::compile`] parses all templates once, and
//! [`CompiledChart::render`] executes them for one release. A compiled chart is shared between threads and releases.

mod asked;
mod capabilities;
mod chart;
mod compiled;
mod data;
mod durations;
mod error;
mod files;
mod functions;
mod glob;
mod host;
mod include;
mod json;
mod memo;
mod prepare;
mod recorder;
mod texts;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use helmapp_gotmpl::set::{MissingKey, TemplateSet, Unit};
use helmapp_gotmpl::{Functions, State};

pub use asked::{Asked, MAX_QUESTIONS, Questions};
pub use compiled::CompiledCharts;
pub use error::Error;
pub use helmapp_gotmpl::sprig::{Clock, Entropy, OsEntropy, SystemClock};
pub use helmapp_gotmpl::{Limit, Limits};
pub use host::{Lookup, NoLookup};
pub use memo::{Memo, RANDOM_FUNCTIONS};
pub use prepare::{
    NotInstallable, PrepareError, Prepared, ReleaseNameError, check_installable, check_kube_version,
    check_release_name, name_from_template, prepare, prepare_within,
};

pub use recorder::{LookupLimits, Question, Recorded, Recorder};

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::values::Shared;
use data::{ChartNode, Collected};
use host::Host;
use texts::{MAX_CACHED_BYTES, NODE_BYTES, UNIT_BYTES, Units};

/// The name that Helm gives its set of templates; texts of `tpl` are parsed under it.
const SET_NAME: &str = "gotpl";

/// What a file of notes is called; it is no manifest.
const NOTES: &str = "NOTES.txt";

/// Marks around the message of `fail` and `required`, which becomes the whole error.
const WARN_START: &str = "HELM_ERR_START";
const WARN_END: &str = "HELM_ERR_END";

/// What templates see of a release in `.Release`; `.Release.Service` is always `Helm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseOptions {
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The revision that is being rendered, from 1.
    pub revision: i64,
    /// Whether this is the first revision.
    pub is_install: bool,
    /// Whether this is a later one.
    pub is_upgrade: bool,
}

/// What one render takes.
#[derive(Clone)]
pub struct RenderInput<'a> {
    /// The values with the charts' own below them, as [`prepare`] gives them.
    pub values: &'a Shared,
    /// The release.
    pub release: &'a ReleaseOptions,
    /// What the cluster offers.
    pub capabilities: Arc<Capabilities>,
    /// Takes note of what templates ask of the capabilities, of chance and of the clock.
    pub asked: Arc<Asked>,
    /// Answers `lookup`.
    pub lookup: Arc<dyn Lookup>,
    /// What the render may cost.
    pub limits: Limits,
    /// What a text of `fromYaml` may cost to read.
    pub yaml: helmapp_goyaml::Limits,
    /// Where random functions and keys get their bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Where `now` gets the time.
    pub clock: Arc<dyn Clock>,
}

impl<'a> RenderInput<'a> {
    /// An input with nothing to look up, default limits, and the system's randomness and clock.
    pub fn new(values: &'a Shared, release: &'a ReleaseOptions, capabilities: Arc<Capabilities>) -> Self {
        RenderInput {
            values,
            release,
            capabilities,
            asked: Arc::default(),
            lookup: Arc::new(NoLookup),
            limits: Limits::default(),
            yaml: helmapp_goyaml::Limits::default(),
            entropy: Arc::new(OsEntropy),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same input with random functions and a clock that give the same each time.
    pub fn with_memo(mut self, memo: &Memo) -> Self {
        let memo = Arc::new(memo.clone());
        self.entropy = Arc::clone(&memo) as Arc<dyn Entropy>;
        self.clock = memo;
        self
    }
}

impl std::fmt::Debug for RenderInput<'_> {
    /// Without the values, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderInput")
            .field("release", &self.release)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A chart whose templates, and those of its sub-charts, are compiled. It can be shared between threads and releases;
/// [`CompiledCharts`] keeps some.
#[derive(Debug)]
pub struct CompiledChart {
    set: Arc<TemplateSet>,
    root: ChartNode,
    files: Vec<RenderedFile>,
    /// The compiled sources by path.
    units: HashMap<Arc<str>, Unit, RandomState>,
    texts: Arc<Units>,
}

/// A template that becomes a file.
#[derive(Debug)]
struct RenderedFile {
    name: Arc<str>,
    base_path: Arc<str>,
    /// The number of its chart, as [`ChartNode::number`].
    chart: usize,
}

impl CompiledChart {
    /// Compiles all templates of a chart that [`prepare`] has settled.
    ///
    /// Deeper files come first, so that a chart's `define` wins over its sub-charts'. Library charts give only their
    /// partials (`_*`).
    ///
    /// # Errors
    /// The first template that does not parse, in Helm's words.
    pub fn compile(chart: &Chart) -> Result<CompiledChart, Error> {
        CompiledChart::compile_with(chart, FunctionSet::default())
    }

    /// The same with the functions of a choice.
    ///
    /// # Errors
    /// As [`compile`](CompiledChart::compile).
    pub fn compile_with(chart: &Chart, functions: FunctionSet) -> Result<CompiledChart, Error> {
        CompiledChart::compile_beside(chart, functions, &[])
    }

    /// The same; what is equal in others by path and content is shared with them. They have the same functions.
    fn compile_beside(
        chart: &Chart,
        functions: FunctionSet,
        others: &[Arc<CompiledChart>],
    ) -> Result<CompiledChart, Error> {
        let mut collected = Collected::default();
        let root = ChartNode::collect(chart, &mut collected);
        let sources = collected.sources;
        let mut names: Vec<&Arc<str>> = sources.keys().collect();
        names.sort_by_cached_key(|name| std::cmp::Reverse((name.matches('/').count(), Arc::clone(name))));

        let functions = functions.functions();
        let mut set = TemplateSet::new(SET_NAME, Arc::clone(&functions)).with_missing_key(MissingKey::Zero);
        let mut files = Vec::new();
        let mut units = HashMap::default();
        for name in names {
            let Some(source) = sources.get(name) else { continue };
            let mut known = others.iter().filter_map(|other| other.units.get(name));
            let unit = match known.find(|unit| *unit.source() == *source.text) {
                Some(unit) => unit.clone(),
                None => Unit::compile(name, &source.text, &functions).map_err(|e| Error::parse(name, e))?,
            };
            set.add_unit(name, &unit).map_err(|e| Error::parse(name, e))?;
            units.insert(Arc::clone(name), unit);
            if !name.rsplit('/').next().unwrap_or(name).starts_with('_') {
                files.push(RenderedFile {
                    name: Arc::clone(name),
                    base_path: Arc::clone(&source.base_path),
                    chart: source.chart,
                });
            }
        }
        Ok(CompiledChart {
            set: Arc::new(set),
            root,
            files,
            units,
            texts: Arc::default(),
        })
    }

    /// Whether compiling the chart would give the same: its templates and files are these very ones, under the same
    /// names.
    fn is_of(&self, chart: &Chart) -> bool {
        self.root.is_of(chart)
    }

    /// About how many bytes it takes up, with the texts of `tpl` that it keeps.
    pub fn bytes(&self) -> usize {
        let units = self.units.values();
        let sources: usize = units
            .map(|unit| unit.source().len() + unit.nodes() * NODE_BYTES + UNIT_BYTES)
            .sum();
        sources + self.root.bytes() + MAX_CACHED_BYTES
    }

    /// Renders every template that is no partial: path with the charts' names, and text.
    ///
    /// # Errors
    /// The first template that fails, in Helm's words, or a limit.
    pub fn render(&self, input: RenderInput<'_>) -> Result<BTreeMap<String, String>, Error> {
        let host = Host::new(&input, &self.texts);
        let charts = data::root_values(&self.root, &input);
        // What the values take up is bounded where they are merged; the render's memory begins here.
        let mut state = State::new(input.limits.clone()).with_user(host);
        let mut rendered = BTreeMap::new();
        let mut no_text = Vec::new();
        for file in &self.files {
            let Some(dot) = charts.get(file.chart) else {
                continue;
            };
            data::set_template(dot, &file.name, &file.base_path);
            if let Some(host) = state.user_mut::<Host>() {
                host.calls.begin_file(&file.name);
            }
            let text = self
                .set
                .execute_str(&file.name, &helmapp_gotmpl::Value::Map(dot.clone()), &mut state)
                .map_err(|e| Error::execute(&file.name, e))?;
            if text.as_utf8().is_none() && !file.name.ends_with(NOTES) {
                no_text.push((
                    Arc::clone(&file.name),
                    Error::no_text(&file.name, text.as_bytes()),
                ));
            }
            rendered.insert(
                file.name.to_string(),
                without_no_value(text.to_str_lossy().into_owned()),
            );
        }
        // The first by name: files are read in that order once all are rendered.
        match no_text.into_iter().min_by(|a, b| a.0.cmp(&b.0)) {
            Some((_, error)) => Err(error),
            None => Ok(rendered),
        }
    }
}

/// The functions that templates may call. A chart for the one Helm may not compile for the other.
///
/// ```
/// use helmapp_helm::render::FunctionSet;
/// assert_eq!("helm4".parse(), Ok(FunctionSet::Helm4));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionSet {
    /// Helm 3's: what it does not know is `not defined` here too.
    #[default]
    Helm3,
    /// Those, and what Helm 4 added: `mustToYaml`, `mustToToml`, `mustToDuration`, `durationSeconds`,
    /// `durationMilliseconds`, `durationMicroseconds`, `durationNanoseconds`, `durationMinutes`, `durationHours`,
    /// `durationDays`, `durationWeeks`, `durationRoundTo` and `durationTruncateTo`.
    Helm4,
}

/// A text names no [`FunctionSet`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither helm3 nor helm4")]
pub struct UnknownFunctionSet(String);

impl FromStr for FunctionSet {
    type Err = UnknownFunctionSet;

    fn from_str(text: &str) -> Result<Self, UnknownFunctionSet> {
        match text {
            "helm3" => Ok(FunctionSet::Helm3),
            "helm4" => Ok(FunctionSet::Helm4),
            other => Err(UnknownFunctionSet(other.to_owned())),
        }
    }
}

impl FunctionSet {
    fn functions(self) -> Arc<Functions> {
        static HELM_3: OnceLock<Arc<Functions>> = OnceLock::new();
        static HELM_4: OnceLock<Arc<Functions>> = OnceLock::new();
        let cell = match self {
            FunctionSet::Helm3 => &HELM_3,
            FunctionSet::Helm4 => &HELM_4,
        };
        let build = || {
            let mut functions = Functions::new();
            helmapp_gotmpl::sprig::register(&mut functions, &host::sprig_options(self));
            functions::add(&mut functions);
            include::add(&mut functions);
            if self == FunctionSet::Helm4 {
                functions::add_those_of_helm_4(&mut functions);
            }
            memo::note_calls(&mut functions);
            Arc::new(functions)
        };
        Arc::clone(cell.get_or_init(build))
    }
}

/// Go prints `<no value>` for what is missing even with `missingkey=zero`, and Helm takes it away from all output.
fn without_no_value(text: String) -> String {
    const NO_VALUE: &str = "<no value>";
    if text.contains(NO_VALUE) {
        text.replace(NO_VALUE, "")
    } else {
        text
    }
}
