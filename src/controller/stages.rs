//! The stages of a revision: hooks before its objects, the objects, their health, hooks after them.
//!
//! Each is a state from which another process goes on. What hooks did is on the record; objects that were applied are
//! applied again, which changes nothing.

use std::sync::Arc;

use helmapp_helm::hooks;
use helmapp_helm::release::Release;
use serde_json::Value;
use tokio::time::Instant;

use crate::store;

use super::hooks::{Call, Course, Outcome};
use super::policy::Error;
use super::reconcile::Next;
use super::release::cut_short;
use super::revision::Change;
use super::settle::{self, Settling};
use super::subject::Subject;
use super::{Context, crds, report, resume, testing};

/// How far a revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Hooks run that come before its objects.
    Before,
    /// Its objects are applied. One that is cut short here does not become good by the health of what was there.
    Apply,
    /// All objects are applied, and not all are ready.
    Wait,
    /// Hooks run that come after its objects.
    After,
    /// Its tests run.
    Test,
}

impl Stage {
    /// All objects were applied.
    pub(super) fn is_applied(self) -> bool {
        self >= Self::Wait
    }

    /// The stage in which a revision failed, by which of its hooks did. `applied` is what the companion says.
    pub(super) fn of_failed(applied: bool, before: bool, after: bool, test: bool) -> Self {
        match (applied, before, after, test) {
            (true, _, _, true) => Self::Test,
            (true, _, true, false) => Self::After,
            (true, _, false, false) => Self::Wait,
            (false, true, ..) => Self::Before,
            (false, false, ..) => Self::Apply,
        }
    }
}

/// Begins with the hooks of a revision that is recorded. CRDs of the chart's crds/ directories come before them.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn begin(
    ctx: &Context,
    subject: &Subject,
    settling: Settling,
    documents: &[Value],
) -> Result<Next, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    if let Err(error) = crds::install(ctx, subject, documents, snapshot).await {
        return cut_short(ctx, subject, settling, error).await;
    }
    let settling = Arc::new(Settling {
        stage: Stage::Before,
        ..settling
    });
    ctx.settling.insert(&subject.key, settling.clone());
    ctx.decide(subject).await;
    before(ctx, subject, &settling).await
}

/// Goes on with the hooks that come before the objects, and then with the objects.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn before(ctx: &Context, subject: &Subject, settling: &Settling) -> Result<Next, Error> {
    let release = content(ctx, subject, settling).await?;
    let call = super::hooks::before(subject, settling.change, &release);
    let waited = hooks::next(call.places(), &call.event, &settling.progress.runs) != hooks::Next::Through;
    let mut settling = settling.clone();
    match run(ctx, subject, &mut settling, &call).await {
        Ok(Outcome::Through) => {
            if waited {
                // The objects have their own time.
                let until = Instant::now() + subject.timeout(settling.change);
                let deadline = (settling.record.head.revision, until);
                ctx.deadlines.insert(&subject.key, Arc::new(deadline));
            }
            resume::carry_on(ctx, subject, settling, &release).await
        }
        Ok(outcome) => unfinished(ctx, subject, &settling, outcome).await,
        Err(error) => cut_short(ctx, subject, settling, error).await,
    }
}

/// All objects are ready: goes on with the hooks that come after them and with the tests, and ends the revision.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn after(ctx: &Context, subject: &Subject, settling: &Settling) -> Result<Next, Error> {
    let release = content(ctx, subject, settling).await?;
    let mut settling = settling.clone();
    let reached = settling.stage;
    let stages = [Stage::After, Stage::Test].into_iter();
    for stage in stages.filter(|stage| *stage >= reached) {
        let call = match stage {
            Stage::Test => tests(subject, settling.change, &release),
            _ => super::hooks::after(subject, settling.change, &release),
        };
        if call.is_empty() {
            continue;
        }
        if settling.stage != stage {
            settling.stage = stage;
            // One that was given up has its chance once more.
            settling.failed = false;
            settling.deadline = super::hooks::deadline(&settling.progress, call.timeout);
            ctx.settling.insert(&subject.key, Arc::new(settling.clone()));
        }
        match run(ctx, subject, &mut settling, &call).await {
            Ok(Outcome::Through) => {}
            Ok(Outcome::Failed(_)) if stage == Stage::Test && subject.app.spec.test.ignore_failures => {}
            // All is gone, whatever comes after.
            Ok(Outcome::Failed(message)) if settling.change == Change::Uninstall => {
                report::hook_failed(ctx, subject, &message);
            }
            Ok(outcome) => return unfinished(ctx, subject, &settling, outcome).await,
            Err(error) => return cut_short(ctx, subject, settling, error).await,
        }
    }
    ctx.deadlines.remove(&subject.key);
    settle::finish(ctx, subject, &settling).await
}

/// The tests that a revision has to pass.
fn tests(subject: &Subject, change: Change, release: &Release) -> Call {
    match subject.app.spec.test.enable && change != Change::Uninstall {
        true => testing::call(subject, release),
        false => Call::default(),
    }
}

async fn unfinished(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    outcome: Outcome,
) -> Result<Next, Error> {
    match outcome {
        Outcome::Through => Ok(Next::Change),
        Outcome::Waiting { what, next } => {
            report::hooking(ctx, subject, settling, &what);
            Ok(Next::After(next))
        }
        Outcome::Failed(message) => {
            ctx.deadlines.remove(&subject.key);
            settle::give_up(ctx, subject, settling, &message).await
        }
    }
}

/// Goes on with the hooks of a revision, and remembers how far they are whatever happens.
async fn run(
    ctx: &Context,
    subject: &Subject,
    settling: &mut Settling,
    call: &Call,
) -> Result<Outcome, Error> {
    let mut course = Course {
        record: settling.record.clone(),
        progress: settling.progress.clone(),
        deadline: settling.deadline,
    };
    let outcome = super::hooks::advance(ctx, subject, &mut course, call).await;
    settling.record = course.record;
    settling.progress = course.progress;
    settling.deadline = course.deadline;
    // It is not there any more when somebody else has decided about the revision.
    if ctx.settling.get(&subject.key).is_some() {
        ctx.settling.insert(&subject.key, Arc::new(settling.clone()));
        ctx.decide(subject).await;
    }
    outcome
}

async fn content(ctx: &Context, subject: &Subject, settling: &Settling) -> Result<Arc<Release>, Error> {
    let found = settling.record.content(ctx, subject).await?;
    found.ok_or_else(|| {
        let changed = store::Error::Changed {
            key: subject.release.clone(),
            what: format!("revision {}", settling.record.head.revision),
        };
        changed.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_revision_stays_where_it_failed() {
        // applied, a hook before failed, a hook after failed, a test failed
        let table = [
            (true, false, true, false, Stage::After),
            // It ran before the objects too, and succeeded there.
            (true, true, true, false, Stage::After),
            (true, false, false, false, Stage::Wait),
            (true, false, false, true, Stage::Test),
            (false, true, false, false, Stage::Before),
            (false, false, false, false, Stage::Apply),
        ];
        for (applied, before, after, test, expected) in table {
            assert_eq!(
                Stage::of_failed(applied, before, after, test),
                expected,
                "{applied} {before} {after} {test}"
            );
        }
        let applied = [Stage::Before, Stage::Apply, Stage::Wait, Stage::After].map(Stage::is_applied);
        assert_eq!(applied, [false, false, true, true]);
    }
}
