//! Records that were deployed lately, as they stand in their Secrets: the next revision begins with what the last one
//! says, and need not ask for it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use helmapp_helm::release::SECRET_KEY;
use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{Head, ReleaseKey};

/// Most bytes of records that are held.
const LIMIT: usize = 2 * 1024 * 1024;

/// At most one record a release, and [`LIMIT`] bytes of all of them: the oldest go first.
#[derive(Default)]
pub(super) struct Recent(Mutex<Inner>);

/// Without the content, which holds values.
impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    records: HashMap<ReleaseKey, Secret>,
    /// Releases and the bytes of their records, in the order in which these came.
    order: VecDeque<(ReleaseKey, usize)>,
    bytes: usize,
}

impl Recent {
    /// Holds a record, in place of an earlier one of the release.
    pub(super) fn keep(&self, key: &ReleaseKey, mut secret: Secret) {
        secret.metadata.managed_fields = None;
        let size = size(&secret);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget(key);
        inner.bytes += size;
        inner.order.push_back((key.clone(), size));
        inner.records.insert(key.clone(), secret);
        inner.shrink(LIMIT);
    }

    /// The record of a release, where it is the one with this head.
    pub(super) fn get(&self, key: &ReleaseKey, head: &Head) -> Option<Secret> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = inner.records.get(key)?;
        let metadata = &secret.metadata;
        let same = metadata.uid.as_ref() == Some(&head.uid)
            && metadata.resource_version.as_ref() == Some(&head.resource_version);
        same.then(|| secret.clone())
    }

    /// Holds nothing of a release.
    pub(super) fn forget(&self, key: &ReleaseKey) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget(key);
    }
}

impl Inner {
    fn forget(&mut self, key: &ReleaseKey) {
        if self.records.remove(key).is_none() {
            return;
        }
        if let Some(at) = self.order.iter().position(|(other, _)| other == key)
            && let Some((_, size)) = self.order.remove(at)
        {
            self.bytes -= size;
        }
    }

    fn shrink(&mut self, limit: usize) {
        while self.bytes > limit
            && let Some((key, _)) = self.order.front()
        {
            let key = key.clone();
            self.forget(&key);
        }
    }
}

fn size(secret: &Secret) -> usize {
    let data = secret.data.as_ref().and_then(|data| data.get(SECRET_KEY));
    data.map_or(0, |ByteString(bytes)| bytes.len())
}

#[cfg(test)]
mod tests {
    use helmapp_helm::release::Status;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn key(name: &str) -> ReleaseKey {
        ReleaseKey::new("web", name)
    }

    fn secret(version: &str, bytes: usize) -> Secret {
        Secret {
            metadata: ObjectMeta {
                uid: Some("u".into()),
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            data: Some([(SECRET_KEY.to_owned(), ByteString(vec![0; bytes]))].into()),
            ..Secret::default()
        }
    }

    fn head(version: &str) -> Head {
        Head {
            uid: "u".into(),
            resource_version: version.into(),
            ..Head::bare(1, Status::Deployed)
        }
    }

    #[test]
    fn only_the_very_record_is_given() {
        let recent = Recent::default();
        recent.keep(&key("a"), secret("1", 3));
        recent.keep(&key("a"), secret("2", 4));
        assert_eq!(recent.get(&key("a"), &head("1")), None, "replaced");
        assert_eq!(recent.get(&key("b"), &head("2")), None, "another release's");
        assert_eq!(recent.get(&key("a"), &head("2")), Some(secret("2", 4)));
        let made_again = Head {
            uid: "v".into(),
            ..head("2")
        };
        assert_eq!(recent.get(&key("a"), &made_again), None);
        recent.forget(&key("a"));
        assert_eq!(recent.get(&key("a"), &head("2")), None);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let recent = Recent::default();
        let third = LIMIT / 3;
        for name in ["a", "b", "c", "a", "d"] {
            recent.keep(&key(name), secret("1", third));
        }
        let held = |name| recent.get(&key(name), &head("1")).is_some();
        assert_eq!(["a", "b", "c", "d"].map(held), [true, false, true, true]);
        recent.keep(&key("e"), secret("1", LIMIT + 1));
        let inner = recent.0.lock().unwrap();
        assert_eq!((inner.records.len(), inner.order.len(), inner.bytes), (0, 0, 0));
    }
}
