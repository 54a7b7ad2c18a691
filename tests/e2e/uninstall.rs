//! Deletions in which something is in the way.

use helmapp::api::HelmApp;
use helmapp_helm::release::{DecodeLimits, decode, encode};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::cli::says;
use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Own, condition, message, revision};
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
        let said = says(&fixture, &["uninstall", "app"]).await;
        let what = format!(
            "app: left in the cluster, as its record can not be read: revision 1 and what only it has: ConfigMap {}/app",
            fixture.namespace.name
        );
        assert!(
            said.contains("app is uninstalled") && said.contains(&what),
            "{said}"
        );
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
    let status = fixture.refused("app", "RecordInvalid").await;
    let said = message(&status, "Ready");
    assert!(said.contains("sh.helm.release.v1.app.v1"), "{said}");
}

/// ConfigMaps of these names, after a Deployment.
const MANY: &str = "\
{{- range .Values.maps }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ . }}
{{- end }}
";

/// Each of several failed revisions can have left something that neither the newest nor the deployed one has.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_revisions_left_goes() {
    let table: [(&str, bool); 2] = [("orphans", true), ("orphansgone", false)];
    for (test, upgraded) in table {
        let fixture = Fixture::shared(test).await;
        let chart = fixture.chart(
            "app",
            &[("templates/a.yaml", DEPLOYMENT), ("templates/b.yaml", MANY)],
        );
        let spec = |maps: &[&str], pod: &str| {
            let values = json!({"replicas": 1, "tag": "v1", "pod": pod, "maps": maps});
            json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}})
        };
        fixture.app("app", spec(&["a"], "")).await;
        fixture.ready("app").await;
        fixture.app("app", spec(&["a", "b"], "crash-loop")).await;
        assert_eq!(revision(&fixture.refused("app", "UpgradeFailed").await), 2);

        // One more than there are, with the one that Kubernetes makes: two that pass their dry runs are too many.
        fixture.quota(json!({"count/configmaps": "4"})).await;
        fixture.app("app", spec(&["a", "c", "d"], "crash-loop")).await;
        fixture
            .until("app", |app| {
                let ready = crate::fixture::condition(app, "Ready");
                ready.is_some_and(|ready| ready.message.contains("quota"))
                    && app.status.as_ref().is_some_and(|status| revision(status) == 3)
            })
            .await;
        let found = fixture.namespace.objects().await;
        let has = |name: &str| found.contains(&format!("ConfigMap/{name}"));
        assert!(has("b") && (has("c") || has("d")), "{found:?}");

        if upgraded {
            fixture.app("app", spec(&["a"], "")).await;
            assert_eq!(revision(&fixture.ready("app").await), 4);
            let found = fixture.namespace.objects().await;
            let maps: Vec<_> = found
                .iter()
                .filter(|name| name.starts_with("ConfigMap/"))
                .collect();
            assert_eq!(maps, ["ConfigMap/a"]);
        }
        fixture.delete("app").await;
        fixture.namespace.left(&["ResourceQuota/quota"]).await;
    }
}

/// A HelmApp whose tenant lost its rights for good can still be deleted, and what stays is said.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_gone_for_good_do_not_keep_the_helmapp() {
    let fixture = Fixture::shared("forgood").await;
    by_a_tenant(&fixture).await;
    let bindings: Api<RoleBinding> = fixture.namespace.api();
    bindings.delete("tenant", &DeleteParams::default()).await.unwrap();
    let accounts: Api<ServiceAccount> = fixture.namespace.api();
    accounts.delete("tenant", &DeleteParams::default()).await.unwrap();
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
    let said = message(&status, "Ready");
    let user = format!("system:serviceaccount:{}:tenant", fixture.namespace.name);
    for part in [
        &user,
        "configmaps",
        "serviceAccountName",
        "helmapp.io/leave-behind=true",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let leave = json!({"metadata": {"annotations": {"helmapp.io/leave-behind": "true"}}});
    fixture
        .apps()
        .patch("app", &PatchParams::default(), &Patch::Merge(&leave))
        .await
        .unwrap();
    is_gone(&fixture, "app").await;
    fixture
        .namespace
        .left(&["ConfigMap/app", "Role/tenant", "Secret/app"])
        .await;
    eventually("the event", within(10), || async {
        let events = events(fixture.client(), &fixture.namespace.name).await;
        let said = events.contains("left in the cluster") && events.contains("ConfigMap");
        said.then_some(()).ok_or(events)
    })
    .await;
}

const GADGET_CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.gone.helmapp.io}
spec:
  group: gone.helmapp.io
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// An object whose kind is not served is gone only if the kind surely is. Here its API's server does not answer, and
/// then the API is taken away.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_does_not_answer_is_not_a_kind_that_is_gone() {
    let own = Own::start("gone").await;
    let (fixture, client) = (&own.fixture, own.fixture.client());
    let gadget = "apiVersion: gone.helmapp.io/v1\nkind: Gadget\nmetadata: {name: one}\n";
    let chart = fixture.chart(
        "app",
        &[("crds/crd.yaml", GADGET_CRD), ("templates/a.yaml", gadget)],
    );
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;

    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.delete("gadgets.gone.helmapp.io", &DeleteParams::default())
        .await
        .unwrap();
    let apis: Api<APIService> = Api::all(client.clone());
    eventually("the API goes with its CRD", within(30), || async {
        match apis.get_opt("v1.gone.helmapp.io").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let silent: APIService = serde_json::from_value(json!({
        "metadata": {"name": "v1.gone.helmapp.io"},
        "spec": {"group": "gone.helmapp.io", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "insecureSkipTLSVerify": true, "service": {"namespace": "default", "name": "nobody"}},
    }))
    .unwrap();
    apis.create(&PostParams::default(), &silent).await.unwrap();
    fixture
        .apps()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    let status = fixture
        .until("app", |app| {
            let ready = crate::fixture::condition(app, "Ready");
            ready.is_some_and(|ready| ready.message.contains("nobody can say"))
        })
        .await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("Gadget.gone.helmapp.io") && said.contains("APIService"),
        "{said}"
    );
    apis.delete("v1.gone.helmapp.io", &DeleteParams::default())
        .await
        .unwrap();
    is_gone(fixture, "app").await;
    fixture.namespace.left(&[]).await;
}

/// The records go before the HelmApp when their namespace does: what is elsewhere is told by status.
#[tokio::test(flavor = "multi_thread")]
async fn objects_elsewhere_go_when_the_records_are_gone() {
    let fixture = Fixture::shared("recordless").await;
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: '{{ .Release.Namespace }}-app'}\nrules: []\n";
    let kept = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: '{{ .Release.Namespace }}-kept'\n  annotations: {helm.sh/resource-policy: keep}\nrules: []\n";
    let chart = fixture.chart("app", &[("templates/a.yaml", role), ("templates/b.yaml", kept)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    // As long as nothing is done about it, as when the namespace goes.
    fixture
        .app("app", json!({"chart": {"path": chart}, "suspend": true}))
        .await;
    fixture
        .until("app", |app| condition(app, "Stalled").is_some())
        .await;
    let secrets: Api<Secret> = fixture.namespace.api();
    for name in ["sh.helm.release.v1.app.v1", "helmapp.v1.app"] {
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    fixture.delete("app").await;
    let roles: Api<ClusterRole> = Api::all(fixture.namespace.client.clone());
    let of = |name: &str| format!("{}-{name}", fixture.namespace.name);
    assert!(roles.get_opt(&of("app")).await.unwrap().is_none());
    assert!(roles.get_opt(&of("kept")).await.unwrap().is_some());
    roles.delete(&of("kept"), &DeleteParams::default()).await.unwrap();
}

/// Whoever writes a HelmApp whole takes the finalizer away with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_that_was_taken_away_comes_back() {
    let fixture = Fixture::shared("unguarded").await;
    fixture.installed(CONFIG_MAP, json!({"text": "one"})).await;
    let apps: Api<HelmApp> = fixture.namespace.api();
    for _ in 0..2 {
        let none = json!({"metadata": {"finalizers": null}});
        apps.patch("app", &PatchParams::default(), &Patch::Merge(&none))
            .await
            .unwrap();
        fixture
            .until("app", |app| {
                !app.metadata.finalizers.clone().unwrap_or_default().is_empty()
            })
            .await;
    }
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}
