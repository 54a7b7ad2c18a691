//! What the operator keeps in a cluster, held against a real API server: the CRD and its rules, release
//! records, charts and values in objects, events, statuses, the Lease.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod deploy;
mod lease;
mod objects;
mod records;
mod reports;
