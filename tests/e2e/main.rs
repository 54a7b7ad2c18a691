//! HelmApps on a real Kubernetes API: the whole flow, and every input that can not be used.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod adoption;
mod bad_input;
mod capabilities;
mod chart_tests;
mod cli;
mod completion;
mod crds;
mod cut;
mod drift;
mod events;
mod fields;
mod fixture;
mod health;
mod history;
mod hook_runs;
mod hooks;
mod immutable;
mod interrupted;
mod kubectl;
mod lifecycle;
mod order;
mod preflight;
mod prune;
mod recovery;
mod rendering;
mod requests;
mod restart;
mod retries;
mod rollback;
mod secrets;
mod served;
mod stuck;
mod taken_away;
mod tenancy;
mod uninstall;
mod unseen;
