//! Values: how the layers of them come together.
//!
//! [`Merger`] does what happens to values inside Helm: a chart's own defaults under what is given
//! ([`Merger::coalesce_values`]), switching sub-charts on and off and taking over their values
//! ([`Merger::process_dependencies`]). [`Layers`] is what happens before: values files and `--set` flags.
//!
//! Numbers keep their kind: what Helm reads from YAML or JSON is a float, what `--set` gives is an integer, and
//! what a caller brings stays what it is.

mod budget;
mod coalesce;
mod dependencies;
mod forest;
mod layers;
pub mod set;
mod shared;
pub(crate) mod text;
mod tree;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use self::{
    layers::{Layers, LayersError, merge_maps, read_yaml, read_yaml_within},
    shared::{Entries, Shared},
};

/// A mapping of values.
pub type Table = Map<String, Value>;

/// What values may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueLimits {
    /// Entries of all tables and items of all lists of one merged tree, counted at each place where they stand.
    /// Default 500,000.
    pub entries: usize,
    /// Bytes of the texts and keys of one merged tree, counted at each place where they stand; also, of the warnings,
    /// and of what aliases of a sub-chart have each of their own. Default 32 MiB.
    pub bytes: usize,
    /// How deep values may nest. Default 1,000.
    pub depth: usize,
    /// Charts in a chart, each alias of a sub-chart being one. Default 1,000.
    pub charts: usize,
    /// Entries, charts and declarations of dependencies that are looked at until all is merged. Default 5 million,
    /// which is well under a second of work.
    pub steps: usize,
    /// Steps of checking the merged values against the charts' schemas. Default [`schema::MAX_STEPS`].
    ///
    /// [`schema::MAX_STEPS`]: crate::schema::MAX_STEPS
    pub schema_steps: u64,
}

impl Default for ValueLimits {
    fn default() -> Self {
        Self {
            entries: 500_000,
            bytes: 32 << 20,
            depth: 1_000,
            charts: 1_000,
            steps: 5_000_000,
            schema_steps: crate::schema::MAX_STEPS,
        }
    }
}

/// Merges values by Helm's rules, and collects the warnings that Helm would print.
///
/// Where Helm's own result depends on the order of a Go map, names are taken in their order.
#[derive(Debug, Default)]
pub struct Merger {
    /// What values may cost.
    pub limits: ValueLimits,
    /// Warnings so far, in Helm's words.
    pub warnings: Vec<String>,
}

/// Values could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A chart's values hold something else than a table where the name of a sub-chart stands.
    #[error("type mismatch on {name}: {value}")]
    TypeMismatch {
        /// The sub-chart.
        name: String,
        /// What is there, as Go prints it.
        value: String,
    },
    /// The values given are no table.
    #[error("values must be a table, not {0}")]
    NotATable(&'static str),
    /// Merged values have more entries and items than [`ValueLimits::entries`].
    #[error("the values have more than {0} entries and items (limit entries)")]
    TooManyEntries(usize),
    /// Merged values, or what aliases have of their own, are over [`ValueLimits::bytes`].
    #[error("the values of the chart and its sub-charts have more than {0} bytes (limit values_bytes)")]
    TooManyBytes(usize),
    /// There are more charts than [`ValueLimits::charts`].
    #[error("the chart has more than {0} charts, each alias being one (limit charts)")]
    TooManyCharts(usize),
    /// Merging takes more than [`ValueLimits::steps`].
    #[error(
        "merging the values of the chart and its sub-charts takes more than {0} steps (limit values_steps)"
    )]
    TooManySteps(usize),
    /// Values nest deeper than [`ValueLimits::depth`].
    #[error("the values nest deeper than {0} levels (limit depth)")]
    TooDeep(usize),
}

/// The result of merging values.
pub type Result<T, E = Error> = std::result::Result<T, E>;
