//! Tests of a revision.

use crate::api::conditions::{self, reason};
use crate::api::{TestRun, TestStatus};
use crate::status::{Report, Urgency};

use super::super::Context;
use super::super::subject::Subject;
use super::{put, start};

/// Tests of a deployed revision are under way.
pub(in crate::controller) fn testing(ctx: &Context, subject: &Subject, what: &str) {
    let mut report = start(ctx, subject);
    report.testing(&format!("waiting for {what}"));
    put(ctx, subject, report, Urgency::Progress);
}

/// The tests of a deployed revision are through. `failure` says why one failed.
pub(in crate::controller) fn tested(
    ctx: &Context,
    subject: &Subject,
    revision: i64,
    asked: Option<String>,
    tests: Vec<TestRun>,
    failure: Option<&str>,
) {
    let mut report = start(ctx, subject);
    let message = ctx.clean(subject, failure.unwrap_or_default());
    let passed = format!("{} tests of revision {revision} succeeded", tests.len());
    match failure {
        Some(_) => {
            report.tested(false, reason::TEST_FAILED, &message);
            ctx.events.warning(&subject.app, reason::TEST_FAILED, &message);
        }
        None if tests.is_empty() => {
            report.forget(conditions::TEST_SUCCEEDED);
        }
        None => {
            report.tested(true, reason::TEST_SUCCEEDED, &passed);
            ctx.events.normal(&subject.app, reason::TEST_SUCCEEDED, &passed);
        }
    }
    report.status.test = Some(TestStatus {
        revision,
        asked,
        tests,
    });
    put(ctx, subject, report, Urgency::Now);
}

/// How the tests went that were part of a revision. What was said of an earlier revision's is over.
pub(super) fn of_revision(subject: &Subject, report: &mut Report, revision: i64, tests: Vec<TestRun>) {
    let asked = report.status.test.take().and_then(|last| last.asked);
    let failed: Vec<&str> = tests
        .iter()
        .filter(|test| test.phase != "Succeeded")
        .map(|test| test.name.as_str())
        .collect();
    match failed.as_slice() {
        _ if tests.is_empty() => {
            report.forget(conditions::TEST_SUCCEEDED);
        }
        [] => {
            let message = format!("{} tests of revision {revision} succeeded", tests.len());
            report.tested(true, reason::TEST_SUCCEEDED, &message);
        }
        failed => {
            let message = format!("tests of revision {revision} failed: {}", failed.join(", "));
            report.tested(false, reason::TEST_FAILED, &message);
        }
    }
    if subject.app.spec.test.enable || asked.is_some() {
        report.status.test = Some(TestStatus {
            revision,
            asked,
            tests,
        });
    }
}
