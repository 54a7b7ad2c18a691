//! Loaded charts by the digest of their content, bounded in bytes; and locks by key, so that several releases
//! of one chart fetch and load it once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use helmapp_helm::chart::Chart;
use tokio::sync::OwnedMutexGuard;

/// What a chart costs beside the bytes of its files, for each file.
const FILE_OVERHEAD: usize = 256;

/// The least recently used charts go first. A chart in use lives on where it is used.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    charts: HashMap<Arc<str>, Entry>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    chart: Arc<Chart>,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, digest: &str) -> Option<Arc<Chart>> {
        let mut entries = self.lock();
        entries.clock += 1;
        let used = entries.clock;
        let entry = entries.charts.get_mut(digest)?;
        entry.used = used;
        Some(entry.chart.clone())
    }

    pub(super) fn put(&self, digest: Arc<str>, chart: Arc<Chart>) {
        // What is parsed from the files is about as large as the files.
        let files: usize = chart.raw.iter().map(|file| file.data.len() + FILE_OVERHEAD).sum();
        self.put_sized(digest, chart, files.saturating_mul(2));
    }

    fn put_sized(&self, digest: Arc<str>, chart: Arc<Chart>, bytes: usize) {
        if bytes > self.limit {
            return;
        }
        let mut entries = self.lock();
        entries.clock += 1;
        let used = entries.clock;
        if let Some(replaced) = entries.charts.insert(digest, Entry { chart, bytes, used }) {
            entries.bytes -= replaced.bytes;
        }
        entries.bytes += bytes;
        while entries.bytes > self.limit {
            let Some(oldest) = entries
                .charts
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(digest, _)| digest.clone())
            else {
                return;
            };
            if let Some(entry) = entries.charts.remove(&oldest) {
                entries.bytes -= entry.bytes;
            }
        }
    }

    /// Bytes and number of charts.
    pub(super) fn size(&self) -> (usize, usize) {
        let entries = self.lock();
        (entries.bytes, entries.charts.len())
    }
}

/// One lock a key, for as long as somebody holds or waits for it.
#[derive(Debug, Default)]
pub(super) struct KeyedLocks {
    locks: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl KeyedLocks {
    pub(super) async fn lock(&self, key: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(key.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::{chart::File, limits::Limits};

    use super::*;

    fn chart(name: &str) -> Arc<Chart> {
        let text = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        let files = vec![File::new("Chart.yaml", text.into_bytes())];
        Arc::new(Chart::load_files(files, &Limits::default()).unwrap())
    }

    fn names(cache: &Cache) -> Vec<String> {
        let mut names: Vec<String> = ["a", "b", "c"]
            .iter()
            .filter(|name| cache.get(name).is_some())
            .map(|n| (*n).to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(100);
        cache.put_sized("a".into(), chart("a"), 40);
        cache.put_sized("b".into(), chart("b"), 40);
        assert!(cache.get("a").is_some());
        cache.put_sized("c".into(), chart("c"), 40);
        assert_eq!(names(&cache), ["a", "c"]);
        assert_eq!(cache.size(), (80, 2));
        cache.put_sized("a".into(), chart("a"), 50);
        assert_eq!(cache.size(), (90, 2));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Cache::new(100);
        cache.put_sized("a".into(), chart("a"), 40);
        cache.put_sized("b".into(), chart("b"), 101);
        assert_eq!(names(&cache), ["a"]);
        cache.put("c".into(), chart("c"));
        assert_eq!(names(&cache), ["a"], "a chart's own size counts");
    }

    #[tokio::test]
    async fn a_key_is_held_by_one_at_a_time_and_forgotten_afterwards() {
        let locks = KeyedLocks::default();
        let held = locks.lock("a").await;
        let other = locks.lock("b").await;
        let wait = tokio::time::timeout(std::time::Duration::from_millis(20), locks.lock("a")).await;
        assert!(wait.is_err());
        drop((held, other));
        drop(locks.lock("a").await);
        drop(locks.lock("c").await);
        assert_eq!(locks.locks.lock().unwrap().len(), 1);
    }
}
