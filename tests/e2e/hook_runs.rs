//! Hooks and processes that end in the middle of them.

use helmapp_helm::release::HookPhase;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::fixture::{Operator, Own, revision};
use crate::hooks::{chart, jobs, spec, uid};
use crate::support::wait::{eventually, until, within};

fn is_complete(job: &k8s_openapi::api::batch::v1::Job) -> bool {
    let status = job.status.as_ref();
    status
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|all| {
            all.iter()
                .any(|condition| condition.type_ == "Complete" && condition.status == "True")
        })
}

/// A hook that is under way is waited for by the next process, not made anew; so is one that ended while none ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_not_made_twice_for_a_new_process() {
    for ended in [false, true] {
        let mut own = Own::start(&format!("hookrestart-{ended}")).await;
        let seconds = if ended { "1s" } else { "6s" };
        let all: Value = json!([
            {"name": "before", "on": "pre-install", "for": seconds},
            {"name": "next", "on": "pre-install", "weight": 1},
            {"name": "behind", "on": "post-install", "for": seconds},
        ]);
        let wanted = spec(&chart(&own.fixture), "one", all);
        own.fixture.app("app", wanted).await;
        let mut uids = Vec::new();
        for name in ["before", "behind"] {
            until(&jobs(&own.fixture), name, within(60), |_| true).await;
            uids.push(uid(&own.fixture, name).await);
            own.stop();
            if ended {
                until(&jobs(&own.fixture), name, within(30), is_complete).await;
            }
            own.resume().await;
        }
        let status = own.fixture.ready("app").await;
        assert_eq!(revision(&status), 1);
        for (name, was) in ["before", "behind"].into_iter().zip(uids) {
            assert_eq!(uid(&own.fixture, name).await, was, "{name}, ended: {ended}");
        }
        let record = own.fixture.record("app", 1).await;
        assert!(
            record
                .hooks
                .iter()
                .all(|hook| hook.last_run.phase == HookPhase::Succeeded),
            "{:?}",
            record.hooks
        );
        own.fixture.delete("app").await;
        own.fixture.namespace.left(&[]).await;
    }
}

/// What hooks did is no part of a record that has ended, and nothing is asked while nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_hooks_costs_nothing_when_it_is_steady() {
    let mut own = Own::start("hooksteady").await;
    let all = json!([{"name": "before", "on": "pre-install"}, {"name": "behind", "on": "post-install"}]);
    own.fixture
        .app("app", spec(&chart(&own.fixture), "one", all))
        .await;
    own.fixture.ready("app").await;
    let secrets: Api<Secret> = own.fixture.namespace.api();
    let record = secrets.get("sh.helm.release.v1.app.v1").await.unwrap();
    assert_eq!(record.metadata.annotations, None);
    own.resume().await;
    own.fixture.ready("app").await;
    tokio::time::sleep(within(3)).await;
    let before = own.operator().requests.read();
    tokio::time::sleep(within(3)).await;
    assert_eq!(own.operator().requests.since(before), [""; 0]);
    // What a person deletes is not made again, and status tells.
    jobs(&own.fixture)
        .delete("before", &DeleteParams::background())
        .await
        .unwrap();
    own.fixture
        .until("app", |app| {
            let inventory = app.status.iter().flat_map(|status| &status.inventory);
            let hooks: Vec<&str> = inventory
                .filter(|entry| entry.hook)
                .map(|entry| entry.name.as_str())
                .collect();
            hooks == ["behind"]
        })
        .await;
    assert_eq!(uid(&own.fixture, "before").await, None);
}

/// A process that has been replaced and does not know it: what it began is the other's, and is done once.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_goes_on_with_a_revision() {
    let own = Own::idle("twooperators").await;
    let first = Operator::start_named(own.plane(), own.charts(), "first").await;
    let all = json!([
        {"name": "before", "on": "pre-install", "for": "6s"},
        {"name": "behind", "on": "post-install", "for": "2s"},
    ]);
    own.fixture
        .app("app", spec(&chart(&own.fixture), "one", all))
        .await;
    until(&jobs(&own.fixture), "before", within(60), |_| true).await;
    let before = uid(&own.fixture, "before").await;
    let second = Operator::start_named(own.plane(), own.charts(), "second").await;
    let secrets: Api<Secret> = own.fixture.namespace.api();
    let is_seconds = |secret: &Secret| {
        let annotations = secret.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get("helmapp.io/holder"))
            .is_some_and(|holder| holder == "second")
    };
    until(&secrets, "sh.helm.release.v1.app.v1", within(30), is_seconds).await;
    until(&jobs(&own.fixture), "behind", within(60), |_| true).await;
    let behind = uid(&own.fixture, "behind").await;
    let word = |word: &str| (1, word.to_owned());
    eventually("it is deployed", within(60), || async {
        let revisions = own.fixture.revisions("app").await;
        if revisions == [word("deployed")] {
            Ok(())
        } else {
            Err(format!("{revisions:?}"))
        }
    })
    .await;
    assert_eq!(uid(&own.fixture, "before").await, before);
    assert_eq!(uid(&own.fixture, "behind").await, behind);
    let record = own.fixture.record("app", 1).await;
    assert!(
        record
            .hooks
            .iter()
            .all(|hook| hook.last_run.phase == HookPhase::Succeeded),
        "{:?}",
        record.hooks
    );
    let made = |operator: &Operator| {
        let lines = operator.requests.since(0).into_iter();
        lines
            .filter(|line| line.starts_with("POST") && line.contains("/jobs?") && !line.contains("dryRun"))
            .count()
    };
    assert_eq!(
        (made(&first), made(&second)),
        (1, 1),
        "each hook was made by one of them"
    );
    first.stop();
    own.fixture.ready("app").await;
    second.stop();
}
