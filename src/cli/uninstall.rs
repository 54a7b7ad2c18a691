//! `helmapp uninstall`.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::{
    cluster::ClusterArguments,
    output,
    progress::{self, WaitArguments},
};

/// Delete a HelmApp and everything that it installed
///
/// Objects with `helm.sh/resource-policy: keep` stay.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "delete")]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Names of the HelmApps
    #[arg(required = true)]
    names: Vec<String>,
    /// Keep the release's revisions, marked as uninstalled
    #[arg(long)]
    keep_history: bool,
    /// Do not wait until all is gone
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    waiting: WaitArguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = arguments.cluster.connect().await?;
    let api = connection.helmapps();
    let names: BTreeSet<&String> = arguments.names.iter().collect();
    for name in &names {
        connection.helmapp(name).await?;
    }
    for name in &names {
        if arguments.keep_history {
            let patch = json!({ "spec": { "uninstall": { "keepHistory": true } } });
            api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .with_context(|| format!("cannot change the HelmApp {name}"))?;
        }
        api.delete(name, &DeleteParams::default())
            .await
            .with_context(|| format!("cannot delete the HelmApp {name}"))?;
    }
    for name in names {
        if arguments.no_wait {
            output::write(&format!("{name} is being uninstalled\n"))?;
        } else {
            progress::until_gone(&connection, name, arguments.waiting).await?;
            output::write(&format!("{name} is uninstalled\n"))?;
        }
    }
    Ok(())
}
