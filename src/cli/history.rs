//! `helmapp history`.

use anyhow::Context as _;
use helmapp_helm::release::{self, DecodeLimits, Release};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde::Serialize;

use super::{
    cluster::ClusterArguments,
    output::{self, Format, Table},
};

/// Show the revisions of a HelmApp's release, as `helm history` does
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Name of the HelmApp
    name: String,
    /// How many revisions to show, the newest ones
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    max: usize,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// A revision, with the names that `helm history -o json` gives its fields.
#[derive(Debug, Serialize, PartialEq)]
struct Revision {
    revision: i64,
    updated: String,
    status: String,
    chart: String,
    app_version: String,
    description: String,
}

impl From<&Release> for Revision {
    fn from(release: &Release) -> Self {
        Self {
            revision: release.version,
            updated: release.info.last_deployed.as_str().to_owned(),
            status: release.info.status.as_str().to_owned(),
            chart: format!("{}-{}", release.chart.name(), release.chart.version()),
            app_version: release.chart.app_version().to_owned(),
            description: release.info.description.clone(),
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = arguments.cluster.connect().await?;
    let app = connection.helmapp(&arguments.name).await?;
    let secrets: Api<Secret> = Api::namespaced(connection.client.clone(), app.target_namespace());
    let selector = format!("owner={},name={}", release::OWNER, app.release_name());
    let found = secrets
        .list(&ListParams::default().labels(&selector))
        .await
        .with_context(|| {
            format!(
                "cannot read the release Secrets in namespace {:?}",
                app.target_namespace()
            )
        })?;
    let mut revisions = found
        .items
        .iter()
        .map(revision)
        .collect::<anyhow::Result<Vec<_>>>()?;
    revisions.sort_by_key(|revision| revision.revision);
    let shown = revisions.split_off(revisions.len().saturating_sub(arguments.max));
    output::print(arguments.output, &shown, || table(&shown))
}

fn revision(secret: &Secret) -> anyhow::Result<Revision> {
    let data = secret
        .data
        .as_ref()
        .and_then(|data| data.get(release::SECRET_KEY));
    let text = data
        .and_then(|data| std::str::from_utf8(&data.0).ok())
        .unwrap_or_default();
    let record = release::decode(text, &DecodeLimits::default())
        .with_context(|| format!("cannot read the revision in Secret {:?}", secret.name_any()))?;
    Ok(Revision::from(&record))
}

fn table(revisions: &[Revision]) -> String {
    if revisions.is_empty() {
        return "No revisions yet.\n".to_owned();
    }
    let mut table = Table::new(&[
        "REVISION",
        "UPDATED",
        "STATUS",
        "CHART",
        "APP VERSION",
        "DESCRIPTION",
    ]);
    for revision in revisions {
        table.row([
            revision.revision.to_string(),
            revision.updated.clone(),
            revision.status.clone(),
            revision.chart.clone(),
            revision.app_version.clone(),
            revision.description.clone(),
        ]);
    }
    table.render()
}
