//! What was begun and interrupted: it goes on or is given up in time, whatever becomes of its inputs meanwhile.

use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Own, condition, condition_of, message, revision};
use crate::recovery::heal;
use crate::support::faults::{Faults, Harm};
use crate::support::namespace::TestNamespace;
use crate::support::wait::{eventually, until, within};

const MORE: &str =
    "{{ range .Values.more }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ . }}}\n{{ end }}";

/// A ConfigMap with values that change nothing.
async fn values(fixture: &Fixture) {
    let values = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"},
        "data": {"values.yaml": "other: 1"}});
    fixture.namespace.apply(values).await;
}

/// Takes the values away as soon as the revision is begun.
async fn without_values(fixture: &Fixture, revision: i64) {
    let secrets: Api<Secret> = fixture.namespace.api();
    until(
        &secrets,
        &format!("sh.helm.release.v1.app.v{revision}"),
        within(20),
        |_| true,
    )
    .await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    maps.delete("values", &DeleteParams::default()).await.unwrap();
}

fn words(revisions: &[(i64, String)]) -> Vec<(i64, &str)> {
    revisions
        .iter()
        .map(|(revision, status)| (*revision, status.as_str()))
        .collect()
}

/// An apply for which there is no room waits for room. It does not wait for ever when its inputs are gone as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_without_its_inputs_is_given_up_in_time() {
    let table: [(&str, &[(i64, &str)]); 2] = [
        ("none", &[(1, "deployed"), (2, "failed")]),
        ("rollback", &[(1, "superseded"), (2, "failed"), (3, "deployed")]),
    ];
    for (strategy, expected) in table {
        let fixture = Fixture::shared(&format!("noinputs-{strategy}")).await;
        let maps: Api<ConfigMap> = fixture.namespace.api();
        until(&maps, "kube-root-ca.crt", within(20), |_| true).await;
        values(&fixture).await;
        let chart = fixture.chart(
            "app",
            &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", MORE)],
        );
        let spec = |text: &str, more: &[&str]| {
            json!({
                "chart": {"path": chart}, "values": {"text": text, "more": more},
                "valuesFrom": [{"kind": "ConfigMap", "name": "values"}],
                "upgrade": {"timeout": "4s", "remediation": {"strategy": strategy}},
            })
        };
        fixture.app("app", spec("one", &[])).await;
        fixture.ready("app").await;
        // One of three fits, and when the values are gone another one.
        fixture.quota(json!({"count/configmaps": "4"})).await;
        fixture
            .app(
                "app",
                spec("two", &["first", "second", "third", "fourth", "fifth", "sixth"]),
            )
            .await;
        without_values(&fixture, 2).await;
        let newest = expected.len() as i64;
        let status = fixture
            .until("app", |app| {
                let ready = condition(app, "Ready").is_some_and(|ready| ready.reason == "ValuesError");
                let status = app.status.as_ref();
                let ended = status
                    .and_then(|status| status.release.as_ref())
                    .is_some_and(|release| {
                        release.revision == newest && !release.status.starts_with("pending")
                    });
                ready && ended
            })
            .await;
        assert_eq!(words(&fixture.revisions("app").await), expected, "{strategy}");
        assert!(message(&status, "Ready").contains("values"), "{status:?}");
        let said = match strategy {
            "none" => condition_of(&status, "Released"),
            _ => condition_of(&status, "Remediated"),
        };
        assert!(said.message.contains("failed"), "{said:?}");
        let text = maps.get("app").await.unwrap().data.unwrap()["text"].clone();
        assert_eq!(text, if strategy == "none" { "two" } else { "one" });
        // What is asked for is tried when it can be read again.
        fixture.quota(json!({"count/configmaps": "9"})).await;
        values(&fixture).await;
        assert_eq!(revision(&fixture.ready("app").await), newest + 1);
        fixture.delete("app").await;
    }
}

/// A revision is made from its record: what it was rendered from is not needed any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_goes_on_without_its_inputs() {
    let faults = Faults::default();
    let own = Own::start_with("goeson", faults.clone()).await;
    let fixture = &own.fixture;
    values(fixture).await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| {
        let from = json!([{"kind": "ConfigMap", "name": "values"}]);
        json!({"chart": {"path": chart}, "values": {"text": text}, "valuesFrom": from})
    };
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    faults.add(Method::PATCH, "/configmaps/app", Harm::Unavailable, 6);
    fixture.app("app", spec("two")).await;
    without_values(fixture, 2).await;
    let status = fixture
        .until("app", |app| {
            let released = condition(app, "Released").is_some_and(|released| released.status == "True");
            let ready = condition(app, "Ready").is_some_and(|ready| ready.reason == "ValuesError");
            released && ready && app.status.as_ref().is_some_and(|status| revision(status) == 2)
        })
        .await;
    assert!(faults.all_done());
    assert!(message(&status, "Ready").contains("values"), "{status:?}");
    let revisions = fixture.revisions("app").await;
    assert_eq!(words(&revisions), [(1, "superseded"), (2, "deployed")]);
}

/// A suspended HelmApp's revision has the rest of its time afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_suspended_revision_stands_still() {
    let fixture = Fixture::shared("paused").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let spec = |pod: &str, suspend: bool| {
        let values = json!({"replicas": 1, "tag": "v1", "pod": pod});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "6s"}, "suspend": suspend})
    };
    fixture.app("app", spec("", false)).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop", false)).await;
    let begun = Instant::now();
    fixture
        .until("app", |app| {
            let status = app.status.as_ref();
            status.is_some_and(|status| {
                let waits =
                    |entry: &helmapp::api::InventoryEntry| entry.health.as_deref() == Some("Progressing");
                revision(status) == 2 && status.inventory.iter().any(waits)
            })
        })
        .await;
    fixture.app("app", spec("crash-loop", true)).await;
    tokio::time::sleep(Duration::from_secs(7).saturating_sub(begun.elapsed())).await;
    fixture.app("app", spec("crash-loop", false)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let word = |revision, status: &str| (revision, status.to_owned());
    let revisions = fixture.revisions("app").await;
    assert_eq!(revisions, [word(1, "deployed"), word(2, "pending-upgrade")]);
    heal(&fixture).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
}

/// A revision that gave way to the next one and could not be ended then is ended with the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_revision_is_ended_in_the_end() {
    let faults = Faults::default();
    let own = Own::start_with("replaced", faults.clone()).await;
    let fixture = &own.fixture;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let spec = |tag: &str, pod: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": pod});
        json!({"chart": {"path": chart}, "values": values})
    };
    fixture.app("app", spec("v1", "crash-loop")).await;
    fixture
        .until("app", |app| {
            app.status.as_ref().is_some_and(|status| revision(status) == 1)
        })
        .await;
    // All tries of the one request that ends it.
    faults.add(Method::PUT, "/sh.helm.release.v1.app.v1", Harm::Unavailable, 4);
    fixture.app("app", spec("v2", "")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert!(faults.all_done());
    let revisions = fixture.revisions("app").await;
    assert_eq!(words(&revisions), [(1, "superseded"), (2, "deployed")]);
}

/// An error that passes takes the place of what was said; once it is over, the failure is said again.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_said_again_after_what_passed() {
    let fixture = Fixture::shared("again").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let spec = |pod: &str, history: u32| {
        let values: Value = json!({"replicas": 1, "tag": "v1", "pod": pod});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}, "maxHistory": history})
    };
    fixture.app("app", spec("", 5)).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop", 5)).await;
    let failed = message(&fixture.refused("app", "UpgradeFailed").await, "Ready");
    let (path, away) = (
        fixture.charts.join(&chart),
        fixture.charts.join(format!("{chart}-away")),
    );
    std::fs::rename(&path, &away).unwrap();
    fixture.app("app", spec("crash-loop", 6)).await;
    fixture.refused("app", "ChartNotFound").await;
    std::fs::rename(&away, &path).unwrap();
    let status = fixture.refused("app", "UpgradeFailed").await;
    assert_eq!((message(&status, "Ready"), revision(&status)), (failed, 2));
    let kinds: Vec<&str> = status
        .conditions
        .iter()
        .map(|known| known.type_.as_str())
        .collect();
    assert!(
        kinds.contains(&"Stalled") && !kinds.contains(&"Reconciling"),
        "{kinds:?}"
    );
}

/// What keeps a HelmApp from going without an uninstallation is put back when somebody took it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_that_was_taken_away_comes_back_with_the_next_revision() {
    let fixture = Fixture::shared("unguarded").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    for text in ["one", "two"] {
        fixture.app("app", spec(text)).await;
        fixture.ready("app").await;
    }
    let unguarded = json!({"metadata": {"finalizers": null}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&unguarded));
    fixture.apps().patch("app", &params, &patch).await.unwrap();
    fixture.app("app", spec("three")).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// A revision that waits for room does not outlive its time when what is asked for instead can not be had.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_nobody_asks_for_any_more_is_given_up_in_time() {
    let fixture = Fixture::shared("nowhere").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    until(&maps, "kube-root-ca.crt", within(20), |_| true).await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", MORE)],
    );
    let spec = |more: &[&str], back: Option<i64>| {
        let rollback = back.map(|revision| json!({"toRevision": revision}));
        json!({
            "chart": {"path": chart}, "values": {"text": "one", "more": more},
            "upgrade": {"timeout": "4s"}, "rollback": rollback,
        })
    };
    fixture.app("app", spec(&[], None)).await;
    fixture.ready("app").await;
    fixture.quota(json!({"count/configmaps": "3"})).await;
    fixture.app("app", spec(&["first", "second"], None)).await;
    fixture
        .until("app", |app| {
            app.status.as_ref().is_some_and(|status| revision(status) == 2)
        })
        .await;
    fixture.app("app", spec(&["first", "second"], Some(99))).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Released").is_some_and(|released| released.reason == "UpgradeFailed")
        })
        .await;
    let revisions = fixture.revisions("app").await;
    assert_eq!(words(&revisions), [(1, "deployed"), (2, "failed")]);
    let ready = condition_of(&fixture.refused("app", "RevisionNotFound").await, "Ready");
    assert!(ready.message.contains("99"), "{status:?}");
}

/// A release that waits for room: a revision 2 of three more ConfigMaps, of which one fits.
async fn waiting(test: &str) -> (Fixture, Value) {
    let fixture = Fixture::shared(test).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    until(&maps, "kube-root-ca.crt", within(20), |_| true).await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", MORE)],
    );
    let spec = |more: &[&str]| json!({"chart": {"path": chart}, "values": {"text": "one", "more": more}});
    fixture.app("app", spec(&[])).await;
    fixture.ready("app").await;
    fixture.quota(json!({"count/configmaps": "3"})).await;
    let spec = spec(&["first", "second", "third"]);
    fixture.app("app", spec.clone()).await;
    fixture
        .until("app", |app| {
            let said = condition(app, "Ready").is_some_and(|ready| ready.message.contains("exceeded quota"));
            said && app.status.as_ref().is_some_and(|status| revision(status) == 2)
        })
        .await;
    (fixture, spec)
}

/// Nothing goes on while the HelmApp is suspended, and afterwards it goes on as what it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_apply_goes_on_where_it_was() {
    let (fixture, mut spec) = waiting("suspended").await;
    spec["suspend"] = json!(true);
    fixture.app("app", spec.clone()).await;
    fixture
        .until("app", |app| {
            condition(app, "Stalled").is_some_and(|stalled| stalled.reason == "Suspended")
        })
        .await;
    fixture.quota(json!({"count/configmaps": "9"})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let revisions = fixture.revisions("app").await;
    assert_eq!(words(&revisions), [(1, "deployed"), (2, "pending-upgrade")]);
    spec["suspend"] = json!(false);
    fixture.app("app", spec).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let revisions = fixture.revisions("app").await;
    assert_eq!(words(&revisions), [(1, "superseded"), (2, "deployed")]);
}

/// What was begun is no hindrance to a deletion, and goes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_the_middle_of_an_apply_leaves_nothing() {
    let (fixture, _) = waiting("deleted").await;
    fixture.delete("app").await;
    fixture.namespace.left(&["ResourceQuota/quota"]).await;
}

/// A namespace that somebody deletes takes the release along. It comes back with the namespace.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_comes_back_after_its_namespace_was_deleted() {
    let fixture = Fixture::shared("home").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let target = format!("{}-target", fixture.namespace.name);
    let spec = json!({
        "chart": {"path": chart}, "values": {"text": "one"}, "targetNamespace": target, "createNamespace": true,
    });
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let namespaces: Api<Namespace> = Api::all(fixture.client());
    let before = namespaces.get(&target).await.unwrap().metadata.uid;
    namespaces
        .delete(&target, &DeleteParams::default())
        .await
        .unwrap();
    eventually("the namespace comes back", within(40), || async {
        match namespaces.get_opt(&target).await {
            Ok(Some(found)) if found.metadata.uid != before => Ok(()),
            _ => Err(format!("{:?}", fixture.apps().get("app").await.unwrap().status)),
        }
    })
    .await;
    let maps: Api<ConfigMap> = Api::namespaced(fixture.client(), &target);
    until(&maps, "app", within(30), |_| true).await;
    fixture.ready("app").await;
    let there = TestNamespace {
        client: fixture.client(),
        name: target,
    };
    fixture.delete("app").await;
    there.left(&[]).await;
}
