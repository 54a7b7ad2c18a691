//! Fields that can't be changed: what is made anew, how, and what never is.

use helmapp::api::HelmApp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cli::says;
use crate::fixture::{Fixture, condition, message, revision};

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: 'app:{{ .Values.tag }}'}]
";

const STATEFUL_SET: &str = "\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 2
  serviceName: {{ .Values.service }}
  selector: {matchLabels: {app: '{{ .Values.app }}'}}
  {{- if .Values.delete }}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: {{ .Values.delete }}}
  {{- end }}
  template:
    metadata: {labels: {app: '{{ .Values.app }}'}}
    spec: {containers: [{name: main, image: app}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

/// UIDs of all objects of a kind.
async fn uids<K>(fixture: &Fixture) -> Vec<String>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let api: Api<K> = fixture.namespace.api();
    let found = api.list(&ListParams::default()).await.expect("a list");
    let mut uids: Vec<String> = found.into_iter().filter_map(|object| object.uid()).collect();
    uids.sort();
    uids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_made_anew_and_the_plan_says_so() {
    let fixture = Fixture::shared("job").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", JOB)]);
    let spec = |tag: &str| json!({"chart": {"path": chart}, "values": {"tag": tag}});
    fixture.app("app", spec("v1")).await;
    fixture.ready("app").await;
    let before = uids::<Job>(&fixture).await;
    let file = fixture.charts.join(format!("{chart}.yaml"));
    let document = json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
                          "metadata": {"name": "app"}, "spec": spec("v2")});
    std::fs::write(&file, document.to_string()).unwrap();
    let charts = fixture.charts.display().to_string();
    let shown = says(
        &fixture,
        &["diff", &file.display().to_string(), "--chart-dir", &charts],
    )
    .await;
    assert!(shown.contains("delete and make anew Job.batch"), "{shown}");
    assert!(shown.contains("can not be changed: spec.template"), "{shown}");
    fixture.app("app", spec("v2")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let after = uids::<Job>(&fixture).await;
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    let jobs: Api<Job> = fixture.namespace.api();
    let job = jobs.get("app").await.unwrap();
    let image = job.spec.unwrap().template.spec.unwrap().containers[0]
        .image
        .clone();
    assert_eq!(image.as_deref(), Some("app:v2"));
    let status = fixture.apps().get("app").await.unwrap().status.unwrap();
    assert_eq!(status.inventory[0].uid.as_ref(), after.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statefulset_is_made_anew_around_its_pods_when_that_is_asked_for() {
    let fixture = Fixture::shared("around").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", STATEFUL_SET)]);
    let spec = |service: &str, recreate: Value| {
        let values = json!({"app": "a", "service": service, "delete": null});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"recreate": recreate}})
    };
    fixture.app("app", spec("one", json!([]))).await;
    fixture.ready("app").await;
    let (sets, pods) = (uids::<StatefulSet>(&fixture).await, uids::<Pod>(&fixture).await);
    let claims = uids::<PersistentVolumeClaim>(&fixture).await;
    assert_eq!((sets.len(), pods.len(), claims.len()), (1, 2, 2));

    fixture.app("app", spec("two", json!([]))).await;
    let said = message(&fixture.refused("app", "ImmutableField").await, "Ready");
    assert!(
        said.contains("with StatefulSet in spec.upgrade.recreate"),
        "{said}"
    );
    assert_eq!(uids::<StatefulSet>(&fixture).await, sets);

    fixture.app("app", spec("two", json!(["StatefulSet"]))).await;
    fixture.ready("app").await;
    let api: Api<StatefulSet> = fixture.namespace.api();
    let set = api.get("app").await.unwrap();
    assert_eq!(set.spec.unwrap().service_name.as_deref(), Some("two"));
    assert_ne!(uids::<StatefulSet>(&fixture).await, sets);
    assert_eq!(uids::<Pod>(&fixture).await, pods, "no pod is made anew");
    assert_eq!(uids::<PersistentVolumeClaim>(&fixture).await, claims);
    let pods: Api<Pod> = fixture.namespace.api();
    let owner = pods
        .get("app-0")
        .await
        .unwrap()
        .metadata
        .owner_references
        .unwrap();
    assert_eq!(
        Some(&owner[0].uid),
        set.metadata.uid.as_ref(),
        "it has them again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statefulset_stays_where_pods_or_claims_could_get_lost() {
    let fixture = Fixture::shared("unsafe").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", STATEFUL_SET)]);
    let spec = |app: &str, service: &str| {
        let values = json!({"app": app, "service": service, "delete": "Delete"});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"recreate": ["StatefulSet"]}})
    };
    fixture.app("app", spec("a", "one")).await;
    fixture.ready("app").await;
    let sets = uids::<StatefulSet>(&fixture).await;
    fixture.app("app", spec("a", "two")).await;
    let said = message(&fixture.refused("app", "ImmutableField").await, "Ready");
    assert!(
        said.contains("whenDeleted of the live one is not Retain"),
        "{said}"
    );

    // That can be changed, and then the selector is in the way.
    let mut kept = spec("a", "one");
    kept["values"]["delete"] = json!("Retain");
    fixture.app("app", kept.clone()).await;
    fixture.ready("app").await;
    kept["values"]["app"] = json!("b");
    fixture.app("app", kept).await;
    let said = message(&fixture.refused("app", "ImmutableField").await, "Ready");
    assert!(
        said.contains("its selector would not match all the pods that it has"),
        "{said}"
    );
    assert_eq!(uids::<StatefulSet>(&fixture).await, sets);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_never_made_anew() {
    let fixture = Fixture::shared("claim").await;
    let claim = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .Release.Name }}
  annotations: {werf.io/delete-policy: before-creation-if-immutable}
spec: {accessModes: [{{ .Values.mode }}], resources: {requests: {storage: {{ .Values.size }}}}}
";
    let chart = fixture.chart("app", &[("templates/a.yaml", claim)]);
    let spec = |mode: &str, size: &str| {
        json!({"chart": {"path": chart}, "values": {"mode": mode, "size": size},
               "upgrade": {"recreate": ["PersistentVolumeClaim"]}})
    };
    fixture.app("app", spec("ReadWriteOnce", "1Gi")).await;
    fixture.ready("app").await;
    let before = uids::<PersistentVolumeClaim>(&fixture).await;
    for (mode, size) in [("ReadWriteMany", "1Gi"), ("ReadWriteOnce", "2Gi")] {
        fixture.app("app", spec(mode, size)).await;
        let said = message(&fixture.refused("app", "ImmutableField").await, "Ready");
        assert!(
            said.contains("never deleted to be made anew, as it can hold data"),
            "{said}"
        );
        assert_eq!(uids::<PersistentVolumeClaim>(&fixture).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_selector_ends_the_old_pods_before_there_are_new_ones() {
    let fixture = Fixture::shared("selector").await;
    let deployment = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations: {werf.io/delete-policy: before-creation-if-immutable}
spec:
  selector: {matchLabels: {app: '{{ .Values.app }}'}}
  template:
    metadata: {labels: {app: '{{ .Values.app }}'}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: app}]}
";
    let chart = fixture.chart("app", &[("templates/a.yaml", deployment)]);
    let spec = |app: &str| json!({"chart": {"path": chart}, "values": {"app": app}});
    fixture.app("app", spec("a")).await;
    fixture.ready("app").await;
    let (before, pods) = (uids::<Deployment>(&fixture).await, uids::<Pod>(&fixture).await);
    fixture.app("app", spec("b")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert_ne!(uids::<Deployment>(&fixture).await, before);
    let api: Api<Pod> = fixture.namespace.api();
    let now = api.list(&ListParams::default()).await.unwrap();
    assert!(
        now.iter().all(|pod| !pods.contains(&pod.uid().unwrap())),
        "the old ones are gone"
    );
    assert!(now.iter().all(|pod| pod.labels()["app"] == "b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_to_go_is_waited_for_as_a_state() {
    let fixture = Fixture::shared("slow").await;
    let map = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, annotations: {werf.io/delete-policy: before-creation-if-immutable}}
immutable: true
data: {text: {{ .Values.text }}}
";
    let chart = fixture.chart("app", &[("templates/a.yaml", map)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let hold = |names: Value| {
        let maps = maps.clone();
        async move {
            let patch = json!({"metadata": {"finalizers": names}});
            maps.patch("app", &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .unwrap();
        }
    };
    hold(json!(["e2e.helmapp.io/hold"])).await;
    fixture.app("app", spec("two")).await;
    let waits = |app: &HelmApp| {
        condition(app, "Reconciling")
            .is_some_and(|waits| waits.message.contains("going before it is made anew: ConfigMap"))
    };
    fixture.until("app", waits).await;
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
    hold(json!(null)).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_of_a_service_is_refused_with_the_way_out() {
    let fixture = Fixture::shared("address").await;
    let service = "\
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  {{- if .Values.headless }}
  clusterIP: None
  {{- end }}
  ports: [{port: 80}]
";
    let chart = fixture.chart("app", &[("templates/a.yaml", service)]);
    let spec = |headless: bool, recreate: Value| json!({"chart": {"path": chart}, "values": {"headless": headless}, "upgrade": {"recreate": recreate}});
    fixture.app("app", spec(false, json!([]))).await;
    fixture.ready("app").await;
    fixture.app("app", spec(true, json!([]))).await;
    let said = message(&fixture.refused("app", "ImmutableField").await, "Ready");
    assert!(
        said.contains("spec.clusterIPs[0]")
            && said.contains("which gives it other addresses: with Service in spec.upgrade.recreate"),
        "{said}"
    );
    fixture.app("app", spec(true, json!(["Service"]))).await;
    fixture.ready("app").await;
    let services: Api<Service> = fixture.namespace.api();
    let service = services.get("app").await.unwrap();
    assert_eq!(service.spec.unwrap().cluster_ip.as_deref(), Some("None"));
}
