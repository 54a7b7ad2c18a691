//! The end of a release.

use helmapp_helm::plan::ObjectId;

use crate::api::LEAVE_BEHIND;
use crate::api::conditions::reason;
use crate::events::LEFT_BEHIND;
use crate::metrics::Action;
use crate::status::Urgency;

use super::super::Context;
use super::super::subject::Subject;
use super::{MAX_NAMED, put, start};

/// A deleted HelmApp's release begins to go.
pub(in crate::controller) fn uninstall_begun(ctx: &Context, subject: &Subject) {
    let message = format!("uninstall of release {} is under way", subject.release);
    ctx.events.normal(&subject.app, reason::PROGRESSING, &message);
}

/// Objects of a deleted HelmApp are going.
pub(in crate::controller) fn uninstalling(
    ctx: &Context,
    subject: &Subject,
    remaining: &[ObjectId],
    late: bool,
) {
    let mut report = start(ctx, subject);
    let names: Vec<String> = remaining
        .iter()
        .take(MAX_NAMED)
        .map(ToString::to_string)
        .collect();
    let message = format!(
        "{} of the release's objects are still there: {}",
        remaining.len(),
        names.join(", ")
    );
    if late {
        let message = format!(
            "{message}; look at their finalizers, and at who should take these away; to end the deletion without, annotate the HelmApp with {LEAVE_BEHIND}=true: what is still there is left in the cluster"
        );
        report.retrying(reason::UNINSTALL_FAILED, &message);
    } else {
        report.progressing(reason::PROGRESSING, &message);
    }
    put(ctx, subject, report, Urgency::Soon);
}

/// A hook of a deleted HelmApp's release is under way.
pub(in crate::controller) fn unhooking(ctx: &Context, subject: &Subject, what: &str) {
    let mut report = start(ctx, subject);
    report.progressing(reason::PROGRESSING, &format!("waiting for {what}"));
    put(ctx, subject, report, Urgency::Soon);
}

/// A hook of a deleted HelmApp's release failed, and the deletion goes on.
pub(in crate::controller) fn hook_failed(ctx: &Context, subject: &Subject, message: &str) {
    let message = ctx.clean(subject, message);
    ctx.events
        .warning(&subject.app, reason::UNINSTALL_FAILED, &message);
}

/// Something of a deleted HelmApp's release stays in the cluster.
pub(in crate::controller) fn left_behind(ctx: &Context, subject: &Subject, what: &str, why: &str) {
    let message = format!("{LEFT_BEHIND}, as {why}: {what}");
    ctx.events
        .warning(&subject.app, reason::UNINSTALL_FAILED, &message);
}

/// A deleted HelmApp's release is gone.
pub(in crate::controller) fn uninstalled(ctx: &Context, subject: &Subject) {
    let message = format!("release {} is uninstalled", subject.release);
    ctx.metrics.acted(Action::Uninstall, true);
    ctx.events.ended(&subject.app);
    ctx.events
        .normal(&subject.app, reason::UNINSTALL_SUCCEEDED, &message);
}
