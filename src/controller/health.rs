//! Health of live objects, as the memory keeps it.

use helmapp_helm::health::{Status, assess};
use serde_json::Value;

use super::memory::Health;

/// Kinds that are ready once they exist and have no status that could change that. Their events are of no
/// interest for health.
const LASTING: [(&str, &str); 14] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "LimitRange"),
    ("", "Endpoints"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("networking.k8s.io", "IngressClass"),
    ("storage.k8s.io", "StorageClass"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];

/// The health of a live object.
pub fn of(live: &Value) -> Health {
    let health = assess(live);
    let said = || match (health.reason.as_str(), health.message.as_str()) {
        ("", message) => message.into(),
        (reason, "") => reason.into(),
        (_, message) => message.into(),
    };
    match health.status {
        Status::Ready | Status::Suspended => Health::Ready,
        Status::Failed => Health::Failed(said()),
        _ => Health::Progressing(said()),
    }
}

/// Whether objects of the kind are ready once they exist.
pub fn is_lasting(group: &str, kind: &str) -> bool {
    LASTING.contains(&(group, kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn health_is_what_the_rules_say() {
        let job = |kind: &str| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {},
                   "status": {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}})
        };
        assert_eq!(of(&job("Complete")), Health::Ready);
        assert!(matches!(of(&job("Failed")), Health::Failed(text) if text.contains('m')));
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        assert_eq!(of(&config), Health::Ready);
        assert!(is_lasting("", "ConfigMap") && !is_lasting("apps", "Deployment"));
    }
}
