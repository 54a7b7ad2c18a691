//! What a release costs the API server.

use std::path::Path;
use std::time::Duration;

use helmapp::api::HelmApp;
use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Operator, Own, install_crd, revision};
use crate::support::metrics::{Requests, watches};
use crate::support::plane;

/// Requests that the design allows on top of two for each object.
const FIXED: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn an_install_and_an_upgrade_stay_in_the_budget_and_a_steady_release_costs_nothing() {
    let own = plane::own().await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let watched = watches(&client).await;
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    let operator = Operator::start(&own.plane, &charts).await;
    let fixture = Fixture::on(client.clone(), "requests", &charts).await;
    // The first release of the process starts the watches of its kinds.
    fixture.app("first", json!({"chart": {"path": "demo"}})).await;
    fixture.ready("first").await;
    pause().await;

    let before = operator.requests.read();
    fixture.app("demo", json!({"chart": {"path": "demo"}})).await;
    let status = fixture.ready("demo").await;
    pause().await;
    let objects = status.inventory.len() as u64;
    let lines = looks_as_one(operator.requests.since(before));
    println!("install of {objects} objects: {} requests", lines.len());
    assert!(lines.len() as u64 <= 2 * objects + FIXED, "{lines:#?}");

    let before = operator.requests.read();
    fixture
        .app(
            "demo",
            json!({"chart": {"path": "demo"}, "values": {"replicas": 3}}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("demo").await), 2);
    pause().await;
    let lines = looks_as_one(operator.requests.since(before));
    println!("upgrade of 1 object: {} requests", lines.len());
    assert!(lines.len() as u64 <= 2 + FIXED, "{lines:#?}");

    is_steady(&operator, &client).await;
    // What is in flight all the time: watches of HelmApps, and of the metadata of all that releases have.
    let now = watches(&client).await;
    let mut more: Vec<(&str, u64)> = now
        .iter()
        .map(|(resource, count)| {
            (
                resource.as_str(),
                count - watched.get(resource).unwrap_or(&0).min(count),
            )
        })
        .filter(|(resource, more)| *more > 0 && *resource != "helmapps")
        .collect();
    more.sort();
    // The cluster's kinds, releases' records, and the chart's three kinds.
    let expected = [
        ("customresourcedefinitions", 1),
        ("deployments", 1),
        ("secrets", 1),
        ("serviceaccounts", 1),
        ("services", 1),
    ];
    assert_eq!(more, expected);
    operator.stop();
}

/// For a while the operator asks for nothing, as it counts itself and as the API server does, and of nothing but HelmApps
/// it watches more than the metadata.
async fn is_steady(operator: &Operator, client: &kube::Client) {
    const KINDS: [&str; 9] = [
        "helmapps",
        "secrets",
        "configmaps",
        "services",
        "serviceaccounts",
        "deployments",
        "jobs",
        "pods",
        "events",
    ];
    let (before, served) = (operator.requests.read(), Requests::read(client).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(operator.requests.since(before), Vec::<String>::new());
    let served = Requests::read(client).await.since(&served);
    let of_releases = |request: &&String| KINDS.iter().any(|kind| request.contains(kind));
    assert_eq!(served.0.keys().filter(of_releases).count(), 0, "{served:?}");
    let mut whole = operator.requests.watched_whole();
    whole.sort();
    whole.dedup();
    assert_eq!(whole, ["/apis/helmapp.io/v1alpha1/helmapps"]);
}

/// Hooks before and after the objects, objects that wait for others, and a test: once all of it is through, it costs
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_steady_release_of_hooks_and_waves_costs_nothing() {
    const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: \"pre-install,post-install,pre-upgrade,post-upgrade,test\"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: registry.example.com/hook}]
";
    let own = Own::start("steady").await;
    let (operator, fixture) = (own.operator(), &own.fixture);
    let waits = "\n  annotations: {argocd.argoproj.io/sync-wave: \"1\"}\ndata:";
    let last = CONFIG_MAP.replace("\ndata:", waits);
    let files = [
        ("templates/a.yaml", last.as_str()),
        ("templates/b.yaml", DEPLOYMENT),
        ("templates/c.yaml", JOB),
    ];
    let chart = fixture.chart("app", &files);
    for (number, text) in (1..).zip(["one", "two"]) {
        let values = json!({"text": text, "tag": text, "replicas": 1, "pod": ""});
        let spec = json!({"chart": {"path": chart}, "values": values, "test": {"enable": true}});
        fixture.app("app", spec).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    pause().await;
    is_steady(operator, &fixture.client()).await;
}

/// A workload is looked at when its status may say that it is ready; where its controllers are slow, that can be more
/// than once.
fn looks_as_one(mut lines: Vec<String>) -> Vec<String> {
    let mut looks = std::collections::HashSet::new();
    lines.retain(|line| {
        let is_look = line.starts_with("GET ") && line.contains("/deployments/");
        !is_look || looks.insert(line.clone())
    });
    lines
}

/// Status writes and events come up to a second after what they speak of.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// However many ConfigMaps specs name, one watch follows them; one that is named later is read once.
#[tokio::test(flavor = "multi_thread")]
async fn references_share_a_watch() {
    let own = Own::start("references").await;
    let (operator, fixture) = (own.operator(), &own.fixture);
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let values = |name: &str, text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
               "data": {"values.yaml": format!("text: {text}")}})
    };
    for name in ["one", "two"] {
        fixture
            .namespace
            .apply(values(&format!("values-{name}"), "a"))
            .await;
        let from = json!([{"kind": "ConfigMap", "name": format!("values-{name}")}]);
        fixture
            .app(name, json!({"chart": {"path": chart}, "valuesFrom": from}))
            .await;
        fixture.ready(name).await;
    }
    let lines = operator.requests.since(0);
    let lists = lines.iter().filter(|line| {
        line.starts_with("GET") && line.contains("/configmaps?") && !line.contains("labelSelector")
    });
    assert_eq!(lists.count(), 1, "{lines:#?}");

    let upgraded = |app: &HelmApp| app.status.as_ref().is_some_and(|status| revision(status) == 2);
    for name in ["one", "two"] {
        fixture
            .namespace
            .apply(values(&format!("values-{name}"), "b"))
            .await;
        fixture.until(name, upgraded).await;
    }
}
