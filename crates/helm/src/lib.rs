//! Helm without a cluster: charts, values, rendering, manifests, release records, plans.

pub mod capabilities;
pub mod chart;
pub mod health;
pub mod limits;
pub mod manifest;
pub mod plan;
pub mod release;
pub mod render;
pub mod schema;
pub mod toml;
pub mod values;
