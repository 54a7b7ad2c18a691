//! The CRDs of a chart's crds/ directories, by policy.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, message, revision};

/// A CRD of these versions, the last of which is stored.
fn crd(plural: &str, kind: &str, versions: &[&str]) -> String {
    let last = versions.last().copied().unwrap_or_default();
    let versions: Vec<Value> = versions
        .iter()
        .map(|name| {
            json!({"name": name, "served": true, "storage": *name == last,
                   "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.crds.e2e.helmapp.io"), "creationTimestamp": null},
        "spec": {"group": "crds.e2e.helmapp.io", "scope": "Namespaced",
                 "names": {"kind": kind, "plural": plural}, "versions": versions},
        "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []},
    })
    .to_string()
}

async fn versions(fixture: &Fixture, plural: &str) -> Vec<String> {
    let api: Api<CustomResourceDefinition> = Api::all(fixture.client());
    let name = format!("{plural}.crds.e2e.helmapp.io");
    let found = api.get_opt(&name).await.unwrap();
    let versions = found.map(|crd| crd.spec.versions).unwrap_or_default();
    versions.into_iter().map(|version| version.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn crds_are_left_out_where_the_policy_says_so() {
    let fixture = Fixture::shared("skip").await;
    let object = "apiVersion: crds.e2e.helmapp.io/v1\nkind: Skipped\nmetadata: {name: one}\n";
    let chart = fixture.chart(
        "app",
        &[
            ("crds/a.yaml", &crd("skippeds", "Skipped", &["v1"])),
            ("templates/a.yaml", object),
        ],
    );
    let spec = |crds: &str| json!({"chart": {"path": chart}, "install": {"crds": crds}});
    fixture.app("app", spec("Skip")).await;
    let said = message(&fixture.refused("app", "UnknownKind").await, "Ready");
    assert!(said.contains("Skipped"), "{said}");
    assert!(versions(&fixture, "skippeds").await.is_empty());
    fixture.app("app", spec("Create")).await;
    fixture.ready("app").await;
    assert_eq!(versions(&fixture, "skippeds").await, ["v1"]);
    fixture.delete("app").await;
    assert_eq!(
        versions(&fixture, "skippeds").await,
        ["v1"],
        "a CRD is never deleted"
    );
}

/// A CRD that is there stays as it is, so that what it lacks is missed before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn versions_that_a_crd_is_not_given_are_refused_first() {
    let fixture = Fixture::shared("lacks").await;
    let theirs: Value = serde_json::from_str(&crd("lackings", "Lacking", &["v1alpha1"])).unwrap();
    let api: Api<CustomResourceDefinition> = Api::all(fixture.client());
    api.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap())
        .await
        .unwrap();
    let object = "apiVersion: crds.e2e.helmapp.io/v1\nkind: Lacking\nmetadata: {name: one}\n";
    let chart = fixture.chart(
        "app",
        &[
            ("crds/a.yaml", &crd("lackings", "Lacking", &["v1"])),
            ("templates/a.yaml", object),
            ("templates/b.yaml", CONFIG_MAP),
        ],
    );
    let spec =
        |crds: &str| json!({"chart": {"path": chart}, "values": {"text": "a"}, "install": {"crds": crds}});
    fixture.app("app", spec("Create")).await;
    let said = message(&fixture.refused("app", "UnknownKind").await, "Ready");
    assert!(said.contains("Lacking"), "{said}");
    assert!(fixture.revisions("app").await.is_empty(), "nothing was begun");
    fixture.delete("app").await;
    api.delete("lackings.crds.e2e.helmapp.io", &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn crds_are_replaced_only_on_request_and_keep_the_versions_that_are_stored() {
    let fixture = Fixture::shared("replace").await;
    let (plural, kind) = ("replaceds", "Replaced");
    let spec = |versions: &[&str], upgrade: Value, text: &str| {
        let files = [
            ("crds/a.yaml", crd(plural, kind, versions)),
            ("templates/a.yaml", CONFIG_MAP.to_owned()),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let chart = fixture.chart("app", &files);
        json!({"chart": {"path": chart}, "values": {"text": text}, "upgrade": upgrade})
    };
    fixture.app("app", spec(&["v1"], json!({}), "one")).await;
    fixture.ready("app").await;
    assert_eq!(versions(&fixture, plural).await, ["v1"]);

    for (policy, expected) in [
        (json!({}), &["v1"][..]),
        (json!({"crds": "Create"}), &["v1"]),
        (json!({"crds": "CreateReplace"}), &["v1", "v2"]),
    ] {
        let text = policy.to_string().replace('"', "");
        fixture
            .app("app", spec(&["v1", "v2"], policy.clone(), &text))
            .await;
        fixture.ready("app").await;
        assert_eq!(versions(&fixture, plural).await, expected, "{policy}");
    }

    let before = revision(&fixture.ready("app").await);
    fixture
        .app(
            "app",
            spec(&["v2"], json!({"crds": "CreateReplace"}), "without v1"),
        )
        .await;
    let status = fixture.refused("app", "ObjectInvalid").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("objects may be stored in version v1, which the chart's crds/ no longer has"),
        "{said}"
    );
    assert_eq!(revision(&status), before, "nothing was begun");
    assert_eq!(versions(&fixture, plural).await, ["v1", "v2"]);
    fixture.delete("app").await;
    assert_eq!(
        versions(&fixture, plural).await,
        ["v1", "v2"],
        "a CRD is never deleted"
    );
}
