//! After a failure: what was wrong is put right, and the status says so; what is still wrong is not hammered.

use std::path::Path;
use std::time::Duration;

use helmapp_helm::release::{DecodeLimits, Status, WriteTime, decode, encode, secret_labels};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Operator, condition, install_crd, message, revision};
use crate::support::plane;
use crate::support::wait::{eventually, until, within};

const SCHEMA: &str = r#"{"type": "object", "properties": {"text": {"type": "string"}}}"#;

fn with_text(chart: &str, text: &Value) -> Value {
    json!({"chart": {"path": chart}, "values": {"text": text}})
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_bad_values_back_makes_the_release_ready_again() {
    let fixture = Fixture::shared("back").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("values.schema.json", SCHEMA)],
    );
    fixture.app("app", with_text(&chart, &json!("one"))).await;
    fixture.ready("app").await;

    fixture.app("app", with_text(&chart, &json!(3))).await;
    let status = fixture.refused("app", "SchemaViolation").await;
    assert_eq!(revision(&status), 1);

    fixture.app("app", with_text(&chart, &json!("one"))).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 1);
    let kinds: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert!(
        !kinds.contains(&"Stalled") && !kinds.contains(&"Reconciling"),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_nowhere_is_over_when_the_field_goes() {
    let fixture = Fixture::shared("nowhere").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture.app("app", with_text(&chart, &json!("one"))).await;
    fixture.ready("app").await;

    let mut spec = with_text(&chart, &json!("one"));
    spec["rollback"] = json!({"toRevision": 99});
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "RevisionNotFound").await;
    assert!(message(&status, "Ready").contains("99"), "{status:?}");

    fixture.app("app", with_text(&chart, &json!("one"))).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helmapp_made_again_under_the_name_of_a_refused_one_is_another() {
    let fixture = Fixture::shared("again").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("values.schema.json", SCHEMA)],
    );
    for text in [json!(1), json!(2)] {
        fixture.app("app", with_text(&chart, &text)).await;
        fixture.refused("app", "SchemaViolation").await;
        fixture.delete("app").await;
    }
    fixture.app("app", with_text(&chart, &json!("one"))).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_the_kind_does_not_have_are_the_charts_fault() {
    let fixture = Fixture::shared("fields").await;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatas: {a: b}\n";
    let chart = fixture.chart("app", &[("templates/a.yaml", template)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    let status = fixture.refused("app", "ObjectInvalid").await;
    assert!(message(&status, "Ready").contains("datas"), "{status:?}");
    let stalled = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Stalled" && condition.status == "True");
    assert!(stalled, "{status:?}");
}

/// Its own status must not wake a HelmApp that failed: the back-off is what decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_no_faster_than_the_back_off() {
    let own = plane::own().await;
    let client = own.plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    let operator = Operator::start(&own.plane, &charts).await;
    let fixture = Fixture::on(client, "backoff", &charts).await;
    let spec = json!({
        "chart": {"path": "demo"},
        "valuesFrom": [{"kind": "ConfigMap", "name": "none"}],
    });
    fixture.app("app", spec).await;
    fixture.refused("app", "ValuesError").await;
    // The fixture's back-off grows from 0.2 s to 1 s, spread down to half of that.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = operator.requests.read();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tries = operator
        .requests
        .since(before)
        .iter()
        .filter(|line| line.starts_with("GET") && line.contains("/configmaps/none"))
        .count();
    assert!((1..=9).contains(&tries), "{tries} tries in 4 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_comes_late_ends_the_failure() {
    let fixture = Fixture::shared("late").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "valuesFrom": [{"kind": "ConfigMap", "name": "values"}]});
    fixture.app("app", spec).await;
    fixture.refused("app", "ValuesError").await;
    let values = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"},
        "data": {"values.yaml": "text: late"}});
    fixture.create::<ConfigMap>(values).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 1);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    eventually("the values are used", within(10), || async {
        let map = maps.get("app").await.map_err(|error| error.to_string())?;
        let text = map.data.unwrap_or_default().remove("text");
        if text.as_deref() == Some("late") {
            Ok(())
        } else {
            Err(format!("{text:?}"))
        }
    })
    .await;
    let app = fixture.apps().get("app").await.unwrap();
    assert!(condition(&app, "Stalled").is_none(), "{:?}", app.status);
}

/// Helm's own tools, and people, put labels on records.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_somebody_touched_is_still_ended() {
    let fixture = Fixture::shared("touched").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let values = json!({"replicas": 1, "tag": "v1", "pod": "crash-loop"});
    let spec = json!({"chart": {"path": chart}, "values": values, "install": {"timeout": "4s"}});
    fixture.app("app", spec).await;
    fixture
        .until("app", |app| {
            app.status
                .as_ref()
                .is_some_and(|status| revision(status) == 1 && !status.inventory.is_empty())
        })
        .await;
    let records: Api<Secret> = fixture.namespace.api();
    let touched = json!({"metadata": {"annotations": {"example.com/seen": "yes"}}});
    records
        .patch(
            "sh.helm.release.v1.app.v1",
            &PatchParams::default(),
            &Patch::Merge(&touched),
        )
        .await
        .unwrap();
    let status = fixture.refused("app", "InstallFailed").await;
    assert_eq!(
        (revision(&status), status.release.unwrap().status.as_str()),
        (1, "failed")
    );
}

/// The HelmApp that waits for a release learns that the other one is gone, even if that one never had it.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_becomes_free_is_taken() {
    let fixture = Fixture::shared("free").await;
    let bad = fixture.chart(
        "bad",
        &[("templates/a.yaml", CONFIG_MAP), ("values.schema.json", SCHEMA)],
    );
    let good = fixture.chart("good", &[("templates/a.yaml", CONFIG_MAP)]);
    let mut first = with_text(&bad, &json!(3));
    first["releaseName"] = json!("shared");
    fixture.app("first", first).await;
    fixture.refused("first", "SchemaViolation").await;
    // creationTimestamp has whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut second = with_text(&good, &json!("one"));
    second["releaseName"] = json!("shared");
    fixture.app("second", second).await;
    fixture.refused("second", "ReleaseClaimed").await;
    fixture.delete("first").await;
    assert_eq!(revision(&fixture.ready("second").await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_there_already_is_followed() {
    let fixture = Fixture::shared("there").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture.app("app", with_text(&chart, &json!("one"))).await;
    fixture.ready("app").await;
    let unguarded = json!({"metadata": {"finalizers": null}});
    fixture
        .apps()
        .patch("app", &PatchParams::default(), &Patch::Merge(&unguarded))
        .await
        .unwrap();
    fixture.delete("app").await;

    fixture.app("app", with_text(&chart, &json!("one"))).await;
    let status = fixture.ready("app").await;
    assert_eq!((revision(&status), status.inventory.len()), (1, 1));
    let maps: Api<ConfigMap> = fixture.namespace.api();
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    eventually("it is put back", within(20), || async {
        match maps.get_opt("app").await {
            Ok(Some(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// A pod that never gets ready. Its health is read, unlike a workload's, which its watch shows.
const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}
  annotations:
    local.helmapp.io/pod: crash-loop
spec:
  containers:
    - name: main
      image: registry.example.com/app:v1
";

/// A revision whose objects can't be looked at has a deadline like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_holds_while_requests_fail() {
    let fixture = Fixture::shared("blind").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", POD)]);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}});
    fixture.create::<ServiceAccount>(account).await;
    fixture
        .namespace
        .apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "tenant"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "patch"]}],
        }))
        .await;
    fixture.namespace.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "tenant"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": fixture.namespace.name}],
    })).await;
    let spec = json!({
        "chart": {"path": chart}, "install": {"timeout": "3s"}, "serviceAccountName": "tenant",
    });
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "InstallFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("not ready within 3 s") && said.contains("get"),
        "{said}"
    );
}

/// What Helm's own client leaves when it is killed: a revision that nobody ends.
enum Left {
    Upgrade,
    Uninstallation,
}

/// How long ago a record was last changed that is left alone for these seconds from now.
const TAKEOVER: i64 = 15 * 60;

async fn leave(fixture: &Fixture, left: Left, seconds: i64) {
    let secrets: Api<Secret> = fixture.namespace.api();
    let name = |revision| format!("sh.helm.release.v1.app.v{revision}");
    let mut record = secrets.get(&name(1)).await.unwrap();
    let text = String::from_utf8(record.data.as_ref().unwrap()["release"].0.clone()).unwrap();
    let mut release = decode(&text, &DecodeLimits::default()).unwrap();
    release.info.status = match left {
        Left::Upgrade => Status::PendingUpgrade,
        Left::Uninstallation => Status::Uninstalling,
    };
    if matches!(left, Left::Upgrade) {
        release.version = 2;
        record.metadata = ObjectMeta::default();
        record.metadata.name = Some(name(2));
    }
    let changed = WriteTime::Modified(Timestamp::now().as_second() - TAKEOVER + seconds);
    record.metadata.labels = Some(secret_labels(&release, changed));
    record.metadata.annotations = None;
    let data = ByteString(encode(&release).unwrap().into_bytes());
    record.data = Some([("release".to_owned(), data)].into());
    match left {
        Left::Upgrade => secrets.create(&PostParams::default(), &record).await.unwrap(),
        Left::Uninstallation => secrets
            .replace(&name(1), &PostParams::default(), &record)
            .await
            .unwrap(),
    };
}

/// Another's pending revision is left alone while it may be worked on, and then taken over without a person.
#[tokio::test(flavor = "multi_thread")]
async fn what_helm_never_ended_is_taken_over() {
    let table = [
        ("upgrading", Left::Upgrade, "pending-upgrade", 3),
        ("uninstalling", Left::Uninstallation, "uninstalling", 2),
    ];
    for (test, left, word, expected) in table {
        let fixture = Fixture::shared(test).await;
        let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
        fixture.app("app", with_text(&chart, &json!("one"))).await;
        fixture.ready("app").await;
        leave(&fixture, left, 6).await;
        fixture.app("app", with_text(&chart, &json!("two"))).await;
        let status = fixture.refused("app", "PendingElsewhere").await;
        assert!(message(&status, "Ready").contains(word), "{status:?}");
        let maps: Api<ConfigMap> = fixture.namespace.api();
        assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");

        let status = fixture.ready("app").await;
        assert_eq!(revision(&status), expected);
        assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "two");
        let earlier = fixture.revisions("app").await;
        let (newest, earlier) = earlier.split_last().unwrap();
        assert_eq!(newest, &(expected, "deployed".to_owned()));
        assert!(
            earlier.iter().all(|(_, status)| status == "superseded"),
            "{earlier:?}"
        );
        fixture.delete("app").await;
        fixture.namespace.left(&[]).await;
    }
}

/// Makes the pods of a Deployment ready that never get so by themselves.
pub async fn heal(fixture: &Fixture) {
    let pods: Api<Pod> = fixture.namespace.api();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let ready =
            json!([{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]);
        let status = json!({"status": {"conditions": ready}});
        let name = pod.metadata.name.unwrap();
        pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_heals_after_its_time_is_deployed() {
    let fixture = Fixture::shared("heals").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let spec = |tag: &str, pod: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": pod});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}})
    };
    fixture.app("app", spec("v1", "")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("v2", "crash-loop")).await;
    let status = fixture.refused("app", "UpgradeFailed").await;
    assert_eq!(revision(&status), 2);
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(
        fixture.revisions("app").await,
        [word(1, "deployed"), word(2, "failed")]
    );
    heal(&fixture).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 2);
    assert_eq!(
        fixture.revisions("app").await,
        [word(1, "superseded"), word(2, "deployed")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_the_charts_fault() {
    let fixture = Fixture::shared("large").await;
    // Each is within the limits of a chart, and all of them more than a record that is read again may have.
    let (file, names) = (
        "0".repeat(9 << 19),
        ["a", "b", "c", "d", "e", "f"].map(|name| format!("files/{name}")),
    );
    let large = names.iter().map(|name| (name.as_str(), file.as_str()));
    let files: Vec<_> = std::iter::once(("templates/a.yaml", CONFIG_MAP))
        .chain(large)
        .collect();
    let chart = fixture.chart("app", &files);
    fixture.app("app", with_text(&chart, &json!("one"))).await;
    let status = fixture.refused("app", "RecordTooLarge").await;
    let said = message(&status, "Stalled");
    assert!(said.contains(".helmignore"), "{said}");
    assert_eq!(fixture.revisions("app").await, []);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert!(maps.get_opt("app").await.unwrap().is_none());
    // Nothing is written for a release that can not be.
    assert_eq!(fixture.namespace.objects().await, ["HelmApp/app"]);
    let app = fixture.apps().get("app").await.unwrap();
    assert_eq!(app.metadata.finalizers.unwrap_or_default(), Vec::<String>::new());
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// The record of the next revision as Helm's own client leaves it after it went back to the first one.
async fn went_back(fixture: &Fixture, revision: i64) {
    let secrets: Api<Secret> = fixture.namespace.api();
    let mut record = secrets.get("sh.helm.release.v1.app.v1").await.unwrap();
    let text = String::from_utf8(record.data.as_ref().unwrap()["release"].0.clone()).unwrap();
    let mut release = decode(&text, &DecodeLimits::default()).unwrap();
    release.version = revision;
    for status in [Status::PendingRollback, Status::Deployed] {
        release.info.status = status;
        let data = ByteString(encode(&release).unwrap().into_bytes());
        let changed = WriteTime::Modified(Timestamp::now().as_second());
        record.metadata = ObjectMeta {
            name: Some(format!("sh.helm.release.v1.app.v{revision}")),
            labels: Some(secret_labels(&release, changed)),
            ..ObjectMeta::default()
        };
        record.data = Some([("release".to_owned(), data)].into());
        let name = record.metadata.name.clone().unwrap();
        if release.info.status == Status::Deployed {
            let marks = json!({
                "name": "app",
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {
                    "meta.helm.sh/release-name": "app",
                    "meta.helm.sh/release-namespace": fixture.namespace.name,
                },
            });
            let text =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": marks, "data": {"text": "one"}});
            let maps: Api<ConfigMap> = fixture.namespace.api();
            let as_helm = PatchParams::apply("helm").force();
            maps.patch("app", &as_helm, &Patch::Apply(&text)).await.unwrap();
            secrets
                .replace(&name, &PostParams::default(), &record)
                .await
                .unwrap();
        } else {
            secrets.create(&PostParams::default(), &record).await.unwrap();
            fixture.refused("app", "PendingElsewhere").await;
        }
    }
}

/// Who goes back with Helm's own client after an upgrade failed has the last word, until the HelmApp is edited.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_somebody_else_went_is_kept() {
    let fixture = Fixture::shared("byhand").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |text: &str, pod: &str| {
        let values = json!({"text": text, "replicas": 1, "tag": "v1", "pod": pod});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}})
    };
    fixture.app("app", spec("one", "")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("two", "crash-loop")).await;
    fixture.refused("app", "UpgradeFailed").await;
    went_back(&fixture, 3).await;
    fixture.refused("app", "UpgradeFailed").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = maps.get("app").await.unwrap();
    assert_eq!(before.data.unwrap()["text"], "one");
    maps.delete("app", &DeleteParams::default()).await.unwrap();
    let made_anew = |map: &ConfigMap| map.metadata.uid != before.metadata.uid;
    let after = until(&maps, "app", within(20), made_anew).await;
    assert_eq!(after.data.unwrap()["text"], "one");
    fixture.app("app", spec("four", "")).await;
    assert_eq!(revision(&fixture.ready("app").await), 4);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}
