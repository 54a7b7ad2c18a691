//! What conditions say after what.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn report(last: HelmAppStatus, generation: i64, second: i64) -> Report {
    Report::new(last, generation, at(second))
}

fn summary(status: &HelmAppStatus) -> Vec<(&str, &str, &str)> {
    status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()))
        .collect()
}

#[test]
fn ready_reconciling_and_stalled_follow_kstatus() {
    type Step = (
        fn(&mut Report),
        &'static [(&'static str, &'static str, &'static str)],
    );
    let steps: [Step; 6] = [
        (
            |r| {
                r.progressing("Progressing", "installing");
            },
            &[
                ("Ready", "Unknown", "Progressing"),
                ("Reconciling", "True", "Progressing"),
            ],
        ),
        (
            |r| {
                r.retrying("ArtifactFailed", "no answer");
            },
            &[
                ("Ready", "False", "ArtifactFailed"),
                ("Reconciling", "True", "ArtifactFailed"),
            ],
        ),
        (
            |r| {
                r.stalled("RenderFailed", "bad");
            },
            &[
                ("Ready", "False", "RenderFailed"),
                ("Stalled", "True", "RenderFailed"),
            ],
        ),
        (
            |r| {
                r.ready("InstallSucceeded", "done")
                    .released(true, "InstallSucceeded", "done");
            },
            &[
                ("Ready", "True", "InstallSucceeded"),
                ("Released", "True", "InstallSucceeded"),
            ],
        ),
        (
            |r| {
                r.suspended();
            },
            &[
                ("Ready", "True", "InstallSucceeded"),
                ("Stalled", "True", "Suspended"),
                ("Released", "True", "InstallSucceeded"),
            ],
        ),
        (
            |r| {
                r.degraded("HealthCheckFailed", "pod crashes")
                    .healthy(false, "HealthCheckFailed", "x");
            },
            &[
                ("Ready", "False", "HealthCheckFailed"),
                ("Released", "True", "InstallSucceeded"),
                ("Healthy", "False", "HealthCheckFailed"),
            ],
        ),
    ];
    let mut status = HelmAppStatus::default();
    for (second, (step, expected)) in (0..).zip(steps) {
        let mut next = report(status, 4, second);
        step(&mut next);
        status = next.build();
        assert_eq!(summary(&status), expected, "step {second}");
        assert_eq!(status.observed_generation, Some(4));
    }
}

#[test]
fn the_time_of_a_condition_changes_with_its_status_only() {
    let mut first = report(HelmAppStatus::default(), 1, 0);
    first.retrying("ArtifactFailed", "one");
    let mut second = report(first.build(), 2, 9);
    second.retrying("Forbidden", "two");
    let ready = second.condition("Ready").unwrap();
    assert_eq!(ready.last_transition_time.0, at(0));
    assert_eq!(
        (ready.reason.as_str(), ready.message.as_str()),
        ("Forbidden", "two")
    );
    assert_eq!(ready.observed_generation, Some(2));
    second.ready("UpgradeSucceeded", "three");
    assert_eq!(second.condition("Ready").unwrap().last_transition_time.0, at(9));
}

#[test]
fn failures_are_counted_until_a_success() {
    let mut all = report(HelmAppStatus::default(), 1, 0);
    all.retrying("ArtifactFailed", "x")
        .stalled("RenderFailed", "x")
        .progressing("Progressing", "x");
    assert_eq!(all.status.failures, 2);
    all.ready("InstallSucceeded", "x");
    assert_eq!(all.status.failures, 0);
}

#[test]
fn nothing_new_leaves_the_status_equal() {
    let mut first = report(HelmAppStatus::default(), 1, 0);
    first
        .ready("InstallSucceeded", "x")
        .healthy(true, "HealthCheckSucceeded", "y");
    let status = first.build();
    let mut second = report(status.clone(), 1, 60);
    second
        .ready("InstallSucceeded", "x")
        .healthy(true, "HealthCheckSucceeded", "y");
    assert_eq!(second.build(), status);
}

#[test]
fn long_texts_and_lists_are_bounded() {
    let mut all = report(HelmAppStatus::default(), 1, 0);
    all.stalled("RenderFailed", &"é".repeat(5000));
    let message = &all.condition("Ready").unwrap().message;
    assert!(
        message.len() <= MAX_MESSAGE && message.contains("é … é"),
        "{}",
        message.len()
    );

    all.history(
        (1..=30)
            .map(|revision| HistoryEntry {
                revision,
                ..HistoryEntry::default()
            })
            .collect(),
    );
    let revisions: Vec<i64> = all.status.history.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, (21..=30).rev().collect::<Vec<_>>());

    let entry = |index: usize| InventoryEntry {
        name: format!("o{index}"),
        health: Some(if index == 249 { "Failed" } else { "Ready" }.to_owned()),
        ..InventoryEntry::default()
    };
    all.inventory((0..250).map(entry).collect());
    assert_eq!(all.status.inventory_total, Some(250));
    assert_eq!(all.status.inventory.len(), MAX_INVENTORY);
    assert_eq!(all.status.inventory[0].name, "o249");
    all.inventory((0..2).map(entry).collect());
    let names: Vec<&str> = all
        .status
        .inventory
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["o0", "o1"]);
}
