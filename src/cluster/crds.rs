//! CRDs of a chart's `crds/` directories: created when missing, never replaced, never deleted; and the wait
//! until a CRD serves its kinds.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::apply::FIELD_MANAGER;
use super::discovery::Snapshot;
use super::{Error, Result, retry};
use crate::failpoints::failpoint;

/// How long a CRD may take to be established.
pub const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The CRDs of `documents` that the cluster does not have.
pub fn missing<'a>(documents: &'a [Value], snapshot: &Snapshot) -> Vec<&'a Value> {
    let is_missing = |crd: &&Value| {
        let text = |pointer| crd.pointer(pointer).and_then(Value::as_str);
        let (Some("CustomResourceDefinition"), Some(group), Some(kind)) =
            (text("/kind"), text("/spec/group"), text("/spec/names/kind"))
        else {
            return false;
        };
        let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
        let served = |version: &Value| {
            let name = version.get("name").and_then(Value::as_str).unwrap_or_default();
            snapshot.kind(group, name, kind).is_some()
        };
        // One served version shows that the CRD is there; its other versions are its owner's affair.
        !versions.is_some_and(|versions| versions.iter().any(served))
    };
    documents.iter().filter(is_missing).collect()
}

/// Creates the CRDs that do not exist, with `client`'s identity, or asks what the server would say to it. Returns the
/// names of those created.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn create(client: &Client, crds: &[&Value], dry_run: bool) -> Result<Vec<String>> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let parameters = PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let mut created = Vec::new();
    for crd in crds {
        let name = crd
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let doing = format!("create CustomResourceDefinition {name}");
        let typed: CustomResourceDefinition =
            serde_json::from_value((*crd).clone()).map_err(|error| Error::Api {
                doing: doing.clone(),
                code: 422,
                reason: "Invalid".to_owned(),
                message: error.to_string(),
                fields: Vec::new(),
                retry_after: None,
            })?;
        failpoint("crd.create.before");
        let request = retry::transient(|| async {
            match api.create(&parameters, &typed).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
                Err(error) => Err(Error::from_kube(&doing, error, false)),
            }
        });
        if request.await? {
            created.push(name);
        }
        failpoint("crd.create.after");
    }
    Ok(created)
}

/// Waits until each CRD is established.
///
/// # Errors
/// [`Error::Timeout`] after [`ESTABLISH_TIMEOUT`], or the server's refusal.
pub async fn established(client: &Client, names: &[String]) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let deadline = Instant::now() + ESTABLISH_TIMEOUT;
    for name in names {
        let doing = format!("read CustomResourceDefinition {name}");
        let mut pause = FIRST_LOOK;
        loop {
            sleep(pause).await;
            let read = retry::transient(|| async {
                api.get(name)
                    .await
                    .map_err(|error| Error::from_kube(&doing, error, false))
            });
            if is_established(&read.await?) {
                break;
            }
            if Instant::now() > deadline {
                let what = format!("CustomResourceDefinition {name} was not established");
                return Err(Error::Timeout {
                    what,
                    limit: ESTABLISH_TIMEOUT,
                });
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    Ok(())
}

fn is_established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_unserved_crds_are_missing() {
        let crd = json!({
            "kind": "CustomResourceDefinition",
            "spec": {"group": "example.com", "names": {"kind": "Widget"}, "versions": [{"name": "v1"}]},
        });
        let documents = [crd, json!({"kind": "ConfigMap"})];
        let found = missing(&documents, &Snapshot::default());
        assert_eq!(found, [&documents[0]]);
    }

    #[test]
    fn established_is_a_condition() {
        for (status, expected) in [("True", true), ("False", false)] {
            let crd = json!({
                "metadata": {"name": "w"},
                "spec": {"group": "g", "names": {"kind": "W", "plural": "ws"}, "scope": "Namespaced", "versions": []},
                "status": {"conditions": [{"type": "Established", "status": status, "reason": "", "message": "",
                                           "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
            });
            assert_eq!(is_established(&serde_json::from_value(crd).unwrap()), expected);
        }
    }
}
