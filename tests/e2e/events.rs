//! Events for each transition: that a step began, where that is worth a line, and how it ended.

use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture};
use crate::support::wait::{eventually, within};

/// Reasons and messages of the events of a HelmApp, oldest first.
async fn told(fixture: &Fixture, app: &str) -> Vec<(String, String)> {
    let events: Api<Event> = fixture.namespace.api();
    let fields = format!("involvedObject.kind=HelmApp,involvedObject.name={app}");
    let mut found = events
        .list(&ListParams::default().fields(&fields))
        .await
        .unwrap()
        .items;
    found.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
    found
        .into_iter()
        .map(|event| {
            (
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default(),
            )
        })
        .collect()
}

async fn tells(fixture: &Fixture, app: &str, expected: &[(&str, &str)]) {
    eventually("the events are there", within(30), || async {
        let found = told(fixture, app).await;
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|((reason, message), (wanted, part))| reason == wanted && message.contains(part));
        if same { Ok(()) } else { Err(format!("{found:#?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_at_once_is_told_once_and_an_uninstall_always_begins() {
    let fixture = Fixture::shared("quick").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    for text in ["one", "two"] {
        fixture
            .app("app", json!({"chart": {"path": chart}, "values": {"text": text}}))
            .await;
        fixture.ready("app").await;
    }
    fixture.delete("app").await;
    let release = format!("release {}/app", fixture.namespace.name);
    tells(
        &fixture,
        "app",
        &[
            ("InstallSucceeded", "app 1.2.3, revision 1"),
            ("UpgradeSucceeded", "app 1.2.3, revision 2"),
            ("Progressing", &format!("uninstall of {release} is under way")),
            ("UninstallSucceeded", &format!("{release} is uninstalled")),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_its_time_is_told_when_it_begins() {
    let fixture = Fixture::shared("slow").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", DEPLOYMENT)]);
    let spec = |pod: &str| {
        json!({
            "chart": {"path": chart}, "values": {"replicas": 1, "tag": "v1", "pod": pod},
            "upgrade": {"timeout": "13s", "remediation": {"strategy": "rollback"}},
        })
    };
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    let before = told(&fixture, "app").await;
    fixture.app("app", spec("image-pull")).await;
    fixture
        .until("app", |app| {
            crate::fixture::condition(app, "Remediated").is_some_and(|found| found.status == "True")
        })
        .await;
    eventually("the events are there", within(30), || async {
        let found = told(&fixture, "app").await;
        let new: Vec<_> = found.iter().filter(|event| !before.contains(event)).collect();
        let has = |place: usize, reason: &str, part: &str| {
            new.get(place)
                .is_some_and(|(found, message)| found == reason && message.contains(part))
        };
        let begins = has(0, "Progressing", "Upgrade to revision 2 is under way: app 1.2.3");
        let fails = has(1, "UpgradeFailed", "");
        let ends = new
            .last()
            .is_some_and(|(reason, _)| reason == "RollbackSucceeded");
        if begins && fails && ends {
            Ok(())
        } else {
            Err(format!("{new:#?}"))
        }
    })
    .await;
}
