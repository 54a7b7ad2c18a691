//! How many downloads there are at once, so that servers that do not answer can not hold all workers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, Result};

/// How long a download waits for its turn. Who waits holds a worker too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Places for downloads: some for each namespace, and some for all.
#[derive(Debug)]
pub(super) struct Admission {
    each: u16,
    all: Arc<Semaphore>,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A place that is given back when this goes.
#[derive(Debug)]
pub(super) struct Admitted {
    _namespace: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(each: u16, all: u16) -> Self {
        Self {
            each: each.max(1),
            all: Arc::new(Semaphore::new(all.max(1).into())),
            namespaces: Mutex::default(),
        }
    }

    /// Takes a place for the namespace.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none for [`PATIENCE`].
    pub(super) async fn enter(&self, namespace: &str) -> Result<Admitted> {
        let own = self.of(namespace);
        let places = async {
            let namespace = own.acquire_owned().await?;
            let all = self.all.clone().acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(Admitted {
                _namespace: namespace,
                _all: all,
            })
        };
        match tokio::time::timeout(PATIENCE, places).await {
            Ok(Ok(admitted)) => Ok(admitted),
            Ok(Err(_)) | Err(_) => Err(Error::Busy {
                namespace: namespace.to_owned(),
                limit: self.each,
            }),
        }
    }

    fn of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut all = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(namespace).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.each.into()));
        all.insert(namespace.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_limited_in_a_namespace_and_in_all() {
        let admission = Admission::new(2, 3);
        let first = admission.enter("a").await.unwrap();
        let _second = admission.enter("a").await.unwrap();
        let error = admission.enter("a").await.unwrap_err().to_string();
        assert!(
            error.contains("namespace \"a\"") && error.contains("--fetch-per-namespace"),
            "{error}"
        );
        let third = admission.enter("b").await.unwrap();
        assert!(admission.enter("c").await.is_err(), "all places are taken");
        drop(first);
        let _fourth = admission.enter("c").await.unwrap();
        drop(third);
        let _fifth = admission.enter("a").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_without_downloads_are_forgotten() {
        let admission = Admission::new(1, 1);
        for namespace in ["a", "b", "c"] {
            drop(admission.enter(namespace).await.unwrap());
        }
        assert_eq!(admission.namespaces.lock().unwrap().len(), 1);
    }
}
