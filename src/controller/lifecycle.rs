//! The lifecycle of a release: from what is observed to one state, and from that to one action. Without IO.
//!
//! [`super::reconcile`] observes, does the action that the state asks for, and observes again. Each action can be done
//! again: a process that ended in the middle of one leaves a state that asks for the same.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::release::{Release, Status};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{HelmAppStatus, RollbackStatus, conditions};
use crate::store::Head;

use super::rendering::Wanted;
use super::settle::{self, Settling};

/// What is known of a release.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// The HelmApp's status as it stands.
    pub status: HelmAppStatus,
    /// The revisions, newest first.
    pub heads: Vec<Head>,
    /// `metadata.generation` of the HelmApp.
    pub generation: i64,
    /// The revision that settles, or was given up and may still heal.
    pub settling: Option<Arc<Settling>>,
    /// Digest of what is asked for, where that was read; else nothing new is.
    pub digest: Option<String>,
    /// How long the revision that somebody else works on is left alone from now.
    pub foreign: Option<Duration>,
    /// The revision whose objects are followed; 0 when none is.
    pub followed: i64,
    /// Objects are not as they were left, and something can be done about it.
    pub is_dirty: bool,
    /// The failed revision has a remedy that is due.
    pub has_remedy: bool,
    /// How long it is until what failed is tried again; `None` for never.
    pub retry: Option<Duration>,
    /// Tests are to run after each change.
    pub tests: bool,
    /// A person asks for tests, in these words.
    pub asks_tests: Option<String>,
}

/// The state of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is no revision, and one is asked for.
    Absent,
    /// A revision is under way.
    Pending(Whose),
    /// Somebody else has made the deployed revision.
    Unmanaged,
    /// The release is not what is asked for, and that was not tried yet.
    OutOfSync,
    /// Tests have not run that are asked for.
    Untested,
    /// What is asked for was tried in vain.
    Failed,
    /// Objects are not as the deployed revision has them.
    Drifted,
    /// All is as asked for.
    InSync,
}

/// Who works on a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// This operator, or one before it.
    Ours,
    /// Somebody else, who is left alone for so long.
    Another(Duration),
}

/// What a state asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Make a revision.
    Release,
    /// Leave the release alone for so long.
    Leave(Duration),
    /// Go on with the revision.
    GoOn,
    /// Take the deployed revision for what is to be kept.
    TakeUp,
    /// Run the tests.
    Test,
    /// Go back to the last good revision, or take the release away.
    Remedy,
    /// See whether it heals.
    Stand,
    /// Put back what was changed.
    Correct,
    /// See how the objects are doing.
    Look,
}

impl Observed {
    /// The state that follows from all of it.
    pub(super) fn state(&self) -> State {
        let is_new = self.digest.as_deref().is_some_and(|digest| self.is_new(digest));
        let newest = self
            .heads
            .first()
            .filter(|head| head.status != Status::Uninstalled);
        let Some(newest) = newest else {
            return if is_new { State::Absent } else { State::Failed };
        };
        let settling = self.settling.as_deref();
        let is_settling = settling.is_some_and(|settling| settling.record.head.uid == newest.uid);
        match self.foreign {
            Some(wait) if !wait.is_zero() => return State::Pending(Whose::Another(wait)),
            _ if is_new => return State::OutOfSync,
            _ => {}
        }
        if newest.status == Status::Deployed && newest.revision != self.followed && !is_settling {
            return State::Unmanaged;
        }
        // Hooks may change what is there, to prepare for what comes; a remedy puts back what counts.
        if self.is_dirty && !self.has_remedy && !settling.is_some_and(Settling::is_before) {
            return State::Drifted;
        }
        match settling {
            Some(settling) if !settling.failed => State::Pending(Whose::Ours),
            Some(_) => State::Failed,
            None if newest.is_under_way() => State::Pending(Whose::Ours),
            None if newest.status != Status::Deployed => State::Failed,
            None if self.is_untested(newest.revision) => State::Untested,
            None => State::InSync,
        }
    }

    /// The action that the state asks for.
    pub(super) fn action(&self) -> Action {
        match self.state() {
            State::Absent | State::OutOfSync => Action::Release,
            State::Pending(Whose::Another(wait)) => Action::Leave(wait),
            State::Pending(Whose::Ours) => Action::GoOn,
            State::Unmanaged => Action::TakeUp,
            State::Untested => Action::Test,
            State::Failed if self.has_remedy => Action::Remedy,
            State::Failed => Action::Stand,
            State::Drifted => Action::Correct,
            State::InSync => Action::Look,
        }
    }

    fn is_untested(&self, revision: i64) -> bool {
        let last = self.status.test.as_ref();
        let unanswered = |asked: &String| last.and_then(|last| last.asked.as_ref()) != Some(asked);
        let asked = self.asks_tests.as_ref().is_some_and(unanswered);
        asked || self.tests && last.is_none_or(|last| last.revision != revision)
    }

    /// Whether the inputs ask for something that is neither there nor was tried in vain.
    pub(super) fn is_new(&self, digest: &str) -> bool {
        if let Some(settling) = &self.settling
            && settling.input_digest == digest
            && (!settling.failed || !self.is_edited() && !self.is_due())
        {
            return false;
        }
        if self.was_tried_in_vain(digest) && self.is_due() {
            return true;
        }
        let failed = self.was_tried_in_vain(digest) && !self.is_edited();
        self.deployed_from(digest).is_none() && !failed
    }

    /// Which try at these inputs comes next, from 1.
    pub(super) fn tries(&self, digest: &str) -> u32 {
        let attempt = self.status.last_attempted.as_ref();
        let again = attempt.filter(|_| self.was_tried_in_vain(digest) && !self.is_edited());
        let failures = again.map_or(0, |attempt| attempt.failures);
        // What passes by itself does not count.
        match again.is_some_and(|attempt| attempt.passes) {
            true => failures.max(1),
            false => failures.saturating_add(1),
        }
    }

    fn is_due(&self) -> bool {
        self.retry.is_some_and(|wait| wait.is_zero())
    }

    /// The newest revision, if it is deployed, was made from these inputs, and does not stand in for a failed one.
    pub(super) fn in_force(&self, digest: &str) -> Option<&Head> {
        self.deployed_from(digest)
            .filter(|_| !self.was_tried_in_vain(digest))
    }

    /// Why the inputs were tried in vain, where the conditions do not say it any more: an error that has passed since
    /// stands there.
    pub(super) fn unsaid(&self, digest: &str) -> Option<&str> {
        let under_way = self.settling.as_ref().is_some_and(|settling| !settling.failed);
        let waits = self.retry.is_some();
        let reason = self.vain(digest).filter(|_| !under_way && !waits)?;
        let stalled = self.condition(conditions::STALLED);
        let said = stalled.is_some_and(|stalled| stalled.reason == reason);
        (!said).then_some(reason)
    }

    fn deployed_from(&self, digest: &str) -> Option<&Head> {
        let release = self.status.release.as_ref()?;
        let newest = self.heads.first()?;
        let same = release.input_digest.as_deref() == Some(digest) && newest.revision == release.revision;
        (same && newest.status == Status::Deployed).then_some(newest)
    }

    /// Why the inputs were tried in vain. A failed revision stays one. What failed before there was a revision is
    /// tried again when another error has taken its place in the conditions: nobody knows any more what it was.
    fn vain(&self, digest: &str) -> Option<&str> {
        let attempt = self.status.last_attempted.as_ref();
        let attempt = attempt.filter(|attempt| attempt.input_digest == digest)?;
        let reason = attempt.reason.as_deref()?;
        let said = self
            .condition(conditions::READY)
            .is_some_and(|ready| ready.reason == reason);
        (said || settle::is_failure(reason)).then_some(reason)
    }

    fn condition(&self, kind: &str) -> Option<&Condition> {
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
///
/// `lost` is the UID of one that this process had, and that another operator has taken over.
pub(super) fn foreign<'a>(
    heads: &'a [Head],
    lost: Option<&str>,
    now: Timestamp,
    takeover: Duration,
) -> Option<Foreign<'a>> {
    let head = heads
        .first()
        .filter(|head| head.holder.is_none() || lost == Some(head.uid.as_str()))
        .filter(|head| head.is_under_way())?;
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

/// The revision whose place the newest one took before it was ready, whether its end is on its record yet or not.
pub(super) fn replaced(heads: &[Head]) -> Option<&Head> {
    let before = between(heads).next()?;
    (before.is_under_way() || before.status == Status::Superseded).then_some(before)
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
mod tests;
