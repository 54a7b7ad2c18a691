//! What a release costs the API server.

use std::path::Path;
use std::time::Duration;

use helmapp::api::HelmApp;
use serde_json::json;

use crate::fixture::{CONFIG_MAP, Fixture, Operator, Own, install_crd, revision};
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

    let (before, served) = (operator.requests.read(), Requests::read(&client).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(operator.requests.since(before), Vec::<String>::new());
    let served = Requests::read(&client).await.since(&served);
    let ours = served.0.keys().filter(|request| {
        [
            "helmapps",
            "secrets",
            "configmaps",
            "services",
            "deployments",
            "events",
        ]
        .iter()
        .any(|kind| request.contains(kind))
    });
    assert_eq!(ours.count(), 0, "{served:?}");

    // What is in flight all the time: watches of HelmApps, and of the metadata of all that releases have.
    let mut whole = operator.requests.watched_whole();
    whole.sort();
    whole.dedup();
    assert_eq!(whole, ["/apis/helmapp.io/v1alpha1/helmapps"]);
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
