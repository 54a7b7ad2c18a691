//! What becomes of workloads, by the annotations of their pods.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams, LogParams};
use serde_json::{Value, json};

use crate::support::namespace::TestNamespace;
use crate::support::plane;
use crate::support::wait::{eventually, until, within};

async fn namespace(test: &str) -> TestNamespace {
    TestNamespace::create(plane::client().await, test).await
}

fn deployment(name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {"containers": [{
                    "name": "main", "image": "example.org/app:1",
                    "resources": {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}},
                }]},
            },
        },
    })
}

fn job(name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/job:1"}]},
            },
        },
    })
}

fn ready_replicas(deployment: &Deployment) -> Option<i32> {
    deployment.status.as_ref()?.ready_replicas
}

fn condition(job: &Job, kind: &str) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == kind && one.status == "True"))
}

/// Why the first container of the first pod waits.
async fn waiting_reason(namespace: &TestNamespace, app: &str) -> Option<String> {
    let pods: Api<Pod> = namespace.api();
    let selector = ListParams::default().labels(&format!("app={app}"));
    let list = pods.list(&selector).await.expect("a list of pods");
    let statuses = list.items.first()?.status.as_ref()?.container_statuses.as_ref()?;
    let waiting = statuses.first()?.state.as_ref()?.waiting.as_ref()?;
    waiting.reason.clone()
}

#[tokio::test]
async fn deployment_becomes_ready() {
    let namespace = namespace("ready").await;
    namespace.apply(deployment("web", json!({}))).await;
    let api: Api<Deployment> = namespace.api();
    until(&api, "web", within(60), |web| ready_replicas(web) == Some(2)).await;

    let pods: Api<Pod> = namespace.api();
    let list = pods.list(&ListParams::default()).await.expect("pods");
    let mut addresses: Vec<_> = list
        .iter()
        .map(|pod| pod.status.as_ref().and_then(|status| status.pod_ip.clone()))
        .collect();
    addresses.dedup();
    assert_eq!(addresses.len(), 2, "each pod has an address of its own");
    let name = list.items[0].metadata.name.as_deref().expect("a name");
    let logs = pods.logs(name, &LogParams::default()).await.expect("logs");
    assert_eq!(logs, "no container ran: the node is simulated\n");
}

#[tokio::test]
async fn pod_gets_ready_when_its_annotation_says() {
    let namespace = namespace("late").await;
    let started = std::time::Instant::now();
    let annotations = json!({"local.helmapp.io/ready-after": "3s"});
    namespace.apply(deployment("late", annotations)).await;
    let api: Api<Deployment> = namespace.api();
    until(&api, "late", within(60), |late| ready_replicas(late) == Some(2)).await;
    assert!(started.elapsed() >= within(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn pods_fail_to_run_as_their_annotation_says() {
    let namespace = namespace("broken").await;
    let cases = [
        ("crash-loop", "CrashLoopBackOff"),
        ("image-pull", "ImagePullBackOff"),
    ];
    for (what, _) in cases {
        let annotations = json!({"local.helmapp.io/pod": what});
        namespace.apply(deployment(what, annotations)).await;
    }
    let api: Api<Deployment> = namespace.api();
    for (what, reason) in cases {
        eventually(what, within(60), || async {
            match waiting_reason(&namespace, what).await {
                Some(found) if found == reason => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        let deployment = api.get(what).await.expect("a deployment");
        assert_eq!(ready_replicas(&deployment), None, "{what}");
    }
}

#[tokio::test]
async fn pod_that_fits_no_node_stays_unschedulable() {
    let namespace = namespace("nowhere").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nowhere"},
        "spec": {"nodeSelector": {"disk": "gold"}, "containers": [{"name": "main", "image": "example.org/app:1"}]},
    });
    namespace.apply(pod).await;
    let api: Api<Pod> = namespace.api();
    until(&api, "nowhere", within(60), |pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one.type_ == "PodScheduled" && one.reason.as_deref() == Some("Unschedulable"))
        })
    })
    .await;
}

#[tokio::test]
async fn jobs_complete_or_fail() {
    let namespace = namespace("jobs").await;
    namespace.apply(job("good", json!({}))).await;
    let annotations = json!({"local.helmapp.io/pod": "fail"});
    namespace.apply(job("bad", annotations)).await;
    let api: Api<Job> = namespace.api();
    let good = until(&api, "good", within(60), |job| condition(job, "Complete")).await;
    assert_eq!(good.status.and_then(|status| status.succeeded), Some(1));
    let bad = until(&api, "bad", within(60), |job| condition(job, "Failed")).await;
    assert_eq!(bad.status.and_then(|status| status.failed), Some(1));
}

#[tokio::test]
async fn statefulset_gets_its_volumes_and_volumes_go_with_their_claims() {
    let namespace = namespace("volumes").await;
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 2, "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{
                    "name": "main", "image": "example.org/db:1",
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }]},
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}},
            }],
        },
    });
    namespace.apply(set).await;
    let sets: Api<StatefulSet> = namespace.api();
    until(&sets, "db", within(60), |set| {
        set.status.as_ref().and_then(|status| status.ready_replicas) == Some(2)
    })
    .await;
    let claims: Api<PersistentVolumeClaim> = namespace.api();
    let claim = claims.get("data-db-0").await.expect("a claim");
    let phase = claim.status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Bound"));
    let volume = claim.spec.and_then(|spec| spec.volume_name).expect("a volume");

    sets.delete("db", &DeleteParams::default())
        .await
        .expect("deleted");
    let all = ListParams::default();
    claims
        .delete_collection(&DeleteParams::default(), &all)
        .await
        .expect("deleted");
    let volumes: Api<PersistentVolume> = Api::all(namespace.client.clone());
    eventually("no volume", within(60), || async {
        match volumes.get_opt(&volume).await.expect("an answer") {
            None => Ok(()),
            Some(left) => Err(format!("{:?}", left.status)),
        }
    })
    .await;
    namespace.left(&[]).await;
}
