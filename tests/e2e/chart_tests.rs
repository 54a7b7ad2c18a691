//! A chart's tests: as a part of a revision, turned on later, and asked for.

use std::process::Output;

use helmapp_helm::release::HookPhase;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Fixture, condition, condition_of, message, revision};
use crate::hooks::{chart, spec, uid};
use crate::support::plane;

/// A HelmApp whose tests are these Jobs.
async fn with_tests(fixture: &Fixture, test: Value, jobs: Value) -> Value {
    let mut wanted = spec(&chart(fixture), "one", jobs);
    wanted["test"] = test;
    fixture.app("app", wanted.clone()).await;
    wanted
}

fn phases(status: &helmapp::api::HelmAppStatus) -> Vec<String> {
    let tests = status.test.iter().flat_map(|test| &test.tests);
    tests
        .map(|test| format!("{} {}", test.name, test.phase))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_deployed_when_its_tests_passed() {
    let fixture = Fixture::shared("tested").await;
    let all = json!([
        {"name": "second", "on": "test", "weight": 1},
        {"name": "first", "on": "test"},
        {"name": "not", "on": "test", "pod": "fail"},
    ]);
    let test = json!({"enable": true, "filters": [{"name": "not", "exclude": true}]});
    with_tests(&fixture, test, all).await;
    let status = fixture.ready("app").await;
    assert_eq!(condition_of(&status, "TestSucceeded").status, "True");
    assert_eq!(phases(&status), ["first Succeeded", "second Succeeded"]);
    assert_eq!(uid(&fixture, "not").await, None);
    let record = fixture.record("app", 1).await;
    let ran = record
        .hooks
        .iter()
        .filter(|hook| hook.last_run.phase == HookPhase::Succeeded);
    assert_eq!(ran.count(), 2);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_fails_fails_the_revision_unless_that_is_ignored() {
    let table = [
        ("none", false, "UpgradeFailed", &["deployed", "failed"][..]),
        (
            "rollback",
            false,
            "UpgradeFailed",
            &["superseded", "failed", "deployed"],
        ),
        ("none", true, "UpgradeSucceeded", &["superseded", "deployed"]),
    ];
    for (strategy, ignored, reason, words) in table {
        let fixture = Fixture::shared(&format!("testfails-{strategy}-{ignored}")).await;
        let test = json!({"enable": true, "ignoreFailures": ignored});
        let mut wanted = with_tests(&fixture, test, json!([])).await;
        fixture.ready("app").await;
        wanted["values"]["jobs"] = json!([{"name": "check", "on": "test", "pod": "fail"}]);
        wanted["upgrade"] = json!({"remediation": {"strategy": strategy}});
        fixture.app("app", wanted).await;
        let status = fixture
            .until("app", |app| {
                let ready = condition(app, "Ready").is_some_and(|ready| ready.reason == reason);
                let newest = app
                    .status
                    .as_ref()
                    .is_some_and(|status| revision(status) == words.len() as i64);
                let ended = app.status.iter().filter_map(|status| status.release.as_ref());
                ready
                    && newest
                    && ended
                        .into_iter()
                        .all(|ended| !ended.status.starts_with("pending"))
            })
            .await;
        let revisions = fixture.revisions("app").await;
        let got: Vec<&str> = revisions.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(got, words, "{strategy} {ignored}");
        if strategy == "none" {
            let tested = condition_of(&status, "TestSucceeded");
            assert_eq!(
                (tested.status.as_str(), tested.reason.as_str()),
                ("False", "TestFailed")
            );
            assert_eq!(phases(&status), ["check Failed"]);
        }
        if !ignored {
            assert!(
                message(&status, "Ready").contains("test hook Job check"),
                "{status:?}"
            );
        }
    }
}

/// What is turned on for a revision that is deployed runs, and fails nothing but itself.
#[tokio::test(flavor = "multi_thread")]
async fn tests_that_are_turned_on_later_run() {
    let fixture = Fixture::shared("testlater").await;
    let all = json!([{"name": "check", "on": "test", "pod": "fail"}]);
    let mut wanted = with_tests(&fixture, json!({}), all).await;
    let status = fixture.ready("app").await;
    assert!(status.test.is_none() && uid(&fixture, "check").await.is_none());
    wanted["test"] = json!({"enable": true});
    fixture.app("app", wanted).await;
    let status = fixture
        .until("app", |app| {
            condition(app, "TestSucceeded").is_some_and(|tested| tested.status == "False")
        })
        .await;
    assert_eq!(
        (phases(&status), revision(&status)),
        (vec!["check Failed".to_owned()], 1)
    );
    let tested = message(&status, "TestSucceeded");
    assert!(
        tested.contains("the end of the log of container main"),
        "{tested}"
    );
    assert_eq!(fixture.revisions("app").await, [(1, "deployed".to_owned())]);
    let record = fixture.record("app", 1).await;
    assert_eq!(record.hooks[0].last_run.phase, HookPhase::Failed);
    assert_eq!(condition_of(&fixture.ready("app").await, "Ready").status, "True");
}

async fn helmapp(fixture: &Fixture, arguments: &[&str]) -> Output {
    let kubeconfig = plane::shared().await.kubeconfig_path().to_owned();
    let namespace = fixture.namespace.name.clone();
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        std::process::Command::new(env!("CARGO_BIN_EXE_helmapp"))
            .args(arguments)
            .args(["-n", &namespace, "--kubeconfig"])
            .arg(kubeconfig)
            .output()
            .expect("it runs")
    })
    .await
    .expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_for_tests_and_sees_how_each_went() {
    let fixture = Fixture::shared("testasked").await;
    let good = json!([{"name": "check", "on": "test"}]);
    let mut wanted = with_tests(&fixture, json!({}), good).await;
    fixture.ready("app").await;
    let output = helmapp(&fixture, &["test", "app", "--logs"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.starts_with("Succeeded  Job check") && text.contains("\nJob check:\n"),
        "{text}"
    );
    let first = uid(&fixture, "check").await;
    // Each question is another run.
    assert!(helmapp(&fixture, &["test", "app"]).await.status.success());
    assert_ne!(uid(&fixture, "check").await, first);
    wanted["values"]["jobs"][0]["pod"] = json!("fail");
    fixture.app("app", wanted).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let output = helmapp(&fixture, &["test", "app"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("Failed     Job check")
    );
    // The annotation that asked is no question any more.
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"note": "x"}}}));
    fixture
        .apps()
        .patch("app", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let last = uid(&fixture, "check").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(uid(&fixture, "check").await, last);
    assert_eq!(revision(&fixture.ready("app").await), 2);
}
