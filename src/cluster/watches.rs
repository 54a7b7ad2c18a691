//! Watches that start when something is worth watching and stop when nothing is. They bring metadata only.
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
use tokio::time::Instant;
use tracing::{debug, warn};

use super::apply::FIELD_MANAGER;

/// A watch that could not be opened again from where it was, and has said nothing for so long, follows: what fails is
/// tried again sooner, and what is opened says nothing until something happens.
pub const RECOVERED: Duration = Duration::from_secs(120);

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
    /// The right to list and watch is missing, or has come after it was.
    Rights,
}

/// The identities of one listing.
#[derive(Debug)]
pub struct Listed {
    began: Instant,
    held: HashSet<u64>,
}

impl Listed {
    /// An empty listing that began then.
    pub fn new(began: Instant) -> Self {
        let held = HashSet::new();
        Self { began, held }
    }

    /// A listing that had these objects, by namespace and name.
    pub fn of<'a>(began: Instant, objects: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let held = objects
            .into_iter()
            .map(|(namespace, name)| identity(namespace, name));
        Self {
            began,
            held: held.collect(),
        }
    }

    /// When it was asked for. What was written later may be missing in it.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Whether the listing had the object.
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.held.contains(&identity(namespace, name))
    }

    fn insert(&mut self, metadata: &ObjectMeta) {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        self.held
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
    /// The right to list and watch is missing, and is asked for again seldom; the text says which.
    Forbidden(String),
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
    /// Time between two tries of a watch that is forbidden.
    pause: Duration,
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
    /// Watches with `client`'s identity that report to `handler`. One that is forbidden is tried again after
    /// `pause`.
    pub fn new(client: Client, handler: Arc<dyn Handler>, pause: Duration) -> Self {
        Self {
            client,
            handler,
            pause,
            running: Mutex::default(),
        }
    }

    /// Starts the watch unless it runs, and tells how it is doing.
    pub fn ensure(&self, target: Target) -> watch::Receiver<State> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let started = running.entry(target).or_insert_with_key(|target| {
            let (sender, state) = watch::channel(State::Starting);
            let follow = Follow {
                target: target.clone(),
                handler: self.handler.clone(),
                state: sender,
                pause: self.pause,
            };
            let follow = follow.run(self.client.clone());
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

    /// How the first watch that is so is doing; `None` when there is none.
    pub fn find(&self, so: impl Fn(&Target) -> bool) -> Option<State> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, found) = running.iter().find(|(target, _)| so(target))?;
        Some(found.state.borrow().clone())
    }

    /// How a watch is doing; `None` when it does not run.
    pub fn state(&self, target: &Target) -> Option<State> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(target).map(|running| running.state.borrow().clone())
    }
}

/// Waits until the watch has listed its objects, at most `limit`. False when it has not, and at once when it is
/// forbidden.
pub async fn listed(mut state: watch::Receiver<State>, limit: Duration) -> bool {
    let decided = state.wait_for(|state| matches!(state, State::Following | State::Forbidden(_)));
    match tokio::time::timeout(limit, decided).await {
        Ok(Ok(state)) => *state == State::Following,
        _ => false,
    }
}

/// One watch.
struct Follow {
    target: Target,
    handler: Arc<dyn Handler>,
    state: watch::Sender<State>,
    pause: Duration,
}

impl Follow {
    async fn run(self, client: Client) {
        let config = match &self.target.selector {
            Selector::All => watcher::Config::default(),
            Selector::Labels(labels) => watcher::Config::default().labels(labels),
        };
        let api: Api<PartialObjectMeta<DynamicObject>> = match &self.target.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &self.target.resource),
            None => Api::all_with(client, &self.target.resource),
        };
        self.follow(api, config).await;
    }

    async fn follow(&self, api: Api<PartialObjectMeta<DynamicObject>>, config: watcher::Config) {
        let target = &self.target;
        let seen = |metadata: &ObjectMeta| self.handler.handle(target, Event::Seen(metadata));
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let mut listing = Listed::new(Instant::now());
        let mut resumes = false;
        loop {
            let next = async {
                match resumes {
                    true => tokio::time::timeout(RECOVERED, events.next()).await,
                    false => Ok(events.next().await),
                }
            };
            let event = match next.await {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(_) => {
                    resumes = false;
                    self.is(State::Following);
                    continue;
                }
            };
            let going_on = matches!(event, Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_)));
            if std::mem::take(&mut resumes) && going_on {
                self.is(State::Following);
            }
            match event {
                Ok(watcher::Event::Init) => listing = Listed::new(Instant::now()),
                Ok(watcher::Event::InitApply(object)) => {
                    listing.insert(&object.metadata);
                    seen(&object.metadata);
                }
                Ok(watcher::Event::InitDone) => {
                    let listing = std::mem::replace(&mut listing, Listed::new(Instant::now()));
                    self.handler.handle(target, Event::Listed(&listing));
                    debug!(kind = target.resource.kind, "watch listed");
                    self.is(State::Following);
                }
                Ok(watcher::Event::Apply(object)) => seen(&object.metadata),
                Ok(watcher::Event::Delete(object)) => {
                    self.handler.handle(target, Event::Gone(&object.metadata));
                }
                Err(error) => {
                    resumes = matches!(
                        error,
                        watcher::Error::WatchStartFailed(_) | watcher::Error::WatchError(_)
                    );
                    self.failed(&error).await;
                }
            }
        }
    }

    async fn failed(&self, error: &watcher::Error) {
        let kind = &self.target.resource.kind;
        if let Some(why) = lacking(error) {
            self.is(State::Forbidden(why));
            tokio::time::sleep(self.pause).await;
            return;
        }
        // A watch that the server ends, or a connection that breaks, is opened again from where it was.
        if matches!(
            error,
            watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_)
        ) {
            debug!(kind, %error, "watch interrupted");
            return;
        }
        warn!(kind, api_version = self.target.resource.api_version, %error, "watch fails");
        self.is(State::Failing(error.to_string()));
    }

    /// Says how the watch is doing, and tells the handler when rights went or came.
    fn is(&self, state: State) {
        let forbidden = match &state {
            State::Forbidden(why) => Some(why.clone()),
            _ => None,
        };
        let was = matches!(self.state.send_replace(state), State::Forbidden(_));
        if was == forbidden.is_some() {
            return;
        }
        if let Some(why) = forbidden {
            warn!(kind = self.target.resource.kind, why, "watch is forbidden");
        }
        self.handler.handle(&self.target, Event::Rights);
    }
}

/// Whether a right is missing.
pub fn is_forbidden(error: &watcher::Error) -> bool {
    lacking(error).is_some()
}

/// What the server says of a right that is missing.
fn lacking(error: &watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    status.is_forbidden().then(|| status.message.clone())
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
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;

    /// Passes on what it is told, as text.
    struct Told(mpsc::UnboundedSender<String>);

    impl Handler for Told {
        fn handle(&self, _: &Target, event: Event<'_>) {
            let name = |metadata: &ObjectMeta| metadata.name.clone().unwrap_or_default();
            let text = match event {
                Event::Seen(metadata) => format!("seen {}", name(metadata)),
                Event::Gone(metadata) => format!("gone {}", name(metadata)),
                Event::Listed(listed) => {
                    let held = ["a", "b"].map(|name| listed.contains("web", name));
                    format!("listed {held:?}")
                }
                Event::Rights => "rights".to_owned(),
            };
            self.0.send(text).unwrap();
        }
    }

    /// A server that answers lists and watches in this order; what is not there never ends.
    fn server(lists: Vec<(u16, Value)>, watches: Vec<Value>) -> Client {
        let script = Arc::new(Mutex::new((lists.into_iter(), watches.into_iter())));
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move {
                let watch = request
                    .uri()
                    .query()
                    .is_some_and(|query| query.contains("watch=true"));
                let answer = {
                    let mut script = script.lock().unwrap();
                    if watch {
                        script.1.next().map(|event| (200, event))
                    } else {
                        script.0.next()
                    }
                };
                let Some((code, body)) = answer else {
                    return std::future::pending().await;
                };
                let body = format!("{body}\n").into_bytes();
                let response = Response::builder().status(code).body(Body::from(body));
                Ok::<_, std::convert::Infallible>(response.unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn list(names: &[&str]) -> (u16, Value) {
        let items: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                               "metadata": {"namespace": "web", "name": name, "resourceVersion": "1"}})
            })
            .collect();
        let list = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                          "metadata": {"resourceVersion": "5"}, "items": items});
        (200, list)
    }

    fn status(code: u16, reason: &str, message: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason,
               "message": message})
    }

    fn config_maps() -> Target {
        Target {
            resource: ApiResource {
                group: String::new(),
                version: "v1".into(),
                api_version: "v1".into(),
                kind: "ConfigMap".into(),
                plural: "configmaps".into(),
            },
            namespace: None,
            selector: Selector::All,
        }
    }

    async fn told(received: &mut mpsc::UnboundedReceiver<String>, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        while all.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(20), received.recv()).await;
            all.push(next.expect("more is told").unwrap());
        }
        all
    }

    #[tokio::test]
    async fn a_listing_after_a_gap_tells_what_is_left() {
        let gap = json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version")});
        let client = server(vec![list(&["a", "b"]), list(&["a"])], vec![gap]);
        let (sender, mut received) = mpsc::unbounded_channel();
        let watches = Watches::new(client, Arc::new(Told(sender)), Duration::ZERO);
        let state = watches.ensure(config_maps());
        assert!(listed(state, Duration::from_secs(20)).await);
        assert_eq!(
            told(&mut received, 5).await,
            [
                "seen a",
                "seen b",
                "listed [true, true]",
                "seen a",
                "listed [true, false]"
            ]
        );
    }

    #[tokio::test]
    async fn a_missing_right_is_said_once_and_asked_for_seldom() {
        let refusal = || {
            (
                403,
                status(403, "Forbidden", "configmaps is forbidden: cannot list"),
            )
        };
        let client = server(vec![refusal(), refusal(), list(&["a"])], Vec::new());
        let (sender, mut received) = mpsc::unbounded_channel();
        let pause = Duration::from_secs(2);
        let watches = Watches::new(client, Arc::new(Told(sender)), pause);
        let began = Instant::now();
        let state = watches.ensure(config_maps());
        assert!(!listed(state.clone(), Duration::from_secs(20)).await);
        assert!(began.elapsed() < pause, "it is not waited for");
        let forbidden = State::Forbidden("configmaps is forbidden: cannot list".into());
        assert_eq!(watches.find(|_| true), Some(forbidden));
        assert_eq!(
            told(&mut received, 4).await,
            ["rights", "seen a", "listed [true, false]", "rights"]
        );
        assert!(began.elapsed() >= pause * 2);
        assert_eq!(*state.borrow(), State::Following);
    }

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
        let mut listed = Listed::new(Instant::now());
        listed.insert(&serde_json::from_value(json!({"namespace": "a", "name": "b"})).unwrap());
        assert!(listed.contains("a", "b"));
        assert!(!listed.contains("b", "a"));
        assert!(!listed.contains("", "b"));
    }
}
