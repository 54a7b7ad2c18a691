//! Install, upgrade, deletion.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, log, message, revision};
use crate::support::wait::{eventually, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn installs_upgrades_prunes_and_leaves_nothing_behind() {
    let fixture = Fixture::shared("lifecycle").await;
    let chart = fixture.chart(
        "app",
        &[
            ("templates/config.yaml", CONFIG_MAP),
            ("templates/deployment.yaml", DEPLOYMENT),
            ("values.yaml", "text: a\nreplicas: 1\ntag: v1\npod: \"\"\n"),
        ],
    );
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 1);
    let chart_status = status.chart.clone().unwrap();
    assert_eq!(
        (chart_status.name.as_str(), chart_status.version.as_str()),
        ("app", "1.2.3")
    );
    assert_eq!(status.inventory.len(), 2);
    assert!(
        status
            .inventory
            .iter()
            .all(|entry| entry.health.as_deref() == Some("Ready") && entry.uid.is_some())
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let map = maps.get("app").await.unwrap();
    assert_eq!(map.data.unwrap()["text"], "one");
    let labels = map.metadata.labels.unwrap();
    assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
    assert_eq!(labels["helmapp.io/name"], "app");
    assert_eq!(
        map.metadata.annotations.unwrap()["meta.helm.sh/release-name"],
        "app"
    );
    let deployments: Api<Deployment> = fixture.namespace.api();
    let deployment = deployments.get("app").await.unwrap();
    let template = deployment.spec.unwrap().template.metadata.unwrap();
    assert_eq!(
        template.labels.unwrap(),
        BTreeMap::from([("app".to_owned(), "app".to_owned())])
    );

    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "two"}}),
        )
        .await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "two");
    let history: Vec<_> = status
        .history
        .iter()
        .map(|entry| (entry.revision, entry.status.as_str()))
        .collect();
    assert_eq!(history, [(2, "deployed"), (1, "superseded")]);

    let without = fixture.chart(
        "app",
        &[
            ("templates/config.yaml", ""),
            ("values.yaml", "replicas: 1\ntag: v1\npod: \"\"\n"),
        ],
    );
    fixture
        .app(
            "app",
            json!({"chart": {"path": without}, "values": {"text": "three"}}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    assert!(maps.get_opt("app").await.unwrap().is_none(), "pruned");
    assert!(deployments.get_opt("app").await.unwrap().is_some());

    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifest_makes_no_revision() {
    let fixture = Fixture::shared("same").await;
    let chart = fixture.chart("app", &[("templates/config.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("app").await;
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}, "maxHistory": 3}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_what_the_policy_keeps() {
    let fixture = Fixture::shared("keep").await;
    let kept = CONFIG_MAP.replace(
        "  name: {{ .Release.Name }}\n",
        "  name: kept\n  annotations:\n    helm.sh/resource-policy: keep\n",
    );
    fixture.installed(&kept, json!({"text": "one"})).await;
    fixture.delete("app").await;
    fixture.namespace.left(&["ConfigMap/kept"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_history_when_asked() {
    let fixture = Fixture::shared("history").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec =
        json!({"chart": {"path": chart}, "values": {"text": "one"}, "uninstall": {"keepHistory": true}});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    fixture.delete("app").await;
    fixture
        .namespace
        .left(&["Secret/sh.helm.release.v1.app.v1"])
        .await;
    let secrets: Api<Secret> = fixture.namespace.api();
    let record = secrets.get("sh.helm.release.v1.app.v1").await.unwrap();
    assert_eq!(record.metadata.labels.unwrap()["status"], "uninstalled");
}

#[tokio::test(flavor = "multi_thread")]
async fn trims_the_history() {
    let fixture = Fixture::shared("trim").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    for text in ["1", "2", "3", "4"] {
        fixture
            .app(
                "app",
                json!({"chart": {"path": chart}, "values": {"text": text}, "maxHistory": 2}),
            )
            .await;
        fixture.ready("app").await;
    }
    let secrets: Api<Secret> = fixture.namespace.api();
    let names: Vec<_> = secrets
        .list(&kube::api::ListParams::default().labels("owner=helm"))
        .await
        .unwrap()
        .into_iter()
        .map(|secret| secret.metadata.name.unwrap())
        .collect();
    assert_eq!(names, ["sh.helm.release.v1.app.v3", "sh.helm.release.v1.app.v4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_no_objects_of_the_release() {
    let fixture = Fixture::shared("hooks").await;
    let hook = CONFIG_MAP.replace(
        "  name: {{ .Release.Name }}\n",
        "  name: hook\n  annotations:\n    helm.sh/hook: pre-install\n",
    );
    fixture.installed(&hook, json!({"text": "one"})).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let hook = maps.get("hook").await.unwrap();
    // As Helm leaves it, without its marks.
    let annotations = hook.metadata.annotations.unwrap();
    assert!(
        !annotations.contains_key("meta.helm.sh/release-name"),
        "{annotations:?}"
    );
    maps.delete("hook", &DeleteParams::default()).await.unwrap();
    // Nobody makes it again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(maps.get_opt("hook").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_from_references_and_follow_them() {
    let fixture = Fixture::shared("references").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let secret = |text: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"},
               "stringData": {"values.yaml": format!("text: {text}\n")}})
    };
    fixture.namespace.apply(secret("s3cr3t-one")).await;
    let spec = json!({"chart": {"path": chart}, "valuesFrom": [{"kind": "Secret", "name": "values"}]});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "s3cr3t-one");
    fixture.namespace.apply(secret("s3cr3t-two")).await;
    let text = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data["text"] == "s3cr3t-two");
    until(&maps, "app", within(30), text).await;
    let status = fixture
        .until("app", |app| {
            app.status.as_ref().is_some_and(|status| revision(status) == 2)
        })
        .await;
    let events = crate::support::wait::events(fixture.client(), &fixture.namespace.name).await;
    for (place, text) in [
        ("status", serde_json::to_string(&status).unwrap()),
        ("log", log()),
        ("events", events),
    ] {
        assert!(!text.contains("s3cr3t"), "a secret's value in the {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_the_namespace_when_asked() {
    let fixture = Fixture::shared("namespace").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let target = format!("{}-target", fixture.namespace.name);
    let mut spec = json!({"chart": {"path": chart}, "values": {"text": "one"}, "targetNamespace": target});
    fixture.app("app", spec.clone()).await;
    let status = fixture.refused("app", "NamespaceNotFound").await;
    assert!(
        message(&status, "Ready").contains("set spec.createNamespace"),
        "{status:?}"
    );
    spec["createNamespace"] = json!(true);
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = Api::namespaced(fixture.client(), &target);
    assert!(maps.get_opt("app").await.unwrap().is_some());
    fixture.delete("app").await;
    assert!(maps.get_opt("app").await.unwrap().is_none());
    let namespaces: Api<Namespace> = Api::all(fixture.client());
    assert!(
        namespaces.get_opt(&target).await.unwrap().is_some(),
        "a namespace is never deleted"
    );
    namespaces
        .delete(&target, &DeleteParams::default())
        .await
        .unwrap();
}

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: PLURAL.e2e.helmapp.io
spec:
  group: e2e.helmapp.io
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

#[tokio::test(flavor = "multi_thread")]
async fn crds_come_before_what_they_define() {
    let fixture = Fixture::shared("crds").await;
    for (place, kind, plural) in [
        ("crds/crd.yaml", "Gadget", "gadgets"),
        ("templates/crd.yaml", "Widget", "widgets"),
    ] {
        let crd = CRD.replace("KIND", kind).replace("PLURAL", plural);
        let object =
            format!("apiVersion: e2e.helmapp.io/v1\nkind: {kind}\nmetadata:\n  name: one\nspec: {{a: 1}}\n");
        let chart = fixture.chart(plural, &[(place, &crd), ("templates/object.yaml", &object)]);
        fixture.app(plural, json!({"chart": {"path": chart}})).await;
        let status = fixture.ready(plural).await;
        assert_eq!(revision(&status), 1);
        let found = fixture.namespace.objects().await;
        assert!(found.contains(&format!("{kind}/one")), "{found:?}");
        // A kind that came with the release is watched like any other.
        let resource = ApiResource {
            group: "e2e.helmapp.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "e2e.helmapp.io/v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let objects: Api<DynamicObject> =
            Api::namespaced_with(fixture.client(), &fixture.namespace.name, &resource);
        objects.delete("one", &DeleteParams::default()).await.unwrap();
        eventually("it is put back", within(20), || async {
            match objects.get_opt("one").await {
                Ok(Some(_)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        fixture.delete(plural).await;
        let found = fixture.namespace.objects().await;
        assert!(!found.contains(&format!("{kind}/one")), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspend_stops_everything_but_deletion() {
    let fixture = Fixture::shared("suspend").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("app").await;
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "two"}, "suspend": true}),
        )
        .await;
    let status = fixture
        .until("app", |app| {
            app.status
                .as_ref()
                .is_some_and(|s| s.observed_generation == Some(2))
        })
        .await;
    assert_eq!(revision(&status), 1);
    assert!(message(&status, "Stalled").contains("spec.suspend"));
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    assert_eq!(
        ready.unwrap().observed_generation,
        Some(1),
        "what is ready is what was before"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "two"}, "suspend": false}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "two"}, "suspend": true}),
        )
        .await;
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_as_the_service_account() {
    let fixture = Fixture::shared("account").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}});
    fixture.create::<ServiceAccount>(account).await;
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}, "serviceAccountName": "tenant"});
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "Forbidden").await;
    let said = message(&status, "Ready");
    let user = format!("system:serviceaccount:{}:tenant", fixture.namespace.name);
    for part in [user.as_str(), "patch", "configmaps"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    fixture
        .namespace
        .left(&["HelmApp/app", "ServiceAccount/tenant"])
        .await;
    fixture.namespace.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "tenant"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}],
    })).await;
    fixture.namespace.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "tenant"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": fixture.namespace.name}],
    })).await;
    fixture.ready("app").await;
    fixture.delete("app").await;
    eventually("the ConfigMap goes", within(10), || async {
        match fixture.namespace.api::<ConfigMap>().get_opt("app").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
