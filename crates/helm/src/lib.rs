//! Helm without a cluster: charts, values, rendering, manifests, release records, plans.

pub mod manifest;
pub mod plan;
pub mod release;
pub mod toml;
