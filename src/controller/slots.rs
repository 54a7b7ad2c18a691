//! Small stores by HelmApp: what is only held while something is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::store::{Companion, Error, StoredCompanion};

use super::Context;
use super::memory::AppKey;
use super::subject::Subject;

/// One value a HelmApp.
pub(super) struct Slots<T>(Mutex<HashMap<AppKey, Arc<T>>>);

/// Without the values, which can hold secrets.
impl<T> std::fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slots").field(&self.lock().len()).finish()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Slots<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<AppKey, Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The HelmApp's value.
    pub(super) fn get(&self, app: &AppKey) -> Option<Arc<T>> {
        self.lock().get(app).cloned()
    }

    /// Replaces the HelmApp's value.
    pub(super) fn insert(&self, app: &AppKey, value: Arc<T>) {
        self.lock().insert(app.clone(), value);
    }

    /// Drops the HelmApp's value.
    pub(super) fn remove(&self, app: &AppKey) {
        self.lock().remove(app);
    }
}

/// Since when something is under way.
#[derive(Debug, Default)]
pub(super) struct Timers(Slots<Instant>);

impl Timers {
    /// When this was first asked for the HelmApp.
    pub(super) fn since(&self, app: &AppKey) -> Instant {
        **self
            .0
            .lock()
            .entry(app.clone())
            .or_insert_with(|| Arc::new(Instant::now()))
    }

    /// Starts anew with the next question.
    pub(super) fn remove(&self, app: &AppKey) {
        self.0.remove(app);
    }
}

/// The versions of companions that we wrote, so that the next write needs no read.
#[derive(Debug, Default)]
pub(super) struct Companions(Slots<StoredCompanion>);

impl Companions {
    /// The companion of a release.
    ///
    /// # Errors
    /// A failed request.
    pub(super) async fn read(
        &self,
        ctx: &Context,
        subject: &Subject,
    ) -> Result<Option<StoredCompanion>, Error> {
        let found = ctx.store.companion(&subject.release).await?;
        match &found {
            Some(stored) => self.0.insert(&subject.key, Arc::new(stored.clone())),
            None => self.0.remove(&subject.key),
        }
        Ok(found)
    }

    /// Writes the companion of a release.
    ///
    /// # Errors
    /// A failed request, or another writer.
    pub(super) async fn write(
        &self,
        ctx: &Context,
        subject: &Subject,
        companion: Companion,
    ) -> Result<(), Error> {
        let last = self.0.get(&subject.key);
        let written = ctx
            .store
            .write_companion(&subject.release, companion.clone(), last.as_deref())
            .await;
        let written = match written {
            Err(Error::Changed { .. }) => {
                let last = self.read(ctx, subject).await?;
                ctx.store
                    .write_companion(&subject.release, companion, last.as_ref())
                    .await?
            }
            other => other?,
        };
        self.0.insert(&subject.key, Arc::new(written));
        Ok(())
    }

    /// Forgets the HelmApp's companion.
    pub(super) fn forget(&self, app: &AppKey) {
        self.0.remove(app);
    }
}
