//! What a render asks of its host.

use std::sync::Arc;

use helmapp_gotmpl::sprig::{self, Clock, Entropy};
use helmapp_gotmpl::{Error, State, Str};
use serde_json::{Map, Value};

use super::asked::Asked;
use super::memo::Calls;
use super::texts::{Texts, Units};
use super::{FunctionSet, RenderInput};

/// Answers the templates' `lookup`.
pub trait Lookup: Send + Sync {
    /// The object of that name, or for an empty name the list of all. What does not exist is an empty map.
    ///
    /// # Errors
    /// Why the cluster could not be asked; the text fails the render.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, String>;
}

/// Finds nothing: `lookup` without a cluster, as in `helm template`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Map<String, Value>, String> {
        Ok(Map::new())
    }
}

/// What functions keep during one render.
pub(super) struct Host {
    pub(super) lookup: Arc<dyn Lookup>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    asked: Arc<Asked>,
    yaml: helmapp_goyaml::Limits,
    /// Which random function is at work.
    pub(super) calls: Calls,
    /// The names of the templates that are being included, the outermost first.
    pub(super) included: Vec<Str>,
    /// What `tpl` has compiled.
    pub(super) texts: Texts,
}

impl Host {
    pub(super) fn new(input: &RenderInput<'_>, units: &Arc<Units>) -> Self {
        Host {
            lookup: Arc::clone(&input.lookup),
            entropy: Arc::clone(&input.entropy),
            clock: Arc::clone(&input.clock),
            asked: Arc::clone(&input.asked),
            yaml: input.yaml,
            calls: Calls::default(),
            included: Vec::new(),
            texts: Texts::new(units),
        }
    }
}

/// How the render at work reads YAML.
pub(super) fn yaml_options(state: &State) -> helmapp_goyaml::Options {
    helmapp_goyaml::Options {
        limits: state.user::<Host>().map(|host| host.yaml).unwrap_or_default(),
        ..helmapp_goyaml::Options::default()
    }
}

/// Functions are registered once; each render brings its own randomness and clock.
pub(super) fn sprig_options(functions: FunctionSet) -> sprig::Options {
    sprig::Options {
        // Helm 3 keeps to an earlier Go here, with which it began.
        strict_colons: functions == FunctionSet::Helm4,
        entropy: Arc::new(OfRender),
        clock: Arc::new(OfRender),
        ..sprig::Options::default()
    }
}

struct OfRender;

impl Entropy for OfRender {
    fn fill(&self, state: &mut State, out: &mut [u8]) -> Result<(), Error> {
        let source = state.user::<Host>().map(|host| {
            host.asked.chance();
            Arc::clone(&host.entropy)
        });
        source
            .unwrap_or_else(|| Arc::new(sprig::OsEntropy))
            .fill(state, out)
    }
}

impl Clock for OfRender {
    fn now(&self, state: &mut State) -> (i64, u32) {
        let source = state.user::<Host>().map(|host| {
            host.asked.chance();
            Arc::clone(&host.clock)
        });
        source.unwrap_or_else(|| Arc::new(sprig::SystemClock)).now(state)
    }
}
