//! `helmapp crd`.

use super::output;

/// Print the CustomResourceDefinition, for `kubectl apply --server-side -f -`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(Arguments {}: &Arguments) -> anyhow::Result<()> {
    output::write(&crate::api::crd_yaml()?)
}
