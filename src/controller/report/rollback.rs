//! A rollback, and what is said while the spec still names one that later values have ended.

use crate::api::RollbackStatus;
use crate::api::conditions::reason;
use crate::status::{Report, Urgency};
use crate::store::Stored;

use super::super::Context;
use super::super::subject::Subject;
use super::{are_ready, attempted, chart_of, found, inventory, put, release, start};

/// A rollback was through before its end was said.
pub(in crate::controller) fn went_back(
    ctx: &Context,
    subject: &Subject,
    to: i64,
    newest: &Stored,
    digest: &str,
) {
    let mut report = start(ctx, subject);
    let chart = report.status.chart.take().unwrap_or_default();
    report.status.chart = Some(chart_of(&newest.release, &chart));
    let revision = newest.head.revision;
    report.status.rollback = Some(RollbackStatus {
        to_revision: to,
        revision,
        spec_digest: subject.spec_digest(),
    });
    report.status.release = Some(release(subject, &newest.head, digest));
    if found(ctx, subject, &mut report, newest) {
        are_ready(&mut report);
    }
    attempted(&mut report, digest, None);
    let message = format!("went back to revision {to}, as revision {revision}");
    report
        .released(true, reason::ROLLBACK_SUCCEEDED, &message)
        .ready(reason::ROLLBACK_SUCCEEDED, &message);
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Now);
}

/// A rollback that the spec has moved on from does not come back with the old spec.
pub(super) fn leave_rollback(subject: &Subject, report: &mut Report) {
    match (&mut report.status.rollback, subject.app.spec.rollback.to_revision) {
        (Some(done), Some(_)) => done.spec_digest.clear(),
        (done, None) => *done = None,
        (None, Some(_)) => {}
    }
}

/// What Ready says beside the rest when the spec still names a rollback that later values have ended.
pub(super) fn superseded(subject: &Subject, report: &Report) -> String {
    let wanted = subject.app.spec.rollback.to_revision;
    match &report.status.rollback {
        Some(done) if wanted == Some(done.to_revision) && done.spec_digest != subject.spec_digest() => {
            format!(
                "; the rollback to revision {} (done as revision {}) was superseded by a later change of chart or values: take spec.rollback.toRevision away, and set it again to go back once more",
                done.to_revision, done.revision
            )
        }
        _ => String::new(),
    }
}
