//! Names that only the cluster knows.

use std::time::Duration;

use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::super::cluster::ClusterArguments;
use super::words::Candidate;
use crate::api::HelmApp;

/// A person who waits for a completion does not wait for longer.
const MAX_WAIT: Duration = Duration::from_secs(3);
/// Most names that are asked for.
const MAX_NAMES: u32 = 500;

/// Which names are wanted, and of which cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Names {
    pub(super) of: Of,
    pub(super) cluster: ClusterArguments,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    HelmApps,
    Namespaces,
    /// The stored revisions of this HelmApp.
    Revisions(String),
}

/// The names; none where the cluster does not give them in time.
pub(super) fn names(names: Names) -> Vec<Candidate> {
    let asked = async { tokio::time::timeout(MAX_WAIT, ask(names)).await };
    let answer = super::super::block_on(async { Ok(asked.await) });
    answer
        .ok()
        .and_then(Result::ok)
        .and_then(Result::ok)
        .unwrap_or_default()
}

async fn ask(names: Names) -> anyhow::Result<Vec<Candidate>> {
    let connection = names.cluster.connect().await?;
    Ok(match names.of {
        Of::HelmApps => named(&connection.helmapps()).await?,
        Of::Namespaces => namespaces(connection.client).await?,
        Of::Revisions(name) => {
            let status = connection.helmapp(&name).await?.status.unwrap_or_default();
            let entries = status.history.into_iter();
            entries
                .map(|entry| {
                    let help = format!("{} {}, {}", entry.chart_name, entry.chart_version, entry.status);
                    Candidate::new(entry.revision.to_string(), help)
                })
                .collect()
        }
    })
}

async fn namespaces(client: Client) -> kube::Result<Vec<Candidate>> {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client);
    let found = api.list_metadata(&ListParams::default().limit(MAX_NAMES)).await?;
    let names = found.items.iter().map(|one| one.name_any());
    Ok(names.map(|name| Candidate::new(name, String::new())).collect())
}

async fn named(api: &Api<HelmApp>) -> kube::Result<Vec<Candidate>> {
    let found = api.list_metadata(&ListParams::default().limit(MAX_NAMES)).await?;
    let names = found.items.iter().map(|one| one.name_any());
    Ok(names.map(|name| Candidate::new(name, String::new())).collect())
}
