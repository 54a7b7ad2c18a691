//! What wakes whom, through the whole memory.

use serde_json::{Value, json};

use super::*;

fn app() -> AppKey {
    AppKey {
        namespace: "apps".into(),
        name: "demo".into(),
    }
}

fn id() -> ObjectId {
    of_kind("ConfigMap")
}

fn of_kind(kind: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        kind: kind.into(),
        namespace: "web".into(),
        name: "c".into(),
    }
}

/// The object as a watch or an apply shows it: its version, and the fields that we own.
fn live(version: u64, fields: Value) -> ObjectMeta {
    serde_json::from_value(json!({
        "namespace": "web", "name": "c", "uid": "u", "resourceVersion": version.to_string(),
        "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": fields}],
    }))
    .unwrap()
}

fn basis() -> Basis {
    Basis {
        uid: "u".into(),
        generation: 1,
        references: vec![],
        newest: None,
        capabilities: "c".into(),
    }
}

#[tokio::test]
async fn a_decision_stands_until_an_object_is_touched() {
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id(), "v1")]);
    memory.applied(&app(), &id(), &live(10, json!({"f:a": {}})), Health::Ready);
    memory.decided(&app(), Some(basis()));
    assert_eq!(memory.standing(&app()), Some(basis()));
    memory.saw_object(&app(), &id(), "v1", &Sight::of(&live(11, json!({}))));
    assert!(woken.try_recv().is_ok());
    assert_eq!(memory.standing(&app()), None);
    assert_eq!(memory.dirty(&app()).len(), 1);
}

#[tokio::test]
async fn a_workload_that_is_not_ready_is_looked_at_after_a_while() {
    let id = of_kind("Job");
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id, "v1")]);
    let waiting = Health::Progressing("0 of 1".into());
    memory.applied(&app(), &id, &live(10, json!({})), waiting);
    for version in 11..14 {
        memory.saw_object(&app(), &id, "v1", &Sight::of(&live(version, json!({}))));
    }
    assert!(woken.try_recv().is_err());
    assert_eq!(memory.to_look_at(&app()).len(), 1);
    tokio::time::sleep(DEBOUNCE * 2).await;
    assert!(
        woken.try_recv().is_ok() && woken.try_recv().is_err(),
        "woken once"
    );
    memory.looked(&app(), &id, Some(&live(13, json!({}))), Health::Ready);
    assert!(memory.to_look_at(&app()).is_empty());
}

#[tokio::test]
async fn records_and_references_wake_whose_they_are() {
    let (memory, mut woken) = Memory::new();
    let release = ReleaseKey::new("web", "demo");
    memory.own(&release, &app());
    let record: ObjectMeta = serde_json::from_value(json!({
        "namespace": "web", "name": "sh.helm.release.v1.demo.v1", "resourceVersion": "7",
        "labels": {"owner": "helm", "status": "deployed"},
    }))
    .unwrap();
    memory.saw_record(&record, true);
    assert!(woken.try_recv().is_ok());
    memory.saw_record(&record, true);
    assert!(woken.try_recv().is_err(), "no news");
    memory.saw_record(&record, false);
    assert!(woken.try_recv().is_ok());
    assert!(memory.records(&release).is_empty());

    let reference = Reference {
        kind: "Secret",
        namespace: "web".into(),
        name: "values".into(),
    };
    memory.refer(&app(), std::slice::from_ref(&reference));
    memory.saw_reference(&reference, "8", true);
    assert!(woken.try_recv().is_ok());
    memory.forget(&app());
    memory.saw_reference(&reference, "9", true);
    memory.saw_record(&record, true);
    assert!(woken.try_recv().is_err(), "forgotten");
}
