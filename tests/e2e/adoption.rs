//! Objects that are in the cluster already.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::cli::says;
use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, message, revision};

fn map(name: &str, release: Option<(&str, &str)>) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                         "data": {"text": "theirs", "more": "theirs"}});
    if let Some((namespace, release)) = release {
        map["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
        map["metadata"]["annotations"] =
            json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace});
    }
    map
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_is_taken_over_when_that_is_asked_for() {
    let fixture = Fixture::shared("adopt").await;
    fixture.namespace.apply(map("app", None)).await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec =
        |adoption: &str| json!({"chart": {"path": chart}, "values": {"text": "ours"}, "adoption": adoption});
    fixture.app("app", spec("refuse")).await;
    let said = message(&fixture.refused("app", "AdoptionRefused").await, "Ready");
    assert!(said.contains("spec.adoption: unowned"), "{said}");

    let file = fixture.charts.join(format!("{chart}.yaml"));
    let document = json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
                          "metadata": {"name": "app"}, "spec": spec("unowned")});
    std::fs::write(&file, document.to_string()).unwrap();
    let charts = fixture.charts.display().to_string();
    let shown = says(
        &fixture,
        &["diff", &file.display().to_string(), "--chart-dir", &charts],
    )
    .await;
    assert!(shown.contains("adopt ConfigMap"), "{shown}");
    assert!(
        shown.contains("taken from its manager: data.text of test"),
        "{shown}"
    );

    fixture.app("app", spec("unowned")).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 1);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let taken = maps.get("app").await.unwrap();
    let data = taken.data.unwrap();
    assert_eq!((data["text"].as_str(), data["more"].as_str()), ("ours", "theirs"));
    assert_eq!(
        taken.metadata.annotations.unwrap()["meta.helm.sh/release-name"],
        "app"
    );
    let [conflict] = status.conflicts.as_slice() else {
        panic!("{:?}", status.conflicts);
    };
    assert_eq!(
        (
            conflict.name.as_str(),
            conflict.field.as_str(),
            conflict.manager.as_str(),
            conflict.resolution.as_str()
        ),
        ("app", "data.text", "test", "Taken")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_release_has_is_never_taken_but_what_one_left_is() {
    let (fixture, other) = (Fixture::shared("thief").await, Fixture::shared("owner").await);
    let theirs = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared, namespace: NAMESPACE, annotations: {helm.sh/resource-policy: keep}}
data: {text: \"{{ .Values.text }}\"}
";
    let shared = theirs.replace("NAMESPACE", &fixture.namespace.name);
    let spec = |fixture: &Fixture, text: &str| {
        let chart = fixture.chart("app", &[("templates/a.yaml", &shared)]);
        json!({"chart": {"path": chart}, "values": {"text": text}, "adoption": "unowned"})
    };
    other.app("owner", spec(&other, "owner")).await;
    other.ready("owner").await;
    fixture.app("thief", spec(&fixture, "thief")).await;
    let said = message(&fixture.refused("thief", "AdoptionRefused").await, "Ready");
    assert!(
        said.contains(&format!("belongs to release {}/owner", other.namespace.name)),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("shared").await.unwrap().data.unwrap()["text"], "owner");

    // The release goes, and keeps the object.
    other.delete("owner").await;
    let records: Api<Secret> = other.namespace.api();
    let left = records
        .list(&ListParams::default().labels("owner=helm"))
        .await
        .unwrap();
    assert!(left.items.is_empty());
    fixture.ready("thief").await;
    assert_eq!(maps.get("shared").await.unwrap().data.unwrap()["text"], "thief");
    maps.delete("shared", &DeleteParams::default()).await.unwrap();
}

/// The failed revision did not make it: the remedy gives it back its place, not its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_does_not_delete_what_the_failed_revision_took_over() {
    let fixture = Fixture::shared("gaveback").await;
    let files = [("templates/a.yaml", CONFIG_MAP)];
    let chart = fixture.chart("first", &files);
    let upgrade = json!({"timeout": "2s", "remediation": {"strategy": "rollback"}});
    let spec = |chart: &str| {
        json!({"chart": {"path": chart}, "values": {"text": "one", "replicas": 1, "tag": "v1", "pod": "crash-loop"},
               "adoption": "unowned", "upgrade": upgrade})
    };
    fixture.app("app", spec(&chart)).await;
    fixture.ready("app").await;
    fixture.namespace.apply(map("theirs", None)).await;
    // Times have seconds, no parts of them.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let theirs = CONFIG_MAP.replace("{{ .Release.Name }}", "theirs");
    let made = CONFIG_MAP.replace("{{ .Release.Name }}", "made");
    let files = [
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/b.yaml", theirs.as_str()),
        ("templates/c.yaml", made.as_str()),
        ("templates/d.yaml", DEPLOYMENT),
    ];
    let chart = fixture.chart("second", &files);
    fixture.app("app", spec(&chart)).await;
    let remedied = |app: &helmapp::api::HelmApp| {
        condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
    };
    assert_eq!(revision(&fixture.until("app", remedied).await), 3);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("made").await.unwrap().is_none());
    assert!(maps.get_opt("theirs").await.unwrap().is_some());
}
