//! Kubernetes Events for transitions: handed over without waiting, and repeated as a series instead of anew.

use std::{collections::HashMap, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource as _,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    api::HelmApp,
    cluster::{self, brief},
    excerpt::excerpt,
    failpoints::failpoint,
};

/// `reportingController` of every event.
pub const CONTROLLER: &str = "helmapp.io/operator";
/// How events begin that name what a deleted HelmApp's release leaves.
pub const LEFT_BEHIND: &str = "left in the cluster";
/// The same event within this time is a repetition.
pub const SERIES_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Repetitions are written at most this often; those in between are counted.
pub const SERIES_INTERVAL: Duration = Duration::from_secs(60);
/// The beginning of a step that ends within this time is not said: its end says it all.
pub const BEGIN_AFTER: Duration = Duration::from_secs(10);
/// Longest note, in bytes, that the API server takes.
pub const MAX_NOTE: usize = 1024;
/// Events that wait to be written; further ones are dropped.
const QUEUE: usize = 1024;
/// Events whose repetition would be known.
const MAX_REMEMBERED: usize = 4096;

/// Where events are handed over.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Event(Box<Item>),
    /// A step has begun.
    Begun(Box<Item>),
    /// The step of the HelmApp with this UID has ended.
    Ended(String),
    /// Whoever asked hears when all before is written.
    Mark(oneshot::Sender<()>),
}

#[derive(Clone, Debug)]
struct Item {
    regarding: ObjectReference,
    warning: bool,
    reason: String,
    note: String,
    at: Timestamp,
}

impl Events {
    /// Events in the name of `identity`, usually a pod's name, with the rights of `client`. Starts a task that
    /// ends when the last clone is gone and what waits is written.
    pub fn new(client: Client, identity: &str) -> Self {
        let instance = identity.to_owned();
        let send = move |write: Write| {
            let (client, instance) = (client.clone(), instance.clone());
            async move { send(client, &instance, write).await }.boxed()
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(waiting, send));
        Self { queue }
    }

    /// Something went as it should.
    pub fn normal(&self, app: &HelmApp, reason: &str, note: &str) {
        self.put(Waiting::Event(Item::boxed(app, false, reason, note)), reason);
    }

    /// Something needs a look.
    pub fn warning(&self, app: &HelmApp, reason: &str, note: &str) {
        self.put(Waiting::Event(Item::boxed(app, true, reason, note)), reason);
    }

    /// A step has begun that takes its time. It is said only when [`Events::ended`] does not follow within
    /// [`BEGIN_AFTER`].
    pub fn begun(&self, app: &HelmApp, reason: &str, note: &str) {
        self.put(Waiting::Begun(Item::boxed(app, false, reason, note)), reason);
    }

    /// The step has ended, well or not; what is said of that comes as an event of its own.
    pub fn ended(&self, app: &HelmApp) {
        let uid = app.metadata.uid.clone().unwrap_or_default();
        // Where the queue is full, a beginning too many is said.
        _ = self.queue.try_send(Waiting::Ended(uid));
    }

    /// Waits until what was handed over is written, for at most `limit`.
    pub async fn drain(&self, limit: Duration) {
        let (mark, passed) = oneshot::channel();
        let drained = async {
            if self.queue.send(Waiting::Mark(mark)).await.is_ok() {
                _ = passed.await;
            }
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!(
                "events are lost: they could not be written within {} s",
                limit.as_secs()
            );
        }
    }

    fn put(&self, waiting: Waiting, reason: &str) {
        if self.queue.try_send(waiting).is_err() {
            tracing::warn!(reason, "an event is dropped: too many wait to be written");
        }
    }
}

impl Item {
    fn boxed(app: &HelmApp, warning: bool, reason: &str, note: &str) -> Box<Self> {
        Box::new(Self {
            regarding: app.object_ref(&()),
            warning,
            reason: reason.to_owned(),
            note: excerpt(note.trim(), MAX_NOTE),
            at: Timestamp::now(),
        })
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
enum Write {
    Create {
        name: String,
        at: Timestamp,
        what: What,
    },
    Repeat {
        name: String,
        at: Timestamp,
        namespace: String,
        count: i32,
    },
}

/// What makes two events the same.
#[derive(Clone, Debug, PartialEq)]
struct What {
    regarding: ObjectReference,
    warning: bool,
    reason: String,
    note: String,
}

async fn run(
    mut waiting: mpsc::Receiver<Waiting>,
    send: impl Fn(Write) -> BoxFuture<'static, cluster::Result<()>>,
) {
    let (mut series, mut begun) = (Series::default(), Beginnings::default());
    let mut open = true;
    while open {
        let mut due = Vec::new();
        tokio::select! {
            next = waiting.recv() => match next {
                Some(Waiting::Event(item)) => due.push(*item),
                Some(Waiting::Begun(item)) => begun.put(*item, Instant::now()),
                Some(Waiting::Ended(uid)) => begun.drop(&uid),
                // Nobody waits any longer for what has begun.
                Some(Waiting::Mark(mark)) => {
                    write(begun.all(), &mut series, &send).await;
                    _ = mark.send(());
                }
                None => {
                    due = begun.all();
                    open = false;
                }
            },
            () = begun.next() => due = begun.due(Instant::now()),
        }
        write(due, &mut series, &send).await;
    }
}

async fn write(
    items: Vec<Item>,
    series: &mut Series,
    send: impl Fn(Write) -> BoxFuture<'static, cluster::Result<()>>,
) {
    for item in items {
        let Some(write) = series.observe(item, Instant::now()) else {
            continue;
        };
        failpoint("event.write.before");
        let written = send(write).await;
        failpoint("event.write.after");
        if let Err(error) = written {
            tracing::warn!(%error, "an event is not written");
        }
    }
}

/// Steps that began lately, at most one a HelmApp, and when that is to be said.
#[derive(Debug, Default)]
struct Beginnings(HashMap<String, (Instant, Item)>);

impl Beginnings {
    fn put(&mut self, item: Item, now: Instant) {
        let uid = item.regarding.uid.clone().unwrap_or_default();
        self.0.insert(uid, (now + BEGIN_AFTER, item));
    }

    fn drop(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// Waits until one is due; for ever while there is none.
    async fn next(&self) {
        match self.0.values().map(|(due, _)| *due).min() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    fn due(&mut self, now: Instant) -> Vec<Item> {
        let due = self.0.extract_if(|_, (due, _)| *due <= now);
        due.map(|(_, (_, item))| item).collect()
    }

    fn all(&mut self) -> Vec<Item> {
        self.0.drain().map(|(_, (_, item))| item).collect()
    }
}

/// Which events were written lately.
#[derive(Debug, Default)]
struct Series {
    known: HashMap<(String, bool, String, String), Known>,
}

#[derive(Debug)]
struct Known {
    name: String,
    count: i32,
    seen: Instant,
    written: Instant,
}

impl Series {
    fn observe(&mut self, item: Item, now: Instant) -> Option<Write> {
        let Item {
            regarding,
            warning,
            reason,
            note,
            at,
        } = item;
        self.known
            .retain(|_, known| now.saturating_duration_since(known.seen) < SERIES_WINDOW);
        let namespace = regarding.namespace.clone().unwrap_or_default();
        let key = (
            regarding.uid.clone().unwrap_or_default(),
            warning,
            reason.clone(),
            note.clone(),
        );
        if let Some(known) = self.known.get_mut(&key) {
            known.count = known.count.saturating_add(1);
            known.seen = now;
            if now.saturating_duration_since(known.written) < SERIES_INTERVAL {
                return None;
            }
            known.written = now;
            return Some(Write::Repeat {
                name: known.name.clone(),
                at,
                namespace,
                count: known.count,
            });
        }
        let object = regarding.name.as_deref().unwrap_or("helmapp");
        let name = format!("{object}.{:x}", at.as_nanosecond());
        if self.known.len() < MAX_REMEMBERED {
            self.known.insert(
                key,
                Known {
                    name: name.clone(),
                    count: 1,
                    seen: now,
                    written: now,
                },
            );
        }
        Some(Write::Create {
            name,
            at,
            what: What {
                regarding,
                warning,
                reason,
                note,
            },
        })
    }
}

async fn send(client: Client, instance: &str, write: Write) -> cluster::Result<()> {
    match write {
        Write::Create { name, at, what } => {
            let namespace = what.regarding.namespace.clone().unwrap_or_default();
            let event = event(name, at, what, instance);
            brief::create(&client, &namespace, &event)
                .await
                .map(|_| ())
                .map_err(|error| (namespace, error))
        }
        Write::Repeat {
            name,
            at,
            namespace,
            count,
        } => {
            let api: Api<Event> = Api::namespaced(client, &namespace);
            let series = EventSeries {
                count,
                last_observed_time: MicroTime(at),
            };
            let patch = Patch::Merge(json!({ "series": series }));
            api.patch(&name, &PatchParams::default(), &patch)
                .await
                .map(|_| ())
                .map_err(|error| (namespace, error))
        }
    }
    .map_err(|(namespace, error)| {
        cluster::Error::from_kube(format!("write an event in namespace {namespace}"), error, false)
    })
}

fn event(name: String, at: Timestamp, what: What, instance: &str) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: what.regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(at)),
        action: Some("Reconcile".to_owned()),
        reason: Some(what.reason),
        note: Some(what.note),
        type_: Some(if what.warning { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(what.regarding),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::HelmAppSpec;

    fn item(uid: &str, reason: &str, note: &str) -> Item {
        *Item::boxed(&app(uid), true, reason, note)
    }

    fn app(uid: &str) -> HelmApp {
        let mut app = HelmApp::new("shop", HelmAppSpec::default());
        app.metadata.namespace = Some("web".to_owned());
        app.metadata.uid = Some(uid.to_owned());
        app
    }

    fn summary(write: Option<Write>) -> Option<(String, i32)> {
        match write? {
            Write::Create { what, .. } => Some((format!("{} {}", what.reason, what.note), 1)),
            Write::Repeat { namespace, count, .. } => Some((namespace, count)),
        }
    }

    #[test]
    fn repetitions_become_a_series_and_are_written_seldom() {
        let mut series = Series::default();
        let start = Instant::now();
        let mut observe = |second: u64, uid: &str, reason: &str, note: &str| {
            let now = start + Duration::from_secs(second);
            summary(series.observe(item(uid, reason, note), now))
        };
        let create = |text: &str| Some((text.to_owned(), 1));
        let repeat = |count| Some(("web".to_owned(), count));
        assert_eq!(observe(0, "a", "Failed", "x"), create("Failed x"));
        assert_eq!(observe(10, "a", "Failed", "x"), None);
        assert_eq!(
            observe(20, "a", "Failed", "y"),
            create("Failed y"),
            "another note is another event"
        );
        assert_eq!(
            observe(30, "b", "Failed", "x"),
            create("Failed x"),
            "another object, too"
        );
        assert_eq!(observe(60, "a", "Failed", "x"), repeat(3));
        assert_eq!(observe(70, "a", "Failed", "x"), None);
        assert_eq!(observe(669, "a", "Failed", "x"), repeat(5));
        assert_eq!(
            observe(1269, "a", "Failed", "x"),
            create("Failed x"),
            "long ago is not a repetition"
        );
    }

    #[test]
    fn an_event_is_one_that_the_api_server_takes() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let item = Item {
            at,
            ..item("a", "RenderFailed", "bad")
        };
        let Some(Write::Create { name, at, what }) = Series::default().observe(item, Instant::now()) else {
            panic!("the first event is made");
        };
        let event = serde_json::to_value(event(name, at, what, "pod-1")).unwrap();
        let expected = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": "shop.17979cfe362a0000", "namespace": "web" },
            "eventTime": "2023-11-14T22:13:20.000000Z",
            "action": "Reconcile",
            "reason": "RenderFailed",
            "note": "bad",
            "type": "Warning",
            "regarding": {
                "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "name": "shop", "namespace": "web",
                "uid": "a"
            },
            "reportingController": "helmapp.io/operator",
            "reportingInstance": "pod-1",
        });
        assert_eq!(event, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_beginning_is_said_only_of_what_takes_longer() {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (written, mut seen) = mpsc::unbounded_channel();
        let send = move |write: Write| {
            let (reason, _) = summary(Some(write)).unwrap();
            written.send((reason, Instant::now())).unwrap();
            async { Ok(()) }.boxed()
        };
        tokio::spawn(run(waiting, send));
        let events = Events { queue };
        let start = Instant::now();
        let (quick, slow, last) = (app("quick"), app("slow"), app("last"));
        events.begun(&quick, "Progressing", "quick");
        events.begun(&slow, "Progressing", "slow");
        tokio::time::sleep(BEGIN_AFTER / 2).await;
        events.ended(&quick);
        events.normal(&quick, "InstallSucceeded", "quick");
        tokio::time::sleep(BEGIN_AFTER).await;
        events.ended(&slow);
        events.warning(&slow, "InstallFailed", "slow");
        events.begun(&last, "Progressing", "last");
        events.drain(Duration::from_secs(1)).await;
        let mut all = Vec::new();
        while let Ok((text, at)) = seen.try_recv() {
            all.push((text, at.duration_since(start).as_millis()));
        }
        let expected = [
            ("InstallSucceeded quick", 5000),
            ("Progressing slow", 10_000),
            ("InstallFailed slow", 15_000),
            // The process ends before that is over.
            ("Progressing last", 15_000),
        ];
        assert_eq!(all, expected.map(|(text, at)| (text.to_owned(), at)));
    }
}
