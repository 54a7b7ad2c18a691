//! `helmapp list`.

use jiff::Timestamp;
use kube::{Api, ResourceExt as _, api::ListParams};

use super::{
    cluster::ClusterArguments,
    output::{self, Format, Table},
};
use crate::api::{HelmApp, conditions};

/// Characters of a message that a row shows; `status` shows all of it.
const MAX_MESSAGE: usize = 100;

/// List HelmApps: what runs, at which revision, and whether it is well
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls")]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// List the HelmApps of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only those with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = arguments.cluster.connect().await?;
    let api: Api<HelmApp> = if arguments.all_namespaces {
        Api::all(connection.client.clone())
    } else {
        connection.helmapps()
    };
    let parameters = ListParams {
        label_selector: arguments.selector,
        ..ListParams::default()
    };
    let apps = api.list(&parameters).await.map_err(unlisted)?.items;
    output::print(arguments.output, &apps, || {
        if apps.is_empty() {
            "No HelmApps found.\n".to_owned()
        } else {
            table(&apps, arguments.all_namespaces, Timestamp::now()).render()
        }
    })
}

/// The server says 404 for a kind that it does not serve.
fn unlisted(error: kube::Error) -> anyhow::Error {
    let unknown = matches!(&error, kube::Error::Api(status) if status.code == 404);
    let error = anyhow::Error::from(error);
    if unknown {
        error.context(
            "cannot list HelmApps: the cluster does not know them; `helmapp crd | kubectl apply --server-side -f -` \
             installs the CRD",
        )
    } else {
        error.context("cannot list HelmApps")
    }
}

fn table(apps: &[HelmApp], namespaces: bool, now: Timestamp) -> Table {
    let heading = [
        "NAMESPACE",
        "NAME",
        "CHART",
        "VERSION",
        "REVISION",
        "READY",
        "STATUS",
        "AGE",
    ];
    let from = usize::from(!namespaces);
    let mut table = Table::new(heading.get(from..).unwrap_or_default());
    for app in apps {
        let status = app.status.clone().unwrap_or_default();
        let ready = app.condition(conditions::READY);
        let cells = [
            app.home().to_owned(),
            app.name_any(),
            status
                .chart
                .as_ref()
                .map(|chart| chart.name.clone())
                .unwrap_or_default(),
            status.chart.map(|chart| chart.version).unwrap_or_default(),
            status
                .release
                .map(|release| release.revision.to_string())
                .unwrap_or_default(),
            ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            ready
                .map(|ready| output::brief(&ready.message, MAX_MESSAGE))
                .unwrap_or_default(),
            output::age(app.creation_timestamp().map(|time| time.0), now),
        ];
        table.row(cells.into_iter().skip(from));
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_what_runs_and_how_it_is() {
        let app: HelmApp = serde_json::from_value(json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
            "metadata": {"name": "shop", "namespace": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"chart": {"path": "demo"}},
            "status": {
                "chart": {"name": "demo", "version": "0.1.0", "digest": "sha256:0"},
                "release": {"name": "shop", "namespace": "web", "revision": 3, "status": "deployed"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "UpgradeSucceeded",
                    "message": "revision 3 is deployed", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
            }
        }))
        .unwrap();
        let now: Timestamp = "2026-01-01T03:00:00Z".parse().unwrap();
        assert_eq!(
            table(std::slice::from_ref(&app), false, now).render(),
            "NAME   CHART   VERSION   REVISION   READY   STATUS                   AGE\n\
             shop   demo    0.1.0     3          True    revision 3 is deployed   3h\n"
        );
        assert!(table(&[app], true, now).render().starts_with("NAMESPACE   NAME"));
    }
}
