//! The memory after a restart: rebuilt from watches and status, without a write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::plan::{Action, Object, ObjectId, split_api_version};
use helmapp_helm::release::Status;
use tokio::time::Instant;
use tracing::info;

use crate::api::conditions::reason;
use crate::api::{HelmAppStatus, InventoryEntry, TestRun};
use crate::failpoints::failpoint;
use crate::store::{Head, Progress, Stored};

use super::memory::{Health, InventoryDigest};
use super::planning::{self, Known};
use super::policy::{self, Again, Error};
use super::record::Record;
use super::revision::{Change, returned_objects, stored_objects};
use super::settle::{self, Settling};
use super::stages::Stage;
use super::subject::Subject;
use super::{Context, base, deploy, finalize, history, hooks, release, report, resume, testing, veil};

/// How long the first listing of a kind may take before objects are taken for changed.
const LISTING: Duration = Duration::from_secs(10);

/// Remembers the objects of a release that an earlier process left.
///
/// # Errors
/// A failed request.
pub(super) async fn restore(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let status = ctx.status.current(&subject.app);
    let heads = ctx.memory.records(&subject.release);
    if let Some(head) = heads.first().filter(|head| head.status == Status::Uninstalled) {
        // What hooks left is all that is listed.
        let left: Vec<Listed> = status.inventory.iter().map(listed).collect();
        seen(ctx, left.iter().map(|object| &object.id)).await?;
        return match is_said(&status, head) {
            true => Ok(()),
            false => remedied(ctx, subject, head, &status).await,
        };
    }
    let (Some(head), Some(release)) = (heads.first(), &status.release) else {
        return Ok(());
    };
    // A steady release writes no status that would tell.
    report::count(ctx, subject, &status);
    let done = matches!(head.status, Status::Deployed | Status::Failed);
    if ctx.memory.revision(&subject.key) != 0 || !done {
        return Ok(());
    }
    let is_last = head.revision == release.revision;
    if head.status == Status::Deployed && !is_said(&status, head) {
        // The inventory is that of a revision under way, which may not have had its objects yet.
        return remedied(ctx, subject, head, &status).await;
    }
    history::sweep_leftovers(ctx, subject).await;
    let given_up = match head.status {
        Status::Failed => given_up(ctx, subject, head, &status).await?,
        _ => None,
    };
    if !is_last && given_up.is_none() {
        return Ok(());
    }
    let stage = given_up.as_ref().map(|given_up| given_up.settling.stage);
    let revision = match stage {
        // Nothing of it was applied.
        Some(Stage::Before) => base::deployed_head(&heads).map_or(0, |head| head.revision),
        _ => head.revision,
    };
    let is_listed = stage == Some(Stage::Before) || is_said(&status, head);
    let objects = match is_listed {
        true => objects(ctx, subject, head, &status).await?,
        false => recorded(ctx, subject, head, &Health::Unknown).await?,
    };
    let (hooks, objects): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.hook);
    let wanted = objects.iter().map(|object| (&object.id, object.version.as_str()));
    ctx.memory.want(&subject.key, revision, wanted);
    for object in &objects {
        if let Some(uid) = &object.uid {
            ctx.memory.made(&subject.key, &object.id, uid);
        }
    }
    seen(ctx, objects.iter().chain(&hooks).map(|object| &object.id)).await?;
    let known = InventoryDigest::parse(status.inventory_digest.as_deref().unwrap_or_default());
    let shown = ctx.memory.shown(&subject.key, &ctx.unwatched(&subject.key));
    if is_listed && known.marks == shown.marks {
        let looked = known.looks == shown.looks;
        ctx.memory
            .verified(&subject.key, |id| health_of(&objects, id), looked);
    } else {
        ctx.memory.presume(&subject.key, |id| health_of(&objects, id));
        ctx.memory.doubt(&subject.key);
    }
    if !is_listed && let Err(error) = settle::look(ctx, subject).await {
        let error = ctx.clean(subject, &error.to_string());
        info!(app = %subject.key.name, namespace = %subject.key.namespace, error, "objects can not be looked at yet");
    }
    if let Some(given_up) = given_up {
        stand_failed(ctx, subject, given_up).await;
    }
    Ok(())
}

/// Whether status says of a revision what became of it.
fn is_said(status: &HelmAppStatus, head: &Head) -> bool {
    let release = status.release.as_ref();
    release.is_some_and(|release| release.revision == head.revision && release.status == head.status.as_str())
}

/// The newest revision has ended unsaid: if it remedies another, what that failed for is still to be said. The rest
/// comes from what is asked for.
async fn remedied(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    status: &HelmAppStatus,
) -> Result<(), Error> {
    let companion = ctx.companions.read(ctx, subject).await?;
    let companion = companion.map(|stored| stored.companion);
    let Some(companion) = companion.filter(|companion| companion.revision == head.revision) else {
        return Ok(());
    };
    let Some(cause) = resume::cause(&companion) else {
        return Ok(());
    };
    let Some(stored) = ctx.store.read(&subject.release, head.revision).await? else {
        return Ok(());
    };
    history::tidy(ctx, subject).await?;
    let change = Change::of(&stored.release);
    if change != Change::Uninstall {
        adopt(ctx, subject, &stored).await?;
    }
    let settling = Settling {
        change,
        deadline: Instant::now(),
        input_digest: companion.input_digest,
        made_from: companion.made_from,
        chart: report::chart_of(&stored.release, &status.chart.clone().unwrap_or_default()),
        replaces: None,
        tries: cause.tries,
        cause: Some(cause),
        stage: Stage::Test,
        progress: Progress::default(),
        waiting: None,
        failed: false,
        passes: false,
        record: Record::from(stored),
    };
    report::finished(ctx, subject, &settling, &settling.record);
    Ok(())
}

/// Keeps the newest revision if it is deployed, and not the one that was followed so far: somebody else has made it
/// meanwhile, and nothing else is asked for.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn take_up(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let newest = heads.first().filter(|head| head.status == Status::Deployed);
    let Some(newest) = newest.filter(|head| head.revision != ctx.memory.revision(&subject.key)) else {
        return Ok(());
    };
    if let Some(stored) = ctx.store.read(&subject.release, newest.revision).await? {
        adopt(ctx, subject, &stored).await?;
        ctx.settling.remove(&subject.key);
    }
    Ok(())
}

/// Takes over the objects of a deployed revision that this process knows nothing of. Each is applied once more,
/// which changes nothing where it is as it should be, and is followed from then on.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn adopt(ctx: &Context, subject: &Subject, newest: &Stored) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let new = returned_objects(&newest.release, &[], &snapshot)?;
    let of_hooks = hooks::all(&newest.release.hooks, &newest.release.namespace, &snapshot);
    veil::recall(ctx, subject, &new.objects).await?;
    let applier = subject.applier(snapshot);
    let known = Known {
        last: &new.objects,
        left: &[],
        last_applied: false,
        dirty: &BTreeSet::new(),
        uids: &ctx.memory.uids(&subject.key),
        coming_namespaces: &BTreeSet::new(),
        rules: subject.rules(),
    };
    let plan = planning::plan(&ctx.store, &applier, &new, &known).await?;
    finalize::ensure(ctx, subject).await?;
    let skipped = plan
        .operations
        .iter()
        .filter(|one| one.action == Action::SkipCreate);
    let skipped: BTreeSet<ObjectId> = skipped.map(|one| one.object.id.clone()).collect();
    let made: Vec<&Object> = new
        .objects
        .iter()
        .filter(|object| !skipped.contains(&object.id))
        .collect();
    let order = new.order.at_once();
    let waiting = deploy::run(ctx, subject, applier, plan, order, deploy::Removal::default()).await?;
    if let Some(waiting) = waiting {
        return Err(Error::Input {
            reason: reason::IMMUTABLE_FIELD,
            message: format!(
                "going before it is made anew: {}",
                policy::ids(waiting.gone.iter())
            ),
            again: Again::Soon(None),
        });
    }
    failpoint("adopt.applied");
    release::follow(ctx, subject, &made, newest.head.revision).await?;
    // What its hooks have left is in the inventory, too.
    seen(ctx, of_hooks.iter().map(|object| &object.id)).await
}

/// An object as status or a record has it.
struct Listed {
    id: ObjectId,
    version: String,
    uid: Option<String>,
    health: Health,
    hook: bool,
}

async fn objects(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    status: &HelmAppStatus,
) -> Result<Vec<Listed>, Error> {
    let complete = status.inventory_total == i64::try_from(status.inventory.len()).ok();
    if complete {
        return Ok(status.inventory.iter().map(listed).collect());
    }
    // What such an inventory leaves out was ready when it was written.
    recorded(ctx, subject, head, &Health::Ready).await
}

/// The objects of a revision as its record has them, all with this health.
async fn recorded(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    health: &Health,
) -> Result<Vec<Listed>, Error> {
    let stored = ctx.store.read(&subject.release, head.revision).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = stored_objects(stored.iter().map(|stored| &stored.release), &snapshot)?.objects;
    Ok(objects
        .into_iter()
        .map(|object| Listed {
            id: object.id,
            version: object.version,
            uid: None,
            health: health.clone(),
            hook: false,
        })
        .collect())
}

/// The identity of an object in status, and its API version without the group.
pub(super) fn identity(entry: &InventoryEntry) -> (ObjectId, String) {
    let id = ObjectId {
        group: entry.group.clone(),
        kind: entry.kind.clone(),
        namespace: entry.namespace.clone().unwrap_or_default(),
        name: entry.name.clone(),
    };
    let (_, version) = split_api_version(&entry.version);
    (id, version.to_owned())
}

fn listed(entry: &InventoryEntry) -> Listed {
    let (id, version) = identity(entry);
    Listed {
        id,
        version,
        uid: entry.uid.clone(),
        health: match entry.health.as_deref() {
            Some("Ready") | None => Health::Ready,
            Some(_) => Health::Unknown,
        },
        hook: entry.hook,
    }
}

fn health_of(objects: &[Listed], id: &ObjectId) -> Health {
    let listed = objects.iter().find(|object| object.id == *id);
    listed.map_or(Health::Ready, |object| object.health.clone())
}

/// Watches the kinds of objects, and waits until they are listed.
async fn seen<'a>(ctx: &Context, ids: impl Iterator<Item = &'a ObjectId>) -> Result<(), Error> {
    let listed = ctx.follow(&super::kinds(ids)).await?;
    let deadline = Instant::now() + LISTING;
    for state in listed {
        let left = deadline.saturating_duration_since(Instant::now());
        crate::cluster::watches::listed(state, left).await;
    }
    Ok(())
}

/// A revision that was given up may still become healthy, or be due for its remedy.
async fn given_up(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    status: &HelmAppStatus,
) -> Result<Option<GivenUp>, Error> {
    let attempt = status.last_attempted.clone().unwrap_or_default();
    // An attempt before this one may have failed as well.
    let ended = status
        .release
        .as_ref()
        .is_some_and(|release| release.revision == head.revision && release.status == head.status.as_str());
    let said = ended && attempt.reason.as_deref().is_some_and(settle::is_failure);
    let companion = ctx.companions.read(ctx, subject).await?;
    let companion = companion
        .map(|stored| stored.companion)
        .filter(|companion| companion.revision == head.revision);
    let (attempt_tries, passes) = (attempt.failures.max(1), attempt.passes);
    let known = match &companion {
        Some(companion) => Some(companion.input_digest.clone()),
        None => said.then_some(attempt.input_digest),
    };
    let Some(input_digest) = known else {
        return Ok(None);
    };
    let Some(stored) = ctx.store.read(&subject.release, head.revision).await? else {
        return Ok(None);
    };
    let heads = ctx.memory.records(&subject.release);
    let change = Change::of(&stored.release);
    let applied = companion.as_ref().is_some_and(|companion| companion.applied);
    let stage = Stage::of_failed(
        applied,
        hooks::has_failed(&stored.release, &hooks::before(subject, change, &stored.release)),
        hooks::has_failed(&stored.release, &hooks::after(subject, change, &stored.release)),
        hooks::has_failed(&stored.release, &testing::call(subject, &stored.release)),
    );
    let progress = match stage {
        // It may heal, and then go on with its hooks.
        Stage::Wait if !stored.release.hooks.is_empty() => {
            ctx.store.progress(&subject.release, head.revision).await?
        }
        _ => Progress::default(),
    };
    let tests = testing::runs(&stored.release);
    let noted = companion.as_ref().is_some_and(resume::passes);
    let settling = Settling {
        change,
        deadline: Instant::now(),
        input_digest,
        chart: report::chart_of(&stored.release, &status.chart.clone().unwrap_or_default()),
        replaces: base::deployed_head(&heads).cloned().map(Record::of_head),
        cause: companion.as_ref().and_then(resume::cause),
        stage,
        progress,
        waiting: None,
        tries: companion.as_ref().map_or(attempt_tries, resume::tries),
        made_from: companion.map(|companion| companion.made_from).unwrap_or_default(),
        failed: true,
        passes: passes || noted,
        record: Record::from(stored).let_go(),
    };
    Ok(Some(GivenUp {
        settling,
        said,
        tests,
    }))
}

/// A revision that was given up.
struct GivenUp {
    settling: Settling,
    /// Status says so.
    said: bool,
    tests: Vec<TestRun>,
}

/// Does what the process that gave the revision up may have ended before.
async fn stand_failed(ctx: &Context, subject: &Subject, given_up: GivenUp) {
    let GivenUp {
        settling,
        said,
        tests,
    } = given_up;
    history::trim_failed(ctx, subject, settling.stage.is_applied()).await;
    if !said {
        report::failed(ctx, subject, &settling, &settle::cause_of(&settling), tests);
    }
    ctx.settling.insert(&subject.key, Arc::new(settling));
}
