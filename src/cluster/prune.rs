//! Deleting what a release no longer has: never more than that.

use std::collections::BTreeSet;
use std::sync::Arc;

use helmapp_helm::plan::{ObjectId, Owner, Ownership, classify, keeps};
use jiff::Timestamp;
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions, PropagationPolicy};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::discovery::{Snapshot, api};
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
    /// The live object is one that stays: the release has it, and another group serves it too, or took it over.
    Same,
    /// The live object is older than what may go: it was taken over, not made.
    Older,
}

/// An object that a release lets go of.
#[derive(Debug, Clone, Copy)]
pub struct Doomed<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// The API version that it was written in.
    pub version: &'a str,
    /// Only the object with this UID goes.
    pub uid: Option<&'a str>,
    /// UIDs of objects that stay.
    pub stay: &'a BTreeSet<String>,
    /// Only what was made since then goes.
    pub since: Option<Timestamp>,
}

/// Deletes one object if the live one is still the release's and may go.
///
/// The object is looked at first and then deleted by its UID, so that one made anew under the same name stays. Where its
/// API version is not served any more, another one of the kind is used.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn prune(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    doomed: &Doomed<'_>,
    owner: &Owner,
    propagation: &PropagationPolicy,
) -> Result<Pruned> {
    let Some(resource) = snapshot.resource_of(doomed.id, doomed.version) else {
        return Ok(Pruned::Gone);
    };
    let api = api(client, &resource, &doomed.id.namespace);
    retry::transient(|| prune_once(&api, doomed, owner, propagation)).await
}

/// Deletes the object that has this UID, and no other. `false` when it is not there any more.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn delete(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    uid: &str,
    propagation: &PropagationPolicy,
) -> Result<bool> {
    let Some(resource) = snapshot.resource_of(id, version) else {
        return Ok(false);
    };
    let api = api(client, &resource, &id.namespace);
    retry::transient(|| delete_once(&api, id, uid, propagation)).await
}

type Found = PartialObjectMeta<DynamicObject>;

async fn prune_once(
    api: &Api<Found>,
    doomed: &Doomed<'_>,
    owner: &Owner,
    propagation: &PropagationPolicy,
) -> Result<Pruned> {
    let id = doomed.id;
    let found = api.get_opt(&id.name).await;
    let Some(live) = found.map_err(|error| failed(id, error))? else {
        return Ok(Pruned::Gone);
    };
    let live_uid = live.metadata.uid.clone().unwrap_or_default();
    if doomed.stay.contains(&live_uid) {
        return Ok(Pruned::Same);
    }
    if doomed.uid.is_some_and(|uid| live_uid != uid) {
        return Ok(Pruned::NotOurs);
    }
    let made = live.metadata.creation_timestamp.as_ref();
    if doomed
        .since
        .is_some_and(|since| made.is_some_and(|made| made.0 < since))
    {
        return Ok(Pruned::Older);
    }
    let marks = marks(&live);
    if keeps(&marks) {
        return Ok(Pruned::Kept);
    }
    if classify(&marks, owner) != Ownership::Ours {
        return Ok(Pruned::NotOurs);
    }
    match delete_once(api, id, &live_uid, propagation).await? {
        true => Ok(Pruned::Deleted),
        false => Ok(Pruned::Gone),
    }
}

async fn delete_once(
    api: &Api<Found>,
    id: &ObjectId,
    uid: &str,
    propagation: &PropagationPolicy,
) -> Result<bool> {
    let parameters = DeleteParams {
        propagation_policy: Some(propagation.clone()),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    failpoint("object.delete.before");
    let deleted = api.delete(&id.name, &parameters).await;
    failpoint("object.delete.after");
    match deleted {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(failed(id, error)),
    }
}

fn failed(id: &ObjectId, error: kube::Error) -> Error {
    Error::from_kube(format!("delete {id}"), error, false)
}

fn marks(live: &Found) -> Value {
    json!({"metadata": {"labels": live.labels(), "annotations": live.annotations()}})
}
