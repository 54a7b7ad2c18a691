//! Hook objects: created as they are, never applied over another, and deleted by their UID.

use std::sync::Arc;

use helmapp_helm::plan::ObjectId;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ObjectMeta, PostParams, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, PartialObjectMeta, Resource, request};
use serde_json::Value;

use crate::failpoints::failpoint;

use super::apply::{FIELD_MANAGER, is_secret};
use super::discovery::{Snapshot, api};
use super::{Error, Result, brief, retry};

/// Creates an object; `None` when there is one of that name already.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn create(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    object: &Value,
) -> Result<Option<ObjectMeta>> {
    failpoint("hook.create.before");
    let made = post(client, snapshot, id, version, object, false).await;
    failpoint("hook.create.after");
    made
}

/// Asks whether an object could be created, and creates none.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn dry_run(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    object: &Value,
) -> Result<()> {
    post(client, snapshot, id, version, object, true).await.map(drop)
}

async fn post(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    object: &Value,
    dry_run: bool,
) -> Result<Option<ObjectMeta>> {
    let doing = format!("create {id}");
    let namespace = (!id.namespace.is_empty()).then_some(id.namespace.as_str());
    let url = DynamicObject::url_path(&resource(snapshot, id, version)?, namespace);
    let unusable = |message: String| Error::Connection {
        doing: doing.clone(),
        message,
    };
    let body = serde_json::to_vec(object).map_err(|error| unusable(error.to_string()))?;
    let parameters = PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    retry::transient(|| async {
        let request = request::Request::new(url.clone()).create(&parameters, body.clone());
        let request = request.map_err(|error| unusable(error.to_string()))?;
        match brief::send(client, request).await {
            Ok(metadata) => Ok(Some(metadata)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(Error::from_kube(&doing, error, is_secret(id))),
        }
    })
    .await
}

/// Deletes the object that has the UID, and what it owns after it. True when it is gone, false while it is going.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn delete(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    uid: &str,
) -> Result<bool> {
    let resource = resource(snapshot, id, version)?;
    let api: Api<PartialObjectMeta<DynamicObject>> = api(client, &resource, &id.namespace);
    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    failpoint("hook.delete.before");
    let gone = retry::transient(|| async {
        match api.delete(&id.name, &parameters).await {
            Ok(answer) => Ok(answer.is_right()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
            Err(error) => match Error::from_kube(format!("delete {id}"), error, false) {
                // Another one has its name now.
                error if error.is_replaced() => Ok(true),
                error => Err(error),
            },
        }
    })
    .await;
    failpoint("hook.delete.after");
    gone
}

fn resource(snapshot: &Arc<Snapshot>, id: &ObjectId, version: &str) -> Result<ApiResource> {
    snapshot
        .resource_of(id, version)
        .ok_or_else(|| Error::UnknownKind {
            api_version: if id.group.is_empty() {
                version.to_owned()
            } else {
                format!("{}/{version}", id.group)
            },
            kind: id.kind.clone(),
        })
}
