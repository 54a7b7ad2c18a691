//! Kinds that run nothing themselves.

use serde_json::Value;

use super::{Health, Status, condition, group_kind, number, text};

fn has_items(object: &Value, pointer: &str) -> bool {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .is_some_and(|items| !items.is_empty())
}

pub(super) fn claim(object: &Value) -> Health {
    match text(object, "/status/phase") {
        Some("Bound") => Health::ready(),
        Some("Lost") => Health::failed("Lost", "the volume of the claim is lost"),
        _ => Health::progressing("Pending", "the claim is not bound yet"),
    }
}

/// The class of a claim that is not bound yet; `None` for any other object, and for a claim without a class.
pub fn storage_class(object: &Value) -> Option<&str> {
    let unbound = group_kind(object) == ("", "PersistentVolumeClaim")
        && !matches!(text(object, "/status/phase"), Some("Bound" | "Lost"));
    text(object, "/spec/storageClassName").filter(|class| unbound && !class.is_empty())
}

/// Whether a claim is not bound for the only reason that no pod uses it yet, given its StorageClass. It is ready for
/// whoever comes; where a pod waits for it, the pod's workload says so.
pub fn waits_for_consumer(claim: &Value, class: &Value) -> bool {
    let late = text(class, "/volumeBindingMode") == Some("WaitForFirstConsumer");
    // Set by the scheduler when a pod has come.
    let asked = claim.pointer("/metadata/annotations/volume.kubernetes.io~1selected-node");
    late && asked.is_none()
}

/// A volume is ready when a claim can have it, has it, or had it.
pub(super) fn volume(object: &Value) -> Health {
    match text(object, "/status/phase") {
        Some("Available" | "Bound" | "Released") => Health::ready(),
        Some("Failed") => {
            let why = text(object, "/status/message").unwrap_or("the volume could not be reclaimed");
            Health::failed("Failed", why)
        }
        _ => Health::progressing("Pending", "the volume is not available yet"),
    }
}

pub(super) fn service(object: &Value) -> Health {
    let waits = text(object, "/spec/type") == Some("LoadBalancer")
        && !has_items(object, "/spec/externalIPs")
        && !has_items(object, "/status/loadBalancer/ingress");
    if waits {
        return Health::progressing("NoAddress", "the load balancer has no address yet");
    }
    Health::ready()
}

pub(super) fn namespace(object: &Value) -> Health {
    match text(object, "/status/phase") {
        Some("Terminating") => Health::new(
            Status::Terminating,
            "Terminating",
            "the namespace is being deleted",
        ),
        _ => Health::ready(),
    }
}

/// An Ingress is ready as it stands: not every controller writes an address.
pub(super) fn ingress(object: &Value) -> Health {
    if has_items(object, "/status/loadBalancer/ingress") {
        return Health::ready();
    }
    Health::new(
        Status::Ready,
        "NoAddress",
        "no controller has given the ingress an address",
    )
}

pub(super) fn definition(object: &Value) -> Health {
    if let Some(names) = condition(object, "NamesAccepted").filter(|names| names.status == "False") {
        return Health::of(Status::Failed, &names);
    }
    match condition(object, "Established") {
        Some(established) if established.status == "True" => Health::ready(),
        Some(established) => Health::of(Status::Progressing, &established),
        None => Health::progressing("NotEstablished", "the definition is not established yet"),
    }
}

pub(super) fn api_service(object: &Value) -> Health {
    match condition(object, "Available") {
        Some(available) if available.status == "True" => Health::ready(),
        Some(available) => Health::of(Status::Progressing, &available),
        None => Health::progressing("NotAvailable", "the API is not available yet"),
    }
}

/// An autoscaler without metrics still leaves its workload running: it is ready, and says why it rests.
pub(super) fn autoscaler(object: &Value) -> Health {
    if let Some(able) = condition(object, "AbleToScale").filter(|able| able.status == "False") {
        return Health::of(Status::Progressing, &able);
    }
    match condition(object, "ScalingActive").filter(|active| active.status == "False") {
        Some(inactive) => Health::of(Status::Ready, &inactive),
        None => Health::ready(),
    }
}

pub(super) fn disruption_budget(object: &Value) -> Health {
    if let Some(failed) =
        condition(object, "DisruptionAllowed").filter(|allowed| allowed.reason == "SyncFailed")
    {
        return Health::of(Status::Progressing, &failed);
    }
    let current = number(object, "/status/currentHealthy");
    let Some(desired) = number(object, "/status/desiredHealthy") else {
        return Health::progressing("NotObserved", "the budget is not computed yet");
    };
    match current.unwrap_or_default() {
        current if current < desired => Health::progressing(
            "InsufficientPods",
            format!("{current} of {desired} pods that the budget asks for are healthy"),
        ),
        _ => Health::ready(),
    }
}
