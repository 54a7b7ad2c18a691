//! What breaks while releases change: processes that are killed, an API server that fails, two operators at once.
//!
//! `make test` runs short forms with a fixed seed; with `HELMAPP_CHAOS=long`, as `make chaos` sets it, all of it runs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on fails"
)]

mod faults;
#[allow(dead_code, unreachable_pub, reason = "the tests of the flow use the rest")]
#[path = "../e2e/fixture.rs"]
mod fixture;
mod flows;
mod kill;
mod leader;
mod operator;
mod runs;
mod size;
mod state;
#[path = "../support/mod.rs"]
mod support;

/// Whether the long forms run.
fn is_long() -> bool {
    std::env::var("HELMAPP_CHAOS").is_ok_and(|form| form == "long")
}
