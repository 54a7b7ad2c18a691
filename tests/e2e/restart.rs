//! An operator that ends and starts again: it goes on, and what is steady costs no write.

use std::path::Path;
use std::time::Duration;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Own, condition, message, revision};
use crate::recovery::heal;
use crate::support::faults::{Faults, Harm};
use crate::support::process::Process;
use crate::support::wait::{until, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let mut own = Own::start("restart").await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |text: &str, pod: &str| json!({"chart": {"path": chart}, "values": {"text": text, "replicas": 1, "tag": "v1", "pod": pod}});
    fixture.app("app", spec("one", "")).await;
    fixture.ready("app").await;
    tokio::time::sleep(within(2)).await;

    // Steady: nothing is written, and the metrics know the release all the same.
    own.resume().await;
    tokio::time::sleep(within(3)).await;
    let writes: Vec<_> = own
        .operator()
        .requests
        .since(0)
        .into_iter()
        .filter(|request| !request.starts_with("GET"))
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    let metrics = own.operator().metrics.encode().unwrap();
    for series in ["helmapp_release_ready{", "helmapp_release_revision{"] {
        let known = |line: &&str| line.starts_with(series) && line.ends_with(" 1");
        assert_eq!(metrics.lines().filter(known).count(), 1, "{metrics}");
    }
    own.stop();

    // Deleted while nobody looked.
    let maps: Api<ConfigMap> = fixture.namespace.api();
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    own.resume().await;
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
    own.resume().await;
    tokio::time::sleep(within(2)).await;
    let status = fixture.apps().get("app").await.unwrap().status.unwrap();
    assert_eq!(revision(&status), 2, "resumed, not begun anew");
    let requests = own.operator().requests.since(0);
    let reads = requests
        .iter()
        .filter(|line| line.contains("/secrets/helmapp.v1.app"));
    assert_eq!(reads.count(), 1, "{requests:#?}");
    fixture.app("app", spec("three", "")).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 3);
    let pods: Api<Pod> = fixture.namespace.api();
    assert!(!pods.list(&ListParams::default()).await.unwrap().items.is_empty());
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// The names of the release's ConfigMaps come from values, the text of each too.
const MAPS: &str = "\
{{- range .Values.maps }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ . }}
data:
  text: {{ $.Values.text }}
{{- end }}
";

const MANY: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// When the operator is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The record of the new revision is written.
    Begun,
    /// One of the new revision's objects is applied.
    Applying,
    /// All are applied, and not ready.
    Settling,
    /// The record says deployed; what follows from it is not done.
    Ended,
}

struct Killed<'a>(&'a Own);

impl Killed<'_> {
    fn process(&self) -> Process {
        let variables = [
            ("HELMAPP_CHART_DIR", self.0.charts().to_str().unwrap()),
            ("HELMAPP_RETRY_LEAST", "200ms"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let program = Path::new(env!("CARGO_BIN_EXE_helmapp"));
        Process::start(program, self.0.plane().kubeconfig_path(), &variables)
    }

    /// Waits for the moment, as closely as one can.
    async fn at(&self, app: &str, new: i64, text: &str, moment: Moment) {
        let secrets: Api<Secret> = self.0.fixture.namespace.api();
        let maps: Api<ConfigMap> = self.0.fixture.namespace.api();
        let record = format!("sh.helm.release.v1.{app}.v{new}");
        let is_new = |map: Option<ConfigMap>| {
            map.and_then(|map| map.data)
                .is_some_and(|data| data["text"] == text)
        };
        let end = Instant::now() + within(30);
        loop {
            let reached = match moment {
                Moment::Begun => secrets.get_metadata_opt(&record).await.unwrap().is_some(),
                Moment::Applying => is_new(maps.get_opt(&format!("{app}-a")).await.unwrap()),
                Moment::Settling => {
                    let deployments: Api<Deployment> = self.0.fixture.namespace.api();
                    let deployment = deployments.get(app).await.unwrap();
                    deployment.metadata.generation == Some(2)
                }
                Moment::Ended => {
                    let found = secrets.get_metadata_opt(&record).await.unwrap();
                    found.is_some_and(|secret| secret.labels()["status"] == "deployed")
                }
            };
            if reached {
                return;
            }
            assert!(Instant::now() < end, "{app} does not get to {moment:?}");
        }
    }
}

/// A crash at any moment costs time and nothing else: the end is that of an operator that was never killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_operator_leaves_nothing_half_done() {
    let own = Own::idle("killed").await;
    let killed = Killed(&own);
    let fixture = &own.fixture;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", MAPS), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |text: &str, maps: &[&str], tag: &str| {
        let values = json!({"text": text, "maps": maps, "replicas": 1, "tag": tag, "pod": ""});
        json!({"chart": {"path": chart}, "values": values})
    };
    let moments = [
        ("begun", Moment::Begun),
        ("applying", Moment::Applying),
        ("settling", Moment::Settling),
        ("ended", Moment::Ended),
    ];
    let mut process = killed.process();
    for (app, _) in moments {
        fixture.app(app, spec("one", &MANY, "v1")).await;
    }
    for (app, _) in moments {
        fixture.ready(app).await;
    }
    let word = |revision, status: &str| (revision, status.to_owned());
    let upgraded: Vec<&str> = MANY
        .iter()
        .copied()
        .filter(|name| *name != "k")
        .chain(["new"])
        .collect();
    for (app, moment) in moments {
        fixture.app(app, spec("two", &upgraded, "v2")).await;
        killed.at(app, 2, "two", moment).await;
        process.kill();
        process = killed.process();
        let status = fixture.ready(app).await;
        assert_eq!(revision(&status), 2, "{moment:?}");
        assert_eq!(
            fixture.revisions(app).await,
            [word(1, "superseded"), word(2, "deployed")],
            "{moment:?}"
        );
        let mut expected: Vec<String> = upgraded.iter().map(|name| format!("{app}-{name}")).collect();
        expected.sort();
        let maps: Api<ConfigMap> = fixture.namespace.api();
        let found = maps.list(&ListParams::default()).await.unwrap();
        let mine = found
            .into_iter()
            .filter(|map| map.name_any().starts_with(&format!("{app}-")));
        let (names, texts): (Vec<String>, Vec<String>) = mine
            .map(|map| (map.name_any(), map.data.unwrap()["text"].clone()))
            .unzip();
        assert_eq!(names, expected, "{moment:?}");
        assert!(texts.iter().all(|text| text == "two"), "{moment:?}: {texts:?}");
    }

    // The way back is not gone twice, whether it was begun or through.
    for (app, moment) in [("begun", Moment::Begun), ("ended", Moment::Ended)] {
        let mut back = spec("two", &upgraded, "v2");
        back["rollback"] = json!({"toRevision": 1});
        fixture.app(app, back).await;
        killed.at(app, 3, "one", moment).await;
        process.kill();
        process = killed.process();
        let status = fixture.ready(app).await;
        assert_eq!(revision(&status), 3, "{moment:?}");
        assert_eq!(status.rollback.map(|done| done.to_revision), Some(1));
        assert_eq!(
            fixture.revisions(app).await,
            [word(1, "superseded"), word(2, "superseded"), word(3, "deployed")],
            "{moment:?}"
        );
        let text = fixture
            .namespace
            .api::<ConfigMap>()
            .get(&format!("{app}-k"))
            .await
            .unwrap();
        assert_eq!(text.data.unwrap()["text"], "one");
    }

    // The numbers of a release are its owner's, not those of another that was refused.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut rival = spec("three", &[], "v3");
    rival["releaseName"] = json!("ended");
    fixture.app("rival", rival).await;
    fixture.refused("rival", "ReleaseClaimed").await;
    fixture.delete("rival").await;
    let (_, metrics) = process.get("/metrics").await.unwrap();
    let counted = |line: &str| line.contains("release_revision") && line.contains("\"ended\"");
    assert!(metrics.lines().any(counted), "{metrics}");

    for (app, _) in moments {
        fixture.delete(app).await;
    }
    fixture.namespace.left(&[]).await;
}

/// The time while nobody worked on a revision is not the revision's.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_has_its_time_after_a_long_stop() {
    let mut own = Own::start("stopped").await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart("app", &[("templates/b.yaml", DEPLOYMENT)]);
    let upgrade = json!({"timeout": "6s", "remediation": {"strategy": "rollback"}});
    let spec = |pod: &str| {
        let values = json!({"replicas": 1, "tag": "v1", "pod": pod});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade})
    };
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop")).await;
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
    own.stop();
    tokio::time::sleep(Duration::from_secs(7)).await;
    own.resume().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    heal(&fixture).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
}

/// Whether all objects of a failed revision were applied is known to the next process, whatever the status says: one
/// that was, and heals, is deployed; one whose apply was cut short is not, and is tried again if that can pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_heals_after_its_time_and_a_restart_is_deployed() {
    let faults = Faults::default();
    let mut own = Own::start_with("healed", faults.clone()).await;
    let fixture = own.fixture.clone();
    let whole = fixture.chart("whole", &[("templates/a.yaml", DEPLOYMENT)]);
    let short = fixture.chart("short", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |chart: &str, tag: &str, pod: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": pod, "text": tag});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}})
    };
    fixture.app("whole", spec(&whole, "v1", "")).await;
    fixture.app("short", spec(&short, "v1", "")).await;
    fixture.ready("whole").await;
    fixture.ready("short").await;
    faults.add(Method::PATCH, "/configmaps/short", Harm::Unavailable, u32::MAX);
    fixture.app("whole", spec(&whole, "v2", "crash-loop")).await;
    fixture.app("short", spec(&short, "v2", "")).await;
    for app in ["whole", "short"] {
        fixture.refused(app, "UpgradeFailed").await;
    }
    tokio::time::sleep(within(2)).await;
    own.stop();
    faults.clear();
    // As if the process had ended before it could say so.
    let unsaid = json!({"status": {"conditions": [], "lastAttempted": null}});
    for app in ["whole", "short"] {
        let (params, patch) = (PatchParams::default(), Patch::Merge(&unsaid));
        fixture.apps().patch_status(app, &params, &patch).await.unwrap();
    }
    heal(&fixture).await;
    own.resume().await;
    assert_eq!(revision(&fixture.ready("whole").await), 2);
    // What made the other fail has passed: it is tried again.
    assert!(revision(&fixture.ready("short").await) >= 3);
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(
        fixture.revisions("whole").await,
        [word(1, "superseded"), word(2, "deployed")]
    );
    let short = fixture.revisions("short").await;
    assert_eq!(short[..2], [word(1, "superseded"), word(2, "failed")]);
}

/// The answer of any write can be lost: it is written once all the same.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_change_nothing() {
    let faults = Faults::default();
    let own = Own::start_with("lost", faults.clone()).await;
    let fixture = &own.fixture;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    let word = |revision, status: &str| (revision, status.to_owned());

    // The companion's and the record's creation, and the record's end.
    faults.add(Method::POST, "/secrets", Harm::LostAnswer, 2);
    faults.add(Method::PUT, "/sh.helm.release.v1.app.v1", Harm::LostAnswer, 1);
    fixture.app("app", spec("one")).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    assert!(faults.all_done());
    assert_eq!(fixture.revisions("app").await, [word(1, "deployed")]);

    // The end of the new revision, and that of the old one.
    faults.add(Method::PUT, "/sh.helm.release.v1.app.v2", Harm::LostAnswer, 1);
    faults.add(Method::PUT, "/sh.helm.release.v1.app.v1", Harm::LostAnswer, 1);
    faults.add(Method::PATCH, "/configmaps/app", Harm::LostAnswer, 1);
    fixture.app("app", spec("two")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert!(faults.all_done());
    assert_eq!(
        fixture.revisions("app").await,
        [word(1, "superseded"), word(2, "deployed")]
    );

    faults.add(Method::DELETE, "/configmaps/app", Harm::LostAnswer, 1);
    faults.add(Method::DELETE, "/sh.helm.release.v1.app.v2", Harm::LostAnswer, 1);
    fixture.delete("app").await;
    assert!(faults.all_done());
    fixture.namespace.left(&[]).await;
}

/// An apply that was interrupted goes on as the same revision, although its own CRDs changed what the cluster can do,
/// and a remedy goes on as the remedy that it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_goes_on_as_what_it_was() {
    let faults = Faults::default();
    let own = Own::start_with("interrupted", faults.clone()).await;
    let fixture = &own.fixture;
    let word = |revision, status: &str| (revision, status.to_owned());

    let object = "apiVersion: e2e.helmapp.io/v1\nkind: Gear\nmetadata: {name: one}\n";
    let gears = fixture.chart(
        "gears",
        &[("crds/crd.yaml", GEAR_CRD), ("templates/a.yaml", object)],
    );
    faults.add(Method::PATCH, "/gears/one", Harm::Unavailable, 6);
    fixture.app("gears", json!({"chart": {"path": gears}})).await;
    assert_eq!(revision(&fixture.ready("gears").await), 1);
    assert!(faults.all_done());
    assert_eq!(fixture.revisions("gears").await, [word(1, "deployed")]);

    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", DEPLOYMENT), ("templates/b.yaml", CLAIM)],
    );
    let upgrade = json!({"timeout": "2s", "remediation": {"strategy": "rollback"}});
    let spec = |pod: &str, data: bool| {
        let values = json!({"replicas": 1, "tag": "v1", "pod": pod, "data": data});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade})
    };
    fixture.app("app", spec("", false)).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop", true)).await;
    fixture
        .until("app", |app| {
            app.status.as_ref().is_some_and(|status| revision(status) == 2)
        })
        .await;
    // The upgrade's own apply is through when the claim is there; what follows is the remedy's.
    let claims: Api<PersistentVolumeClaim> = fixture.namespace.api();
    until(&claims, "data", within(20), |_| true).await;
    let deployments: Api<Deployment> = fixture.namespace.api();
    until(&deployments, "app", within(20), |app| {
        app.metadata.generation == Some(2)
    })
    .await;
    faults.add(Method::PATCH, "/deployments/app", Harm::Unavailable, 6);
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    assert!(faults.all_done());
    let said = message(&status, "Remediated");
    assert!(
        said.contains("left in the cluster") && said.contains("PersistentVolumeClaim"),
        "{said}"
    );
    assert_eq!(
        fixture.revisions("app").await,
        [word(1, "superseded"), word(2, "failed"), word(3, "deployed")]
    );
    assert!(claims.get_opt("data").await.unwrap().is_some());
    fixture.delete("app").await;
    fixture.delete("gears").await;
    fixture.namespace.left(&[]).await;
}

const CLAIM: &str = "\
{{- if .Values.data }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Mi}}
{{- end }}
";

const GEAR_CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.e2e.helmapp.io}
spec:
  group: e2e.helmapp.io
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
