//! Deletions in which something is in the way.

use helmapp_helm::release::{DecodeLimits, decode, encode};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, message};
use crate::support::wait::{events, eventually, within};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: '{{ .Release.Name }}'}\n";

async fn rights(fixture: &Fixture, configmaps: &[&str]) {
    let rules: Value = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": configmaps},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete"]},
    ]);
    fixture
        .namespace
        .apply(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "tenant"}, "rules": rules}),
        )
        .await;
}

/// A release of a ConfigMap and a Secret by a ServiceAccount that may not delete the ConfigMap.
async fn by_a_tenant(fixture: &Fixture) {
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", SECRET)],
    );
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}});
    fixture.create::<ServiceAccount>(account).await;
    rights(fixture, &["get", "create", "patch"]).await;
    fixture.namespace.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "tenant"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": fixture.namespace.name}],
    })).await;
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}, "serviceAccountName": "tenant"});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
}

async fn is_gone(fixture: &Fixture, name: &str) {
    eventually("the HelmApp goes", within(30), || async {
        match fixture.apps().get_opt(name).await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_refused_does_not_keep_the_others() {
    let fixture = Fixture::shared("refused").await;
    by_a_tenant(&fixture).await;
    fixture
        .apps()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    let status = fixture
        .until("app", |app| {
            crate::fixture::condition(app, "Ready").is_some_and(|ready| ready.reason == "Forbidden")
        })
        .await;
    assert!(message(&status, "Ready").contains("ConfigMap"), "{status:?}");
    // The ConfigMap goes first, as it is applied last.
    let secrets: Api<Secret> = fixture.namespace.api();
    assert!(secrets.get_opt("app").await.unwrap().is_none());
    assert!(
        secrets
            .get_opt("sh.helm.release.v1.app.v1")
            .await
            .unwrap()
            .is_some()
    );
    rights(&fixture, &["get", "delete"]).await;
    is_gone(&fixture, "app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_goes_is_not_kept_by_missing_rights() {
    let fixture = Fixture::shared("going").await;
    by_a_tenant(&fixture).await;
    let bindings: Api<RoleBinding> = fixture.namespace.api();
    bindings.delete("tenant", &DeleteParams::default()).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(fixture.client());
    namespaces
        .delete(&fixture.namespace.name, &DeleteParams::default())
        .await
        .unwrap();
    // Where the namespace controller was faster it has gone already.
    let deleted = fixture.apps().delete("app", &DeleteParams::default()).await;
    assert!(
        deleted.is_ok() || matches!(&deleted, Err(kube::Error::Api(status)) if status.code == 404),
        "{deleted:?}"
    );
    is_gone(&fixture, "app").await;
}

async fn spoil(fixture: &Fixture, spoilt: impl Fn(&str) -> String) {
    let secrets: Api<Secret> = fixture.namespace.api();
    let name = "sh.helm.release.v1.app.v1";
    let mut record = secrets.get(name).await.unwrap();
    let data = record.data.as_mut().unwrap();
    let text = String::from_utf8(data["release"].0.clone()).unwrap();
    data.insert("release".to_owned(), ByteString(spoilt(&text).into_bytes()));
    secrets
        .replace(name, &PostParams::default(), &record)
        .await
        .unwrap();
}

fn without_a_readable_manifest(record: &str) -> String {
    let mut release = decode(record, &DecodeLimits::default()).unwrap();
    release.manifest = "---\nkind: [\n".to_owned();
    encode(&release).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_is_said_and_kept() {
    type Spoilt = fn(&str) -> String;
    let table: [(&str, Spoilt); 2] = [
        ("record", |_| "bm90IGEgcmVjb3Jk".to_owned()),
        ("manifest", without_a_readable_manifest),
    ];
    for (test, spoilt) in table {
        let fixture = Fixture::shared(test).await;
        let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
        let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
        fixture.app("app", spec).await;
        fixture.ready("app").await;
        spoil(&fixture, spoilt).await;
        fixture.delete("app").await;
        fixture
            .namespace
            .left(&["ConfigMap/app", "Secret/sh.helm.release.v1.app.v1"])
            .await;
        eventually("the event", within(10), || async {
            let events = events(fixture.client(), &fixture.namespace.name).await;
            if events.contains("UninstallFailed") {
                Ok(())
            } else {
                Err(events)
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_can_not_be_read_stops_the_upgrade() {
    let fixture = Fixture::shared("unreadable").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    spoil(&fixture, without_a_readable_manifest).await;
    fixture.app("app", spec("two")).await;
    let status = fixture.refused("app", "ObjectInvalid").await;
    let said = message(&status, "Ready");
    assert!(said.contains("sh.helm.release.v1.app.v1"), "{said}");
}
