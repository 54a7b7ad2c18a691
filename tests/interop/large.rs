//! Releases that one Secret can't hold.

use std::collections::BTreeSet;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, Own, message, revision};
use crate::helm::{Helm, Version, helmapp, word};
use crate::killed::quiet;
use crate::matrix::same;
use crate::support::wait::{eventually, within};

/// Text that does not compress: a sequence of a simple generator.
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed;
    let next = (0..length).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((state >> 33) % 70).unwrap())
    });
    next.collect()
}

/// ConfigMaps of 700 KB each that do not compress.
fn maps(count: u64) -> String {
    (0..count)
        .map(|number| {
            let data = STANDARD.encode(noise(700_000, number + 2));
            format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: data-{number}}}\nbinaryData: {{data: {data}}}\n"
            )
        })
        .collect()
}

async fn chunks(fixture: &Fixture) -> Vec<Secret> {
    let secrets: Api<Secret> = fixture.namespace.api();
    let found = secrets.list(&ListParams::default()).await.unwrap();
    let is_chunk = |secret: &Secret| secret.type_.as_deref() == Some("helmapp.io/chunk.v1");
    found.items.into_iter().filter(is_chunk).collect()
}

/// The revisions that chunks are of.
async fn chunked(fixture: &Fixture) -> BTreeSet<i64> {
    let of = |secret: &Secret| {
        let label = secret.labels()["helmapp.io/chunks"].clone();
        label.split('-').nth(1).unwrap().parse().unwrap()
    };
    chunks(fixture).await.iter().map(of).collect()
}

fn spec(chart: &str, text: &str) -> Value {
    json!({"chart": {"path": chart}, "values": {"text": text}, "maxHistory": 3})
}

/// A chart with 3 MiB of files: everything that is done with a release is done with it, and Helm shows and changes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_3_mib_lives_as_any_other() {
    let (fixture, began) = (Fixture::shared("large").await, Instant::now());
    let file = noise(3 << 20, 1);
    let files = [
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/NOTES.txt", "Hello"),
        ("files/noise", file.as_str()),
    ];
    let chart = fixture.chart("app", &files);
    for (number, text) in (1..).zip(["one", "two"]) {
        fixture.app("app", spec(&chart, text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    assert_eq!(chunked(&fixture).await, BTreeSet::from([1, 2]));
    for secret in chunks(&fixture).await {
        assert!(!secret.labels().contains_key("owner"), "{:?}", secret.labels());
        assert_eq!(secret.immutable, Some(true));
    }
    for version in Version::BOTH {
        let helm = Helm::new(version, &fixture).await;
        assert_eq!(helm.json(&["list"]).await[0]["name"], "app");
        assert_eq!(helm.json(&["status", "app"]).await["version"], 2);
        assert_eq!(
            helm.history("app").await,
            [word(1, "superseded"), word(2, "deployed")]
        );
        for what in ["values", "manifest", "notes", "all"] {
            same(&helm, &fixture, &[what, "app", "--revision", "1"]).await;
        }
    }

    // Back to the first one, whole as it was.
    let mut back = spec(&chart, "two");
    back["rollback"] = json!({"toRevision": 1});
    fixture.app("app", back).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
    assert_eq!(chunked(&fixture).await, BTreeSet::from([1, 2, 3]));

    // By Helm: objects are as they were; the record that Helm makes of it is without the chart's files.
    fixture.app("app", spec(&chart, "four")).await;
    assert_eq!(revision(&fixture.ready("app").await), 4);
    let helm = Helm::new(Version::Three, &fixture).await;
    helm.says(&["rollback", "app", "3"]).await;
    eventually("what the HelmApp says is put back", within(60), || async {
        let history = fixture.revisions("app").await;
        match history.last() {
            Some((6, status)) if status == "deployed" => Ok(()),
            _ => Err(format!("{history:?}")),
        }
    })
    .await;
    fixture.ready("app").await;
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "four");

    // Chunks go with their revision, a moment after it.
    eventually("what is no longer kept goes", within(60), || async {
        let stored: Vec<i64> = fixture
            .revisions("app")
            .await
            .iter()
            .map(|(number, _)| *number)
            .collect();
        let chunked = chunked(&fixture).await;
        match stored == [4, 5, 6] && chunked == BTreeSet::from([4, 6]) {
            true => Ok(()),
            false => Err(format!("records {stored:?}, chunks of {chunked:?}")),
        }
    })
    .await;
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
    let seconds = began.elapsed().as_secs();
    println!("large record: 3 MiB, 6 revisions, one of them by Helm, in {seconds} s");
}

/// Objects of 3 MiB that can't be compressed: not even the manifest has room in Helm's record. Helm lists the release,
/// and must not take a revision for one without objects.
async fn is_kept_beside(version: Version, test: &str) {
    let fixture = Fixture::shared(test).await;
    let maps = maps(4);
    let files = [
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/b.yaml", maps.as_str()),
    ];
    let chart = fixture.chart("app", &files);
    let spec = |text: &str| {
        let mut spec = spec(&chart, text);
        spec["maxHistory"] = json!(10);
        spec
    };
    for (number, text) in (1..).zip(["one", "two"]) {
        fixture.app("app", spec(text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    let manifest = helmapp(&fixture, &["get", "manifest", "app", "--revision", "1"]).await;
    assert!(manifest.contains("text: \"one\"") && manifest.contains("name: data-3"));
    let differs = helmapp(&fixture, &["diff", "app", "--revision", "1"]).await;
    assert!(
        differs.contains("from revision 1 to revision 2 1 object changes"),
        "{differs}"
    );

    let helm = Helm::new(version, &fixture).await;
    assert_eq!(helm.json(&["list"]).await[0]["revision"], "2");
    assert_eq!(
        helm.history("app").await,
        [word(1, "superseded"), word(2, "deployed")]
    );
    let manifest = helm.says(&["get", "manifest", "app"]).await;
    assert!(manifest.contains("`helmapp get manifest` shows it"), "{manifest}");
    let directory = fixture.charts.join(&chart).display().to_string();
    // Version 4 asks for the objects.
    match version {
        Version::Three => assert_eq!(helm.json(&["status", "app"]).await["version"], 2),
        Version::Four => _ = helm.fails(&["status", "app"]).await,
    }
    for arguments in [
        &["upgrade", "app", &directory][..],
        &["rollback", "app", "1"],
        &["uninstall", "app"],
    ] {
        let said = helm.fails(arguments).await;
        println!("helm {} {}: {}", version.number(), arguments[0], said.trim());
        let refused = ["ManifestInChunks", "failed to delete release"];
        assert!(
            refused.iter().any(|words| said.contains(words)),
            "{arguments:?}: {said}"
        );
    }
    let objects = fixture.namespace.objects().await;
    let kept = objects.iter().filter(|name| name.starts_with("ConfigMap/data-"));
    assert_eq!(kept.count(), 4, "{objects:?}");

    // What Helm began and could not do is another's revision that is never ended.
    let left = fixture.revisions("app").await;
    println!("left by helm {}: {left:?}", version.number());
    let (number, _) = left.last().unwrap();
    quiet(&fixture, "app", *number, 16 * 60).await;
    let mut back = spec("two");
    back["rollback"] = json!({"toRevision": 1});
    fixture.app("app", back).await;
    fixture
        .until("app", |app| {
            let status = app.status.as_ref();
            let done = status.and_then(|status| status.rollback.as_ref());
            done.is_some_and(|done| done.to_revision == 1)
        })
        .await;
    fixture.ready("app").await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_too_large_for_helm_3_is_kept_beside_it() {
    is_kept_beside(Version::Three, "huge3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_too_large_for_helm_4_is_kept_beside_it() {
    is_kept_beside(Version::Four, "huge4").await;
}

/// A lost chunk is said, and costs no more than was in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_chunk_is_said() {
    let fixture = Fixture::shared("lost").await;
    let file = noise(2 << 20, 1);
    let files = [("templates/a.yaml", CONFIG_MAP), ("files/noise", file.as_str())];
    let chart = fixture.chart("app", &files);
    for (number, text) in (1..).zip(["one", "two"]) {
        fixture.app("app", spec(&chart, text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    let secrets: Api<Secret> = fixture.namespace.api();
    for chunk in chunks(&fixture).await {
        secrets
            .delete(&chunk.name_any(), &DeleteParams::default())
            .await
            .unwrap();
    }
    let mut back = spec(&chart, "two");
    back["rollback"] = json!({"toRevision": 1});
    fixture.app("app", back).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
    let log = crate::fixture::log();
    assert!(
        log.contains("the chart of a revision has lost its files"),
        "not in the log"
    );
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// What a process left that ended between the chunks and their record goes with the next revision.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_without_a_record_are_swept() {
    let fixture = Fixture::shared("swept").await;
    let file = noise(2 << 20, 1);
    let files = [("templates/a.yaml", CONFIG_MAP), ("files/noise", file.as_str())];
    let chart = fixture.chart("app", &files);
    fixture.app("app", spec(&chart, "one")).await;
    fixture.ready("app").await;
    let orphan = |revision: i64| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "helmapp.io/chunk.v1", "metadata": {
            "name": format!("helmapp.chunk.v1.app.v{revision}.00.0"),
            "labels": {"helmapp.io/release": "app", "helmapp.io/chunks": format!("files-{revision}-1-00")},
        }})
    };
    // That of the revision to come, and that of one that somebody else may be writing now.
    for revision in [2, 9] {
        fixture.namespace.apply(orphan(revision)).await;
    }
    fixture.app("app", spec(&chart, "two")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    eventually("the orphan goes", within(20), || async {
        let names: Vec<String> = chunks(&fixture).await.iter().map(ResourceExt::name_any).collect();
        match names.iter().any(|name| name.contains(".v2.00.")) {
            false => Ok(()),
            true => Err(format!("{names:?}")),
        }
    })
    .await;
    assert_eq!(chunked(&fixture).await, BTreeSet::from([1, 2, 9]));
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// What a process left that ended between a revision and its chunks goes when the next one starts.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_deleted_revision_go_with_a_restart() {
    let mut own = Own::start("restswept").await;
    let fixture = own.fixture.clone();
    let file = noise(2 << 20, 1);
    let files = [("templates/a.yaml", CONFIG_MAP), ("files/noise", file.as_str())];
    let chart = fixture.chart("app", &files);
    for (number, text) in (1..).zip(["one", "two"]) {
        fixture.app("app", spec(&chart, text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    assert_eq!(chunked(&fixture).await, BTreeSet::from([1, 2]));
    own.stop();
    let secrets: Api<Secret> = fixture.namespace.api();
    secrets
        .delete("sh.helm.release.v1.app.v1", &DeleteParams::default())
        .await
        .unwrap();
    own.resume().await;
    eventually("the chunks go", within(20), || async {
        match chunked(&fixture).await {
            left if left == BTreeSet::from([2]) => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
}

/// What of the record's own Secret is damaged is said, and does not keep the release from ending.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_whose_manifest_is_lost_is_not_taken_for_an_empty_one() {
    let fixture = Fixture::shared("emptied").await;
    let maps = maps(2);
    let files = [
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/b.yaml", maps.as_str()),
    ];
    let chart = fixture.chart("app", &files);
    for (number, text) in (1..).zip(["one", "two"]) {
        fixture.app("app", spec(&chart, text)).await;
        assert_eq!(revision(&fixture.ready("app").await), number);
    }
    let secrets: Api<Secret> = fixture.namespace.api();
    let all = chunks(&fixture).await;
    let first = all
        .iter()
        .find(|chunk| chunk.name_any().contains(".app.v1."))
        .unwrap();
    secrets
        .delete(&first.name_any(), &DeleteParams::default())
        .await
        .unwrap();
    let mut back = spec(&chart, "two");
    back["rollback"] = json!({"toRevision": 1});
    fixture.app("app", back).await;
    let status = fixture.refused("app", "RecordInvalid").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains(&first.name_any()) && said.contains("is missing"),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "two");
    fixture.app("app", spec(&chart, "two")).await;
    fixture.ready("app").await;
    let leave = json!({"metadata": {"annotations": {"helmapp.io/leave-behind": "true"}}});
    fixture
        .apps()
        .patch("app", &PatchParams::default(), &Patch::Merge(&leave))
        .await
        .unwrap();
    fixture.delete("app").await;
    // The record stays, and what is there of it.
    let names = all.iter().map(ResourceExt::name_any);
    let left = names.filter(|name| name.contains(".app.v1.") && *name != first.name_any());
    let mut left: Vec<String> = left.map(|name| format!("Secret/{name}")).collect();
    left.push("Secret/sh.helm.release.v1.app.v1".to_owned());
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    fixture.namespace.left(&left).await;
}
