//! From what a reconcile found out to the HelmApp's status: pure, apart from the writer.

mod spread;
mod writer;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::{
    HelmAppStatus, HistoryEntry, InventoryEntry, MAX_HISTORY, MAX_INVENTORY, MAX_MESSAGE,
    conditions::{self, reason},
};
use crate::excerpt::excerpt;

pub use self::spread::MERGE_WINDOW;
pub use self::writer::{Held, StatusWriter, Urgency};

/// A status in the making: starts as the last one and is changed by what was found out.
///
/// Conditions follow kstatus: Reconciling and Stalled are there only while they are true, never both, and
/// Ready is True only while neither is.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    generation: i64,
    now: Timestamp,
    /// Everything but conditions, history and inventory may be set directly.
    pub status: HelmAppStatus,
}

impl Report {
    /// `last` is the status as it stands, `generation` that of the spec which was worked on.
    pub fn new(last: HelmAppStatus, generation: i64, now: Timestamp) -> Self {
        Self {
            generation,
            now,
            status: last,
        }
    }

    /// Work is under way. What Ready says of an earlier generation's success does not hold any more.
    pub fn progressing(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::READY, "Unknown", reason, message);
        self.set(conditions::RECONCILING, "True", reason, message);
        self.forget(conditions::STALLED);
        self.observed()
    }

    /// All is as asked for.
    pub fn ready(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::READY, "True", reason, message);
        self.forget(conditions::RECONCILING);
        self.forget(conditions::STALLED);
        self.status.failures = 0;
        self.observed()
    }

    /// Released as asked for, but not healthy at present; nothing is to be done but to watch.
    pub fn degraded(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::READY, "False", reason, message);
        self.forget(conditions::RECONCILING);
        self.forget(conditions::STALLED);
        self.observed()
    }

    /// Failed in a way that passes: it will be tried again.
    pub fn retrying(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::READY, "False", reason, message);
        self.set(conditions::RECONCILING, "True", reason, message);
        self.forget(conditions::STALLED);
        self.status.failures = self.status.failures.saturating_add(1);
        self.observed()
    }

    /// Failed; the same input is not tried again.
    pub fn stalled(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::READY, "False", reason, message);
        self.set(conditions::STALLED, "True", reason, message);
        self.forget(conditions::RECONCILING);
        self.status.failures = self.status.failures.saturating_add(1);
        self.observed()
    }

    /// Nothing is done until spec.suspend is false again. Ready keeps what it said last.
    pub fn suspended(&mut self) -> &mut Self {
        const MESSAGE: &str = "spec.suspend is true: nothing is changed";
        if self.condition(conditions::READY).is_none() {
            self.set(conditions::READY, "Unknown", reason::SUSPENDED, MESSAGE);
        }
        self.forget(conditions::RECONCILING);
        self.set(conditions::STALLED, "True", reason::SUSPENDED, MESSAGE);
        self.observed()
    }

    /// Whether the newest revision was applied.
    pub fn released(&mut self, yes: bool, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::RELEASED, word(yes), reason, message)
    }

    /// Whether the release's objects are healthy.
    pub fn healthy(&mut self, yes: bool, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::HEALTHY, word(yes), reason, message)
    }

    /// Objects have not settled yet: nobody knows whether they are healthy.
    pub fn settling(&mut self, message: &str) -> &mut Self {
        self.set(conditions::HEALTHY, "Unknown", reason::PROGRESSING, message)
    }

    /// Whether the tests of the newest revision passed.
    pub fn tested(&mut self, yes: bool, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::TEST_SUCCEEDED, word(yes), reason, message)
    }

    /// The tests of the newest revision run.
    pub fn testing(&mut self, message: &str) -> &mut Self {
        self.set(
            conditions::TEST_SUCCEEDED,
            "Unknown",
            reason::PROGRESSING,
            message,
        )
    }

    /// Whether objects in the cluster differ from the release.
    pub fn drifted(&mut self, yes: bool, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::DRIFTED, word(yes), reason, message)
    }

    /// Whether objects differ from the release can't be known.
    pub fn unwatched(&mut self, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::DRIFTED, "Unknown", reason, message)
    }

    /// How the remediation of a failed release went; the message says what it answered.
    pub fn remediated(&mut self, yes: bool, reason: &str, message: &str) -> &mut Self {
        self.set(conditions::REMEDIATED, word(yes), reason, message)
    }

    /// Drops a condition that has nothing to say any more.
    pub fn forget(&mut self, kind: &str) -> &mut Self {
        self.status.conditions.retain(|condition| condition.type_ != kind);
        self
    }

    /// The release's revisions, in any order; the newest [`MAX_HISTORY`] are shown.
    pub fn history(&mut self, mut entries: Vec<HistoryEntry>) -> &mut Self {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.revision));
        entries.truncate(MAX_HISTORY);
        for entry in &mut entries {
            if let Some(description) = &mut entry.description {
                *description = excerpt(description, MAX_MESSAGE);
            }
        }
        self.status.history = entries;
        self
    }

    /// The objects of the release; the first [`MAX_INVENTORY`] are shown, those in trouble before the others.
    pub fn inventory(&mut self, mut entries: Vec<InventoryEntry>) -> &mut Self {
        self.status.inventory_total = i64::try_from(entries.len()).ok();
        if entries.len() > MAX_INVENTORY {
            entries.sort_by_key(|entry| entry.health.as_deref().is_none_or(|health| health == "Ready"));
            entries.truncate(MAX_INVENTORY);
        }
        self.status.inventory = entries;
        self
    }

    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    }

    pub fn build(self) -> HelmAppStatus {
        self.status
    }

    fn observed(&mut self) -> &mut Self {
        self.status.observed_generation = Some(self.generation);
        self
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) -> &mut Self {
        let message = excerpt(message.trim(), MAX_MESSAGE);
        let last = self.condition(kind);
        let since = last
            .filter(|last| last.status == status)
            .map_or_else(|| Time(self.now), |last| last.last_transition_time.clone());
        let condition = Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: Some(self.generation),
            last_transition_time: since,
        };
        self.forget(kind);
        let conditions = &mut self.status.conditions;
        conditions.push(condition);
        conditions.sort_by_key(|condition| {
            conditions::TYPES
                .iter()
                .position(|kind| condition.type_ == *kind)
                .unwrap_or(usize::MAX)
        });
        self
    }
}

fn word(yes: bool) -> &'static str {
    if yes { "True" } else { "False" }
}
