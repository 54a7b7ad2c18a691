//! Statuses and events reach the API server, merged and without waiting.

use std::time::Duration;

use helmapp::{
    api::{HelmApp, conditions::reason},
    events::{CONTROLLER, Events},
    status::{Report, StatusWriter, Urgency},
};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    api::{helmapp, namespace},
    support::wait::{eventually, within},
};

#[tokio::test]
async fn a_status_is_written_and_a_stale_field_goes() {
    let namespace = namespace("reports-status").await;
    namespace
        .apply(helmapp("app", &json!({ "chart": { "path": "web" } })))
        .await;
    let api: Api<HelmApp> = namespace.api();
    let writer = StatusWriter::new(namespace.client.clone());
    let (running, runs) = (writer.clone(), Timestamp::now());
    tokio::spawn(async move { running.run(std::future::pending()).await });
    let report = |app: &HelmApp| Report::new(writer.current(app), 1, runs);

    let app = api.get("app").await.unwrap();
    let mut first = report(&app);
    first
        .progressing(reason::PROGRESSING, "installing")
        .stalled(reason::RENDER_FAILED, "bad");
    writer.put(&app, first.build(), Urgency::Now);
    let seen = eventually("the status", within(10), || async {
        let app = api.get("app").await.map_err(|error| error.to_string())?;
        app.condition("Stalled")
            .map(|_| app.clone())
            .ok_or_else(|| format!("{:?}", app.status))
    })
    .await;
    assert_eq!(seen.condition("Ready").unwrap().message, "bad");

    let mut second = report(&seen);
    second.ready(reason::INSTALL_SUCCEEDED, "done");
    writer.put(&seen, second.build(), Urgency::Now);
    let seen = eventually("the next status", within(10), || async {
        let app = api.get("app").await.map_err(|error| error.to_string())?;
        let ready = app.condition("Ready").is_some_and(|ready| ready.status == "True");
        if ready {
            Ok(app)
        } else {
            Err(format!("{:?}", app.status))
        }
    })
    .await;
    assert_eq!(seen.condition("Stalled"), None);
    assert_eq!(seen.status.as_ref().unwrap().failures, 0);
    assert_eq!(seen.metadata.generation, Some(1));

    // The same name, made anew: a status of the old one does not reach it.
    api.delete("app", &Default::default()).await.unwrap();
    namespace
        .apply(helmapp("app", &json!({ "chart": { "path": "other" } })))
        .await;
    let mut late = report(&seen);
    late.stalled(reason::RENDER_FAILED, "of the old one");
    writer.put(&seen, late.build(), Urgency::Now);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(api.get("app").await.unwrap().status, None);
}

#[tokio::test]
async fn events_are_written_for_the_helmapp_and_repeated_ones_once() {
    let namespace = namespace("reports-events").await;
    namespace
        .apply(helmapp("app", &json!({ "chart": { "path": "web" } })))
        .await;
    let api: Api<HelmApp> = namespace.api();
    let app = api.get("app").await.unwrap();
    let events = Events::new(namespace.client.clone(), "pod-1");
    events.normal(&app, reason::INSTALL_SUCCEEDED, "installed");
    for _ in 0..5 {
        events.warning(&app, reason::UPGRADE_FAILED, "failed");
    }
    events.drain(Duration::from_secs(10)).await;
    let written: Api<Event> = namespace.api();
    let all = written.list(&ListParams::default()).await.unwrap();
    let ours = |event: &Event| event.reporting_controller.as_deref() == Some(CONTROLLER);
    let found: Vec<Event> = all.items.into_iter().filter(ours).collect();
    let mut summary: Vec<(String, String, String)> = found
        .iter()
        .map(|event| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            (text(&event.type_), text(&event.reason), text(&event.note))
        })
        .collect();
    summary.sort();
    let line = |kind: &str, reason: &str, note: &str| (kind.to_owned(), reason.to_owned(), note.to_owned());
    assert_eq!(
        summary,
        [
            line("Normal", "InstallSucceeded", "installed"),
            line("Warning", "UpgradeFailed", "failed")
        ]
    );
    assert!(found.iter().all(|event| {
        event.regarding.as_ref().and_then(|object| object.uid.as_ref()) == app.metadata.uid.as_ref()
    }));
}
