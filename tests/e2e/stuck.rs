//! Deletions that somebody else keeps from ending: each ends by itself, or says what a person may do.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, message};
use crate::support::namespace::TestNamespace;
use crate::support::wait::{events, eventually, within};

/// A ConfigMap that somebody has to let go of.
const HELD: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  finalizers: [test.helmapp.io/hold]
";

async fn ask_to_delete(fixture: &Fixture) {
    let apps = fixture.apps();
    let deleted = apps.delete("app", &DeleteParams::default()).await;
    deleted.unwrap();
}

async fn is_gone(fixture: &Fixture) {
    eventually("the HelmApp goes", within(40), || async {
        match fixture.apps().get_opt("app").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn leave_behind(fixture: &Fixture) {
    let leave = json!({"metadata": {"annotations": {"helmapp.io/leave-behind": "true"}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&leave));
    fixture.apps().patch("app", &params, &patch).await.unwrap();
}

/// Waits until Ready says all of this.
async fn says(fixture: &Fixture, parts: &[&str]) {
    let status = fixture
        .until("app", |app| {
            let ready = condition(app, "Ready");
            ready.is_some_and(|ready| parts.iter().all(|part| ready.message.contains(part)))
        })
        .await;
    assert!(!message(&status, "Ready").is_empty());
}

async fn says_in_an_event(fixture: &Fixture, part: &str) {
    eventually("the event", within(10), || async {
        let events = events(fixture.client(), &fixture.namespace.name).await;
        events.contains(part).then_some(()).ok_or(events)
    })
    .await;
}

/// A webhook whose server is gone, and which refuses that these objects of the namespace are deleted.
async fn dead_webhook(fixture: &Fixture, resource: &str) -> String {
    let name = format!("dead-{}.helmapp.io", fixture.namespace.name);
    let webhook: ValidatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": {"name": name},
        "webhooks": [{
            "name": name, "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 1,
            "clientConfig": {"service": {"namespace": "default", "name": "nobody"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": fixture.namespace.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": [resource]}],
        }],
    }))
    .unwrap();
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(fixture.client());
    webhooks.create(&PostParams::default(), &webhook).await.unwrap();
    // It is in force when an object of somebody else can not be deleted.
    let probe: Value = match resource {
        "secrets" => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}}),
        _ => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}),
    };
    fixture.namespace.apply(probe.clone()).await;
    let url = format!(
        "/api/v1/namespaces/{}/{resource}/probe?dryRun=All",
        fixture.namespace.name
    );
    eventually("the webhook is in force", within(20), || async {
        let request = http::Request::delete(&url).body(Vec::new()).unwrap();
        match fixture.client().request_text(request).await {
            Err(kube::Error::Api(status)) if status.message.contains("webhook") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    name
}

async fn without_webhook(fixture: &Fixture, name: &str) {
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(fixture.client());
    webhooks.delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_webhook_is_named_and_the_deletion_ends_when_it_goes() {
    let fixture = Fixture::shared("webhook").await;
    fixture.installed(CONFIG_MAP, json!({"text": "one"})).await;
    let webhook = dead_webhook(&fixture, "configmaps").await;
    ask_to_delete(&fixture).await;
    says(
        &fixture,
        &[
            &webhook,
            "ConfigMap",
            "delete the webhook configuration",
            "helmapp.io/leave-behind=true",
        ],
    )
    .await;
    without_webhook(&fixture, &webhook).await;
    is_gone(&fixture).await;
    fixture.namespace.left(&["ConfigMap/probe"]).await;
}

/// What is asked for by the annotation is had although objects, or even the records, can't be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_webhook_does_not_keep_who_leaves_things_behind() {
    let table: [(&str, &[&str]); 2] = [
        ("configmaps", &["ConfigMap/app", "ConfigMap/probe"]),
        (
            "secrets",
            &[
                "Secret/helmapp.v1.app",
                "Secret/probe",
                "Secret/sh.helm.release.v1.app.v1",
            ],
        ),
    ];
    for (resource, left) in table {
        let fixture = Fixture::shared(&format!("webhook-{resource}")).await;
        let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
        let spec =
            json!({"chart": {"path": chart}, "values": {"text": "one"}, "uninstall": {"timeout": "2s"}});
        fixture.app("app", spec).await;
        fixture.ready("app").await;
        let webhook = dead_webhook(&fixture, resource).await;
        ask_to_delete(&fixture).await;
        says(&fixture, &[&webhook, "helmapp.io/leave-behind=true"]).await;
        leave_behind(&fixture).await;
        is_gone(&fixture).await;
        fixture.namespace.left(left).await;
        says_in_an_event(&fixture, "left in the cluster").await;
        without_webhook(&fixture, &webhook).await;
    }
}

/// An object whose finalizer nobody takes away.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_go_is_named_and_can_be_left() {
    for leaves in [false, true] {
        let fixture = Fixture::shared("held").await;
        let chart = fixture.chart(
            "app",
            &[("templates/a.yaml", HELD), ("templates/b.yaml", DEPLOYMENT)],
        );
        let values = json!({"replicas": 1, "tag": "v1", "pod": ""});
        let spec = json!({"chart": {"path": chart}, "values": values, "uninstall": {"timeout": "2s"}});
        fixture.app("app", spec).await;
        fixture.ready("app").await;
        ask_to_delete(&fixture).await;
        says(
            &fixture,
            &["ConfigMap", "finalizers", "helmapp.io/leave-behind=true"],
        )
        .await;
        let maps: Api<ConfigMap> = fixture.namespace.api();
        if leaves {
            leave_behind(&fixture).await;
            is_gone(&fixture).await;
            fixture.namespace.left(&["ConfigMap/app"]).await;
            says_in_an_event(&fixture, "left in the cluster").await;
        }
        let free = json!({"metadata": {"finalizers": null}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(&free));
        maps.patch("app", &params, &patch).await.unwrap();
        is_gone(&fixture).await;
        fixture.namespace.left(&[]).await;
    }
}

/// The target namespace is on its way, and somebody else's object keeps it from going.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_can_not_go_does_not_keep_the_helmapp() {
    let fixture = Fixture::shared("elsewhere").await;
    let target = format!("{}-target", fixture.namespace.name);
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({
        "chart": {"path": chart}, "values": {"text": "one"}, "targetNamespace": target, "createNamespace": true,
    });
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let there = TestNamespace {
        client: fixture.client(),
        name: target.clone(),
    };
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["test.helmapp.io/hold"]}});
    there.apply(held).await;
    let namespaces: Api<Namespace> = Api::all(fixture.client());
    namespaces
        .delete(&target, &DeleteParams::default())
        .await
        .unwrap();
    ask_to_delete(&fixture).await;
    is_gone(&fixture).await;
    there.left(&["ConfigMap/held"]).await;
    let free = json!({"metadata": {"finalizers": null}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&free));
    let maps: Api<ConfigMap> = there.api();
    maps.patch("held", &params, &patch).await.unwrap();
}

/// What the objects own goes before them, after them, or stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_objects_own_goes_as_the_spec_says() {
    for propagation in ["foreground", "background", "orphan"] {
        let fixture = Fixture::shared(propagation).await;
        let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
        let values = json!({"replicas": 1, "tag": "v1", "pod": ""});
        let uninstall = json!({"deletionPropagation": propagation});
        let spec = json!({"chart": {"path": chart}, "values": values, "uninstall": uninstall});
        fixture.app("app", spec).await;
        fixture.ready("app").await;
        fixture.delete("app").await;
        let sets: Api<ReplicaSet> = fixture.namespace.api();
        let pods: Api<Pod> = fixture.namespace.api();
        let all = ListParams::default();
        let (sets, pods) = (
            sets.list(&all).await.unwrap().items,
            pods.list(&all).await.unwrap().items,
        );
        match propagation {
            "foreground" => assert!(sets.is_empty() && pods.is_empty(), "{sets:?} {pods:?}"),
            "orphan" => {
                assert_eq!((sets.len(), pods.len()), (1, 1));
                let owned =
                    |owners: &Option<Vec<_>>| owners.as_ref().is_some_and(|owners| !owners.is_empty());
                assert!(!owned(&sets[0].metadata.owner_references), "{sets:?}");
            }
            _ => fixture.namespace.left(&[]).await,
        }
    }
}
