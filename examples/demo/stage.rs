//! The control plane, the operator and the namespace that the demo plays in.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use futures::TryStreamExt as _;
use helmapp::{
    api::HelmApp,
    controller::Operator,
    local::{ControlPlane, Options},
    settings::Settings,
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Service},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{conditions, wait::await_condition, watcher},
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{in_time, objects::Snapshot};

pub(super) const NAMESPACE: &str = "demo";
const NAME: &str = "hello";
const OBJECT: &str = "hello-demo";

pub(super) struct Stage {
    plane: ControlPlane,
    client: Client,
    operator: JoinHandle<Result<(), helmapp::controller::Error>>,
    stop: oneshot::Sender<()>,
}

#[allow(clippy::print_stdout)]
pub(super) fn say(line: &str) {
    println!("{line}");
}

/// Something worth knowing about the step that runs.
pub(super) fn note(line: &str) {
    say(&format!("            {line}"));
}

fn done(took: Duration, what: &str) {
    say(&format!("{:>8.2} s  {what}", took.as_secs_f64()));
}

impl Stage {
    pub(super) async fn set_up() -> anyhow::Result<Self> {
        let began = Instant::now();
        let plane = ControlPlane::start(Options {
            progress: |line| note(line),
            ..Options::default()
        })
        .await?;
        done(
            began.elapsed(),
            &format!("control plane up: a real Kubernetes API at {}", plane.server()),
        );

        let began = Instant::now();
        let client = plane.client().await?;
        install_crd(&client).await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
        let settings = Settings {
            chart_dirs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("charts")],
            ..Settings::default()
        };
        let operator = Operator::new(plane.client().await?, settings)?;
        let mut ready = operator.ready();
        let (stop, stopped) = oneshot::channel();
        let operator = tokio::spawn(operator.run(async move {
            // Either way it is time to stop: asked to, or nobody is left to ask.
            let _ = stopped.await;
        }));
        in_time("the operator is ready", async {
            ready
                .wait_for(|ready| *ready)
                .await
                .context("the operator ended")?;
            Ok(())
        })
        .await?;
        done(began.elapsed(), "operator up, CRD installed");
        Ok(Self {
            plane,
            client,
            operator,
            stop,
        })
    }

    pub(super) async fn tear_down(self) -> anyhow::Result<()> {
        let began = Instant::now();
        // A receiver that is gone means that the operator ended already; its result says why.
        let _ = self.stop.send(());
        self.operator.await??;
        self.plane.stop().await?;
        done(began.elapsed(), "operator and control plane down");
        Ok(())
    }

    /// Runs a step and says how long it took and which objects it touched.
    pub(super) async fn step(
        &self,
        name: &str,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let before = Snapshot::take(&self.client, NAMESPACE).await?;
        let began = Instant::now();
        in_time(name, work)
            .await
            .with_context(|| format!("step {name:?} failed"))?;
        done(began.elapsed(), name);
        let after = Snapshot::take(&self.client, NAMESPACE).await?;
        for change in before.changes(&after) {
            note(&change);
        }
        Ok(())
    }

    fn helmapps(&self) -> Api<HelmApp> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(super) async fn apply(&self, helmapp: Value) -> anyhow::Result<()> {
        self.helmapps()
            .patch(NAME, &PatchParams::apply("demo").force(), &Patch::Apply(&helmapp))
            .await?;
        Ok(())
    }

    /// Waits until the HelmApp is ready with this revision deployed.
    pub(super) async fn ready_at(&self, revision: i64) -> anyhow::Result<()> {
        self.until(&format!("revision {revision} is ready"), |app| {
            let status = app.status.clone().unwrap_or_default();
            let ready = app.condition("Ready").is_some_and(|ready| ready.status == "True");
            let deployed = status.release.is_some_and(|release| release.revision == revision);
            ready && deployed && status.observed_generation == app.metadata.generation
        })
        .await
    }

    pub(super) async fn until(&self, what: &str, so: impl Fn(&HelmApp) -> bool) -> anyhow::Result<()> {
        let mut last = None;
        let watching = async {
            let mut changes = std::pin::pin!(watcher::watch_object(self.helmapps(), NAME));
            while let Some(app) = changes.try_next().await? {
                let app = app.context("the HelmApp is gone")?;
                if so(&app) {
                    return Ok(());
                }
                last = app.status;
            }
            bail!("the watch ended")
        };
        in_time(what, watching)
            .await
            .map_err(|error| anyhow!("{error:#}; last status: {last:?}"))
    }

    pub(super) async fn eventually(
        &self,
        what: &str,
        so: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        in_time(what, async {
            while !so().await? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn condition(&self, kind: &str) -> anyhow::Result<String> {
        let app = self.helmapps().get(NAME).await?;
        let condition = app.condition(kind).context("the condition is not set")?;
        Ok(format!(
            "{} {}: {}",
            condition.status, condition.reason, condition.message
        ))
    }

    pub(super) async fn delete_service(&self) -> anyhow::Result<()> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        services.delete(OBJECT, &DeleteParams::default()).await?;
        Ok(())
    }

    pub(super) async fn scale_deployment(&self, replicas: u32) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = json!({ "spec": { "replicas": replicas } });
        deployments
            .patch(OBJECT, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    pub(super) async fn roll_back_to(&self, revision: i64) -> anyhow::Result<()> {
        let patch = json!({ "spec": { "rollback": { "toRevision": revision } } });
        self.helmapps()
            .patch(NAME, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    pub(super) async fn show_history(&self) -> anyhow::Result<()> {
        let status = self.helmapps().get(NAME).await?.status.unwrap_or_default();
        for entry in status.history.iter().rev() {
            let description = entry.description.as_deref().unwrap_or_default();
            note(&format!(
                "revision {}: {:<10}  {description}",
                entry.revision, entry.status
            ));
        }
        Ok(())
    }

    pub(super) async fn delete_helmapp(&self) -> anyhow::Result<()> {
        let app = self.helmapps().get(NAME).await?;
        let uid = app.metadata.uid.context("the HelmApp has a UID")?;
        self.helmapps().delete(NAME, &DeleteParams::default()).await?;
        await_condition(self.helmapps(), NAME, conditions::is_deleted(&uid)).await?;
        Ok(())
    }

    /// Everything that is still there of the release.
    pub(super) async fn left(&self) -> anyhow::Result<Vec<String>> {
        Ok(Snapshot::take(&self.client, NAMESPACE).await?.names())
    }
}

pub(super) async fn deployment(stage: &Stage) -> anyhow::Result<Value> {
    let api: Api<Deployment> = Api::namespaced(stage.client.clone(), NAMESPACE);
    Ok(serde_json::to_value(api.get(OBJECT).await?)?)
}

pub(super) async fn service(stage: &Stage) -> anyhow::Result<Value> {
    let api: Api<Service> = Api::namespaced(stage.client.clone(), NAMESPACE);
    Ok(serde_json::to_value(api.get(OBJECT).await?)?)
}

async fn install_crd(client: &Client) -> anyhow::Result<()> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = helmapp::api::crd();
    let name = crd.metadata.name.clone().context("the CRD has a name")?;
    crds.patch(&name, &PatchParams::apply("demo").force(), &Patch::Apply(&crd))
        .await?;
    in_time("the CRD is established", async {
        await_condition(crds, &name, conditions::is_crd_established()).await?;
        Ok(())
    })
    .await
}
