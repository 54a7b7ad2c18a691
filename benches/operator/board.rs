//! What the benchmark sees of its HelmApps and Deployments, by watches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use helmapp::api::{HelmApp, conditions::READY};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{sync::Notify, time::Instant};

/// A HelmApp as far as the benchmark waits for it.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Whether its newest generation is ready.
    pub(crate) is_ready: bool,
    pub(crate) revision: i64,
    pub(crate) objects: u64,
    /// Its conditions, for who wants to know why it is not ready.
    conditions: String,
}

impl App {
    fn of(app: &HelmApp) -> Self {
        let status = app.status.clone().unwrap_or_default();
        let current = status.observed_generation == app.metadata.generation;
        let is_true = |kind| {
            status
                .conditions
                .iter()
                .any(|c| c.type_ == kind && c.status == "True")
        };
        Self {
            is_ready: current && is_true(READY),
            revision: status.release.as_ref().map_or(0, |release| release.revision),
            objects: status.inventory.len() as u64,
            conditions: format!("{:?}", status.conditions),
        }
    }
}

/// A Deployment as far as the benchmark waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) uid: String,
    pub(crate) replicas: i32,
}

/// Everything seen, by name.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) apps: HashMap<String, App>,
    pub(crate) workloads: HashMap<String, Workload>,
}

impl Seen {
    pub(crate) fn ready(&self, revision: i64) -> usize {
        let ready = |app: &&App| app.is_ready && app.revision == revision;
        self.apps.values().filter(ready).count()
    }

    pub(crate) fn with_replicas(&self, replicas: i32) -> usize {
        let same = |workload: &&Workload| workload.replicas == replicas;
        self.workloads.values().filter(same).count()
    }
}

/// Follows one namespace.
#[derive(Debug, Default)]
pub(crate) struct Board {
    seen: Mutex<Seen>,
    changed: Notify,
}

impl Board {
    pub(crate) fn follow(client: &Client, namespace: &str) -> Arc<Self> {
        let board = Arc::new(Self::default());
        let apps = Api::<HelmApp>::namespaced(client.clone(), namespace);
        board.clone().watch(apps, |seen, name, app| match app {
            Some(app) => drop(seen.apps.insert(name, App::of(&app))),
            None => drop(seen.apps.remove(&name)),
        });
        let workloads = Api::<Deployment>::namespaced(client.clone(), namespace);
        board.clone().watch(workloads, |seen, name, deployment| {
            let Some(deployment) = deployment else {
                seen.workloads.remove(&name);
                return;
            };
            let workload = Workload {
                uid: deployment.metadata.uid.unwrap_or_default(),
                replicas: deployment.spec.and_then(|spec| spec.replicas).unwrap_or_default(),
            };
            seen.workloads.insert(name, workload);
        });
        board
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is so and says when it was.
    pub(crate) async fn until(&self, what: &str, limit: Duration, so: impl Fn(&Seen) -> bool) -> Instant {
        let end = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            if so(&self.seen()) {
                return Instant::now();
            }
            if tokio::time::timeout_at(end, changed).await.is_err() {
                let seen = self.seen();
                let waiting = seen.apps.iter().find(|(_, app)| !app.is_ready);
                let waiting = waiting.map(|(name, app)| format!("{name}: {}", app.conditions));
                panic!(
                    "{what}: not so after {}s; not ready is {waiting:?}",
                    limit.as_secs()
                );
            }
        }
    }

    fn watch<K>(self: Arc<Self>, api: Api<K>, apply: fn(&mut Seen, String, Option<K>))
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + 'static,
        K: serde::de::DeserializeOwned,
    {
        tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
            while let Some(event) = events.next().await {
                let (object, present) = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => (object, true),
                    Ok(watcher::Event::Delete(object)) => (object, false),
                    Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => continue,
                };
                let name = object.meta().name.clone().unwrap_or_default();
                apply(&mut self.seen(), name, present.then_some(object));
                self.changed.notify_waiters();
            }
        });
    }
}
