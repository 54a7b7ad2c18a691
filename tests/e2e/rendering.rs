//! How the operator renders: as deep as Helm, the same each time, and again when the cluster did not answer.

use std::collections::BTreeMap;

use helmapp::api::{HelmApp, HelmAppStatus, RENEW};
use http::Method;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, Operator, install_crd, revision};
use crate::support::faults::{Faults, Harm};
use crate::support::plane;

const DEEP: &str = "
{{- define \"deep\" }}{{ if . }}{{ include \"deep\" (sub . 1 | int) }}{{ else }}the end{{ end }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ include \"deep\" 900 }}
";

#[tokio::test(flavor = "multi_thread")]
async fn templates_include_each_other_hundreds_deep() {
    let fixture = Fixture::shared("deep").await;
    let chart = fixture.chart("deep", &[("templates/a.yaml", DEEP)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "the end");
}

const RANDOM: &str = "
{{- $ca := genCA \"demo-ca\" 365 }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  password: {{ randAlphaNum 24 }}
  certificate: {{ $ca.Cert | b64enc }}
  key: {{ $ca.Key | b64enc }}
  id: {{ uuidv4 }}
  made: {{ now | unixEpoch | quote }}
";

struct Random {
    fixture: Fixture,
    chart: String,
}

impl Random {
    async fn app(&self, text: &str, back_to: Option<i64>) {
        let mut spec = json!({
            "chart": {"path": self.chart}, "values": {"text": text},
            "valuesFrom": [{"kind": "ConfigMap", "name": "values"}],
        });
        if let Some(revision) = back_to {
            spec["rollback"] = json!({"toRevision": revision});
        }
        self.fixture.app("app", spec).await;
    }

    /// What the chart drew.
    async fn drawn(&self) -> BTreeMap<String, ByteString> {
        let secrets: Api<Secret> = self.fixture.namespace.api();
        let drawn = secrets.get("app").await.unwrap().data.unwrap();
        assert_eq!(drawn.len(), 5, "{:?}", drawn.keys());
        drawn
    }

    /// Has the chart rendered again by a reference that is another and holds the same.
    async fn render_again(&self, mark: &str, revision: i64) -> HelmAppStatus {
        let before = self.status().await;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values", "annotations": {"mark": mark}},
            "data": {"values.yaml": "other: 1"},
        });
        self.fixture.namespace.apply(map).await;
        let status = self.fixture.until("app", |app| is_other(app, &before)).await;
        assert_eq!(self::revision(&status), revision, "{mark}");
        self.fixture.ready("app").await
    }

    async fn annotate(&self, value: Option<&str>) {
        let patch = json!({"metadata": {"annotations": {RENEW: value}}});
        let apps = self.fixture.apps();
        apps.patch("app", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    async fn status(&self) -> HelmAppStatus {
        self.fixture.apps().get("app").await.unwrap().status.unwrap()
    }

    async fn companion(&self) -> Value {
        let secrets: Api<Secret> = self.fixture.namespace.api();
        let companion = secrets.get("helmapp.v1.app").await.unwrap().data.unwrap();
        serde_json::from_slice(&companion["companion"].0).unwrap()
    }
}

fn digest(status: &HelmAppStatus) -> Option<String> {
    status.release.as_ref()?.input_digest.clone()
}

/// The release is known to be made from other inputs.
fn is_other(app: &HelmApp, before: &HelmAppStatus) -> bool {
    app.status
        .as_ref()
        .is_some_and(|status| digest(status) != digest(before))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_drawn_stays_until_it_is_asked_for_anew() {
    let own = plane::own().await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = tempfile::tempdir().unwrap();
    let start = || Operator::start(&own.plane, charts.path());
    let operator = start().await;
    let fixture = Fixture::on(client, "random", charts.path()).await;
    let chart = fixture.chart(
        "random",
        &[("templates/a.yaml", RANDOM), ("templates/b.yaml", CONFIG_MAP)],
    );
    let random = Random { fixture, chart };
    let values = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"},
                        "data": {"values.yaml": "other: 1"}});
    random.fixture.namespace.apply(values).await;
    random.app("one", None).await;
    random.fixture.ready("app").await;
    let first = random.drawn().await;
    let seed = random.companion().await["memo"]["seed"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(seed.len(), 44);

    // Another value, with no more requests than a chart costs that draws nothing.
    let before = operator.requests.read();
    random.app("two", None).await;
    assert_eq!(revision(&random.fixture.ready("app").await), 2);
    assert_eq!(random.drawn().await, first);
    let reads = operator.requests.since(before).into_iter();
    let reads: Vec<_> = reads
        .filter(|line| line.starts_with("GET") && line.contains("/secrets/"))
        .collect();
    assert!(reads.len() <= 1, "the newest record at most: {reads:#?}");

    random.render_again("here", 2).await;
    operator.stop();
    let operator = start().await;
    random.render_again("after a restart", 2).await;
    assert_eq!(random.drawn().await, first);

    // A revision that comes back, and what follows it.
    random.app("two", Some(1)).await;
    assert_eq!(revision(&random.fixture.ready("app").await), 3);
    random.app("three", None).await;
    assert_eq!(revision(&random.fixture.ready("app").await), 4);
    assert_eq!(random.drawn().await, first);

    random.annotate(Some("2026-11-21")).await;
    let fifth = |app: &HelmApp| app.status.as_ref().is_some_and(|status| revision(status) == 5);
    random.fixture.until("app", fifth).await;
    random.fixture.ready("app").await;
    let second = random.drawn().await;
    for (name, value) in &second {
        // The clock may stand at the same second.
        assert!(name == "made" || *value != first[name], "{name}");
    }
    let companion = random.companion().await;
    assert_eq!(companion["memo"]["renewal"], "2026-11-21");
    assert_ne!(companion["memo"]["seed"], seed);

    random.render_again("renewed", 5).await;
    let before = random.status().await;
    random.annotate(None).await;
    let status = random.fixture.until("app", |app| is_other(app, &before)).await;
    assert_eq!(revision(&status), 5);
    random.app("six", None).await;
    assert_eq!(revision(&random.fixture.ready("app").await), 6);
    assert_eq!(random.drawn().await, second);

    let companion = random.companion().await;
    let secret = companion["memo"]["seed"].as_str().unwrap();
    let shown = serde_json::to_string(&random.fixture.apps().get("app").await.unwrap()).unwrap();
    assert!(!shown.contains(secret) && !crate::fixture::log().contains(secret));
    operator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_draws_nothing_keeps_nothing() {
    let fixture = Fixture::shared("constant").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let random = Random { fixture, chart };
    let spec = json!({"chart": {"path": random.chart}, "values": {"text": "one"}});
    random.fixture.app("app", spec).await;
    random.fixture.ready("app").await;
    assert_eq!(random.companion().await.get("memo"), None);
    let before = random.status().await;
    random.annotate(Some("1")).await;
    let status = random.fixture.until("app", |app| is_other(app, &before)).await;
    assert_eq!(revision(&status), 1, "nothing of it is another");
}

const LOOKS: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  found: \"{{ len (lookup \"v1\" \"Secret\" .Release.Namespace \"looked-for\") }}\"
";

/// A lookup without an answer says nothing of the chart: the rendering is tried again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_that_nobody_answers_is_tried_again() {
    let own = plane::own().await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    faults.add(Method::GET, "/secrets/looked-for", Harm::Unavailable, 6);
    let operator = Operator::start_with(&own.plane, charts.path(), None, faults.clone()).await;
    let fixture = Fixture::on(client, "unanswered", charts.path()).await;
    let chart = fixture.chart("looks", &[("templates/a.yaml", LOOKS)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    assert!(faults.all_done());
    operator.stop();
}

/// A list is read to its end, page by page.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_looked_up_whole() {
    let fixture = Fixture::shared("long-list").await;
    let chart = fixture.chart(
        "counts",
        &[(
            "templates/a.yaml",
            "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  {{- $found := lookup \"v1\" \"ConfigMap\" .Release.Namespace \"\" }}
  kind: {{ $found.kind }}
  of: {{ (last $found.items).kind }}
  more: \"{{ hasKey $found.metadata \"continue\" }}\"
  count: \"{{ range $found.items }}{{ if hasPrefix \"many-\" .metadata.name }}i{{ end }}{{ end }}\"
",
        )],
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    for n in 0..501 {
        let map = json!({"metadata": {"name": format!("many-{n}")}});
        fixture.create::<ConfigMap>(map).await;
    }
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    let data = maps.get("app").await.unwrap().data.unwrap();
    assert_eq!(data["count"].len(), 501);
    assert_eq!(
        [&data["kind"], &data["of"], &data["more"]],
        ["ConfigMapList", "ConfigMap", "false"]
    );
}
