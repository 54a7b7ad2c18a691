//! An operator that runs applications from Helm charts.
#[allow(
    unreachable_pub,
    reason = "the schema derive copies each type into a function"
)]
pub mod api;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod events;
pub mod excerpt;
pub mod failpoints;
pub mod fence;
pub mod leader;
pub mod local;
pub mod metrics;
pub mod server;
pub mod settings;
pub mod source;
pub mod status;
pub mod store;
pub mod telemetry;
