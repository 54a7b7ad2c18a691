//! CRDs of a chart's `crds/` directories: created when missing, replaced with care, never deleted; and the wait until a
//! CRD serves its kinds.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
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
        // One served version shows that the CRD is there; its other versions are its owner's affair.
        snapshot.any_version(group, kind).is_none()
    };
    documents.iter().filter(is_missing).collect()
}

/// Whether a document is a CRD.
pub fn is_crd(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition")
}

/// The name of a CRD.
pub fn name(crd: &Value) -> Option<String> {
    crd.pointer("/metadata/name")?.as_str().map(str::to_owned)
}

/// Why a CRD can't take the place of the one that is there; `None` when it can. Nothing is written.
///
/// # Errors
/// A lack of rights, or a transient failure after its retries.
pub async fn check(client: &Client, crd: &Value) -> Result<Option<String>> {
    let typed = match read(crd) {
        Ok(typed) => typed,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let name = typed.metadata.name.clone().unwrap_or_default();
    let doing = format!("read CustomResourceDefinition {name}");
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let live = retry::transient(|| async {
        let found = api.get_opt(&name).await;
        found.map_err(|error| Error::from_kube(&doing, error, false))
    });
    if let Some(live) = live.await?
        && let Some(why) = loses(&live, &typed)
    {
        return Ok(Some(why));
    }
    match apply(&api, &typed, true).await {
        Err(error) if error.code() == Some(422) => Ok(Some(error.to_string())),
        other => other.map(|()| None),
    }
}

/// Makes the CRDs as they are, whether they exist or not, with `client`'s identity. Returns their names.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn replace(client: &Client, crds: &[&Value]) -> Result<Vec<String>> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut names = Vec::new();
    for crd in crds {
        let typed = read(crd)?;
        apply(&api, &typed, false).await?;
        names.extend(typed.metadata.name);
    }
    Ok(names)
}

/// The versions that objects are stored in and that a new CRD does not have.
fn loses(live: &CustomResourceDefinition, new: &CustomResourceDefinition) -> Option<String> {
    let stored = live
        .status
        .as_ref()
        .and_then(|status| status.stored_versions.as_ref());
    let has = |stored: &str| new.spec.versions.iter().any(|version| version.name == stored);
    let lost: Vec<&str> = stored
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|stored| !has(stored))
        .collect();
    (!lost.is_empty()).then(|| {
        format!(
            "CustomResourceDefinition {}: objects may be stored in version {}, which the chart's crds/ no longer has; write all objects of the kind once more, take the version out of status.storedVersions, and it is replaced, or set crds: Create",
            new.metadata.name.as_deref().unwrap_or_default(),
            lost.join(", ")
        )
    })
}

async fn apply(api: &Api<CustomResourceDefinition>, crd: &CustomResourceDefinition, dry: bool) -> Result<()> {
    let name = crd.metadata.name.as_deref().unwrap_or_default();
    let verb = if dry { "check" } else { "replace" };
    let doing = format!("{verb} CustomResourceDefinition {name}");
    let parameters = PatchParams {
        dry_run: dry,
        ..PatchParams::apply(FIELD_MANAGER).force()
    };
    retry::transient(|| async {
        let applied = api.patch(name, &parameters, &Patch::Apply(crd)).await;
        applied.map_err(|error| Error::from_kube(&doing, error, false))
    })
    .await
    .map(|_| ())
}

/// A CRD as the server knows it, without a status: that is the server's.
fn read(crd: &Value) -> Result<CustomResourceDefinition> {
    let typed = serde_json::from_value::<CustomResourceDefinition>(crd.clone());
    let typed = typed.map_err(|error| Error::Api {
        doing: format!("read CustomResourceDefinition {}", name(crd).unwrap_or_default()),
        code: 422,
        reason: "Invalid".to_owned(),
        message: error.to_string(),
        fields: Vec::new(),
        retry_after: None,
    })?;
    Ok(CustomResourceDefinition {
        status: None,
        ..typed
    })
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
        let name = name(crd).unwrap_or_default();
        let doing = format!("create CustomResourceDefinition {name}");
        let typed = read(crd)?;
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
    fn a_version_that_objects_are_stored_in_may_not_go() {
        let crd = |versions: &[&str], stored: &[&str]| -> CustomResourceDefinition {
            let versions: Vec<Value> = versions
                .iter()
                .map(|name| json!({"name": name, "served": true, "storage": true}))
                .collect();
            let crd = json!({
                "metadata": {"name": "w"},
                "spec": {"group": "g", "names": {"kind": "W", "plural": "ws"}, "scope": "Namespaced", "versions": versions},
                "status": {"storedVersions": stored},
            });
            serde_json::from_value(crd).unwrap()
        };
        for (stored, new, refused) in [
            (&["v1"][..], &["v1", "v2"][..], false),
            (&["v1", "v2"], &["v2"], true),
            (&[], &["v2"], false),
        ] {
            let why = loses(&crd(&["v1", "v2"], stored), &crd(new, &[]));
            assert_eq!(why.is_some(), refused, "{stored:?} {new:?}");
            assert!(why.is_none_or(|why| why.contains("version v1, which")));
        }
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
