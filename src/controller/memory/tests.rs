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
        renewal: None,
        references: vec![],
        newest: None,
        capabilities: "c".into(),
    }
}

#[tokio::test]
async fn what_touches_an_object_wakes_its_helmapp() {
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id(), "v1")]);
    memory.applied(&app(), &id(), &live(10, json!({"f:a": {}})), Health::Ready);
    assert!(memory.dirty(&app()).is_empty());
    memory.saw_object(&app(), &id(), "v1", &Sight::of(&live(11, json!({}))), || true);
    assert!(woken.try_recv().is_ok());
    assert_eq!(memory.dirty(&app()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_not_ready_is_looked_at_after_a_while() {
    let id = of_kind("Job");
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id, "v1")]);
    let waiting = Health::Progressing("0 of 1".into());
    memory.applied(&app(), &id, &live(10, json!({})), waiting);
    for version in 11..14 {
        memory.saw_object(&app(), &id, "v1", &Sight::of(&live(version, json!({}))), || true);
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

#[tokio::test(start_paused = true)]
async fn the_longer_a_workload_takes_the_longer_events_are_gathered() {
    let id = of_kind("Deployment");
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id, "v1")]);
    let waiting = || Health::Progressing("0 of 9".into());
    memory.applied(&app(), &id, &live(10, json!({})), waiting());
    let table = [(0, 200), (300, 501), (2000, 1000), (10_000, 1000)];
    for (version, (passed, debounce)) in (11..).zip(table) {
        tokio::time::sleep(Duration::from_millis(passed)).await;
        let seen = live(version, json!({}));
        memory.saw_object(&app(), &id, "v1", &Sight::of(&seen), || true);
        tokio::time::sleep(Duration::from_millis(debounce - 1)).await;
        assert!(woken.try_recv().is_err(), "{passed}: too early");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(woken.try_recv().is_ok(), "{passed}: too late");
        memory.looked(&app(), &id, Some(&seen), waiting());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missing_and_is_there_needs_no_long_pause() {
    let id = of_kind("Deployment");
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id, "v1")]);
    let waiting = Health::Progressing("0 of 9".into());
    memory.applied(&app(), &id, &live(10, json!({})), waiting);
    let see = |version, hint| {
        let sight = Sight::of(&live(version, json!({}))).hinted(hint);
        memory.saw_object(&app(), &id, "v1", &sight, || true);
    };
    see(11, Hint::MayBeReady);
    tokio::time::sleep(DEBOUNCE * 2).await;
    assert!(woken.try_recv().is_err(), "it was just applied");
    see(12, Hint::Unready("some are missing"));
    see(13, Hint::MayBeReady);
    tokio::time::sleep(DEBOUNCE * 2).await;
    assert!(woken.try_recv().is_ok(), "nothing is missing any more");
    memory.looked(&app(), &id, Some(&live(13, json!({}))), Health::Ready);
    tokio::time::sleep(LONG_PAUSE).await;
    assert!(woken.try_recv().is_err(), "woken once");
    assert!(memory.to_look_at(&app()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_can_not_be_ready_is_left_alone_for_a_while() {
    let id = of_kind("Deployment");
    let (memory, mut woken) = Memory::new();
    memory.want(&app(), 1, [(&id, "v1")]);
    let waiting = Health::Progressing("0 of 9".into());
    memory.applied(&app(), &id, &live(10, json!({})), waiting);
    for version in 11..14 {
        let sight = Sight::of(&live(version, json!({}))).hinted(Hint::Unready("some are missing"));
        memory.saw_object(&app(), &id, "v1", &sight, || true);
    }
    tokio::time::sleep(PATIENCE / 2).await;
    assert!(woken.try_recv().is_err() && memory.to_look_at(&app()).is_empty());
    tokio::time::sleep(PATIENCE).await;
    assert!(
        woken.try_recv().is_ok() && woken.try_recv().is_err(),
        "woken once"
    );
    assert_eq!(memory.to_look_at(&app()).len(), 1);
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

#[tokio::test]
async fn objects_that_only_claim_to_be_of_a_helmapp_are_not_remembered() {
    let (memory, mut woken) = Memory::new();
    let sight = Sight::of(&live(10, json!({})));
    for number in 0..3 {
        let nobody = AppKey {
            name: number.to_string(),
            ..app()
        };
        memory.saw_object(&nobody, &id(), "v1", &sight, || false);
    }
    assert_eq!(memory.lock().apps.len(), 0);
    memory.saw_object(&app(), &id(), "v1", &sight, || true);
    assert_eq!(memory.kinds_of(&app()).len(), 1, "it may be asked for later");
    memory.retain(|_| true);
    assert_eq!(memory.lock().apps.len(), 1);
    memory.retain(|_| false);
    assert_eq!(memory.lock().apps.len(), 0);
    let gone = Sight::gone(&live(11, json!({})));
    memory.saw_object(&app(), &id(), "v1", &gone, || true);
    assert_eq!(memory.lock().apps.len(), 0, "nothing is there to remember");
    assert!(woken.try_recv().is_err());
}

/// Bytes that this process has taken, without its program; `None` where the system does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss_Anon:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// A settled release of three objects, two revisions and one referenced Secret, as the watches tell of it.
fn settled(memory: &Arc<Memory>, number: usize) {
    let name = format!("demo-{number:05}");
    let app = AppKey {
        namespace: "apps".into(),
        name: name.clone(),
    };
    let release = ReleaseKey::new("apps", &name);
    let reference = Reference {
        kind: "Secret",
        namespace: "apps".into(),
        name: format!("{name}-values"),
    };
    memory.own(&release, &app);
    memory.refer(&app, std::slice::from_ref(&reference));
    memory.saw_reference(&reference, "123456", true);
    for revision in 1..=2 {
        let record = json!({
            "namespace": "apps", "name": format!("sh.helm.release.v1.{name}.v{revision}"),
            "uid": "11111111-2222-3333-4444-555555555555", "resourceVersion": "1234567",
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"owner": "helm", "status": "deployed"},
        });
        memory.saw_record(&serde_json::from_value(record).unwrap(), true);
    }
    let objects: Vec<ObjectId> = [("", "ServiceAccount"), ("", "Service"), ("apps", "Deployment")]
        .map(|(group, kind)| ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "apps".into(),
            name: name.clone(),
        })
        .into();
    memory.want(&app, 2, objects.iter().map(|id| (id, "v1")));
    for id in &objects {
        let live: ObjectMeta = serde_json::from_value(json!({
            "uid": "11111111-2222-3333-4444-555555555555", "resourceVersion": "1234567",
        }))
        .unwrap();
        memory.applied(&app, id, &live, Health::Ready);
        memory.saw_object(&app, id, "v1", &Sight::of(&live), || true);
    }
    let basis = Basis {
        references: vec![(reference, Some("123456".into()))],
        newest: Some((2, "1234567".into())),
        ..basis()
    };
    memory.decided(&app, Some(basis));
}

/// The budget of the whole process is 8 KiB for a further release; its HelmApp takes some of that. It is measured in
/// a process of its own, as other tests take memory as well.
#[test]
fn a_settled_release_stays_small() {
    const ALONE: &str = "HELMAPP_TEST_ALONE";
    const RELEASES: usize = 5_000;
    const MOST: u64 = 5 * 1024;
    if std::env::var_os(ALONE).is_none() {
        let program = std::env::current_exe().unwrap();
        let name = "controller::memory::tests::a_settled_release_stays_small";
        let alone = std::process::Command::new(program)
            .args([name, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        let said: Vec<&str> = said.lines().filter(|line| line.starts_with("memory: ")).collect();
        println!("{}", said.join("\n"));
        assert!(
            alone.status.success(),
            "{}",
            String::from_utf8_lossy(&alone.stderr)
        );
        assert_eq!(said.len(), 1, "it was measured, or said why not");
        return;
    }
    let Some(before) = resident() else {
        println!("memory: not measured, as this system has no /proc/self/smaps_rollup");
        return;
    };
    let (memory, mut woken) = Memory::new();
    for number in 0..RELEASES {
        settled(&memory, number);
        while woken.try_recv().is_ok() {}
    }
    let taken = resident().unwrap_or_default().saturating_sub(before) / RELEASES as u64;
    println!("memory: {taken} bytes a release");
    assert!(taken <= MOST, "{taken} bytes a release");
    assert_eq!(memory.records(&ReleaseKey::new("apps", "demo-00007")).len(), 2);
}
