//! Tests of a deployed revision: those that a person asks for, or that were turned on after it was deployed. What fails
//! here is said, and leaves the revision as it is; a revision that is under way has its tests as its last stage.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::release::{Hook, HookEvent, HookPhase, Release, Status};
use tracing::info;

use crate::api::{MAX_TESTS, TestRun, TestSpec};
use crate::store::{Progress, Stored};

use super::hooks::{self, Call, Course, Outcome};
use super::policy::Error;
use super::reconcile::Next;
use super::subject::Subject;
use super::{Context, report};

/// What asks for the tests of a deployed revision, with a person's words behind it.
const ASKED: &str = "test-";

/// The tests of a record that the spec does not leave out.
pub(super) fn call(subject: &Subject, release: &Release) -> Call {
    let spec = &subject.app.spec.test;
    Call::new(release, HookEvent::Test, spec.timeout.0, |hook| {
        is_wanted(spec, &hook.name)
    })
}

/// As `helm test --filter` has it: what is excluded does not run, and only what is named where something is.
fn is_wanted(spec: &TestSpec, name: &str) -> bool {
    let listed = |exclude: bool| {
        spec.filters
            .iter()
            .filter(move |filter| filter.exclude == exclude)
    };
    let excluded = listed(true).any(|filter| filter.name == name);
    !excluded && (listed(false).next().is_none() || listed(false).any(|filter| filter.name == name))
}

/// How the tests of a record went that ran.
pub(super) fn runs(release: &Release) -> Vec<TestRun> {
    let order = helmapp_helm::hooks::order(&release.hooks, &HookEvent::Test);
    let hooks = order.into_iter().filter_map(|index| release.hooks.get(index));
    hooks
        .filter(|hook| hook.last_run.phase != HookPhase::Never)
        .take(MAX_TESTS)
        .map(run_of)
        .collect()
}

fn run_of(hook: &Hook) -> TestRun {
    let time = |time: &helmapp_helm::release::Time| {
        let time = time.timestamp();
        time.map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time)
    };
    TestRun {
        kind: hook.kind.clone(),
        name: hook.name.clone(),
        phase: match &hook.last_run.phase {
            HookPhase::Succeeded => "Succeeded",
            HookPhase::Failed => "Failed",
            HookPhase::Running => "Running",
            _ => "Unknown",
        }
        .to_owned(),
        started: time(&hook.last_run.started_at),
        completed: time(&hook.last_run.completed_at),
    }
}

/// Runs the tests of the deployed revision, or goes on with them.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn test(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads.first().filter(|head| head.status == Status::Deployed) else {
        return Ok(Next::Change);
    };
    let asked = subject.app.asks_tests().map(str::to_owned);
    let words = format!("{ASKED}{}", asked.as_deref().unwrap_or_default());
    let known = ctx
        .testing
        .get(&subject.key)
        .filter(|course| course.record.head.uid == head.uid);
    let mut course = match known {
        Some(course) => Course::clone(&course),
        None => {
            let Some(stored) = ctx.store.read(&subject.release, head.revision).await? else {
                return Ok(Next::Change);
            };
            let progress = ctx.store.progress(&subject.release, head.revision).await?;
            Course {
                deadline: hooks::deadline(&progress, subject.app.spec.test.timeout.0),
                progress,
                record: stored.into(),
            }
        }
    };
    let Some(release) = course.record.content(ctx, subject).await? else {
        return Ok(Next::Change);
    };
    let call = call(subject, &release);
    if call.is_empty() {
        report::tested(ctx, subject, head.revision, asked, Vec::new(), None);
        return Ok(Next::Change);
    }
    if course.progress.asked.as_ref() != Some(&words) {
        info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = head.revision, "testing");
        course.progress = Progress {
            asked: Some(words),
            ..Progress::default()
        };
    }
    let outcome = hooks::advance(ctx, subject, &mut course, &call).await;
    match &outcome {
        Ok(_) => ctx.testing.insert(&subject.key, Arc::new(course.clone())),
        // How far they are is read again.
        Err(_) => _ = ctx.testing.remove(&subject.key),
    }
    let failure = match outcome? {
        Outcome::Waiting { what, next } => {
            ctx.decide(subject).await;
            report::testing(ctx, subject, &what);
            return Ok(Next::After(next));
        }
        Outcome::Through => None,
        Outcome::Failed(message) => Some(message),
    };
    let stored = write(ctx, subject, &course, Release::clone(&release)).await?;
    ctx.testing.remove(&subject.key);
    report::tested(
        ctx,
        subject,
        head.revision,
        asked,
        runs(&stored.release),
        failure.as_deref(),
    );
    ctx.decide(subject).await;
    Ok(Next::After(Duration::ZERO))
}

/// Writes into the record how its tests went, as `helm test` does.
async fn write(ctx: &Context, subject: &Subject, course: &Course, release: Release) -> Result<Stored, Error> {
    let mut stored = Stored {
        release,
        head: course.record.head.clone(),
    };
    helmapp_helm::hooks::record(&mut stored.release.hooks, &course.progress.runs);
    let stored = ctx.store.update(stored, None).await?;
    ctx.memory.recorded(&subject.release, stored.head.clone());
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use crate::api::TestFilter;

    use super::*;

    #[test]
    fn filters_leave_out_and_choose() {
        let filter = |name: &str, exclude| TestFilter {
            name: name.to_owned(),
            exclude,
        };
        let table = [
            (vec![], [true, true, true]),
            (vec![filter("a", true)], [false, true, true]),
            (vec![filter("a", false), filter("b", false)], [true, true, false]),
            (vec![filter("a", false), filter("a", true)], [false, false, false]),
        ];
        for (filters, expected) in table {
            let spec = TestSpec {
                filters: filters.clone(),
                ..TestSpec::default()
            };
            assert_eq!(
                ["a", "b", "c"].map(|name| is_wanted(&spec, name)),
                expected,
                "{filters:?}"
            );
        }
    }
}
