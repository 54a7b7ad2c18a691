//! Thousands of upgrades of one release.

use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, Fixture, revision};
use crate::helm::{Helm, Version};

/// How many upgrades are made; `make chaos` sets 2,000.
fn upgrades() -> i64 {
    let set = helmapp_oracle::setting("HELMAPP_UPGRADES", 30);
    i64::try_from(set).expect("a small number")
}

/// However many revisions there were, so many stay as are asked for, and nothing else grows.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_does_not_grow() {
    const KEPT: i64 = 10;
    let count = upgrades();
    let fixture = Fixture::shared("many").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let began = Instant::now();
    for number in 1..=count {
        let values = json!({"text": number.to_string()});
        fixture
            .app(
                "app",
                json!({"chart": {"path": chart}, "values": values, "maxHistory": KEPT}),
            )
            .await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("upgrades: {count} of {count} in {seconds:.0} s, {KEPT} revisions kept");
    let kept: Vec<_> = (count - KEPT + 1..count)
        .map(|number| (number, "superseded".to_owned()))
        .collect();
    let expected = [kept, vec![(count, "deployed".to_owned())]].concat();
    assert_eq!(fixture.revisions("app").await, expected);
    for version in Version::BOTH {
        let helm = Helm::new(version, &fixture).await;
        assert_eq!(helm.history("app").await, expected);
    }
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(
        maps.get("app").await.unwrap().data.unwrap()["text"],
        count.to_string()
    );
    let status = fixture.apps().get("app").await.unwrap().status.unwrap();
    assert_eq!(status.history.len(), KEPT as usize);
    let secrets: Api<Secret> = fixture.namespace.api();
    let all = secrets.list(&ListParams::default()).await.unwrap();
    assert_eq!(
        all.items.len(),
        KEPT as usize + 1,
        "the revisions and one companion"
    );
    let bytes: usize = all
        .items
        .iter()
        .flat_map(|secret| secret.data.iter().flatten())
        .map(|(_, data)| data.0.len())
        .sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes of records");
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}
