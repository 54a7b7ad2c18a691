//! Steps 6 to 8: a revision is planned, begun and applied. What is done here can be done again from the pending
//! record.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use helmapp_helm::plan::{Action, Object, ObjectId, Plan};
use helmapp_helm::release::Release;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::info;

use crate::api::ChartStatus;
use crate::cluster::apply::Applier;
use crate::cluster::discovery::Snapshot;
use crate::excerpt;
use crate::failpoints::failpoint;
use crate::store::{
    self, Companion, KeptMemo, LeftObject, Owner, Places, Prepared, Progress, SecretPlaces, Store, Stored,
};

use super::base::Base;
use super::deploy::{Removal, Waiting};
use super::planning::{self, Known, NewObjects};
use super::policy::{self, Again, Error};
use super::preflight::{self, Coming};
use super::reconcile::Next;
use super::record::Record;
use super::revision::Change;
use super::settle::{self, Cause, Settling};
use super::stages::{self, Stage};
use super::subject::Subject;
use super::{
    Context, asked, crds, deploy, digests, finalize, history, hooks, leftover, namespace, report, resume,
    taken, veil,
};

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
    /// Digest of what of that the user gave.
    pub made_from: String,
    /// What lookups were answered, by digest.
    pub lookups: serde_json::Map<String, Value>,
    /// What made its random values, if there are any.
    pub memo: Option<KeptMemo>,
    /// The chart, for status.
    pub chart: ChartStatus,
    /// Why it remedies another.
    pub cause: Option<Cause>,
    /// Which try at the same this is, from 1.
    pub tries: u32,
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
    // What the server says to it can quote it.
    let of_hooks = hooks::all(&revision.record.hooks, &subject.release.namespace, &snapshot);
    let all = revision.new.objects.iter().chain(&of_hooks);
    veil::learn(ctx, subject, all.clone());
    let places = veil::places(ctx, subject, all).await?;
    let applier = subject.applier(snapshot.clone());
    // 6 plan
    let coming_namespaces = namespace::missing(ctx, subject).await?;
    let before = base.objects(base.is_applied(ctx, subject), &snapshot)?;
    before.require_gone(ctx, &revision.new.objects).await?;
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
        last: &before.last,
        left: &before.left,
        last_applied: before.applied,
        dirty: &dirty,
        uids: &uids,
        coming_namespaces: &coming_namespaces,
        rules: subject.rules(),
    };
    let mut plan = planning::plan(&ctx.store, &applier, &revision.new, &known).await?;
    let coming = Coming {
        crds: &revision.crds,
        namespaces: &coming_namespaces,
    };
    preflight::check(subject, &snapshot, coming, &plan).await?;
    hooks::check(subject, &snapshot, revision.change, &revision.record).await?;
    crds::check(ctx, subject, &revision.crds).await?;
    let cause = revision.cause.as_ref();
    let removal = taken::removal(ctx, subject, revision.change, cause, &revision.record).await?;
    let taken = taken::by(&plan, &before.left);
    let spared = match &mut revision.cause {
        Some(cause) => spare(ctx, subject, &snapshot, &mut plan, cause).await?,
        None => Vec::new(),
    };
    failpoint("release.planned");
    // 7 begin
    let has_hooks = !hooks::before(subject, revision.change, &revision.record).is_empty();
    let record = Store::prepare(std::mem::take(&mut revision.record), &ctx.settings.identity)?;
    finalize::ensure(ctx, subject).await?;
    namespace::create(subject, &coming_namespaces, false).await?;
    let with = With {
        spared,
        taken,
        places,
    };
    let stored = begin(ctx, subject, record, &revision, &with, &base).await?;
    let number = stored.head.revision;
    // What became of an earlier revision is over.
    ctx.settling.remove(&subject.key);
    let settling = Settling {
        deadline: Instant::now() + subject.timeout(revision.change),
        record: stored.into(),
        change: revision.change,
        input_digest: revision.input_digest,
        made_from: revision.made_from,
        chart: revision.chart,
        replaces: base.deployed.map(Record::from),
        cause: revision.cause,
        stage: Stage::Apply,
        progress: Progress::default(),
        waiting: None,
        tries: revision.tries,
        failed: false,
        passes: false,
    };
    failpoint("release.begun");
    report::begun(ctx, subject, &settling);
    report::warnings(ctx, subject, &revision.new.warnings());
    if has_hooks {
        // The plan is made again when they are through: they may change what is there.
        return stages::begin(ctx, subject, settling, &revision.crds)
            .boxed()
            .await;
    }
    // 8 apply
    let applied = async {
        follow(ctx, subject, &plan.made().collect::<Vec<_>>(), number).await?;
        let snapshot = crds::install(ctx, subject, &revision.crds, snapshot).await?;
        let applier = applier.with_snapshot(snapshot);
        apply(ctx, subject, &revision.new, applier, plan, removal).await
    };
    match applied.await {
        Ok(waiting) => start_settling(ctx, subject, settling, waiting).await,
        Err(error) => cut_short(ctx, subject, settling, error).await,
    }
}

/// What the companion says of a revision that is about to begin, beside the revision.
struct With {
    /// What its plan leaves in the cluster.
    spared: Vec<LeftObject>,
    /// UIDs of objects that it takes over.
    taken: Vec<String>,
    /// Where it holds what came from Secrets.
    places: Places,
}

/// Leaves in the cluster what the plan of a remedy would delete and what can hold data, and says so in the cause.
///
/// # Errors
/// A failed request.
pub(super) async fn spare(
    ctx: &Context,
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    plan: &mut Plan<'_>,
    cause: &mut Cause,
) -> Result<Vec<LeftObject>, Error> {
    let goes = plan.operations.iter().filter(|one| one.action == Action::Delete);
    let below = leftover::with_data_below(subject, snapshot, goes.map(|one| &one.object.id)).await?;
    let spared = planning::spare_data(plan, &below);
    let uids = ctx.memory.uids(&subject.key);
    let left = spared
        .iter()
        .map(|object| leftover::left_object(object, &uids))
        .collect();
    if !spared.is_empty() {
        let said = format!(
            "left in the cluster, as it can hold data: {}",
            policy::ids(spared.iter().map(|object| &object.id))
        );
        if !cause.message.contains(&said) {
            cause.message = excerpt::with(&cause.message, &said);
        }
    }
    Ok(left)
}

/// Step 8: the operations of a plan. What is to be waited for before it goes on, if anything. Kinds that came with the revision's own CRDs are watched from here on.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn apply(
    ctx: &Context,
    subject: &Subject,
    new: &NewObjects,
    applier: Applier,
    plan: Plan<'_>,
    removal: Removal,
) -> Result<Option<Waiting>, Error> {
    if !new.coming_kinds.is_empty() {
        let ids = new.objects.iter().map(|object| &object.id);
        ctx.follow(&super::kinds(ids)).await?;
    }
    deploy::run(ctx, subject, applier, plan, new.order.clone(), removal).await
}

/// The objects are applied, or as far as they can be now: waits for their health.
///
/// # Errors
/// A failed request.
pub(super) async fn start_settling(
    ctx: &Context,
    subject: &Subject,
    settling: Settling,
    waiting: Option<Waiting>,
) -> Result<Next, Error> {
    let stage = match waiting {
        Some(_) => {
            failpoint("release.waits");
            Stage::Apply
        }
        None => {
            failpoint("release.applied");
            Stage::Wait
        }
    };
    let settling = Arc::new(Settling {
        stage,
        waiting: waiting.map(Arc::new),
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
        // What waits for a person has its time once more; only what keeps it from that wait ends it.
        let until = match in_time {
            true => settling.deadline,
            false => Instant::now() + subject.timeout(settling.change),
        };
        let deadline = (settling.record.head.revision, until);
        ctx.deadlines.insert(&subject.key, Arc::new(deadline));
        return Err(error);
    }
    let next = settle::give_up(ctx, subject, &settling.passing(&error), &error.to_string()).await?;
    // Only now: one that could not be given up is not to have its time once more.
    ctx.deadlines.remove(&subject.key);
    Ok(next)
}

/// Watches the kinds of a revision's objects and says that it is these that are wanted.
///
/// # Errors
/// A failed request.
pub(super) async fn follow(
    ctx: &Context,
    subject: &Subject,
    objects: &[&Object],
    revision: i64,
) -> Result<(), Error> {
    ctx.follow(&super::kinds(objects.iter().map(|object| &object.id)))
        .await?;
    let wanted = objects.iter().map(|object| (&object.id, object.version.as_str()));
    ctx.memory.want(&subject.key, revision, wanted);
    Ok(())
}

/// Writes the companion, the pending record, and the end of an earlier revision that never got ready.
///
/// The companion goes first: a pending record that it says nothing of could not go on as what it is.
async fn begin(
    ctx: &Context,
    subject: &Subject,
    record: Prepared,
    revision: &Revision,
    with: &With,
    base: &Base,
) -> Result<Stored, Error> {
    let number = base.next();
    let (chunks, key) = (record.has_chunks(), digests::key()?);
    let next = |last: Companion| {
        let mut next = companion(ctx, subject, revision, number, with, last);
        next.chunks |= chunks;
        if next.digest_key.is_empty() {
            next.digest_key.clone_from(&key);
        }
        next
    };
    ctx.companions
        .write(ctx, subject, base.newest.is_some(), next)
        .await?;
    let stored = match ctx.store.begin(record).await {
        Err(error @ store::Error::Exists { .. }) => {
            // The next try has to know of it, whatever its watch has told.
            let found = ctx.store.head(&subject.release, number).await?;
            if let Some(head) = found {
                ctx.memory.recorded(&subject.release, head);
            }
            return Err(error.into());
        }
        begun => begun?,
    };
    ctx.memory.recorded(&subject.release, stored.head.clone());
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = number,
          change = revision.change.noun(), "release begun");
    history::end_replaced(ctx, subject, number, base.newest.as_ref()).await;
    Ok(stored)
}

fn companion(
    ctx: &Context,
    subject: &Subject,
    revision: &Revision,
    number: i64,
    with: &With,
    last: Companion,
) -> Companion {
    let mut extra = serde_json::Map::new();
    extra.insert(resume::TRIES.to_owned(), revision.tries.into());
    if let Some(cause) = &revision.cause {
        let cause = json!({"reason": cause.reason, "message": cause.message, "inputDigest": cause.input_digest,
                           "passes": cause.passes});
        extra.insert(resume::CAUSE.to_owned(), cause);
    }
    asked::keep(ctx, subject, &revision.input_digest, &mut extra);
    let mut secret_places = last.secret_places;
    let heads = ctx.memory.records(&subject.release);
    secret_places.retain(|stored| heads.iter().any(|head| head.revision == stored));
    secret_places.put(number, held(revision.change, &with.places, &secret_places));
    let mut companion = Companion {
        owner: Owner {
            namespace: subject.key.namespace.clone(),
            name: subject.key.name.clone(),
            uid: subject.uid().to_owned(),
        },
        revision: number,
        input_digest: revision.input_digest.clone(),
        applied: false,
        made_from: revision.made_from.clone(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        lookups: revision.lookups.clone(),
        left: last.left,
        taken: last.taken,
        chunks: last.chunks,
        digest_key: last.digest_key,
        secret_places,
        // A version without random values may be followed by one that has them again.
        memo: revision.memo.clone().or(last.memo),
        extra,
    };
    leftover::leave(&mut companion, subject, with.spared.clone());
    companion.take(&with.taken);
    companion
}

/// Where a new revision holds what came from Secrets, as far as was found; a way back holds it where the revision does
/// that comes back.
fn held(change: Change, found: &Places, known: &SecretPlaces) -> Places {
    let mut places = match change {
        Change::Rollback(to) => known.of(to),
        Change::Install | Change::Upgrade | Change::Uninstall => Places::default(),
    };
    places.merge(found);
    places
}
