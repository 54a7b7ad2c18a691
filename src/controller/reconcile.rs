//! The flow: what a HelmApp goes through, in order. The steps are numbered as in the design.
//!
//! What is observed makes one state, and the state asks for one action: [`super::lifecycle`]. The actions: a revision is
//! made in [`super::release`], goes through its stages in [`super::stages`], goes on after an interruption in
//! [`super::resume`], comes back in [`super::rollback`] and ends in [`super::settle`].
//!
//! An action that can be long lies on the heap, as several can follow each other within one reconcile: a thread has
//! 2 MiB of stack for all of them, and for the requests that they make.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use helmapp_helm::plan::subcharts_before;
use helmapp_helm::release::Status;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::api::HelmApp;
use crate::metrics::Outcome;
use crate::store::Head;

use super::base::Base;
use super::inputs::{self, Gathered};
use super::lifecycle::{self, Action as Step, Asked, Foreign, Observed, State};
use super::planning;
use super::policy::{self, Error};
use super::record::Record;
use super::release::{Revision, release};
use super::remediation::Budget;
use super::rendering::{self, Wanted};
use super::resume::Pending;
use super::revision::{Change, rendered};
use super::settle::{Remedy, Settling};
use super::subject::Subject;
use super::{
    Context, access, advice, claim, crds, drift, finalize, health, history, report, restore, resume,
    rollback, rules, settle, testing,
};

/// What a reconcile waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A change of the inputs or of the objects.
    Change,
    /// A change, or this time.
    After(Duration),
}

impl Next {
    /// Whichever of both comes first.
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(one), Self::After(other)) => Self::After(one.min(other)),
            (Self::Change, next) | (next, Self::Change) => next,
        }
    }
}

/// Takes a HelmApp as far as it goes now.
pub(super) async fn reconcile(app: Arc<HelmApp>, ctx: Arc<Context>) -> Action {
    let began = Instant::now();
    let subject = Subject::new(app, &ctx.identities, &ctx.settings);
    let _held = ctx.status.hold(subject.uid());
    let (next, outcome) = match advance(&ctx, &subject).boxed().await {
        Ok((next, outcome)) => {
            ctx.memory.succeeded(&subject.key);
            (next, outcome)
        }
        Err(stopped) => (fall_back(&ctx, &subject, stopped).boxed().await, Outcome::Failed),
    };
    // Both are of this reconcile only.
    ctx.begun.remove(&subject.key);
    ctx.attempts.remove(&subject.key);
    let settling = ctx.settling.get(&subject.key);
    if settling.is_none_or(|settling| settling.failed) {
        // Settled releases are many, and what is in their records is read again when it is needed.
        ctx.own_secrets.remove(&subject.key);
    }
    // It may have gone meanwhile: what was remembered since would stay for good.
    if !subject.key.is_in(&ctx.apps) {
        ctx.forget(&subject);
    }
    ctx.metrics.reconciled(outcome, began.elapsed());
    match next {
        Next::Change => Action::await_change(),
        Next::After(wait) => Action::requeue(wait),
    }
}

/// Why a reconcile did not get where it should.
struct Stopped {
    error: Error,
    /// When what is there has to be looked at again, however late the next try is.
    look: Option<Duration>,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self { error, look: None }
    }
}

async fn advance(ctx: &Context, subject: &Subject) -> Result<(Next, Outcome), Stopped> {
    if subject.app.metadata.deletion_timestamp.is_some() {
        return Ok((finalize::finalize(ctx, subject).await?, Outcome::Changed));
    }
    if subject.app.spec.suspend {
        ctx.suspended.since(&subject.key);
        report::suspended(ctx, subject);
        return Ok((Next::Change, Outcome::Unchanged));
    }
    if let Some(since) = ctx.suspended.end(&subject.key) {
        settle::stood_still(ctx, subject, since.elapsed());
    }
    let status = subject.app.status.as_ref();
    if subject.app.has_finalizer() || status.is_some_and(|status| status.release.is_some()) {
        // Without it the end of the HelmApp would leave the release behind.
        finalize::ensure(ctx, subject).await?;
    }
    // 0 stop?
    let basis = required(ctx, subject, ctx.basis(subject)).await?;
    ctx.begun.insert(&subject.key, Arc::new(basis.clone()));
    if ctx.memory.basis(&subject.key) == Some(basis) {
        let next = keep(ctx, subject).await?;
        match observe(ctx, subject, None).retry {
            Some(wait) if wait.is_zero() => {}
            wait => {
                let next = next.sooner(wait.map_or(Next::Change, Next::After));
                return Ok((next, Outcome::Unchanged));
            }
        }
    }
    Ok((pursue(ctx, subject).await?, Outcome::Changed))
}

/// The inputs are not those of the last decision: decide again, and do what follows from it.
async fn pursue(ctx: &Context, subject: &Subject) -> Result<Next, Stopped> {
    required(ctx, subject, enter(ctx, subject)).await?;
    match change(ctx, subject).await {
        Ok(next) => Ok(next),
        Err(error) => {
            resume::overdue(ctx, subject, &error).boxed().await?;
            Err(Stopped {
                look: hold(ctx, subject).await,
                error,
            })
        }
    }
}

/// Makes sure that the release is the HelmApp's, and knows its objects.
async fn enter(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    access::require(ctx, subject).await?;
    if let Some(by) = claim::holder(ctx, subject).await? {
        return Err(Error::Claimed {
            release: subject.release.clone(),
            by,
        });
    }
    ctx.memory.own(&subject.release, &subject.key);
    // Rules that can't be used are refused with the change that they belong to; what is deployed is kept without them.
    if let Err(error) = rules::learn(ctx, subject) {
        debug!(app = %subject.key.name, namespace = %subject.key.namespace, %error, "rules can not be used");
    }
    refuse_foreign(ctx, subject)?;
    restore::restore(ctx, subject).await
}

/// A step without which a revision whose apply was interrupted does not go on. Where it fails, the revision has its
/// deadline all the same.
async fn required<T>(
    ctx: &Context,
    subject: &Subject,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match step.await {
        Ok(done) => Ok(done),
        Err(error) => {
            resume::overdue(ctx, subject, &error).boxed().await?;
            Err(error)
        }
    }
}

/// Makes the release what is asked for.
async fn change(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    rules::learn(ctx, subject)?;
    let pending = resume::pending(ctx, subject).await?;
    match (rollback::asked(ctx, subject), pending) {
        (Asked::GoBack(revision), pending) => {
            rollback::roll_back_to(ctx, subject, revision, pending)
                .boxed()
                .await
        }
        (Asked::Stay(_), Some(pending)) => resume::resume(ctx, subject, pending, None).boxed().await,
        (Asked::Stay(revision), None) => stand(ctx, subject, &rollback::digest(subject, revision)).await,
        (Asked::Nothing, pending) => follow_spec(ctx, subject, pending).await,
    }
}

/// The release is to be what chart and values say.
async fn follow_spec(ctx: &Context, subject: &Subject, pending: Option<Pending>) -> Result<Next, Error> {
    // 1 source, 2 chart, 3 values
    let mut gathered = match inputs::gather(ctx, subject).await {
        Ok(gathered) => gathered,
        Err(error) => return go_on_without(ctx, subject, pending, error).boxed().await,
    };
    let seen = observe(ctx, subject, Some(&gathered.digest));
    let (state, tries) = (seen.state(), seen.tries(&gathered.digest));
    let is_new = matches!(state, State::Absent | State::OutOfSync);
    match pending {
        Some(pending) if pending.is_of(&gathered) || !is_new => {
            return resume::resume(ctx, subject, pending, Some(&gathered))
                .boxed()
                .await;
        }
        None if !is_new => return stand(ctx, subject, &gathered.digest).await,
        _ => {}
    }
    // 4 store
    let base = Base::read(ctx, subject).await?;
    // 5 render
    let wanted = rendering::render(ctx, subject, &mut gathered, base.next(), base.is_install()).await?;
    if is_under_way(ctx, subject, &gathered, &wanted) {
        return stand(ctx, subject, &gathered.digest).await;
    }
    if let Some(newest) = base.same_as(&wanted) {
        // Where its end was not said, the others were not ended either.
        history::tidy(ctx, subject).await?;
        if ctx.memory.revision(&subject.key) != newest.head.revision {
            restore::adopt(ctx, subject, newest).await?;
        }
        report::unchanged(ctx, subject, &gathered, newest);
        return stand(ctx, subject, &gathered.digest).await;
    }
    let snapshot = ctx.discovery.snapshot().await?;
    let new = planning::new_objects(
        wanted.documents.clone(),
        &crds::brought(ctx, subject, &gathered.crds, &snapshot),
        &subcharts_before(&wanted.chart.metadata),
        &subject.release.namespace,
        &snapshot,
    )?;
    let change = if base.is_install() {
        Change::Install
    } else {
        Change::Upgrade
    };
    let revision = Revision {
        record: rendered(subject, &wanted, change, &base.history),
        change,
        new,
        crds: gathered.crds,
        input_digest: gathered.digest,
        made_from: gathered.inputs,
        lookups: wanted.lookups,
        memo: wanted.memo,
        chart: gathered.chart_status,
        cause: None,
        tries,
    };
    release(ctx, subject, revision, base).boxed().await
}

/// What is asked for can not be read. What was begun goes on from its record until its deadline.
async fn go_on_without(
    ctx: &Context,
    subject: &Subject,
    pending: Option<Pending>,
    error: Error,
) -> Result<Next, Error> {
    if let Some(pending) = pending.filter(|_| !resume::is_overdue(ctx, subject)) {
        resume::resume(ctx, subject, pending, None).await?;
    }
    Err(error)
}

/// What is asked for can not be had now. What is deployed is kept as it is meanwhile, and what settles has its deadline.
/// Returns when that has to be looked at again.
async fn hold(ctx: &Context, subject: &Subject) -> Option<Duration> {
    let heads = ctx.memory.records(&subject.release);
    let settling = ctx.settling.get(&subject.key);
    let applied = heads.first().is_some_and(|head| match &settling {
        Some(settling) => settling.record.head.revision == head.revision,
        None => head.status == Status::Deployed && head.revision == ctx.memory.revision(&subject.key),
    });
    // After a decision it is what failed.
    let decided = ctx.memory.basis(&subject.key);
    if !applied || decided.is_some() && decided.as_ref() == ctx.begun.get(&subject.key).as_deref() {
        return None;
    }
    match keep(ctx, subject).await {
        Ok(Next::Change) => None,
        Ok(Next::After(wait)) => Some(wait),
        Err(error) => {
            let error = ctx.clean(subject, &error.to_string());
            info!(app = %subject.key.name, namespace = %subject.key.namespace, error, "the deployed revision can not be kept as it is");
            None
        }
    }
}

/// Whether the revision that settles already is what is wanted: other inputs can give the same.
fn is_under_way(ctx: &Context, subject: &Subject, gathered: &Gathered, wanted: &Wanted) -> bool {
    let Some(settling) = ctx.settling.get(&subject.key) else {
        return false;
    };
    let going_on = !settling.failed && settling.cause.is_none();
    let record = settling.record.held().filter(|_| going_on);
    if !record.is_some_and(|record| lifecycle::is_same(record, wanted)) {
        return false;
    }
    let settling = Settling {
        input_digest: gathered.digest.clone(),
        ..Settling::clone(&settling)
    };
    ctx.settling.insert(&subject.key, Arc::new(settling));
    true
}

/// What is known of the release, with the digest of what is asked for where that was read.
fn observe(ctx: &Context, subject: &Subject, digest: Option<&str>) -> Observed {
    let heads = ctx.memory.records(&subject.release);
    let settling = ctx.settling.get(&subject.key);
    let remedy = settling
        .as_deref()
        .and_then(|settling| settle::remedy(subject, settling));
    Observed {
        status: ctx.status.current(&subject.app),
        generation: subject.generation(),
        digest: digest.map(str::to_owned),
        foreign: foreign(ctx, subject, &heads).map(|foreign| foreign.wait),
        followed: ctx.memory.revision(&subject.key),
        is_dirty: ctx.memory.is_dirty(&subject.key),
        retry: retry(ctx, subject, &heads).filter(|_| remedy.is_none()),
        has_remedy: remedy.is_some(),
        tests: subject.app.spec.test.enable,
        asks_tests: subject.app.asks_tests().map(str::to_owned),
        settling,
        heads,
    }
}

/// How long it is until what failed is tried again; `None` for never.
fn retry(ctx: &Context, subject: &Subject, heads: &[Head]) -> Option<Duration> {
    let settling = ctx.settling.get(&subject.key);
    if settling.is_some_and(|settling| !settling.failed) || heads.first()?.is_under_way() {
        return None;
    }
    let attempt = ctx.status.current(&subject.app).last_attempted?;
    let budget = Budget::after(&subject.app.spec, heads, attempt.reason.as_deref());
    budget.due(&attempt, &ctx.settings.slow_retry, Timestamp::now())
}

/// Nothing new is asked for: does what the state asks for, one step after the other.
async fn keep(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    // What fails here is not the fault of the inputs that were gathered.
    ctx.attempts.remove(&subject.key);
    let seen = observe(ctx, subject, None);
    let hooks_run = seen.settling.as_deref().is_some_and(Settling::is_before);
    // Also where nothing was seen to change: it may be time to look, and that all is well may have to be said.
    let corrected = match seen.action() {
        Step::Correct => correct(ctx, subject).await?,
        _ if !seen.is_dirty && !hooks_run => correct(ctx, subject).await?,
        _ => None,
    };
    let seen = Observed {
        // Some may have been left as they are.
        is_dirty: false,
        ..observe(ctx, subject, None)
    };
    let next = step(ctx, subject, &seen).boxed().await?;
    Ok(next.sooner(corrected.map_or(Next::Change, Next::After)))
}

/// Puts back what was changed; when to come again, if anything has to wait.
async fn correct(ctx: &Context, subject: &Subject) -> Result<Option<Duration>, Error> {
    let error = match drift::correct(ctx, subject).await {
        Ok(wait) => return Ok(wait),
        Err(error) => error,
    };
    let settling = ctx.settling.get(&subject.key);
    match settling.filter(|settling| settling.is_late()) {
        Some(settling) => {
            let message = settle::late(subject, &settling, &error);
            settle::give_up(ctx, subject, &settling, &message).await?;
            Ok(Some(Duration::ZERO))
        }
        None => Err(error.lasting()),
    }
}

/// The one action that the state asks for.
async fn step(ctx: &Context, subject: &Subject, seen: &Observed) -> Result<Next, Error> {
    match (seen.action(), &seen.settling) {
        (Step::Remedy, Some(settling)) => match settle::remedy(subject, settling) {
            Some(Remedy::GoBack(good)) => go_back(ctx, subject, settling, good).boxed().await,
            Some(Remedy::Uninstall) => take_away(ctx, subject, settling).boxed().await,
            None => settle::settle(ctx, subject, settling.clone()).await,
        },
        (_, Some(settling)) => settle::settle(ctx, subject, settling.clone()).await,
        (action, None) => {
            let next = health::stand(ctx, subject).await?;
            match action {
                Step::Test => Ok(next.sooner(testing::test(ctx, subject).await.map_err(Error::lasting)?)),
                _ => Ok(next),
            }
        }
    }
}

/// Goes back to the last good revision, if that is still there.
async fn go_back(
    ctx: &Context,
    subject: &Subject,
    settling: &Arc<Settling>,
    good: &Record,
) -> Result<Next, Error> {
    match good.stored(ctx, subject).await? {
        Some(good) => rollback::roll_back(ctx, subject, good, Some(settle::cause_of(settling))).await,
        None => settle::settle(ctx, subject, settling.clone()).await,
    }
}

/// Uninstalls the release, if the revision that failed is still there.
async fn take_away(ctx: &Context, subject: &Subject, settling: &Arc<Settling>) -> Result<Next, Error> {
    match settling.record.content(ctx, subject).await? {
        Some(failed) => rollback::take_away(ctx, subject, &failed, settle::cause_of(settling)).await,
        None => settle::settle(ctx, subject, settling.clone()).await,
    }
}

/// The release is what the inputs ask for, or what they ask for was tried and failed.
///
/// # Errors
/// A failed request.
pub(super) async fn stand(ctx: &Context, subject: &Subject, digest: &str) -> Result<Next, Error> {
    history::tidy(ctx, subject).await?;
    if observe(ctx, subject, None).action() == Step::TakeUp {
        restore::take_up(ctx, subject).await?;
    }
    ctx.decide(subject).await;
    let next = keep(ctx, subject).await?;
    let seen = observe(ctx, subject, Some(digest));
    // What is due and was not begun has something in its way.
    let retry = seen.retry.map(|wait| wait.max(ctx.settings.slow_retry.least));
    let next = next.sooner(retry.map_or(Next::Change, Next::After));
    match seen.in_force(digest) {
        Some(head) if seen.settling.is_none() => report::in_force(ctx, subject, head, digest),
        _ => match seen.unsaid(digest) {
            Some(reason) => report::in_vain(ctx, subject, reason),
            None => report::observed(ctx, subject),
        },
    }
    Ok(next)
}

/// The newest revision, if somebody else works on it.
fn foreign<'a>(ctx: &Context, subject: &Subject, heads: &'a [Head]) -> Option<Foreign<'a>> {
    let lost = ctx.lost.get(&subject.key);
    let lost = lost.as_deref().map(String::as_str);
    lifecycle::foreign(heads, lost, Timestamp::now(), ctx.settings.pending_takeover)
}

/// A pending revision of somebody else is left alone for a while.
fn refuse_foreign(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(foreign) = foreign(ctx, subject, &heads) else {
        return Ok(());
    };
    let revision = foreign.head.revision;
    if foreign.wait.is_zero() {
        warn!(release = %subject.release, revision, "taking over a pending revision");
        return Ok(());
    }
    Err(Error::PendingElsewhere {
        release: subject.release.clone(),
        revision,
        status: foreign.head.status.as_str().to_owned(),
        wait: foreign.wait,
    })
}

/// What an error means for the next try, and says so in status.
async fn fall_back(ctx: &Context, subject: &Subject, Stopped { error, look }: Stopped) -> Next {
    let failures = ctx.memory.failed(&subject.key);
    let again = error.again();
    let wait = policy::delay(again, failures, &ctx.settings, super::random(failures));
    // A revision whose time ends before the next try is given up in time.
    let left = ctx
        .deadlines
        .get(&subject.key)
        .map(|known| known.1.saturating_duration_since(Instant::now()))
        .filter(|left| !left.is_zero());
    let sooner = [look, left].into_iter().flatten().min();
    let message = ctx.clean(subject, &advice::advised(&error, subject));
    warn!(app = %subject.key.name, namespace = %subject.key.namespace, reason = error.reason(), error = message,
          retry_seconds = wait.map(|wait| wait.as_secs()), "reconcile failed");
    report::error(ctx, subject, &error, &message);
    match wait {
        // Whose the release is depends on other HelmApps, which no basis has in it.
        None if matches!(error, Error::Claimed { .. }) => {
            ctx.memory.decided(&subject.key, None);
            Next::Change
        }
        None if left.is_none() => {
            ctx.decide(subject).await;
            look.map_or(Next::Change, Next::After)
        }
        _ => {
            ctx.memory.decided(&subject.key, None);
            [wait, sooner]
                .into_iter()
                .flatten()
                .min()
                .map_or(Next::Change, Next::After)
        }
    }
}
