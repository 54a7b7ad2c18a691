//! Deletion: the objects go in reverse order, then the records, then the finalizer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use helmapp_helm::plan::{Object, ObjectId, keeps};
use helmapp_helm::release::Status;
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::{FINALIZER, HelmApp};
use crate::cluster::apply::Applier;
use crate::cluster::prune::Pruned;
use crate::cluster::{Error as ClusterError, retry};
use crate::store;

use super::policy::{self, Again, Error};
use super::reconcile::Next;
use super::revision::stored_objects;
use super::settle::POLL;
use super::subject::Subject;
use super::{Context, access, claim, deploy, namespace, report};

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
        let stored = stored(ctx, subject).await?;
        let remaining = uninstall(ctx, subject, &stored).await?;
        if !remaining.is_empty() {
            return Ok(wait(ctx, subject, &remaining));
        }
        records(ctx, subject, &stored.unreadable).await?;
        if !stored.unreadable.is_empty() {
            report::left_behind(ctx, subject, &stored.unreadable);
        }
    }
    release_app(ctx, subject).await?;
    report::uninstalled(ctx, subject);
    forget(ctx, subject);
    Ok(Next::Change)
}

/// Deletes the objects of all revisions, and returns those that are still there. What is refused does not keep
/// the others.
async fn uninstall(ctx: &Context, subject: &Subject, stored: &StoredObjects) -> Result<Vec<ObjectId>, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let going = stored.objects.iter().rev().filter(|object| !keeps(&object.value));
    let propagation = subject.propagation();
    let mut deleted = Vec::new();
    let mut refused = Refusals::default();
    for object in going {
        match deploy::delete(subject, &snapshot, &object.id, &object.version, &propagation).await {
            Ok(Pruned::Deleted) => deleted.push((object.id.clone(), object.version.clone())),
            Ok(Pruned::Gone | Pruned::Kept | Pruned::NotOurs) => {}
            Err(error) => refused.add(ctx, &object.id, error).await?,
        }
    }
    // Most deletions are done when the server answers; only what has finalizers or a grace period is waited for.
    let applier = Applier::new(
        subject.tenant.clone(),
        Arc::clone(&snapshot),
        subject.owner.clone(),
    );
    let mut remaining = Vec::new();
    for (id, version) in deleted {
        match applier.metadata(&id, &version).await {
            Ok(Some(_)) => remaining.push(id),
            Ok(None) => {}
            Err(error) => refused.add(ctx, &id, error.into()).await?,
        }
    }
    refused.into_result()?;
    Ok(remaining)
}

/// Objects that could not be deleted.
#[derive(Debug, Default)]
struct Refusals {
    errors: Vec<Error>,
    /// Namespaces that were asked for, and whether they are going.
    namespaces: BTreeMap<String, bool>,
}

impl Refusals {
    /// Notes a refusal. In a namespace that is going the rights may have gone first, and the objects follow.
    async fn add(&mut self, ctx: &Context, id: &ObjectId, error: Error) -> Result<(), Error> {
        if matches!(&error, Error::Cluster(ClusterError::Connection { .. })) {
            return Err(error);
        }
        if !id.namespace.is_empty() {
            let going = match self.namespaces.get(&id.namespace) {
                Some(going) => *going,
                None => namespace::is_going(ctx, &id.namespace).await?,
            };
            self.namespaces.insert(id.namespace.clone(), going);
            if going {
                return Ok(());
            }
        }
        self.errors.push(error);
        Ok(())
    }

    fn into_result(self) -> Result<(), Error> {
        let Some(first) = self.errors.first() else {
            return Ok(());
        };
        Err(Error::Input {
            reason: first.reason(),
            message: policy::join(&self.errors),
            // Nothing of the HelmApp changes any more; what is in the way does.
            again: match first.again() {
                Again::OnChange => Again::Seldom,
                again => again,
            },
        })
    }
}

/// What the records of a release say.
#[derive(Debug, Default)]
struct StoredObjects {
    /// Each as its newest record has it.
    objects: Vec<Object>,
    /// Revisions that can't be read: their objects are unknown.
    unreadable: Vec<i64>,
}

/// All revisions count: a failed one may have left something that later ones don't have.
async fn stored(ctx: &Context, subject: &Subject) -> Result<StoredObjects, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let mut found = StoredObjects::default();
    let mut seen = BTreeSet::new();
    for head in ctx.memory.records(&subject.release) {
        if head.status == Status::Uninstalled {
            break;
        }
        let objects = match ctx.store.read(&subject.release, head.revision).await {
            Ok(None) => continue,
            Ok(Some(stored)) => stored_objects([&stored.release], &snapshot),
            Err(error @ store::Error::Decode { .. }) => Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        match objects {
            Ok(objects) => found.objects.extend(
                objects
                    .into_iter()
                    .filter(|object| seen.insert(object.id.clone())),
            ),
            Err(error) => {
                warn!(release = %subject.release, revision = head.revision, %error, "a revision can not be read");
                found.unreadable.push(head.revision);
            }
        }
    }
    Ok(found)
}

/// Deletes the records, or keeps them as the spec says. One that can't be read stays: it is all that tells
/// which objects are left.
async fn records(ctx: &Context, subject: &Subject, unreadable: &[i64]) -> Result<(), Error> {
    if !subject.app.spec.uninstall.keep_history {
        let heads = ctx.store.heads(&subject.release).await?;
        for head in heads.iter().rev() {
            if !unreadable.contains(&head.revision) {
                ctx.store.delete(&subject.release, head).await?;
                ctx.memory.unrecorded(&subject.release, head.revision);
            }
        }
        ctx.store.delete_companion(&subject.release).await?;
        return Ok(());
    }
    ctx.store.delete_companion(&subject.release).await?;
    let Some(newest) = ctx.memory.records(&subject.release).into_iter().next() else {
        return Ok(());
    };
    if newest.status == Status::Uninstalled || unreadable.contains(&newest.revision) {
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
