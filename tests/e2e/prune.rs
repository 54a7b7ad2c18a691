//! Objects that a release no longer has.

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, revision};
use crate::support::wait::{eventually, within};

fn crd(served: &[&str]) -> Value {
    let versions: Vec<Value> = ["v1beta1", "v1"]
        .iter()
        .map(|name| {
            json!({"name": name, "served": served.contains(name), "storage": *name == "v1",
                   "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "budgets.prune.e2e.helmapp.io"},
        "spec": {"group": "prune.e2e.helmapp.io", "scope": "Namespaced",
                 "names": {"kind": "Budget", "plural": "budgets"}, "versions": versions},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_in_a_version_that_is_gone_is_deleted_by_another() {
    let fixture = Fixture::shared("gone").await;
    let crds: Api<CustomResourceDefinition> = Api::all(fixture.client());
    let serve = |served: &'static [&'static str]| {
        let crds = crds.clone();
        async move {
            let params = PatchParams::apply("test").force();
            let crd = crd(served);
            crds.patch("budgets.prune.e2e.helmapp.io", &params, &Patch::Apply(&crd))
                .await
                .unwrap();
        }
    };
    serve(&["v1beta1", "v1"]).await;
    let budget = |name: &str| {
        format!("apiVersion: prune.e2e.helmapp.io/v1beta1\nkind: Budget\nmetadata: {{name: {name}}}\n")
    };
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", CONFIG_MAP),
            ("templates/b.yaml", &budget("one")),
            ("templates/c.yaml", &budget("two")),
        ],
    );
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("app").await;
    let found = fixture.namespace.objects().await;
    assert!(found.contains(&"Budget/one".to_owned()), "{found:?}");

    serve(&["v1"]).await;
    // One of them moves to the version that is left, the other goes.
    let moved = budget("one").replace("v1beta1", "v1");
    let without = fixture.chart(
        "without",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", &moved)],
    );
    fixture
        .app(
            "app",
            json!({"chart": {"path": without}, "values": {"text": "two"}}),
        )
        .await;
    eventually("the second revision", within(60), || async {
        let status = fixture
            .apps()
            .get("app")
            .await
            .unwrap()
            .status
            .unwrap_or_default();
        (revision(&status) == 2)
            .then_some(())
            .ok_or_else(|| format!("{:?}", status.conditions))
    })
    .await;
    fixture.ready("app").await;
    let found = fixture.namespace.objects().await;
    assert!(found.contains(&"Budget/one".to_owned()), "{found:?}");
    assert!(!found.contains(&"Budget/two".to_owned()), "{found:?}");
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// Events are the one kind that two groups serve: the same object under two names.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_moves_to_another_group_is_not_deleted_by_its_old_name() {
    let fixture = Fixture::shared("moved").await;
    let namespace = &fixture.namespace.name;
    let old = format!(
        "apiVersion: v1\nkind: Event\nmetadata: {{name: told}}\ninvolvedObject: {{namespace: {namespace}}}\nreason: Told\nmessage: old\n"
    );
    let chart = fixture.chart("app", &[("templates/a.yaml", &old)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    let events: Api<Event> = fixture.namespace.api();
    let uid = events.get("told").await.unwrap().metadata.uid;
    let new = format!(
        "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {{name: told}}\nregarding: {{namespace: {namespace}}}\nreason: Told\nnote: old\n"
    );
    let chart = fixture.chart("app", &[("templates/a.yaml", &new)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "values": {"second": true}}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let event = events.get_opt("told").await.unwrap().expect("it is still there");
    assert_eq!(event.metadata.uid, uid);
}
