//! Going back to a stored revision, on request and as a remedy, and taking a release away as one. Nothing is rendered
//! again.

use futures::FutureExt;
use helmapp_helm::release::{Release, Status};
use serde_json::Map;

use crate::api::ChartStatus;
use crate::store::{Stored, StoredCompanion};

use super::base::Base;
use super::lifecycle::{self, Asked};
use super::planning::NewObjects;
use super::policy::Error;
use super::reconcile::Next;
use super::release::{Revision, release};
use super::resume::Pending;
use super::revision::{Change, emptied, returned, returned_objects};
use super::settle::Cause;
use super::subject::Subject;
use super::{Context, history, hooks, reconcile, report, restore, resume, veil};

/// What `spec.rollback.toRevision` asks for now.
pub(super) fn asked(ctx: &Context, subject: &Subject) -> Asked {
    let done = ctx.status.current(&subject.app).rollback;
    lifecycle::asked(
        subject.app.spec.rollback.to_revision,
        done.as_ref(),
        &subject.spec_digest(),
    )
}

/// Stands for the inputs of a revision that goes back to another.
pub(super) fn digest(subject: &Subject, revision: i64) -> String {
    format!("rollback:{revision}:{}", subject.spec_digest())
}

/// Goes back to the revision that `spec.rollback.toRevision` names. One that was begun before a crash goes on; one
/// that was through is only said.
///
/// # Errors
/// It is not stored; the server's refusal; a failed request.
pub(super) async fn roll_back_to(
    ctx: &Context,
    subject: &Subject,
    revision: i64,
    pending: Option<Pending>,
) -> Result<Next, Error> {
    let digest = digest(subject, revision);
    if let Some(pending) = pending.filter(|pending| pending.is_from(&digest)) {
        return resume::resume(ctx, subject, pending, None).await;
    }
    if let Some(done) = done(ctx, subject, &digest).await? {
        history::tidy(ctx, subject).await?;
        if ctx.memory.revision(&subject.key) != done.head.revision {
            restore::adopt(ctx, subject, &done).await?;
        }
        report::went_back(ctx, subject, revision, &done, &digest);
        return reconcile::stand(ctx, subject, &digest).await;
    }
    // What fails here was not made from the inputs that were gathered last.
    ctx.attempts.remove(&subject.key);
    let stored = stored(ctx, subject, revision).await?;
    roll_back(ctx, subject, stored, None).await
}

/// The deployed revision, if it was made by the rollback that this digest stands for.
async fn done(ctx: &Context, subject: &Subject, digest: &str) -> Result<Option<Stored>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(newest) = heads.first().filter(|head| head.status == Status::Deployed) else {
        return Ok(None);
    };
    let companion = ctx.companions.read(ctx, subject).await?;
    let same = companion.is_some_and(|StoredCompanion { companion, .. }| {
        companion.revision == newest.revision && companion.input_digest == digest
    });
    if !same {
        return Ok(None);
    }
    Ok(ctx.store.read(&subject.release, newest.revision).await?)
}

/// A revision that a person asked for.
///
/// # Errors
/// It is not stored, or can't be read.
pub(super) async fn stored(ctx: &Context, subject: &Subject, revision: i64) -> Result<Stored, Error> {
    let found = ctx.store.read(&subject.release, revision).await?;
    found.ok_or_else(|| {
        let heads = ctx.memory.records(&subject.release);
        Error::NoRevision {
            release: subject.release.clone(),
            revision,
            stored: heads.iter().map(|head| head.revision).collect(),
        }
    })
}

/// Brings a stored revision back as a new one. With a cause it remedies a failure.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn roll_back(
    ctx: &Context,
    subject: &Subject,
    target: Stored,
    cause: Option<Cause>,
) -> Result<Next, Error> {
    let target = ctx.store.complete(&subject.release, target).await?;
    let base = Base::read(ctx, subject).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    let new = returned_objects(&target.release, &[], &snapshot)?;
    let of_hooks = hooks::all(&target.release.hooks, &target.release.namespace, &snapshot);
    veil::recall(ctx, subject, new.objects.iter().chain(&of_hooks)).await?;
    let (input_digest, made_from) = match &cause {
        Some(cause) => (cause.input_digest.clone(), cause.made_from.clone()),
        None => {
            let digest = digest(subject, target.head.revision);
            (digest.clone(), digest)
        }
    };
    let revision = Revision {
        record: returned(&target.release, &base.history),
        change: Change::Rollback(target.head.revision),
        new,
        crds: Vec::new(),
        input_digest,
        made_from,
        lookups: Map::new(),
        memo: None,
        chart: report::chart_of(&target.release, &ChartStatus::default()),
        tries: cause.as_ref().map_or(1, |cause| cause.tries),
        cause,
    };
    release(ctx, subject, revision, base).boxed().await
}

/// Takes the release of a revision that failed away, as a revision of its own without objects.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn take_away(
    ctx: &Context,
    subject: &Subject,
    failed: &Release,
    cause: Cause,
) -> Result<Next, Error> {
    let base = Base::read(ctx, subject).await?;
    veil::recall_all(ctx, subject, failed).await?;
    let revision = Revision {
        record: emptied(failed, &base.history),
        change: Change::Uninstall,
        new: NewObjects::default(),
        crds: Vec::new(),
        input_digest: cause.input_digest.clone(),
        made_from: cause.made_from.clone(),
        lookups: Map::new(),
        memo: None,
        chart: report::chart_of(failed, &ChartStatus::default()),
        tries: cause.tries,
        cause: Some(cause),
    };
    release(ctx, subject, revision, base).boxed().await
}
