//! Nothing was to be done, and that is said.

use crate::api::conditions::{self, reason};
use crate::status::Urgency;
use crate::store::{Head, Stored};

use super::super::Context;
use super::super::inputs::Gathered;
use super::super::memory::Health;
use super::super::revision::Change;
use super::super::settle::{self, Verdict};
use super::super::subject::Subject;
use super::rollback::{leave_rollback, superseded};
use super::{are_ready, attempted, found, inventory, named, put, refresh, release, start};

/// `spec.suspend` is true.
pub(in crate::controller) fn suspended(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    report.suspended();
    put(ctx, subject, report, Urgency::Now);
}

/// The inputs were looked at and ask for nothing new.
pub(in crate::controller) fn observed(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    let generation = subject.generation();
    let resumed = report
        .condition(conditions::STALLED)
        .is_some_and(|stalled| stalled.reason == reason::SUSPENDED);
    if resumed {
        report.forget(conditions::STALLED);
    }
    if report.status.observed_generation == Some(generation) && !resumed {
        return;
    }
    report.status.observed_generation = Some(generation);
    for condition in &mut report.status.conditions {
        condition.observed_generation = Some(generation);
    }
    put(ctx, subject, report, Urgency::Now);
}

/// What the inputs ask for was tried in vain, for this reason, and an error that is over took its place in Ready.
pub(in crate::controller) fn in_vain(ctx: &Context, subject: &Subject, reason: &str) {
    let mut report = start(ctx, subject);
    let said = [conditions::REMEDIATED, conditions::RELEASED, conditions::READY]
        .into_iter()
        .filter_map(|kind| report.condition(kind))
        .find(|condition| condition.type_ == conditions::REMEDIATED || condition.reason == reason);
    let message = match said {
        Some(condition) => condition.message.clone(),
        None => "what is asked for was tried and failed".to_owned(),
    };
    report.stalled(reason, &message);
    put(ctx, subject, report, Urgency::Now);
}

/// The deployed revision is what the inputs of this digest ask for: whatever an earlier attempt left in the status is over.
pub(in crate::controller) fn in_force(ctx: &Context, subject: &Subject, head: &Head, digest: &str) {
    let objects = ctx.memory.objects(&subject.key);
    let verdict = settle::verdict(&objects);
    let unseen = objects.iter().any(|(_, object)| object.health == Health::Unknown);
    let mut report = start(ctx, subject);
    let said = |kind| report.condition(kind).map(|condition| condition.status.clone());
    let ready = said(conditions::READY).as_deref() == Some("True");
    let calm = said(conditions::STALLED).is_none() && said(conditions::RECONCILING).is_none();
    let recorded = report
        .status
        .release
        .as_ref()
        .is_some_and(|release| release.status == head.status.as_str());
    let attempt = report.status.last_attempted.as_ref();
    let failed = attempt.is_some_and(|attempt| attempt.reason.is_some());
    // How a release that is ready is doing is looked after elsewhere, and takes its time.
    if unseen || !failed && calm && recorded && (ready || verdict != Verdict::Ready) {
        observed(ctx, subject);
        return;
    }
    if let Some(release) = &mut report.status.release {
        head.status.as_str().clone_into(&mut release.status);
    }
    if failed {
        attempted(&mut report, digest, None);
    }
    refresh(ctx, subject, &mut report);
    let message = format!("revision {} is deployed", head.revision);
    let also = superseded(subject, &report);
    let rollback = report.status.rollback.as_ref();
    let success = match head.revision {
        revision if rollback.is_some_and(|done| done.revision == revision) => reason::ROLLBACK_SUCCEEDED,
        1 => reason::INSTALL_SUCCEEDED,
        _ => reason::UPGRADE_SUCCEEDED,
    };
    report.released(true, success, &message);
    if !recorded {
        inventory(ctx, subject, &mut report);
    }
    match &verdict {
        Verdict::Ready => {
            report
                .healthy(true, reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready")
                .ready(success, &format!("{message}{also}"));
        }
        Verdict::Waiting(message) | Verdict::Failed(message) => {
            let message = ctx.clean(subject, message);
            report
                .healthy(false, reason::HEALTH_CHECK_FAILED, &message)
                .degraded(reason::HEALTH_CHECK_FAILED, &message);
        }
    }
    put(ctx, subject, report, Urgency::Now);
}

/// Other inputs gave the manifest that is deployed: no revision is made for that.
pub(in crate::controller) fn unchanged(
    ctx: &Context,
    subject: &Subject,
    gathered: &Gathered,
    newest: &Stored,
) {
    let mut report = start(ctx, subject);
    leave_rollback(subject, &mut report);
    report.status.chart = Some(gathered.chart_status.clone());
    report.status.release = Some(release(subject, &newest.head, &gathered.digest));
    let is_news = found(ctx, subject, &mut report, newest);
    attempted(&mut report, &gathered.digest, None);
    let message = format!(
        "{}, revision {}",
        named(&gathered.chart_status),
        newest.head.revision
    );
    let reason = match is_news {
        true => settle::success(Change::of(&newest.release)),
        false => reason::UPGRADE_SUCCEEDED,
    };
    if is_news {
        report.released(true, reason, &message);
        are_ready(&mut report);
    }
    let also = superseded(subject, &report);
    report.ready(reason, &format!("{message}{also}"));
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Now);
}
