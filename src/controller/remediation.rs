//! What follows a failed revision: whether, when and how often the same is tried again, and whether it is undone before.
//! Without IO.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::conditions::reason;
use crate::api::{Attempt, HelmAppSpec, RemediationStrategy};
use crate::settings::Backoff;

use super::settle;

/// What the spec says of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// How often the same is tried again; `None` for as often as it takes.
    retries: Option<u32>,
    /// A failure is undone before it is tried again.
    undoes: bool,
    /// One after which nothing is tried again is undone as well.
    undoes_last: bool,
}

impl Budget {
    /// Until a revision was deployed everything is an install.
    pub(super) fn of(spec: &HelmAppSpec, is_install: bool) -> Self {
        if is_install {
            return Self {
                retries: u32::try_from(spec.install.remediation.retries).ok(),
                undoes: false,
                undoes_last: false,
            };
        }
        let remediation = &spec.upgrade.remediation;
        let undoes = remediation.strategy == RemediationStrategy::Rollback;
        Self {
            retries: u32::try_from(remediation.retries).ok(),
            undoes,
            undoes_last: undoes && remediation.remediate_last_failure,
        }
    }

    /// Whether the same is tried again after it has failed so often; `passes` where what made it fail passes by itself.
    pub(super) fn tries_again(self, failures: u32, passes: bool) -> bool {
        passes || self.retries.is_none_or(|retries| failures <= retries)
    }

    /// Whether a revision that failed is undone.
    pub(super) fn undoes(self, failures: u32, passes: bool) -> bool {
        match self.tries_again(failures, passes) {
            true => self.undoes,
            false => self.undoes_last,
        }
    }

    /// How many tries there are, as people count them; `None` without a bound.
    pub(super) fn tries(self) -> Option<u32> {
        self.retries.map(|retries| retries.saturating_add(1))
    }

    /// How long it is until the attempt is made again; `None` for never.
    pub(super) fn due(self, attempt: &Attempt, backoff: &Backoff, now: Timestamp) -> Option<Duration> {
        let retried = attempt.reason.as_deref().is_some_and(is_retried);
        if !retried || !self.tries_again(attempt.failures, attempt.passes) {
            return None;
        }
        let since = attempt.time.as_ref().map_or(now, |time| time.0);
        let gone = Duration::try_from(now - since).unwrap_or_default();
        Some(pause(attempt.failures, backoff).saturating_sub(gone))
    }
}

/// Whether what failed for this can be tried again: not a way back that a person asked for.
pub(super) fn is_retried(reason: &str) -> bool {
    settle::is_failure(reason) && reason != reason::ROLLBACK_FAILED
}

/// How long it is from a failure to the next try. Without chance in it: it is asked for again and again meanwhile.
pub(super) fn pause(failures: u32, backoff: &Backoff) -> Duration {
    backoff.delay(failures, 1.0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;

    fn budget(spec: Value, is_install: bool) -> Budget {
        let mut whole = json!({"chart": {"path": "demo"}});
        whole
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        Budget::of(&serde_json::from_value(whole).unwrap(), is_install)
    }

    #[test]
    fn what_failed_is_tried_again_as_often_as_the_spec_says() {
        let upgrade = |text: Value| budget(json!({"upgrade": {"remediation": text}}), false);
        let install = |retries: i32| budget(json!({"install": {"remediation": {"retries": retries}}}), true);
        // failures, of what passes: tried again, undone
        let table = [
            (upgrade(json!({})), 1, false, (false, false)),
            (upgrade(json!({})), 7, true, (true, false)),
            (upgrade(json!({"strategy": "rollback"})), 1, false, (false, true)),
            (
                upgrade(json!({"retries": 2, "strategy": "rollback"})),
                2,
                false,
                (true, true),
            ),
            (
                upgrade(json!({"retries": 2, "strategy": "rollback"})),
                3,
                false,
                (false, true),
            ),
            (
                upgrade(json!({"retries": 2, "strategy": "rollback", "remediateLastFailure": false})),
                3,
                false,
                (false, false),
            ),
            (
                upgrade(json!({"retries": 2, "strategy": "rollback", "remediateLastFailure": false})),
                2,
                false,
                (true, true),
            ),
            (upgrade(json!({"retries": -1})), u32::MAX, false, (true, false)),
            (install(0), 1, false, (false, false)),
            (install(1), 1, false, (true, false)),
            (install(1), 2, false, (false, false)),
            (install(-1), 1000, false, (true, false)),
        ];
        for (budget, failures, passes, expected) in table {
            let got = (
                budget.tries_again(failures, passes),
                budget.undoes(failures, passes),
            );
            assert_eq!(got, expected, "{budget:?} {failures} {passes}");
        }
    }

    #[test]
    fn each_pause_is_longer_than_the_one_before() {
        let backoff = Backoff {
            least: Duration::from_secs(30),
            most: Duration::from_secs(900),
        };
        let seconds = [1, 2, 3, 5, 6, 40, u32::MAX].map(|failures| pause(failures, &backoff).as_secs());
        assert_eq!(seconds, [30, 60, 120, 480, 900, 900, 900]);
    }

    #[test]
    fn a_retry_is_due_when_its_pause_is_over() {
        let backoff = Backoff {
            least: Duration::from_secs(30),
            most: Duration::from_secs(900),
        };
        let budget = budget(json!({"upgrade": {"remediation": {"retries": 1}}}), false);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let attempt = |reason: Option<&str>, failures, ago: i64| Attempt {
            reason: reason.map(str::to_owned),
            failures,
            time: Some(Time(now - jiff::SignedDuration::from_secs(ago))),
            ..Attempt::default()
        };
        let table = [
            (attempt(Some("UpgradeFailed"), 1, 0), Some(30)),
            (attempt(Some("UpgradeFailed"), 1, 20), Some(10)),
            (attempt(Some("UpgradeFailed"), 1, 99), Some(0)),
            (attempt(Some("UpgradeFailed"), 2, 99), None),
            (attempt(Some("SchemaViolation"), 1, 99), None),
            (attempt(Some("RollbackFailed"), 1, 99), None),
            (attempt(None, 0, 99), None),
        ];
        for (attempt, expected) in table {
            let got = budget.due(&attempt, &backoff, now).map(|wait| wait.as_secs());
            assert_eq!(got, expected, "{attempt:?}");
        }
    }
}
