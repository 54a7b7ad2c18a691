//! A chart with very many objects.

use std::time::Instant;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

use crate::fixture::{Fixture, install_crd, revision};
use crate::support::metrics::Requests;
use crate::support::plane;
use crate::support::wait::{eventually, until, within};
use crate::{is_long, operator};

const MANY: &str = "\
{{- range $number := until (int .Values.count) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $number }}
data:
  text: {{ $.Values.text }}
  rest: {{ repeat 200 \"x\" }}
{{- end }}
";

/// The operator, as the audit log names it.
const OPERATOR: &str = "operator";
/// Most requests beside two for each object.
const FIXED: u64 = 8;
/// Most memory that the process may have had, in MiB: an unoptimised program.
const MEMORY: u64 = 512;

/// The most memory that a process has had so far, in MiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number") / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_very_many_objects_comes_changes_and_goes() {
    let count: u64 = if is_long() { 1500 } else { 150 };
    let own = plane::own_with(|options| options.audit = true).await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = tempfile::tempdir().unwrap();
    let fixture = Fixture::on(client.clone(), "many", charts.path()).await;
    let chart = fixture.chart("many", &[("templates/a.yaml", MANY)]);
    let spec = |text: &str| {
        let times = json!({"timeout": "20m"});
        json!({"chart": {"path": chart}, "values": {"count": count, "text": text}, "install": times, "upgrade": times})
    };
    let kubeconfig = own.plane.user(OPERATOR, &["system:masters"]).await.unwrap();
    let process = operator::start(&kubeconfig, charts.path(), None);
    process.leading().await;
    // The first release of the process starts the watches of its kinds.
    let first = json!({"chart": {"path": chart}, "values": {"count": 1, "text": "one"}});
    fixture.app("first", first).await;
    fixture.ready("first").await;
    tokio::time::sleep(within(3)).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let patience = within(900);
    let mut seconds = Vec::new();
    for (number, text) in [(1, "one"), (2, "two")] {
        let (before, begun) = (Requests::of_user(&own.plane, OPERATOR), Instant::now());
        fixture.app("app", spec(text)).await;
        let ready = |app: &helmapp::api::HelmApp| {
            let ready = crate::fixture::condition(app, "Ready").is_some_and(|ready| ready.status == "True");
            ready
                && app
                    .status
                    .as_ref()
                    .is_some_and(|status| revision(status) == number)
        };
        let app = until(&fixture.apps(), "app", patience, ready).await;
        let took = begun.elapsed();
        seconds.push(took.as_secs_f32());
        assert_eq!(app.status.unwrap().inventory_total, Some(count as i64));
        let found = maps.list(&ListParams::default()).await.unwrap().items;
        let found = found.into_iter().filter(|map| map.name_any().starts_with("app-"));
        let so = |map: &&ConfigMap| {
            map.data
                .as_ref()
                .is_some_and(|data| data.get("text").is_some_and(|is| is == text))
        };
        assert_eq!(found.filter(|map| so(&map)).count() as u64, count);
        let made = Requests::of_user(&own.plane, OPERATOR).since(&before).total();
        println!(
            "{count} objects, revision {number}: {:.1} s, {made} requests",
            took.as_secs_f32()
        );
        // What takes long is said at its beginning and every half minute.
        let more = 1 + took.as_secs() / 30;
        assert!(made <= 2 * count + FIXED + more, "{made}");
    }
    let begun = Instant::now();
    let before = Requests::of_user(&own.plane, OPERATOR);
    fixture
        .apps()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the HelmApp goes", patience, || async {
        match fixture.apps().get_opt("app").await {
            Ok(None) => Ok(()),
            other => Err(format!("{:?}", other.map(|app| app.map(|app| app.status)))),
        }
    })
    .await;
    let took = begun.elapsed();
    fixture.delete("first").await;
    fixture.namespace.left(&[]).await;
    let made = Requests::of_user(&own.plane, OPERATOR).since(&before).total();
    println!(
        "{count} objects deleted: {:.1} s, {made} requests",
        took.as_secs_f32()
    );
    let most = peak(process.id());
    println!(
        "objects: {count} installed in {:.1} s, changed in {:.1} s, deleted in {:.1} s, at most {most} MiB",
        seconds[0],
        seconds[1],
        took.as_secs_f32()
    );
    assert!(most <= MEMORY, "{most}");
}
