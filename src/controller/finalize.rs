//! Deletion: the objects go in reverse order, then the records, then the finalizer.

use std::sync::Arc;

use helmapp_helm::plan::{ObjectId, keeps};
use helmapp_helm::release::{Release, Status};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;
use tracing::info;

use crate::api::{FINALIZER, HelmApp};
use crate::cluster::apply::Applier;
use crate::cluster::prune::Pruned;
use crate::cluster::{Error as ClusterError, retry};
use crate::store::Stored;

use super::policy::Error;
use super::reconcile::Next;
use super::revision::stored_objects;
use super::settle::POLL;
use super::subject::Subject;
use super::{Context, access, claim, deploy, report};

/// Adds the finalizer unless it is there.
///
/// # Errors
/// A failed request.
pub(super) async fn ensure(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    if subject.app.has_finalizer() || ctx.guarded.get(&subject.key).is_some() {
        return Ok(());
    }
    let mut finalizers = subject.app.metadata.finalizers.clone().unwrap_or_default();
    finalizers.push(FINALIZER.to_owned());
    set(ctx, subject, &finalizers).await?;
    ctx.guarded.insert(&subject.key, Arc::new(()));
    Ok(())
}

/// Does the next step of the deletion.
///
/// # Errors
/// A failed request.
pub(super) async fn finalize(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    if !subject.app.has_finalizer() {
        forget(ctx, subject);
        return Ok(Next::Change);
    }
    ctx.settling.remove(&subject.key);
    // Where there is no record, nothing of the release is left that a right would be needed for.
    let recorded = !ctx.memory.records(&subject.release).is_empty();
    if recorded {
        access::require(ctx, subject).await?;
    }
    let granted = recorded || access::is_granted(ctx, subject).await?;
    if granted && claim::holder(ctx, subject).await?.is_none() {
        let remaining = uninstall(ctx, subject).await?;
        if !remaining.is_empty() {
            return Ok(wait(ctx, subject, &remaining));
        }
        records(ctx, subject).await?;
    }
    release_app(ctx, subject).await?;
    report::uninstalled(ctx, subject);
    forget(ctx, subject);
    Ok(Next::Change)
}

/// Deletes the objects of all revisions that may have left some, and returns those that are still there.
async fn uninstall(ctx: &Context, subject: &Subject) -> Result<Vec<ObjectId>, Error> {
    let records = live_records(ctx, subject).await?;
    let releases: Vec<&Release> = records.iter().map(|stored| &stored.release).collect();
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = stored_objects(releases, &snapshot);
    let going = objects.iter().rev().filter(|object| !keeps(&object.value));
    let propagation = subject.propagation();
    let mut remaining = Vec::new();
    for object in going {
        match deploy::delete(subject, &snapshot, &object.id, &object.version, &propagation).await? {
            Pruned::Deleted => remaining.push((object.id.clone(), object.version.clone())),
            Pruned::Gone | Pruned::Kept | Pruned::NotOurs => {}
        }
    }
    still_there(ctx, subject, remaining).await
}

/// Most deletions are done when the server answers; only what has finalizers or a grace period is waited for.
async fn still_there(
    ctx: &Context,
    subject: &Subject,
    deleted: Vec<(ObjectId, String)>,
) -> Result<Vec<ObjectId>, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = Applier::new(
        subject.tenant.clone(),
        Arc::clone(&snapshot),
        subject.owner.clone(),
    );
    let mut remaining = Vec::new();
    for (id, version) in deleted {
        if applier.metadata(&id, &version).await?.is_some() {
            remaining.push(id);
        }
    }
    Ok(remaining)
}

/// The newest revision, the deployed one, and all failed or pending ones after it.
async fn live_records(ctx: &Context, subject: &Subject) -> Result<Vec<Stored>, Error> {
    let mut records = Vec::new();
    for head in ctx.memory.records(&subject.release) {
        if head.status == Status::Uninstalled {
            break;
        }
        records.extend(ctx.store.read(&subject.release, head.revision).await?);
        if head.status == Status::Deployed {
            break;
        }
    }
    Ok(records)
}

async fn records(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    if !subject.app.spec.uninstall.keep_history {
        ctx.store.purge(&subject.release).await?;
        for head in ctx.memory.records(&subject.release) {
            ctx.memory.unrecorded(&subject.release, head.revision);
        }
        return Ok(());
    }
    ctx.store.delete_companion(&subject.release).await?;
    let Some(newest) = ctx.memory.records(&subject.release).into_iter().next() else {
        return Ok(());
    };
    if newest.status == Status::Uninstalled {
        return Ok(());
    }
    if let Some(mut stored) = ctx.store.read(&subject.release, newest.revision).await? {
        stored.release.info.deleted = Timestamp::now().into();
        let stored = ctx
            .store
            .finish(stored, Status::Uninstalled, "Uninstallation complete")
            .await?;
        ctx.memory.recorded(&subject.release, stored.head);
    }
    Ok(())
}

fn wait(ctx: &Context, subject: &Subject, remaining: &[ObjectId]) -> Next {
    let since = ctx.uninstalling.since(&subject.key);
    let late = Instant::now().duration_since(since) > subject.app.spec.uninstall.timeout.0;
    report::uninstalling(ctx, subject, remaining, late);
    Next::After(POLL)
}

async fn release_app(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let finalizers: Vec<String> = subject
        .app
        .metadata
        .finalizers
        .iter()
        .flatten()
        .filter(|name| *name != FINALIZER)
        .cloned()
        .collect();
    match set(ctx, subject, &finalizers).await {
        Err(Error::Cluster(error)) if error.is_not_found() => Ok(()),
        other => other,
    }
}

fn forget(ctx: &Context, subject: &Subject) {
    info!(app = %subject.key.name, namespace = %subject.key.namespace, "release is gone");
    ctx.forget(subject);
    claim::wake_others(ctx, subject);
}

async fn set(ctx: &Context, subject: &Subject, finalizers: &[String]) -> Result<(), Error> {
    let api: Api<HelmApp> = Api::namespaced(ctx.identities.operator(), &subject.key.namespace);
    // The resourceVersion makes the server refuse when somebody else changed the list since.
    let patch = json!({"metadata": {
        "uid": subject.uid(),
        "resourceVersion": subject.app.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let doing = format!(
        "write the finalizers of HelmApp {}/{}",
        subject.key.namespace, subject.key.name
    );
    let patch = Patch::Merge(&patch);
    retry::transient(|| async {
        match api
            .patch_metadata(&subject.key.name, &PatchParams::default(), &patch)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(ClusterError::from_kube(&doing, error, false)),
        }
    })
    .await?;
    Ok(())
}
