//! Releases that Helm installed and a HelmApp goes on with.

use helmapp::api::MadeBy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Fixture, revision};
use crate::helm::{Helm, Version, word};
use crate::support::wait::{eventually, within};

const MAP: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.text }}
{{- if .Values.more }}
  more: \"yes\"
{{- end }}
";

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
{{- if .Values.more }}
  annotations: {more: \"yes\"}
{{- end }}
spec:
  replicas: 2
{{- if .Values.more }}
  minReadySeconds: 1
{{- end }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
        - name: main
          image: registry.example.com/app:v1
          ports: [{containerPort: 80}]
{{- if .Values.env }}
          env: [{name: MORE, value: \"yes\"}]
{{- end }}
";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{port: 80}]
";

fn chart(fixture: &Fixture) -> String {
    let files = [
        ("templates/a.yaml", MAP),
        ("templates/b.yaml", DEPLOYMENT),
        ("templates/c.yaml", SERVICE),
    ];
    fixture.chart("app", &files)
}

fn spec(chart: &str, values: Value) -> Value {
    json!({"chart": {"path": chart}, "values": values})
}

/// Managers that own fields of a release's objects by updates in the way of a client-side Helm.
pub async fn client_side(fixture: &Fixture, release: &str) -> Vec<String> {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let deployments: Api<Deployment> = fixture.namespace.api();
    let mut entries = maps
        .get(release)
        .await
        .unwrap()
        .metadata
        .managed_fields
        .unwrap_or_default();
    entries.extend(
        deployments
            .get(release)
            .await
            .unwrap()
            .metadata
            .managed_fields
            .unwrap_or_default(),
    );
    let of_helm = entries.into_iter().filter(|entry| {
        entry.manager.as_deref() == Some("helm") && entry.operation.as_deref() == Some("Update")
    });
    of_helm.map(|entry| format!("{entry:?}")).collect()
}

/// What a restart of the pods would change.
async fn pods(fixture: &Fixture, release: &str) -> (Option<i64>, Vec<String>) {
    let deployments: Api<Deployment> = fixture.namespace.api();
    let deployment = deployments.get(release).await.unwrap();
    let all: Api<Pod> = fixture.namespace.api();
    let of_release = ListParams::default().labels(&format!("app={release}"));
    let found = all.list(&of_release).await.unwrap();
    let mut uids: Vec<String> = found.iter().filter_map(ResourceExt::uid).collect();
    uids.sort();
    (deployment.metadata.generation, uids)
}

async fn goes_on(version: Version, test: &str) {
    let fixture = Fixture::shared(test).await;
    let helm = Helm::new(version, &fixture).await;
    let chart = chart(&fixture);
    let directory = fixture.charts.join(&chart).display().to_string();
    for release in ["same", "less"] {
        let set = "text=one,more=true,env=true";
        helm.says(&["install", release, &directory, "--set", set, "--wait"])
            .await;
    }
    let before = pods(&fixture, "same").await;
    assert_eq!(before.1.len(), 2);

    // What is asked for is what is there.
    let all = json!({"text": "one", "more": true, "env": true});
    fixture.app("same", spec(&chart, all)).await;
    let status = fixture.ready("same").await;
    // Helm 4 keeps lines at the end of a document that Helm 3 and we do not: a record in our words is made.
    let (number, made_by) = match version {
        Version::Three => (1, MadeBy::Other),
        Version::Four => (2, MadeBy::HelmApp),
    };
    assert_eq!(
        (revision(&status), status.history[0].made_by),
        (number, Some(made_by))
    );
    assert_eq!(pods(&fixture, "same").await, before, "no pod is made anew");
    assert_eq!(client_side(&fixture, "same").await, Vec::<String>::new());
    assert_eq!(helm.history("same").await.len() as i64, number);

    // What the chart drops later is dropped, and only that.
    fixture
        .app("same", spec(&chart, json!({"text": "one", "env": true})))
        .await;
    assert_eq!(revision(&fixture.ready("same").await), number + 1);
    dropped(&fixture, "same").await;
    let now = pods(&fixture, "same").await;
    assert_eq!(now.1, before.1, "the pod template is the same");
    fixture.app("same", spec(&chart, json!({"text": "one"}))).await;
    eventually("the variable goes", within(30), || async {
        let deployments: Api<Deployment> = fixture.namespace.api();
        let deployment = deployments.get("same").await.map_err(|error| error.to_string())?;
        let container = deployment
            .spec
            .and_then(|spec| spec.template.spec?.containers.pop());
        match container.and_then(|container| container.env) {
            None => Ok(()),
            Some(env) => Err(format!("{env:?}")),
        }
    })
    .await;

    // What it drops with the first revision as well.
    let before = pods(&fixture, "less").await;
    fixture
        .app("less", spec(&chart, json!({"text": "one", "env": true})))
        .await;
    assert_eq!(revision(&fixture.ready("less").await), 2);
    dropped(&fixture, "less").await;
    assert_eq!(pods(&fixture, "less").await.1, before.1);
    assert_eq!(client_side(&fixture, "less").await, Vec::<String>::new());
    assert_eq!(
        helm.history("less").await,
        [word(1, "superseded"), word(2, "deployed")]
    );

    for release in ["same", "less"] {
        fixture.delete(release).await;
    }
    fixture.namespace.left(&[]).await;
}

/// Nothing is left of what the chart had with `more`.
async fn dropped(fixture: &Fixture, release: &str) {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let deployments: Api<Deployment> = fixture.namespace.api();
    let services: Api<Service> = fixture.namespace.api();
    let data = maps.get(release).await.unwrap().data.unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["text"]);
    let deployment = deployments.get(release).await.unwrap();
    assert!(
        !deployment.annotations().contains_key("more"),
        "{:?}",
        deployment.annotations()
    );
    assert_eq!(deployment.spec.unwrap().min_ready_seconds, None);
    let service = services.get(release).await.unwrap().spec.unwrap();
    assert!(service.cluster_ip.is_some_and(|address| !address.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_helm_3_goes_on_as_a_helmapp() {
    goes_on(Version::Three, "from-helm3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_helm_4_goes_on_as_a_helmapp() {
    goes_on(Version::Four, "from-helm4").await;
}

/// What a person's kubectl wrote beside it stays theirs, until the chart has it as well.
#[tokio::test(flavor = "multi_thread")]
async fn fields_of_people_that_the_chart_has_are_the_charts() {
    let fixture = Fixture::shared("people").await;
    let chart = chart(&fixture);
    fixture.app("shop", spec(&chart, json!({"text": "one"}))).await;
    fixture.ready("shop").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let by_hand = PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PatchParams::default()
    };
    let edit = json!({"data": {"more": "yes", "own": "mine"}});
    maps.patch("shop", &by_hand, &Patch::Merge(&edit)).await.unwrap();
    fixture
        .app("shop", spec(&chart, json!({"text": "one", "more": true})))
        .await;
    assert_eq!(revision(&fixture.ready("shop").await), 2);
    fixture.app("shop", spec(&chart, json!({"text": "one"}))).await;
    assert_eq!(revision(&fixture.ready("shop").await), 3);
    let data = maps.get("shop").await.unwrap().data.unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["own", "text"]);
}
