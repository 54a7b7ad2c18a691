//! How objects are doing: what is waited for, what ends the wait early, and what is said when a release breaks.

use std::time::Duration;

use helmapp::api::{HelmApp, HelmAppStatus};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, condition, condition_of, message, revision};
use crate::support::wait::{eventually, until, within};

/// A Deployment whose pods have the annotations and the spec of the values.
const PODS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
      annotations: {{ toJson .Values.annotations }}
    spec:
      nodeSelector: {{ toJson .Values.nodes }}
      containers:
        - name: main
          image: registry.example.com/app:v1
";

/// A Job whose pods have the annotations of the values.
const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}
spec:
  backoffLimit: 0
  {{- with .Values.ttl }}
  ttlSecondsAfterFinished: {{ . }}
  {{- end }}
  template:
    metadata:
      annotations: {{ toJson .Values.annotations }}
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: registry.example.com/job:v1
";

fn becomes(what: &str) -> Value {
    json!({"local.helmapp.io/pod": what})
}

/// A HelmApp of one template, with a time that no test has.
async fn slow(fixture: &Fixture, template: &str, values: Value) {
    let chart = fixture.chart("app", &[("templates/a.yaml", template)]);
    let mut all = json!({"annotations": {}, "nodes": {}});
    all.as_object_mut()
        .unwrap()
        .extend(values.as_object().unwrap().clone());
    let spec = json!({"chart": {"path": chart}, "values": all, "install": {"timeout": "30m"}});
    fixture.app("app", spec).await;
}

/// The early failure of an install.
async fn fails(fixture: &Fixture) -> String {
    let status = fixture.refused("app", "InstallFailed").await;
    let description = status.history[0].description.clone().unwrap();
    assert!(
        !description.contains('\n'),
        "a revision has one line: {description}"
    );
    message(&status, "Ready")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_crashes_ends_the_wait_and_its_log_is_shown() {
    let fixture = Fixture::shared("crashes").await;
    slow(&fixture, PODS, json!({"annotations": becomes("crash-loop")})).await;
    let said = fails(&fixture).await;
    let first = said.lines().next().unwrap_or_default();
    for part in [
        "Deployment.apps",
        "pod app-",
        "container main",
        "CrashLoopBackOff",
        "exit code 1",
    ] {
        assert!(first.contains(part), "{part}: {said}");
    }
    assert!(
        said.contains("the end of the log of container main of pod app-")
            && said.contains("no container ran"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_pods_from_starting_ends_the_wait() {
    let image = async {
        let fixture = Fixture::shared("image").await;
        slow(&fixture, PODS, json!({"annotations": becomes("image-pull")})).await;
        let said = fails(&fixture).await;
        assert!(
            said.contains("ImagePullBackOff") && !said.contains("log"),
            "{said}"
        );
    };
    let bare = async {
        let fixture = Fixture::shared("bare").await;
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n  annotations: {{ toJson .Values.annotations }}\nspec:\n  containers:\n    - {name: main, image: registry.example.com/app:v1}\n";
        slow(&fixture, pod, json!({"annotations": becomes("image-pull")})).await;
        let said = fails(&fixture).await;
        assert!(
            said.contains("Pod ") && said.contains("ImagePullBackOff"),
            "{said}"
        );
    };
    let node = async {
        let fixture = Fixture::shared("node").await;
        slow(&fixture, PODS, json!({"nodes": {"nowhere": "true"}})).await;
        let said = fails(&fixture).await;
        assert!(
            said.contains("Unschedulable") && said.contains("nodes are available"),
            "{said}"
        );
    };
    let quota = async {
        let fixture = Fixture::shared("podquota").await;
        fixture.quota(json!({"pods": "0"})).await;
        slow(&fixture, PODS, json!({})).await;
        let said = fails(&fixture).await;
        assert!(
            said.contains("FailedCreate") && said.contains("exceeded quota"),
            "{said}"
        );
    };
    let job = async {
        let fixture = Fixture::shared("badjob").await;
        slow(&fixture, JOB, json!({"annotations": becomes("fail")})).await;
        let said = fails(&fixture).await;
        assert!(
            said.contains("BackoffLimitExceeded") && said.contains("no container ran"),
            "{said}"
        );
    };
    tokio::join!(image, bare, node, quota, job);
}

/// What the pods of the namespace say of being ready.
async fn say_ready(fixture: &Fixture, ready: bool) {
    let word = if ready { "True" } else { "False" };
    let pods: Api<Pod> = fixture.namespace.api();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let conditions =
            json!([{"type": "Ready", "status": word}, {"type": "ContainersReady", "status": word}]);
        let status = json!({"status": {"conditions": conditions}});
        pods.patch_status(
            &pod.metadata.name.unwrap(),
            &PatchParams::default(),
            &Patch::Strategic(&status),
        )
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_breaks_is_not_ready_until_it_heals() {
    let fixture = Fixture::shared("breaks").await;
    slow(&fixture, PODS, json!({})).await;
    fixture.ready("app").await;
    say_ready(&fixture, false).await;
    let status = fixture.refused("app", "HealthCheckFailed").await;
    assert!(
        message(&status, "Ready").contains("Deployment.apps"),
        "{status:?}"
    );
    assert_eq!(condition_of(&status, "Healthy").status, "False");
    assert_eq!(
        condition_of(&status, "Released").status,
        "True",
        "it is released all the same"
    );

    say_ready(&fixture, true).await;
    let status = fixture.ready("app").await;
    assert_eq!(condition_of(&status, "Healthy").status, "True");
    assert_eq!(revision(&status), 1);
    let events: Api<Event> = fixture.namespace.api();
    eventually("both turns are told", within(20), || async {
        let found = events
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let reasons: Vec<String> = found.into_iter().filter_map(|event| event.reason).collect();
        let told = |reason: &str| reasons.iter().any(|found| found == reason);
        match told("HealthCheckFailed") && told("HealthCheckSucceeded") {
            true => Ok(()),
            false => Err(format!("{reasons:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_replaced_is_no_news() {
    let fixture = Fixture::shared("replaced").await;
    slow(&fixture, PODS, json!({})).await;
    fixture.ready("app").await;
    let pods: Api<Pod> = fixture.namespace.api();
    let before = fixture.apps().get("app").await.unwrap().metadata.resource_version;
    let name = pods.list(&ListParams::default()).await.unwrap().items[0]
        .metadata
        .name
        .clone()
        .unwrap();
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("another pod runs", within(20), || async {
        let found = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let others = found
            .iter()
            .filter(|pod| pod.metadata.name.as_deref() != Some(&name));
        let runs =
            |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        if others.into_iter().any(runs) {
            Ok(())
        } else {
            Err(format!("{} pods", found.items.len()))
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let app = fixture.apps().get("app").await.unwrap();
    // Drift and health have had their time: neither had anything to say.
    let ready = condition(&app, "Ready").map(|ready| ready.status.clone());
    assert_eq!(
        (ready.as_deref(), app.metadata.resource_version),
        (Some("True"), before)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_ends_a_wait_at_once() {
    let fixture = Fixture::shared("cancels").await;
    slow(
        &fixture,
        PODS,
        json!({"annotations": {"local.helmapp.io/ready-after": "3600s"}}),
    )
    .await;
    let waits = |app: &HelmApp| condition(app, "Healthy").is_some_and(|healthy| healthy.status == "Unknown");
    fixture.until("app", waits).await;
    slow(&fixture, PODS, json!({})).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    let first = fixture.revisions("app").await.remove(0);
    assert_eq!(first, (1, "superseded".to_owned()));
}

fn not_waited_for(app: &HelmApp) -> bool {
    let is = |kind: &str, status: &str| condition(app, kind).is_some_and(|found| found.status == status);
    is("Ready", "True") && is("Healthy", "Unknown")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_waited_for_is_deployed_at_once() {
    let fixture = Fixture::shared("nowait").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", PODS)]);
    let values = json!({"annotations": {"local.helmapp.io/ready-after": "3600s"}, "nodes": {}});
    let spec = json!({"chart": {"path": chart}, "values": values, "install": {"disableWait": true}});
    fixture.app("app", spec).await;
    let status = fixture.until("app", not_waited_for).await;
    assert!(
        message(&status, "Healthy").contains("not waited for: Deployment.apps"),
        "{status:?}"
    );
    assert_eq!(fixture.revisions("app").await, [(1, "deployed".to_owned())]);
    // Its pods may not be there yet.
    eventually("it is told when they are", within(60), || async {
        say_ready(&fixture, true).await;
        let app = fixture.apps().get("app").await.unwrap();
        match condition(&app, "Healthy") {
            Some(healthy) if healthy.status == "True" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_need_not_be_waited_for() {
    let fixture = Fixture::shared("nojobs").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", JOB), ("templates/b.yaml", CONFIG_MAP)],
    );
    let values = json!({"annotations": {"local.helmapp.io/run-for": "3600s"}, "text": "one"});
    let spec = |install: Value| json!({"chart": {"path": chart}, "values": values, "install": install});
    fixture
        .app("app", spec(json!({"disableWaitForJobs": true})))
        .await;
    let status: HelmAppStatus = fixture.until("app", not_waited_for).await;
    assert!(message(&status, "Healthy").contains("Job.batch"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_a_pod_keeps_nobody_waiting() {
    let fixture = Fixture::shared("claim").await;
    let class = fixture.namespace.name.clone();
    let classes: Api<StorageClass> = Api::all(fixture.client());
    let object = json!({"metadata": {"name": class}, "provisioner": "example.com/none",
        "volumeBindingMode": "WaitForFirstConsumer"});
    let object: StorageClass = serde_json::from_value(object).unwrap();
    classes.create(&PostParams::default(), &object).await.unwrap();
    let template = format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\nspec:\n  accessModes: [ReadWriteOnce]\n  storageClassName: {class}\n  resources:\n    requests:\n      storage: 1Gi\n"
    );
    slow(&fixture, &template, json!({})).await;
    fixture.ready("app").await;
    let claims: Api<PersistentVolumeClaim> = fixture.namespace.api();
    let phase = claims.get("data").await.unwrap().status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Pending"));
    classes.delete(&class, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_goes_when_it_is_done_is_not_run_again() {
    let fixture = Fixture::shared("ttl").await;
    slow(&fixture, JOB, json!({"ttl": 2})).await;
    fixture.ready("app").await;
    let jobs: Api<Job> = fixture.namespace.api();
    eventually("the Job goes", within(30), || async {
        match jobs.get_opt("app").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(jobs.get_opt("app").await.unwrap(), None);
    let status = fixture.ready("app").await;
    assert_eq!(status.inventory[0].health.as_deref(), Some("Ready"));
    // One that somebody deletes is put back.
    let fixture = Fixture::shared("nottl").await;
    slow(&fixture, JOB, json!({})).await;
    fixture.ready("app").await;
    let jobs: Api<Job> = fixture.namespace.api();
    let before = jobs.get("app").await.unwrap().metadata.uid;
    jobs.delete("app", &DeleteParams::background()).await.unwrap();
    until(&jobs, "app", within(30), |job| job.metadata.uid != before).await;
}

/// What is said of a ConfigMap whose key `state` is somebody's word for how it is doing.
fn by_state() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "has(data.state) && data.state == 'on'",
            "failed": "has(data.state) && data.state == 'broken'"}])
}

async fn say_state(fixture: &Fixture, state: &str) {
    say_state_of(fixture, "app", state).await;
}

async fn say_state_of(fixture: &Fixture, name: &str, state: &str) {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let said = json!({"data": {"state": state}});
    maps.patch(name, &PatchParams::default(), &Patch::Merge(&said))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_say_how_objects_of_a_kind_are_doing() {
    let fixture = Fixture::shared("cel").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |exprs: Value| {
        json!({"chart": {"path": chart}, "values": {"text": "one"}, "install": {"timeout": "30m"},
               "healthCheckExprs": exprs})
    };
    fixture.app("app", spec(by_state())).await;
    let waits = |app: &HelmApp| condition(app, "Healthy").is_some_and(|healthy| healthy.status == "Unknown");
    let status = fixture.until("app", waits).await;
    let said = message(&status, "Healthy");
    assert!(
        said.contains("spec.healthCheckExprs[0].current is not true"),
        "{said}"
    );
    say_state(&fixture, "on").await;
    fixture.ready("app").await;
    say_state(&fixture, "broken").await;
    let status = fixture.refused("app", "HealthCheckFailed").await;
    let said = message(&status, "Ready");
    assert!(said.contains("spec.healthCheckExprs[0].failed is true"), "{said}");
    // Without expressions a ConfigMap is ready as it stands.
    fixture.app("app", spec(json!([]))).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_what_is_unready_follows_it() {
    let fixture = Fixture::shared("follows").await;
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", &map("first")),
            ("templates/b.yaml", &map("second")),
        ],
    );
    let spec =
        json!({"chart": {"path": chart}, "install": {"timeout": "30m"}, "healthCheckExprs": by_state()});
    fixture.app("app", spec).await;
    let waits = |app: &HelmApp| condition(app, "Healthy").is_some_and(|healthy| healthy.status == "Unknown");
    fixture.until("app", waits).await;
    for name in ["first", "second"] {
        say_state_of(&fixture, name, "on").await;
    }
    fixture.ready("app").await;
    say_state_of(&fixture, "first", "broken").await;
    let status = fixture.refused("app", "HealthCheckFailed").await;
    assert!(message(&status, "Ready").contains("first"), "{status:?}");
    say_state_of(&fixture, "second", "broken").await;
    say_state_of(&fixture, "first", "on").await;
    let of_second = |app: &HelmApp| {
        let said = ["Ready", "Healthy"].map(|kind| condition(app, kind).map_or("", |found| &*found.message));
        said.iter()
            .all(|said| said.contains("second") && !said.contains("first"))
    };
    let status = fixture.until("app", of_second).await;
    let health: Vec<_> = status
        .inventory
        .iter()
        .map(|entry| (entry.name.as_str(), entry.health.as_deref().unwrap_or_default()))
        .collect();
    assert!(
        health.contains(&("first", "Ready")) && health.contains(&("second", "Failed")),
        "{health:?}"
    );
    say_state_of(&fixture, "second", "on").await;
    fixture.ready("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_and_not_put_back_is_missed() {
    for mode in ["warn", "disabled"] {
        let fixture = Fixture::shared(&format!("missed-{mode}")).await;
        let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
        let spec = |mode: &str| json!({"chart": {"path": chart}, "values": {"text": "one"}, "driftDetection": {"mode": mode}});
        fixture.app("app", spec(mode)).await;
        fixture.ready("app").await;
        let maps: Api<ConfigMap> = fixture.namespace.api();
        maps.delete("app", &DeleteParams::default()).await.unwrap();
        let status = fixture.refused("app", "HealthCheckFailed").await;
        let said = message(&status, "Ready");
        assert!(said.contains("app: it is not there"), "{said}");
        assert_eq!(status.inventory[0].health.as_deref(), Some("Missing"));
        fixture.app("app", spec("enabled")).await;
        let status = fixture.ready("app").await;
        assert_eq!(status.inventory[0].health.as_deref(), Some("Ready"));
        assert_eq!(revision(&status), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_can_not_be_read_changes_nothing() {
    let fixture = Fixture::shared("badcel").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |current: &str| {
        let exprs = json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]);
        json!({"chart": {"path": chart}, "values": {"text": "one"}, "healthCheckExprs": exprs})
    };
    fixture.app("app", spec("data.(")).await;
    let status = fixture.refused("app", "InvalidCELExpression").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("spec.healthCheckExprs[0].current is no expression in CEL: line 1"),
        "{said}"
    );
    assert_eq!(fixture.revisions("app").await, []);
    fixture.app("app", spec("data.text == 'one'")).await;
    fixture.ready("app").await;
}
