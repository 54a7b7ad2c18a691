//! What is there of all releases, and what of it is not as asked for.

use std::collections::BTreeMap;

use helmapp::api::HelmApp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::fixture::{Fixture, condition};

use super::{Asked, KEPT, has_deployment, name};

/// Revisions and their status, oldest first.
type Revisions = Vec<(i64, String)>;

/// Everything of a moment, by the names of the releases. It is read with few requests: who asks for each release alone
/// and without a pause has the API server busy, and what is waited for comes late.
#[derive(Debug, Default)]
pub(super) struct Found {
    apps: BTreeMap<String, HelmApp>,
    /// Texts of the ConfigMaps by their names.
    maps: BTreeMap<String, BTreeMap<String, String>>,
    revisions: BTreeMap<String, Revisions>,
    deployments: BTreeMap<String, Deployment>,
    companions: Vec<String>,
}

impl Found {
    /// # Errors
    /// What keeps it from being read.
    pub(super) async fn read(fixture: &Fixture) -> kube::Result<Self> {
        let mut found = Self::default();
        let all = ListParams::default();
        for app in fixture.apps().list(&all).await? {
            found.apps.insert(app.name_any(), app);
        }
        let maps: Api<ConfigMap> = fixture.namespace.api();
        for map in maps.list(&all.clone().labels("test/release")).await? {
            let release = map.labels()["test/release"].clone();
            let text = map.data.as_ref().and_then(|data| data.get("text").cloned());
            let of_release = found.maps.entry(release).or_default();
            of_release.insert(map.name_any(), text.unwrap_or_default());
        }
        let deployments: Api<Deployment> = fixture.namespace.api();
        for deployment in deployments.list(&all).await? {
            found.deployments.insert(deployment.name_any(), deployment);
        }
        let secrets: Api<Secret> = fixture.namespace.api();
        for secret in secrets.list_metadata(&all).await? {
            if let Some(release) = secret.name_any().strip_prefix("helmapp.v1.") {
                found.companions.push(release.to_owned());
            }
            let label = |name: &str| secret.labels().get(name).cloned().unwrap_or_default();
            if label("owner") == "helm" {
                let number = label("version").parse().unwrap_or_default();
                let of_release = found.revisions.entry(label("name")).or_default();
                of_release.push((number, label("status")));
            }
        }
        found
            .revisions
            .values_mut()
            .for_each(|revisions| revisions.sort());
        Ok(found)
    }

    /// The releases that have a companion.
    pub(super) fn companions(&self) -> &[String] {
        &self.companions
    }

    /// What keeps a release from being what is asked for; `seen` is a revision that it had.
    pub(super) fn wrong(&self, release: usize, asked: &Asked, seen: Option<i64>) -> Result<(), String> {
        let app = name(release);
        let maps = self.maps.get(&app).cloned().unwrap_or_default();
        let revisions = self.revisions.get(&app).cloned().unwrap_or_default();
        let deployment = self.deployments.get(&app);
        let Some(found) = self.apps.get(&app) else {
            let gone = !asked.exists && maps.is_empty() && revisions.is_empty() && deployment.is_none();
            return gone
                .then_some(())
                .ok_or(format!("it is gone: {maps:?} {revisions:?} {deployment:?}"));
        };
        if !asked.exists {
            let conditions = found.status.as_ref().map(|status| &status.conditions);
            return Err(format!("it is there: {conditions:?}"));
        }
        let ready = condition(found, "Ready");
        let observed = found
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        if observed != found.metadata.generation || ready.is_none_or(|ready| ready.status != "True") {
            return Err(format!("{observed:?} {ready:?} {revisions:?}"));
        }
        let expected = asked.maps(&app);
        if maps != expected {
            return Err(format!("{maps:?} instead of {expected:?}"));
        }
        if has_deployment(release) {
            let template = deployment.and_then(|deployment| deployment.spec.as_ref()?.template.spec.as_ref());
            let image = template.and_then(|pod| pod.containers.first()?.image.clone());
            let expected = format!("registry.example.com/app:{}", asked.text);
            if image.as_deref() != Some(expected.as_str()) {
                return Err(format!("{image:?} instead of {expected}"));
            }
        }
        has_all(&revisions, seen)
    }

    /// All that is known of a release, for people.
    pub(super) fn told(&self, release: usize) -> String {
        let app = name(release);
        let status = self
            .apps
            .get(&app)
            .map(|app| json!([app.metadata.generation, app.spec, app.status]));
        let deployment = self
            .deployments
            .get(&app)
            .map(|deployment| json!(deployment.status));
        let (status, deployment) = (status.unwrap_or_default(), deployment.unwrap_or_default());
        format!(
            "{status:#}\nDeployment: {deployment:#}\n{:?}",
            self.revisions.get(&app)
        )
    }
}

/// No revision is missing but those that are too many, and the newest one is deployed.
fn has_all(revisions: &[(i64, String)], seen: Option<i64>) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {revisions:?}"));
    let Some((newest, _)) = revisions.last() else {
        return wrong("no revision");
    };
    if seen.is_some_and(|seen| *newest < seen) {
        return wrong("a revision that was seen is lost");
    }
    if revisions.windows(2).any(|pair| pair[1].0 != pair[0].0 + 1) {
        return wrong("a revision is missing");
    }
    if revisions.len() > KEPT || revisions.len() < KEPT && revisions[0].0 != 1 {
        return wrong("not as many as are kept");
    }
    let ended = revisions
        .iter()
        .rev()
        .enumerate()
        .all(|(age, (_, status))| match age {
            0 => status == "deployed",
            _ => status == "superseded" || status == "failed",
        });
    ended.then_some(()).ok_or(format!("not ended: {revisions:?}"))
}
