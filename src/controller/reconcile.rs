//! The flow: what a HelmApp goes through, in order. The steps are numbered as in the design.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use helmapp_helm::plan::{Object, ObjectId};
use helmapp_helm::release::{Release, Status};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::{ChartStatus, HelmApp};
use crate::cluster::apply::Applier;
use crate::metrics::Outcome;
use crate::store::{Companion, Head, Owner, Stored};

use super::inputs;
use super::planning::{self, Known, NewObjects};
use super::policy::{self, Again, Error};
use super::revision::{Change, History, documents, rendered, returned, stored_objects};
use super::settle::{Cause, Settling};
use super::subject::Subject;
use super::{Context, access, claim, deploy, drift, finalize, namespace, report, restore, settle};

/// What a reconcile waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A change of the inputs or of the objects.
    Change,
    /// A change, or this time.
    After(Duration),
}

/// Takes a HelmApp as far as it goes now.
pub(super) async fn reconcile(app: Arc<HelmApp>, ctx: Arc<Context>) -> Action {
    let began = Instant::now();
    let subject = Subject::new(app, &ctx.identities, &ctx.settings);
    let (next, outcome) = match advance(&ctx, &subject).boxed().await {
        Ok((next, outcome)) => {
            ctx.memory.succeeded(&subject.key);
            (next, outcome)
        }
        Err(error) => (fall_back(&ctx, &subject, &error).boxed().await, Outcome::Failed),
    };
    ctx.metrics.reconciled(outcome, began.elapsed());
    match next {
        Next::Change => Action::await_change(),
        Next::After(wait) => Action::requeue(wait),
    }
}

async fn advance(ctx: &Context, subject: &Subject) -> Result<(Next, Outcome), Error> {
    if subject.app.metadata.deletion_timestamp.is_some() {
        return Ok((finalize::finalize(ctx, subject).await?, Outcome::Changed));
    }
    if subject.app.spec.suspend {
        report::suspended(ctx, subject);
        return Ok((Next::Change, Outcome::Unchanged));
    }
    // 0 stop?
    let basis = ctx.basis(subject).await?;
    if ctx.memory.basis(&subject.key).as_ref() == Some(&basis) {
        return Ok((keep(ctx, subject).await?, Outcome::Unchanged));
    }
    ctx.begun.insert(&subject.key, Arc::new(basis));
    Ok((pursue(ctx, subject).await?, Outcome::Changed))
}

/// The inputs are not those of the last decision: decide again, and do what follows from it.
async fn pursue(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    access::require(ctx, subject).await?;
    if let Some(by) = claim::holder(ctx, subject).await? {
        return Err(Error::Claimed {
            release: subject.release.clone(),
            by,
        });
    }
    ctx.memory.own(&subject.release, &subject.key);
    refuse_foreign(ctx, subject)?;
    restore::restore(ctx, subject).await?;
    if let Some(revision) = rollback_wanted(ctx, subject) {
        return roll_back_to(ctx, subject, revision).await;
    }
    if let Some(revision) = rollback_stands(ctx, subject) {
        let digest = restore::rollback_digest(subject, revision);
        return match restore::pending(ctx, subject, &digest).await? {
            Some(pending) => resume(ctx, subject, pending, &[], &ChartStatus::default()).await,
            None => stand(ctx, subject, &digest).await,
        };
    }
    // 1 source, 2 chart, 3 values
    let gathered = inputs::gather(ctx, subject).await?;
    if let Some(pending) = restore::pending(ctx, subject, &gathered.digest).await? {
        return resume(ctx, subject, pending, &gathered.crds, &gathered.chart_status).await;
    }
    if !is_new(ctx, subject, &gathered.digest) {
        return stand(ctx, subject, &gathered.digest).await;
    }
    // 4 store
    let base = Base::read(ctx, subject).await?;
    // 5 render
    let wanted = inputs::render(ctx, subject, &gathered, base.next(), base.is_install()).await?;
    if let Some(underway) = underway(ctx, subject, &wanted) {
        let input_digest = gathered.digest.clone();
        let settling = Settling {
            input_digest,
            ..Settling::clone(&underway)
        };
        ctx.settling.insert(&subject.key, Arc::new(settling));
        return stand(ctx, subject, &gathered.digest).await;
    }
    if let Some(newest) = base.same_as(&wanted) {
        if ctx.memory.revision(&subject.key) != newest.head.revision {
            adopt(ctx, subject, newest).await?;
        }
        report::unchanged(ctx, subject, &gathered, newest);
        return stand(ctx, subject, &gathered.digest).await;
    }
    let change = if base.is_install() {
        Change::Install
    } else {
        Change::Upgrade
    };
    let snapshot = ctx.discovery.snapshot().await?;
    let new = planning::new_objects(
        wanted.documents.clone(),
        &gathered.crds,
        &subject.release.namespace,
        &snapshot,
    )
    .map_err(Error::Objects)?;
    let revision = Revision {
        record: rendered(subject, &wanted, change, &base.history),
        change,
        new,
        crds: gathered.crds.clone(),
        input_digest: gathered.digest.clone(),
        lookups: wanted.lookups.clone(),
        chart: gathered.chart_status.clone(),
        cause: None,
    };
    release(ctx, subject, revision, base).await
}

/// Takes over the objects of a deployed revision that this process knows nothing of. Each is applied once more,
/// which changes nothing where it is as it should be, and is followed from then on.
async fn adopt(ctx: &Context, subject: &Subject, newest: &Stored) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let new = new_of(&newest.release, &[], subject, &snapshot)?;
    let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
    let known = Known {
        last: &new.objects,
        last_applied: false,
        dirty: &BTreeSet::new(),
        uids: &ctx.memory.uids(&subject.key),
        coming_namespaces: &BTreeSet::new(),
    };
    let plan = planning::plan(&applier, &new, &known).await?;
    finalize::ensure(ctx, subject).await?;
    deploy::run(ctx, subject, applier, &plan).await?;
    follow(ctx, subject, &new.objects, newest.head.revision).await
}

/// Nothing new is asked for: drift, health and the deadline are all there can be.
async fn keep(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    let wait = match drift::correct(ctx, subject).await {
        Ok(wait) => wait,
        Err(error) => {
            let settling = ctx
                .settling
                .get(&subject.key)
                .filter(|settling| settling.is_late());
            return match settling {
                Some(settling) => {
                    let message = settle::late(subject, &settling, &error);
                    settle::give_up(ctx, subject, &settling, &message).await
                }
                None => Err(error),
            };
        }
    };
    let next = keep_healthy(ctx, subject).await?;
    Ok(match (next, wait) {
        (next, None) => next,
        (Next::Change, Some(wait)) => Next::After(wait),
        (Next::After(next), Some(wait)) => Next::After(next.min(wait)),
    })
}

/// Health, the deadline and the remedy.
async fn keep_healthy(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    if let Some(settling) = ctx.settling.get(&subject.key) {
        if let Some(good) = settle::remedy(subject, &settling) {
            return roll_back(ctx, subject, good, Some(settle::cause_of(&settling))).await;
        }
        return settle::settle(ctx, subject, settling).await;
    }
    settle::look(ctx, subject).await?;
    report::health(ctx, subject);
    Ok(Next::Change)
}

/// The release is what the inputs ask for, or what they ask for was tried and failed.
async fn stand(ctx: &Context, subject: &Subject, digest: &str) -> Result<Next, Error> {
    ctx.decide(subject).await;
    let next = keep(ctx, subject).await?;
    match in_force(ctx, subject, digest) {
        Some(head) if ctx.settling.get(&subject.key).is_none() => report::in_force(ctx, subject, &head),
        _ => report::observed(ctx, subject),
    }
    Ok(next)
}

/// A revision that is about to be made.
pub(super) struct Revision {
    record: Release,
    change: Change,
    new: NewObjects,
    crds: Vec<Value>,
    input_digest: String,
    lookups: serde_json::Map<String, Value>,
    chart: ChartStatus,
    cause: Option<Cause>,
}

/// Steps 6 to 9 for a revision.
async fn release(
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

async fn start_settling(ctx: &Context, subject: &Subject, settling: Settling) -> Result<Next, Error> {
    let settling = Arc::new(Settling {
        applied: true,
        ..settling
    });
    ctx.settling.insert(&subject.key, settling.clone());
    ctx.decide(subject).await;
    settle::settle(ctx, subject, settling).await
}

/// The apply did not get through. What passes is tried again from the pending record; the rest fails the revision.
async fn cut_short(
    ctx: &Context,
    subject: &Subject,
    settling: Settling,
    error: Error,
) -> Result<Next, Error> {
    match error.again() {
        Again::Soon(_) if Instant::now() < settling.deadline => Err(error),
        Again::Soon(_) | Again::Seldom | Again::OnChange => {
            settle::give_up(ctx, subject, &settling, &error.to_string()).await
        }
    }
}

/// Watches the kinds of a revision's objects and says that it is these that are wanted.
async fn follow(ctx: &Context, subject: &Subject, objects: &[Object], revision: i64) -> Result<(), Error> {
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
        extra.insert(restore::CAUSE.to_owned(), cause);
    }
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

/// Goes on with a pending revision of ours: after a crash, or after an apply that was interrupted.
async fn resume(
    ctx: &Context,
    subject: &Subject,
    pending: restore::Pending,
    crds: &[Value],
    chart: &ChartStatus,
) -> Result<Next, Error> {
    let stored = pending.stored;
    let change = Change::of(&stored.release);
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = stored.head.revision, "resuming");
    let deployed = restore::deployed(ctx, subject).await?;
    let begun = stored
        .release
        .info
        .last_deployed
        .timestamp()
        .unwrap_or_else(Timestamp::now);
    let spent = Duration::try_from(Timestamp::now() - begun).unwrap_or_default();
    let settling = Settling {
        deadline: Instant::now() + subject.timeout(change).saturating_sub(spent),
        change,
        input_digest: pending.input_digest,
        chart: report::chart_of(&stored.release, chart),
        replaces: deployed.clone(),
        cause: pending.cause,
        applied: false,
        failed: false,
        stored,
    };
    let snapshot = ctx.discovery.snapshot().await?;
    let snapshot = match deploy::install_crds(ctx, subject, crds, snapshot).await {
        Ok(snapshot) => snapshot,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    let new = match new_of(&settling.stored.release, crds, subject, &snapshot) {
        Ok(new) => new,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    let last = stored_objects(deployed.iter().map(|stored| &stored.release), &snapshot)?;
    let uids = ctx.memory.uids(&subject.key);
    let none = BTreeSet::new();
    let nowhere = BTreeSet::new();
    let known = Known {
        last: &last,
        last_applied: false,
        dirty: &none,
        uids: &uids,
        coming_namespaces: &nowhere,
    };
    let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
    let mut plan = match planning::plan(&applier, &new, &known).await {
        Ok(plan) => plan,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    if settling.cause.is_some() {
        planning::spare_data(&mut plan);
    }
    follow(ctx, subject, &new.objects, settling.stored.head.revision).await?;
    if let Err(error) = deploy::run(ctx, subject, applier, &plan).await {
        return cut_short(ctx, subject, settling, error).await;
    }
    start_settling(ctx, subject, settling).await
}

/// Goes back to the revision that `spec.rollback.toRevision` names.
async fn roll_back_to(ctx: &Context, subject: &Subject, revision: i64) -> Result<Next, Error> {
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
    let new = new_of(&target.release, &[], subject, &snapshot)?;
    let input_digest = match &cause {
        Some(cause) => cause.input_digest.clone(),
        None => restore::rollback_digest(subject, target.head.revision),
    };
    let revision = Revision {
        record: returned(&target.release, &base.history),
        change: Change::Rollback(target.head.revision),
        new,
        crds: Vec::new(),
        input_digest,
        lookups: serde_json::Map::new(),
        chart: report::chart_of(&target.release, &ChartStatus::default()),
        cause,
    };
    release(ctx, subject, revision, base).await
}

pub(super) fn new_of(
    release: &Release,
    crds: &[Value],
    subject: &Subject,
    snapshot: &crate::cluster::discovery::Snapshot,
) -> Result<NewObjects, Error> {
    let documents = documents(release)?
        .into_iter()
        .map(|document| document.object)
        .filter(|object| !object.is_null());
    planning::new_objects(documents.collect(), crds, &subject.release.namespace, snapshot)
        .map_err(Error::Objects)
}

/// The last revisions, as far as a new one has to know them.
#[derive(Debug, Default)]
pub(super) struct Base {
    newest: Option<Stored>,
    deployed: Option<Stored>,
    history: History,
}

impl Base {
    /// Reads the newest revision and, where that is not it, the deployed one.
    ///
    /// # Errors
    /// A failed request, or a record that can't be read.
    pub(super) async fn read(ctx: &Context, subject: &Subject) -> Result<Self, Error> {
        let heads: Vec<Head> = ctx.memory.records(&subject.release);
        let Some(head) = heads.first() else {
            return Ok(Self::default());
        };
        let settling = ctx
            .settling
            .get(&subject.key)
            .filter(|settling| settling.stored.head == *head);
        let newest = match settling {
            Some(settling) => Some(settling.stored.clone()),
            None => ctx.store.read(&subject.release, head.revision).await?,
        };
        let deployed = match head.status {
            Status::Deployed => newest.clone(),
            _ => restore::deployed(ctx, subject).await?,
        };
        let history = History::new(&heads, newest.as_ref());
        Ok(Self {
            newest,
            deployed,
            history,
        })
    }

    /// There is nothing to upgrade.
    pub(super) fn is_install(&self) -> bool {
        self.newest
            .as_ref()
            .is_none_or(|newest| newest.release.info.status == Status::Uninstalled)
    }

    /// The newest revision is the deployed one.
    pub(super) fn is_deployed(&self) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| newest.release.info.status == Status::Deployed)
    }

    /// The number of the revision that comes next.
    pub(super) fn next(&self) -> i64 {
        self.history.next()
    }

    /// The newest revision, if it already is what is wanted.
    fn same_as(&self, wanted: &inputs::Wanted) -> Option<&Stored> {
        let newest = self.newest.as_ref()?;
        let release = &newest.release;
        (release.info.status == Status::Deployed && is_same(release, wanted)).then_some(newest)
    }

    /// What the last revisions left in the cluster.
    pub(super) fn objects(
        &self,
        snapshot: &crate::cluster::discovery::Snapshot,
    ) -> Result<Vec<Object>, Error> {
        if self.is_install() {
            return Ok(Vec::new());
        }
        stored_objects(
            self.newest
                .iter()
                .chain(&self.deployed)
                .map(|stored| &stored.release),
            snapshot,
        )
    }

    /// Whether we know that the newest revision's objects are there as it says.
    fn is_applied(&self, ctx: &Context, subject: &Subject) -> bool {
        let applied = ctx.memory.revision(&subject.key);
        let settling = ctx.settling.get(&subject.key);
        self.newest.as_ref().is_some_and(|newest| {
            let settles = |settling: &Settling| {
                settling.applied && settling.stored.head.revision == newest.head.revision
            };
            newest.head.revision == applied
                && (newest.head.status == Status::Deployed || settling.as_deref().is_some_and(settles))
        })
    }
}

/// The revision that settles, if it already is what is wanted: other inputs can give the same.
fn underway(ctx: &Context, subject: &Subject, wanted: &inputs::Wanted) -> Option<Arc<Settling>> {
    let settling = ctx.settling.get(&subject.key)?;
    let going_on = settling.applied && !settling.failed && settling.cause.is_none();
    (going_on && is_same(&settling.stored.release, wanted)).then_some(settling)
}

fn is_same(release: &Release, wanted: &inputs::Wanted) -> bool {
    release.info.rollback_revision == 0
        && release.manifest == wanted.manifest
        && release.config == wanted.config
        && release.chart.metadata == wanted.chart.metadata
        && release.hooks.len() == wanted.hooks.len()
        && release
            .hooks
            .iter()
            .zip(&wanted.hooks)
            .all(|(old, new)| old.manifest == new.manifest)
}

/// A pending revision of somebody else is left alone for a while.
fn refuse_foreign(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads
        .first()
        .filter(|head| head.status.is_pending() && head.holder.is_none())
    else {
        return Ok(());
    };
    let changed = head.changed.unwrap_or_else(Timestamp::now);
    let quiet = Duration::try_from(Timestamp::now() - changed).unwrap_or_default();
    let wait = ctx.settings.pending_takeover.saturating_sub(quiet);
    if wait.is_zero() {
        warn!(release = %subject.release, revision = head.revision, "taking over a pending revision");
        return Ok(());
    }
    Err(Error::PendingElsewhere {
        release: subject.release.clone(),
        revision: head.revision,
        status: head.status.as_str().to_owned(),
        wait,
    })
}

/// The revision to go back to, unless that was done.
pub(super) fn rollback_wanted(ctx: &Context, subject: &Subject) -> Option<i64> {
    let wanted = subject.app.spec.rollback.to_revision?;
    let done = ctx.status.current(&subject.app).rollback;
    done.is_none_or(|done| done.to_revision != wanted)
        .then_some(wanted)
}

/// The revision that a rollback went to, while chart and values have not changed since.
fn rollback_stands(ctx: &Context, subject: &Subject) -> Option<i64> {
    let wanted = subject.app.spec.rollback.to_revision?;
    let done = ctx.status.current(&subject.app).rollback?;
    (done.to_revision == wanted && done.spec_digest == subject.spec_digest()).then_some(wanted)
}

/// The newest revision, if it is deployed, was made from these inputs, and does not stand in for a failed one.
fn in_force(ctx: &Context, subject: &Subject, digest: &str) -> Option<Head> {
    let status = ctx.status.current(&subject.app);
    let attempt = status.last_attempted.as_ref();
    if attempt.is_some_and(|attempt| attempt.input_digest == digest && attempt.reason.is_some()) {
        return None;
    }
    let release = status.release.as_ref()?;
    let heads = ctx.memory.records(&subject.release);
    let newest = heads.into_iter().next()?;
    let same = release.input_digest.as_deref() == Some(digest) && newest.revision == release.revision;
    (same && newest.status == Status::Deployed).then_some(newest)
}

/// Whether the inputs ask for something that is neither there nor was tried in vain.
fn is_new(ctx: &Context, subject: &Subject, digest: &str) -> bool {
    if let Some(settling) = ctx.settling.get(&subject.key)
        && settling.input_digest == digest
        && (!settling.failed || !is_edited(ctx, subject))
    {
        return false;
    }
    let status = ctx.status.current(&subject.app);
    let heads = ctx.memory.records(&subject.release);
    let newest = heads.first().filter(|head| head.status == Status::Deployed);
    let released = status.release.as_ref().is_some_and(|release| {
        release.input_digest.as_deref() == Some(digest)
            && newest.is_some_and(|head| head.revision == release.revision)
    });
    let failed = status.last_attempted.as_ref().is_some_and(|attempt| {
        attempt.input_digest == digest && attempt.reason.is_some() && !is_edited(ctx, subject)
    });
    !released && !failed
}

fn is_edited(ctx: &Context, subject: &Subject) -> bool {
    ctx.status.current(&subject.app).observed_generation != Some(subject.generation())
}

/// What an error means for the next try, and says so in status.
async fn fall_back(ctx: &Context, subject: &Subject, error: &Error) -> Next {
    let failures = ctx.memory.failed(&subject.key);
    let again = error.again();
    let wait = policy::delay(again, failures, &ctx.settings, super::random(failures));
    let message = ctx.clean(subject, &error.to_string());
    warn!(app = %subject.key.name, namespace = %subject.key.namespace, reason = error.reason(), error = message,
          retry_seconds = wait.map(|wait| wait.as_secs()), "reconcile failed");
    report::error(ctx, subject, error, &message);
    match wait {
        // Whose the release is depends on other HelmApps, which no basis has in it.
        None if matches!(error, Error::Claimed { .. }) => {
            ctx.memory.decided(&subject.key, None);
            Next::Change
        }
        None => {
            ctx.decide(subject).await;
            Next::Change
        }
        Some(wait) => {
            ctx.memory.decided(&subject.key, None);
            Next::After(wait)
        }
    }
}
