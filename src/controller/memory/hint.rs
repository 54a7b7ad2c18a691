//! What metadata tells of a workload's health: controllers leave out counts that are zero, so that the names of the
//! fields that they own, which stand in `managedFields`, say when it is no use to read the object yet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

const DEPLOYMENT: &str = "not all of its replicas are available";
const DAEMON_SET: &str = "not all of its pods are available";
const JOB: &str = "it has not ended";

/// What metadata tells of an object's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nothing: it never does for the kind.
    Silent,
    /// Nothing that speaks against it.
    MayBeReady,
    /// Why it can not be ready.
    Unready(&'static str),
}

impl Hint {
    /// That of an object.
    pub(super) fn of(group: &str, kind: &str, metadata: &ObjectMeta) -> Self {
        let status = status(metadata);
        let has = |field: &str| status.iter().any(|fields| fields.contains_key(field));
        let unseen = !status.is_empty() && !has("f:observedGeneration");
        let unready = match (group, kind) {
            // What is there and not updated is of an older revision.
            ("apps", "Deployment") => {
                let old = has("f:replicas") && !has("f:updatedReplicas");
                (unseen || has("f:unavailableReplicas") || old).then_some(DEPLOYMENT)
            }
            ("apps", "DaemonSet") => (unseen || has("f:numberUnavailable")).then_some(DAEMON_SET),
            ("batch", "Job") => (!status.is_empty() && !has("f:conditions")).then_some(JOB),
            _ => return Self::Silent,
        };
        unready.map_or(Self::MayBeReady, Self::Unready)
    }
}

/// The fields of the status that each of its controllers owns.
fn status(metadata: &ObjectMeta) -> Vec<&serde_json::Map<String, Value>> {
    let entries = metadata.managed_fields.iter().flatten();
    entries
        .filter(|entry| entry.subresource.as_deref() == Some("status"))
        .filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:status")?.as_object())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(status: &[&str]) -> ObjectMeta {
        let fields: serde_json::Map<String, Value> = status
            .iter()
            .map(|field| (format!("f:{field}"), json!({})))
            .collect();
        serde_json::from_value(json!({"managedFields": [
            {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
             "fieldsV1": {"f:status": fields}},
        ]}))
        .unwrap()
    }

    #[test]
    fn counts_that_are_there_are_not_zero() {
        use Hint::{MayBeReady, Silent, Unready};
        let table: [(&str, &str, &[&str], Hint); 12] = [
            ("apps", "Deployment", &["conditions"], Unready(DEPLOYMENT)),
            (
                "apps",
                "Deployment",
                &["observedGeneration", "conditions"],
                MayBeReady,
            ),
            (
                "apps",
                "Deployment",
                &[
                    "observedGeneration",
                    "replicas",
                    "updatedReplicas",
                    "unavailableReplicas",
                ],
                Unready(DEPLOYMENT),
            ),
            (
                "apps",
                "Deployment",
                &["observedGeneration", "replicas", "availableReplicas"],
                Unready(DEPLOYMENT),
            ),
            (
                "apps",
                "Deployment",
                &[
                    "observedGeneration",
                    "replicas",
                    "updatedReplicas",
                    "availableReplicas",
                ],
                MayBeReady,
            ),
            (
                "apps",
                "DaemonSet",
                &["observedGeneration", "numberUnavailable"],
                Unready(DAEMON_SET),
            ),
            ("apps", "DaemonSet", &["numberAvailable"], Unready(DAEMON_SET)),
            (
                "apps",
                "DaemonSet",
                &["observedGeneration", "numberAvailable"],
                MayBeReady,
            ),
            ("batch", "Job", &["active", "startTime"], Unready(JOB)),
            ("batch", "Job", &["conditions", "completionTime"], MayBeReady),
            ("apps", "StatefulSet", &["replicas"], Silent),
            ("example.com", "Deployment", &["unavailableReplicas"], Silent),
        ];
        for (group, kind, status, expected) in table {
            assert_eq!(
                Hint::of(group, kind, &with(status)),
                expected,
                "{kind} {status:?}"
            );
        }
    }

    #[test]
    fn what_another_says_beside_the_controller_hides_nothing() {
        let mut metadata = with(&["conditions"]);
        let observed = with(&["observedGeneration", "replicas", "updatedReplicas"]);
        let entries = observed.managed_fields.unwrap();
        metadata.managed_fields.as_mut().unwrap().extend(entries);
        assert_eq!(Hint::of("apps", "Deployment", &metadata), Hint::MayBeReady);
    }

    #[test]
    fn without_a_status_nothing_is_known() {
        assert_eq!(Hint::of("batch", "Job", &ObjectMeta::default()), Hint::MayBeReady);
    }
}
