//! What others change or delete is put back; what is theirs stays.

use helmapp::cluster::apply::{Applier, Detail};
use helmapp::cluster::discovery::Discovery;
use helmapp_helm::plan::{Owner, Scope, objects};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, message, revision};
use crate::support::wait::{until, within};

#[tokio::test(flavor = "multi_thread")]
async fn changed_and_deleted_objects_are_put_back() {
    let fixture = Fixture::shared("drift").await;
    fixture
        .installed(
            DEPLOYMENT,
            json!({"text": "one", "replicas": 1, "tag": "v1", "pod": ""}),
        )
        .await;
    let maps: Api<ConfigMap> = fixture.namespace.api();

    let changed = json!({"data": {"text": "mine", "extra": "kept"}});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&changed))
        .await
        .unwrap();
    let put_back = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data["text"] == "one");
    let map = until(&maps, "app", within(20), put_back).await;
    assert_eq!(
        map.data.unwrap()["extra"],
        "kept",
        "a field that the chart does not set stays"
    );

    let unlabelled = json!({"metadata": {"labels": {"helmapp.io/name": null}}});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&unlabelled))
        .await
        .unwrap();
    let labelled = |map: &ConfigMap| {
        map.metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key("helmapp.io/name"))
    };
    until(&maps, "app", within(20), labelled).await;

    let before = maps.get("app").await.unwrap().metadata.uid;
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    until(&maps, "app", within(20), |map| map.metadata.uid != before).await;

    let deployments: Api<Deployment> = fixture.namespace.api();
    let scaled = json!({"spec": {"replicas": 3}});
    deployments
        .patch("app", &PatchParams::default(), &Patch::Merge(&scaled))
        .await
        .unwrap();
    let one = |deployment: &Deployment| {
        deployment.metadata.generation >= Some(3)
            && deployment
                .spec
                .as_ref()
                .is_some_and(|spec| spec.replicas == Some(1))
    };
    until(&deployments, "app", within(20), one).await;

    let status = fixture
        .until("app", |app| {
            condition(app, "Drifted").is_some_and(|drifted| {
                drifted.message.contains("Deployment.apps") && drifted.message.contains("(spec.replicas by ")
            })
        })
        .await;
    assert_eq!(revision(&status), 1, "putting back is no revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_controller_wins_in_the_end() {
    let fixture = Fixture::shared("rival").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("one")).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let changed = json!({"data": {"text": "mine"}});
    let insist = async {
        loop {
            maps.patch("app", &PatchParams::default(), &Patch::Merge(&changed))
                .await
                .unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let is_said = fixture.until("app", |app| {
        condition(app, "Drifted").is_some_and(|drifted| drifted.status == "True")
    });
    let status = tokio::select! {
        status = is_said => status,
        () = insist => unreachable!("it goes on for ever"),
    };
    let said = message(&status, "Drifted");
    assert!(
        said.contains("ConfigMap") && said.contains("unknown changed it again after 6 corrections"),
        "{said}"
    );
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "mine");

    fixture.app("app", spec("two")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_release_took_over_is_left_to_it() {
    let fixture = Fixture::shared("handed").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let taken = json!({
        "metadata": {"annotations": {"meta.helm.sh/release-name": "other"}},
        "data": {"text": "theirs"},
    });
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&taken))
        .await
        .unwrap();
    let status = fixture
        .until("app", |app| {
            condition(app, "Drifted").is_some_and(|drifted| drifted.status == "True")
        })
        .await;
    let said = message(&status, "Drifted");
    assert!(
        said.contains(&format!("{}/other", fixture.namespace.name)),
        "{said}"
    );
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "theirs");
    // It is looked at again as soon as that is taken back.
    let back = json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "app"}}});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&back))
        .await
        .unwrap();
    until(&maps, "app", within(30), |map| {
        map.data.as_ref().is_some_and(|data| data["text"] == "one")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_is_kept_while_its_inputs_can_not_be_read() {
    let fixture = Fixture::shared("unreadable").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let values = "text: one\nreplicas: 1\ntag: v1\npod: \"\"\n";
    let secret = json!({"metadata": {"name": "values"}, "stringData": {"values.yaml": values}});
    fixture.create::<Secret>(secret.clone()).await;
    let from = json!([{"kind": "Secret", "name": "values"}]);
    fixture
        .app("app", json!({"chart": {"path": chart}, "valuesFrom": from}))
        .await;
    fixture.ready("app").await;
    let secrets: Api<Secret> = fixture.namespace.api();
    secrets.delete("values", &DeleteParams::default()).await.unwrap();
    let status = fixture.refused("app", "ValuesError").await;
    assert!(message(&status, "Ready").contains("\"values\""), "{status:?}");

    let deployments: Api<Deployment> = fixture.namespace.api();
    let before = deployments.get("app").await.unwrap().metadata.uid;
    deployments.delete("app", &DeleteParams::default()).await.unwrap();
    until(&deployments, "app", within(20), |deployment| {
        deployment.metadata.uid != before
    })
    .await;
    let status = fixture.refused("app", "ValuesError").await;
    assert_eq!(revision(&status), 1);
    fixture.create::<Secret>(secret).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_somebody_made_anew_is_not_taken() {
    let fixture = Fixture::shared("anew").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"},
        "data": {"text": "theirs"}});
    // Deleted while something still holds it, so that nobody comes in between.
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&held))
        .await
        .unwrap();
    fixture
        .apps()
        .patch(
            "app",
            &PatchParams::default(),
            &Patch::Merge(&json!({"spec": {"suspend": true}})),
        )
        .await
        .unwrap();
    fixture
        .until("app", |app| {
            condition(app, "Stalled").is_some_and(|stalled| stalled.reason == "Suspended")
        })
        .await;
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    let released = json!({"metadata": {"finalizers": null}});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&released))
        .await
        .unwrap();
    let params = PatchParams::apply("somebody");
    maps.patch("app", &params, &Patch::Apply(&theirs)).await.unwrap();
    fixture
        .apps()
        .patch(
            "app",
            &PatchParams::default(),
            &Patch::Merge(&json!({"spec": {"suspend": false}})),
        )
        .await
        .unwrap();
    let status = fixture
        .until("app", |app| {
            condition(app, "Drifted").is_some_and(|drifted| drifted.reason == "AdoptionRefused")
        })
        .await;
    let said = message(&status, "Drifted");
    assert!(
        said.contains("ConfigMap") && said.contains("by somebody"),
        "{said}"
    );
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "theirs");

    // It is in the way no longer.
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    until(&maps, "app", within(20), |map| {
        map.data.as_ref().is_some_and(|data| data["text"] == "one")
    })
    .await;
    fixture
        .until("app", |app| {
            condition(app, "Drifted").is_some_and(|drifted| drifted.status == "False")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_for_one_object_does_not_touch_another() {
    let fixture = Fixture::shared("uid").await;
    let discovery = Discovery::new(fixture.client());
    let owner = Owner {
        release: "app".into(),
        namespace: fixture.namespace.name.clone(),
        app: None,
    };
    let applier = Applier::new(fixture.client(), discovery.snapshot().await.unwrap(), owner);
    let value =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}});
    let scope = |_: &str, _: &str, _: &str| Some(Scope::Namespaced);
    let object = objects([value], &fixture.namespace.name, scope)
        .unwrap()
        .remove(0);
    let other = "11111111-2222-3333-4444-555555555555";
    let error = applier
        .apply(&object, Some(other), Detail::Object)
        .await
        .unwrap_err();
    assert!(error.is_replaced(), "none there: {error:?}");
    let live = applier.apply(&object, None, Detail::Object).await.unwrap().live;
    let error = applier
        .apply(&object, Some(other), Detail::Object)
        .await
        .unwrap_err();
    assert!(error.is_replaced(), "another there: {error:?}");
    let uid = live["metadata"]["uid"].as_str();
    let again = applier.apply(&object, uid, Detail::Object).await.unwrap().live;
    assert_eq!(
        again["metadata"]["resourceVersion"],
        live["metadata"]["resourceVersion"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settles_has_its_deadline_while_its_inputs_can_not_be_read() {
    let fixture = Fixture::shared("overdue").await;
    let chart = fixture.chart("app", &[("templates/b.yaml", DEPLOYMENT)]);
    let secrets: Api<Secret> = fixture.namespace.api();
    let values = |pod: &str| {
        let text = format!("replicas: 1\ntag: v1\npod: \"{pod}\"\n");
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"}, "stringData": {"values.yaml": text}})
    };
    fixture.namespace.apply(values("")).await;
    let from = json!([{"kind": "Secret", "name": "values"}]);
    let upgrade = json!({"timeout": "5s"});
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "valuesFrom": from, "upgrade": upgrade}),
        )
        .await;
    fixture.ready("app").await;
    fixture.namespace.apply(values("crash-loop")).await;
    let release = |app: &helmapp::api::HelmApp| app.status.clone()?.release;
    let is = move |app: &helmapp::api::HelmApp, status: &str| {
        release(app).is_some_and(|release| release.revision == 2 && release.status == status)
    };
    fixture
        .until("app", |app| {
            let waits = condition(app, "Healthy").is_some_and(|healthy| healthy.status == "Unknown");
            is(app, "pending-upgrade") && waits
        })
        .await;
    secrets.delete("values", &DeleteParams::default()).await.unwrap();
    fixture.refused("app", "ValuesError").await;
    fixture.until("app", |app| is(app, "failed")).await;
    fixture.refused("app", "ValuesError").await;
}

/// One object that can't be put back does not keep the others, and is put back when it can be.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_refused_does_not_keep_the_others_from_coming_back() {
    let fixture = Fixture::shared("refuses").await;
    let other = CONFIG_MAP.replace("{{ .Release.Name }}", "other");
    fixture.installed(&other, json!({"text": "one"})).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    // What is immutable can be deleted and nothing else.
    let frozen = json!({"data": {"text": "mine"}, "immutable": true});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&frozen))
        .await
        .unwrap();
    let status = fixture.refused("app", "ImmutableField").await;
    let said = message(&status, "Ready");
    assert!(said.contains("ConfigMap"), "{said}");
    let changed = json!({"data": {"text": "mine"}});
    maps.patch("other", &PatchParams::default(), &Patch::Merge(&changed))
        .await
        .unwrap();
    let put_back = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data["text"] == "one");
    until(&maps, "other", within(20), put_back).await;
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    until(&maps, "app", within(20), put_back).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 1);
    let kinds: Vec<&str> = status
        .conditions
        .iter()
        .map(|known| known.type_.as_str())
        .collect();
    assert!(
        !kinds.contains(&"Stalled") && !kinds.contains(&"Reconciling"),
        "{kinds:?}"
    );
}

/// A ConfigMap with two keys, and a Secret.
const TWO: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  annotations: {{ toJson .Values.annotations }}
data:
  text: \"{{ .Values.text }}\"
  other: \"{{ .Values.text }}\"
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
data:
  word: {{ b64enc .Values.text }}
";

/// Installs [`TWO`] with this `spec.driftDetection`.
async fn detecting(fixture: &Fixture, detection: Value) {
    installed(fixture, detection, json!({}), "first-text").await;
}

async fn installed(fixture: &Fixture, detection: Value, annotations: Value, text: &str) {
    let chart = fixture.chart("app", &[("templates/a.yaml", TWO)]);
    let values = json!({"text": text, "annotations": annotations});
    let spec = json!({"chart": {"path": chart}, "values": values, "driftDetection": detection});
    fixture.app("app", spec).await;
    fixture.ready("app").await;
}

async fn change(maps: &Api<ConfigMap>, data: Value) {
    let changed = json!({"data": data});
    maps.patch("app", &PatchParams::default(), &Patch::Merge(&changed))
        .await
        .unwrap();
}

fn has(key: &'static str, text: &'static str) -> impl Fn(&ConfigMap) -> bool {
    move |map| {
        map.data
            .as_ref()
            .is_some_and(|data| data.get(key).map(String::as_str) == Some(text))
    }
}

fn drifts(app: &helmapp::api::HelmApp, status: &str) -> bool {
    condition(app, "Drifted").is_some_and(|drifted| drifted.status == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_back_is_told_with_its_values_but_not_those_of_secrets() {
    let fixture = Fixture::shared("told").await;
    detecting(&fixture, json!({})).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    change(&maps, json!({"text": "hand-made"})).await;
    until(&maps, "app", within(20), has("text", "first-text")).await;
    let said = |part: &'static str| {
        move |app: &helmapp::api::HelmApp| {
            condition(app, "Drifted").is_some_and(|drifted| drifted.message.contains(part))
        }
    };
    // The chart puts into the ConfigMap what it puts into the Secret, too.
    let status = fixture
        .until("app", said("data.text: \"hand-made\" -> \"[redacted]\""))
        .await;
    assert!(!message(&status, "Drifted").contains("first-text"), "{status:?}");
    let secrets: Api<Secret> = fixture.namespace.api();
    let changed = json!({"stringData": {"word": "hand-written"}});
    secrets
        .patch("app", &PatchParams::default(), &Patch::Merge(&changed))
        .await
        .unwrap();
    let status = fixture.until("app", said("data.word differs")).await;
    let said = message(&status, "Drifted");
    for secret in ["hand-written", "first-text", "Zmlyc3Q", "aGFuZC"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_only_told_where_nothing_else_is_wanted() {
    let fixture = Fixture::shared("warns").await;
    detecting(&fixture, json!({"mode": "warn"})).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    change(&maps, json!({"other": "hand-made"})).await;
    let status = fixture.until("app", |app| drifts(app, "True")).await;
    let said = message(&status, "Drifted");
    assert!(
        said.contains("data.other by unknown") && said.contains("\"hand-made\" -> "),
        "{said}"
    );
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(has("other", "hand-made")(&maps.get("app").await.unwrap()));
    change(&maps, json!({"other": "first-text"})).await;
    fixture.until("app", |app| drifts(app, "False")).await;
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    let deleted = |app: &helmapp::api::HelmApp| {
        condition(app, "Drifted").is_some_and(|drifted| drifted.message.contains("deleted"))
    };
    fixture.until("app", deleted).await;
    assert_eq!(maps.get_opt("app").await.unwrap(), None);

    detecting(&fixture, json!({})).await;
    assert!(maps.get_opt("app").await.unwrap().is_some(), "it is put back");
    detecting(&fixture, json!({"mode": "disabled"})).await;
    fixture
        .until("app", |app| condition(app, "Drifted").is_none())
        .await;
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(maps.get_opt("app").await.unwrap(), None);
    detecting(&fixture, json!({})).await;
    until(&maps, "app", within(20), has("text", "first-text")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_as_others_have_it_stays_while_the_rest_is_put_back() {
    let fixture = Fixture::shared("ignores").await;
    let ignore =
        json!({"ignore": [{"paths": ["/data/text"], "target": {"kind": "ConfigMap", "name": "a.*"}}]});
    detecting(&fixture, ignore.clone()).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    change(&maps, json!({"text": "hand-made"})).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    change(&maps, json!({"other": "hand-made"})).await;
    let map = until(&maps, "app", within(20), has("other", "first-text")).await;
    assert!(has("text", "hand-made")(&map), "{map:?}");
    change(&maps, json!({"text": "once-more"})).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(has("text", "once-more")(&maps.get("app").await.unwrap()));
    fixture.until("app", |app| drifts(app, "False")).await;

    // A revision that changes the object writes all of it.
    installed(&fixture, ignore, json!({}), "second-text").await;
    assert!(has("text", "second-text")(&maps.get("app").await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_and_marks_say_what_is_left_to_others() {
    let fixture = Fixture::shared("managers").await;
    detecting(&fixture, json!({"ignore": [{"managers": ["tuner"]}]})).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let tuned = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": "tuned"}});
    let params = PatchParams::apply("tuner").force();
    maps.patch("app", &params, &Patch::Apply(&tuned)).await.unwrap();
    change(&maps, json!({"other": "hand-made"})).await;
    let map = until(&maps, "app", within(20), has("other", "first-text")).await;
    assert!(has("text", "tuned")(&map), "{map:?}");

    let fixture = Fixture::shared("marked").await;
    let mark = json!({"helm.toolkit.fluxcd.io/driftDetection": "disabled"});
    installed(&fixture, json!({}), mark, "first-text").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    change(&maps, json!({"other": "hand-made"})).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(has("other", "hand-made")(&maps.get("app").await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_can_not_be_read_change_nothing() {
    let fixture = Fixture::shared("badrules").await;
    detecting(&fixture, json!({})).await;
    let chart = fixture.chart("app", &[("templates/a.yaml", TWO)]);
    let spec = |detection: Value| {
        let values = json!({"text": "second-text", "annotations": {}});
        json!({"chart": {"path": chart}, "values": values, "driftDetection": detection})
    };
    let bad = json!({"ignore": [{"paths": [""], "target": {"name": "("}}]});
    fixture.app("app", spec(bad)).await;
    let status = fixture.refused("app", "InvalidIgnoreRule").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("spec.driftDetection.ignore[0].target.name"),
        "{said}"
    );
    assert_eq!(revision(&status), 1);
    let error = fixture
        .try_app("app", spec(json!({"ignore": [{}]})))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("paths or managers must be set"),
        "{error}"
    );
    // What is deployed is kept meanwhile.
    let maps: Api<ConfigMap> = fixture.namespace.api();
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    until(&maps, "app", within(20), has("text", "first-text")).await;
    fixture.app("app", spec(json!({}))).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
}

/// The server keeps texts of a Secret as data: who changes that changes what the release owns.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_secret_are_put_back() {
    let fixture = Fixture::shared("texts").await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData: {password: right}\n";
    let chart = fixture.chart("app", &[("templates/a.yaml", secret)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    fixture.ready("app").await;
    let secrets: Api<Secret> = fixture.namespace.api();
    let wrong = json!({"stringData": {"password": "wrong"}});
    secrets
        .patch("app", &PatchParams::default(), &Patch::Merge(&wrong))
        .await
        .unwrap();
    until(&secrets, "app", within(30), |secret| {
        secret
            .data
            .as_ref()
            .is_some_and(|data| data["password"].0 == b"right")
    })
    .await;
}
