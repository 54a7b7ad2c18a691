//! What the tests that need a Kubernetes API share: one control plane a test
//! binary, a namespace a test, waiting that says what it waited for.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary compiles all of it and uses a part"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that can't go on fails"
)]

pub mod faults;
pub mod install;
pub mod metrics;
pub mod namespace;
pub mod plane;
pub mod process;
pub mod proxy;
pub mod wait;

use std::io::Write as _;

/// Says that a test has not run, where the runner shows it of tests that pass as well.
pub fn not_run(what: &str, why: impl std::fmt::Display) {
    // Not the macro, whose output is kept from sight; at once, as tests run side by side.
    let line = format!("{what}: not run: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
