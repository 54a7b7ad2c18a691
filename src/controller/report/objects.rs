//! Drift and health of a deployed release.

use std::collections::BTreeMap;

use helmapp_helm::plan::ObjectId;

use crate::api::HelmAppStatus;
use crate::api::conditions::{self, reason};
use crate::metrics::Action;
use crate::status::Urgency;

use super::super::Context;
use super::super::drift::Left;
use super::super::memory::{InventoryDigest, Tracked};
use super::super::restore::identity;
use super::super::settle::{self, Verdict};
use super::super::subject::Subject;
use super::{MAX_NAMED, READY, health_of, inventory, known, put, start};

/// Objects were put back; the texts say what had been changed.
pub(in crate::controller) fn corrected(ctx: &Context, subject: &Subject, objects: &[(ObjectId, String)]) {
    let mut report = start(ctx, subject);
    let names = some(objects.iter().map(|(id, change)| match change.as_str() {
        "" => id.to_string(),
        change => format!("{id} ({change})"),
    }));
    let message = format!("put back what was changed or deleted: {}", names.join(", "));
    report.drifted(false, reason::DRIFT_CORRECTED, &message);
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(Action::Repair, true);
    ctx.events.normal(&subject.app, reason::DRIFT_CORRECTED, &message);
    put(ctx, subject, report, Urgency::Soon);
}

/// Nobody looks whether objects are as they should be.
pub(in crate::controller) fn undetected(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    if report.condition(conditions::DRIFTED).is_some() {
        report.forget(conditions::DRIFTED);
        put(ctx, subject, report, Urgency::Soon);
    }
}

/// Objects are not as they should be and are left so.
pub(in crate::controller) fn drifted(ctx: &Context, subject: &Subject, objects: &[(ObjectId, Left)]) {
    let texts = some(objects.iter().map(|(id, left)| format!("{id}: {}", left.why)));
    let message = format!("changed by others, and left alone: {}", texts.join("; "));
    let refused = objects
        .iter()
        .any(|(_, left)| left.reason == reason::ADOPTION_REFUSED);
    let reason = if refused {
        reason::ADOPTION_REFUSED
    } else {
        reason::DRIFT_DETECTED
    };
    let mut report = start(ctx, subject);
    let said = report
        .condition(conditions::DRIFTED)
        .is_some_and(|drifted| drifted.status == "True" && drifted.message == message);
    if said {
        return;
    }
    report.drifted(true, reason, &message);
    ctx.events.warning(&subject.app, reason, &message);
    put(ctx, subject, report, Urgency::Soon);
}

/// All objects are as they should be, as far as the operator may see them.
pub(in crate::controller) fn undrifted(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    let said = report
        .condition(conditions::DRIFTED)
        .map(|drifted| (drifted.status.clone(), drifted.message.clone()));
    let mut changed = false;
    match ctx.forbidden(&subject.key) {
        Some((kinds, why)) => {
            let message = format!(
                "what others do to objects of kind {} is not noticed: {why}; give the operator the right to list and watch them, with a ClusterRole that has the label helmapp.io/aggregate-to-operator: \"true\"",
                kinds.join(", ")
            );
            if said.is_none_or(|(status, text)| status != "Unknown" || text != message) {
                report.unwatched(reason::NOT_WATCHED, &message);
                ctx.events.warning(&subject.app, reason::NOT_WATCHED, &message);
                changed = true;
            }
        }
        None if said.is_some_and(|(status, _)| status != "False") => {
            report.drifted(false, reason::NO_DRIFT, "all objects are as the release has them");
            changed = true;
        }
        None => {}
    }
    // The next process compares with this.
    let noted = report.status.inventory_digest.as_deref();
    let stale = noted.is_some_and(|noted| InventoryDigest::parse(noted).marks != known(ctx, subject).marks);
    let listed = report.status.inventory.iter().filter(|entry| entry.hook);
    let complete = report.status.inventory_total == i64::try_from(report.status.inventory.len()).ok();
    let gone = complete && listed.count() != ctx.memory.hooks(&subject.key).len();
    if (stale || noted.is_some() && gone) && ctx.settling.get(&subject.key).is_none() {
        inventory(ctx, subject, &mut report);
        changed = true;
    }
    if changed {
        put(ctx, subject, report, Urgency::Soon);
    }
}

/// Whether the status has those objects as ready, and no others, that are.
pub(in crate::controller) fn says_who_is_ready(
    status: &HelmAppStatus,
    objects: &[(ObjectId, Tracked)],
) -> bool {
    let listed = status.inventory.iter().filter(|entry| !entry.hook);
    let said: BTreeMap<ObjectId, &str> = listed
        .filter_map(|entry| Some((identity(entry).0, entry.health.as_deref()?)))
        .collect();
    objects
        .iter()
        .all(|(id, object)| match (said.get(id), health_of(object)) {
            (Some(said), Some(now)) => (*said == READY) == (now == READY),
            _ => true,
        })
}

/// The health of a deployed release has turned.
pub(in crate::controller) fn health(ctx: &Context, subject: &Subject) {
    let status = ctx.status.current(&subject.app);
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::READY);
    let known = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::HEALTHY);
    let (Some(ready), Some(known)) = (ready, known) else {
        return;
    };
    let objects = ctx.memory.objects(&subject.key);
    let mut report = start(ctx, subject);
    match settle::verdict(&objects) {
        Verdict::Ready => {
            const MESSAGE: &str = "all objects are ready";
            report.healthy(true, reason::HEALTH_CHECK_SUCCEEDED, MESSAGE);
            // Only what Ready says of health is taken back; a failed upgrade stays said.
            if ready.reason == reason::HEALTH_CHECK_FAILED {
                report.ready(reason::HEALTH_CHECK_SUCCEEDED, MESSAGE);
            }
            ctx.events
                .normal(&subject.app, reason::HEALTH_CHECK_SUCCEEDED, MESSAGE);
        }
        Verdict::Waiting(message) if known.status == "Unknown" => {
            let message = ctx.clean(subject, &message);
            report.settling(&format!("not waited for: {message}"));
        }
        Verdict::Waiting(message) | Verdict::Failed(message) => {
            let message = ctx.clean(subject, &message);
            report.healthy(false, reason::HEALTH_CHECK_FAILED, &message);
            // What was not waited for is not what the release is ready for either.
            let of_health = ready.reason == reason::HEALTH_CHECK_FAILED;
            if ready.status == "True" && known.status == "True" || ready.status == "False" && of_health {
                report.degraded(reason::HEALTH_CHECK_FAILED, &message);
            }
            ctx.events
                .warning(&subject.app, reason::HEALTH_CHECK_FAILED, &message);
        }
    }
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Soon);
}

/// The first texts, and how many more there are.
pub(super) fn some(all: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = all.len().saturating_sub(MAX_NAMED);
    let mut texts: Vec<String> = all.take(MAX_NAMED).collect();
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts
}
