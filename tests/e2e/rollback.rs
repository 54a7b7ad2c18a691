//! Going back: on request, as a remedy, and not.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, condition_of, message, revision};
use crate::support::wait::{eventually, until, within};

fn values(text: &str, pod: &str) -> Value {
    json!({"text": text, "replicas": 1, "tag": text, "pod": pod})
}

fn text(map: ConfigMap) -> String {
    map.data.unwrap()["text"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_back_to_a_revision_and_stays_until_the_spec_moves_on() {
    let fixture = Fixture::shared("back").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    for text in ["one", "two"] {
        fixture.app("app", spec(text)).await;
        fixture.ready("app").await;
    }
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let mut back = spec("two");
    back["rollback"] = json!({"toRevision": 1});
    fixture.app("app", back.clone()).await;
    let status = fixture.ready("app").await;
    assert_eq!(
        (revision(&status), text(maps.get("app").await.unwrap()).as_str()),
        (3, "one")
    );
    assert_eq!(status.history[0].description.as_deref(), Some("Rollback to 1"));

    // Something else in the spec does not end the rollback.
    back["maxHistory"] = json!(7);
    fixture.app("app", back.clone()).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);

    // Other values do, although the field is still there.
    back["values"]["text"] = json!("three");
    fixture.app("app", back.clone()).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 4);
    let said = message(&status, "Ready");
    assert!(
        said.contains("the rollback to revision 1 (done as revision 3) was superseded"),
        "{said}"
    );
    assert_eq!(text(maps.get("app").await.unwrap()), "three");

    back["rollback"] = json!({"toRevision": 99});
    fixture.app("app", back).await;
    let status = fixture.refused("app", "RevisionNotFound").await;
    assert!(
        message(&status, "Ready").contains("one of 4, 3, 2, 1"),
        "{status:?}"
    );
    assert_eq!(text(maps.get("app").await.unwrap()), "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_is_rolled_back() {
    let fixture = Fixture::shared("remedy").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let upgrade = json!({"timeout": "3s", "remediation": {"strategy": "rollback"}});
    let spec = |values: Value| json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade});
    fixture.app("app", spec(values("one", ""))).await;
    fixture.ready("app").await;
    fixture.app("app", spec(values("two", "crash-loop"))).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    assert_eq!(revision(&status), 3);
    let said = message(&status, "Ready");
    // Whether its pods have crashed often enough by then to be given up is a matter of moments.
    let why = ["not ready within 3 s", "CrashLoopBackOff"];
    assert!(
        why.iter().any(|why| said.contains(why)) && said.contains("Deployment.apps"),
        "{said}"
    );
    let states: Vec<_> = status
        .history
        .iter()
        .map(|entry| (entry.revision, entry.status.as_str()))
        .collect();
    assert_eq!(states, [(3, "deployed"), (2, "failed"), (1, "superseded")]);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(text(maps.get("app").await.unwrap()), "one");
    // The same input is not tried again.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(revision(&fixture.refused("app", "UpgradeFailed").await), 3);
    fixture.app("app", spec(values("three", ""))).await;
    assert_eq!(revision(&fixture.ready("app").await), 4);
}

/// What only the revision before had is not there any more when the remedy begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_brings_back_what_the_failed_upgrade_took_away() {
    let fixture = Fixture::shared("takenaway").await;
    let more = format!("{{{{ if not .Values.pod }}}}\n{CONFIG_MAP}{{{{ end }}}}");
    let files = [
        ("templates/a.yaml", more.as_str()),
        ("templates/b.yaml", DEPLOYMENT),
    ];
    let chart = fixture.chart("app", &files);
    let upgrade = json!({"timeout": "3s", "remediation": {"strategy": "rollback"}});
    let spec =
        |pod: &str| json!({"chart": {"path": chart}, "values": values("one", pod), "upgrade": upgrade});
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop")).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    assert_eq!(revision(&status), 3);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(text(maps.get("app").await.unwrap()), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_stays_without_a_remedy() {
    let fixture = Fixture::shared("failed").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec =
        |values: Value| json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}});
    fixture.app("app", spec(values("one", ""))).await;
    fixture.ready("app").await;
    fixture.app("app", spec(values("two", "crash-loop"))).await;
    let status = fixture.refused("app", "UpgradeFailed").await;
    assert_eq!(
        (revision(&status), status.release.clone().unwrap().status.as_str()),
        (2, "failed")
    );
    fixture.app("app", spec(values("three", ""))).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_does_not_wait_for_the_old_one() {
    let fixture = Fixture::shared("cancel").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |values: Value| json!({"chart": {"path": chart}, "values": values});
    fixture.app("app", spec(values("one", "crash-loop"))).await;
    fixture
        .until("app", |app| {
            app.status
                .as_ref()
                .is_some_and(|status| revision(status) == 1 && !status.inventory.is_empty())
        })
        .await;
    fixture.app("app", spec(values("two", ""))).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    let states: Vec<_> = status
        .history
        .iter()
        .map(|entry| (entry.revision, entry.status.as_str()))
        .collect();
    assert_eq!(states, [(2, "deployed"), (1, "superseded")]);
}

const STATEFUL_SET: &str = "\
{{- if .Values.data }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: data
spec:
  replicas: 0
  serviceName: data
  selector:
    matchLabels: {app: data}
  template:
    metadata:
      labels: {app: data}
    spec:
      containers:
        - {name: main, image: registry.example.com/data:v1}
{{- end }}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_does_not_delete_what_can_hold_data() {
    let fixture = Fixture::shared("data").await;
    let extra = "{{ if .Values.data }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n{{ end }}";
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", DEPLOYMENT),
            ("templates/b.yaml", STATEFUL_SET),
            ("templates/c.yaml", extra),
        ],
    );
    let upgrade = json!({"timeout": "3s", "remediation": {"strategy": "rollback"}});
    let spec = |pod: &str, data: bool| {
        let values = json!({"replicas": 1, "tag": "v1", "pod": pod, "data": data});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade})
    };
    fixture.app("app", spec("", false)).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop", true)).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    let said = message(&status, "Remediated");
    assert!(
        said.contains("left in the cluster") && said.contains("StatefulSet"),
        "{said}"
    );
    assert!(!said.contains("extra"), "{said}");
    let found = fixture.namespace.objects().await;
    assert!(found.contains(&"StatefulSet/data".to_owned()), "{found:?}");
    assert!(!found.contains(&"ConfigMap/extra".to_owned()), "{found:?}");

    // It stays known when the revision that had it is long trimmed.
    for tag in ["v2", "v3", "v4"] {
        let mut later = spec("", false);
        later["values"]["tag"] = json!(tag);
        later["maxHistory"] = json!(2);
        fixture.app("app", later).await;
        fixture.ready("app").await;
    }
    let found = fixture.namespace.objects().await;
    assert!(found.contains(&"StatefulSet/data".to_owned()), "{found:?}");
    assert!(
        !found.contains(&"Secret/sh.helm.release.v1.app.v2".to_owned()),
        "{found:?}"
    );
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// What a remedy left in the cluster goes with the release. Another object under its name, even one with the marks of
/// the release, is not what was left.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_remedy_left_is_known_by_its_uid() {
    let fixture = Fixture::shared("uid").await;
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", DEPLOYMENT),
            ("templates/b.yaml", STATEFUL_SET),
        ],
    );
    let upgrade = json!({"timeout": "2s", "remediation": {"strategy": "rollback"}});
    let spec = |pod: &str, data: bool| {
        let values = json!({"replicas": 1, "tag": "v1", "pod": pod, "data": data});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade, "maxHistory": 1})
    };
    fixture.app("app", spec("", false)).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop", true)).await;
    fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    // No record has it any more.
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(fixture.revisions("app").await, [word(3, "deployed")]);
    let sets: Api<StatefulSet> = fixture.namespace.api();
    let left = sets.get("data").await.unwrap();
    sets.delete("data", &DeleteParams::default()).await.unwrap();
    let mut other = left.clone();
    other.status = None;
    other.metadata = ObjectMeta {
        name: left.metadata.name.clone(),
        labels: left.metadata.labels.clone(),
        annotations: left.metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    eventually("another one in its place", within(20), || async {
        let made = sets.create(&PostParams::default(), &other).await;
        made.map_err(|error| error.to_string())
    })
    .await;
    fixture.delete("app").await;
    let stays = sets.get("data").await.unwrap().metadata;
    assert_eq!(stays.deletion_timestamp, None, "{:?}", stays.uid);
    sets.delete("data", &DeleteParams::default()).await.unwrap();
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_that_fails_is_said_with_what_it_was_for() {
    let fixture = Fixture::shared("unremedied").await;
    let recreate = DEPLOYMENT.replace(
        "spec:\n  replicas",
        "spec:\n  strategy: {type: Recreate}\n  replicas",
    );
    let chart = fixture.chart("app", &[("templates/b.yaml", &recreate)]);
    let upgrade = json!({"timeout": "3s", "remediation": {"strategy": "rollback"}});
    let rollback = json!({"timeout": "3s"});
    let spec = |tag: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": ""});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade, "rollback": rollback})
    };
    fixture.app("app", spec("v1")).await;
    fixture.ready("app").await;
    // From now on no pod can be made: neither the new one nor the old one once more.
    fixture.quota(json!({"pods": "0"})).await;
    fixture.app("app", spec("v2")).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "False")
        })
        .await;
    let ready = condition_of(&status, "Ready");
    assert_eq!(
        (
            ready.reason.as_str(),
            condition_of(&status, "Remediated").reason.as_str()
        ),
        ("UpgradeFailed", "RollbackFailed")
    );
    assert!(
        ready.message.starts_with("revision 2: ")
            && ready.message.contains("; the remedy failed too: revision 3"),
        "{}",
        ready.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_without_room_is_remedied_when_its_time_is_over() {
    let fixture = Fixture::shared("noroom").await;
    let more = "{{ range .Values.more }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ . }}}\n{{ end }}";
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", more)],
    );
    let upgrade = json!({"timeout": "3s", "remediation": {"strategy": "rollback"}});
    let spec = |text: &str, more: &[&str]| {
        let values = json!({"text": text, "more": more});
        json!({"chart": {"path": chart}, "values": values, "upgrade": upgrade})
    };
    let maps: Api<ConfigMap> = fixture.namespace.api();
    // The cluster's own ConfigMap comes on its own time, and has to be counted.
    until(&maps, "kube-root-ca.crt", within(20), |_| true).await;
    fixture.app("app", spec("one", &[])).await;
    fixture.ready("app").await;
    fixture.quota(json!({"count/configmaps": "3"})).await;
    fixture.app("app", spec("two", &["first", "second"])).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True")
        })
        .await;
    let said = message(&status, "Ready");
    assert!(said.contains("exceeded quota"), "{said}");
    let states: Vec<_> = status
        .history
        .iter()
        .map(|entry| (entry.revision, entry.status.as_str()))
        .collect();
    assert_eq!(states, [(3, "deployed"), (2, "failed"), (1, "superseded")]);
    // Room may come, so that the same is tried again, and each try undone.
    eventually("the remedy took away what failed", within(60), || async {
        let back = text(maps.get("app").await.unwrap());
        let found = fixture.namespace.objects().await;
        let is_left = |name: &String| name.ends_with("/first") || name.ends_with("/second");
        match back == "one" && !found.iter().any(is_left) {
            true => Ok(()),
            false => Err(format!("{back}: {found:?}")),
        }
    })
    .await;
}
