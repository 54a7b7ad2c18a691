//! `helmapp version`.

use serde_json::json;

use super::output::{self, Format};

/// Show the version
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let document = json!({ "version": version, "api": crate::api::VERSION });
    output::print(arguments.output, &document, || format!("helmapp {version}\n"))
}
