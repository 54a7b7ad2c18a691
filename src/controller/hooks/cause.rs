//! What keeps a hook from ending, as its pods say. It is told, and ends nothing: a hook has the time that Helm gives it.

use std::time::Duration;

use helmapp_helm::health::pods::Workload;
use helmapp_helm::plan::Object;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use crate::cluster::apply::Applier;

use super::super::Context;
use super::super::policy::Error;
use super::super::subject::Subject;
use super::output::pods_of;
use super::{Call, Course};

/// How often the pods of a hook are asked that takes long.
const AGAIN: Duration = Duration::from_secs(30);

/// Whether the pods of a hook are to be asked: it has run for a while, or its time is over.
pub(super) fn is_due(ctx: &Context, course: &Course, call: &Call, index: usize) -> bool {
    let late = Instant::now() >= course.deadline;
    late || age(course, call, index) >= ctx.settings.health.ask_pods_after
}

/// How long it is until they are asked next.
pub(super) fn next(ctx: &Context, course: &Course, call: &Call, index: usize) -> Duration {
    let first = ctx.settings.health.ask_pods_after;
    let left = first.saturating_sub(age(course, call, index));
    if left.is_zero() { AGAIN } else { left }
}

fn age(course: &Course, call: &Call, index: usize) -> Duration {
    let mut runs = course.progress.runs.iter();
    let run = runs.find(|run| run.hook == index && run.event == call.event);
    run.and_then(|run| run.started.timestamp())
        .and_then(|started| Duration::try_from(Timestamp::now() - started).ok())
        .unwrap_or_default()
}

/// What is wrong with the pods of a hook's object. That they can't be asked is no failure.
pub(super) async fn of(ctx: &Context, subject: &Subject, object: &Object) -> Option<String> {
    match try_of(ctx, subject, object).await {
        Ok(found) => found,
        Err(error) => {
            debug!(object = %object.id, %error, "pods can not be asked");
            None
        }
    }
}

async fn try_of(ctx: &Context, subject: &Subject, object: &Object) -> Result<Option<String>, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
    let Some(live) = applier.get(&object.id, &object.version).await? else {
        return Ok(None);
    };
    let workload = Workload(&live);
    let pods = match workload.is_pod() {
        true => Vec::new(),
        false => pods_of(ctx, subject, object).await?,
    };
    let own = match workload.is_pod() {
        true => vec![&live],
        false => workload.own(&[], &pods),
    };
    let patience = &ctx.settings.health.patience;
    let trouble = workload.trouble(&own, Timestamp::now(), patience);
    Ok(trouble
        .map(|trouble| trouble.health.message)
        .filter(|said| !said.is_empty()))
}
