//! What holds for the repository as a whole: which crate may use which, licences, banned crates, and what
//! the sources must not contain. Runs without a network, from `cargo metadata` and `git ls-files`.

#![allow(clippy::expect_used, clippy::panic)]

mod dependencies;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "other tests use the rest"
)]
#[path = "../support/install.rs"]
mod install;
mod installation;
mod sources;

use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("output is UTF-8")
}
