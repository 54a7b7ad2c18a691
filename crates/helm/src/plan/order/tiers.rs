//! Helm's order of kinds, taken together where the kinds don't refer to each other.

const TIERS: &[&[&str]] = &[
    &["PriorityClass"],
    &["Namespace"],
    &[
        "NetworkPolicy",
        "ResourceQuota",
        "LimitRange",
        "PodSecurityPolicy",
        "PodDisruptionBudget",
    ],
    &["ServiceAccount"],
    &["Secret", "SecretList", "ConfigMap", "StorageClass"],
    &["PersistentVolume"],
    &["PersistentVolumeClaim"],
    &["CustomResourceDefinition"],
    // Rights that one gives may be needed to give the next.
    &["ClusterRole", "ClusterRoleList"],
    &["ClusterRoleBinding", "ClusterRoleBindingList"],
    &["Role", "RoleList"],
    &["RoleBinding", "RoleBindingList"],
    &["Service"],
    &[
        "DaemonSet",
        "Pod",
        "ReplicationController",
        "ReplicaSet",
        "Deployment",
    ],
    &["HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob"],
    &["IngressClass"],
    &["Ingress", "APIService"],
];

/// They concern all objects that come after them, while what serves them is on its way.
const LAST: [&str; 4] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicyBinding",
];

/// The tier of a kind. Kinds that Helm does not know come behind those that it does.
pub(super) fn tier(kind: &str) -> usize {
    let known = TIERS.iter().position(|kinds| kinds.contains(&kind));
    known.unwrap_or(TIERS.len() + usize::from(is_last(kind)))
}

/// Whether the kind comes behind all others.
pub(super) fn is_last(kind: &str) -> bool {
    LAST.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::KindOrder;

    /// No kind is before one that Helm has before it.
    #[test]
    fn tiers_are_in_helms_order() {
        let mut kinds: Vec<&str> = TIERS.iter().copied().flatten().copied().collect();
        KindOrder::Install.sort(&mut kinds, |kind| kind);
        let tiers: Vec<usize> = kinds.iter().map(|kind| tier(kind)).collect();
        assert!(tiers.is_sorted(), "{kinds:?} {tiers:?}");
        assert_eq!(kinds.len(), 36);
        let unknown = tier("Certificate");
        assert!(
            tiers.iter().all(|known| *known < unknown) && unknown < tier("ValidatingWebhookConfiguration")
        );
    }
}
