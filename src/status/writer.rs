//! The only writer of status: merges changes that come close together, skips what is equal, tries again what
//! failed in a way that passes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, header::CONTENT_TYPE};
use kube::{Client, Resource as _};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use super::spread::Spread;
use crate::{
    api::{HelmApp, HelmAppStatus},
    cluster::{self, brief, retry},
    failpoints::failpoint,
};

/// How far something has come is written no more often than this.
pub(super) const PROGRESS_WINDOW: Duration = Duration::from_secs(30);
/// And so long after something else: what is said at the beginning is soon no more true.
const FIRST_PROGRESS: Duration = Duration::from_secs(10);
/// How long a written status is remembered: until the watch has surely brought it.
const REMEMBER: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// When a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// As [`Urgency::Soon`], but seldom: it tells how far something has come, and the next one makes it old.
    Progress,
    /// After [`MERGE_WINDOW`](super::MERGE_WINDOW), or in its turn where there are many, in which a later one takes its
    /// place.
    Soon,
    /// At once: it is a result that somebody waits for.
    Now,
}

/// Hands statuses to a task of its own; nobody waits for the API server.
#[derive(Clone)]
pub struct StatusWriter {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Mutex<HashMap<String, Entry>>,
    spread: Mutex<Spread>,
    /// Reconciles that are under way, by uid. They hold the HelmApp as it was when they began.
    held: Mutex<HashMap<String, usize>>,
    changed: Notify,
    idle: Notify,
    send: Box<dyn Fn(Target, Value) -> BoxFuture<'static, cluster::Result<()>> + Send + Sync>,
}

/// Which object, and which life of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    namespace: String,
    name: String,
    uid: String,
}

struct Entry {
    target: Target,
    /// As it stands in the cluster as far as we know.
    base: Arc<HelmAppStatus>,
    written: Option<Instant>,
    /// How far something had come was what was written last.
    told_progress: bool,
    pending: Option<Pending>,
    /// What is on its way to the cluster.
    writing: Option<Arc<HelmAppStatus>>,
    failures: u32,
}

struct Pending {
    status: Arc<HelmAppStatus>,
    due: Instant,
    is_progress: bool,
}

impl std::fmt::Debug for StatusWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusWriter")
            .field("entries", &self.shared.lock().len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, now: Instant) -> Instant {
        let mut spread = self.spread.lock().unwrap_or_else(PoisonError::into_inner);
        spread.turn(now)
    }

    /// Notes how a write went.
    fn written(&self, uid: &str, place: &str, status: Arc<HelmAppStatus>, result: cluster::Result<()>) {
        let now = Instant::now();
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(uid) else {
            return;
        };
        entry.writing = None;
        match result {
            Ok(()) => {
                entry.base = status;
                entry.written = Some(now);
                entry.failures = 0;
                entry.pending.take_if(|pending| pending.status == entry.base);
            }
            // The server names the fields that it does not take. It would not take them the next time either.
            Err(error) if error.code() == Some(422) && names_fields(&error) => {
                tracing::warn!(app = %place, %error, "status is refused and not written");
                entry.base = status;
                entry.written = Some(now);
                entry.failures = 0;
            }
            // Gone, or made anew with another uid: the failed test of it is unprocessable.
            Err(error) if error.is_not_found() || error.code() == Some(422) => {
                tracing::info!(app = %place, %error, "status is not written");
                entries.remove(uid);
            }
            Err(error) => {
                entry.failures = entry.failures.saturating_add(1);
                let wait = retry::backoff(entry.failures, FIRST_RETRY, LONGEST_RETRY);
                tracing::warn!(app = %place, %error, retry_seconds = wait.as_secs(), "status is not written");
                let due = now + wait;
                match &mut entry.pending {
                    Some(pending) => pending.due = due,
                    None => {
                        let is_progress = entry.told_progress;
                        entry.pending = Some(Pending {
                            status,
                            due,
                            is_progress,
                        });
                    }
                }
            }
        }
    }
}

/// While it lives, what was written for the HelmApp stays known.
pub struct Held {
    shared: Arc<Shared>,
    uid: String,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        if let Some(count) = held.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.uid);
            }
        }
    }
}

impl StatusWriter {
    /// A writer with the operator's own rights. [`StatusWriter::run`] does the work.
    pub fn new(client: Client) -> Self {
        Self::with(move |target, status| {
            let client = client.clone();
            async move {
                let doing = format!("write the status of HelmApp {}/{}", target.namespace, target.name);
                let request = request(&target, status).map_err(|message| cluster::Error::Connection {
                    doing: doing.clone(),
                    message,
                })?;
                failpoint("status.write.before");
                let written = brief::send(&client, request).await;
                failpoint("status.write.after");
                written
                    .map(|_| ())
                    .map_err(|error| cluster::Error::from_kube(doing, error, false))
            }
            .boxed()
        })
    }

    fn with(
        send: impl Fn(Target, Value) -> BoxFuture<'static, cluster::Result<()>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            entries: Mutex::default(),
            spread: Mutex::default(),
            held: Mutex::default(),
            changed: Notify::new(),
            idle: Notify::new(),
            send: Box::new(send),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The status that holds: what waits to be written, else what is being written, else what was written and the watch may not have
    /// brought yet, else the HelmApp's own.
    pub fn current(&self, app: &HelmApp) -> HelmAppStatus {
        let entries = self.shared.lock();
        let entry = app.metadata.uid.as_ref().and_then(|uid| entries.get(uid));
        match entry {
            Some(entry) => match &entry.pending {
                Some(pending) => pending.status.as_ref().clone(),
                None => entry.writing.as_ref().unwrap_or(&entry.base).as_ref().clone(),
            },
            None => app.status.clone().unwrap_or_default(),
        }
    }

    /// Keeps what is written for the HelmApp in mind as long as a reconcile goes on: that looks at the HelmApp as
    /// it was when it began, and would otherwise take an old status for the one that holds.
    pub fn hold(&self, uid: &str) -> Held {
        *self.shared.held().entry(uid.to_owned()).or_default() += 1;
        Held {
            shared: self.shared.clone(),
            uid: uid.to_owned(),
        }
    }

    /// Has a status written, unless it is what stands there already.
    pub fn put(&self, app: &HelmApp, status: HelmAppStatus, urgency: Urgency) {
        let (Some(uid), Some(namespace), Some(name)) =
            (&app.metadata.uid, &app.metadata.namespace, &app.metadata.name)
        else {
            return;
        };
        let now = Instant::now();
        {
            let mut entries = self.shared.lock();
            let entry = entries.entry(uid.clone()).or_insert_with(|| Entry {
                target: Target {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: uid.clone(),
                },
                base: Arc::new(app.status.clone().unwrap_or_default()),
                written: None,
                told_progress: false,
                pending: None,
                writing: None,
                failures: 0,
            });
            if entry.writing.is_none() && *entry.base == status {
                entry.pending = None;
                if entry.written.is_none() {
                    entries.remove(uid);
                }
            } else {
                let waits = entry.pending.as_ref().map(|pending| pending.due);
                let due = match (urgency, entry.written) {
                    (Urgency::Now, _) => now,
                    (Urgency::Progress, Some(written)) => {
                        let window = if entry.told_progress {
                            PROGRESS_WINDOW
                        } else {
                            FIRST_PROGRESS
                        };
                        waits.unwrap_or_else(|| self.shared.turn(now).max(written + window))
                    }
                    (Urgency::Progress | Urgency::Soon, _) => self.shared.turn(now),
                };
                let due = waits.map_or(due, |waits| waits.min(due));
                entry.pending = Some(Pending {
                    status: Arc::new(status),
                    due,
                    is_progress: urgency == Urgency::Progress,
                });
            }
        }
        self.shared.changed.notify_one();
    }

    /// Forgets a HelmApp that is gone; what waits is not written.
    pub fn forget(&self, uid: &str) {
        self.shared.lock().remove(uid);
    }

    /// Writes what is put, until `stop`; then writes what still waits, once, and returns.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            let next = self.start_due(Instant::now());
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = self.shared.changed.notified() => {}
                () = timer => {}
            }
        }
        self.flush().await;
    }

    async fn flush(&self) {
        loop {
            let idle = self.shared.idle.notified();
            let mut idle = std::pin::pin!(idle);
            idle.as_mut().enable();
            let now = Instant::now();
            {
                let mut entries = self.shared.lock();
                // What failed is not tried for ever on the way out; the next process writes it.
                entries.retain(|_, entry| {
                    entry.writing.is_some() || entry.failures == 0 && entry.pending.is_some()
                });
                for pending in entries.values_mut().filter_map(|entry| entry.pending.as_mut()) {
                    pending.due = now;
                }
                if entries.is_empty() {
                    return;
                }
            }
            self.start_due(now);
            idle.await;
        }
    }

    /// Starts the writes that are due and says when the next one will be.
    fn start_due(&self, now: Instant) -> Option<Instant> {
        let mut entries = self.shared.lock();
        let held = self.shared.held();
        entries.retain(|uid, entry| {
            entry.writing.is_some()
                || entry.pending.is_some()
                || entry
                    .written
                    .is_some_and(|at| at + REMEMBER > now || held.contains_key(uid))
        });
        drop(held);
        let mut next = None;
        for (uid, entry) in entries.iter_mut().filter(|(_, entry)| entry.writing.is_none()) {
            match entry.pending.take_if(|pending| pending.due <= now) {
                Some(pending) => {
                    entry.writing = Some(pending.status.clone());
                    entry.told_progress = pending.is_progress;
                    tokio::spawn(write(
                        self.shared.clone(),
                        uid.clone(),
                        entry.target.clone(),
                        entry.base.clone(),
                        pending.status,
                    ));
                }
                None => {
                    let due = entry.pending.as_ref().map(|pending| pending.due);
                    next = [next, due].into_iter().flatten().min();
                }
            }
        }
        next
    }
}

/// Replaces the status of one life of the HelmApp: the test of the uid makes the server refuse a write to one
/// that was made anew under the name, which a merge patch of the status would not.
fn request(target: &Target, status: Value) -> Result<Request<Vec<u8>>, String> {
    let path = HelmApp::url_path(&(), Some(&target.namespace));
    let operations = json!([
        { "op": "test", "path": "/metadata/uid", "value": target.uid },
        { "op": "add", "path": "/status", "value": status },
    ]);
    Request::patch(format!("{path}/{}/status", target.name))
        .header(CONTENT_TYPE, "application/json-patch+json")
        .body(operations.to_string().into_bytes())
        .map_err(|error| error.to_string())
}

async fn write(
    shared: Arc<Shared>,
    uid: String,
    target: Target,
    base: Arc<HelmAppStatus>,
    status: Arc<HelmAppStatus>,
) {
    let place = format!("{}/{}", target.namespace, target.name);
    let result = match serde_json::to_value(status.as_ref()) {
        Ok(value) if status != base => (shared.send)(target, value).await,
        _ => Ok(()),
    };
    shared.written(&uid, &place, status, result);
    // Also where the HelmApp was forgotten meanwhile: whoever flushes waits for what is on its way.
    shared.changed.notify_one();
    shared.idle.notify_waiters();
}

fn names_fields(error: &cluster::Error) -> bool {
    matches!(error, cluster::Error::Api { fields, .. } if !fields.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::oneshot;

    use super::*;

    type Log = Arc<Mutex<Vec<(String, Value)>>>;

    /// A writer whose API server gives these answers, and then success.
    fn writer(answers: impl IntoIterator<Item = u16>) -> (StatusWriter, Log) {
        let log = Log::default();
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<u16>>());
        let seen = log.clone();
        let writer = StatusWriter::with(move |target, value| {
            seen.lock().unwrap().push((target.name, value));
            let code = answers.lock().unwrap().pop_front().unwrap_or(200);
            async move {
                if code == 200 {
                    return Ok(());
                }
                Err(cluster::Error::Api {
                    doing: "x".to_owned(),
                    code,
                    reason: String::new(),
                    message: String::new(),
                    // The server's own word for a status that it does not take.
                    fields: if code == 422 {
                        vec!["status.history".to_owned()]
                    } else {
                        Vec::new()
                    },
                    retry_after: None,
                })
            }
            .boxed()
        });
        (writer, log)
    }

    fn app(name: &str) -> HelmApp {
        let mut app = HelmApp::new(name, crate::api::HelmAppSpec::default());
        app.metadata.namespace = Some("web".to_owned());
        app.metadata.uid = Some(format!("uid-{name}"));
        app
    }

    fn failures(count: i64) -> HelmAppStatus {
        HelmAppStatus {
            failures: count,
            ..HelmAppStatus::default()
        }
    }

    async fn settle(millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn changes_within_a_second_are_one_write() {
        let (writer, log) = writer([]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        for count in 1..=3 {
            writer.put(&app("a"), failures(count), Urgency::Soon);
            settle(100).await;
        }
        assert_eq!(log.lock().unwrap().len(), 0);
        assert_eq!(writer.current(&app("a")), failures(3));
        settle(1000).await;
        assert_eq!(*log.lock().unwrap(), [("a".to_owned(), json!({"failures": 3}))]);
        assert_eq!(writer.current(&app("a")), failures(3));
        writer.put(&app("a"), failures(3), Urgency::Now);
        settle(2000).await;
        assert_eq!(log.lock().unwrap().len(), 1);
        settle(40_000).await;
        writer.put(&app("b"), failures(1), Urgency::Now);
        settle(10).await;
        assert_eq!(
            writer.current(&app("a")),
            HelmAppStatus::default(),
            "forgotten: the watch has it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_now_and_then() {
        let (writer, log) = writer([]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        for count in 1..=60 {
            writer.put(&app("a"), failures(count), Urgency::Progress);
            settle(600).await;
        }
        let written: Vec<_> = log
            .lock()
            .unwrap()
            .iter()
            .map(|(_, status)| status["failures"].clone())
            .collect();
        // After 1 s, and every 30 s.
        assert_eq!(written, [json!(2), json!(52)]);
        writer.put(&app("a"), failures(61), Urgency::Now);
        settle(10).await;
        assert_eq!(log.lock().unwrap().len(), 3);
        // What comes after something else is told sooner.
        writer.put(&app("a"), failures(62), Urgency::Progress);
        settle(9_500).await;
        assert_eq!(log.lock().unwrap().len(), 3);
        settle(1_000).await;
        assert_eq!(log.lock().unwrap().len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_does_not_wait_and_takes_the_place_of_what_waits() {
        let (writer, log) = writer([]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        writer.put(&app("a"), failures(1), Urgency::Soon);
        writer.put(&app("a"), failures(2), Urgency::Now);
        settle(10).await;
        assert_eq!(*log.lock().unwrap(), [("a".to_owned(), json!({"failures": 2}))]);
        settle(5000).await;
        assert_eq!(log.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_written_holds() {
        let writer = StatusWriter::with(|_, _| std::future::pending().boxed());
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(10).await;
        assert_eq!(writer.current(&app("a")), failures(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_failed_is_tried_again_with_the_newest() {
        let (writer, log) = writer([503]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(10).await;
        writer.put(&app("a"), failures(2), Urgency::Soon);
        settle(3000).await;
        let expected = [
            ("a".to_owned(), json!({"failures": 1})),
            ("a".to_owned(), json!({"failures": 2})),
        ];
        assert_eq!(*log.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_helmapp_that_is_gone_is_forgotten() {
        let (writer, log) = writer([404]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(120_000).await;
        assert_eq!(log.lock().unwrap().len(), 1);
        assert_eq!(writer.shared.lock().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_stays_known_while_a_reconcile_goes_on() {
        let (writer, _) = writer([]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        let first = writer.hold("uid-a");
        let second = writer.hold("uid-a");
        writer.put(&app("a"), failures(1), Urgency::Now);
        drop(first);
        for count in 0..3 {
            settle(20_000).await;
            writer.put(&app("b"), failures(count), Urgency::Now);
        }
        settle(10).await;
        assert_eq!(
            writer.current(&app("a")),
            failures(1),
            "the reconcile has an old HelmApp"
        );
        drop(second);
        writer.put(&app("b"), failures(9), Urgency::Now);
        settle(10).await;
        assert_eq!(writer.current(&app("a")), HelmAppStatus::default());
        assert!(writer.shared.held().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_the_server_refuses_is_not_sent_for_ever() {
        let (writer, log) = writer([422]);
        let running = writer.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(5000).await;
        assert_eq!(
            writer.current(&app("a")),
            failures(1),
            "it still holds for this process"
        );
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(5000).await;
        assert_eq!(log.lock().unwrap().len(), 1);
        writer.put(&app("a"), failures(2), Urgency::Now);
        settle(5000).await;
        assert_eq!(log.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_does_not_wait_for_what_is_forgotten() {
        let writer = StatusWriter::with(|_, _| {
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
            .boxed()
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let running = writer.clone();
        let ended = tokio::spawn(async move {
            running
                .run(async move {
                    _ = stopped.await;
                })
                .await;
        });
        writer.put(&app("a"), failures(1), Urgency::Now);
        settle(10).await;
        stop.send(()).unwrap();
        settle(10).await;
        writer.forget("uid-a");
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .expect("the writer ends")
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_writes_what_waits_once() {
        let (writer, log) = writer([503]);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = writer.clone();
        let task = tokio::spawn(async move { running.run(stopped.map(|_| ())).await });
        settle(10).await;
        writer.put(&app("a"), failures(1), Urgency::Soon);
        writer.put(&app("b"), failures(1), Urgency::Soon);
        settle(10).await;
        drop(stop);
        tokio::time::timeout(Duration::from_millis(100), task)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(log.lock().unwrap().len(), 2);
    }
}
