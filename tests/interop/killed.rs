//! Helm's client ends in the middle: its revision is left alone while it may go on, and then taken over.

use std::process::Stdio;

use helmapp_helm::release::secret_name;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::adoption::client_side;
use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, message, revision};
use crate::helm::{Helm, Version, word};
use crate::support::wait::{until, within};

/// Starts Helm, and kills it once it waits for pods that never get ready.
async fn killed(helm: &Helm, fixture: &Fixture, arguments: &[&str], number: i64) {
    let mut command = helm.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().expect("Helm runs");
    let secrets: Api<Secret> = fixture.namespace.api();
    until(&secrets, &secret_name("shop", number), within(60), |_| true).await;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = fixture.namespace.api();
    until(&deployments, "shop", within(60), |_| true).await;
    client.kill().expect("it runs");
    client.wait().expect("it ends");
}

/// As if the revision had been left so for that long.
pub async fn quiet(fixture: &Fixture, release: &str, number: i64, seconds: i64) {
    let secrets: Api<Secret> = fixture.namespace.api();
    let then = (Timestamp::now().as_second() - seconds).to_string();
    let patch: Value = json!({"metadata": {"labels": {"modifiedAt": then}}});
    secrets
        .patch(
            &secret_name(release, number),
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .expect("the record is there");
}

async fn is_taken_over(version: Version, test: &str) {
    let fixture = Fixture::shared(test).await;
    let helm = Helm::new(version, &fixture).await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", DEPLOYMENT)],
    );
    let directory = fixture.charts.join(&chart).display().to_string();
    let values = "text=helm,replicas=1,tag=v1,pod=crash-loop";
    let arguments = [
        "install",
        "shop",
        &directory,
        "--set",
        values,
        "--wait",
        "--timeout",
        "10m",
    ];
    killed(&helm, &fixture, &arguments, 1).await;
    assert_eq!(helm.history("shop").await, [word(1, "pending-install")]);

    let values = json!({"text": "ours", "replicas": 1, "tag": "v1", "pod": ""});
    fixture
        .app("shop", json!({"chart": {"path": chart}, "values": values}))
        .await;
    let status = fixture.refused("shop", "PendingElsewhere").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("pending-install") && said.contains("taken over in"),
        "{said}"
    );
    quiet(&fixture, "shop", 1, 16 * 60).await;
    assert_eq!(revision(&fixture.ready("shop").await), 2);
    assert_eq!(
        helm.history("shop").await,
        [word(1, "superseded"), word(2, "deployed")]
    );
    assert_eq!(client_side(&fixture, "shop").await, Vec::<String>::new());

    // The same in the middle of an upgrade.
    let values = "text=helm,replicas=1,tag=v2,pod=crash-loop";
    let arguments = [
        "upgrade",
        "shop",
        &directory,
        "--set",
        values,
        "--wait",
        "--timeout",
        "10m",
    ];
    killed(&helm, &fixture, &arguments, 3).await;
    let status = fixture
        .until("shop", |app| {
            let ready = crate::fixture::condition(app, "Ready");
            ready.is_some_and(|ready| ready.reason == "PendingElsewhere")
        })
        .await;
    assert!(
        message(&status, "Ready").contains("pending-upgrade"),
        "{status:?}"
    );
    quiet(&fixture, "shop", 3, 16 * 60).await;
    fixture
        .until("shop", |app| {
            app.status.as_ref().is_some_and(|status| revision(status) == 4)
        })
        .await;
    fixture.ready("shop").await;
    let history = helm.history("shop").await;
    assert_eq!(history.last(), Some(&word(4, "deployed")), "{history:?}");
    fixture.delete("shop").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_helm_3_left_is_taken_over() {
    is_taken_over(Version::Three, "killed3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_helm_4_left_is_taken_over() {
    is_taken_over(Version::Four, "killed4").await;
}
