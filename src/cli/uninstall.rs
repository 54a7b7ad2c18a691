//! `helmapp uninstall`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::{
    cluster::{ClusterArguments, Connection},
    output,
    progress::{self, WaitArguments},
};
use crate::api::conditions::reason;
use crate::events::LEFT_BEHIND;

/// How long the operator may take to write its last events, which nothing waits for.
const EVENTS: Duration = Duration::from_millis(500);

/// Delete a HelmApp and everything that it installed
///
/// Objects with `helm.sh/resource-policy: keep` stay. What else is left in the cluster is said.
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
    let mut uids = BTreeMap::new();
    for name in &names {
        let app = connection.helmapp(name).await?;
        uids.insert(app.metadata.uid.unwrap_or_default(), *name);
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
    if !arguments.no_wait {
        for (name, note) in left_behind(&connection, &uids).await {
            output::write(&format!("{name}: {}\n", output::printable(&note)))?;
        }
    }
    Ok(())
}

/// What the operator says of objects that stay, by the name of the HelmApp that had this UID. Nothing where events must
/// not be read: they say it there.
async fn left_behind(connection: &Connection, uids: &BTreeMap<String, &String>) -> Vec<(String, String)> {
    tokio::time::sleep(EVENTS).await;
    let events: Api<Event> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let of_removals = ListParams::default().fields(&format!("reason={}", reason::UNINSTALL_FAILED));
    let found = events.list(&of_removals).await;
    let found = found.map(|events| events.items).unwrap_or_default().into_iter();
    found
        .filter_map(|event| {
            let name = uids.get(event.regarding?.uid.as_deref()?)?;
            let note = event.note.filter(|note| note.starts_with(LEFT_BEHIND))?;
            Some(((*name).clone(), note))
        })
        .collect()
}
