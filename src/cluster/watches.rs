//! Metadata watches that start when something is worth watching and stop when nothing is.
//!
//! Events go to one handler; nothing is kept here, so that what is remembered of an object is decided in one
//! place. After a new listing the handler gets the identities that it held, to find what went away meanwhile.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use super::apply::FIELD_MANAGER;

/// What one watch follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The kind.
    pub resource: ApiResource,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Which objects.
    pub selector: Selector,
}

/// Which objects of a kind a watch follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// All.
    All,
    /// Those with the labels.
    Labels(String),
    /// The one of that name.
    Name(String),
}

/// What a watch has to say.
#[derive(Debug)]
pub enum Event<'a> {
    /// An object was listed, added or changed.
    Seen(&'a ObjectMeta),
    /// An object was deleted, or does not match the selector any more.
    Gone(&'a ObjectMeta),
    /// A listing is complete; whatever is not in it is gone.
    Listed(&'a Listed),
}

/// The identities of one listing.
#[derive(Debug, Default)]
pub struct Listed(HashSet<u64>);

impl Listed {
    /// Whether the listing had the object.
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.0.contains(&identity(namespace, name))
    }

    fn insert(&mut self, metadata: &ObjectMeta) {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        self.0
            .insert(identity(namespace, metadata.name.as_deref().unwrap_or_default()));
    }
}

/// How a watch is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first listing is under way.
    Starting,
    /// Listed, and following.
    Following,
    /// It fails, and is tried again; the text says why.
    Failing(String),
}

/// Gets the events of all watches.
pub trait Handler: Send + Sync + 'static {
    /// Called in the order of one watch's events; must not block.
    fn handle(&self, target: &Target, event: Event<'_>);
}

/// The running watches.
pub struct Watches {
    client: Client,
    handler: Arc<dyn Handler>,
    running: Mutex<HashMap<Target, Running>>,
}

struct Running {
    task: AbortHandle,
    state: watch::Receiver<State>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watches")
            .field("running", &self.targets())
            .finish_non_exhaustive()
    }
}

impl Watches {
    /// Watches with `client`'s identity that report to `handler`.
    pub fn new(client: Client, handler: Arc<dyn Handler>) -> Self {
        Self {
            client,
            handler,
            running: Mutex::default(),
        }
    }

    /// Starts the watch unless it runs, and tells how it is doing.
    pub fn ensure(&self, target: Target) -> watch::Receiver<State> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let started = running.entry(target).or_insert_with_key(|target| {
            let (sender, state) = watch::channel(State::Starting);
            let follow = follow(self.client.clone(), target.clone(), self.handler.clone(), sender);
            Running {
                task: tokio::spawn(follow).abort_handle(),
                state,
            }
        });
        started.state.clone()
    }

    /// Stops the watches that are not wanted.
    pub fn retain(&self, wanted: impl Fn(&Target) -> bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|target, _| wanted(target));
    }

    /// What is watched.
    pub fn targets(&self) -> Vec<Target> {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// How a watch is doing; `None` when it does not run.
    pub fn state(&self, target: &Target) -> Option<State> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(target).map(|running| running.state.borrow().clone())
    }
}

/// Waits until the watch has listed its objects, at most `limit`. False when it has not.
pub async fn listed(mut state: watch::Receiver<State>, limit: Duration) -> bool {
    let following = state.wait_for(|state| *state == State::Following);
    matches!(tokio::time::timeout(limit, following).await, Ok(Ok(_)))
}

async fn follow(client: Client, target: Target, handler: Arc<dyn Handler>, state: watch::Sender<State>) {
    let api: Api<PartialObjectMeta<DynamicObject>> = match &target.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &target.resource),
        None => Api::all_with(client, &target.resource),
    };
    let config = match &target.selector {
        Selector::All => watcher::Config::default(),
        Selector::Labels(labels) => watcher::Config::default().labels(labels),
        Selector::Name(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
    };
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let mut listing = Listed::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listing = Listed::default(),
            Ok(watcher::Event::InitApply(object)) => {
                listing.insert(&object.metadata);
                handler.handle(&target, Event::Seen(&object.metadata));
            }
            Ok(watcher::Event::InitDone) => {
                handler.handle(&target, Event::Listed(&std::mem::take(&mut listing)));
                debug!(kind = target.resource.kind, "watch listed");
                state.send_replace(State::Following);
            }
            Ok(watcher::Event::Apply(object)) => handler.handle(&target, Event::Seen(&object.metadata)),
            Ok(watcher::Event::Delete(object)) => handler.handle(&target, Event::Gone(&object.metadata)),
            Err(error) => failing(&target, &error, &state),
        }
    }
}

fn failing(target: &Target, error: &watcher::Error, state: &watch::Sender<State>) {
    // A watch that the server ends, or a connection that breaks, is opened again from where it was.
    if matches!(
        error,
        watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_)
    ) {
        debug!(kind = target.resource.kind, %error, "watch interrupted");
        return;
    }
    warn!(kind = target.resource.kind, api_version = target.resource.api_version, %error, "watch fails");
    state.send_replace(State::Failing(error.to_string()));
}

/// A mark of the fields that we own on an object: it changes when another writer takes, changes or removes one
/// of them, when the object is made anew, and not when others write what is theirs (status, replicas of an
/// autoscaler, annotations of a controller).
pub fn stamp(metadata: &ObjectMeta) -> u64 {
    let mut hash = Sha256::new();
    hash.update(metadata.uid.as_deref().unwrap_or_default().as_bytes());
    for entry in metadata.managed_fields.iter().flatten() {
        let ours = entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty();
        if !ours {
            continue;
        }
        let fields = entry
            .fields_v1
            .as_ref()
            .map(|fields| fields.0.to_string())
            .unwrap_or_default();
        hash.update(fields.as_bytes());
        if let Some(time) = &entry.time {
            hash.update(time.0.to_string().as_bytes());
        }
    }
    hash.finalize()
        .iter()
        .take(8)
        .fold(0, |stamp, byte| stamp << 8 | u64::from(*byte))
}

fn identity(namespace: &str, name: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (namespace, name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn metadata(uid: &str, entries: Value) -> ObjectMeta {
        serde_json::from_value(json!({"uid": uid, "managedFields": entries})).unwrap()
    }

    fn entry(manager: &str, operation: &str, time: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn the_stamp_follows_our_fields_only() {
        let ours = entry(
            "helm",
            "Apply",
            "2026-01-01T00:00:00Z",
            json!({"f:data": {"f:a": {}, "f:b": {}}}),
        );
        let base = stamp(&metadata("u", json!([ours])));
        let other = entry(
            "kubectl",
            "Update",
            "2026-01-02T00:00:00Z",
            json!({"f:status": {}}),
        );
        assert_eq!(stamp(&metadata("u", json!([ours, other]))), base);

        let taken = entry(
            "helm",
            "Apply",
            "2026-01-01T00:00:00Z",
            json!({"f:data": {"f:a": {}}}),
        );
        let again = entry(
            "helm",
            "Apply",
            "2026-01-03T00:00:00Z",
            json!({"f:data": {"f:a": {}, "f:b": {}}}),
        );
        for changed in [
            metadata("u", json!([taken])),
            metadata("u", json!([again])),
            metadata("u", json!([])),
            metadata("v", json!([ours])),
        ] {
            assert_ne!(stamp(&changed), base, "{changed:?}");
        }
    }

    #[test]
    fn a_listing_knows_what_it_held() {
        let mut listed = Listed::default();
        listed.insert(&serde_json::from_value(json!({"namespace": "a", "name": "b"})).unwrap());
        assert!(listed.contains("a", "b"));
        assert!(!listed.contains("b", "a"));
        assert!(!listed.contains("", "b"));
    }
}
