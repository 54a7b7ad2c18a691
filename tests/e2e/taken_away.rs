//! A release that is uninstalled as a remedy: what stays, what comes after, and what ends it in between.

use helmapp::api::{HelmApp, HelmAppStatus};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Own, condition, condition_of, message, revision};
use crate::hooks::{JOBS, uid};
use crate::support::wait::{eventually, within};

/// What holds data, what asks to be kept, and what was there before.
const OTHERS: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: theirs}
data: {text: \"{{ .Values.text }}\"}
";

/// A ConfigMap that goes when somebody lets it.
const GUARDED: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: guarded
  finalizers: [e2e.helmapp.io/guard]
";

fn values(pod: &str) -> Value {
    json!({"text": "ours", "replicas": 1, "tag": "v1", "pod": pod, "jobs": []})
}

fn is_away(app: &HelmApp) -> bool {
    condition(app, "Remediated").is_some_and(|remediated| {
        (remediated.status.as_str(), remediated.reason.as_str()) == ("True", "UninstallSucceeded")
    })
}

fn words(of: &[(i64, &str)]) -> Vec<(i64, String)> {
    of.iter()
        .map(|(revision, status)| (*revision, (*status).to_owned()))
        .collect()
}

fn maps(fixture: &Fixture) -> Api<ConfigMap> {
    fixture.namespace.api()
}

async fn unguard(fixture: &Fixture) {
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let patched = maps(fixture)
        .patch("guarded", &PatchParams::default(), &none)
        .await;
    patched.expect("the finalizer goes");
}

/// Until the release is gone and nothing more is tried.
async fn stays_away(fixture: &Fixture, last: i64) -> HelmAppStatus {
    fixture
        .until("app", |app| {
            let reached = app.status.as_ref().is_some_and(|status| revision(status) == last);
            let stalled = condition(app, "Stalled").is_some_and(|stalled| stalled.status == "True");
            reached && stalled && is_away(app)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_install_goes_but_what_holds_data_and_what_was_there_before() {
    let fixture = Fixture::shared("away").await;
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}});
    let was = fixture.namespace.apply(theirs).await.metadata.uid;
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", CONFIG_MAP),
            ("templates/b.yaml", DEPLOYMENT),
            ("templates/c.yaml", OTHERS),
        ],
    );
    let install = json!({"timeout": "2s", "remediation": {"strategy": "uninstall"}});
    let spec = |pod: &str| json!({"chart": {"path": chart}, "values": values(pod), "adoption": "unowned", "install": install});
    fixture.app("app", spec("crash-loop")).await;
    let status = stays_away(&fixture, 2).await;
    let said = message(&status, "Ready");
    assert_eq!(condition_of(&status, "Ready").reason, "InstallFailed");
    for part in [
        "revision 1: Release \"app\" failed",
        "left in the cluster, as it can hold data: PersistentVolumeClaim",
        "uninstalled, as revision 2",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(condition_of(&status, "Released").status, "False");
    assert_eq!(
        fixture.revisions("app").await,
        words(&[(1, "failed"), (2, "uninstalled")])
    );
    let record = fixture.record("app", 2).await;
    assert_eq!(record.info.description, "Uninstallation complete");
    assert!(!record.info.deleted.is_zero() && record.manifest.is_empty());
    let objects = fixture.namespace.objects().await;
    for (object, stays) in [
        ("ConfigMap/app", false),
        ("Deployment/app", false),
        ("ConfigMap/kept", true),
        ("ConfigMap/theirs", true),
        ("PersistentVolumeClaim/data", true),
    ] {
        assert_eq!(
            objects.iter().any(|name| name == object),
            stays,
            "{object}: {objects:?}"
        );
    }
    assert_eq!(maps(&fixture).get("theirs").await.unwrap().metadata.uid, was);

    // What is asked for anew is installed, and the end of the HelmApp is the end of what was left.
    fixture.app("app", spec("")).await;
    let status = fixture.ready("app").await;
    assert_eq!((revision(&status), status.inventory.len()), (3, 5));
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.type_ != "Remediated")
    );
    fixture.delete("app").await;
    fixture.namespace.left(&["ConfigMap/kept"]).await;
}

/// The release that is gone has nothing deployed, and what it left goes with the HelmApp.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_goes_and_is_installed_anew() {
    let fixture = Fixture::shared("anew").await;
    let chart = fixture.chart(
        "app",
        &[("templates/b.yaml", DEPLOYMENT), ("templates/c.yaml", OTHERS)],
    );
    let remediation = json!({"strategy": "uninstall", "retries": 1});
    let spec = |pod: &str| {
        json!({
            "chart": {"path": chart}, "values": values(pod),
            "install": {"timeout": "2s", "remediation": remediation},
            "upgrade": {"timeout": "2s", "remediation": remediation},
        })
    };
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop")).await;
    let status = stays_away(&fixture, 5).await;
    assert_eq!(
        fixture.revisions("app").await,
        words(&[
            (1, "superseded"),
            (2, "failed"),
            (3, "uninstalled"),
            (4, "failed"),
            (5, "uninstalled"),
        ])
    );
    let said = message(&status, "Ready");
    assert!(
        said.contains("it is not tried again (try 2 of 2 failed)"),
        "{said}"
    );
    // Nothing is done any more.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(fixture.revisions("app").await.len(), 5);
    fixture.delete("app").await;
    fixture.namespace.left(&["ConfigMap/kept"]).await;
}

/// An object below another, as a controller makes it.
async fn below(fixture: &Fixture, owner: &DynamicObject, mut object: Value) -> DynamicObject {
    let types = owner.types.clone().expect("its kind");
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": types.api_version, "kind": types.kind, "name": owner.name_any(), "uid": owner.uid(),
    }]);
    fixture.namespace.apply(object).await
}

/// What a database's operator makes of a custom resource would go with it.
#[tokio::test(flavor = "multi_thread")]
async fn custom_objects_with_data_below_them_stay() {
    let fixture = Fixture::shared("below").await;
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "databases.below.e2e.helmapp.io"},
        "spec": {
            "group": "below.e2e.helmapp.io", "scope": "Namespaced",
            "names": {"kind": "Database", "plural": "databases"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                          "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    let database = |name: &str| json!({"apiVersion": "below.e2e.helmapp.io/v1", "kind": "Database", "metadata": {"name": name}});
    let databases = ["claim", "set", "empty"].map(|name| database(name).to_string());
    let chart = fixture.chart(
        "app",
        &[
            ("crds/a.yaml", &crd.to_string()),
            ("templates/a.yaml", &databases.join("\n---\n")),
            ("templates/b.yaml", DEPLOYMENT),
        ],
    );
    let spec = |pod: &str| {
        json!({
            "chart": {"path": chart}, "values": values(pod),
            "upgrade": {"timeout": "2s", "remediation": {"strategy": "uninstall"}},
        })
    };
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("below.e2e.helmapp.io", "v1", "Database"),
        "databases",
    );
    let api: Api<DynamicObject> = Api::namespaced_with(fixture.client(), &fixture.namespace.name, &resource);
    let (claim, set) = (api.get("claim").await.unwrap(), api.get("set").await.unwrap());
    let storage = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    let data = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "below"}, "spec": storage});
    below(&fixture, &claim, data).await;
    let between = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "between"}});
    let between = below(&fixture, &set, between).await;
    let labels = json!({"app": "below"});
    let pods = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "below"},
        "spec": {"replicas": 0, "serviceName": "below", "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}},
    });
    below(&fixture, &between, pods).await;

    fixture.app("app", spec("crash-loop")).await;
    let said = message(&stays_away(&fixture, 3).await, "Ready");
    let expected = "left in the cluster, as it can hold data: Database";
    assert!(said.contains(expected) && !said.contains("empty"), "{said}");
    let left = api.list(&ListParams::default()).await.unwrap();
    let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["claim", "set"]);
    fixture.delete("app").await;
    eventually(
        "the databases go with the HelmApp",
        within(30),
        async || match api.list(&ListParams::default()).await.unwrap().items.len() {
            0 => Ok(()),
            some => Err(format!("{some} are there")),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_a_deletion_run_around_the_remedy() {
    for disabled in [false, true] {
        let fixture = Fixture::shared(&format!("awayhooks-{disabled}")).await;
        let chart = fixture.chart(
            "app",
            &[
                ("templates/a.yaml", CONFIG_MAP),
                ("templates/b.yaml", DEPLOYMENT),
                ("templates/jobs.yaml", JOBS),
            ],
        );
        let mut values = values("crash-loop");
        values["jobs"] = json!([
            {"name": "before", "on": "pre-delete"},
            {"name": "behind", "on": "post-delete", "pod": "fail"},
            {"name": "never", "on": "post-install"},
        ]);
        let spec = json!({
            "chart": {"path": chart}, "values": values,
            "install": {"timeout": "2s", "remediation": {"strategy": "uninstall"}},
            "uninstall": {"timeout": "5s", "disableHooks": disabled},
        });
        fixture.app("app", spec).await;
        stays_away(&fixture, 2).await;
        let ran = [
            uid(&fixture, "before").await.is_some(),
            uid(&fixture, "behind").await.is_some(),
            uid(&fixture, "never").await.is_some(),
        ];
        assert_eq!(ran, [!disabled, !disabled, false]);
        assert!(maps(&fixture).get_opt("app").await.unwrap().is_none());
        if !disabled {
            // It holds up nothing, and is said.
            fixture
                .warned("app", "UninstallFailed", &["post-delete hook Job behind"])
                .await;
        }
        fixture.delete("app").await;
        fixture.namespace.left(&[]).await;
    }
}

/// What waits for an object to go waits on after a restart, and does nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_that_is_interrupted_goes_on() {
    let mut own = Own::start("awayagain").await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", GUARDED), ("templates/b.yaml", DEPLOYMENT)],
    );
    let install = json!({"timeout": "2s", "remediation": {"strategy": "uninstall"}});
    let spec = json!({"chart": {"path": chart}, "values": values("crash-loop"), "install": install});
    fixture.app("app", spec).await;
    let waits = |app: &HelmApp| {
        condition(app, "Reconciling").is_some_and(|doing| doing.message.contains("still there: ConfigMap"))
    };
    fixture.until("app", waits).await;
    assert_eq!(
        fixture.revisions("app").await,
        words(&[(1, "failed"), (2, "uninstalling")])
    );
    own.stop();
    unguard(&fixture).await;
    own.resume().await;
    let status = stays_away(&fixture, 2).await;
    assert_eq!(condition_of(&status, "Ready").reason, "InstallFailed");
    assert_eq!(
        fixture.revisions("app").await,
        words(&[(1, "failed"), (2, "uninstalled")])
    );
    // Another process leaves it as it is.
    own.resume().await;
    tokio::time::sleep(within(2)).await;
    let status = fixture.until("app", |app| app.status.is_some()).await;
    assert_eq!(
        (revision(&status), condition_of(&status, "Ready").reason.as_str()),
        (2, "InstallFailed")
    );
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_ends_a_remedy() {
    let fixture = Fixture::shared("awayno").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", GUARDED), ("templates/b.yaml", DEPLOYMENT)],
    );
    let install = json!({"timeout": "2s", "remediation": {"strategy": "uninstall"}});
    let spec = |pod: &str| json!({"chart": {"path": chart}, "values": values(pod), "install": install});
    fixture.app("app", spec("crash-loop")).await;
    eventually("it waits", within(30), || async {
        let guarded = maps(&fixture)
            .get_opt("guarded")
            .await
            .map_err(|error| error.to_string())?;
        match guarded.is_some_and(|map| map.metadata.deletion_timestamp.is_some()) {
            true => Ok(()),
            false => Err("it is not deleted".to_owned()),
        }
    })
    .await;
    fixture.app("app", spec("")).await;
    let begun = |app: &HelmApp| app.status.as_ref().is_some_and(|status| revision(status) == 3);
    fixture.until("app", begun).await;
    unguard(&fixture).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 3);
    assert_eq!(
        fixture.revisions("app").await,
        words(&[(1, "failed"), (2, "superseded"), (3, "deployed")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_remedy_from_its_end_is_said_with_what_it_was_for() {
    let fixture = Fixture::shared("awaylate").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", GUARDED), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = json!({
        "chart": {"path": chart}, "values": values("crash-loop"),
        "install": {"timeout": "2s", "remediation": {"strategy": "uninstall"}},
        "uninstall": {"timeout": "2s"},
    });
    fixture.app("app", spec).await;
    let failed = |app: &HelmApp| {
        condition(app, "Remediated").is_some_and(|remediated| {
            (remediated.status.as_str(), remediated.reason.as_str()) == ("False", "UninstallFailed")
        })
    };
    let status = fixture.until("app", failed).await;
    assert_eq!(condition_of(&status, "Ready").reason, "InstallFailed");
    let said = message(&status, "Ready");
    for part in [
        "revision 1: Release \"app\" failed",
        "the remedy failed too",
        "not gone within 2 s: still there: ConfigMap",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(
        fixture.revisions("app").await,
        words(&[(1, "failed"), (2, "failed")])
    );
    let deleted = fixture
        .apps()
        .delete("app", &kube::api::DeleteParams::default())
        .await;
    deleted.expect("it is deleted");
    unguard(&fixture).await;
    fixture.namespace.left(&[]).await;
}
