//! The main job, end to end, on a local control plane: `make demo`.
//!
//! Installs the chart in charts/demo through a HelmApp, upgrades it, breaks it and sees it rolled back,
//! tampers with its objects, goes back to revision 1 and removes it. Each step says how long it took and
//! which objects it touched. Ends with an error, and exit code 1, when a step does not do what it should.

mod objects;
mod stage;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use stage::{Stage, deployment, service};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another TLS provider is installed");
    }
    let stage = Stage::set_up().await?;
    let played = play(&stage).await;
    stage.tear_down().await?;
    played?;
    stage::say("demo: passed, nothing left behind");
    Ok(())
}

async fn play(stage: &Stage) -> anyhow::Result<()> {
    stage
        .step("install", async {
            stage.apply(helmapp(json!({ "replicas": 2 }))).await?;
            stage.ready_at(1).await
        })
        .await?;

    stage
        .step("upgrade to 3 pods and a config file", async {
            stage
                .apply(helmapp(
                    json!({ "replicas": 3, "config": { "greeting": "hello" } }),
                ))
                .await?;
            stage.ready_at(2).await?;
            ensure!(
                deployment(stage).await?.pointer("/spec/replicas") == Some(&json!(3)),
                "not 3 replicas"
            );
            Ok(())
        })
        .await?;

    stage
        .step("bad upgrade, its pods crash: rolled back by itself", async {
            let bad = json!({
                "replicas": 3,
                "config": { "greeting": "hello" },
                "podAnnotations": { "local.helmapp.io/pod": "crash-loop" },
            });
            stage.apply(helmapp(bad)).await?;
            stage
                .until("the upgrade is rolled back", |app| {
                    let remediated = app
                        .condition("Remediated")
                        .is_some_and(|found| found.status == "True");
                    let deployed = app.status.as_ref().and_then(|status| status.release.as_ref());
                    remediated
                        && deployed
                            .is_some_and(|release| release.revision == 4 && release.status == "deployed")
                })
                .await?;
            let annotations = "/spec/template/metadata/annotations";
            ensure!(
                deployment(stage).await?.pointer(annotations).is_none(),
                "the bad pods are still wanted"
            );
            let cause = stage.condition("Ready").await?;
            stage::note(&format!("Ready says: {cause}"));
            Ok(())
        })
        .await?;

    stage
        .step(
            "drift: a Service deleted, a Deployment scaled by hand; both put back",
            async {
                let uid = service(stage).await?.pointer("/metadata/uid").cloned();
                stage.delete_service().await?;
                stage.scale_deployment(0).await?;
                stage
                    .eventually("both are as the release has them", async || {
                        let back = service(stage)
                            .await
                            .is_ok_and(|found| found.pointer("/metadata/uid").cloned() != uid);
                        let scaled = deployment(stage).await?.pointer("/spec/replicas") == Some(&json!(3));
                        Ok(back && scaled)
                    })
                    .await
            },
        )
        .await?;

    stage
        .step("rollback to revision 1", async {
            stage.roll_back_to(1).await?;
            stage.ready_at(5).await?;
            ensure!(
                deployment(stage).await?.pointer("/spec/replicas") == Some(&json!(2)),
                "not 2 replicas"
            );
            Ok(())
        })
        .await?;

    stage.show_history().await?;

    stage
        .step("uninstall", async {
            stage.delete_helmapp().await?;
            let left = stage.left().await?;
            ensure!(left.is_empty(), "left behind: {}", left.join(", "));
            Ok(())
        })
        .await
}

/// The HelmApp of the demo with these values. Half a minute is enough for healthy pods here.
fn helmapp(values: Value) -> Value {
    json!({
        "apiVersion": "helmapp.io/v1alpha1",
        "kind": "HelmApp",
        "metadata": { "name": "hello", "namespace": stage::NAMESPACE },
        "spec": {
            "chart": { "path": "demo" },
            "values": values,
            "upgrade": { "timeout": "20s", "remediation": { "strategy": "rollback" } },
        },
    })
}

/// How long any one step may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .with_context(|| format!("{what}: not within {PATIENCE:?}"))?
}
