//! Pods, and why one can not run.

use serde_json::Value;

use super::{Health, condition, number, text};

/// What a container waits for after it has crashed again and again.
pub(super) const CRASHES: &str = "CrashLoopBackOff";

/// What a container waits for without hope of more than another try of the same.
pub(super) const HOPELESS: [&str; 8] = [
    CRASHES,
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Assesses a pod. One whose containers can not be started, or crash again and again, is on its way, with the reason: how
/// long that may take is the caller's to say.
pub fn assess_pod(pod: &Value) -> Health {
    if text(pod, "/metadata/deletionTimestamp").is_some() {
        return Health::new(
            super::Status::Terminating,
            "Terminating",
            "the pod is being deleted",
        );
    }
    let phase = text(pod, "/status/phase").unwrap_or_default();
    match phase {
        "Succeeded" => return Health::ready(),
        "Failed" => return ended(pod),
        _ => {}
    }
    if let Some(waits) = containers(pod).find_map(hopeless) {
        return waits;
    }
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|found| found.status == "False") {
        return Health::of(super::Status::Progressing, &scheduled);
    }
    match condition(pod, "Ready") {
        Some(ready) if ready.status == "True" => Health::ready(),
        Some(ready) => Health::of(super::Status::Progressing, &ready),
        None => Health::progressing(
            if phase.is_empty() { "Pending" } else { phase },
            "the pod is not ready yet",
        ),
    }
}

/// What a pod says of its containers, those first that run first.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    statuses(pod, "initContainerStatuses").chain(statuses(pod, "containerStatuses"))
}

fn statuses<'p>(pod: &'p Value, field: &str) -> impl Iterator<Item = &'p Value> {
    pod.pointer(&format!("/status/{field}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A container has ended with an exit code that is not 0.
pub(super) fn ended_badly(container: &Value) -> bool {
    number(container, "/state/terminated/exitCode").is_some_and(|code| code != 0)
}

/// Why a container is not started, where another try is all that is left.
pub(super) fn hopeless(container: &Value) -> Option<Health> {
    let reason = text(container, "/state/waiting/reason").filter(|reason| HOPELESS.contains(reason))?;
    let name = text(container, "/name").unwrap_or_default();
    let mut message = format!("container {name}: {reason}");
    if let Some(detail) = text(container, "/state/waiting/message") {
        message = format!("{message}: {detail}");
    }
    if let Some(last) = container.pointer("/lastState/terminated") {
        message = format!("{message} (last run: {})", termination(last));
    }
    Some(Health::progressing(reason, message))
}

/// How a container ended.
pub(super) fn termination(terminated: &Value) -> String {
    let code = number(terminated, "/exitCode").unwrap_or_default();
    match text(terminated, "/reason") {
        Some(reason) => format!("{reason}, exit code {code}"),
        None => format!("exit code {code}"),
    }
}

/// A pod that has ended badly.
pub(super) fn ended(pod: &Value) -> Health {
    let reason = text(pod, "/status/reason").unwrap_or("Failed");
    if let Some(message) = text(pod, "/status/message") {
        return Health::failed(reason, message);
    }
    let bad = containers(pod)
        .find(|container| ended_badly(container))
        .map(|container| {
            let code = number(container, "/state/terminated/exitCode").unwrap_or_default();
            let name = text(container, "/name").unwrap_or_default();
            let why = text(container, "/state/terminated/reason").unwrap_or("Error");
            Health::failed(why, format!("container {name} ended with exit code {code}"))
        });
    bad.unwrap_or_else(|| Health::failed(reason, "the pod has failed"))
}
