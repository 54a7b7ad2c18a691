//! Hooks of a release that goes: before its objects are deleted, and after.

use std::sync::Arc;

use helmapp_helm::hooks::{Next as Step, next};
use helmapp_helm::release::HookEvent;
use tokio::time::Instant;

use crate::api::LEAVE_BEHIND;
use crate::api::conditions::reason;
use crate::store::{Progress, Stored};

use super::super::policy::{Again, Error};
use super::super::reconcile::Next;
use super::super::record::Record;
use super::super::subject::Subject;
use super::super::{Context, namespace, report};
use super::{Call, Course, Outcome, advance, deadline};

/// What asks for the hooks of a release that goes, with the generation of the HelmApp behind it.
const ASKED: &str = "uninstall-";

/// Runs the pre-delete hooks of the newest revision; what is to be waited for, if anything. With `leaves`, the
/// deletion goes on whatever becomes of them.
///
/// # Errors
/// A hook that failed, with what a person may do; a failed request.
pub(in super::super) async fn before(
    ctx: &Context,
    subject: &Subject,
    newest: &Stored,
    leaves: bool,
) -> Result<Option<Next>, Error> {
    match run(ctx, subject, newest, HookEvent::PreDelete).await {
        Ok(Outcome::Through) => Ok(None),
        Ok(Outcome::Waiting { what, next }) => {
            report::unhooking(ctx, subject, &what);
            Ok(Some(Next::After(next)))
        }
        Ok(Outcome::Failed(message)) if leaves => {
            report::hook_failed(ctx, subject, &message);
            Ok(None)
        }
        Ok(Outcome::Failed(message)) => Err(Error::Input {
            reason: reason::UNINSTALL_FAILED,
            message: format!(
                "{message}; nothing of the release is deleted: put right what the hook says and change spec.uninstall, for example its timeout, to run it again, set spec.uninstall.disableHooks to go on without, or annotate the HelmApp with {LEAVE_BEHIND}=true"
            ),
            again: Again::OnChange,
        }),
        Err(error) => goes_without(ctx, subject, error, leaves).await.map(|()| None),
    }
}

/// Runs the post-delete hooks; what is to be waited for, if anything. One that fails is said, and holds up nothing.
///
/// # Errors
/// A failed request.
pub(in super::super) async fn after(
    ctx: &Context,
    subject: &Subject,
    newest: &Stored,
    leaves: bool,
) -> Result<Option<Next>, Error> {
    match run(ctx, subject, newest, HookEvent::PostDelete).await {
        Ok(Outcome::Through) => Ok(None),
        Ok(Outcome::Waiting { what, next }) => {
            report::unhooking(ctx, subject, &what);
            Ok(Some(Next::After(next)))
        }
        Ok(Outcome::Failed(message)) => {
            report::hook_failed(ctx, subject, &message);
            Ok(None)
        }
        Err(error) => goes_without(ctx, subject, error, leaves).await.map(|()| None),
    }
}

/// Nothing can be made in a namespace that is going, and nobody waits for that.
async fn goes_without(ctx: &Context, subject: &Subject, error: Error, leaves: bool) -> Result<(), Error> {
    let passes = matches!(error.again(), Again::Soon(_));
    if leaves && !passes || namespace::is_going(ctx, &subject.release.namespace).await? {
        report::hook_failed(ctx, subject, &error.to_string());
        return Ok(());
    }
    Err(error)
}

async fn run(ctx: &Context, subject: &Subject, newest: &Stored, event: HookEvent) -> Result<Outcome, Error> {
    let uninstall = &subject.app.spec.uninstall;
    let wanted = !uninstall.disable_hooks;
    let call = Call::new(&newest.release, event, uninstall.timeout.0, |_| wanted);
    if call.is_empty() {
        return Ok(Outcome::Through);
    }
    let known = ctx.removing.get(&subject.key);
    let known = known.filter(|course| course.record.head.revision == newest.head.revision);
    let mut course = match known {
        Some(course) => Course::clone(&course),
        None => {
            let progress = ctx.store.progress(&subject.release, newest.head.revision).await?;
            Course {
                record: Record::from(newest.clone()),
                deadline: deadline(&progress, call.timeout),
                progress,
            }
        }
    };
    let asked = format!("{ASKED}{}", subject.generation());
    let failed = matches!(
        next(call.places(), &call.event, &course.progress.runs),
        Step::Failed(_)
    );
    let begun = course.progress.asked.as_ref();
    let runs_of_it = begun.is_some_and(|asked| asked.starts_with(ASKED));
    // What failed is tried again when the spec was changed since, and what an earlier action noted counts for nothing.
    if !runs_of_it || failed && course.progress.asked.as_ref() != Some(&asked) {
        course.progress = Progress {
            asked: Some(asked),
            ..Progress::default()
        };
        course.deadline = Instant::now() + call.timeout;
    }
    let outcome = advance(ctx, subject, &mut course, &call).await;
    ctx.removing.insert(&subject.key, Arc::new(course));
    outcome
}
