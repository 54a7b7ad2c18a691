//! What the state of a release asks for: decided from what is known, without IO.

use std::time::Duration;

use helmapp_helm::release::{Release, Status};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{HelmAppStatus, RollbackStatus, conditions};
use crate::store::Head;

use super::rendering::Wanted;
use super::settle::{self, Settling};

/// What is known of a release.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    /// The HelmApp's status as it stands.
    pub status: &'a HelmAppStatus,
    /// The revisions, newest first.
    pub heads: &'a [Head],
    /// `metadata.generation` of the HelmApp.
    pub generation: i64,
    /// The revision that settles, or was given up and may still heal.
    pub settling: Option<&'a Settling>,
}

impl<'a> State<'a> {
    /// Whether the inputs ask for something that is neither there nor was tried in vain.
    pub(super) fn is_new(&self, digest: &str) -> bool {
        if let Some(settling) = self.settling
            && settling.input_digest == digest
            && (!settling.failed || !self.is_edited())
        {
            return false;
        }
        let failed = self.was_tried_in_vain(digest) && !self.is_edited();
        self.deployed_from(digest).is_none() && !failed
    }

    /// The newest revision, if it is deployed, was made from these inputs, and does not stand in for a failed one.
    pub(super) fn in_force(&self, digest: &str) -> Option<&'a Head> {
        self.deployed_from(digest)
            .filter(|_| !self.was_tried_in_vain(digest))
    }

    /// Why the inputs were tried in vain, where the conditions do not say it any more: an error that has passed since
    /// stands there.
    pub(super) fn unsaid(&self, digest: &str) -> Option<&'a str> {
        let under_way = self.settling.is_some_and(|settling| !settling.failed);
        let reason = self.vain(digest).filter(|_| !under_way)?;
        let stalled = self.condition(conditions::STALLED);
        let said = stalled.is_some_and(|stalled| stalled.reason == reason);
        (!said).then_some(reason)
    }

    fn deployed_from(&self, digest: &str) -> Option<&'a Head> {
        let release = self.status.release.as_ref()?;
        let newest = self.heads.first()?;
        let same = release.input_digest.as_deref() == Some(digest) && newest.revision == release.revision;
        (same && newest.status == Status::Deployed).then_some(newest)
    }

    /// Why the inputs were tried in vain. A failed revision stays one. What failed before there was a revision is
    /// tried again when another error has taken its place in the conditions: nobody knows any more what it was.
    fn vain(&self, digest: &str) -> Option<&'a str> {
        let attempt = self.status.last_attempted.as_ref();
        let attempt = attempt.filter(|attempt| attempt.input_digest == digest)?;
        let reason = attempt.reason.as_deref()?;
        let said = self
            .condition(conditions::READY)
            .is_some_and(|ready| ready.reason == reason);
        (said || settle::is_failure(reason)).then_some(reason)
    }

    fn condition(&self, kind: &str) -> Option<&'a Condition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.type_ == kind)
    }

    fn was_tried_in_vain(&self, digest: &str) -> bool {
        self.vain(digest).is_some()
    }

    fn is_edited(&self) -> bool {
        self.status.observed_generation != Some(self.generation)
    }
}

/// A pending revision of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign<'a> {
    /// The revision.
    pub head: &'a Head,
    /// How long it is left alone from now.
    pub wait: Duration,
}

/// The newest revision, if somebody else works on it: an install, an upgrade, a rollback, or an uninstallation.
pub(super) fn foreign(heads: &[Head], now: Timestamp, takeover: Duration) -> Option<Foreign<'_>> {
    let head = heads
        .first()
        .filter(|head| head.holder.is_none())
        .filter(|head| head.status.is_pending() || head.status == Status::Uninstalling)?;
    let changed = head.changed.unwrap_or(now);
    let quiet = Duration::try_from(now - changed).unwrap_or_default();
    Some(Foreign {
        head,
        wait: takeover.saturating_sub(quiet),
    })
}

/// The revisions between the newest one and the deployed one, newest first: none of them got to be the release, but
/// each may have left objects in the cluster.
pub(super) fn between(heads: &[Head]) -> impl Iterator<Item = &Head> {
    let unended = heads
        .iter()
        .take_while(|head| !matches!(head.status, Status::Deployed | Status::Uninstalled));
    unended.skip(1)
}

/// When the first revision since the deployed one was begun.
pub(super) fn unended_since(heads: &[Head]) -> Option<Timestamp> {
    let unended = heads
        .iter()
        .take_while(|head| !matches!(head.status, Status::Deployed | Status::Uninstalled));
    unended.filter_map(|head| head.created).min()
}

/// What `spec.rollback.toRevision` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing, or chart and values have moved on since.
    Nothing,
    /// To go back to the revision.
    GoBack(i64),
    /// To stay at the revision, where the release has gone back already.
    Stay(i64),
}

/// What a rollback asks for, after what was done about it.
pub(super) fn asked(wanted: Option<i64>, done: Option<&RollbackStatus>, spec_digest: &str) -> Asked {
    match (wanted, done) {
        (None, _) => Asked::Nothing,
        (Some(wanted), Some(done)) if done.to_revision == wanted && done.spec_digest == spec_digest => {
            Asked::Stay(wanted)
        }
        (Some(wanted), Some(done)) if done.to_revision == wanted => Asked::Nothing,
        (Some(wanted), _) => Asked::GoBack(wanted),
    }
}

/// Whether a record already is what a rendering gave.
pub(super) fn is_same(release: &Release, wanted: &Wanted) -> bool {
    release.info.rollback_revision == 0
        && release.manifest == wanted.manifest
        && release.config == wanted.config
        && release.chart.metadata == wanted.chart.metadata
        && release.hooks.len() == wanted.hooks.len()
        && release
            .hooks
            .iter()
            .zip(&wanted.hooks)
            .all(|(old, new)| old.manifest == new.manifest)
}

#[cfg(test)]
mod tests {
    use crate::api::conditions::reason;
    use crate::api::{Attempt, ReleaseStatus};

    use super::*;

    const VAIN: &str = reason::UPGRADE_FAILED;

    fn head(revision: i64, status: Status) -> Head {
        Head {
            revision,
            status,
            uid: String::new(),
            resource_version: String::new(),
            holder: None,
            created: None,
            changed: None,
        }
    }

    fn status(digest: &str, attempted: Option<(&str, Option<&str>)>) -> HelmAppStatus {
        HelmAppStatus {
            observed_generation: Some(2),
            release: Some(ReleaseStatus {
                revision: 3,
                input_digest: Some(digest.to_owned()),
                ..ReleaseStatus::default()
            }),
            last_attempted: attempted.map(|(digest, reason)| Attempt {
                input_digest: digest.to_owned(),
                reason: reason.map(str::to_owned),
                ..Attempt::default()
            }),
            ..HelmAppStatus::default()
        }
    }

    #[test]
    fn inputs_are_new_until_they_are_deployed_or_failed() {
        let deployed = [head(3, Status::Deployed)];
        let failed = [head(3, Status::Failed)];
        let later = [head(4, Status::Deployed), head(3, Status::Superseded)];
        // heads, status, generation, new, in force
        let table = [
            (&deployed[..], status("a", None), 2, false, true),
            (&deployed, status("b", None), 2, true, false),
            (&failed, status("a", None), 2, true, false),
            (&later, status("a", None), 2, true, false),
            (&failed, status("a", Some(("a", Some(VAIN)))), 2, false, false),
            (&failed, status("a", Some(("a", Some(VAIN)))), 3, true, false),
            // A remedy stands in for what failed.
            (&deployed, status("a", Some(("a", Some(VAIN)))), 2, false, false),
            (&deployed, status("a", Some(("a", None))), 2, false, true),
            (&[], HelmAppStatus::default(), 1, true, false),
        ];
        for (heads, status, generation, new, in_force) in table {
            let state = State {
                status: &status,
                heads,
                generation,
                settling: None,
            };
            let got = (state.is_new("a"), state.in_force("a").is_some());
            assert_eq!(got, (new, in_force), "{heads:?} {status:?} {generation}");
        }
    }

    /// An error that passes takes the place of what was said; once it is over, that is said again.
    #[test]
    fn what_failed_for_good_is_known_after_what_passed() {
        use reason::{API_UNAVAILABLE, SCHEMA_VIOLATION, UPGRADE_FAILED};
        let heads = [head(3, Status::Failed), head(2, Status::Deployed)];
        let said = |kind: &str, reason: &str| Condition {
            type_: kind.to_owned(),
            status: String::new(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
        };
        let stalled = |reason| vec![said(conditions::READY, reason), said(conditions::STALLED, reason)];
        let retrying = |reason| {
            vec![
                said(conditions::READY, reason),
                said(conditions::RECONCILING, reason),
            ]
        };
        // why the attempt failed, conditions, new, unsaid
        let table = [
            (UPGRADE_FAILED, stalled(UPGRADE_FAILED), false, None),
            (
                UPGRADE_FAILED,
                retrying(API_UNAVAILABLE),
                false,
                Some(UPGRADE_FAILED),
            ),
            (SCHEMA_VIOLATION, stalled(SCHEMA_VIOLATION), false, None),
            (SCHEMA_VIOLATION, retrying(API_UNAVAILABLE), true, None),
            // It was suspended, and goes on.
            (
                SCHEMA_VIOLATION,
                retrying(SCHEMA_VIOLATION),
                false,
                Some(SCHEMA_VIOLATION),
            ),
        ];
        for (failure, conditions, new, unsaid) in table {
            let mut status = status("a", Some(("a", Some(failure))));
            status.conditions = conditions;
            let state = State {
                status: &status,
                heads: &heads,
                generation: 2,
                settling: None,
            };
            assert_eq!(
                (state.is_new("a"), state.unsaid("a")),
                (new, unsaid),
                "{status:?}"
            );
        }
    }

    #[test]
    fn a_pending_revision_of_somebody_else_is_left_alone_for_a_while() {
        let now = Timestamp::from_second(10_000).unwrap();
        let at = |seconds, holder: Option<&str>, status| Head {
            changed: Timestamp::from_second(seconds).ok(),
            holder: holder.map(str::to_owned),
            ..head(1, status)
        };
        let minute = Duration::from_secs(60);
        let table = [
            (at(9_990, None, Status::PendingUpgrade), Some(50)),
            (at(9_000, None, Status::PendingUpgrade), Some(0)),
            (at(9_990, Some("us"), Status::PendingUpgrade), None),
            (at(9_990, None, Status::Uninstalling), Some(50)),
            (at(9_990, None, Status::Uninstalled), None),
            (at(9_990, None, Status::Deployed), None),
        ];
        for (head, expected) in table {
            let heads = [head];
            let wait = foreign(&heads, now, minute).map(|foreign| foreign.wait.as_secs());
            assert_eq!(wait, expected, "{heads:?}");
        }
        assert_eq!(foreign(&[], now, minute), None);
    }

    #[test]
    fn revisions_in_between_end_at_the_deployed_one() {
        use Status::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled, Uninstalling};
        let table: [(&[Status], &[i64]); 7] = [
            (&[], &[]),
            (&[Deployed, Superseded], &[]),
            (&[Failed, Deployed, Failed], &[]),
            (&[PendingUpgrade, Failed, Superseded, Deployed, Failed], &[4, 3]),
            (&[Failed, Failed], &[1]),
            (&[Failed, Failed, Uninstalled, Superseded], &[3]),
            (&[Uninstalling, Superseded], &[1]),
        ];
        for (statuses, expected) in table {
            let newest_first = (1..)
                .zip(statuses.iter().rev())
                .map(|(n, status)| head(n, status.clone()));
            let mut heads: Vec<Head> = newest_first.collect();
            heads.reverse();
            let got: Vec<i64> = between(&heads).map(|head| head.revision).collect();
            assert_eq!(got, expected, "{statuses:?}");
        }
    }

    #[test]
    fn a_rollback_is_done_once_and_stays_while_the_spec_does() {
        let done = |to_revision, spec_digest: &str| RollbackStatus {
            to_revision,
            revision: 9,
            spec_digest: spec_digest.to_owned(),
        };
        let table = [
            (None, None, Asked::Nothing),
            (None, Some(done(1, "a")), Asked::Nothing),
            (Some(1), None, Asked::GoBack(1)),
            (Some(1), Some(done(2, "a")), Asked::GoBack(1)),
            (Some(1), Some(done(1, "a")), Asked::Stay(1)),
            (Some(1), Some(done(1, "b")), Asked::Nothing),
        ];
        for (wanted, done, expected) in table {
            assert_eq!(asked(wanted, done.as_ref(), "a"), expected, "{wanted:?} {done:?}");
        }
    }
}
