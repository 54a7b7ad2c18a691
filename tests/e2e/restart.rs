//! An operator that ends and starts again: it goes on, and what is steady costs no write.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Operator, install_crd, revision};
use crate::support::plane;
use crate::support::wait::{until, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let own = plane::own().await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = tempfile::tempdir().unwrap();
    let operator = Operator::start(&own.plane, charts.path()).await;
    let fixture = Fixture::on(client, "restart", charts.path()).await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |text: &str, pod: &str| json!({"chart": {"path": chart}, "values": {"text": text, "replicas": 1, "tag": "v1", "pod": pod}});
    fixture.app("app", spec("one", "")).await;
    fixture.ready("app").await;
    tokio::time::sleep(within(2)).await;
    operator.stop();

    // Steady: nothing is written.
    let operator = Operator::start(&own.plane, charts.path()).await;
    tokio::time::sleep(within(3)).await;
    let writes: Vec<_> = operator
        .requests
        .since(0)
        .into_iter()
        .filter(|request| !request.starts_with("GET"))
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    operator.stop();

    // Deleted while nobody looked.
    let maps: Api<ConfigMap> = fixture.namespace.api();
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    let operator = Operator::start(&own.plane, charts.path()).await;
    until(&maps, "app", within(20), |_| true).await;

    // In the middle of settling.
    fixture.app("app", spec("two", "crash-loop")).await;
    fixture
        .until("app", |app| {
            app.status.as_ref().is_some_and(|status| {
                revision(status) == 2
                    && status
                        .inventory
                        .iter()
                        .any(|entry| entry.health.as_deref() == Some("Progressing"))
            })
        })
        .await;
    operator.stop();
    let operator = Operator::start(&own.plane, charts.path()).await;
    tokio::time::sleep(within(2)).await;
    let status = fixture.apps().get("app").await.unwrap().status.unwrap();
    assert_eq!(revision(&status), 2, "resumed, not begun anew");
    fixture.app("app", spec("three", "")).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 3);
    let pods: Api<Pod> = fixture.namespace.api();
    assert!(!pods.list(&ListParams::default()).await.unwrap().items.is_empty());
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
    operator.stop();
}
