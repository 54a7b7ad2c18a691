//! The revisions of all releases, as their Secrets' metadata tells them.

use std::collections::{HashMap, HashSet};

use helmapp_helm::release::secret_name;
use tokio::time::Instant;

use crate::cluster::watches::Listed;
use crate::store::{Head, ReleaseKey};

use super::flat::Flat;
use super::object::parse;

/// Heads by release and revision.
#[derive(Debug, Default)]
pub(super) struct Records {
    heads: HashMap<ReleaseKey, Flat<i64, Head>>,
    /// When we wrote what no watch has shown yet.
    unconfirmed: HashMap<(ReleaseKey, i64), Instant>,
    /// Of these a listing that may be older than our write did not have them.
    doubtful: HashSet<(ReleaseKey, i64)>,
}

impl Records {
    /// The revisions of a release, newest first.
    pub(super) fn of(&self, release: &ReleaseKey) -> Vec<Head> {
        let heads = self.heads.get(release).into_iter();
        heads
            .flat_map(|heads| heads.iter().rev().map(|(_, head)| head.clone()))
            .collect()
    }

    /// Remembers a revision that we wrote, unless the watch has brought it, or what came after it.
    pub(super) fn wrote(&mut self, release: &ReleaseKey, head: Head) {
        let key = (release.clone(), head.revision);
        if self.insert(release, head) {
            self.unconfirmed.insert(key, Instant::now());
        }
    }

    /// Forgets a revision. True when it was known.
    pub(super) fn drop(&mut self, release: &ReleaseKey, revision: i64) -> bool {
        self.confirm(release, revision);
        let Some(heads) = self.heads.get_mut(release) else {
            return false;
        };
        let known = heads.remove(&revision).is_some();
        if heads.is_empty() {
            self.heads.remove(release);
        }
        known
    }

    /// A watch shows a revision. True when that is news.
    pub(super) fn see(&mut self, release: &ReleaseKey, head: Head) -> bool {
        let revision = head.revision;
        let newest = version(&head);
        let news = self.insert(release, head);
        let known = self.heads.get(release).and_then(|heads| heads.get(&revision));
        if known.is_some_and(|known| version(known) == newest) {
            self.confirm(release, revision);
        }
        news
    }

    /// A listing is complete: what is not in it is gone. What we wrote since it began may be newer than the listing,
    /// or gone. Returns the releases that lost a revision, or may have.
    pub(super) fn listed(&mut self, listed: &Listed) -> Vec<ReleaseKey> {
        let mut missing = Vec::new();
        for (release, heads) in &self.heads {
            let absent = heads.iter().map(|(revision, _)| *revision).filter(|revision| {
                !listed.contains(&release.namespace, &secret_name(&release.name, *revision))
            });
            missing.extend(absent.map(|revision| (release.clone(), revision)));
        }
        for (release, revision) in &missing {
            let key = (release.clone(), *revision);
            if self
                .unconfirmed
                .get(&key)
                .is_some_and(|written| *written >= listed.began())
            {
                self.doubtful.insert(key);
            } else {
                self.drop(release, *revision);
            }
        }
        let mut releases: Vec<ReleaseKey> = missing.into_iter().map(|(release, _)| release).collect();
        releases.dedup();
        releases
    }

    /// The revisions of a release that have to be asked for: nobody has seen whether they are there.
    pub(super) fn doubtful(&self, release: &ReleaseKey) -> Vec<i64> {
        if self.doubtful.is_empty() {
            return Vec::new();
        }
        let of_release = self.doubtful.iter().filter(|(of, _)| of == release);
        of_release.map(|(_, revision)| *revision).collect()
    }

    /// A revision was asked for; `None` when it is not there.
    pub(super) fn checked(&mut self, release: &ReleaseKey, revision: i64, found: Option<Head>) {
        match found {
            Some(head) => {
                self.confirm(release, revision);
                self.insert(release, head);
            }
            None => {
                self.drop(release, revision);
            }
        }
    }

    fn confirm(&mut self, release: &ReleaseKey, revision: i64) {
        let key = (release.clone(), revision);
        self.unconfirmed.remove(&key);
        self.doubtful.remove(&key);
    }

    /// True when that is newer than what is known.
    fn insert(&mut self, release: &ReleaseKey, head: Head) -> bool {
        let heads = self.heads.entry(release.clone()).or_default();
        let known = heads.get(&head.revision);
        let newer = known.is_none_or(|known| version(known) < version(&head));
        if newer {
            heads.insert(head.revision, head);
        }
        newer
    }
}

fn version(head: &Head) -> u64 {
    parse(&head.resource_version)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use helmapp_helm::release::Status;

    use super::*;

    fn release() -> ReleaseKey {
        ReleaseKey::new("web", "demo")
    }

    fn head(revision: i64, resource_version: &str) -> Head {
        Head {
            uid: "u".into(),
            resource_version: resource_version.into(),
            ..Head::bare(revision, Status::Deployed)
        }
    }

    fn revisions(records: &Records) -> Vec<i64> {
        records.of(&release()).iter().map(|head| head.revision).collect()
    }

    #[test]
    fn what_we_wrote_is_no_news() {
        let mut records = Records::default();
        records.wrote(&release(), head(1, "5"));
        assert!(!records.see(&release(), head(1, "4")), "what was before it");
        assert_eq!(records.unconfirmed.len(), 1);
        assert!(!records.see(&release(), head(1, "5")));
        assert!(records.unconfirmed.is_empty());
        assert!(records.see(&release(), head(1, "6")));
        assert!(records.see(&release(), head(2, "7")));
        assert_eq!(revisions(&records), [2, 1]);
    }

    #[test]
    fn an_answer_that_comes_after_the_watch_changes_nothing() {
        let mut records = Records::default();
        records.see(&release(), head(1, "6"));
        records.wrote(&release(), head(1, "6"));
        records.wrote(&release(), head(1, "5"));
        assert!(records.unconfirmed.is_empty());
        assert_eq!(records.of(&release())[0].resource_version, "6");
    }

    #[test]
    fn what_we_deleted_is_no_news() {
        let mut records = Records::default();
        records.wrote(&release(), head(1, "5"));
        assert!(records.drop(&release(), 1));
        assert!(!records.drop(&release(), 1));
        assert!(records.heads.is_empty() && records.unconfirmed.is_empty());
    }

    #[test]
    fn what_a_listing_does_not_have_is_gone() {
        let mut records = Records::default();
        for revision in 1..=3 {
            records.see(&release(), head(revision, "5"));
        }
        let other = ReleaseKey::new("web", "other");
        records.see(&other, head(1, "6"));
        let listed = Listed::of(
            Instant::now(),
            [
                ("web", "sh.helm.release.v1.demo.v2"),
                ("web", "sh.helm.release.v1.other.v1"),
            ],
        );
        assert_eq!(records.listed(&listed), [release()]);
        assert_eq!(revisions(&records), [2]);
        assert_eq!(records.listed(&listed), []);
    }

    #[test]
    fn a_listing_from_before_our_write_leaves_a_doubt() {
        let before = Instant::now();
        let mut records = Records::default();
        records.wrote(&release(), head(1, "5"));
        assert_eq!(records.listed(&Listed::new(before)), [release()]);
        assert_eq!(
            (revisions(&records), records.doubtful(&release())),
            (vec![1], vec![1])
        );
        records.checked(&release(), 1, Some(head(1, "5")));
        assert_eq!(
            (revisions(&records), records.doubtful(&release())),
            (vec![1], vec![])
        );
        records.wrote(&release(), head(1, "6"));
        let after = Instant::now() + Duration::from_millis(1);
        assert_eq!(records.listed(&Listed::new(after)), [release()]);
        assert!(records.unconfirmed.is_empty());
    }

    #[test]
    fn a_doubt_ends_with_a_sight_or_an_answer() {
        let before = Instant::now();
        let mut records = Records::default();
        for revision in 1..=2 {
            records.wrote(&release(), head(revision, "5"));
        }
        assert_eq!(records.listed(&Listed::new(before)), [release()]);
        records.see(&release(), head(1, "5"));
        assert_eq!(records.doubtful(&release()), [2]);
        records.checked(&release(), 2, None);
        assert_eq!(
            (revisions(&records), records.doubtful(&release())),
            (vec![1], vec![])
        );
    }
}
