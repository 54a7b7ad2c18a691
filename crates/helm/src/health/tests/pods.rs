//! What pods tell of a workload that is not ready.

use std::time::Duration;

use jiff::Timestamp;

use super::super::pods::{Log, Patience, Workload, explain, has_pods, selector};
use super::*;

const NOW: &str = "2026-01-01T00:10:00Z";

fn patience() -> Patience {
    Patience {
        restarts: 3,
        start: Duration::from_secs(30),
        schedule: Duration::from_secs(180),
    }
}

/// A pod of this age in seconds.
fn pod(age: i64, status: Value) -> Value {
    let now: Timestamp = NOW.parse().unwrap();
    let made = now - jiff::SignedDuration::from_secs(age);
    json!({"metadata": {"name": "p", "creationTimestamp": made.to_string()}, "status": status})
}

fn waiting(reason: &str, restarts: i64) -> Value {
    json!({"phase": "Pending", "containerStatuses": [
        {"name": "c", "ready": false, "restartCount": restarts,
         "state": {"waiting": {"reason": reason, "message": "why"}}}]})
}

fn unscheduled(since: &str) -> Value {
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes", "lastTransitionTime": since}]})
}

#[test]
fn what_may_come_right_has_its_time() {
    let running = json!({"phase": "Running", "containerStatuses": [
        {"name": "c", "ready": false, "restartCount": 2, "state": {"running": {}},
         "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]});
    let table = [
        (
            pod(5, waiting("CrashLoopBackOff", 2)),
            Status::Progressing,
            "CrashLoopBackOff",
        ),
        (
            pod(5, waiting("CrashLoopBackOff", 3)),
            Status::Failed,
            "CrashLoopBackOff",
        ),
        (
            pod(29, waiting("ImagePullBackOff", 0)),
            Status::Progressing,
            "ImagePullBackOff",
        ),
        (
            pod(30, waiting("ImagePullBackOff", 0)),
            Status::Failed,
            "ImagePullBackOff",
        ),
        (
            pod(31, waiting("CreateContainerConfigError", 0)),
            Status::Failed,
            "CreateContainerConfigError",
        ),
        (
            pod(0, waiting("InvalidImageName", 0)),
            Status::Failed,
            "InvalidImageName",
        ),
        (
            pod(300, unscheduled("2026-01-01T00:07:01Z")),
            Status::Progressing,
            "Unschedulable",
        ),
        (
            pod(300, unscheduled("2026-01-01T00:07:00Z")),
            Status::Failed,
            "Unschedulable",
        ),
        (
            pod(300, unscheduled("no time")),
            Status::Progressing,
            "Unschedulable",
        ),
        (pod(300, running), Status::Progressing, "ContainersNotReady"),
        (
            pod(
                1,
                json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}),
            ),
            Status::Progressing,
            "Evicted",
        ),
    ];
    let workload = json!({});
    for (pod, status, reason) in &table {
        let found = Workload(&workload)
            .trouble(&[pod], NOW.parse().unwrap(), &patience())
            .unwrap();
        assert_eq!(
            (found.health.status, found.health.reason.as_str()),
            (*status, *reason),
            "{pod}"
        );
        assert!(found.health.message.starts_with("pod p: "), "{found:?}");
    }
    let fine = [
        json!({"phase": "Succeeded"}),
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]}),
        waiting("ContainerCreating", 0),
    ];
    for status in fine {
        let pod = pod(500, status);
        let found = Workload(&workload).trouble(&[&pod], NOW.parse().unwrap(), &patience());
        assert_eq!(found, None, "{pod}");
    }
}

#[test]
fn the_worst_is_told() {
    let pods = [pod(300, unscheduled(NOW)), pod(300, waiting("ErrImagePull", 0))];
    let all: Vec<&Value> = pods.iter().collect();
    let found = Workload(&json!({}))
        .trouble(&all, NOW.parse().unwrap(), &patience())
        .unwrap();
    assert_eq!(found.health.reason, "ErrImagePull");
}

#[test]
fn a_quota_may_have_room_again() {
    let refused = |message: &str, since: &str| {
        json!({"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": message, "lastTransitionTime": since}]}})
    };
    let table = [
        ("exceeded quota: q", "2026-01-01T00:09:31Z", Status::Progressing),
        ("exceeded quota: q", "2026-01-01T00:09:30Z", Status::Failed),
        ("connection refused", "2026-01-01T00:00:00Z", Status::Progressing),
    ];
    for (message, since, status) in table {
        let workload = refused(message, since);
        let found = Workload(&workload)
            .trouble(&[], NOW.parse().unwrap(), &patience())
            .unwrap();
        assert_eq!(found.health.status, status, "{message} {since}");
    }
}

#[test]
fn the_log_is_that_of_the_run_that_crashed() {
    let crashed = json!({"phase": "Running", "containerStatuses": [
        {"name": "ok", "ready": true, "state": {"running": {}}},
        {"name": "c", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 1}}}]});
    let failed = json!({"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]});
    let log = |status: Value| {
        let pod = pod(1, status);
        Workload(&json!({}))
            .trouble(&[&pod], NOW.parse().unwrap(), &patience())
            .unwrap()
            .log
    };
    let of = |previous| Log {
        pod: "p".into(),
        container: "c".into(),
        previous,
    };
    assert_eq!(log(crashed), Some(of(true)));
    assert_eq!(log(failed), Some(of(false)));
    assert_eq!(log(waiting("ErrImagePull", 0)), None, "it never ran");
}

#[test]
fn pods_of_the_present_revision() {
    let owned = |name: &str, owner: &str, labels: Value| json!({"metadata": {"name": name, "uid": name, "labels": labels, "ownerReferences": [{"uid": owner}]}});
    let names = |workload: &Value, sets: &[Value], pods: &[Value]| -> Vec<String> {
        let own = Workload(workload).own(sets, pods);
        own.iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let revision = |n: &str| json!({"deployment.kubernetes.io/revision": n});
    let mut deployment = object("apps/v1", "Deployment", json!({}), json!({}));
    deployment["metadata"]["uid"] = json!("d");
    deployment["metadata"]["annotations"] = revision("2");
    let mut sets = [
        owned("old", "d", json!({})),
        owned("new", "d", json!({})),
        owned("other", "x", json!({})),
    ];
    for (set, number) in sets.iter_mut().zip(["1", "2", "2"]) {
        set["metadata"]["annotations"] = revision(number);
    }
    let pods = [
        owned("a", "old", json!({})),
        owned("b", "new", json!({})),
        owned("c", "other", json!({})),
    ];
    assert_eq!(names(&deployment, &sets, &pods), ["b"]);
    assert_eq!(names(&deployment, &sets[..1], &pods), Vec::<String>::new());

    let hash = |hash: &str| json!({"controller-revision-hash": hash});
    let pods = [
        owned("a", "s", hash("1")),
        owned("b", "s", hash("2")),
        owned("c", "t", hash("2")),
    ];
    let mut set = object(
        "apps/v1",
        "StatefulSet",
        json!({}),
        json!({"updateRevision": "2"}),
    );
    set["metadata"]["uid"] = json!("s");
    assert_eq!(names(&set, &[], &pods), ["b"]);
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    assert_eq!(names(&set, &[], &pods), ["a", "b"]);
}

#[test]
fn selectors_in_the_notation_of_queries() {
    let of = |kind: &str, selector: Value| {
        let api_version = if kind == "ReplicationController" {
            "v1"
        } else {
            "apps/v1"
        };
        self::selector(&object(
            api_version,
            kind,
            json!({"selector": selector}),
            json!({}),
        ))
    };
    let all = json!({"matchLabels": {"a": "b", "c": "d"}, "matchExpressions": [
        {"key": "e", "operator": "In", "values": ["1", "2"]},
        {"key": "f", "operator": "NotIn", "values": ["3"]},
        {"key": "g", "operator": "Exists"}, {"key": "h", "operator": "DoesNotExist"}]});
    assert_eq!(
        of("Deployment", all).as_deref(),
        Some("a=b,c=d,e in (1,2),f notin (3),g,!h")
    );
    assert_eq!(
        of("ReplicationController", json!({"a": "b"})).as_deref(),
        Some("a=b")
    );
    assert_eq!(of("Deployment", json!({})), None, "that would be all pods");
    assert!(has_pods("batch", "Job") && has_pods("", "Pod") && !has_pods("batch", "CronJob"));
}

#[test]
fn what_is_found_belongs_to_what_is_known() {
    let workload = object("apps/v1", "Deployment", json!({}), json!({}));
    let trouble = |restarts| {
        let pod = pod(1, waiting("CrashLoopBackOff", restarts));
        Workload(&workload)
            .trouble(&[&pod], NOW.parse().unwrap(), &patience())
            .unwrap()
    };
    let said = "pod p: container c: CrashLoopBackOff: why";
    let health = explain(assess(&workload), trouble(1));
    assert_eq!(health.status, Status::Progressing);
    assert_eq!(health.message, format!("0 of 1 replicas are updated: {said}"));
    let health = explain(assess(&workload), trouble(3));
    assert_eq!((health.status, health.message.as_str()), (Status::Failed, said));
    let mut bare = pod(1, waiting("CrashLoopBackOff", 3));
    bare["kind"] = json!("Pod");
    bare["apiVersion"] = json!("v1");
    let found = Workload(&bare)
        .trouble(&[&bare], NOW.parse().unwrap(), &patience())
        .unwrap();
    let health = explain(assess(&bare), found);
    assert_eq!((health.status, health.message.as_str()), (Status::Failed, said));
    let late = object(
        "apps/v1",
        "Deployment",
        json!({}),
        conditions(&[("Progressing", "False", "ProgressDeadlineExceeded")]),
    );
    let health = explain(assess(&late), trouble(1));
    assert_eq!(
        (health.reason.as_str(), health.message),
        ("ProgressDeadlineExceeded", format!("m: {said}"))
    );
}
