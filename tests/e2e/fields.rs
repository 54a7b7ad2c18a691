//! Single fields: what server-side apply does not do by itself, and what others have set.

use helmapp::api::{HelmApp, HelmAppStatus};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cli::says;
use crate::fixture::{CONFIG_MAP, Fixture, condition, message, revision};
use crate::support::wait::{eventually, until, within};

/// A workload with what the values say of its spec and of its container.
const WORKLOAD: &str = "\
apiVersion: apps/v1
kind: {{ .Values.kind }}
metadata:
  name: {{ .Release.Name }}
spec:
  {{- toYaml .Values.spec | nindent 2 }}
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
        - name: main
          image: app
          {{- toYaml .Values.container | nindent 10 }}
";

fn workload(chart: &str, kind: &str, spec: Value, container: Value) -> Value {
    json!({"chart": {"path": chart}, "values": {"kind": kind, "spec": spec, "container": container}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_defaults_set_does_not_stand_in_the_way() {
    let fixture = Fixture::shared("defaults").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", WORKLOAD)]);
    let deployments: Api<Deployment> = fixture.namespace.api();
    let strategy = |spec: Value| workload(&chart, "Deployment", spec, json!({"stdin": true}));
    fixture.app("app", strategy(json!({"replicas": 1}))).await;
    fixture.ready("app").await;
    let kind_of = |deployment: Deployment| serde_json::to_value(deployment.spec.unwrap().strategy).unwrap();
    fixture
        .app(
            "app",
            strategy(json!({"replicas": 1, "strategy": {"type": "Recreate"}})),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let deployment = deployments.get("app").await.unwrap();
    assert_eq!(kind_of(deployment.clone()), json!({"type": "Recreate"}));
    let managers: Vec<String> = deployment
        .metadata
        .managed_fields
        .unwrap()
        .into_iter()
        .filter(|entry| entry.subresource.is_none())
        .filter_map(|entry| entry.manager)
        .filter(|manager| manager != "kube-controller-manager")
        .collect();
    assert_eq!(managers, ["helm"], "nobody else owns anything");
    // And back: what the chart no longer says is the default again.
    fixture.app("app", strategy(json!({"replicas": 1}))).await;
    fixture.ready("app").await;
    let strategy = kind_of(deployments.get("app").await.unwrap());
    assert_eq!(strategy["type"], "RollingUpdate", "{strategy}");

    let spec = |update: Value| workload(&chart, "StatefulSet", update, json!({"stdin": true}));
    fixture.app("set", spec(json!({"replicas": 1}))).await;
    fixture.ready("set").await;
    fixture
        .app(
            "set",
            spec(json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}})),
        )
        .await;
    fixture.ready("set").await;
    let sets: Api<StatefulSet> = fixture.namespace.api();
    let set = sets.get("set").await.unwrap().spec.unwrap();
    assert_eq!(
        serde_json::to_value(set.update_strategy).unwrap(),
        json!({"type": "OnDelete"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_there_twice_the_last_counts_and_an_event_says_so() {
    let fixture = Fixture::shared("twice").await;
    let map = |text: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app}}\ndata: {{text: {text}}}\n")
    };
    let (first, last) = (map("first"), map("last"));
    let files = [
        ("templates/a.yaml", WORKLOAD),
        ("templates/b.yaml", first.as_str()),
        ("templates/c.yaml", last.as_str()),
    ];
    let chart = fixture.chart("app", &files);
    let container = json!({
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "A", "value": "3"}],
        "ports": [{"containerPort": 80, "name": "first"}, {"containerPort": 80, "name": "second"}],
    });
    fixture
        .app(
            "app",
            workload(&chart, "Deployment", json!({"replicas": 1}), container),
        )
        .await;
    fixture.ready("app").await;
    let deployments: Api<Deployment> = fixture.namespace.api();
    let pod = deployments
        .get("app")
        .await
        .unwrap()
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let main = serde_json::to_value(&pod.containers[0]).unwrap();
    assert_eq!(
        main["env"],
        json!([{"name": "A", "value": "3"}, {"name": "B", "value": "2"}])
    );
    assert_eq!(main["ports"][0]["name"], "second");
    let events: Api<Event> = fixture.namespace.api();
    let said = eventually("an event", within(20), || async {
        let found = events.list(&ListParams::default()).await.unwrap();
        let said = found
            .into_iter()
            .find(|event| event.reason.as_deref() == Some("ManifestAmbiguous"));
        said.and_then(|event| event.message)
            .ok_or_else(|| "none yet".to_owned())
    })
    .await;
    assert!(
        said.contains("env of main has A more than once")
            && said.contains("ports of main has 80/TCP more than once")
            && said.contains(
                "is 2 times in the manifest (app/templates/b.yaml, app/templates/c.yaml): the last one counts"
            ),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "last");
    let charts = fixture.charts.display().to_string();
    let shown = says(&fixture, &["diff", "app", "--chart-dir", &charts]).await;
    assert_eq!(shown, "app: nothing would change\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_secret_go_when_the_chart_drops_them() {
    let fixture = Fixture::shared("texts").await;
    let secret = "\
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {{ toJson .Values.texts }}
data: {kept: a2VwdA==, none: null}
";
    let chart = fixture.chart("app", &[("templates/a.yaml", secret)]);
    let spec = |texts: Value| json!({"chart": {"path": chart}, "values": {"texts": texts}});
    fixture
        .app("app", spec(json!({"a": "hidden-a", "b": "hidden-b"})))
        .await;
    fixture.ready("app").await;
    let secrets: Api<Secret> = fixture.namespace.api();
    let data = |secret: Secret| secret.data.unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(data(secrets.get("app").await.unwrap()), ["a", "b", "kept"]);
    fixture
        .app("app", spec(json!({"a": "hidden-a", "b": null})))
        .await;
    fixture.ready("app").await;
    assert_eq!(data(secrets.get("app").await.unwrap()), ["a", "kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_are_fields_that_are_not_set() {
    let fixture = Fixture::shared("nulls").await;
    let map = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, labels: null, creationTimestamp: null}
data: {a: {{ .Values.a }}, b: x}
status: null
";
    let chart = fixture.chart("app", &[("templates/a.yaml", map)]);
    let spec = |a: &str| json!({"chart": {"path": chart}, "values": {"a": a}});
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("null")).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let data = maps.get("app").await.unwrap().data.unwrap();
    assert_eq!(data.into_keys().collect::<Vec<_>>(), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn instructions_of_patches_are_refused_with_their_place() {
    let fixture = Fixture::shared("directive").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", WORKLOAD)]);
    fixture
        .app(
            "app",
            workload(
                &chart,
                "Deployment",
                json!({"replicas": 1}),
                json!({"$patch": "replace"}),
            ),
        )
        .await;
    let said = message(&fixture.refused("app", "ObjectInvalid").await, "Ready");
    assert!(
        said.contains(
            "spec.template.spec.containers.0.$patch is an instruction for patches that clients make"
        ),
        "{said}"
    );
}

fn conflicts(status: &HelmAppStatus) -> Vec<String> {
    let all = status.conflicts.iter();
    all.map(|one| {
        format!(
            "{} {}/{} {}",
            one.field, one.manager, one.subresource, one.resolution
        )
    })
    .collect()
}

/// The controller of HorizontalPodAutoscalers scales up to `minReplicas` without any metrics.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_left_to_an_autoscaler() {
    let fixture = Fixture::shared("scaled").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", WORKLOAD)]);
    let spec = |text: &str| {
        workload(
            &chart,
            "Deployment",
            json!({"replicas": 1}),
            json!({"workingDir": text}),
        )
    };
    fixture.app("app", spec("/one")).await;
    fixture.ready("app").await;
    fixture
        .create::<HorizontalPodAutoscaler>(json!({"metadata": {"name": "app"}, "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
            "minReplicas": 3, "maxReplicas": 5}}))
        .await;
    let deployments: Api<Deployment> = fixture.namespace.api();
    let replicas = |deployment: &Deployment| deployment.spec.as_ref().and_then(|spec| spec.replicas);
    until(&deployments, "app", within(60), |deployment| {
        replicas(deployment) == Some(3)
    })
    .await;
    let yielded = |app: &HelmApp| {
        let status = app.status.as_ref();
        status.is_some_and(|status| {
            conflicts(status) == ["spec.replicas kube-controller-manager/scale Yielded"]
        })
    };
    fixture.until("app", yielded).await;
    let shown = says(
        &fixture,
        &[
            "diff",
            "app",
            "--chart-dir",
            &fixture.charts.display().to_string(),
        ],
    )
    .await;
    assert_eq!(shown, "app: nothing would change\n");

    fixture.app("app", spec("/two")).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    let deployment = deployments.get("app").await.unwrap();
    assert_eq!(replicas(&deployment), Some(3));
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.containers[0].working_dir.as_deref(), Some("/two"));
    fixture.until("app", yielded).await;
    let drifted = fixture.apps().get("app").await.unwrap();
    assert!(
        condition(&drifted, "Drifted").is_none_or(|drifted| drifted.status == "False"),
        "{drifted:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_taken_from_people_and_left_to_managers_that_the_spec_names() {
    let fixture = Fixture::shared("people").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str, managers: &[&str]| json!({"chart": {"path": chart}, "values": {"text": text}, "fieldConflicts": {"yieldTo": managers}});
    fixture.app("app", spec("one", &[])).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let text = |map: &ConfigMap| map.data.as_ref().and_then(|data| data.get("text").cloned());
    let edit = |manager: &'static str, text: &'static str| {
        let maps = maps.clone();
        async move {
            let params = PatchParams {
                field_manager: Some(manager.to_owned()),
                ..PatchParams::default()
            };
            let patch = json!({"data": {"text": text}});
            maps.patch("app", &params, &Patch::Merge(&patch))
                .await
                .expect("it is edited");
        }
    };
    edit("kubectl-edit", "edited").await;
    until(&maps, "app", within(20), |map| {
        text(map).as_deref() == Some("one")
    })
    .await;
    let taken = |app: &HelmApp| {
        app.status
            .as_ref()
            .is_some_and(|status| conflicts(status) == ["data.text kubectl-edit/ Taken"])
    };
    fixture.until("app", taken).await;

    fixture.app("app", spec("one", &["kubectl-*"])).await;
    fixture.ready("app").await;
    edit("kubectl-edit", "kept").await;
    let yielded = |app: &HelmApp| {
        app.status
            .as_ref()
            .is_some_and(|status| conflicts(status) == ["data.text kubectl-edit/ Yielded"])
    };
    fixture.until("app", yielded).await;
    assert_eq!(text(&maps.get("app").await.unwrap()).as_deref(), Some("kept"));
    fixture.app("app", spec("two", &["kubectl-*"])).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert_eq!(text(&maps.get("app").await.unwrap()).as_deref(), Some("kept"));

    // Who is named no more has it no more.
    fixture.app("app", spec("three", &[])).await;
    fixture.ready("app").await;
    assert_eq!(text(&maps.get("app").await.unwrap()).as_deref(), Some("three"));
    let refused = fixture
        .try_app("app", spec("three", &["a/b/c"]))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("yieldTo"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_left_alone_where_they_ask_for_it() {
    let fixture = Fixture::shared("alone").await;
    let with = |name: &str, policy: &str| {
        CONFIG_MAP.replace("{{ .Release.Name }}", name).replace(
            "\ndata:",
            &format!("\n  annotations: {{werf.io/resource-policy: {policy}}}\ndata:"),
        )
    };
    let files = [
        ("templates/a.yaml", with("once", "skip-update")),
        ("templates/b.yaml", with("never", "skip-create")),
        ("templates/c.yaml", with("stays", "keep")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let chart = fixture.chart("app", &files);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("one")).await;
    let status = fixture.ready("app").await;
    let names: Vec<&str> = status.inventory.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["once", "stays"], "what is not made is not waited for");
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let patch = json!({"data": {"text": "edited"}});
    maps.patch("once", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    fixture.app("app", spec("two")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let text = |map: ConfigMap| map.data.unwrap()["text"].clone();
    assert_eq!(text(maps.get("once").await.unwrap()), "edited");
    assert_eq!(text(maps.get("stays").await.unwrap()), "two");
    assert!(maps.get_opt("never").await.unwrap().is_none());
    fixture.delete("app").await;
    fixture.namespace.left(&["ConfigMap/stays"]).await;
}
