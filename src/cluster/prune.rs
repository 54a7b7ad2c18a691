//! Deleting what a release no longer has: never more than that.

use std::sync::Arc;

use helmapp_helm::plan::{ObjectId, Owner, Ownership, classify, keeps};
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::discovery::Snapshot;
use super::{Error, Result, retry};
use crate::failpoints::failpoint;

/// What became of an object that a release lets go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// The server accepted the deletion.
    Deleted,
    /// It was gone already, or its kind is.
    Gone,
    /// The live object carries the keep policy.
    Kept,
    /// The live object belongs to somebody else now, or was made again by somebody else.
    NotOurs,
}

/// Deletes one object if the live one is still the release's and may go.
///
/// The object is looked at first and then deleted by its UID, so that one made anew under the same name stays. With
/// `uid`, only that very object goes.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn prune(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    uid: Option<&str>,
    owner: &Owner,
    propagation: &PropagationPolicy,
) -> Result<Pruned> {
    let Some(resource) = snapshot.resource_of(id, version) else {
        return Ok(Pruned::Gone);
    };
    retry::transient(|| prune_once(client, &resource, id, uid, owner, propagation)).await
}

async fn prune_once(
    client: &Client,
    resource: &ApiResource,
    id: &ObjectId,
    uid: Option<&str>,
    owner: &Owner,
    propagation: &PropagationPolicy,
) -> Result<Pruned> {
    let api: Api<PartialObjectMeta<DynamicObject>> = if id.namespace.is_empty() {
        Api::all_with(client.clone(), resource)
    } else {
        Api::namespaced_with(client.clone(), &id.namespace, resource)
    };
    let failed = |error| Error::from_kube(format!("delete {id}"), error, false);
    let Some(live) = api.get_opt(&id.name).await.map_err(failed)? else {
        return Ok(Pruned::Gone);
    };
    if uid.is_some_and(|uid| live.metadata.uid.as_deref() != Some(uid)) {
        return Ok(Pruned::NotOurs);
    }
    let marks = marks(&live);
    if keeps(&marks) {
        return Ok(Pruned::Kept);
    }
    if classify(&marks, owner) != Ownership::Ours {
        return Ok(Pruned::NotOurs);
    }
    let parameters = DeleteParams {
        propagation_policy: Some(propagation.clone()),
        preconditions: Some(Preconditions {
            uid: live.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    failpoint("object.delete.before");
    let deleted = api.delete(&id.name, &parameters).await;
    failpoint("object.delete.after");
    match deleted {
        Ok(_) => Ok(Pruned::Deleted),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Pruned::Gone),
        Err(error) => Err(failed(error)),
    }
}

fn marks(live: &PartialObjectMeta<DynamicObject>) -> Value {
    json!({"metadata": {"labels": live.labels(), "annotations": live.annotations()}})
}
