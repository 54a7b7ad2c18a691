//! A release that the operator took away as a remedy, as Helm sees it.

use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, revision};
use crate::helm::{Helm, Version, word};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_taken_away_is_uninstalled_for_helm() {
    let fixture = Fixture::shared("awayhelm").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let spec = |pod: &str| {
        json!({
            "chart": {"path": chart},
            "values": {"text": "one", "replicas": 1, "tag": "v1", "pod": pod},
            "install": {"timeout": "30s"},
            "upgrade": {"timeout": "2s", "remediation": {"strategy": "uninstall"}},
        })
    };
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("crash-loop")).await;
    fixture
        .until("app", |app| {
            let is_away = condition(app, "Remediated").is_some_and(|remediated| remediated.status == "True");
            is_away && app.status.as_ref().is_some_and(|status| revision(status) == 3)
        })
        .await;
    for version in Version::BOTH {
        let helm = Helm::new(version, &fixture).await;
        assert_eq!(
            helm.history("app").await,
            [word(1, "superseded"), word(2, "failed"), word(3, "uninstalled")]
        );
        let history = helm.says(&["history", "app"]).await;
        assert!(history.contains("Uninstallation complete"), "{history}");
        // Version 4 lists all of them.
        let listed = helm.json(&["list"]).await;
        let listed = listed.as_array().unwrap().iter();
        let states: Vec<&str> = listed.filter_map(|one| one["status"].as_str()).collect();
        assert!(states.iter().all(|state| *state == "uninstalled"), "{states:?}");
        let status = helm.json(&["status", "app"]).await;
        assert_eq!(status["info"]["status"], json!("uninstalled"), "{status}");
    }
    // Helm goes back to what was good, and the operator does what the spec says.
    let helm = Helm::new(Version::Three, &fixture).await;
    helm.says(&["rollback", "app", "1"]).await;
    let newest = helm.history("app").await.pop();
    assert_eq!(newest, Some(word(4, "deployed")));
    fixture.app("app", spec("")).await;
    fixture.ready("app").await;
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}
