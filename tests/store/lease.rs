//! Of several processes one leads, and another takes over when it goes or falls silent.

use std::time::Duration;

use futures::FutureExt as _;
use helmapp::{
    leader::{Elector, Lost},
    settings::Election,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::support::{namespace::TestNamespace, plane};

fn election(namespace: &TestNamespace) -> Election {
    Election {
        namespace: namespace.name.clone(),
        name: "helmapp".to_owned(),
        duration: Duration::from_secs(3),
        renew: Duration::from_millis(300),
    }
}

async fn holder(namespace: &TestNamespace) -> (String, i32) {
    let api: Api<Lease> = namespace.api();
    let spec = api.get("helmapp").await.unwrap().spec.unwrap();
    (
        spec.holder_identity.unwrap_or_default(),
        spec.lease_transitions.unwrap_or_default(),
    )
}

#[tokio::test]
async fn the_lead_is_kept_handed_over_and_taken_from_the_silent() {
    let namespace = TestNamespace::create(plane::client().await, "lease").await;
    let elector = |name: &str| Elector::new(namespace.client.clone(), election(&namespace), name);
    let first = elector("first").acquire().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let keeping = tokio::spawn(first.keep(stopped.map(|_| ())));
    let second = elector("second");
    assert!(
        timeout(Duration::from_secs(5), second.acquire()).await.is_err(),
        "it is renewed beyond its duration"
    );
    assert_eq!(holder(&namespace).await, ("first".to_owned(), 0));

    drop(stop);
    keeping.await.unwrap().unwrap();
    let given_up = Instant::now();
    let silent = timeout(Duration::from_secs(2), second.acquire())
        .await
        .expect("it was given up");
    assert!(given_up.elapsed() < Duration::from_secs(2));
    assert_eq!(holder(&namespace).await, ("second".to_owned(), 1));

    let waiting = Instant::now();
    let third = timeout(Duration::from_secs(10), elector("third").acquire())
        .await
        .expect("the second is silent");
    assert!(
        waiting.elapsed() > Duration::from_secs(2),
        "{:?}",
        waiting.elapsed()
    );
    let lost = timeout(Duration::from_secs(1), silent.keep(std::future::pending()))
        .await
        .expect("it knows without asking");
    assert!(matches!(&lost, Err(Lost::Late { .. })), "{lost:?}");
    assert_eq!(holder(&namespace).await, ("third".to_owned(), 2));
    drop(third);
}

#[tokio::test]
async fn a_holder_survives_an_edit_and_stops_when_it_may_not_renew() {
    let namespace = TestNamespace::create(plane::client().await, "lease-edit").await;
    let lead = Elector::new(namespace.client.clone(), election(&namespace), "me")
        .acquire()
        .await;
    let api: Api<Lease> = namespace.api();
    let note = json!({ "metadata": { "annotations": { "note": "x" } } });
    api.patch("helmapp", &PatchParams::default(), &Patch::Merge(note))
        .await
        .unwrap();
    let keeping = tokio::spawn(lead.keep(std::future::pending()));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(
        !keeping.is_finished(),
        "an edit of the metadata takes nothing away"
    );
    let stolen = json!({ "spec": { "holderIdentity": "thief" } });
    api.patch("helmapp", &PatchParams::default(), &Patch::Merge(stolen))
        .await
        .unwrap();
    let lost = timeout(Duration::from_secs(3), keeping)
        .await
        .expect("it notices")
        .unwrap();
    assert!(
        matches!(&lost, Err(Lost::Taken { holder, .. }) if holder == "thief"),
        "{lost:?}"
    );
}
