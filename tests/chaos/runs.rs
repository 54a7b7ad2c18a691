//! Which Jobs there were: a hook's Job that has ended must not be run once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::Api;
use kube::runtime::watcher;

/// UIDs by namespace and name.
type Seen = BTreeMap<(String, String), BTreeSet<String>>;

/// Every Job of the cluster that was seen since the start.
pub(crate) struct Runs {
    seen: Arc<Mutex<Seen>>,
    watching: tokio::task::JoinHandle<()>,
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Runs {
    pub(crate) fn watch(client: kube::Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new()));
        let noted = seen.clone();
        let watching = tokio::spawn(async move {
            let jobs = watcher(Api::<Job>::all(client), watcher::Config::default());
            let mut jobs = std::pin::pin!(jobs);
            while let Some(event) = jobs.next().await {
                if let Ok(watcher::Event::Apply(job) | watcher::Event::InitApply(job)) = event {
                    let key = (job.namespace().unwrap_or_default(), job.name_any());
                    let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.entry(key).or_default().insert(job.uid().unwrap_or_default());
                }
            }
        });
        Self { seen, watching }
    }

    /// How many Jobs of each name there were in a namespace.
    pub(crate) fn of(&self, namespace: &str) -> BTreeMap<String, usize> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let there = seen.iter().filter(|((of, _), _)| of == namespace);
        there
            .map(|((_, name), uids)| (name.clone(), uids.len()))
            .collect()
    }
}
