//! What follows a failed revision: whether, when and how often the same is tried again, and whether it is undone before.
//! Without IO.

use std::time::Duration;

use helmapp_helm::release::Status;
use jiff::Timestamp;

use crate::api::conditions::reason;
use crate::api::{Attempt, HelmAppSpec, InstallRemediationStrategy, RemediationStrategy};
use crate::settings::Backoff;
use crate::store::Head;

use super::crds;

/// What the spec says of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// How often the same is tried again; `None` for as often as it takes.
    retries: Option<u32>,
    /// What is done about a failure before it is tried again.
    strategy: RemediationStrategy,
    /// It is done as well about one after which nothing is tried again.
    for_last: bool,
}

impl Budget {
    /// Until a revision was deployed everything is an install.
    pub(super) fn of(spec: &HelmAppSpec, is_install: bool) -> Self {
        if is_install {
            let remediation = &spec.install.remediation;
            return Self {
                retries: u32::try_from(remediation.retries).ok(),
                strategy: match remediation.strategy {
                    InstallRemediationStrategy::None => RemediationStrategy::None,
                    InstallRemediationStrategy::Uninstall => RemediationStrategy::Uninstall,
                },
                for_last: remediation.remediate_last_failure,
            };
        }
        let remediation = &spec.upgrade.remediation;
        Self {
            retries: u32::try_from(remediation.retries).ok(),
            strategy: remediation.strategy,
            for_last: remediation.remediate_last_failure,
        }
    }

    /// What counts after a failure for this reason. Once the release was taken away, only the reason tells what it was
    /// that failed.
    pub(super) fn after(spec: &HelmAppSpec, heads: &[Head], reason: Option<&str>) -> Self {
        let gone = heads
            .first()
            .is_some_and(|head| head.status == Status::Uninstalled);
        let is_install = match gone {
            true => reason != Some(reason::UPGRADE_FAILED),
            false => crds::is_first(heads),
        };
        Self::of(spec, is_install)
    }

    /// Whether the same is tried again after it has failed so often; `passes` where what made it fail passes by itself.
    pub(super) fn tries_again(self, failures: u32, passes: bool) -> bool {
        passes || self.retries.is_none_or(|retries| failures <= retries)
    }

    /// What is done about a revision that failed.
    pub(super) fn remedy(self, failures: u32, passes: bool) -> RemediationStrategy {
        match self.tries_again(failures, passes) || self.for_last {
            true => self.strategy,
            false => RemediationStrategy::None,
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
    matches!(reason, reason::INSTALL_FAILED | reason::UPGRADE_FAILED)
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
        use RemediationStrategy::{None, Rollback, Uninstall};
        let upgrade = |text: Value| budget(json!({"upgrade": {"remediation": text}}), false);
        let install = |text: Value| budget(json!({"install": {"remediation": text}}), true);
        let back = |retries: i32, last: bool| {
            upgrade(json!({"retries": retries, "strategy": "rollback", "remediateLastFailure": last}))
        };
        let away = json!({"retries": 1, "strategy": "uninstall"});
        let seldom = json!({"retries": 1, "strategy": "uninstall", "remediateLastFailure": false});
        // failures, of what passes: tried again, and what is done about it
        let table = [
            (upgrade(json!({})), 1, false, (false, None)),
            (upgrade(json!({})), 7, true, (true, None)),
            (
                upgrade(json!({"strategy": "rollback"})),
                1,
                false,
                (false, Rollback),
            ),
            (back(2, true), 2, false, (true, Rollback)),
            (back(2, true), 3, false, (false, Rollback)),
            (back(2, false), 3, false, (false, None)),
            (back(2, false), 2, false, (true, Rollback)),
            (upgrade(json!({"retries": -1})), u32::MAX, false, (true, None)),
            (upgrade(away.clone()), 1, false, (true, Uninstall)),
            (upgrade(away.clone()), 2, false, (false, Uninstall)),
            (upgrade(seldom.clone()), 2, false, (false, None)),
            (install(json!({})), 1, false, (false, None)),
            (install(json!({"retries": 1})), 1, false, (true, None)),
            (install(json!({"retries": 1})), 2, false, (false, None)),
            (install(json!({"retries": -1})), 1000, false, (true, None)),
            (
                install(json!({"strategy": "uninstall"})),
                1,
                false,
                (false, Uninstall),
            ),
            (install(away), 1, false, (true, Uninstall)),
            (install(seldom.clone()), 1, false, (true, Uninstall)),
            (install(seldom.clone()), 2, false, (false, None)),
            (install(seldom), 9, true, (true, Uninstall)),
        ];
        for (budget, failures, passes, expected) in table {
            let got = (
                budget.tries_again(failures, passes),
                budget.remedy(failures, passes),
            );
            assert_eq!(got, expected, "{budget:?} {failures} {passes}");
        }
    }

    #[test]
    fn a_release_that_was_taken_away_is_made_anew_as_often_as_what_failed_may() {
        let spec = json!({
            "chart": {"path": "demo"},
            "install": {"remediation": {"retries": 1}},
            "upgrade": {"remediation": {"retries": 5}},
        });
        let spec = serde_json::from_value(spec).unwrap();
        use Status::{Deployed, Failed, Superseded, Uninstalled};
        let (install, upgrade) = (reason::INSTALL_FAILED, reason::UPGRADE_FAILED);
        // revisions, newest first; why the last try failed; how often the same is tried in all
        let table: [(&[Status], &str, u32); 6] = [
            (&[Failed, Deployed], upgrade, 6),
            (&[Uninstalled, Failed, Superseded], upgrade, 6),
            (&[Uninstalled, Failed], install, 2),
            (&[Failed, Uninstalled, Failed, Superseded], install, 2),
            (&[Failed, Failed], upgrade, 2),
            (&[Failed], install, 2),
        ];
        for (statuses, reason, expected) in table {
            let revisions = (1..=9).rev();
            let heads: Vec<Head> = revisions
                .zip(statuses.iter())
                .map(|(revision, status)| Head::bare(revision, status.clone()))
                .collect();
            let budget = Budget::after(&spec, &heads, Some(reason));
            assert_eq!(budget.tries(), Some(expected), "{statuses:?} {reason}");
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
            (attempt(Some("UninstallFailed"), 1, 99), None),
            (attempt(None, 0, 99), None),
        ];
        for (attempt, expected) in table {
            let got = budget.due(&attempt, &backoff, now).map(|wait| wait.as_secs());
            assert_eq!(got, expected, "{attempt:?}");
        }
    }
}
