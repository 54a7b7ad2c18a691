//! An operator that ends between any two of its writes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::fixture::{DEPLOYMENT, Fixture, Own, revision};
use crate::support::faults::Faults;
use crate::support::wait::{eventually, within};

const MAPS: &str = "\
{{- range .Values.maps }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ . }}
  labels: {test/app: {{ $.Release.Name }}}
data:
  text: {{ $.Values.text }}
{{- end }}
";

/// The ConfigMaps of a release with their texts, and the image of its Deployment.
async fn state(fixture: &Fixture, app: &str) -> (BTreeMap<String, String>, String) {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let mine = ListParams::default().labels(&format!("test/app={app}"));
    let maps = maps.list(&mine).await.unwrap().into_iter();
    let maps = maps.map(|map| (map.name_any(), map.data.unwrap()["text"].clone()));
    let deployments: Api<Deployment> = fixture.namespace.api();
    let deployment = deployments.get(app).await.unwrap();
    let image = deployment.spec.unwrap().template.spec.unwrap().containers[0]
        .image
        .clone();
    (maps.collect(), image.unwrap())
}

/// Waits until a write did not get through; false when what is asked for was done before that.
async fn is_cut(faults: &Faults, mut done: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + within(30);
    while !faults.is_cut() {
        if done().await {
            // What is said of it comes up to a second later.
            tokio::time::sleep(Duration::from_secs(2)).await;
            return faults.is_cut();
        }
        assert!(Instant::now() < end, "neither cut nor done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// Whichever write was the last one of a process, the next process gets to where none would have been needed.
#[tokio::test(flavor = "multi_thread")]
async fn any_write_can_be_the_last() {
    const MOST: usize = 24;
    let faults = Faults::default();
    let mut own = Own::start_with("cut", faults.clone()).await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", MAPS), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |text: &str, maps: [&str; 2]| -> Value {
        let values = json!({"text": text, "maps": maps, "replicas": 1, "tag": text, "pod": ""});
        json!({"chart": {"path": chart}, "values": values})
    };
    let apps: Vec<String> = (0..MOST).map(|number| format!("app-{number}")).collect();
    for app in &apps {
        fixture.app(app, spec("one", ["same", "old"])).await;
    }
    for app in &apps {
        fixture.ready(app).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    let mut upgraded = 0;
    for (writes, app) in (0..).zip(&apps) {
        faults.cut_after(writes);
        fixture.app(app, spec("two", ["same", "new"])).await;
        let is_ready = async || {
            let status = fixture.apps().get(app).await.unwrap().status.unwrap();
            revision(&status) == 2 && crate::fixture::condition_of(&status, "Ready").status == "True"
        };
        let cut = is_cut(&faults, is_ready).await;
        own.stop();
        faults.clear();
        own.resume().await;
        let status = fixture.ready(app).await;
        assert_eq!(revision(&status), 2, "after {writes} writes");
        let texts = ["new", "same"].map(|name| (format!("{app}-{name}"), "two".to_owned()));
        let expected = (texts.into(), "registry.example.com/app:two".to_owned());
        assert_eq!(state(&fixture, app).await, expected, "after {writes} writes");
        let word = |revision, status: &str| (revision, status.to_owned());
        eventually("the records are those of no crash", within(20), || async {
            let revisions = fixture.revisions(app).await;
            let expected = [word(1, "superseded"), word(2, "deployed")];
            (revisions == expected)
                .then_some(())
                .ok_or(format!("after {writes} writes: {revisions:?}"))
        })
        .await;
        if !cut {
            upgraded = writes;
            break;
        }
    }
    println!("upgrade: cut before each of {upgraded} writes");
    assert!(upgraded > 6, "{upgraded}");

    let mut deleted = 0;
    for (writes, app) in (0..).zip(&apps) {
        faults.cut_after(writes);
        fixture
            .apps()
            .delete(app, &DeleteParams::default())
            .await
            .unwrap();
        let is_gone = async || fixture.apps().get_opt(app).await.unwrap().is_none();
        let cut = is_cut(&faults, is_gone).await;
        own.stop();
        faults.clear();
        own.resume().await;
        eventually("the HelmApp goes", within(30), || async {
            let found = fixture.apps().get_opt(app).await.unwrap();
            found.map_or(Ok(()), |found| {
                Err(format!("after {writes} writes: {:?}", found.status))
            })
        })
        .await;
        let left = fixture.namespace.objects().await;
        let marks = [format!("/{app}-"), format!(".{app}.v")];
        let ends = [format!("/{app}"), format!(".{app}")];
        let is_mine = |name: &&String| {
            marks.iter().any(|mark| name.contains(mark)) || ends.iter().any(|end| name.ends_with(end))
        };
        let mine = left.iter().find(is_mine);
        assert_eq!(mine, None, "after {writes} writes: {left:?}");
        if !cut {
            deleted = writes;
            break;
        }
    }
    println!("uninstallation: cut before each of {deleted} writes");
    assert!(deleted > 4, "{deleted}");
}
