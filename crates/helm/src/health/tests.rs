mod pods;

use serde_json::{Value, json};

use super::{Status, assess, assess_pod, storage_class, waits_for_consumer};

fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec, "status": status})
}

/// Objects of one kind, and what they are.
fn check(api_version: &str, kind: &str, cases: &[(Value, Value, Status, &str)]) {
    for (spec, status, want, reason) in cases {
        let health = assess(&object(api_version, kind, spec.clone(), status.clone()));
        assert_eq!(
            (health.status, health.reason.as_str()),
            (*want, *reason),
            "{kind} {spec} {status}: {health:?}"
        );
    }
}

fn conditions(list: &[(&str, &str, &str)]) -> Value {
    let list: Vec<Value> = list
        .iter()
        .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": "m"}))
        .collect();
    json!({"conditions": list})
}

fn with(mut status: Value, more: Value) -> Value {
    status
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    status
}

#[test]
fn deployments() {
    let counts = |replicas: i64, updated: i64, available: i64| json!({"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
    let denied = |message: &str| json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]});
    check(
        "apps/v1",
        "Deployment",
        &[
            (json!({}), counts(1, 1, 1), Status::Ready, ""),
            (json!({"replicas": 0}), json!({}), Status::Ready, ""),
            (json!({"replicas": 3}), counts(3, 3, 3), Status::Ready, ""),
            (
                json!({"replicas": 3}),
                counts(3, 2, 3),
                Status::Progressing,
                "Waiting",
            ),
            (
                json!({"replicas": 3}),
                counts(4, 3, 4),
                Status::Progressing,
                "Waiting",
            ),
            (
                json!({"replicas": 3}),
                counts(3, 3, 2),
                Status::Progressing,
                "Waiting",
            ),
            (
                json!({"replicas": 3, "paused": true}),
                counts(3, 0, 3),
                Status::Suspended,
                "Paused",
            ),
            (json!({}), json!({}), Status::Progressing, "Waiting"),
            (
                json!({}),
                with(
                    counts(1, 1, 1),
                    conditions(&[("Available", "False", "MinimumReplicasUnavailable")]),
                ),
                Status::Progressing,
                "MinimumReplicasUnavailable",
            ),
            (
                json!({}),
                conditions(&[("Progressing", "False", "ProgressDeadlineExceeded")]),
                Status::Failed,
                "ProgressDeadlineExceeded",
            ),
            (
                json!({}),
                denied("pods \"x\" is forbidden: exceeded quota: q"),
                Status::Progressing,
                "FailedCreate",
            ),
            (
                json!({}),
                denied("webhook: connection refused"),
                Status::Progressing,
                "FailedCreate",
            ),
        ],
    );
}

#[test]
fn stateful_sets() {
    let on_delete = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    check(
        "apps/v1",
        "StatefulSet",
        &[
            (
                json!({}),
                json!({"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                json!({"readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                json!({"readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}),
                Status::Progressing,
                "Waiting",
            ),
            (
                json!({"replicas": 2}),
                json!({"updatedReplicas": 2, "readyReplicas": 1}),
                Status::Progressing,
                "Waiting",
            ),
            (
                json!({"replicas": 1}),
                json!({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}),
                Status::Progressing,
                "Waiting",
            ),
            (on_delete.clone(), json!({"readyReplicas": 2}), Status::Ready, ""),
            (
                on_delete,
                json!({"readyReplicas": 1}),
                Status::Progressing,
                "Waiting",
            ),
            (
                partition.clone(),
                json!({"updatedReplicas": 1, "readyReplicas": 3}),
                Status::Ready,
                "",
            ),
            (
                partition,
                json!({"updatedReplicas": 0, "readyReplicas": 3}),
                Status::Progressing,
                "Waiting",
            ),
        ],
    );
}

#[test]
fn daemon_sets() {
    let counts = |desired: i64, updated: i64, available: i64, ready: i64| {
        json!({"desiredNumberScheduled": desired, "updatedNumberScheduled": updated,
               "numberAvailable": available, "numberReady": ready})
    };
    check(
        "apps/v1",
        "DaemonSet",
        &[
            (json!({}), counts(2, 2, 2, 2), Status::Ready, ""),
            (json!({}), counts(0, 0, 0, 0), Status::Ready, ""),
            (json!({}), counts(2, 1, 2, 2), Status::Progressing, "Waiting"),
            (json!({}), counts(2, 2, 1, 2), Status::Progressing, "Waiting"),
            (json!({}), counts(2, 2, 2, 1), Status::Progressing, "Waiting"),
            (
                json!({"updateStrategy": {"type": "OnDelete"}}),
                counts(2, 0, 2, 2),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                json!({}),
                Status::Progressing,
                "LatestGenerationNotObserved",
            ),
        ],
    );
}

#[test]
fn replica_sets() {
    let ready = json!({"replicas": 2, "availableReplicas": 2, "readyReplicas": 2});
    for (api_version, kind) in [("apps/v1", "ReplicaSet"), ("v1", "ReplicationController")] {
        check(
            api_version,
            kind,
            &[
                (json!({"replicas": 2}), ready.clone(), Status::Ready, ""),
                (
                    json!({"replicas": 1}),
                    ready.clone(),
                    Status::Progressing,
                    "Waiting",
                ),
                (
                    json!({"replicas": 3}),
                    ready.clone(),
                    Status::Progressing,
                    "Waiting",
                ),
                (
                    json!({"replicas": 1}),
                    json!({"availableReplicas": 1}),
                    Status::Progressing,
                    "Waiting",
                ),
                (
                    json!({}),
                    conditions(&[("ReplicaFailure", "True", "FailedCreate")]),
                    Status::Progressing,
                    "FailedCreate",
                ),
            ],
        );
    }
}

#[test]
fn jobs_and_cron_jobs() {
    check(
        "batch/v1",
        "Job",
        &[
            (json!({}), json!({}), Status::Progressing, "Running"),
            (json!({}), json!({"active": 1}), Status::Progressing, "Running"),
            (
                json!({}),
                conditions(&[("Complete", "True", "")]),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                conditions(&[("Failed", "True", "BackoffLimitExceeded")]),
                Status::Failed,
                "BackoffLimitExceeded",
            ),
            (
                json!({}),
                conditions(&[("FailureTarget", "True", "PodFailurePolicy")]),
                Status::Failed,
                "PodFailurePolicy",
            ),
            (
                json!({"suspend": true}),
                json!({}),
                Status::Suspended,
                "Suspended",
            ),
            (
                json!({"suspend": true}),
                conditions(&[("Complete", "True", "")]),
                Status::Ready,
                "",
            ),
        ],
    );
    let mut gone = object(
        "batch/v1",
        "Job",
        json!({"ttlSecondsAfterFinished": 1}),
        conditions(&[("Complete", "True", "")]),
    );
    gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(assess(&gone).status, Status::Ready, "it goes as it is done");
    gone["spec"] = json!({});
    assert_eq!(assess(&gone).status, Status::Terminating);
    let job = object(
        "batch/v1",
        "Job",
        json!({"completions": 3}),
        json!({"succeeded": 1, "active": 1, "failed": 2}),
    );
    assert_eq!(assess(&job).message, "1 of 3 pods succeeded, 1 active, 2 failed");
    check(
        "batch/v1",
        "CronJob",
        &[
            (json!({}), json!({}), Status::Ready, ""),
            (json!({"suspend": true}), json!({}), Status::Ready, "Suspended"),
        ],
    );
}

#[test]
fn storage_and_network() {
    check(
        "v1",
        "PersistentVolumeClaim",
        &[
            (json!({}), json!({"phase": "Bound"}), Status::Ready, ""),
            (
                json!({}),
                json!({"phase": "Pending"}),
                Status::Progressing,
                "Pending",
            ),
            (json!({}), json!({}), Status::Progressing, "Pending"),
            (json!({}), json!({"phase": "Lost"}), Status::Failed, "Lost"),
        ],
    );
    let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    check(
        "v1",
        "Service",
        &[
            (json!({}), json!({}), Status::Ready, ""),
            (json!({"type": "ExternalName"}), json!({}), Status::Ready, ""),
            (
                json!({"type": "LoadBalancer"}),
                json!({"loadBalancer": {}}),
                Status::Progressing,
                "NoAddress",
            ),
            (
                json!({"type": "LoadBalancer"}),
                address.clone(),
                Status::Ready,
                "",
            ),
            (
                json!({"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}),
                json!({}),
                Status::Ready,
                "",
            ),
        ],
    );
    check(
        "networking.k8s.io/v1",
        "Ingress",
        &[
            (json!({}), json!({}), Status::Ready, "NoAddress"),
            (json!({}), address, Status::Ready, ""),
        ],
    );
    check(
        "v1",
        "Namespace",
        &[
            (json!({}), json!({"phase": "Active"}), Status::Ready, ""),
            (
                json!({}),
                json!({"phase": "Terminating"}),
                Status::Terminating,
                "Terminating",
            ),
        ],
    );
}

#[test]
fn apis_and_policies() {
    let established = [("NamesAccepted", "True", ""), ("Established", "True", "")];
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &[
            (json!({}), conditions(&established), Status::Ready, ""),
            (json!({}), json!({}), Status::Progressing, "NotEstablished"),
            (
                json!({}),
                conditions(&[("Established", "False", "Installing")]),
                Status::Progressing,
                "Installing",
            ),
            (
                json!({}),
                conditions(&[("NamesAccepted", "False", "PluralConflict")]),
                Status::Failed,
                "PluralConflict",
            ),
        ],
    );
    check(
        "apiregistration.k8s.io/v1",
        "APIService",
        &[
            (
                json!({}),
                conditions(&[("Available", "True", "")]),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                conditions(&[("Available", "False", "MissingEndpoints")]),
                Status::Progressing,
                "MissingEndpoints",
            ),
            (json!({}), json!({}), Status::Progressing, "NotAvailable"),
        ],
    );
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        &[
            (json!({}), json!({}), Status::Ready, ""),
            (
                json!({}),
                conditions(&[("AbleToScale", "False", "FailedGetScale")]),
                Status::Progressing,
                "FailedGetScale",
            ),
            (
                json!({}),
                conditions(&[("ScalingActive", "False", "ScalingDisabled")]),
                Status::Ready,
                "ScalingDisabled",
            ),
        ],
    );
    check(
        "policy/v1",
        "PodDisruptionBudget",
        &[
            (json!({}), json!({}), Status::Progressing, "NotObserved"),
            (
                json!({}),
                json!({"desiredHealthy": 2, "currentHealthy": 1}),
                Status::Progressing,
                "InsufficientPods",
            ),
            (
                json!({}),
                json!({"desiredHealthy": 1, "currentHealthy": 1}),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                conditions(&[("DisruptionAllowed", "False", "SyncFailed")]),
                Status::Progressing,
                "SyncFailed",
            ),
        ],
    );
}

#[test]
fn other_kinds_follow_the_conventions() {
    check(
        "example.com/v1",
        "Thing",
        &[
            (json!({}), json!({}), Status::Ready, ""),
            (json!({}), conditions(&[("Ready", "True", "")]), Status::Ready, ""),
            (
                json!({}),
                conditions(&[("Ready", "False", "NotYet")]),
                Status::Progressing,
                "NotYet",
            ),
            (
                json!({}),
                conditions(&[("Ready", "Unknown", "")]),
                Status::Progressing,
                "Ready",
            ),
            (
                json!({}),
                conditions(&[("Reconciling", "True", "Working"), ("Ready", "True", "")]),
                Status::Progressing,
                "Working",
            ),
            (
                json!({}),
                conditions(&[("Stalled", "True", "Broken"), ("Reconciling", "True", "")]),
                Status::Failed,
                "Broken",
            ),
            (
                json!({}),
                conditions(&[("Stalled", "False", ""), ("Ready", "True", "")]),
                Status::Ready,
                "",
            ),
        ],
    );
    assert_eq!(assess(&json!("text")).status, Status::Unknown);
    // A kind of the same name in another group is another kind.
    check(
        "example.com/v1",
        "Deployment",
        &[(json!({"replicas": 3}), json!({}), Status::Ready, "")],
    );
}

#[test]
fn generations_and_deletion_come_first() {
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("example.com/v1", "Thing"),
        ("v1", "Service"),
    ] {
        let mut stale = object(
            api_version,
            kind,
            json!({"replicas": 0}),
            json!({"observedGeneration": 1}),
        );
        stale["metadata"]["generation"] = json!(2);
        assert_eq!(assess(&stale).reason, "LatestGenerationNotObserved", "{kind}");
        stale["status"]["observedGeneration"] = json!(2);
        assert_eq!(assess(&stale).status, Status::Ready, "{kind}");
        stale["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(assess(&stale).status, Status::Terminating, "{kind}");
    }
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        let mut new = object("apps/v1", kind, json!({"replicas": 0}), json!({}));
        new["metadata"]["generation"] = json!(1);
        assert_eq!(assess(&new).reason, "LatestGenerationNotObserved", "{kind}");
    }
}

fn waiting_pod(list: &str, reason: &str) -> Value {
    object(
        "v1",
        "Pod",
        json!({}),
        json!({"phase": "Pending", list: [{"name": "c", "state": {"waiting": {"reason": reason, "message": "why"}}}]}),
    )
}

#[test]
fn pods() {
    check(
        "v1",
        "Pod",
        &[
            (json!({}), json!({"phase": "Succeeded"}), Status::Ready, ""),
            (
                json!({}),
                with(json!({"phase": "Running"}), conditions(&[("Ready", "True", "")])),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                with(
                    json!({"phase": "Running"}),
                    conditions(&[("Ready", "False", "ContainersNotReady")]),
                ),
                Status::Progressing,
                "ContainersNotReady",
            ),
            (
                json!({}),
                json!({"phase": "Pending"}),
                Status::Progressing,
                "Pending",
            ),
            (json!({}), json!({}), Status::Progressing, "Pending"),
            (
                json!({}),
                json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}),
                Status::Failed,
                "Evicted",
            ),
            (json!({}), json!({"phase": "Failed"}), Status::Failed, "Failed"),
            (
                json!({}),
                json!({"phase": "Failed", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}),
                Status::Failed,
                "OOMKilled",
            ),
            (
                json!({}),
                with(
                    json!({"phase": "Pending"}),
                    conditions(&[("PodScheduled", "False", "Unschedulable")]),
                ),
                Status::Progressing,
                "Unschedulable",
            ),
        ],
    );
    for list in ["containerStatuses", "initContainerStatuses"] {
        for reason in super::pod::HOPELESS {
            let health = assess_pod(&waiting_pod(list, reason));
            assert_eq!(
                (health.status, health.reason.as_str()),
                (Status::Progressing, reason)
            );
            assert_eq!(health.message, format!("container c: {reason}: why"));
        }
        assert_eq!(
            assess_pod(&waiting_pod(list, "ContainerCreating")).status,
            Status::Progressing
        );
    }
    let mut crashing = waiting_pod("containerStatuses", "CrashLoopBackOff");
    crashing["status"]["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    assert_eq!(
        assess_pod(&crashing).message,
        "container c: CrashLoopBackOff: why (last run: Error, exit code 1)"
    );
}

#[test]
fn volumes_and_gateways() {
    check(
        "v1",
        "PersistentVolume",
        &[
            (json!({}), json!({}), Status::Progressing, "Pending"),
            (json!({}), json!({"phase": "Available"}), Status::Ready, ""),
            (json!({}), json!({"phase": "Released"}), Status::Ready, ""),
            (
                json!({}),
                json!({"phase": "Failed", "message": "m"}),
                Status::Failed,
                "Failed",
            ),
        ],
    );
    let api = "gateway.networking.k8s.io/v1";
    check(
        api,
        "Gateway",
        &[
            (json!({}), json!({}), Status::Progressing, "NotProgrammed"),
            (
                json!({}),
                conditions(&[("Accepted", "True", ""), ("Programmed", "True", "")]),
                Status::Ready,
                "",
            ),
            (
                json!({}),
                conditions(&[
                    ("Accepted", "False", "ListenersNotValid"),
                    ("Programmed", "True", ""),
                ]),
                Status::Progressing,
                "ListenersNotValid",
            ),
        ],
    );
    let parent = |list: &[(&str, &str, &str)]| json!({"parents": [conditions(list)]});
    check(
        api,
        "HTTPRoute",
        &[
            (json!({}), json!({}), Status::Ready, ""),
            (json!({}), parent(&[("Accepted", "True", "")]), Status::Ready, ""),
            (
                json!({}),
                parent(&[
                    ("Accepted", "True", ""),
                    ("ResolvedRefs", "False", "BackendNotFound"),
                ]),
                Status::Progressing,
                "BackendNotFound",
            ),
        ],
    );
}

#[test]
fn a_claim_that_nobody_uses_is_not_waited_for() {
    let class = |mode: &str| json!({"volumeBindingMode": mode});
    let spec = json!({"storageClassName": "slow"});
    let mut claim = object(
        "v1",
        "PersistentVolumeClaim",
        spec.clone(),
        json!({"phase": "Pending"}),
    );
    assert_eq!(storage_class(&claim), Some("slow"));
    assert!(waits_for_consumer(&claim, &class("WaitForFirstConsumer")));
    assert!(!waits_for_consumer(&claim, &class("Immediate")));
    claim["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "node-1"});
    assert!(!waits_for_consumer(&claim, &class("WaitForFirstConsumer")));
    let bound = object(
        "v1",
        "PersistentVolumeClaim",
        spec.clone(),
        json!({"phase": "Bound"}),
    );
    let other = object("v1", "Claim", spec, json!({}));
    assert_eq!((storage_class(&bound), storage_class(&other)), (None, None));
}

#[test]
fn what_is_not_waited_for_says_why_it_would_be() {
    let mut thing = object(
        "example.com/v1",
        "Thing",
        json!({}),
        conditions(&[("Ready", "False", "Off")]),
    );
    assert_eq!(assess(&thing).status, Status::Progressing);
    thing["metadata"]["annotations"] = json!({"werf.io/track-termination-mode": "NonBlocking"});
    let health = assess(&thing);
    assert_eq!((health.status, health.reason.as_str()), (Status::Ready, "Off"));
    thing["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(assess(&thing).status, Status::Terminating);
}
