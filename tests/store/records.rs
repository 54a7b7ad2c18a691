//! Release records: written as Helm writes them, and never over somebody else's.

use std::{collections::BTreeMap, sync::Arc};

use helmapp::store::{Companion, Error, HOLDER_ANNOTATION, Head, Owner, ReleaseKey, Store, Stored};
use helmapp_helm::release::{ApplyMethod, ChartRecord, Info, Release, Status};
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::support::{namespace::TestNamespace, plane, proxy::Proxy};

struct Fixture {
    namespace: TestNamespace,
    store: Store,
    key: ReleaseKey,
}

async fn fixture(test: &str) -> Fixture {
    let client = plane::client().await;
    let namespace = TestNamespace::create(client.clone(), test).await;
    let key = ReleaseKey::new(&namespace.name, "shop");
    Fixture {
        namespace,
        store: Store::new(client),
        key,
    }
}

impl Fixture {
    fn release(&self, revision: i64, status: Status) -> Release {
        Release {
            name: self.key.name.clone(),
            namespace: self.key.namespace.clone(),
            version: revision,
            info: Info {
                status,
                last_deployed: Timestamp::now().into(),
                ..Info::default()
            },
            chart: Arc::new(ChartRecord::default()),
            config: [("password".to_owned(), json!("hunter2"))].into_iter().collect(),
            manifest: "---\nkind: ConfigMap\n".to_owned(),
            apply_method: Some(ApplyMethod::ServerSide),
            labels: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
            ..Release::default()
        }
    }

    async fn begin(&self, revision: i64) -> Stored {
        let status = if revision == 1 {
            Status::PendingInstall
        } else {
            Status::PendingUpgrade
        };
        self.try_begin(self.release(revision, status), "me")
            .await
            .unwrap()
    }

    async fn try_begin(&self, release: Release, holder: &str) -> Result<Stored, Error> {
        self.store.begin(Store::prepare(release, holder)?).await
    }

    /// A revision and what becomes of the one before.
    async fn deploy(&self, revision: i64) -> Stored {
        let stored = self.begin(revision).await;
        let stored = self.store.finish(stored, Status::Deployed, "done").await.unwrap();
        if let Some(last) = self.store.read(&self.key, revision - 1).await.unwrap() {
            self.store.supersede(last).await.unwrap();
        }
        stored
    }

    async fn statuses(&self) -> Vec<(i64, String)> {
        let heads = self.store.heads(&self.key).await.unwrap();
        heads
            .into_iter()
            .map(|head| (head.revision, head.status.as_str().to_owned()))
            .collect()
    }

    fn secrets(&self) -> Api<Secret> {
        self.namespace.api()
    }
}

#[tokio::test]
async fn a_revision_goes_from_pending_to_deployed_as_a_secret_of_helms() {
    let all = fixture("records-life").await;
    let begun = all.begin(1).await;
    assert_eq!(begun.head.holder.as_deref(), Some("me"));
    let name = "sh.helm.release.v1.shop.v1";
    let secret = all.secrets().get(name).await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("helm.sh/release.v1"));
    let labels = secret.metadata.labels.unwrap();
    let label = |name: &str| labels.get(name).map(String::as_str);
    assert_eq!(
        [
            label("owner"),
            label("name"),
            label("status"),
            label("version"),
            label("team")
        ],
        [
            Some("helm"),
            Some("shop"),
            Some("pending-install"),
            Some("1"),
            Some("web")
        ]
    );
    assert!(
        label("createdAt").is_some() && label("modifiedAt").is_none(),
        "{labels:?}"
    );

    let done = all
        .store
        .finish(begun, Status::Deployed, "Install complete")
        .await
        .unwrap();
    let secret = all.secrets().get(name).await.unwrap();
    let labels = secret.metadata.labels.clone().unwrap();
    assert_eq!(labels.get("status").map(String::as_str), Some("deployed"));
    assert!(labels.contains_key("modifiedAt"), "{labels:?}");
    assert!(
        !secret
            .metadata
            .annotations
            .clone()
            .unwrap_or_default()
            .contains_key(HOLDER_ANNOTATION)
    );
    let (key, head) = Head::of(&secret.metadata).expect("a record");
    assert_eq!((key, &head), (all.key.clone(), &done.head));

    let read = all.store.read(&all.key, 1).await.unwrap().expect("it is there");
    assert_eq!(read.head, done.head);
    assert_eq!(read.release.info.description, "Install complete");
    assert_eq!(read.release.config, all.release(1, Status::Deployed).config);
    assert_eq!(read.release.manifest, "---\nkind: ConfigMap\n");
    assert_eq!(read.release.apply_method, Some(ApplyMethod::ServerSide));
    assert_eq!(
        read.release.labels,
        BTreeMap::from([("team".to_owned(), "web".to_owned())])
    );
    assert_eq!(all.store.read(&all.key, 2).await.unwrap(), None);
}

#[tokio::test]
async fn a_revision_is_made_once() {
    let all = fixture("records-once").await;
    let release = all.release(1, Status::PendingInstall);
    let first = all.try_begin(release.clone(), "me").await.unwrap();
    let again = all.try_begin(release.clone(), "me").await.unwrap();
    assert_eq!(again.head, first.head, "the same holder finds what it wrote");
    let mut another = release;
    another.manifest.push_str("metadata: {name: a}\n");
    let error = all.try_begin(another, "me").await.unwrap_err();
    assert!(matches!(error, Error::Exists { revision: 1, .. }), "{error}");
    let other = all
        .try_begin(all.release(1, Status::PendingInstall), "other")
        .await
        .unwrap_err();
    assert!(matches!(other, Error::Exists { revision: 1, .. }), "{other}");
    assert!(other.is_transient());
    assert_eq!(all.statuses().await, [(1, "pending-install".to_owned())]);
}

#[tokio::test]
async fn a_revision_is_found_without_its_content() {
    let all = fixture("records-head").await;
    assert_eq!(all.store.head(&all.key, 1).await.unwrap(), None);
    let begun = all.begin(1).await;
    assert_eq!(all.store.head(&all.key, 1).await.unwrap(), Some(begun.head));
}

#[tokio::test]
async fn a_record_that_somebody_changed_is_not_overwritten() {
    let all = fixture("records-changed").await;
    let stored = all.begin(1).await;
    // What Helm's CLI does: new labels, no annotation of ours.
    let patch = json!({ "metadata": {
        "labels": { "status": "failed" }, "annotations": { HOLDER_ANNOTATION: null },
    }});
    all.secrets()
        .patch(
            "sh.helm.release.v1.shop.v1",
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
    let error = all
        .store
        .finish(stored.clone(), Status::Deployed, "x")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let heads = all.store.heads(&all.key).await.unwrap();
    assert_eq!(
        (heads[0].status.clone(), heads[0].holder.clone()),
        (Status::Failed, None)
    );
    all.store.delete(&all.key, &stored.head).await.unwrap();
    let gone = all.store.finish(stored, Status::Deployed, "x").await.unwrap_err();
    assert!(
        matches!(gone, Error::Changed { .. }),
        "a record that is gone is not made anew: {gone}"
    );
    assert_eq!(all.statuses().await, []);
}

#[tokio::test]
async fn history_is_superseded_and_trimmed() {
    let all = fixture("records-trim").await;
    for revision in 1..=4 {
        all.deploy(revision).await;
    }
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(
        all.statuses().await,
        [
            word(4, "deployed"),
            word(3, "superseded"),
            word(2, "superseded"),
            word(1, "superseded")
        ]
    );
    let heads = all.store.heads(&all.key).await.unwrap();
    assert_eq!(all.store.trim(&all.key, &heads, 2).await.unwrap(), [1, 2]);
    assert_eq!(all.statuses().await, [word(4, "deployed"), word(3, "superseded")]);
    assert_eq!(
        all.store.trim(&all.key, &heads, 2).await.unwrap(),
        [1, 2],
        "what is gone already is no error"
    );
    all.store
        .write_companion(&all.key, Companion::default(), None)
        .await
        .unwrap();
    all.store.purge(&all.key, &[3]).await.unwrap();
    assert_eq!(all.statuses().await, [word(3, "superseded")]);
    assert_eq!(all.store.companion(&all.key).await.unwrap(), None);
    all.store.purge(&all.key, &[]).await.unwrap();
    all.namespace.left(&[]).await;
}

#[tokio::test]
async fn the_companion_is_not_helms_and_is_written_conditionally() {
    let all = fixture("records-companion").await;
    let owner = Owner {
        namespace: "web".to_owned(),
        name: "shop".to_owned(),
        uid: "u".to_owned(),
    };
    let companion = |revision| Companion {
        owner: owner.clone(),
        revision,
        ..Companion::default()
    };
    assert_eq!(all.store.companion(&all.key).await.unwrap(), None);
    let first = all
        .store
        .write_companion(&all.key, companion(1), None)
        .await
        .unwrap();
    assert_eq!(
        all.store.companion(&all.key).await.unwrap().as_ref(),
        Some(&first)
    );
    assert_eq!(
        all.store.heads(&all.key).await.unwrap(),
        [],
        "Helm does not take it for a record"
    );
    let marked = ListParams::default().labels("helmapp.io/record=companion");
    assert_eq!(all.secrets().list(&marked).await.unwrap().items.len(), 1);

    let second = all
        .store
        .write_companion(&all.key, companion(2), Some(&first))
        .await
        .unwrap();
    let late = all
        .store
        .write_companion(&all.key, companion(3), Some(&first))
        .await
        .unwrap_err();
    assert!(matches!(late, Error::Changed { .. }), "{late}");
    let again = all
        .store
        .write_companion(&all.key, companion(2), Some(&first))
        .await
        .unwrap();
    assert_eq!(again, second, "an answer that was lost is found again");
    let late = all
        .store
        .write_companion(&all.key, companion(3), None)
        .await
        .unwrap_err();
    assert!(matches!(late, Error::Changed { .. }), "{late}");
    all.store.delete_companion(&all.key).await.unwrap();
    all.store.delete_companion(&all.key).await.unwrap();
    assert_eq!(all.store.companion(&all.key).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_that_is_damaged_says_so_without_its_content() {
    let all = fixture("records-damaged").await;
    all.begin(1).await;
    let patch = json!({ "stringData": { "release": "hunter2 is not base64" } });
    all.secrets()
        .patch(
            "sh.helm.release.v1.shop.v1",
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
    let error = all.store.read(&all.key, 1).await.unwrap_err();
    assert!(matches!(error, Error::Decode { revision: 1, .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn without_rights_the_error_says_who_may_not_do_what() {
    let all = fixture("records-forbidden").await;
    let nobody = plane::shared().await.user_client("nobody", &[]).await.unwrap();
    let store = Store::new(nobody);
    for error in [
        store.heads(&all.key).await.unwrap_err(),
        store
            .begin(Store::prepare(all.release(1, Status::PendingInstall), "me").unwrap())
            .await
            .unwrap_err(),
        store.companion(&all.key).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Cluster(error) if error.is_forbidden()),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("\"nobody\"") && text.contains("secrets") && text.contains("shop"),
            "{text}"
        );
    }
}

/// A conflict says that a record was made anew only if it is about the UID.
#[tokio::test]
async fn a_record_whose_deletion_is_refused_for_now_is_deleted() {
    let all = fixture("records-refused").await;
    let stored = all.deploy(1).await;
    let proxy = Proxy::start(plane::client().await, 1).await;
    proxy.refuse(Method::DELETE, "/sh.helm.release.v1.shop.v1", 409);
    let store = Store::new(proxy.client());
    store.delete(&all.key, &stored.head).await.unwrap();
    assert_eq!(proxy.counts().get("409"), Some(&1));
    assert_eq!(all.statuses().await, []);
    let again = all.deploy(1).await;
    store.delete(&all.key, &stored.head).await.unwrap();
    assert_eq!(all.statuses().await.len(), 1, "it is another one");
    store.delete(&all.key, &again.head).await.unwrap();
}
