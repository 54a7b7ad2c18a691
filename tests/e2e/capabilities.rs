//! What charts ask of the cluster: a kind that comes concerns those that asked for it, and no others.

use helmapp::api::HelmApp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, revision};
use crate::support::wait::{until, within};

const RANDOM: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ randAlphaNum 16 }}
";

const ASKS: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: \"{{ .Capabilities.APIVersions.Has .Values.asked }}\"
";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_kind_concerns_only_charts_that_asked_for_it() {
    let fixture = Fixture::shared("asked").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let text = async |name: &str| maps.get(name).await.unwrap().data.unwrap()["text"].clone();
    let group = format!("{}.example.com", fixture.namespace.name);
    let random = fixture.chart("random", &[("templates/a.yaml", RANDOM)]);
    let random = |history: u32| json!({"chart": {"path": random}, "maxHistory": history});
    fixture.app("random", random(5)).await;
    let asks = fixture.chart("asks", &[("templates/a.yaml", ASKS)]);
    let asked = format!("{group}/v1/Thing");
    fixture
        .app(
            "asks",
            json!({"chart": {"path": asks}, "values": {"asked": asked}}),
        )
        .await;
    let fails = fixture.chart(
        "fails",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let fails = |pod: &str| {
        let values = json!({"text": "one", "replicas": 1, "tag": "v1", "pod": pod});
        json!({"chart": {"path": fails}, "values": values, "upgrade": {"timeout": "2s"}})
    };
    fixture.app("fails", fails("")).await;
    for name in ["random", "asks", "fails"] {
        assert_eq!(revision(&fixture.ready(name).await), 1, "{name}");
    }
    fixture.app("fails", fails("crash-loop")).await;
    assert_eq!(revision(&fixture.refused("fails", "UpgradeFailed").await), 2);
    let password = text("random").await;
    assert_eq!(text("asks").await, "false");

    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let name = format!("things.{group}");
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    });
    let crds: Api<CustomResourceDefinition> = Api::all(fixture.client());
    crds.patch(&name, &PatchParams::apply("test"), &Patch::Apply(&crd))
        .await
        .unwrap();
    until(&maps, "asks", within(30), |map| {
        map.data.as_ref().is_some_and(|data| data["text"] == "true")
    })
    .await;
    let second = |app: &HelmApp| app.status.as_ref().is_some_and(|status| revision(status) == 2);
    fixture.until("asks", second).await;
    fixture.ready("asks").await;

    // Woken for other reasons, the others stay what they are.
    fixture.app("random", random(6)).await;
    assert_eq!(revision(&fixture.ready("random").await), 1);
    let before = maps.get("fails").await.unwrap().metadata.uid;
    maps.delete("fails", &DeleteParams::default()).await.unwrap();
    until(&maps, "fails", within(20), |map| map.metadata.uid != before).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(revision(&fixture.refused("fails", "UpgradeFailed").await), 2);
    assert_eq!(text("random").await, password);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_rendered_as_if_its_own_crds_were_there() {
    let fixture = Fixture::shared("owncrds").await;
    let group = format!("{}.example.com", fixture.namespace.name);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: things, singular: thing, kind: Thing, listKind: ThingList}}
  versions:
    - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}
"
    );
    let chart = fixture.chart("asks", &[("templates/a.yaml", ASKS), ("crds/crd.yaml", &crd)]);
    let asked = format!("{group}/v1/Thing");
    let spec =
        |history: u32| json!({"chart": {"path": chart}, "values": {"asked": asked}, "maxHistory": history});
    fixture.app("app", spec(5)).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "true");
    fixture.app("app", spec(6)).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(
        revision(&fixture.ready("app").await),
        1,
        "its own CRD is nothing new"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rendering_asked_is_kept_with_the_release() {
    let fixture = Fixture::shared("kept").await;
    let secret = json!({"metadata": {"name": "other"}, "stringData": {"text": "hunter2-looked-up"}});
    fixture.create::<Secret>(secret).await;
    let chart = fixture.chart(
        "asks",
        &[(
            "templates/a.yaml",
            "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  has: \"{{ .Capabilities.APIVersions.Has \"batch/v1/CronJob\" }}\"
  minor: \"{{ .Capabilities.KubeVersion.Minor }}\"
  length: \"{{ (lookup \"v1\" \"Secret\" .Release.Namespace \"other\").data.text | b64dec | len }}\"
  none: \"{{ len (lookup \"v1\" \"Secret\" .Release.Namespace \"none\") }}\"
",
        )],
    );
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    let status = fixture.ready("app").await;
    let [asked] = status.asked.as_slice() else {
        panic!("{:?}", status.asked);
    };
    assert!(asked.kube_version && !asked.all_api_versions);
    assert_eq!(asked.api_versions, ["batch/v1/CronJob"]);
    assert_eq!(
        Some(&asked.input_digest),
        status.release.unwrap().input_digest.as_ref()
    );

    let secrets: Api<Secret> = fixture.namespace.api();
    let companion = secrets.get("helmapp.v1.app").await.unwrap().data.unwrap();
    let text = String::from_utf8(companion["companion"].0.clone()).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let companion: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(companion["asked"]["apiVersions"], json!(["batch/v1/CronJob"]));
    let namespace = &fixture.namespace.name;
    let digests: Vec<_> = ["none", "other"]
        .map(|name| {
            companion["lookups"][format!("v1 Secret {namespace}/{name}")]
                .as_str()
                .unwrap_or("")
                .len()
        })
        .to_vec();
    assert_eq!(digests, [64, 64], "{companion}");
}
