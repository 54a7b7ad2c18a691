//! A pending revision of ours that nobody works on, after a crash or an apply that was interrupted: it goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use helmapp_helm::release::{Release, Status};
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use crate::api::ChartStatus;
use crate::api::conditions::reason;
use crate::failpoints::failpoint;
use crate::store::{Companion, Progress, Stored, StoredCompanion};

use super::base::{self, Before};
use super::deploy::Waiting;
use super::inputs::Gathered;
use super::planning::{self, Known};
use super::policy::Error;
use super::reconcile::Next;
use super::record::Record;
use super::release::{apply, cut_short, follow, spare, start_settling};
use super::revision::{Change, returned_objects};
use super::settle::{self, Cause, Settling};
use super::stages::{self, Stage};
use super::subject::Subject;
use super::{Context, asked, crds, finalize, history, hooks, leftover, report, taken, veil};

/// Where the companion keeps why a revision remedies another.
pub(super) const CAUSE: &str = "cause";
/// Where the companion keeps which try at the same a revision is.
pub(super) const TRIES: &str = "tries";

/// Where the companion keeps that what made a revision fail passes by itself.
pub(super) const PASSES: &str = "passes";

/// A pending revision of ours that nobody works on.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its record.
    stored: Stored,
    /// What the companion says of it; `None` when that was lost.
    companion: Option<Companion>,
    /// How far its hooks are.
    progress: Progress,
}

impl Pending {
    /// Whether it was made from inputs of this digest.
    pub(super) fn is_from(&self, digest: &str) -> bool {
        let companion = self.companion.as_ref();
        companion.is_some_and(|companion| companion.input_digest == digest)
    }

    /// Whether it was made from what the user gives now. The cluster's capabilities do not count: its own CRDs change
    /// them.
    pub(super) fn is_of(&self, gathered: &Gathered) -> bool {
        let companion = self.companion.as_ref();
        let same = companion.is_some_and(|companion| companion.made_from == gathered.inputs);
        same || self.is_from(&gathered.digest)
    }

    /// Why it remedies another. Without a companion a way back that nobody asked for is a remedy as well.
    fn cause(&self, ctx: &Context, subject: &Subject) -> Option<Cause> {
        match &self.companion {
            Some(companion) => cause(companion),
            None if self.stored.release.info.status == Status::PendingRollback => {
                let attempt = ctx.status.current(&subject.app).last_attempted?;
                Some(Cause {
                    reason: known(attempt.reason.as_deref()?)?,
                    message: "an earlier revision failed".to_owned(),
                    input_digest: attempt.input_digest,
                    made_from: String::new(),
                    tries: attempt.failures.max(1),
                    passes: attempt.passes,
                })
            }
            None => None,
        }
    }

    /// The revision, under way. `gathered` is what it was made from, where that is read.
    fn settling(self, ctx: &Context, subject: &Subject, gathered: Option<&Gathered>) -> Settling {
        let cause = self.cause(ctx, subject);
        let Self {
            stored,
            companion,
            progress,
        } = self;
        let change = Change::of(&stored.release);
        let deadline = ctx.deadlines.get(&subject.key).map(|known| known.1);
        let heads = ctx.memory.records(&subject.release);
        let companion = companion.unwrap_or_default();
        let tries = tries(&companion);
        let is_of = gathered.filter(|gathered| companion.made_from == gathered.inputs);
        let unknown = ChartStatus::default();
        let chart = gathered.map_or(&unknown, |gathered| &gathered.chart_status);
        Settling {
            deadline: deadline.unwrap_or_else(|| Instant::now() + subject.timeout(change)),
            change,
            // What only the cluster changed since is not asked for again.
            input_digest: is_of.map_or(companion.input_digest, |gathered| gathered.digest.clone()),
            made_from: companion.made_from,
            chart: report::chart_of(&stored.release, chart),
            replaces: base::deployed_head(&heads).cloned().map(Record::of_head),
            cause,
            stage: Stage::Apply,
            progress,
            waiting: None,
            tries,
            failed: false,
            passes: false,
            record: stored.into(),
        }
    }
}

/// The pending revision of ours that nobody works on.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn pending(ctx: &Context, subject: &Subject) -> Result<Option<Pending>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads
        .first()
        .filter(|head| head.is_under_way() && head.holder.is_some())
    else {
        return Ok(None);
    };
    let settles = |settling: &Settling| settling.record.head.uid == head.uid;
    if ctx.settling.get(&subject.key).as_deref().is_some_and(settles) {
        return Ok(None);
    }
    let known = ctx.deadlines.get(&subject.key);
    if known.is_none_or(|known| known.0 != head.revision) {
        // While nobody worked on it its time stood still. In this process it goes on from where it was.
        let deadline = Instant::now() + subject.timeout(Change::under_way(head));
        ctx.deadlines
            .insert(&subject.key, Arc::new((head.revision, deadline)));
    }
    let companion = ctx.companions.read(ctx, subject).await?;
    let companion = companion
        .map(|StoredCompanion { companion, .. }| companion)
        .filter(|companion| companion.revision == head.revision);
    if let Some(companion) = &companion {
        asked::learn_from(ctx, subject, companion);
    }
    let Some(mut stored) = ctx.store.read(&subject.release, head.revision).await? else {
        return Ok(None);
    };
    let progress = take(ctx, subject, &mut stored).await?;
    Ok(Some(Pending {
        stored,
        companion,
        progress,
    }))
}

/// Makes a pending revision this process's own, and reads how far its hooks are.
async fn take(ctx: &Context, subject: &Subject, stored: &mut Stored) -> Result<Progress, Error> {
    if stored.head.holder.as_deref() != Some(&ctx.settings.identity) {
        let taken = ctx
            .store
            .take_over(&subject.release, &stored.head, &ctx.settings.identity);
        stored.head = taken.await?;
        ctx.memory.recorded(&subject.release, stored.head.clone());
    }
    if stored.release.hooks.is_empty() {
        return Ok(Progress::default());
    }
    Ok(ctx.store.progress(&subject.release, stored.head.revision).await?)
}

/// Goes on with a pending revision. `gathered` is what it was made from, where that is read.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn resume(
    ctx: &Context,
    subject: &Subject,
    pending: Pending,
    gathered: Option<&Gathered>,
) -> Result<Next, Error> {
    let revision = pending.stored.head.revision;
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision, "resuming");
    let release = pending.stored.release.clone();
    ctx.settling.remove(&subject.key);
    let mut settling = pending.settling(ctx, subject, gathered);
    report::begun(ctx, subject, &settling);
    history::end_replaced(ctx, subject, revision, None).await;
    let crds = gathered.map_or(&[][..], |gathered| &gathered.crds);
    if !hooks::before(subject, settling.change, &release).is_empty() {
        settling.deadline = hooks::deadline(&settling.progress, subject.timeout(settling.change));
        if let Err(error) = veil::recall_all(ctx, subject, &release).await {
            return cut_short(ctx, subject, settling, error).await;
        }
        return stages::begin(ctx, subject, settling, crds).boxed().await;
    }
    match go_on(ctx, subject, &mut settling, &release, crds).await {
        Ok(waiting) => start_settling(ctx, subject, settling, waiting).await,
        Err(error) => cut_short(ctx, subject, settling, error).await,
    }
}

/// Goes on with the objects of a revision, after its hooks.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) fn carry_on<'a>(
    ctx: &'a Context,
    subject: &'a Subject,
    settling: Settling,
    release: &'a Release,
) -> BoxFuture<'a, Result<Next, Error>> {
    apply_after_hooks(ctx, subject, settling, release).boxed()
}

async fn apply_after_hooks(
    ctx: &Context,
    subject: &Subject,
    mut settling: Settling,
    release: &Release,
) -> Result<Next, Error> {
    let known = ctx.deadlines.get(&subject.key);
    let known = known.filter(|known| known.0 == settling.record.head.revision);
    settling.deadline = known.map_or_else(
        || Instant::now() + subject.timeout(settling.change),
        |known| known.1,
    );
    settling.stage = Stage::Apply;
    // What interrupts it goes on from the record.
    ctx.settling.remove(&subject.key);
    match go_on(ctx, subject, &mut settling, release, &[]).await {
        Ok(waiting) => start_settling(ctx, subject, settling, waiting).await,
        Err(error) => cut_short(ctx, subject, settling, error).await,
    }
}

/// The time of a revision whose apply was interrupted is over.
pub(super) fn is_overdue(ctx: &Context, subject: &Subject) -> bool {
    let known = ctx.deadlines.get(&subject.key);
    known.is_some_and(|known| Instant::now() >= known.1)
}

/// Gives up a revision whose apply was interrupted and whose time is over, when what it needs to go on can't be had.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn overdue(ctx: &Context, subject: &Subject, why: &Error) -> Result<(), Error> {
    // An older HelmApp that has the release decides about its revisions.
    let ours = !matches!(why, Error::Claimed { .. } | Error::PendingElsewhere { .. });
    if !ours || !is_overdue(ctx, subject) {
        return Ok(());
    }
    if let Some(pending) = pending(ctx, subject).await? {
        let settling = pending.settling(ctx, subject, None);
        let message = settle::late(subject, &settling, why);
        settle::give_up(ctx, subject, &settling.passing(why), &message).await?;
        // What is asked for is still to be tried.
        ctx.memory.decided(&subject.key, None);
    }
    ctx.deadlines.remove(&subject.key);
    Ok(())
}

/// Steps 6 and 8 once more.
async fn go_on(
    ctx: &Context,
    subject: &Subject,
    settling: &mut Settling,
    release: &Release,
    documents: &[Value],
) -> Result<Option<Waiting>, Error> {
    finalize::ensure(ctx, subject).await?;
    let deployed = base::deployed(ctx, subject).await?;
    settling.replaces = deployed.clone().map(Record::from);
    let between = base::between(ctx, subject, &ctx.memory.records(&subject.release)).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    let snapshot = crds::install(ctx, subject, documents, snapshot).await?;
    let new = returned_objects(release, documents, &snapshot)?;
    let of_hooks = hooks::all(&release.hooks, &release.namespace, &snapshot);
    veil::recall(ctx, subject, new.objects.iter().chain(&of_hooks)).await?;
    let deployed = deployed.iter().map(|stored| &stored.release);
    let before = Before::of(deployed, &between, false, &snapshot)?;
    before.require_gone(ctx, &new.objects).await?;
    let known = Known {
        last: &before.last,
        left: &before.left,
        last_applied: false,
        dirty: &BTreeSet::new(),
        uids: &ctx.memory.uids(&subject.key),
        coming_namespaces: &BTreeSet::new(),
        rules: subject.rules(),
    };
    let applier = subject.applier(snapshot.clone());
    let mut plan = planning::plan(&ctx.store, &applier, &new, &known).await?;
    if let Some(cause) = &mut settling.cause {
        // Most are in the companion since the revision was begun.
        let left = spare(ctx, subject, &snapshot, &mut plan, cause).await?;
        leftover::note(ctx, subject, left).await?;
    }
    failpoint("resume.planned");
    follow(ctx, subject, &plan.made().collect::<Vec<_>>(), release.version).await?;
    let removal = taken::removal(ctx, subject, settling.change, settling.cause.as_ref(), release).await?;
    apply(ctx, subject, &new, applier, plan, removal).await
}

/// Why the companion's revision remedies another.
pub(super) fn cause(companion: &Companion) -> Option<Cause> {
    let value = companion.extra.get(CAUSE)?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Cause {
        reason: known(&text("reason")?)?,
        message: text("message")?,
        input_digest: text("inputDigest")?,
        made_from: companion.made_from.clone(),
        tries: tries(companion),
        passes: value.get(PASSES).and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// Whether what made the companion's revision fail passes by itself.
pub(super) fn passes(companion: &Companion) -> bool {
    let said = companion.extra.get(PASSES).and_then(Value::as_bool);
    said.unwrap_or_default()
}

/// Which try at the same the companion's revision is.
pub(super) fn tries(companion: &Companion) -> u32 {
    let known = companion.extra.get(TRIES).and_then(Value::as_u64);
    known
        .and_then(|known| u32::try_from(known).ok())
        .unwrap_or_default()
        .max(1)
}

fn known(text: &str) -> Option<&'static str> {
    reason::ALL.into_iter().find(|known| *known == text)
}
