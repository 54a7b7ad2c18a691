//! `helmapp crd`.

use std::io::Write as _;

/// Print the CustomResourceDefinition, for `kubectl apply --server-side -f -`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(Arguments {}: &Arguments) -> anyhow::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(crate::api::crd_yaml()?.as_bytes())?;
    Ok(())
}
