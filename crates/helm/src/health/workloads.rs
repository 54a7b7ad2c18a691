//! Workloads: the kinds that run pods.

use serde_json::Value;

use super::{Condition, Health, Status, condition, generation, group_kind, is_true, number, text};

/// A count in the status, which leaves out zero.
fn count(object: &Value, field: &str) -> i64 {
    number(object, &format!("/status/{field}")).unwrap_or_default()
}

fn not_observed(object: &Value) -> Option<Health> {
    let unseen = number(object, "/metadata/generation").is_some()
        && number(object, "/status/observedGeneration").is_none();
    unseen.then(|| {
        Health::progressing(
            "LatestGenerationNotObserved",
            "the controller has not seen the object yet",
        )
    })
}

fn waiting(what: &str, have: i64, want: i64) -> Health {
    Health::progressing("Waiting", format!("{have} of {want} replicas are {what}"))
}

/// Pods can not be made. A quota may have room again when old pods have gone: how long that is waited for is not said
/// here.
fn replica_failure(object: &Value) -> Option<Health> {
    let failure = condition(object, "ReplicaFailure").filter(|failure| failure.status == "True")?;
    Some(Health::of(Status::Progressing, &failure))
}

pub(super) fn deployment(object: &Value) -> Health {
    if let Some(health) = not_observed(object) {
        return health;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let progressing = condition(object, "Progressing");
    if let Some(late) = progressing.filter(|found| found.reason == "ProgressDeadlineExceeded") {
        return Health::of(Status::Failed, &late);
    }
    if let Some(failure) = replica_failure(object) {
        return failure;
    }
    let updated = count(object, "updatedReplicas");
    if updated < want {
        if is_true(object, "/spec/paused") {
            return Health::new(Status::Suspended, "Paused", "the deployment is paused");
        }
        return waiting("updated", updated, want);
    }
    let all = count(object, "replicas");
    if all > updated {
        return Health::progressing(
            "Waiting",
            format!("{} old replicas are still there", all - updated),
        );
    }
    let available = count(object, "availableReplicas");
    if available < updated {
        return waiting("available", available, updated);
    }
    match condition(object, "Available") {
        Some(available) if available.status != "True" => Health::of(Status::Progressing, &available),
        _ => Health::ready(),
    }
}

pub(super) fn stateful_set(object: &Value) -> Health {
    if let Some(health) = not_observed(object) {
        return health;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let ready = count(object, "readyReplicas");
    if text(object, "/spec/updateStrategy/type") == Some("OnDelete") {
        return if ready < want {
            waiting("ready", ready, want)
        } else {
            Health::ready()
        };
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
    let update = (want - partition).max(0);
    let updated = count(object, "updatedReplicas");
    let revisions = (
        text(object, "/status/currentRevision"),
        text(object, "/status/updateRevision"),
    );
    let all_current =
        partition == 0 && matches!(revisions, (Some(current), Some(update)) if current == update);
    if !all_current && updated < update {
        return waiting("updated", updated, update);
    }
    if ready < want {
        return waiting("ready", ready, want);
    }
    let all = count(object, "replicas");
    if all > want {
        return Health::progressing("Waiting", format!("{} replicas are still to go", all - want));
    }
    Health::ready()
}

pub(super) fn daemon_set(object: &Value) -> Health {
    if let Some(health) = not_observed(object) {
        return health;
    }
    let Some(want) = number(object, "/status/desiredNumberScheduled") else {
        return Health::progressing(
            "LatestGenerationNotObserved",
            "the controller has not seen the object yet",
        );
    };
    let updated = count(object, "updatedNumberScheduled");
    if text(object, "/spec/updateStrategy/type") != Some("OnDelete") && updated < want {
        return waiting("updated", updated, want);
    }
    let available = count(object, "numberAvailable");
    if available < want {
        return waiting("available", available, want);
    }
    let ready = count(object, "numberReady");
    if ready < want {
        waiting("ready", ready, want)
    } else {
        Health::ready()
    }
}

pub(super) fn replica_set(object: &Value) -> Health {
    if let Some(health) = not_observed(object) {
        return health;
    }
    if let Some(failure) = replica_failure(object) {
        return failure;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let all = count(object, "replicas");
    if all > want {
        return Health::progressing("Waiting", format!("{} replicas are still to go", all - want));
    }
    let available = count(object, "availableReplicas");
    if available < want {
        return waiting("available", available, want);
    }
    let ready = count(object, "readyReplicas");
    if ready < want {
        waiting("ready", ready, want)
    } else {
        Health::ready()
    }
}

/// A Job that has ended, and goes by itself then.
pub(super) fn goes_when_done(object: &Value) -> bool {
    let is_job = group_kind(object) == ("batch", "Job");
    let goes = object.pointer("/spec/ttlSecondsAfterFinished").is_some();
    let ended = ["Complete", "Failed"]
        .iter()
        .any(|kind| holds(object, kind).is_some());
    is_job && goes && ended
}

fn holds<'o>(object: &'o Value, kind: &str) -> Option<Condition<'o>> {
    condition(object, kind).filter(|found| found.status == "True")
}

pub(super) fn job(object: &Value) -> Health {
    let holds = |kind: &str| holds(object, kind);
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        return Health::of(Status::Failed, &failed);
    }
    if holds("Complete").is_some() {
        return Health::ready();
    }
    if let Some(waiting) = generation(object) {
        return waiting;
    }
    if is_true(object, "/spec/suspend") {
        return Health::new(Status::Suspended, "Suspended", "the job is suspended");
    }
    let want = number(object, "/spec/completions")
        .or_else(|| number(object, "/spec/parallelism"))
        .unwrap_or(1);
    Health::progressing(
        "Running",
        format!(
            "{} of {want} pods succeeded, {} active, {} failed",
            count(object, "succeeded"),
            count(object, "active"),
            count(object, "failed")
        ),
    )
}

pub(super) fn cron_job(object: &Value) -> Health {
    if is_true(object, "/spec/suspend") {
        return Health::new(Status::Ready, "Suspended", "the schedule is suspended");
    }
    Health::ready()
}
