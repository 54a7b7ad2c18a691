//! `helmapp rollback`.

use anyhow::Context as _;
use helmapp_helm::release;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    cluster::{ClusterArguments, Connection},
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
    if let Some(revision) = target {
        refuse_repeated(&app, &arguments.name, revision)?;
        refuse_unknown(&connection, &app, revision).await?;
    }
    let patch = json!({ "spec": { "rollback": { "toRevision": target } } });
    connection
        .helmapps()
        .patch(&arguments.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .with_context(|| format!("cannot change the HelmApp {}", arguments.name))?;
    if !arguments.no_wait {
        let carried_out = |app: &HelmApp| target.is_none_or(|target| stands(app, target) == Some(true));
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

/// Whether the rollback to the revision is in force; `None` when it has not been carried out. What chart or values
/// have replaced since is not in force, although spec and status still name it.
fn stands(app: &HelmApp, revision: i64) -> Option<bool> {
    let done = app.status.as_ref()?.rollback.as_ref()?;
    (done.to_revision == revision).then_some(!done.spec_digest.is_empty())
}

/// The field still holds what is asked for, so that setting it again would be no change that the operator sees.
fn refuse_repeated(app: &HelmApp, name: &str, revision: i64) -> anyhow::Result<()> {
    let asked = app.spec.rollback.to_revision == Some(revision);
    anyhow::ensure!(
        !asked || stands(app, revision) != Some(false),
        "{name} went back to revision {revision} before, and its chart or values were changed since; end that \
         rollback with `helmapp rollback {name} --clear`, then ask again"
    );
    Ok(())
}

/// A revision that is not stored would leave a spec that can not be followed. Who may not see the records asks the
/// operator, which sees them.
async fn refuse_unknown(connection: &Connection, app: &HelmApp, revision: i64) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(connection.client.clone(), app.target_namespace());
    let release = app.release_name();
    match secrets
        .get_metadata_opt(&release::secret_name(release, revision))
        .await
    {
        Ok(Some(_)) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Ok(None) => anyhow::bail!(
            "revision {revision} of release {}/{release} is not stored; `helmapp history` shows those that are",
            app.target_namespace()
        ),
        Err(error) => Err(error).context("cannot look for the revision"),
    }
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
    use crate::api::RollbackStatus;

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

    #[test]
    fn a_rollback_that_was_left_is_not_taken_for_a_new_one() {
        let asked = |to: Option<i64>, done: Option<(i64, &str)>| {
            let mut app = app(&json!([]));
            app.spec.rollback.to_revision = to;
            app.status.as_mut().unwrap().rollback = done.map(|(to_revision, digest)| RollbackStatus {
                to_revision,
                revision: 3,
                spec_digest: digest.to_owned(),
            });
            app
        };
        for (to, done, expected, refused) in [
            (None, None, None, false),
            (Some(1), None, None, false),
            (Some(2), Some((2, "sha256:a")), None, false),
            (Some(1), Some((1, "sha256:a")), Some(true), false),
            (Some(1), Some((1, "")), Some(false), true),
            (None, Some((1, "")), Some(false), false),
            (Some(2), Some((2, "")), None, false),
        ] {
            let app = asked(to, done);
            assert_eq!(stands(&app, 1), expected, "{to:?} {done:?}");
            let error = refuse_repeated(&app, "shop", 1).err();
            assert_eq!(error.is_some(), refused, "{to:?} {done:?}");
            if let Some(error) = error {
                assert!(
                    error.to_string().contains("helmapp rollback shop --clear"),
                    "{error}"
                );
            }
        }
    }
}
