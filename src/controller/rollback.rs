//! Going back to a stored revision: on request, and as a remedy. Nothing is rendered again.

use serde_json::Map;

use crate::api::ChartStatus;
use crate::store::Stored;

use super::base::Base;
use super::decision::{self, Asked};
use super::policy::Error;
use super::reconcile::Next;
use super::release::{Revision, release};
use super::revision::{Change, returned, returned_objects};
use super::settle::Cause;
use super::subject::Subject;
use super::{Context, report};

/// What `spec.rollback.toRevision` asks for now.
pub(super) fn asked(ctx: &Context, subject: &Subject) -> Asked {
    let done = ctx.status.current(&subject.app).rollback;
    decision::asked(
        subject.app.spec.rollback.to_revision,
        done.as_ref(),
        &subject.spec_digest(),
    )
}

/// Stands for the inputs of a revision that goes back to another.
pub(super) fn digest(subject: &Subject, revision: i64) -> String {
    format!("rollback:{revision}:{}", subject.spec_digest())
}

/// Goes back to the revision that `spec.rollback.toRevision` names.
///
/// # Errors
/// It is not stored; the server's refusal; a failed request.
pub(super) async fn roll_back_to(ctx: &Context, subject: &Subject, revision: i64) -> Result<Next, Error> {
    // What fails here was not made from the inputs that were gathered last.
    ctx.attempts.remove(&subject.key);
    let stored = stored(ctx, subject, revision).await?;
    roll_back(ctx, subject, stored, None).await
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
    let base = Base::read(ctx, subject).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    let new = returned_objects(&target.release, &[], &snapshot)?;
    let input_digest = match &cause {
        Some(cause) => cause.input_digest.clone(),
        None => digest(subject, target.head.revision),
    };
    let revision = Revision {
        record: returned(&target.release, &base.history),
        change: Change::Rollback(target.head.revision),
        new,
        crds: Vec::new(),
        input_digest,
        lookups: Map::new(),
        chart: report::chart_of(&target.release, &ChartStatus::default()),
        cause,
    };
    release(ctx, subject, revision, base).await
}
