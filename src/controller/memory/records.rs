//! The revisions of all releases, as their Secrets' metadata tells them.

use std::collections::{BTreeMap, HashMap};

use crate::store::{Head, ReleaseKey};

use super::object::parse;

/// Heads by release and revision.
#[derive(Debug, Default)]
pub(super) struct Records(HashMap<ReleaseKey, BTreeMap<i64, Head>>);

impl Records {
    /// The revisions of a release, newest first.
    pub(super) fn of(&self, release: &ReleaseKey) -> Vec<Head> {
        let heads = self.0.get(release).into_iter();
        heads.flat_map(|heads| heads.values().rev().cloned()).collect()
    }

    /// Remembers a revision that we wrote, before the watch brings it.
    pub(super) fn wrote(&mut self, release: &ReleaseKey, head: Head) {
        self.0
            .entry(release.clone())
            .or_default()
            .insert(head.revision, head);
    }

    /// Forgets a revision. True when it was known.
    pub(super) fn drop(&mut self, release: &ReleaseKey, revision: i64) -> bool {
        let Some(heads) = self.0.get_mut(release) else {
            return false;
        };
        let known = heads.remove(&revision).is_some();
        if heads.is_empty() {
            self.0.remove(release);
        }
        known
    }

    /// A watch shows a revision. True when that is news.
    pub(super) fn see(&mut self, release: &ReleaseKey, head: Head) -> bool {
        let heads = self.0.entry(release.clone()).or_default();
        let known = heads.get(&head.revision);
        let newer = known.is_none_or(|known| parse(&known.resource_version) < parse(&head.resource_version));
        if newer {
            heads.insert(head.revision, head);
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::release::Status;

    use super::*;

    fn head(revision: i64, resource_version: &str) -> Head {
        Head {
            revision,
            status: Status::Deployed,
            uid: "u".into(),
            resource_version: resource_version.into(),
            holder: None,
            created: None,
            changed: None,
        }
    }

    fn revisions(records: &Records, release: &ReleaseKey) -> Vec<i64> {
        records.of(release).iter().map(|head| head.revision).collect()
    }

    #[test]
    fn what_we_wrote_is_no_news() {
        let release = ReleaseKey::new("web", "demo");
        let mut records = Records::default();
        records.wrote(&release, head(1, "5"));
        assert!(!records.see(&release, head(1, "5")));
        assert!(!records.see(&release, head(1, "4")), "nor what was before it");
        assert!(records.see(&release, head(1, "6")));
        assert!(records.see(&release, head(2, "7")));
        assert_eq!(revisions(&records, &release), [2, 1]);
    }

    #[test]
    fn what_we_deleted_is_no_news() {
        let release = ReleaseKey::new("web", "demo");
        let mut records = Records::default();
        records.wrote(&release, head(1, "5"));
        assert!(records.drop(&release, 1));
        assert!(!records.drop(&release, 1));
        assert!(records.0.is_empty());
    }
}
