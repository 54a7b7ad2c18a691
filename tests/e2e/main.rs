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

mod bad_input;
mod capabilities;
mod chart_tests;
mod cli;
mod completion;
mod cut;
mod drift;
mod events;
mod fixture;
mod health;
mod history;
mod hook_runs;
mod hooks;
mod interrupted;
mod kubectl;
mod lifecycle;
mod preflight;
mod recovery;
mod rendering;
mod requests;
mod restart;
mod rollback;
mod secrets;
mod served;
mod stuck;
mod tenancy;
mod uninstall;
mod unseen;
