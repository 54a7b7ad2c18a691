//! `helmapp status`.

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    cluster::ClusterArguments,
    output::{self, Format, Table},
    progress::{self, WaitArguments},
};
use crate::api::HelmApp;

/// Show one HelmApp: its release, its conditions and its objects
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Name of the HelmApp
    name: String,
    /// Wait until it is ready, or until it is clear that it will not be
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    waiting: WaitArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = arguments.cluster.connect().await?;
    let app = connection.helmapp(&arguments.name).await?;
    if !arguments.wait {
        return show(&app, arguments.output);
    }
    let waited = progress::until_settled(&connection, &arguments.name, arguments.waiting, |_| true).await;
    show(&connection.helmapp(&arguments.name).await?, arguments.output)?;
    waited
}

fn show(app: &HelmApp, format: Format) -> anyhow::Result<()> {
    output::print(format, app, || {
        output::printable(&describe(app, Timestamp::now()))
    })
}

fn describe(app: &HelmApp, now: Timestamp) -> String {
    let status = app.status.clone().unwrap_or_default();
    let mut text = format!("HelmApp     {}/{}\n", app.home(), app.name_any());
    if let Some(chart) = &status.chart {
        let version = chart
            .app_version
            .as_ref()
            .map(|version| format!(", app {version}"))
            .unwrap_or_default();
        text.push_str(&format!(
            "Chart       {} {}{version}\n",
            chart.name, chart.version
        ));
        // What was rolled back to is known by its record alone.
        if !chart.digest.is_empty() {
            text.push_str(&format!("Digest      {}\n", chart.digest));
        }
    }
    match &status.release {
        Some(release) => text.push_str(&format!(
            "Release     {}/{}, revision {}, {}\n",
            release.namespace, release.name, release.revision, release.status
        )),
        None => text.push_str("Release     none yet\n"),
    }
    if status.observed_generation != app.metadata.generation {
        text.push_str("            the operator has not seen the newest spec yet\n");
    }
    let mut table = Table::new(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"]);
    // The end of a container's log stands below the table, once.
    let mut log = "";
    for condition in &status.conditions {
        let (line, more) = condition
            .message
            .split_once('\n')
            .unwrap_or((&condition.message, ""));
        if log.is_empty() {
            log = more;
        }
        table.row([
            condition.type_.clone(),
            condition.status.clone(),
            condition.reason.clone(),
            output::age(Some(condition.last_transition_time.0), now),
            line.to_owned(),
        ]);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render());
    }
    if !log.is_empty() {
        text.push_str(&format!("\n{log}\n"));
    }
    let mut table = Table::new(&["KIND", "NAMESPACE", "NAME", "HEALTH"]);
    for entry in &status.inventory {
        table.row([
            entry.kind.clone(),
            entry.namespace.clone().unwrap_or_default(),
            entry.name.clone(),
            entry.health.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render());
    }
    let listed = i64::try_from(status.inventory.len()).unwrap_or(i64::MAX);
    if let Some(more) = status
        .inventory_total
        .map(|total| total - listed)
        .filter(|more| *more > 0)
    {
        text.push_str(&format!("and {more} more objects\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_known_and_what_is_not_yet() {
        let app: HelmApp = serde_json::from_value(json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
            "metadata": {"name": "shop", "namespace": "web", "generation": 2},
            "spec": {"chart": {"path": "demo"}},
            "status": {
                "observedGeneration": 1,
                "chart": {"name": "demo", "version": "0.1.0", "appVersion": "1.0", "digest": "sha256:0"},
                "release": {"name": "shop", "namespace": "web", "revision": 3, "status": "deployed"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "UpgradeSucceeded",
                    "message": "all is well\nas its log says", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "inventory": [{"version": "v1", "kind": "Service", "namespace": "web", "name": "shop", "health": "Ready"}],
                "inventoryTotal": 3
            }
        }))
        .unwrap();
        assert_eq!(
            describe(&app, "2026-01-01T00:01:00Z".parse().unwrap()),
            "HelmApp     web/shop\n\
             Chart       demo 0.1.0, app 1.0\n\
             Digest      sha256:0\n\
             Release     web/shop, revision 3, deployed\n            \
             the operator has not seen the newest spec yet\n\
             \n\
             CONDITION   STATUS   REASON             SINCE   MESSAGE\n\
             Ready       True     UpgradeSucceeded   60s     all is well\n\
             \n\
             as its log says\n\
             \n\
             KIND      NAMESPACE   NAME   HEALTH\n\
             Service   web         shop   Ready\n\
             and 2 more objects\n"
        );
    }
}
