//! Pods, and why one can not run.

use serde_json::Value;

use super::{Health, condition, number, text};

/// No node takes the pod. It may still find one: how long to wait is the caller's to say.
pub(super) const UNSCHEDULABLE: &str = "Unschedulable";

/// What a container waits for without hope of more than another try of the same.
pub(super) const HOPELESS: [&str; 8] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Assesses a pod. A container that can not be started, or crashes again and again, is a failure; a pod that no
/// node takes is on its way, with the reason `Unschedulable`.
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
    let containers = statuses(pod, "initContainerStatuses").chain(statuses(pod, "containerStatuses"));
    if let Some(failed) = containers.filter_map(hopeless).next() {
        return failed;
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

fn statuses<'p>(pod: &'p Value, field: &str) -> impl Iterator<Item = &'p Value> {
    pod.pointer(&format!("/status/{field}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn hopeless(container: &Value) -> Option<Health> {
    let reason = text(container, "/state/waiting/reason").filter(|reason| HOPELESS.contains(reason))?;
    let name = text(container, "/name").unwrap_or_default();
    let mut message = format!("container {name}: {reason}");
    if let Some(detail) = text(container, "/state/waiting/message") {
        message = format!("{message}: {detail}");
    }
    if let Some(last) = container.pointer("/lastState/terminated") {
        message = format!("{message} (last run: {})", termination(last));
    }
    Some(Health::failed(reason, message))
}

/// How a container ended.
fn termination(terminated: &Value) -> String {
    let code = number(terminated, "/exitCode").unwrap_or_default();
    match text(terminated, "/reason") {
        Some(reason) => format!("{reason}, exit code {code}"),
        None => format!("exit code {code}"),
    }
}

/// A pod that has ended badly.
fn ended(pod: &Value) -> Health {
    let reason = text(pod, "/status/reason").unwrap_or("Failed");
    if let Some(message) = text(pod, "/status/message") {
        return Health::failed(reason, message);
    }
    let bad = statuses(pod, "initContainerStatuses")
        .chain(statuses(pod, "containerStatuses"))
        .find_map(|container| {
            let terminated = container.pointer("/state/terminated")?;
            let code = number(terminated, "/exitCode").filter(|code| *code != 0)?;
            let name = text(container, "/name").unwrap_or_default();
            let why = text(terminated, "/reason").unwrap_or("Error");
            Some(Health::failed(
                why,
                format!("container {name} ended with exit code {code}"),
            ))
        });
    bad.unwrap_or_else(|| Health::failed(reason, "the pod has failed"))
}
