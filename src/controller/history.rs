//! Which revisions stay, and as what, after another one has ended.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use helmapp_helm::plan::{Object, ObjectId, holds_data, keeps};
use helmapp_helm::release::Status;
use kube::api::PropagationPolicy;
use tokio::sync::OnceCell;
use tracing::{info, warn};

use crate::store::{self, Companion, Head, ReleaseKey, Store, Stored, surplus};

use super::leftover::{left_object, note, with_data_below};
use super::policy::Error;
use super::record::Record;
use super::revision::{Found, stored_objects};
use super::subject::Subject;
use super::{Context, base, deploy, lifecycle, taken};

/// Ends what an earlier process left undone after the newest revision was deployed, or the release was taken away.
///
/// # Errors
/// A failed request.
pub(super) async fn tidy(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let ended = |head: &&Head| matches!(head.status, Status::Deployed | Status::Uninstalled);
    let Some(newest) = heads.first().filter(ended) else {
        return Ok(());
    };
    supersede(ctx, subject, None, newest.revision).await?;
    if delete_surplus(ctx, subject).await? {
        sweep(ctx, subject).await?;
    }
    Ok(())
}

/// Marks every other deployed revision as superseded, and older ones that were never ended.
///
/// # Errors
/// A failed request.
pub(super) async fn supersede(
    ctx: &Context,
    subject: &Subject,
    replaces: Option<&Record>,
    revision: i64,
) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let old = heads.iter().filter(|head| {
        head.status == Status::Deployed && head.revision != revision
            || head.is_under_way() && head.revision < revision
    });
    for head in old {
        let stored = match replaces {
            Some(record) if record.head == *head => record.stored(ctx, subject).await?,
            _ => match ctx.store.read(&subject.release, head.revision).await {
                Err(error) if error.is_unreadable() => {
                    warn!(release = %subject.release, %error, "an old revision stays as it is");
                    None
                }
                read => read?,
            },
        };
        if let Some(stored) = stored {
            let stored = ctx.store.supersede(stored).await?;
            ctx.memory.recorded(&subject.release, stored.head);
        }
    }
    Ok(())
}

/// Ends the revision that was under way when the newest one took its place, and deletes what has no room beside them.
/// What can't be ended is when the newest one is deployed. `held` saves reading that revision's record.
pub(super) async fn end_replaced(ctx: &Context, subject: &Subject, newest: i64, held: Option<&Stored>) {
    let heads = ctx.memory.records(&subject.release);
    let Some(replaced) = lifecycle::replaced(&heads) else {
        return;
    };
    if replaced.is_under_way() {
        let ended = async {
            let stored = match held.filter(|stored| stored.head.revision == replaced.revision) {
                Some(stored) => Some(stored.clone()),
                None => ctx.store.read(&subject.release, replaced.revision).await?,
            };
            let Some(stored) = stored else { return Ok(()) };
            let description = replaced_by(newest);
            let ended = ctx.store.finish(stored, Status::Superseded, description).await?;
            ctx.memory.recorded(&subject.release, ended.head);
            Ok::<_, store::Error>(())
        };
        if let Err(error) = ended.await {
            info!(release = %subject.release, %error, "a replaced revision is ended later");
        }
    }
    trim_failed(ctx, subject, false).await;
}

/// The end of a revision whose place another took.
pub(super) fn replaced_by(newest: i64) -> String {
    format!("Replaced by revision {newest} before it was ready")
}

/// Deletes the revisions beyond `spec.maxHistory`, after one that was deployed, and the chunks that no revision needs.
///
/// # Errors
/// A failed request.
pub(super) async fn trim(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    delete_surplus(ctx, subject).await?;
    sweep(ctx, subject).await
}

/// Deletes the chunks that no revision needs, where there may be some.
async fn sweep(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let companion = ctx.companions.known(ctx, subject).await?;
    if !companion.is_some_and(|stored| stored.companion.chunks) {
        return Ok(());
    }
    if !ctx.store.sweep(&subject.release).await? {
        let none = |companion: Companion| {
            Some(Companion {
                chunks: false,
                ..companion
            })
        };
        ctx.companions.amend(ctx, subject, none).await?;
    }
    Ok(())
}

/// Releases of which an earlier process may have left chunks that no revision needs. They are listed once for all.
#[derive(Debug, Default)]
pub(super) struct Chunked(OnceCell<Mutex<BTreeSet<ReleaseKey>>>);

impl Chunked {
    /// Whether the release is one of them, and was not asked for yet.
    async fn take(&self, store: &Store, release: &ReleaseKey) -> Result<bool, Error> {
        let listed = || async { store.chunked().await.map(Mutex::new) };
        let known = self.0.get_or_try_init(listed).await?;
        Ok(known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(release))
    }
}

/// Deletes the chunks that an earlier process left, which ended between a revision and its chunks. Where that fails, the
/// next revision goes on with it.
pub(super) async fn sweep_leftovers(ctx: &Context, subject: &Subject) {
    let swept = async {
        match ctx.chunked.take(&ctx.store, &subject.release).await? {
            true => sweep(ctx, subject).await,
            false => Ok(()),
        }
    };
    if let Err(error) = swept.await {
        let error = ctx.clean(subject, &error.to_string());
        warn!(release = %subject.release, error, "chunks that no revision needs may stay");
    }
}

/// Deletes the revisions beyond `spec.maxHistory`; returns whether there were some.
async fn delete_surplus(ctx: &Context, subject: &Subject) -> Result<bool, Error> {
    let heads = ctx.memory.records(&subject.release);
    let most = subject.app.spec.max_history;
    let trimmed = ctx.store.trim(&subject.release, &heads, most).await?;
    for revision in &trimmed {
        ctx.memory.unrecorded(&subject.release, *revision);
    }
    Ok(!trimmed.is_empty())
}

/// Deletes the revisions beyond `spec.maxHistory` where none comes to be deployed. What can't be deleted stays.
///
/// Those since the deployed one may have left objects in the cluster. One whose apply was complete has let go of
/// these; before that their records are all that tells of them, and go only with them.
pub(super) async fn trim_failed(ctx: &Context, subject: &Subject, complete: bool) {
    if let Err(error) = try_trim(ctx, subject, complete).await {
        // The next revision goes on with it.
        let error = ctx.clean(subject, &error.to_string());
        warn!(release = %subject.release, error, "old revisions stay");
    }
}

async fn try_trim(ctx: &Context, subject: &Subject, complete: bool) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let deployed = heads.iter().find(|head| head.status == Status::Deployed);
    let last_good = deployed.map_or(0, |head| head.revision);
    let doomed: BTreeSet<i64> = surplus(&heads, subject.app.spec.max_history)
        .into_iter()
        .map(|head| head.revision)
        // The newest one is what this is about.
        .filter(|revision| heads.first().is_none_or(|newest| newest.revision != *revision))
        .collect();
    let unsure = |revision: i64| !complete && revision > last_good;
    let mut needed = BTreeSet::new();
    if doomed.iter().any(|revision| unsure(*revision)) {
        let staying = heads
            .iter()
            .filter(|head| head.revision >= last_good && !doomed.contains(&head.revision));
        for head in staying {
            let found = objects(ctx, subject, head).await?;
            needed.extend(
                found
                    .objects
                    .into_iter()
                    .map(|object| object.id)
                    .chain(found.unserved),
            );
        }
    }
    for head in heads.iter().rev().filter(|head| doomed.contains(&head.revision)) {
        if unsure(head.revision) {
            let found = objects(ctx, subject, head).await?;
            let_go(ctx, subject, found, &needed).await?;
        }
        ctx.store.delete(&subject.release, head).await?;
        ctx.memory.unrecorded(&subject.release, head.revision);
    }
    sweep(ctx, subject).await
}

async fn objects(ctx: &Context, subject: &Subject, head: &Head) -> Result<Found, Error> {
    let stored = ctx.store.read(&subject.release, head.revision).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    stored_objects(stored.iter().map(|stored| &stored.release), &snapshot)
}

/// Deletes the objects of a revision that no other one needs. What can hold data stays until the release goes: nobody
/// asked for its end.
async fn let_go(
    ctx: &Context,
    subject: &Subject,
    found: Found,
    needed: &BTreeSet<ObjectId>,
) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    for id in found.unserved.iter().filter(|id| !needed.contains(id)) {
        base::is_gone(ctx, id).await?;
    }
    // What the revision took over was there before.
    let Some(taken) = taken::over(ctx, subject).await? else {
        return Ok(());
    };
    let goes = |object: &&Object| !needed.contains(&object.id) && !keeps(&object.value);
    let objects: Vec<&Object> = found.objects.iter().rev().filter(goes).collect();
    let below = with_data_below(subject, &snapshot, objects.iter().map(|object| &object.id)).await?;
    let stays = |object: &&Object| holds_data(&object.id) || below.contains(&object.id);
    let (data, objects): (Vec<_>, Vec<_>) = objects.into_iter().partition(stays);
    let uids = ctx.memory.uids(&subject.key);
    let left = data.into_iter().map(|object| left_object(object, &uids));
    note(ctx, subject, left.collect()).await?;
    for object in objects {
        let (id, version) = (&object.id, &object.version);
        let background = PropagationPolicy::Background;
        deploy::delete(subject, &snapshot, id, version, None, &taken, &background).await?;
    }
    Ok(())
}
