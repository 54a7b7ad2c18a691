//! `helmapp rollback`.

use anyhow::Context as _;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{
    cluster::ClusterArguments,
    output,
    progress::{self, WaitArguments},
};
use crate::api::HelmApp;

/// Bring an earlier revision back, exactly as it was stored
///
/// Sets spec.rollback.toRevision. The rollback stands until that field goes or the chart or the values of the
/// HelmApp change.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Name of the HelmApp
    name: String,
    /// The revision to bring back. Default: the newest one before the current that was deployed
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    revision: Option<i64>,
    /// End a rollback: go on to what the spec says
    #[arg(long, conflicts_with = "revision")]
    clear: bool,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    waiting: WaitArguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let connection = arguments.cluster.connect().await?;
    let app = connection.helmapp(&arguments.name).await?;
    let target = match arguments.revision {
        _ if arguments.clear => None,
        Some(revision) => Some(revision),
        None => Some(previous(&app).with_context(|| {
            format!(
                "{} has no earlier revision that was deployed; `helmapp history` shows them",
                arguments.name
            )
        })?),
    };
    let patch = json!({ "spec": { "rollback": { "toRevision": target } } });
    connection
        .helmapps()
        .patch(&arguments.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .with_context(|| format!("cannot change the HelmApp {}", arguments.name))?;
    if !arguments.no_wait {
        let carried_out = |app: &HelmApp| {
            let done = app.status.as_ref().and_then(|status| status.rollback.as_ref());
            target.is_none_or(|target| done.is_some_and(|done| done.to_revision == target))
        };
        progress::until_settled(&connection, &arguments.name, arguments.waiting, carried_out).await?;
    }
    let name = &arguments.name;
    output::write(&match (target, arguments.no_wait) {
        (Some(revision), true) => format!("{name} is asked to go back to revision {revision}\n"),
        (Some(revision), false) => format!("{name} is back at revision {revision}\n"),
        (None, true) => format!("{name} is asked to go on to what its spec says\n"),
        (None, false) => format!("{name} is what its spec says\n"),
    })
}

/// The newest revision before the current one that has been deployed.
fn previous(app: &HelmApp) -> Option<i64> {
    let status = app.status.as_ref()?;
    let current = status.release.as_ref()?.revision;
    status
        .history
        .iter()
        .filter(|entry| {
            entry.revision < current && matches!(entry.status.as_str(), "superseded" | "deployed")
        })
        .map(|entry| entry.revision)
        .max()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn app(history: &Value) -> HelmApp {
        serde_json::from_value(json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
            "metadata": {"name": "shop", "namespace": "web"},
            "spec": {"chart": {"path": "demo"}},
            "status": {
                "release": {"name": "shop", "namespace": "web", "revision": 4, "status": "deployed"},
                "history": history
            }
        }))
        .unwrap()
    }

    fn entry(revision: i64, status: &str) -> Value {
        json!({"revision": revision, "status": status, "chartName": "demo", "chartVersion": "0.1.0"})
    }

    #[test]
    fn goes_back_over_failed_revisions() {
        let history = json!([
            entry(4, "deployed"),
            entry(3, "failed"),
            entry(2, "superseded"),
            entry(1, "superseded")
        ]);
        assert_eq!(previous(&app(&history)), Some(2));
        assert_eq!(
            previous(&app(&json!([entry(4, "deployed"), entry(3, "failed")]))),
            None
        );
        assert_eq!(previous(&app(&json!([]))), None);
    }
}
