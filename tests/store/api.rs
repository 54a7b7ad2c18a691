//! The CRD: what the API server takes, fills in and refuses.

use helmapp::api::{HelmApp, HelmAppSpec, crd};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    namespace::TestNamespace,
    plane,
    wait::{eventually, within},
};

static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// A namespace of a cluster that has the CRD.
pub(crate) async fn namespace(test: &str) -> TestNamespace {
    let client = plane::client().await;
    INSTALLED.get_or_init(|| install(client.clone())).await;
    TestNamespace::create(client, test).await
}

async fn install(client: Client) {
    let crds: Api<CustomResourceDefinition> = Api::all(client);
    crds.patch(
        "helmapps.helmapp.io",
        &PatchParams::apply("test"),
        &Patch::Apply(crd()),
    )
    .await
    .expect("the CRD is accepted");
    eventually("the CRD is established", within(20), || async {
        let crd = crds
            .get("helmapps.helmapp.io")
            .await
            .map_err(|error| error.to_string())?;
        let conditions = crd
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let established = |wanted: &str| conditions.iter().any(|c| c.type_ == wanted && c.status == "True");
        if established("Established") && !established("NonStructuralSchema") {
            Ok(())
        } else {
            Err(format!("{conditions:?}"))
        }
    })
    .await;
}

pub(crate) fn helmapp(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": { "name": name }, "spec": spec })
}

async fn refusal(namespace: &TestNamespace, name: &str, spec: &Value) -> String {
    match namespace.try_apply(helmapp(name, spec)).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted: {spec}"),
    }
}

/// Makes an object as a client that does not know the schema: unknown fields are not its business.
async fn create(namespace: &TestNamespace, object: Value) -> Value {
    let resource = kube::api::ApiResource::erase::<HelmApp>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource);
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let made = api
        .create(&PostParams::default(), &object)
        .await
        .expect("it is accepted");
    serde_json::to_value(made).expect("JSON")
}

#[tokio::test]
async fn defaults_are_filled_in_and_unknown_fields_go() {
    let namespace = namespace("api-defaults").await;
    let spec = json!({
        "chart": { "configMap": { "name": "charts" } },
        "releaseName": null,
        "values": { "null": null, "big": 1_000_000, "any": [{ "x": 1.5 }] },
        "valuesFrom": [{ "kind": "Secret", "name": "s" }],
        "nonsense": true,
    });
    let raw = create(&namespace, helmapp("app", &spec)).await;
    let api: Api<HelmApp> = namespace.api();
    let stored = api.get("app").await.expect("it reads back");
    let values = json!({ "null": null, "big": 1_000_000, "any": [{ "x": 1.5 }] });
    let expected: HelmAppSpec = serde_json::from_value(json!({
        "chart": { "configMap": { "name": "charts", "key": "chart.tgz" } },
        "values": values,
        "valuesFrom": [{ "kind": "Secret", "name": "s", "valuesKey": "values.yaml" }],
    }))
    .unwrap();
    assert_eq!(stored.spec, expected);
    let mut raw_spec = raw["spec"].clone();
    assert_eq!(raw_spec["values"].take(), values);
    assert_eq!(raw_spec["install"]["timeout"], "5m0s");
    assert_eq!(raw_spec["maxHistory"], 10);
    // What the CRD fills in is what the types take for granted.
    let mut defaults = serde_json::to_value(&expected).unwrap();
    defaults["values"].take();
    assert_eq!(raw_spec, defaults);
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused() {
    let namespace = namespace("api-refused").await;
    let chart = json!({ "path": "web" });
    let exactly_one = "exactly one of path, url, configMap and secret";
    for (spec, part) in [
        (json!({ "chart": {} }), exactly_one),
        (
            json!({ "chart": { "path": "a", "url": "https://b" } }),
            exactly_one,
        ),
        (json!({ "chart": { "url": "ftp://b" } }), "spec.chart.url"),
        (json!({}), "spec.chart"),
        (
            json!({ "chart": chart, "releaseName": "a".repeat(54) }),
            "spec.releaseName",
        ),
        (
            json!({ "chart": chart, "releaseName": "Web" }),
            "spec.releaseName",
        ),
        (
            json!({ "chart": chart, "targetNamespace": "a.b" }),
            "spec.targetNamespace",
        ),
        (
            json!({ "chart": chart, "install": { "timeout": "soon" } }),
            "spec.install.timeout",
        ),
        (
            json!({ "chart": chart, "install": { "timeout": "-5m" } }),
            "spec.install.timeout",
        ),
        (json!({ "chart": chart, "maxHistory": -1 }), "spec.maxHistory"),
        (
            json!({ "chart": chart, "rollback": { "toRevision": 0 } }),
            "spec.rollback.toRevision",
        ),
        (
            json!({ "chart": chart, "valuesFrom": [{ "kind": "Pod", "name": "a" }] }),
            "spec.valuesFrom[0].kind",
        ),
        (
            json!({ "chart": chart, "valuesFrom": [{ "kind": "Secret", "name": "a", "literal": true }] }),
            "literal says how the content is set at targetPath",
        ),
        (
            json!({ "chart": chart, "upgrade": { "remediation": { "strategy": "delete" } } }),
            "spec.upgrade.remediation.strategy",
        ),
        (json!({ "chart": chart, "values": [] }), "spec.values"),
    ] {
        let text = refusal(&namespace, "app", &spec).await;
        assert!(text.contains(part), "{spec}: {text}");
    }
    let text = refusal(&namespace, &"a".repeat(64), &json!({ "chart": chart })).await;
    assert!(
        text.contains("metadata.name must be at most 63 characters"),
        "{text}"
    );
}

#[tokio::test]
async fn a_release_stays_where_it_is() {
    let namespace = namespace("api-immutable").await;
    let spec = json!({ "chart": { "path": "web" }, "targetNamespace": "there" });
    namespace.apply(helmapp("app", &spec)).await;
    for (spec, part) in [
        (
            json!({ "chart": { "path": "web" } }),
            "spec.targetNamespace can not be changed",
        ),
        (
            json!({ "chart": { "path": "web" }, "targetNamespace": "elsewhere" }),
            "spec.targetNamespace can not be changed",
        ),
        (
            json!({ "chart": { "path": "web" }, "targetNamespace": "there", "releaseName": "other" }),
            "spec.releaseName can not be changed",
        ),
    ] {
        let text = refusal(&namespace, "app", &spec).await;
        assert!(
            text.contains(part) && text.contains("delete this HelmApp"),
            "{spec}: {text}"
        );
    }
    let same = json!({ "chart": { "path": "other" }, "targetNamespace": "there", "releaseName": "app" });
    namespace.apply(helmapp("app", &same)).await;
}

#[tokio::test]
async fn status_is_a_resource_of_its_own() {
    let namespace = namespace("api-status").await;
    namespace
        .apply(helmapp("app", &json!({ "chart": { "path": "web" } })))
        .await;
    let api: Api<HelmApp> = namespace.api();
    let mut app = api.get("app").await.unwrap();
    assert_eq!(app.metadata.generation, Some(1));
    app.status = Some(helmapp::api::HelmAppStatus {
        failures: 3,
        ..Default::default()
    });
    let replaced = api.replace("app", &PostParams::default(), &app).await.unwrap();
    assert_eq!(replaced.status, None, "an ordinary write does not touch status");
    let patch = Patch::Merge(json!({ "status": { "failures": 4 }, "spec": { "suspend": true } }));
    let patched = api
        .patch_status("app", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.status.unwrap().failures, 4);
    assert_eq!(
        (patched.spec.suspend, patched.metadata.generation),
        (false, Some(1))
    );
}
