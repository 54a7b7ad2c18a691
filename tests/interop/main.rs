//! Beside the real Helm: its programs of version 3 and 4 on our releases, and theirs with us.
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

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../e2e/fixture.rs"]
mod fixture;

mod adoption;
mod helm;
mod killed;
mod large;
mod many;
mod matrix;
mod uninstalled;
