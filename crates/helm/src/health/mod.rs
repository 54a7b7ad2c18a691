//! Health: whether an object has become what its spec asks for, told from the object alone.
//!
//! [`assess`] knows the built-in kinds and, for all others, the conventions of kstatus (`observedGeneration` and
//! the conditions `Ready`, `Reconciling`, `Stalled`); [`assess_by`] asks expressions first. [`pods`] finds in a workload's pods why it does not get ready,
//! and early that it will not.

pub mod expr;
mod gateway;
mod pod;
pub mod pods;
mod resources;
mod workloads;

#[cfg(test)]
mod tests;

use serde_json::Value;

use self::expr::Checks;
pub use self::pod::assess_pod;
pub use self::resources::{storage_class, waits_for_consumer};

/// Annotation of an object that is not waited for, whatever its status says: werf's name for it.
const TRACK_MODE: (&str, &str) = ("werf.io/track-termination-mode", "NonBlocking");

/// How far an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It is what its spec asks for.
    Ready,
    /// Nothing happens, because its spec asks for that: a suspended Job, a paused Deployment.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is being deleted.
    Terminating,
    /// It can not become ready without a change.
    Failed,
    /// What the object says can not be understood.
    Unknown,
}

/// The health of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How far it has come.
    pub status: Status,
    /// Why, in one word; empty where there is nothing to add.
    pub reason: String,
    /// Why, in a sentence; empty where there is nothing to add.
    pub message: String,
}

impl Health {
    fn new(status: Status, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn ready() -> Self {
        Self::new(Status::Ready, "", "")
    }

    fn progressing(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::Progressing, reason, message)
    }

    fn failed(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::Failed, reason, message)
    }

    /// With the status of a condition's reason and message.
    fn of(status: Status, condition: &Condition<'_>) -> Self {
        let reason = if condition.reason.is_empty() {
            condition.kind
        } else {
            condition.reason
        };
        Self::new(status, reason, condition.message)
    }
}

/// Assesses an object by its kind. One that its annotation says is not waited for counts as ready, with the reason why
/// it would not.
pub fn assess(object: &Value) -> Health {
    assess_by(None, object)
}

/// Assesses an object by the expressions for its kind, or else by its kind.
pub fn assess_by(checks: Option<&Checks>, object: &Value) -> Health {
    if !object.is_object() {
        return Health::new(Status::Unknown, "NotAnObject", "the value is no object");
    }
    let goes = text(object, "/metadata/deletionTimestamp").is_some();
    if goes && !workloads::goes_when_done(object) {
        return Health::new(Status::Terminating, "Terminating", "the object is being deleted");
    }
    let own = checks.and_then(|checks| checks.assess(object));
    let health = own.unwrap_or_else(|| of_kind(object));
    match health.status {
        Status::Progressing | Status::Failed if is_optional(object) => Health {
            status: Status::Ready,
            ..health
        },
        _ => health,
    }
}

fn is_optional(object: &Value) -> bool {
    let (name, value) = TRACK_MODE;
    let annotations = object.pointer("/metadata/annotations");
    let mode = annotations.and_then(|annotations| annotations.get(name));
    mode.and_then(Value::as_str) == Some(value)
}

fn of_kind(object: &Value) -> Health {
    let (group, kind) = group_kind(object);
    // What a Pod or Job says of itself holds whatever its generation.
    match (group, kind) {
        ("", "Pod") => return assess_pod(object),
        ("batch", "Job") => return workloads::job(object),
        _ => {}
    }
    if let Some(waiting) = generation(object) {
        return waiting;
    }
    match (group, kind) {
        ("apps" | "extensions", "Deployment") => workloads::deployment(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => workloads::daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => {
            workloads::replica_set(object)
        }
        ("batch", "CronJob") => workloads::cron_job(object),
        ("", "PersistentVolumeClaim") => resources::claim(object),
        ("", "PersistentVolume") => resources::volume(object),
        ("", "Service") => resources::service(object),
        ("", "Namespace") => resources::namespace(object),
        ("networking.k8s.io" | "extensions", "Ingress") => resources::ingress(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => resources::definition(object),
        ("apiregistration.k8s.io", "APIService") => resources::api_service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => resources::autoscaler(object),
        ("policy", "PodDisruptionBudget") => resources::disruption_budget(object),
        ("gateway.networking.k8s.io", "Gateway") => gateway::gateway(object),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => gateway::route(object),
        _ => conventions(object),
    }
}

/// What kstatus makes of any object.
fn conventions(object: &Value) -> Health {
    if let Some(stalled) = condition(object, "Stalled").filter(|stalled| stalled.status == "True") {
        return Health::of(Status::Failed, &stalled);
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(|found| found.status == "True") {
        return Health::of(Status::Progressing, &reconciling);
    }
    match condition(object, "Ready") {
        Some(ready) if ready.status == "True" => Health::ready(),
        Some(ready) => Health::of(Status::Progressing, &ready),
        None => Health::ready(),
    }
}

/// Whether the controller has yet to see the newest spec.
fn generation(object: &Value) -> Option<Health> {
    let wanted = number(object, "/metadata/generation")?;
    let seen = number(object, "/status/observedGeneration")?;
    (seen < wanted).then(|| {
        Health::progressing(
            "LatestGenerationNotObserved",
            format!("generation {wanted} is not observed yet, only {seen}"),
        )
    })
}

/// A condition in an object's status.
struct Condition<'o> {
    kind: &'o str,
    status: &'o str,
    reason: &'o str,
    message: &'o str,
    since: &'o str,
}

fn condition<'o>(object: &'o Value, kind: &str) -> Option<Condition<'o>> {
    condition_in(object.pointer("/status/conditions")?, kind)
}

fn condition_in<'o>(conditions: &'o Value, kind: &str) -> Option<Condition<'o>> {
    let conditions = conditions.as_array()?;
    let field =
        |condition: &'o Value, name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
    conditions
        .iter()
        .map(|condition| Condition {
            kind: field(condition, "type"),
            status: field(condition, "status"),
            reason: field(condition, "reason"),
            message: field(condition, "message"),
            since: field(condition, "lastTransitionTime"),
        })
        .find(|condition| condition.kind == kind)
}

fn group_kind(object: &Value) -> (&str, &str) {
    let api_version = text(object, "/apiVersion").unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind").unwrap_or_default())
}

fn text<'o>(object: &'o Value, pointer: &str) -> Option<&'o str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn is_true(object: &Value, pointer: &str) -> bool {
    object
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}
