//! What metadata tells of a workload's health: controllers leave out counts that are zero, so that the names of the
//! fields that they own, which stand in `managedFields`, say when it is no use to read the object yet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

const DEPLOYMENT: &str = "not all of its replicas are available";
const DAEMON_SET: &str = "not all of its pods are available";
const JOB: &str = "it has not ended";

/// Why a workload can not be ready; `None` where a look is needed to know.
pub(super) fn unready(group: &str, kind: &str, metadata: &ObjectMeta) -> Option<&'static str> {
    let status = status(metadata)?;
    let has = |field: &str| status.contains_key(field);
    match (group, kind) {
        // What is there and not updated is of an older revision.
        ("apps", "Deployment") => {
            let old = has("f:replicas") && !has("f:updatedReplicas");
            (has("f:unavailableReplicas") || old).then_some(DEPLOYMENT)
        }
        ("apps", "DaemonSet") => has("f:numberUnavailable").then_some(DAEMON_SET),
        ("batch", "Job") => (!has("f:conditions")).then_some(JOB),
        _ => None,
    }
}

/// The fields of the status that its controller owns.
fn status(metadata: &ObjectMeta) -> Option<&serde_json::Map<String, Value>> {
    let entries = metadata.managed_fields.as_ref()?;
    let entry = entries
        .iter()
        .find(|entry| entry.subresource.as_deref() == Some("status"))?;
    entry.fields_v1.as_ref()?.0.get("f:status")?.as_object()
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
        let table: [(&str, &str, &[&str], bool); 10] = [
            ("apps", "Deployment", &["observedGeneration", "conditions"], false),
            (
                "apps",
                "Deployment",
                &["replicas", "updatedReplicas", "unavailableReplicas"],
                true,
            ),
            ("apps", "Deployment", &["replicas", "availableReplicas"], true),
            (
                "apps",
                "Deployment",
                &["replicas", "updatedReplicas", "availableReplicas"],
                false,
            ),
            ("apps", "DaemonSet", &["numberReady", "numberUnavailable"], true),
            ("apps", "DaemonSet", &["numberReady", "numberAvailable"], false),
            ("batch", "Job", &["active", "startTime"], true),
            ("batch", "Job", &["conditions", "completionTime"], false),
            ("apps", "StatefulSet", &["replicas"], false),
            ("example.com", "Deployment", &["unavailableReplicas"], false),
        ];
        for (group, kind, status, expected) in table {
            let said = unready(group, kind, &with(status));
            assert_eq!(said.is_some(), expected, "{kind} {status:?}: {said:?}");
        }
    }

    #[test]
    fn without_a_status_nothing_is_known() {
        assert_eq!(unready("batch", "Job", &ObjectMeta::default()), None);
    }
}
