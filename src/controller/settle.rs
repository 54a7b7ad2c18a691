//! Steps 9 and 10: waiting for health as a state, and what ends it.
//!
//! Nobody waits here. A reconcile looks at the objects whose watch events say that something happened, and
//! either finishes the revision or returns until the next event or the deadline.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::ObjectId;
use helmapp_helm::release::Status;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::conditions::reason;
use crate::api::{ChartStatus, HelmAppSpec, MAX_MESSAGE, RemediationStrategy};
use crate::cluster::apply::Applier;
use crate::excerpt::excerpt;
use crate::failpoints::failpoint;
use crate::store::{self, Companion, Progress, Stored};

use super::deploy::Waiting;
use super::memory::{Health, Tracked};
use super::planning::PARALLEL;
use super::policy::{self, Again, Error};
use super::reconcile::Next;
use super::record::Record;
use super::remediation::Budget;
use super::revision::Change;
use super::stages::{self, Stage};
use super::subject::Subject;
use super::{Context, causes, deploy, health, history, release, report, resume, testing};

/// How often objects are looked at whose kind can't be watched.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// Most objects that a message about health names.
const MAX_NAMED: usize = 3;

/// A revision whose objects are applied and not all ready yet, or one that was given up and may still heal.
#[derive(Debug, Clone)]
pub(super) struct Settling {
    /// The record, as we wrote it.
    pub record: Record,
    /// What it changes.
    pub change: Change,
    /// When it is given up.
    pub deadline: Instant,
    /// Digest of what it was made from.
    pub input_digest: String,
    /// Digest of what of that the user gave; empty where it is not known.
    pub made_from: String,
    /// The chart, for status.
    pub chart: ChartStatus,
    /// The revision that it replaces.
    pub replaces: Option<Record>,
    /// Why this revision remedies another; kept in the conditions.
    pub cause: Option<Cause>,
    /// How far it is, or was when it was given up.
    pub stage: Stage,
    /// What its hooks did.
    pub progress: Progress,
    /// What is left to apply, and what that waits for.
    pub waiting: Option<Arc<Waiting>>,
    /// Which try at the same this is, from 1.
    pub tries: u32,
    /// It was given up.
    pub failed: bool,
    /// What made it fail passes by itself.
    pub passes: bool,
}

impl Settling {
    /// Hooks run that come before its objects.
    pub(super) fn is_before(&self) -> bool {
        self.stage == Stage::Before && !self.failed
    }

    /// The same, which is about to fail for this.
    pub(super) fn passing(&self, why: &Error) -> Self {
        Self {
            passes: why.again() != Again::OnChange,
            ..self.clone()
        }
    }

    /// Its time is over, and it was not given up yet.
    pub(super) fn is_late(&self) -> bool {
        let under_way = !self.failed && self.record.head.status != self.change.end();
        under_way && Instant::now() >= self.deadline
    }
}

/// The failure that a remedy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What failed.
    pub message: String,
    /// Digest of the inputs that failed.
    pub input_digest: String,
    /// Digest of what of these the user gave.
    pub made_from: String,
    /// How often they have failed.
    pub tries: u32,
    /// What made them fail passes by itself.
    pub passes: bool,
}

/// Looks at what changed and says whether the revision is through.
///
/// # Errors
/// A failed request.
pub(super) async fn settle(ctx: &Context, subject: &Subject, settling: Arc<Settling>) -> Result<Next, Error> {
    if settling.record.head.status == settling.change.end() {
        // Something after the record failed the last time.
        return finish(ctx, subject, &settling).await;
    }
    match settling.stage {
        // What failed by a hook does not heal.
        Stage::Before | Stage::After | Stage::Test if settling.failed => return Ok(Next::Change),
        Stage::Before => return stages::before(ctx, subject, &settling).await,
        Stage::After | Stage::Test => return stages::after(ctx, subject, &settling).await,
        Stage::Apply | Stage::Wait => {}
    }
    if settling.is_late() {
        ctx.memory.end_patience(&subject.key);
    }
    if let Err(error) = look(ctx, subject).await {
        if settling.is_late() {
            let message = late(subject, &settling, &error);
            return give_up(ctx, subject, &settling.passing(&error), &message).await;
        }
        if settling.failed {
            // Why it failed stays said; whether it has healed since can wait.
            info!(app = %subject.key.name, namespace = %subject.key.namespace, %error, "can not look at a failed revision");
            return Ok(Next::After(ctx.settings.slow_retry.most));
        }
        return Err(error);
    }
    if !settling.failed {
        causes::ask(ctx, subject, settling.is_late()).await;
    }
    if let Some(waiting) = &settling.waiting {
        return go_on(ctx, subject, &settling, waiting).await;
    }
    let waits = subject.waits(settling.change);
    let mut objects = ctx.memory.objects(&subject.key);
    objects.retain(|(id, _)| waits.includes(&id.group, &id.kind));
    match verdict(&objects) {
        Verdict::Ready if settling.stage.is_applied() => stages::after(ctx, subject, &settling).await,
        Verdict::Failed(message) if !settling.failed => give_up(ctx, subject, &settling, &message).await,
        Verdict::Waiting(message) if settling.is_late() => {
            give_up(ctx, subject, &settling, &late(subject, &settling, &message)).await
        }
        Verdict::Waiting(message) if !settling.failed => {
            let polled = has_unwatched(ctx, &objects);
            Ok(wait(ctx, subject, &settling, &message, polled))
        }
        Verdict::Ready | Verdict::Waiting(_) | Verdict::Failed(_) => Ok(Next::Change),
    }
}

/// Says what is waited for, until a watch tells of it or the deadline comes; `polled` where no watch may tell.
fn wait(ctx: &Context, subject: &Subject, settling: &Settling, message: &str, polled: bool) -> Next {
    report::settling(ctx, subject, settling, message);
    let left = settling.deadline.saturating_duration_since(Instant::now());
    let poll = polled.then_some(POLL);
    let due = causes::due(ctx, subject);
    Next::After([poll, due].into_iter().flatten().fold(left, Duration::min))
}

/// Goes on with the apply when what the rest of it waits for is ready, or gone. What comes after may be the same again.
fn go_on<'a>(
    ctx: &'a Context,
    subject: &'a Subject,
    settling: &'a Settling,
    waiting: &'a Waiting,
) -> BoxFuture<'a, Result<Next, Error>> {
    apply_rest(ctx, subject, settling, waiting).boxed()
}

async fn apply_rest(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    waiting: &Waiting,
) -> Result<Next, Error> {
    let mut objects = ctx.memory.objects(&subject.key);
    objects.retain(|(id, _)| waiting.ready.contains(id));
    match verdict(&objects) {
        Verdict::Failed(message) => return give_up(ctx, subject, settling, &message).await,
        Verdict::Waiting(message) if settling.is_late() => {
            return give_up(ctx, subject, settling, &late(subject, settling, &message)).await;
        }
        Verdict::Waiting(message) => {
            let polled = has_unwatched(ctx, &objects);
            return Ok(wait(ctx, subject, settling, &message, polled));
        }
        Verdict::Ready => {}
    }
    failpoint("release.goes-on");
    match waiting.go_on(ctx, subject).await {
        Ok(Some(again)) if !again.gone.is_empty() => {
            let gone = policy::ids(again.gone.iter());
            let message = match settling.change {
                Change::Uninstall => format!("still there: {gone}"),
                _ => format!("going before it is made anew: {gone}"),
            };
            if settling.is_late() {
                return give_up(ctx, subject, settling, &late(subject, settling, &message)).await;
            }
            let settling = Settling {
                waiting: Some(Arc::new(again)),
                ..settling.clone()
            };
            ctx.settling.insert(&subject.key, Arc::new(settling.clone()));
            Ok(wait(ctx, subject, &settling, &message, true))
        }
        Ok(next) => release::start_settling(ctx, subject, settling.clone(), next).await,
        Err(error) => {
            // What it was planned from does not hold any more.
            ctx.settling.remove(&subject.key);
            release::cut_short(ctx, subject, settling.clone(), error).await
        }
    }
}

/// What is said of a revision that is given up for its time.
pub(super) fn late(subject: &Subject, settling: &Settling, why: &impl std::fmt::Display) -> String {
    let limit = subject.timeout(settling.change);
    let what = match settling.change {
        Change::Uninstall => "gone",
        _ => "ready",
    };
    format!("not {what} within {} s: {why}", limit.as_secs())
}

/// The HelmApp was suspended for so long: nobody worked on what is under way.
pub(super) fn stood_still(ctx: &Context, subject: &Subject, pause: Duration) {
    if let Some(known) = ctx.deadlines.get(&subject.key) {
        let later = (known.0, known.1 + pause);
        ctx.deadlines.insert(&subject.key, Arc::new(later));
    }
    if let Some(settling) = ctx.settling.get(&subject.key).filter(|settling| !settling.failed) {
        let later = Settling {
            deadline: settling.deadline + pause,
            ..Settling::clone(&settling)
        };
        ctx.settling.insert(&subject.key, Arc::new(later));
    }
}

/// How a release's objects are doing, taken together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All are ready.
    Ready,
    /// Some are not ready yet; the text names the first of them.
    Waiting(String),
    /// Some will not become ready; the text names them.
    Failed(String),
}

/// Takes the health of all objects together.
pub(super) fn verdict(objects: &[(ObjectId, Tracked)]) -> Verdict {
    let said = |wanted: fn(&Tracked) -> Option<&str>| {
        let texts = objects
            .iter()
            .filter_map(|(id, object)| Some((id, wanted(object)?)));
        // What a container has said comes after all that is one line.
        let (mut lines, mut tails) = (Vec::new(), String::new());
        for (id, text) in texts {
            let (line, tail) = text.split_at(text.find('\n').unwrap_or(text.len()));
            lines.push(format!("{id}: {line}"));
            tails.push_str(tail);
        }
        let more = lines.len().saturating_sub(MAX_NAMED);
        lines.truncate(MAX_NAMED);
        let mut text = lines.join("; ");
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        text + &tails
    };
    let failed = said(|object| match &object.health {
        Health::Failed(text) if !object.is_missing() => Some(text),
        _ => None,
    });
    let waiting = said(|object| match &object.health {
        _ if object.is_missing() => Some("it is not there"),
        Health::Progressing(text) => Some(text),
        Health::Unknown => Some("not seen yet"),
        _ => None,
    });
    match (failed.is_empty(), waiting.is_empty()) {
        (false, _) => Verdict::Failed(failed),
        (true, false) => Verdict::Waiting(waiting),
        (true, true) => Verdict::Ready,
    }
}

/// Reads the objects whose health may have changed.
///
/// # Errors
/// A failed request.
pub(super) async fn look(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let mut objects = ctx.memory.to_look_at(&subject.key);
    let unwatched = ctx
        .memory
        .objects(&subject.key)
        .into_iter()
        .filter(|(id, object)| object.health != Health::Ready && !is_followed(ctx, id));
    for object in unwatched {
        if !objects.iter().any(|(id, _)| *id == object.0) {
            objects.push(object);
        }
    }
    if objects.is_empty() {
        return Ok(());
    }
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = &subject.applier(snapshot);
    let reads: Vec<_> = objects
        .iter()
        .map(|(id, object)| read(applier, id, object).boxed())
        .collect();
    let found: Vec<_> = futures::stream::iter(reads)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    for (id, live) in found {
        match live {
            Some(live) => {
                let health = health::seen(ctx, subject, &live).await;
                ctx.memory
                    .looked(&subject.key, id, Some(&deploy::metadata(&live)), health);
            }
            None => ctx.memory.looked(
                &subject.key,
                id,
                None,
                Health::Progressing("does not exist".into()),
            ),
        }
    }
    Ok(())
}

async fn read<'a>(
    applier: &Applier,
    id: &'a ObjectId,
    object: &Tracked,
) -> Result<(&'a ObjectId, Option<serde_json::Value>), Error> {
    Ok((id, applier.get(id, &object.version).await?))
}

fn is_followed(ctx: &Context, id: &ObjectId) -> bool {
    ctx.is_followed(&id.group, &id.kind)
}

fn has_unwatched(ctx: &Context, objects: &[(ObjectId, Tracked)]) -> bool {
    objects
        .iter()
        .any(|(id, object)| object.health != Health::Ready && !is_followed(ctx, id))
}

/// Step 10 when all went well.
///
/// # Errors
/// A failed request.
pub(super) async fn finish(ctx: &Context, subject: &Subject, settling: &Settling) -> Result<Next, Error> {
    failpoint("settle.ready");
    let description = settling.change.complete();
    let ended = end(ctx, subject, settling, settling.change.end(), description).await?;
    let deployed = Record::from(ended);
    // What follows can fail and is done again; the record is not written twice.
    let again = Settling {
        record: deployed.clone(),
        failed: false,
        passes: false,
        ..settling.clone()
    };
    ctx.settling.insert(&subject.key, Arc::new(again));
    failpoint("settle.deployed");
    history::supersede(ctx, subject, settling.replaces.as_ref(), deployed.head.revision).await?;
    failpoint("settle.superseded");
    history::trim(ctx, subject).await?;
    failpoint("settle.trimmed");
    ctx.settling.remove(&subject.key);
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = deployed.head.revision,
          change = settling.change.noun(), "release {}", deployed.head.status.as_str());
    report::finished(ctx, subject, settling, &deployed);
    ctx.decide(subject).await;
    Ok(Next::Change)
}

/// Writes how the revision ended. It can be called again after an answer that was lost, and after somebody else
/// changed the record without ending it.
async fn end(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    status: Status,
    description: String,
) -> Result<Stored, Error> {
    let gone = || store::Error::Changed {
        key: subject.release.clone(),
        what: format!("revision {}", settling.record.head.revision),
    };
    let Some(known) = settling.record.stored(ctx, subject).await? else {
        return Err(taken(ctx, subject, settling, None, gone()));
    };
    if known.release.info.status == status {
        return Ok(known);
    }
    let known = with_runs(known, settling);
    let ended = match ctx
        .store
        .finish(known.clone(), status.clone(), description.clone())
        .await
    {
        Err(store::Error::Changed { key, what }) => {
            let found = ctx.store.read(&subject.release, known.head.revision).await?;
            match found {
                Some(found) if found.release.info.status == status && found.head.holder.is_none() => found,
                Some(found)
                    if found.release.info.status == known.release.info.status
                        && found.head.holder == known.head.holder =>
                {
                    let found = with_runs(found, settling);
                    ctx.store.finish(found, status, description).await?
                }
                found => {
                    let changed = store::Error::Changed { key, what };
                    return Err(taken(ctx, subject, settling, found, changed));
                }
            }
        }
        other => other?,
    };
    ctx.memory.recorded(&subject.release, ended.head.clone());
    Ok(ended)
}

/// What the hooks did stands in the record from its end on.
fn with_runs(mut stored: Stored, settling: &Settling) -> Stored {
    helmapp_helm::hooks::record(&mut stored.release.hooks, &settling.progress.runs);
    stored
}

/// Somebody else decided about the revision: what we wanted of it is over.
fn taken(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    found: Option<Stored>,
    error: store::Error,
) -> Error {
    ctx.settling.remove(&subject.key);
    let lost = settling.record.head.uid.clone();
    ctx.lost.insert(&subject.key, Arc::new(lost));
    match found {
        Some(found) => ctx.memory.recorded(&subject.release, found.head),
        None => ctx
            .memory
            .unrecorded(&subject.release, settling.record.head.revision),
    }
    error.into()
}

/// Step 10 when it did not: the revision is failed, and remedied where the spec says so.
///
/// # Errors
/// A failed request.
pub(super) async fn give_up(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    message: &str,
) -> Result<Next, Error> {
    let (change, revision) = (settling.change, settling.record.head.revision);
    let message = ctx.clean(subject, message);
    warn!(app = %subject.key.name, namespace = %subject.key.namespace, revision, change = change.noun(), message,
          "release failed");
    let description = match change {
        Change::Install => format!("Release {:?} failed: {message}", subject.release.name),
        _ => format!("{} {:?} failed: {message}", change.noun(), subject.release.name),
    };
    let description = excerpt(&description, MAX_MESSAGE);
    failpoint("settle.failing");
    // Lists of revisions have one line for each.
    let line = description.lines().next().unwrap_or_default().to_owned();
    let applied = settling.stage.is_applied();
    if applied || settling.passes {
        // Only the companion can tell the next process, and before the record says that it is over.
        let noted = |last: Companion| {
            let applied = applied || last.applied;
            let known = (last.applied, resume::passes(&last));
            let news = last.revision == revision && known != (applied, settling.passes);
            news.then(|| {
                let mut noted = Companion { applied, ..last };
                noted
                    .extra
                    .insert(resume::PASSES.to_owned(), settling.passes.into());
                noted
            })
        };
        ctx.companions.amend(ctx, subject, noted).await?;
    }
    failpoint("settle.noted");
    let failed = end(ctx, subject, settling, Status::Failed, line).await?;
    failpoint("settle.failed");
    let tests = testing::runs(&failed.release);
    let settling = Arc::new(Settling {
        record: Record::from(failed).let_go().described(description),
        replaces: settling.replaces.clone().map(Record::let_go),
        waiting: None,
        failed: true,
        ..settling.clone()
    });
    ctx.settling.insert(&subject.key, settling.clone());
    history::trim_failed(ctx, subject, settling.stage.is_applied()).await;
    failpoint("settle.failed-trimmed");
    report::failed(ctx, subject, &settling, &cause_of(&settling), tests);
    ctx.decide(subject).await;
    // The remedy is a step of its own.
    Ok(if remedy(subject, &settling).is_some() {
        Next::After(Duration::ZERO)
    } else {
        Next::Change
    })
}

/// What is done about a failed revision.
#[derive(Debug)]
pub(super) enum Remedy<'a> {
    /// This revision comes back.
    GoBack(&'a Record),
    /// The release is taken away.
    Uninstall,
}

/// The remedy of a revision that failed, where the spec wants one.
pub(super) fn remedy<'a>(subject: &Subject, settling: &'a Settling) -> Option<Remedy<'a>> {
    answer(&subject.app.spec, settling).filter(|_| settling.failed)
}

/// Whether the failure of the revision would be remedied.
pub(super) fn is_remediable(subject: &Subject, settling: &Settling) -> bool {
    answer(&subject.app.spec, settling).is_some()
}

fn answer<'a>(spec: &HelmAppSpec, settling: &'a Settling) -> Option<Remedy<'a>> {
    // A remedy has none.
    if !matches!(settling.change, Change::Install | Change::Upgrade) {
        return None;
    }
    let budget = Budget::of(spec, settling.replaces.is_none());
    match budget.remedy(settling.tries, settling.passes) {
        RemediationStrategy::None => None,
        RemediationStrategy::Rollback => settling.replaces.as_ref().map(Remedy::GoBack),
        RemediationStrategy::Uninstall => Some(Remedy::Uninstall),
    }
}

/// The failure of a revision that was given up, from its record.
pub(super) fn cause_of(settling: &Settling) -> Cause {
    Cause {
        reason: failure(settling.change),
        message: format!(
            "revision {}: {}",
            settling.record.head.revision, settling.record.description
        ),
        input_digest: settling.input_digest.clone(),
        made_from: settling.made_from.clone(),
        tries: settling.tries,
        passes: settling.passes,
    }
}

/// The reason of a change that failed.
pub(super) fn failure(change: Change) -> &'static str {
    match change {
        Change::Install => reason::INSTALL_FAILED,
        Change::Upgrade => reason::UPGRADE_FAILED,
        Change::Rollback(_) => reason::ROLLBACK_FAILED,
        Change::Uninstall => reason::UNINSTALL_FAILED,
    }
}

/// Whether the reason is that of a revision that failed.
pub(super) fn is_failure(reason: &str) -> bool {
    matches!(
        reason,
        reason::INSTALL_FAILED | reason::UPGRADE_FAILED | reason::ROLLBACK_FAILED | reason::UNINSTALL_FAILED
    )
}

/// The reason of a change that went through.
pub(super) fn success(change: Change) -> &'static str {
    match change {
        Change::Install => reason::INSTALL_SUCCEEDED,
        Change::Upgrade => reason::UPGRADE_SUCCEEDED,
        Change::Rollback(_) => reason::ROLLBACK_SUCCEEDED,
        Change::Uninstall => reason::UNINSTALL_SUCCEEDED,
    }
}
