//! The order in which kinds are installed and uninstalled (`pkg/releaseutil/kind_sorter.go` of Helm 3.19).

/// An order of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindOrder {
    /// What others depend on comes first; unknown kinds come last, by name.
    Install,
    /// Install's order reversed; unknown kinds come last, by name, here too.
    Uninstall,
}

const INSTALL: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

const UNINSTALL: [&str; 36] = [
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

impl KindOrder {
    fn rank(self, kind: &str) -> usize {
        let table = match self {
            KindOrder::Install => &INSTALL,
            KindOrder::Uninstall => &UNINSTALL,
        };
        table.iter().position(|k| *k == kind).unwrap_or(table.len())
    }

    /// Sorts by kind; what is of one kind keeps its order.
    pub fn sort<T>(self, items: &mut [T], kind: impl Fn(&T) -> &str) {
        items.sort_by_cached_key(|item| {
            let kind = kind(item);
            let rank = self.rank(kind);
            (
                rank,
                if rank == INSTALL.len() {
                    kind.to_owned()
                } else {
                    String::new()
                },
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_known_kinds_first_and_keeps_the_order_of_equals() {
        let kinds = [
            "Zed/1",
            "Deployment/1",
            "Service/1",
            "Alpha/1",
            "Zed/2",
            "Namespace/1",
            "Deployment/2",
            "/1",
        ];
        let sorted = |order: KindOrder| {
            let mut k = kinds.to_vec();
            order.sort(&mut k, |k| k.split_once('/').unwrap().0);
            k.join(" ")
        };
        assert_eq!(
            sorted(KindOrder::Install),
            "Namespace/1 Service/1 Deployment/1 Deployment/2 /1 Alpha/1 Zed/1 Zed/2"
        );
        assert_eq!(
            sorted(KindOrder::Uninstall),
            "Service/1 Deployment/1 Deployment/2 Namespace/1 /1 Alpha/1 Zed/1 Zed/2"
        );
    }
}
