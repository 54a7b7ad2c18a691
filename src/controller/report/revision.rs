//! The way of a revision: begun, waited for, deployed or given up.

use tracing::warn;

use crate::api::conditions::{self, reason};
use crate::api::{HelmAppStatus, MAX_CAUSE, RollbackStatus, TestRun};
use crate::excerpt::{self, excerpt};
use crate::metrics::Action;
use crate::status::Urgency;

use super::super::Context;
use super::super::record::Record;
use super::super::revision::Change;
use super::super::settle::{self, Cause, Settling, Verdict};
use super::super::stages::Stage;
use super::super::subject::Subject;
use super::super::testing;
use super::objects::some;
use super::rollback::{leave_rollback, superseded};
use super::tests::of_revision;
use super::{are_ready, attempted, inventory, named, put, released, start, tried_in_vain};

/// A revision was begun.
pub(in crate::controller) fn begun(ctx: &Context, subject: &Subject, settling: &Settling) {
    let mut report = start(ctx, subject);
    let why = why(&report.status, settling, subject.generation());
    let joint = match settling.change {
        Change::Uninstall => "as",
        _ => "to",
    };
    let message = format!(
        "{} {joint} revision {} is under way",
        settling.change.noun(),
        settling.record.head.revision
    );
    report.progressing(reason::PROGRESSING, &message);
    released(ctx, subject, &mut report, settling, &settling.record);
    let mut history = report.status.history.iter_mut();
    let entry = history.find(|entry| entry.revision == settling.record.head.revision);
    if let Some(entry) = entry.filter(|entry| entry.cause.is_none()) {
        entry.cause = Some(excerpt(&why, MAX_CAUSE));
    }
    report.status.conflicts.clear();
    ctx.conflicts.remove(&subject.key);
    if let (Change::Rollback(to_revision), None) = (settling.change, &settling.cause) {
        let revision = settling.record.head.revision;
        let spec_digest = subject.spec_digest();
        report.status.rollback = Some(RollbackStatus {
            to_revision,
            revision,
            spec_digest,
        });
    } else if settling.cause.is_none() {
        leave_rollback(subject, &mut report);
        report.forget(conditions::REMEDIATED);
    }
    let (chart, message) = (named(&settling.chart), with_cause(settling, &message));
    ctx.events
        .begun(&subject.app, reason::PROGRESSING, &format!("{message}: {chart}"));
    put(ctx, subject, report, Urgency::Soon);
}

/// Why a revision is made, as its entry in the history says it. `last` is the status from before.
fn why(last: &HelmAppStatus, settling: &Settling, generation: i64) -> String {
    match (&settling.cause, settling.change) {
        (Some(cause), _) => format!("remedy for {}", cause.reason),
        (None, Change::Rollback(to)) => format!("spec.rollback.toRevision {to}"),
        (None, Change::Uninstall) => "remedy".to_owned(),
        (None, Change::Install) => format!("spec of generation {generation}"),
        (None, Change::Upgrade) => {
            let mut changed = Vec::new();
            if last.observed_generation != Some(generation) {
                changed.push(format!("spec of generation {generation}"));
            }
            if last
                .chart
                .as_ref()
                .is_some_and(|chart| chart.digest != settling.chart.digest)
            {
                changed.push("chart".to_owned());
            }
            match changed.is_empty() {
                true => "what the spec refers to, or the cluster's kinds".to_owned(),
                false => changed.join(", "),
            }
        }
    }
}

/// What of a revision's manifest is not followed to the letter.
pub(in crate::controller) fn warnings(ctx: &Context, subject: &Subject, warnings: &[String]) {
    if warnings.is_empty() {
        return;
    }
    let named = some(warnings.iter().cloned()).join("; ");
    let message = ctx.clean(subject, &named);
    warn!(app = %subject.key.name, namespace = %subject.key.namespace, message, "not all of the manifest is followed");
    ctx.events
        .warning(&subject.app, reason::MANIFEST_AMBIGUOUS, &message);
}

/// What a revision remedies belongs to its beginning.
fn with_cause(settling: &Settling, message: &str) -> String {
    match &settling.cause {
        Some(cause) => format!("{message}, as {}", cause.message),
        None => message.to_owned(),
    }
}

/// Objects are applied and not all ready.
pub(in crate::controller) fn settling(ctx: &Context, subject: &Subject, settling: &Settling, waiting: &str) {
    let mut report = start(ctx, subject);
    let waiting = ctx.clean(subject, waiting);
    let message = format!(
        "waiting for revision {}: {waiting}",
        settling.record.head.revision
    );
    report
        .progressing(reason::PROGRESSING, &message)
        .settling(&message);
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Progress);
}

/// A hook of a revision is under way.
pub(in crate::controller) fn hooking(ctx: &Context, subject: &Subject, settling: &Settling, what: &str) {
    let mut report = start(ctx, subject);
    let message = format!("waiting for revision {}: {what}", settling.record.head.revision);
    report.progressing(reason::PROGRESSING, &message);
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Progress);
}

/// A revision is deployed and its objects are ready, or it has taken them all away.
pub(in crate::controller) fn finished(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    deployed: &Record,
) {
    let mut report = start(ctx, subject);
    released(ctx, subject, &mut report, settling, deployed);
    let revision = deployed.head.revision;
    let tests = deployed.held().map(testing::runs).unwrap_or_default();
    of_revision(subject, &mut report, revision, tests);
    let (change, message) = match settling.change {
        Change::Rollback(to) => (
            settling.change,
            format!("went back to revision {to}, as revision {revision}"),
        ),
        Change::Uninstall => (settling.change, format!("uninstalled, as revision {revision}")),
        change => (
            change,
            format!(
                "{} succeeded: {}, revision {revision}",
                change.noun(),
                named(&settling.chart)
            ),
        ),
    };
    let success = settle::success(change);
    let is_there = change != Change::Uninstall;
    report.released(is_there, success, &message);
    match settle::verdict(&ctx.memory.objects(&subject.key)) {
        _ if !is_there => {
            report.forget(conditions::HEALTHY);
        }
        Verdict::Ready => {
            are_ready(&mut report);
        }
        Verdict::Waiting(doing) | Verdict::Failed(doing) => {
            let doing = ctx.clean(subject, &doing);
            report.settling(&format!("not waited for: {doing}"));
        }
    }
    match &settling.cause {
        Some(cause) => {
            let message = excerpt::with(&cause.message, &message);
            tried_in_vain(ctx, subject, &mut report, cause, &message);
            report.remediated(true, success, &message);
        }
        None => {
            let also = superseded(subject, &report);
            report.ready(success, &format!("{message}{also}"));
            attempted(&mut report, &settling.input_digest, None);
        }
    }
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(action(settling), true);
    ctx.events.ended(&subject.app);
    ctx.events.normal(&subject.app, success, &message);
    put(ctx, subject, report, Urgency::Now);
}

/// A revision was given up.
pub(in crate::controller) fn failed(
    ctx: &Context,
    subject: &Subject,
    settling: &Settling,
    cause: &Cause,
    tests: Vec<TestRun>,
) {
    let mut report = start(ctx, subject);
    released(ctx, subject, &mut report, settling, &settling.record);
    of_revision(subject, &mut report, settling.record.head.revision, tests);
    report.released(false, cause.reason, &cause.message);
    match settling.stage {
        Stage::After | Stage::Test => {
            report.healthy(true, reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready");
        }
        Stage::Wait => {
            report.healthy(false, reason::HEALTH_CHECK_FAILED, &cause.message);
        }
        // The objects are those of the revision before.
        Stage::Before if report.condition(conditions::HEALTHY).is_some() => {}
        Stage::Before | Stage::Apply => {
            report.healthy(false, cause.reason, &cause.message);
        }
    }
    match &settling.cause {
        Some(first) => {
            let failed = format!("the remedy failed too: {}", cause.message);
            let message = excerpt::with(&first.message, &failed);
            tried_in_vain(ctx, subject, &mut report, first, &message);
            report.remediated(false, cause.reason, &message);
        }
        None => {
            tried_in_vain(ctx, subject, &mut report, cause, &cause.message);
        }
    }
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(action(settling), false);
    ctx.metrics.failed(cause.reason);
    ctx.events.ended(&subject.app);
    ctx.events.warning(&subject.app, cause.reason, &cause.message);
    put(ctx, subject, report, Urgency::Now);
}

/// What a revision was for, as metrics count it.
fn action(settling: &Settling) -> Action {
    match settling.change {
        _ if settling.cause.is_some() => Action::Remediate,
        Change::Install => Action::Install,
        Change::Upgrade => Action::Upgrade,
        Change::Rollback(_) => Action::Rollback,
        Change::Uninstall => Action::Uninstall,
    }
}
