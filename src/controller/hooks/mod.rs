//! Hooks, one after the other, as Helm runs them. Nobody waits here: a hook that is under way is a state, and what a
//! watch shows of its object wakes the HelmApp.
//!
//! What is done is noted on the record before each step, and only while the record is as it was left: a process that
//! ended goes on from there, and one that lost the lead learns of it. Each object says which run has made it, so that
//! none is made twice.

mod call;
mod cause;
mod note;
mod objects;
mod output;
mod preflight;
mod removal;

use std::time::Duration;

use helmapp_helm::hooks::{Next, Run, Verdict, clear, next, verdict, waits};
use helmapp_helm::plan::Object;
use helmapp_helm::release::{Hook, HookOutputLogPolicy, HookPhase, Release};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::store::Progress;

use super::policy::{Again, Error};
use super::record::Record;
use super::settle::POLL;
use super::subject::Subject;
use super::{Context, veil};

use note::{changed, note};
use objects::{Made, Tools};

pub(super) use call::{Call, after, before, has_failed};
pub(super) use objects::{all, sweep};
pub(super) use preflight::check;
pub(super) use removal::{after as after_delete, before as before_delete};

/// The hooks of a record at one event, and how far they are.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// The record that has them.
    pub record: Record,
    /// What ran.
    pub progress: Progress,
    /// When the hook that is under way is given up.
    pub deadline: Instant,
}

/// Where the hooks of an event are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All ran and succeeded.
    Through,
    /// One is under way.
    Waiting {
        /// What is waited for.
        what: String,
        /// When to look again, whatever is seen.
        next: Duration,
    },
    /// One failed; the text names it and says how.
    Failed(String),
}

/// Goes on with the hooks of an event, as far as that can be done now.
///
/// # Errors
/// A failed request; [`crate::store::Error::Changed`] when the record is somebody else's by now.
pub(super) async fn advance(
    ctx: &Context,
    subject: &Subject,
    course: &mut Course,
    call: &Call,
) -> Result<Outcome, Error> {
    let Some(release) = course.record.content(ctx, subject).await? else {
        return Err(changed(subject, &course.record.head).into());
    };
    let mut noted = true;
    let mut why = None;
    loop {
        match next(call.places(), &call.event, &course.progress.runs) {
            Next::Start(index) => {
                begin(ctx, subject, course, call, index).await?;
                noted = true;
            }
            Next::Await(index) => match pursue(ctx, subject, course, call, &release, index).await? {
                Fate::Waiting(what, next) => return Ok(Outcome::Waiting { what, next }),
                Fate::Ended(failure) => {
                    end(course, call, index, failure.is_some());
                    noted = false;
                    why = failure;
                }
            },
            Next::Failed(index) => {
                if !noted {
                    note(ctx, subject, course).await?;
                }
                let message = failure(ctx, subject, course, call, &release, index, why).await?;
                // That it failed is what counts.
                if let Err(error) = leave(ctx, subject, course, call, &release).await {
                    warn!(release = %subject.release, %error, "objects of hooks stay");
                }
                return Ok(Outcome::Failed(message));
            }
            Next::Through => {
                if !noted {
                    note(ctx, subject, course).await?;
                }
                leave(ctx, subject, course, call, &release).await?;
                return Ok(Outcome::Through);
            }
        }
    }
}

/// Notes that a hook begins, before anything of it is made.
async fn begin(
    ctx: &Context,
    subject: &Subject,
    course: &mut Course,
    call: &Call,
    index: usize,
) -> Result<(), Error> {
    let before = course.progress.runs.len();
    course
        .progress
        .runs
        .push(Run::begin(index, &call.event, Timestamp::now()));
    if let Err(error) = note(ctx, subject, course).await {
        course.progress.runs.truncate(before);
        return Err(error);
    }
    course.deadline = Instant::now() + call.timeout;
    Ok(())
}

fn end(course: &mut Course, call: &Call, index: usize, failed: bool) {
    let phase = if failed {
        HookPhase::Failed
    } else {
        HookPhase::Succeeded
    };
    if let Some(run) = run_of(&mut course.progress, call, index) {
        run.end(phase, Timestamp::now());
    }
}

/// What became of a hook that was begun.
enum Fate {
    Waiting(String, Duration),
    /// With why it failed, if it did.
    Ended(Option<String>),
}

async fn pursue(
    ctx: &Context,
    subject: &Subject,
    course: &mut Course,
    call: &Call,
    release: &Release,
    index: usize,
) -> Result<Fate, Error> {
    let Some(hook) = release.hooks.get(index) else {
        return Ok(Fate::Ended(Some("the record has no such hook".to_owned())));
    };
    let tools = Tools::new(ctx, subject, &mark(course, call)).await?;
    let objects = match tools.objects(hook, release) {
        Ok(objects) => objects,
        Err(error) => return Ok(Fate::Ended(Some(error.to_string()))),
    };
    let ids: Vec<_> = objects.iter().map(|object| object.id.clone()).collect();
    let made = run_of(&mut course.progress, call, index).is_some_and(|run| run.made);
    if !made {
        ctx.follow(&super::kinds(&ids)).await?;
        ctx.memory.wait_for(&subject.key, ids);
        let made = make(&tools, hook, &objects).await;
        if made.is_err() {
            // What the server says can quote what the record has from Secrets.
            veil::recall_all(ctx, subject, release).await?;
        }
        match made? {
            Made::Yes => {}
            Made::Refused(why) => return Ok(Fate::Ended(Some(why))),
            Made::NotYet(id) => {
                let what = format!("{id} of an earlier run is still there");
                return Ok(waiting(ctx, course, call, &objects, what));
            }
        }
        if !objects.iter().any(waits) {
            return Ok(Fate::Ended(None));
        }
        if let Some(run) = run_of(&mut course.progress, call, index) {
            run.made = true;
        }
        note(ctx, subject, course).await?;
    }
    let mut running = None;
    for object in objects.iter().filter(|object| waits(object)) {
        match look(&tools, object).await? {
            Verdict::Succeeded => {}
            Verdict::Failed(why) => return Ok(Fate::Ended(Some(why))),
            Verdict::Running => running = running.or(Some(object)),
        }
    }
    let Some(object) = running else {
        return Ok(Fate::Ended(None));
    };
    let ids = objects.iter().map(|object| object.id.clone()).collect();
    ctx.memory.wait_for(&subject.key, ids);
    let mut what = format!("{} hook {}", call.event.as_str(), object.id);
    if cause::is_due(ctx, course, call, index)
        && let Some(cause) = cause::of(ctx, subject, object).await
    {
        what = format!("{what}: {cause}");
    }
    let fate = waiting(ctx, course, call, &objects, what);
    Ok(match fate {
        Fate::Waiting(what, next) => Fate::Waiting(what, next.min(cause::next(ctx, course, call, index))),
        ended @ Fate::Ended(_) => ended,
    })
}

async fn make(tools: &Tools<'_>, hook: &Hook, objects: &[Object]) -> Result<Made, Error> {
    for object in objects {
        match tools.make(hook, object).await {
            Ok(Made::Yes) => {}
            Ok(other) => return Ok(other),
            // What the server will never take is the hook's failure; the rest passes, or a person can see to it.
            Err(error) if matches!(error.again(), Again::OnChange) => {
                return Ok(Made::Refused(error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Made::Yes)
}

/// How far an object is that this run has made. One that is gone, or is another by now, has ended.
async fn look(tools: &Tools<'_>, object: &Object) -> Result<Verdict, Error> {
    Ok(match tools.live(object).await? {
        Some(live) => verdict(object, &live),
        None => Verdict::Succeeded,
    })
}

/// It goes on, unless its time is over.
fn waiting(ctx: &Context, course: &Course, call: &Call, objects: &[Object], what: String) -> Fate {
    let left = course.deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Fate::Ended(Some(format!(
            "not through within {} s: {what}",
            call.timeout.as_secs()
        )));
    }
    let seen = objects
        .iter()
        .all(|object| ctx.is_followed(&object.id.group, &object.id.kind));
    Fate::Waiting(what, if seen { left } else { left.min(POLL) })
}

/// What is said of a hook that failed: which, how, and what it wrote last.
async fn failure(
    ctx: &Context,
    subject: &Subject,
    course: &Course,
    call: &Call,
    release: &Release,
    index: usize,
    why: Option<String>,
) -> Result<String, Error> {
    let Some(hook) = release.hooks.get(index) else {
        return Ok(why.unwrap_or_default());
    };
    let tools = Tools::new(ctx, subject, &mark(course, call)).await?;
    let objects = tools.objects(hook, release).unwrap_or_default();
    let why = match why {
        Some(why) => why,
        // An earlier process has noted it and not said it.
        None => tools
            .failure(&objects)
            .await?
            .unwrap_or_else(|| "failed".to_owned()),
    };
    let message = format!("{} hook {} {}: {why}", call.event.as_str(), hook.kind, hook.name);
    info!(app = %subject.key.name, namespace = %subject.key.namespace, hook = hook.name, "hook failed");
    Ok(match output::tail(ctx, subject, release, &objects).await {
        Some(tail) => format!("{message}\n{tail}"),
        None => message,
    })
}

/// What follows the last hook of an event: logs are shown and objects go, as the policies of the hooks say.
async fn leave(
    ctx: &Context,
    subject: &Subject,
    course: &Course,
    call: &Call,
    release: &Release,
) -> Result<(), Error> {
    ctx.memory.wait_for(&subject.key, Vec::new());
    let runs = &course.progress.runs;
    let tools = Tools::new(ctx, subject, &mark(course, call)).await?;
    let places = call.places().iter().rev();
    for index in places.filter(|index| shows_logs(release, call, runs, **index)) {
        if let Some(hook) = release.hooks.get(*index) {
            let objects = tools.objects(hook, release).unwrap_or_default();
            output::show(ctx, subject, call, hook, release, &objects).await;
        }
    }
    for index in clear(&release.hooks, call.places(), &call.event, runs) {
        if let Some(hook) = release.hooks.get(index) {
            tools
                .delete(&tools.objects(hook, release).unwrap_or_default())
                .await?;
        }
    }
    Ok(())
}

/// Logs of hooks that succeeded are shown only when all did.
fn shows_logs(release: &Release, call: &Call, runs: &[Run], index: usize) -> bool {
    let is = |run: &Run, phase: HookPhase| run.event == call.event && run.phase == phase;
    let failed = runs.iter().any(|run| is(run, HookPhase::Failed));
    let policy = match failed {
        true => HookOutputLogPolicy::HookFailed,
        false => HookOutputLogPolicy::HookSucceeded,
    };
    let concerned = !failed
        || runs
            .iter()
            .any(|run| run.hook == index && is(run, HookPhase::Failed));
    concerned
        && release
            .hooks
            .get(index)
            .is_some_and(|hook| hook.shows_logs(&policy))
}

/// What the objects of a run carry.
fn mark(course: &Course, call: &Call) -> String {
    let run = format!("{}/{}", course.record.head.revision, call.event.as_str());
    match &course.progress.asked {
        Some(asked) => format!("{run}/{asked}"),
        None => run,
    }
}

fn run_of<'a>(progress: &'a mut Progress, call: &Call, index: usize) -> Option<&'a mut Run> {
    let mut runs = progress.runs.iter_mut();
    runs.find(|run| run.hook == index && run.event == call.event)
}

/// How long the hook that is under way still has, by when it was begun.
pub(super) fn deadline(progress: &Progress, timeout: Duration) -> Instant {
    let running = progress.runs.iter().find(|run| run.phase == HookPhase::Running);
    let since = running
        .and_then(|run| run.started.timestamp())
        .map(|started| Timestamp::now() - started);
    let gone = since
        .and_then(|since| Duration::try_from(since).ok())
        .unwrap_or_default();
    Instant::now() + timeout.saturating_sub(gone)
}
