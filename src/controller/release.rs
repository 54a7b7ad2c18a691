//! Steps 6 to 8: a revision is planned, begun and applied. What is done here can be done again from the pending
//! record.

use std::collections::BTreeSet;
use std::sync::Arc;

use helmapp_helm::plan::{Object, ObjectId};
use helmapp_helm::release::{Release, Status};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::info;

use crate::api::ChartStatus;
use crate::cluster::apply::Applier;
use crate::store::{Companion, Owner, Stored};

use super::base::Base;
use super::planning::{self, Known, NewObjects};
use super::policy::{self, Again, Error};
use super::reconcile::Next;
use super::revision::Change;
use super::settle::{self, Cause, Settling};
use super::subject::Subject;
use super::{Context, asked, deploy, finalize, namespace, report, resume};

/// A revision that is about to be made.
pub(super) struct Revision {
    /// Its record, pending.
    pub record: Release,
    /// What it changes.
    pub change: Change,
    /// Its objects.
    pub new: NewObjects,
    /// Documents of the chart's crds/ directories.
    pub crds: Vec<Value>,
    /// Digest of what it is made from.
    pub input_digest: String,
    /// What lookups were answered, by digest.
    pub lookups: serde_json::Map<String, Value>,
    /// The chart, for status.
    pub chart: ChartStatus,
    /// Why it remedies another.
    pub cause: Option<Cause>,
}

/// Steps 6 to 9 for a revision.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn release(
    ctx: &Context,
    subject: &Subject,
    mut revision: Revision,
    base: Base,
) -> Result<Next, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = Applier::new(subject.tenant.clone(), snapshot.clone(), subject.owner.clone());
    // 6 plan
    let coming_namespaces = namespace::missing(ctx, subject).await?;
    let last = base.objects(&snapshot)?;
    let dirty: BTreeSet<ObjectId> = ctx
        .memory
        .dirty(&subject.key)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut uids = ctx.memory.uids(&subject.key);
    // What was changed behind us may have been handed over.
    uids.retain(|id, _| !dirty.contains(id));
    let known = Known {
        last: &last,
        last_applied: base.is_applied(ctx, subject),
        dirty: &dirty,
        uids: &uids,
        coming_namespaces: &coming_namespaces,
    };
    let mut plan = planning::plan(&applier, &revision.new, &known).await?;
    if let Some(cause) = &mut revision.cause {
        let spared = planning::spare_data(&mut plan);
        if !spared.is_empty() {
            let message = format!(
                "left in the cluster, as it can hold data: {}",
                policy::ids(&spared)
            );
            cause.message = format!("{}; {message}", cause.message);
        }
    }
    // 7 begin
    finalize::ensure(ctx, subject).await?;
    namespace::create(subject, &coming_namespaces).await?;
    let stored = begin(ctx, subject, &revision, &base).await?;
    let settling = Settling {
        deadline: Instant::now() + subject.timeout(revision.change),
        stored,
        change: revision.change,
        input_digest: revision.input_digest.clone(),
        chart: revision.chart.clone(),
        replaces: base.deployed,
        cause: revision.cause.clone(),
        applied: false,
        failed: false,
    };
    report::begun(ctx, subject, &settling);
    // 8 apply
    follow(ctx, subject, &revision.new.objects, settling.stored.head.revision).await?;
    let snapshot = match deploy::install_crds(ctx, subject, &revision.crds, snapshot).await {
        Ok(snapshot) => snapshot,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    if !revision.crds.is_empty() {
        let ids = revision.new.objects.iter().map(|object| &object.id);
        ctx.follow(&super::kinds(ids)).await?;
    }
    if let Err(error) = deploy::run(ctx, subject, applier.with_snapshot(snapshot), &plan).await {
        return cut_short(ctx, subject, settling, error).await;
    }
    // 9 settle
    start_settling(ctx, subject, settling).await
}

/// The objects are applied: waits for their health.
///
/// # Errors
/// A failed request.
pub(super) async fn start_settling(
    ctx: &Context,
    subject: &Subject,
    settling: Settling,
) -> Result<Next, Error> {
    let settling = Arc::new(Settling {
        applied: true,
        ..settling
    });
    ctx.deadlines.remove(&subject.key);
    ctx.settling.insert(&subject.key, settling.clone());
    ctx.decide(subject).await;
    settle::settle(ctx, subject, settling).await
}

/// The apply did not get through. What passes, or what a person can put right in the cluster, is tried again from the
/// pending record: until the deadline, and without one where only rights or room are missing and no remedy waits.
/// The rest fails the revision.
///
/// # Errors
/// What is tried again, and a failed request.
pub(super) async fn cut_short(
    ctx: &Context,
    subject: &Subject,
    settling: Settling,
    error: Error,
) -> Result<Next, Error> {
    let in_time = Instant::now() < settling.deadline;
    let goes_on = match error.again() {
        Again::Soon(_) => in_time,
        Again::Seldom => in_time || !settle::is_remediable(subject, &settling),
        Again::OnChange => false,
    };
    if goes_on {
        ctx.deadlines.insert(&subject.key, Arc::new(settling.deadline));
        return Err(error);
    }
    ctx.deadlines.remove(&subject.key);
    settle::give_up(ctx, subject, &settling, &error.to_string()).await
}

/// Watches the kinds of a revision's objects and says that it is these that are wanted.
///
/// # Errors
/// A failed request.
pub(super) async fn follow(
    ctx: &Context,
    subject: &Subject,
    objects: &[Object],
    revision: i64,
) -> Result<(), Error> {
    ctx.follow(&super::kinds(objects.iter().map(|object| &object.id)))
        .await?;
    let wanted = objects.iter().map(|object| (&object.id, object.version.as_str()));
    ctx.memory.want(&subject.key, revision, wanted);
    Ok(())
}

/// Writes the pending record, the companion, and the end of an earlier revision that never got ready.
async fn begin(ctx: &Context, subject: &Subject, revision: &Revision, base: &Base) -> Result<Stored, Error> {
    let stored = ctx
        .store
        .begin(revision.record.clone(), &ctx.settings.identity)
        .await?;
    let number = stored.head.revision;
    ctx.memory.recorded(&subject.release, stored.head.clone());
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = number,
          change = revision.change.noun(), "release begun");
    let mut extra = serde_json::Map::new();
    if let Some(cause) = &revision.cause {
        let cause =
            json!({"reason": cause.reason, "message": cause.message, "inputDigest": cause.input_digest});
        extra.insert(resume::CAUSE.to_owned(), cause);
    }
    asked::keep(ctx, subject, &revision.input_digest, &mut extra);
    let companion = Companion {
        owner: Owner {
            namespace: subject.key.namespace.clone(),
            name: subject.key.name.clone(),
            uid: subject.uid().to_owned(),
        },
        revision: number,
        input_digest: revision.input_digest.clone(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        lookups: revision.lookups.clone(),
        extra,
    };
    ctx.companions.write(ctx, subject, companion).await?;
    if let Some(stale) = &base.newest
        && stale.release.info.status.is_pending()
    {
        let description = format!("Replaced by revision {number} before it was ready");
        let stale = ctx
            .store
            .finish(stale.clone(), Status::Superseded, description)
            .await?;
        ctx.memory.recorded(&subject.release, stale.head);
    }
    Ok(stored)
}
