//! A reconcile that did not get where it should.

use crate::api::conditions;
use crate::status::{Report, Urgency};

use super::super::Context;
use super::super::policy::{Again, Error};
use super::super::settle::{self, Cause};
use super::super::subject::Subject;
use super::{attempted, put, start};

/// A reconcile did not get where it should.
pub(in crate::controller) fn error(ctx: &Context, subject: &Subject, error: &Error, message: &str) {
    let mut report = start(ctx, subject);
    let reason = error.reason();
    ctx.metrics.failed(reason);
    let said = report.condition(conditions::READY).is_some_and(|ready| {
        ready.reason == reason && ready.status == "False" && ready.message.contains(message.trim())
    });
    let observed = report.status.observed_generation == Some(subject.generation());
    // The remedy of this revision is under way and does not get on.
    let failed = ctx
        .settling
        .get(&subject.key)
        .filter(|settling| settle::remedy(subject, settling).is_some());
    match (error.again(), failed) {
        (Again::OnChange, Some(failed)) => {
            unremedied(&mut report, &settle::cause_of(&failed), reason, message);
        }
        (_, Some(failed)) => {
            let message = format!(
                "{}; its remedy waits: {message}",
                settle::cause_of(&failed).message
            );
            report
                .retrying(reason, &message)
                .remediated(false, reason, &message);
        }
        (Again::OnChange, None) => {
            report.stalled(reason, message);
            // Without a digest the inputs themselves can't be read; they are tried again after a restart.
            if let Some(digest) = ctx.attempts.get(&subject.key) {
                attempted(&mut report, &digest, Some(reason));
            }
        }
        (Again::Soon(_) | Again::Seldom, None) => {
            report.retrying(reason, message);
        }
    }
    if !(said && observed) {
        ctx.events.warning(&subject.app, reason, message);
    }
    put(ctx, subject, report, Urgency::Now);
}

/// A remedy failed. What it was to remedy stays said.
pub(super) fn unremedied(report: &mut Report, first: &Cause, reason: &str, message: &str) {
    let message = format!("{}; the remedy failed too: {message}", first.message);
    report
        .stalled(first.reason, &message)
        .remediated(false, reason, &message);
}
