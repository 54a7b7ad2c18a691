//! What failed is tried again as often as the spec says, and no more.

use std::time::Duration;

use helmapp::api::{HelmApp, HelmAppStatus};
use serde_json::{Value, json};

use crate::fixture::{DEPLOYMENT, Fixture, Own, condition, message, revision};

fn spec(chart: &str, pod: &str, remediation: &Value) -> Value {
    let values = json!({"replicas": 1, "tag": "v1", "pod": pod});
    let timed = json!({"timeout": "1s", "remediation": remediation});
    let install = json!({"timeout": "1s", "remediation": {"retries": remediation["retries"]}});
    json!({"chart": {"path": chart}, "values": values, "install": install, "upgrade": timed})
}

fn failures(app: &HelmApp) -> u32 {
    let attempt = app
        .status
        .as_ref()
        .and_then(|status| status.last_attempted.as_ref());
    attempt.map_or(0, |attempt| attempt.failures)
}

/// Until this revision is the last and nothing is tried again, and a while after it.
async fn given_up(fixture: &Fixture, last: i64) -> HelmAppStatus {
    fixture
        .until("app", |app| {
            let reached = app.status.as_ref().is_some_and(|status| revision(status) == last);
            reached && condition(app, "Stalled").is_some_and(|stalled| stalled.status == "True")
        })
        .await;
    // The longest pause between two tries is a second here.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = fixture.until("app", |app| app.status.is_some()).await;
    assert_eq!(revision(&status), last, "nothing is tried any more: {status:?}");
    status
}

fn states(status: &HelmAppStatus) -> Vec<(i64, &str)> {
    let entries = status.history.iter();
    entries
        .map(|entry| (entry.revision, entry.status.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_is_undone_and_tried_again() {
    let fixture = Fixture::shared("again").await;
    let chart = fixture.chart("app", &[("templates/b.yaml", DEPLOYMENT)]);
    let remediation = json!({"strategy": "rollback", "retries": 2});
    fixture.app("app", spec(&chart, "", &remediation)).await;
    fixture.ready("app").await;
    fixture.app("app", spec(&chart, "crash-loop", &remediation)).await;
    fixture.until("app", |app| failures(app) == 1).await;
    let status = given_up(&fixture, 7).await;
    let newest: Vec<_> = states(&status).into_iter().take(2).collect();
    assert_eq!(newest, [(7, "deployed"), (6, "failed")]);
    let said = message(&status, "Ready");
    assert!(
        said.contains("it is not tried again (try 3 of 3 failed)"),
        "{said}"
    );
    // What is asked for anew has all its tries.
    fixture.app("app", spec(&chart, "image-pull", &remediation)).await;
    let status = fixture.until("app", |app| failures(app) == 1).await;
    let said = message(&status, "Ready");
    assert!(said.contains("(try 1 of 3 failed)"), "{said}");
    fixture.app("app", spec(&chart, "", &remediation)).await;
    fixture.ready("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_failure_stays_where_the_spec_says_so() {
    let fixture = Fixture::shared("last").await;
    let chart = fixture.chart("app", &[("templates/b.yaml", DEPLOYMENT)]);
    let remediation = json!({"strategy": "rollback", "retries": 1, "remediateLastFailure": false});
    fixture.app("app", spec(&chart, "", &remediation)).await;
    fixture.ready("app").await;
    fixture.app("app", spec(&chart, "crash-loop", &remediation)).await;
    let status = given_up(&fixture, 4).await;
    let newest: Vec<_> = states(&status).into_iter().take(2).collect();
    assert_eq!(newest, [(4, "failed"), (3, "deployed")]);
}

/// Which try it is stands in the companion: another process goes on counting.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_install_is_tried_again_and_a_restart_forgets_no_try() {
    let mut own = Own::start("tries").await;
    let fixture = own.fixture.clone();
    let chart = fixture.chart("app", &[("templates/b.yaml", DEPLOYMENT)]);
    let remediation = json!({"retries": 2});
    fixture.app("app", spec(&chart, "crash-loop", &remediation)).await;
    fixture.until("app", |app| failures(app) == 1).await;
    own.stop();
    own.resume().await;
    let status = given_up(&fixture, 3).await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("it is not tried again (try 3 of 3 failed)"),
        "{said}"
    );
    fixture.app("app", spec(&chart, "", &remediation)).await;
    assert_eq!(revision(&fixture.ready("app").await), 4);
}
