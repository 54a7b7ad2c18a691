//! How many revisions stay, and what goes with those that don't.

use helmapp::api::MadeBy;
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::api::Api;
use serde_json::json;

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Own, revision};
use crate::support::faults::{Faults, Harm};
use crate::support::wait::{eventually, until, within};

/// A release that fails again and again keeps as many revisions as it may, and the last good one.
#[tokio::test(flavor = "multi_thread")]
async fn failures_do_not_pile_up() {
    let fixture = Fixture::shared("failures").await;
    let extra = "{{ if .Values.extra }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.extra }}}\n{{ end }}";
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", DEPLOYMENT), ("templates/b.yaml", extra)],
    );
    let spec = |tag: &str, pod: &str, extra: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": pod, "extra": extra});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "1s"}, "maxHistory": 2})
    };
    fixture.app("app", spec("v1", "", "")).await;
    fixture.ready("app").await;
    for (tag, extra) in [("v2", "second"), ("v3", "third"), ("v4", ""), ("v5", "")] {
        fixture.app("app", spec(tag, "crash-loop", extra)).await;
        fixture.refused("app", "UpgradeFailed").await;
    }
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(
        fixture.revisions("app").await,
        [word(1, "deployed"), word(5, "failed")]
    );
    let found = fixture.namespace.objects().await;
    let left = |name: &str| found.contains(&format!("ConfigMap/{name}"));
    assert!(!left("second") && !left("third"), "{found:?}");
    fixture.app("app", spec("v6", "", "")).await;
    assert_eq!(revision(&fixture.ready("app").await), 6);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// A revision whose apply was cut short has let go of nothing: the records before it go with what only they had, but
/// for what can hold data. That goes with the release.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_trimmed_revision_had_goes_with_it() {
    let faults = Faults::default();
    let own = Own::start_with("short", faults.clone()).await;
    let fixture = &own.fixture;
    let more = "{{ range .Values.more }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ . }}}\n{{ end }}";
    let data = "{{ range .Values.data }}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: {{ . }}}\n\
                spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n{{ end }}";
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", CONFIG_MAP),
            ("templates/b.yaml", more),
            ("templates/c.yaml", data),
        ],
    );
    let spec = |text: &str, more: &[&str]| {
        let maps: Vec<_> = more.iter().filter(|name| **name != "never").collect();
        let values = json!({"text": text, "more": maps, "data": more});
        json!({"chart": {"path": chart}, "values": values, "maxHistory": 3})
    };
    fixture.app("app", spec("one", &[])).await;
    fixture.ready("app").await;
    faults.add(
        Method::PATCH,
        "/persistentvolumeclaims/never",
        Harm::Unavailable,
        u32::MAX,
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let claims: Api<PersistentVolumeClaim> = fixture.namespace.api();
    let texts = ["two", "three", "four", "five", "six"];
    for (number, text) in (2..).zip(texts) {
        fixture.app("app", spec(text, &["never", text])).await;
        fixture
            .until("app", |app| {
                app.status
                    .as_ref()
                    .is_some_and(|status| revision(status) == number)
            })
            .await;
        until(&maps, text, within(20), |_| true).await;
        until(&claims, text, within(20), |_| true).await;
    }
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(
        fixture.revisions("app").await,
        [
            word(1, "deployed"),
            word(5, "superseded"),
            word(6, "pending-upgrade")
        ]
    );
    let objects = fixture.namespace.objects().await;
    let left = texts.map(|text| objects.contains(&format!("ConfigMap/{text}")));
    assert_eq!(left, [false, false, false, true, true], "{objects:?}");
    let kept = texts.map(|text| objects.contains(&format!("PersistentVolumeClaim/{text}")));
    assert_eq!(kept, [true; 5], "{objects:?}");
    // The sixth can not end before the seventh takes its place.
    fixture.app("app", spec("seven", &[])).await;
    fixture.ready("app").await;
    fixture
        .namespace
        .left(&[
            "ConfigMap/app",
            "HelmApp/app",
            "PersistentVolumeClaim/four",
            "PersistentVolumeClaim/three",
            "PersistentVolumeClaim/two",
            "Secret/helmapp.v1.app",
            "Secret/sh.helm.release.v1.app.v1",
            "Secret/sh.helm.release.v1.app.v6",
            "Secret/sh.helm.release.v1.app.v7",
        ])
        .await;
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// It was there before any of them, and no other revision has it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_trimmed_revision_took_over_stays() {
    let faults = Faults::default();
    let own = Own::start_with("trimtaken", faults.clone()).await;
    let fixture = &own.fixture;
    let more = "{{ range .Values.more }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ . }}}\n{{ end }}";
    let claim = "{{ with .Values.claim }}\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: {{ . }}}\n\
                 spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n{{ end }}";
    let chart = fixture.chart(
        "app",
        &[
            ("templates/a.yaml", CONFIG_MAP),
            ("templates/b.yaml", more),
            ("templates/c.yaml", claim),
        ],
    );
    let spec = |text: &str, more: &[&str], claim: &str| {
        let values = json!({"text": text, "more": more, "claim": claim});
        json!({"chart": {"path": chart}, "values": values, "maxHistory": 2, "adoption": "unowned"})
    };
    fixture.app("app", spec("one", &[], "")).await;
    fixture.ready("app").await;
    // No revision from here on is complete.
    let claims = "/persistentvolumeclaims/never";
    faults.add(Method::PATCH, claims, Harm::Unavailable, u32::MAX);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let mut theirs = None;
    let revisions: [(&str, &[&str]); 4] = [
        ("two", &["made"]),
        ("three", &["theirs", "made-later"]),
        ("four", &[]),
        ("five", &[]),
    ];
    for (number, (text, more)) in (2..).zip(revisions) {
        if text == "three" {
            // It is younger than the first of them.
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}});
            theirs = fixture.namespace.apply(object).await.metadata.uid;
        }
        fixture.app("app", spec(text, more, "never")).await;
        fixture
            .until("app", |app| {
                app.status
                    .as_ref()
                    .is_some_and(|status| revision(status) == number)
            })
            .await;
        eventually("its map is applied", within(20), || async {
            let map = maps.get("app").await.map_err(|error| error.to_string())?;
            match map.data.is_some_and(|data| data["text"] == text) {
                true => Ok(()),
                false => Err("not yet".to_owned()),
            }
        })
        .await;
        for name in more {
            until(&maps, name, within(20), |map| map.metadata.labels.is_some()).await;
        }
    }
    eventually("the third goes", within(20), || async {
        let revisions = fixture.revisions("app").await;
        match revisions.iter().any(|(revision, _)| *revision == 3) {
            true => Err(format!("{revisions:?}")),
            false => Ok(()),
        }
    })
    .await;
    let objects = fixture.namespace.objects().await;
    let there = ["made", "made-later", "theirs"].map(|name| objects.contains(&format!("ConfigMap/{name}")));
    assert_eq!(there, [false, false, true], "{objects:?}");
    assert_eq!(maps.get("theirs").await.unwrap().metadata.uid, theirs);
}

/// The history tells which revisions have the same chart, values and manifest, who made them and why. What a Secret holds
/// can't be guessed from that.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_says_what_each_revision_was_made_of() {
    let fixture = Fixture::shared("made-of").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    for (number, text) in (1..).zip(["one", "two", "one"]) {
        fixture.app("app", spec(text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    let mut back = spec("one");
    back["rollback"] = json!({"toRevision": 2});
    fixture.app("app", back).await;
    let status = fixture.ready("app").await;
    assert_eq!(revision(&status), 4);
    let mut entries = status.history.clone();
    entries.reverse();
    let made: Vec<_> = entries.iter().map(|entry| entry.made_by).collect();
    assert_eq!(made, [Some(MadeBy::HelmApp); 4]);
    let causes: Vec<_> = entries
        .iter()
        .map(|entry| entry.cause.as_deref().unwrap())
        .collect();
    assert_eq!(
        causes,
        [
            "spec of generation 1",
            "spec of generation 2",
            "spec of generation 3",
            "spec.rollback.toRevision 2"
        ]
    );
    let values: Vec<_> = entries.iter().map(|entry| entry.values_digest.clone()).collect();
    let manifests: Vec<_> = entries
        .iter()
        .map(|entry| entry.manifest_digest.clone())
        .collect();
    for digests in [values, manifests] {
        assert!(digests[0].is_some() && digests[0] != digests[1], "{digests:?}");
        assert_eq!((&digests[0], &digests[1]), (&digests[2], &digests[3]));
    }
    let charts: Vec<_> = entries.iter().map(|entry| entry.chart_digest.as_ref()).collect();
    assert!(
        charts[0].is_some_and(|digest| digest.starts_with("sha256:")),
        "{charts:?}"
    );
    assert_eq!(charts[0], charts[1]);
    fixture.delete("app").await;
    // Another release with the same values has other digests.
    fixture.app("app", spec("one")).await;
    let status = fixture.ready("app").await;
    assert_ne!(status.history[0].values_digest, entries[0].values_digest);
}
