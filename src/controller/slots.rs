//! Small stores by HelmApp: what is only held while something is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::warn;

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
        let found = match ctx.store.companion(&subject.release).await {
            // Losing it costs a render; keeping it would cost the release.
            Err(error @ Error::Companion { .. }) => {
                warn!(release = %subject.release, %error, "a companion record is made anew");
                ctx.store.delete_companion(&subject.release).await?;
                None
            }
            found => found?,
        };
        match &found {
            Some(stored) => self.0.insert(&subject.key, Arc::new(stored.clone())),
            None => self.0.remove(&subject.key),
        }
        Ok(found)
    }

    /// Writes what the companion of a release becomes. `made` is whether there can be one already.
    ///
    /// # Errors
    /// A failed request, or another writer.
    pub(super) async fn write(
        &self,
        ctx: &Context,
        subject: &Subject,
        made: bool,
        next: impl Fn(Companion) -> Companion,
    ) -> Result<(), Error> {
        let known = self
            .0
            .get(&subject.key)
            .map(|known| StoredCompanion::clone(&known));
        let last = match known {
            None if made => self.read(ctx, subject).await?,
            known => known,
        };
        let after = |last: &Option<StoredCompanion>| {
            next(
                last.as_ref()
                    .map(|last| last.companion.clone())
                    .unwrap_or_default(),
            )
        };
        let written = ctx
            .store
            .write_companion(&subject.release, after(&last), last.as_ref())
            .await;
        let written = match written {
            Err(Error::Changed { .. } | Error::Companion { .. }) => {
                let last = self.read(ctx, subject).await?;
                ctx.store
                    .write_companion(&subject.release, after(&last), last.as_ref())
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
