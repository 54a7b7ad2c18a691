//! Small stores by HelmApp: what is only held while something is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Map;
use tokio::time::Instant;
use tracing::warn;

use crate::store::{Companion, Error, Owner, StoredCompanion};

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

    /// Drops the HelmApp's value, and returns what it was.
    pub(super) fn remove(&self, app: &AppKey) -> Option<Arc<T>> {
        self.lock().remove(app)
    }
}

/// Since when something is under way.
#[derive(Debug, Default)]
pub(super) struct Timers(Slots<Instant>);

impl Timers {
    /// Whether nothing of the kind is under way for the HelmApp.
    pub(super) fn is_new(&self, app: &AppKey) -> bool {
        self.0.get(app).is_none()
    }

    /// When this was first asked for the HelmApp.
    pub(super) fn since(&self, app: &AppKey) -> Instant {
        **self
            .0
            .lock()
            .entry(app.clone())
            .or_insert_with(|| Arc::new(Instant::now()))
    }

    /// Starts anew with the next question; returns when it had begun.
    pub(super) fn end(&self, app: &AppKey) -> Option<Instant> {
        self.0.remove(app).map(|began| *began)
    }
}

/// The versions of companions that we read or wrote and what the next ones take over from them, so that the next
/// write needs no read.
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
            Some(stored) => self.keep(&subject.key, stored.clone()),
            None => self.forget(&subject.key),
        }
        Ok(found)
    }

    /// The companion of a release, read only if this process has not yet. One that can't be read is none; the next
    /// write makes it anew.
    ///
    /// # Errors
    /// A failed request.
    pub(super) async fn known(
        &self,
        ctx: &Context,
        subject: &Subject,
    ) -> Result<Option<Arc<StoredCompanion>>, Error> {
        if let Some(known) = self.0.get(&subject.key) {
            return Ok(Some(known));
        }
        match ctx.store.companion(&subject.release).await {
            Ok(Some(stored)) => {
                self.keep(&subject.key, stored.clone());
                Ok(Some(Arc::new(stored)))
            }
            Ok(None) | Err(Error::Companion { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What of the companion the next one takes over, if this process has read or written it.
    pub(super) fn cached(&self, app: &AppKey) -> Option<Arc<StoredCompanion>> {
        self.0.get(app)
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
        self.keep(&subject.key, written);
        Ok(())
    }

    /// Changes the companion of a release where there is one, and where there is something to change.
    ///
    /// # Errors
    /// A failed request, or another writer.
    pub(super) async fn amend(
        &self,
        ctx: &Context,
        subject: &Subject,
        change: impl Fn(Companion) -> Option<Companion>,
    ) -> Result<(), Error> {
        let mut tries = 2;
        while let Some(last) = self.read(ctx, subject).await? {
            let Some(next) = change(last.companion.clone()) else {
                return Ok(());
            };
            tries -= 1;
            let written = ctx
                .store
                .write_companion(&subject.release, next, Some(&last))
                .await;
            match written {
                Err(Error::Changed { .. }) if tries > 0 => {}
                written => {
                    self.keep(&subject.key, written?);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn keep(&self, app: &AppKey, stored: StoredCompanion) {
        self.0.insert(app, Arc::new(carried(stored)));
    }

    /// Whether the HelmApp's companion was read or written in this process.
    pub(super) fn is_known(&self, app: &AppKey) -> bool {
        self.0.get(app).is_some()
    }

    /// Forgets the HelmApp's companion.
    pub(super) fn forget(&self, app: &AppKey) {
        self.0.remove(app);
    }
}

/// A companion without what belongs to its revision, and is made anew with the next one.
fn carried(stored: StoredCompanion) -> StoredCompanion {
    let companion = Companion {
        owner: Owner::default(),
        input_digest: String::new(),
        made_from: String::new(),
        engine: String::new(),
        lookups: Map::new(),
        extra: Map::new(),
        ..stored.companion
    };
    StoredCompanion { companion, ..stored }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::render::Memo;
    use serde_json::json;

    use super::*;
    use crate::store::{KeptMemo, LeftObject};

    fn bytes(stored: &StoredCompanion) -> usize {
        size_of::<StoredCompanion>() + format!("{:?}", stored.companion).len()
    }

    #[test]
    fn only_what_the_next_companion_takes_over_is_kept() {
        let left = LeftObject {
            kind: "PersistentVolumeClaim".to_owned(),
            name: "data".to_owned(),
            ..LeftObject::default()
        };
        let memo = KeptMemo {
            memo: Memo::new([1; 32], 1_700_000_000),
            renewal: String::new(),
        };
        let mut lookups = Map::new();
        for number in 0..20 {
            lookups.insert(
                format!("v1 Secret web/{number}"),
                json!("sha256:0123456789abcdef"),
            );
        }
        let whole = StoredCompanion {
            companion: Companion {
                revision: 3,
                input_digest: "sha256:1".to_owned(),
                left: vec![left.clone()],
                memo: Some(memo.clone()),
                lookups,
                ..Companion::default()
            },
            resource_version: "7".to_owned(),
            uid: "u".to_owned(),
        };
        let kept = carried(whole.clone());
        println!(
            "a companion: {} bytes as it is written, {} kept",
            bytes(&whole),
            bytes(&kept)
        );
        assert!(
            bytes(&kept) + 1_000 < bytes(&whole),
            "{} {}",
            bytes(&kept),
            bytes(&whole)
        );
        assert_eq!(kept.companion.left, [left]);
        assert_eq!(kept.companion.memo, Some(memo));
        assert_eq!(
            (
                kept.companion.revision,
                kept.resource_version.as_str(),
                kept.uid.as_str()
            ),
            (3, "7", "u")
        );
    }
}
