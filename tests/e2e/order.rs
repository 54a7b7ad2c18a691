//! Objects that wait for others.

use helmapp::api::HelmApp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, Fixture, Own, condition, message, revision};

/// A Deployment that gets ready once a node has the label.
const PICKY: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {matchLabels: {app: picky}}
  template:
    metadata: {labels: {app: picky}}
    spec:
      {{- if .Values.node }}
      nodeSelector: {{ toYaml .Values.node | nindent 8 }}
      {{- end }}
      containers: [{name: main, image: app}]
";

/// [`CONFIG_MAP`] in a later wave.
fn later() -> String {
    CONFIG_MAP.replace(
        "\ndata:",
        "\n  annotations: {argocd.argoproj.io/sync-wave: \"1\"}\ndata:",
    )
}

fn waits(app: &HelmApp) -> bool {
    condition(app, "Reconciling").is_some_and(|reconciling| reconciling.message.contains("Deployment.apps"))
}

/// Lets the pods have a node.
async fn label(fixture: &Fixture, key: &str) {
    let nodes: Api<Node> = Api::all(fixture.client());
    let patch = json!({"metadata": {"labels": {key: "yes"}}});
    nodes
        .patch("node-1", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("the node takes a label");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_wave_is_applied_when_the_earlier_one_is_ready() {
    let fixture = Fixture::shared("waves").await;
    let key = format!("e2e/{}", fixture.namespace.name);
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", &later()), ("templates/b.yaml", PICKY)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one", "node": {key.clone(): "yes"}}});
    fixture.app("app", spec).await;
    let status = fixture.until("app", waits).await;
    assert!(
        message(&status, "Ready").contains("waiting for revision 1"),
        "{status:?}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_none(), "it is not its turn");
    label(&fixture, &key).await;
    let status = fixture.ready("app").await;
    assert_eq!((revision(&status), status.inventory.len()), (1, 2));
    assert!(maps.get_opt("app").await.unwrap().is_some());
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_ends_the_wait_for_a_wave() {
    let fixture = Fixture::shared("unwave").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", &later()), ("templates/b.yaml", PICKY)],
    );
    let spec = |node| json!({"chart": {"path": chart}, "values": {"text": "one", "node": node}});
    fixture.app("app", spec(json!({"e2e/nowhere": "yes"}))).await;
    fixture.until("app", waits).await;
    fixture.app("app", spec(json!({}))).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_between_two_waves_goes_on_with_the_revision() {
    let mut own = Own::start("between").await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", &later()), ("templates/b.yaml", PICKY)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one", "node": {"e2e/between": "yes"}}});
    fixture.app("app", spec).await;
    fixture.until("app", waits).await;
    own.stop();
    label(&fixture, "e2e/between").await;
    own.resume().await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_some());
    assert_eq!(fixture.revisions("app").await, [(1, "deployed".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_does_not_get_ready_in_time_fails_the_revision() {
    let fixture = Fixture::shared("latewave").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", &later()), ("templates/b.yaml", PICKY)],
    );
    let values = json!({"text": "one", "node": {"e2e/nowhere": "yes"}});
    let spec = json!({"chart": {"path": chart}, "values": values, "install": {"timeout": "2s"}});
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "InstallFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("Deployment.apps") && said.contains("not ready within 2 s"),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_is_refused_goes_on_when_it_may() {
    let fixture = Fixture::shared("refusedwave").await;
    let key = format!("e2e/{}", fixture.namespace.name);
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", &later()), ("templates/b.yaml", PICKY)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one", "node": {key.clone(): "yes"}}});
    fixture.app("app", spec).await;
    fixture.until("app", waits).await;
    // The cluster's own ConfigMap takes the only place.
    let maps: Api<ConfigMap> = fixture.namespace.api();
    crate::support::wait::until(
        &maps,
        "kube-root-ca.crt",
        crate::support::wait::within(20),
        |_| true,
    )
    .await;
    fixture.quota(json!({"count/configmaps": "1"})).await;
    label(&fixture, &key).await;
    let refused =
        |app: &HelmApp| condition(app, "Ready").is_some_and(|ready| ready.message.contains("exceeded quota"));
    fixture.until("app", refused).await;
    fixture.quota(json!({"count/configmaps": "9"})).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    assert!(maps.get_opt("app").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_ready_before_those_that_depend_on_it() {
    let fixture = Fixture::shared("groups").await;
    let job = "
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {helm.sh/resource-group: database}
spec:
  template:
    metadata: {annotations: {local.helmapp.io/run-for: 1s}}
    spec: {restartPolicy: Never, containers: [{name: main, image: app}]}
";
    let after = CONFIG_MAP.replace(
        "\ndata:",
        "\n  annotations: {helm.sh/depends-on/resource-groups: '[\"database\"]'}\ndata:",
    );
    let chart = fixture.chart("app", &[("templates/a.yaml", &after), ("templates/b.yaml", job)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("app").await;
    let jobs: Api<Job> = fixture.namespace.api();
    let ended = jobs
        .get("migrate")
        .await
        .unwrap()
        .status
        .unwrap()
        .completion_time
        .unwrap();
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let made = maps
        .get("app")
        .await
        .unwrap()
        .metadata
        .creation_timestamp
        .unwrap();
    assert!(made.0 >= ended.0, "{made:?} {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_wait_for_each_other_are_refused_by_name() {
    let fixture = Fixture::shared("circle").await;
    let on = |own: &str, other: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {own}\n  annotations: {{werf.io/deploy-dependency-x: 'state=ready,name={other}'}}\n"
        )
    };
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", &on("one", "two")),
            ("templates/b.yaml", &on("two", "one")),
        ],
    );
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    let said = message(&fixture.refused("app", "ObjectInvalid").await, "Ready");
    assert!(
        said.contains("/one") && said.contains("/two") && said.contains("wait for each other"),
        "{said}"
    );
    let deployments: Api<Deployment> = fixture.namespace.api();
    assert!(deployments.get_opt("app").await.unwrap().is_none());
    fixture.namespace.left(&["HelmApp/app"]).await;
}

/// Whoever puts an object into a later wave needs what comes before it, whether the end is waited for or not.
#[tokio::test(flavor = "multi_thread")]
async fn waves_wait_for_each_other_where_the_end_is_not_waited_for() {
    let fixture = Fixture::shared("nowait").await;
    let key = format!("e2e/{}", fixture.namespace.name);
    // A pod that finds no node in the last wave, and one in the first.
    let last = PICKY
        .replace("name: {{ .Release.Name }}", "name: last")
        .replace("picky", "last")
        .replace(".Values.node", ".Values.nowhere")
        .replace(
            "metadata:\n  name: last",
            "metadata:\n  name: last\n  annotations: {argocd.argoproj.io/sync-wave: \"2\"}",
        );
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", &later()),
            ("templates/b.yaml", PICKY),
            ("templates/c.yaml", &last),
        ],
    );
    let values = json!({"text": "one", "node": {key.clone(): "yes"}, "nowhere": {"e2e/nowhere": "yes"}});
    let waits_for_nothing = json!({"disableWait": true, "disableWaitForJobs": true});
    let spec = json!({"chart": {"path": chart}, "values": values, "install": waits_for_nothing});
    fixture.app("app", spec).await;
    fixture.until("app", waits).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_none(), "it is not its turn");
    label(&fixture, &key).await;
    let status = fixture.ready("app").await;
    assert_eq!((revision(&status), status.inventory.len()), (1, 3));
    let unready = |entry: &&helmapp::api::InventoryEntry| entry.health.as_deref() == Some("Progressing");
    let unready: Vec<&str> = status
        .inventory
        .iter()
        .filter(unready)
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(unready, ["last"], "{:?}", status.inventory);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_last_is_gone_before_the_rest_goes() {
    let fixture = Fixture::shared("reverse").await;
    let map = |name: &str, wave: i32, guarded: bool| {
        let guard = if guarded {
            "\n  finalizers: [e2e.helmapp.io/guard]"
        } else {
            ""
        };
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}{guard}\n"
        )
    };
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", &map("first", -1, false)),
            ("templates/b.yaml", &map("second", 0, true)),
            ("templates/c.yaml", &map("third", 3, false)),
            ("templates/d.yaml", &map("fourth", 3, true)),
        ],
    );
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    let deleted = fixture
        .apps()
        .delete("app", &kube::api::DeleteParams::default())
        .await;
    deleted.expect("it is deleted");
    let maps: Api<ConfigMap> = fixture.namespace.api();
    // What is there, and what of that is going.
    let there = || async {
        let mut there = Vec::new();
        for name in ["first", "second", "third", "fourth"] {
            let map = maps.get_opt(name).await.expect("an answer");
            there.extend(map.map(|map| (name, map.metadata.deletion_timestamp.is_some())));
        }
        there
    };
    let reach = |expected: Vec<(&'static str, bool)>| {
        let there = &there;
        async move {
            crate::support::wait::eventually(
                "the next wave goes",
                crate::support::wait::within(30),
                || async {
                    match there().await {
                        there if there == expected => Ok(()),
                        there => Err(format!("{there:?}")),
                    }
                },
            )
            .await;
        }
    };
    reach(vec![("first", false), ("second", false), ("fourth", true)]).await;
    // It stays so: nothing goes before its turn.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    reach(vec![("first", false), ("second", false), ("fourth", true)]).await;
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let freed = maps.patch("fourth", &PatchParams::default(), &free).await;
    freed.expect("the finalizer goes");
    reach(vec![("first", false), ("second", true)]).await;
    let freed = maps.patch("second", &PatchParams::default(), &free).await;
    freed.expect("the finalizer goes");
    fixture.namespace.left(&[]).await;
}
