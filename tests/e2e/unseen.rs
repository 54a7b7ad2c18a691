//! What happens while the operator is not there, and to kinds that it may not watch.

use std::path::Path;
use std::time::Duration;

use helmapp::local::{Component, ControlPlane};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, Operator, condition, install_crd, message, revision};
use crate::support::plane;
use crate::support::wait::{eventually, within};

/// A kind whose health is what its status says.
const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gears.e2e.helmapp.io
spec:
  group: e2e.helmapp.io
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

const GEAR: &str = "\
apiVersion: e2e.helmapp.io/v1
kind: Gear
metadata: {name: one}
spec: {a: 1}
";

fn gears(fixture: &Fixture) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "e2e.helmapp.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "e2e.helmapp.io/v1".to_owned(),
        kind: "Gear".to_owned(),
        plural: "gears".to_owned(),
    };
    Api::namespaced_with(fixture.client(), &fixture.namespace.name, &resource)
}

async fn say_ready(gears: &Api<DynamicObject>, ready: &str) {
    let status = json!({"status": {"conditions": [{
        "type": "Ready", "status": ready, "reason": "Said", "message": "as the test says",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    gears
        .patch_status("one", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

async fn prepared(plane: &ControlPlane) -> Client {
    let client = plane.client().await.unwrap();
    install_crd(&client).await;
    client
}

fn writes(operator: &Operator) -> Vec<String> {
    let lines = operator.requests.since(0).into_iter();
    lines.filter(|line| !line.starts_with("GET")).collect()
}

/// Waits until what was said last is written and nothing is under way.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_that_changed_meanwhile_is_noticed() {
    let own = plane::own().await;
    let client = prepared(&own.plane).await;
    let charts = tempfile::tempdir().unwrap();
    let start = || Operator::start(&own.plane, charts.path());
    let operator = start().await;
    let fixture = Fixture::on(client, "meanwhile", charts.path()).await;
    let gears = gears(&fixture);
    let chart = fixture.chart("app", &[("crds/a.yaml", CRD), ("templates/a.yaml", GEAR)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    pause().await;
    operator.stop();

    say_ready(&gears, "False").await;
    let operator = start().await;
    let status = fixture.refused("app", "HealthCheckFailed").await;
    assert!(
        message(&status, "Healthy").contains("Gear.e2e.helmapp.io"),
        "{status:?}"
    );
    assert!(
        !writes(&operator).iter().any(|line| line.contains("/gears/")),
        "it is looked at, not applied"
    );
    pause().await;
    operator.stop();

    say_ready(&gears, "True").await;
    let operator = start().await;
    fixture.ready("app").await;
    pause().await;
    operator.stop();

    // Nothing has changed: nothing is read.
    let operator = start().await;
    pause().await;
    let lines = operator.requests.since(0);
    assert!(
        !lines.iter().any(|line| line.contains("/gears/one")),
        "{lines:#?}"
    );
    operator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_revision_that_healed_meanwhile_is_deployed() {
    let own = plane::own().await;
    let client = prepared(&own.plane).await;
    let charts = tempfile::tempdir().unwrap();
    let operator = Operator::start(&own.plane, charts.path()).await;
    let fixture = Fixture::on(client, "healed", charts.path()).await;
    let gears = gears(&fixture);
    let chart = fixture.chart("app", &[("crds/a.yaml", CRD), ("templates/a.yaml", GEAR)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    say_ready(&gears, "False").await;
    fixture.refused("app", "HealthCheckFailed").await;
    let other = GEAR.replace("a: 1", "a: 2");
    let chart = fixture.chart("other", &[("crds/a.yaml", CRD), ("templates/a.yaml", &other)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "upgrade": {"timeout": "2s"}}),
        )
        .await;
    let status = fixture.refused("app", "UpgradeFailed").await;
    assert_eq!(status.release.unwrap().status, "failed");
    pause().await;
    operator.stop();

    say_ready(&gears, "True").await;
    let operator = Operator::start(&own.plane, charts.path()).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    assert_eq!(status.release.unwrap().status, "deployed");
    operator.stop();
}

/// Gives an operator all rights that it needs, but for gears only these.
async fn grant(fixture: &Fixture, verbs: &[&str]) {
    let gears = json!({"apiGroups": ["e2e.helmapp.io"], "resources": ["gears"], "verbs": verbs});
    let helmapps = json!({"apiGroups": ["helmapp.io"], "resources": ["*"], "verbs": ["*"]});
    allow(fixture, vec![gears, helmapps]).await;
}

/// Gives an operator all rights that it needs, but for gears and HelmApps only these.
async fn allow(fixture: &Fixture, mut rules: Vec<Value>) {
    let groups = [
        "",
        "apps",
        "apiextensions.k8s.io",
        "events.k8s.io",
        "authorization.k8s.io",
    ];
    rules.extend([
        json!({"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["get"]}),
    ]);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "blind"},
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "blind"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "blind"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "blind"}],
    });
    let params = PatchParams::apply("test").force();
    let roles: Api<ClusterRole> = Api::all(fixture.client());
    roles.patch("blind", &params, &Patch::Apply(&role)).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(fixture.client());
    bindings
        .patch("blind", &params, &Patch::Apply(&binding))
        .await
        .unwrap();
}

async fn start_blind(plane: &ControlPlane, charts: &Path) -> Operator {
    Operator::start_as(plane, charts, Some("blind")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_may_not_be_watched_holds_nobody_up() {
    let own = plane::own().await;
    let client = prepared(&own.plane).await;
    let charts = tempfile::tempdir().unwrap();
    let fixture = Fixture::on(client, "blind", charts.path()).await;
    grant(&fixture, &["get", "create", "patch", "delete"]).await;
    let chart = fixture.chart(
        "app",
        &[
            ("crds/a.yaml", CRD),
            ("templates/a.yaml", GEAR),
            ("templates/b.yaml", CONFIG_MAP),
        ],
    );
    let spec = |text: &str| {
        let detection = json!({"interval": "10s"});
        json!({"chart": {"path": chart}, "values": {"text": text}, "driftDetection": detection})
    };
    let operator = start_blind(&own.plane, charts.path()).await;
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    let unknown = |status: &'static str| {
        move |app: &helmapp::api::HelmApp| {
            condition(app, "Drifted").is_some_and(|drifted| drifted.status == status)
        }
    };
    let said = message(&fixture.until("app", unknown("Unknown")).await, "Drifted");
    assert!(
        said.contains("Gear.e2e.helmapp.io") && said.contains("cannot list resource \"gears\""),
        "{said}"
    );
    pause().await;
    operator.stop();

    let operator = start_blind(&own.plane, charts.path()).await;
    pause().await;
    assert_eq!(writes(&operator), Vec::<String>::new());
    fixture.app("app", spec("two")).await;
    let ready = tokio::time::timeout(Duration::from_secs(6), fixture.ready("app")).await;
    assert_eq!(revision(&ready.expect("no worker waits for the watch")), 2);

    // What is not seen is found when it is looked for.
    let gears = gears(&fixture);
    gears.delete("one", &DeleteParams::default()).await.unwrap();
    put_back(&gears).await;

    // With the right, what was not seen is seen.
    grant(&fixture, &["*"]).await;
    fixture.until("app", unknown("False")).await;
    let unasked = json!({"chart": {"path": chart}, "values": {"text": "two"}});
    fixture.app("app", unasked).await;
    fixture.ready("app").await;
    gears.delete("one", &DeleteParams::default()).await.unwrap();
    put_back(&gears).await;
    operator.stop();
}

async fn put_back(gears: &Api<DynamicObject>) {
    eventually("it is put back", within(40), || async {
        match gears.get_opt("one").await {
            Ok(Some(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_may_not_watch_helmapps_any_more_is_not_ready() {
    let own = plane::own().await;
    let client = prepared(&own.plane).await;
    let charts = tempfile::tempdir().unwrap();
    let fixture = Fixture::on(client, "deaf", charts.path()).await;
    grant(&fixture, &["*"]).await;
    let operator = start_blind(&own.plane, charts.path()).await;
    let mut ready = operator.is_ready.clone();
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    // It is ready when HelmApps are listed, and their watch is open when one is heard of.
    fixture.app("first", spec.clone()).await;
    fixture.ready("first").await;
    let some = json!({"apiGroups": ["helmapp.io"], "resources": ["*"], "verbs": ["get", "patch", "update"]});
    allow(&fixture, vec![some]).await;
    assert!(*ready.borrow(), "a watch that is open goes on");
    own.plane.stop_component(Component::ApiServer).await.unwrap();
    own.plane.start_component(Component::ApiServer).await.unwrap();
    let not_ready = tokio::time::timeout(within(90), ready.wait_for(|ready| !*ready)).await;
    not_ready.expect("in time").unwrap();

    // What it hears of shows that it hears again.
    grant(&fixture, &["*"]).await;
    fixture.app("app", spec).await;
    let is_ready = tokio::time::timeout(within(120), ready.wait_for(|ready| *ready)).await;
    is_ready.expect("in time").unwrap();
    fixture.ready("app").await;
    operator.stop();
}
