//! Tables of states.

use crate::api::conditions::reason;
use crate::api::{Attempt, ChartStatus, ReleaseStatus, TestStatus};
use crate::controller::record::Record;
use crate::controller::revision::Change;
use crate::controller::stages::Stage;
use crate::store::Progress;

use tokio::time::Instant;

use super::*;

const VAIN: &str = reason::UPGRADE_FAILED;

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

fn settling(revision: i64, stage: Stage, failed: bool) -> Option<Arc<Settling>> {
    Some(Arc::new(Settling {
        record: Record::of_head(Head {
            uid: format!("uid-{revision}"),
            ..Head::bare(revision, Status::PendingUpgrade)
        }),
        change: Change::Upgrade,
        deadline: Instant::now(),
        input_digest: "b".to_owned(),
        made_from: String::new(),
        chart: ChartStatus::default(),
        replaces: None,
        cause: None,
        stage,
        progress: Progress::default(),
        waiting: None,
        tries: 1,
        failed,
        passes: false,
    }))
}

fn heads(all: &[(i64, Status, bool)]) -> Vec<Head> {
    let of = |(revision, status, ours): &(i64, Status, bool)| Head {
        uid: format!("uid-{revision}"),
        holder: ours.then(|| "us".to_owned()),
        ..Head::bare(*revision, status.clone())
    };
    all.iter().map(of).collect()
}

/// Every state, and its action.
#[test]
fn a_state_follows_from_what_is_observed_and_asks_for_one_action() {
    use Status::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled};
    let minute = Duration::from_secs(60);
    let deployed = Observed {
        status: status("a", Some(("a", None))),
        heads: heads(&[(3, Deployed, false), (2, Superseded, false)]),
        generation: 2,
        followed: 3,
        ..Observed::default()
    };
    let pending = Observed {
        heads: heads(&[(4, PendingUpgrade, true), (3, Deployed, false)]),
        ..deployed.clone()
    };
    let failed = Observed {
        heads: heads(&[(4, Failed, false), (3, Deployed, false)]),
        status: status("b", Some(("b", Some(VAIN)))),
        ..deployed.clone()
    };
    let asked = |digest: &str, seen: &Observed| Observed {
        digest: Some(digest.to_owned()),
        ..seen.clone()
    };
    let tested = |revision, words: Option<&str>| HelmAppStatus {
        test: Some(TestStatus {
            revision,
            asked: words.map(str::to_owned),
            ..TestStatus::default()
        }),
        ..deployed.status.clone()
    };
    let table = [
        (
            "nothing is there",
            asked("a", &Observed::default()),
            State::Absent,
            Action::Release,
        ),
        (
            "it was uninstalled, and the history kept",
            asked(
                "a",
                &Observed {
                    heads: heads(&[(3, Uninstalled, false)]),
                    ..Observed::default()
                },
            ),
            State::Absent,
            Action::Release,
        ),
        (
            "nothing is there, and nothing new is asked for",
            Observed::default(),
            State::Failed,
            Action::Stand,
        ),
        (
            "deployed as asked for",
            asked("a", &deployed),
            State::InSync,
            Action::Look,
        ),
        (
            "deployed, and nothing new is asked for",
            deployed.clone(),
            State::InSync,
            Action::Look,
        ),
        (
            "something else is asked for",
            asked("b", &deployed),
            State::OutOfSync,
            Action::Release,
        ),
        (
            "a revision was interrupted",
            pending.clone(),
            State::Pending(Whose::Ours),
            Action::GoOn,
        ),
        (
            "a revision settles",
            Observed {
                settling: settling(4, Stage::Wait, false),
                followed: 4,
                ..pending.clone()
            },
            State::Pending(Whose::Ours),
            Action::GoOn,
        ),
        (
            "a revision settles that is asked for",
            asked(
                "b",
                &Observed {
                    settling: settling(4, Stage::Wait, false),
                    followed: 4,
                    ..pending.clone()
                },
            ),
            State::Pending(Whose::Ours),
            Action::GoOn,
        ),
        (
            "another is asked for while one settles",
            asked(
                "c",
                &Observed {
                    settling: settling(4, Stage::Before, false),
                    ..pending.clone()
                },
            ),
            State::OutOfSync,
            Action::Release,
        ),
        (
            "objects change while hooks run before them",
            Observed {
                settling: settling(4, Stage::Before, false),
                is_dirty: true,
                ..pending.clone()
            },
            State::Pending(Whose::Ours),
            Action::GoOn,
        ),
        (
            "objects change while others get ready",
            Observed {
                settling: settling(4, Stage::Wait, false),
                is_dirty: true,
                followed: 4,
                ..pending.clone()
            },
            State::Drifted,
            Action::Correct,
        ),
        (
            "somebody else works on it",
            asked(
                "b",
                &Observed {
                    foreign: Some(minute),
                    ..pending.clone()
                },
            ),
            State::Pending(Whose::Another(minute)),
            Action::Leave(minute),
        ),
        (
            "somebody else has not ended what was begun",
            asked(
                "b",
                &Observed {
                    foreign: Some(Duration::ZERO),
                    ..pending
                },
            ),
            State::OutOfSync,
            Action::Release,
        ),
        (
            "somebody else has made the newest",
            Observed {
                followed: 2,
                ..deployed.clone()
            },
            State::Unmanaged,
            Action::TakeUp,
        ),
        (
            "objects were changed",
            Observed {
                is_dirty: true,
                ..deployed.clone()
            },
            State::Drifted,
            Action::Correct,
        ),
        (
            "it failed",
            asked(
                "b",
                &Observed {
                    settling: settling(4, Stage::Wait, true),
                    followed: 4,
                    ..failed.clone()
                },
            ),
            State::Failed,
            Action::Stand,
        ),
        (
            "it failed and is to be undone, and objects were changed",
            Observed {
                settling: settling(4, Stage::Wait, true),
                followed: 4,
                has_remedy: true,
                is_dirty: true,
                ..failed.clone()
            },
            State::Failed,
            Action::Remedy,
        ),
        (
            "it failed, and is to be tried again in a while",
            asked(
                "b",
                &Observed {
                    settling: settling(4, Stage::Wait, true),
                    retry: Some(minute),
                    followed: 4,
                    ..failed.clone()
                },
            ),
            State::Failed,
            Action::Stand,
        ),
        (
            "it failed, and is to be tried again now",
            asked(
                "b",
                &Observed {
                    settling: settling(4, Stage::Wait, true),
                    retry: Some(Duration::ZERO),
                    followed: 4,
                    ..failed.clone()
                },
            ),
            State::OutOfSync,
            Action::Release,
        ),
        (
            "it failed and was undone, and is to be tried again now",
            asked(
                "b",
                &Observed {
                    status: HelmAppStatus {
                        last_attempted: status("b", Some(("b", Some(VAIN)))).last_attempted,
                        ..status("b", None)
                    },
                    retry: Some(Duration::ZERO),
                    ..deployed.clone()
                },
            ),
            State::OutOfSync,
            Action::Release,
        ),
        (
            "it failed, and there is a way back",
            Observed {
                settling: settling(4, Stage::Wait, true),
                has_remedy: true,
                followed: 4,
                ..failed.clone()
            },
            State::Failed,
            Action::Remedy,
        ),
        (
            "it failed, long ago",
            Observed {
                followed: 4,
                ..failed
            },
            State::Failed,
            Action::Stand,
        ),
        (
            "it is to be tested",
            Observed {
                tests: true,
                ..deployed.clone()
            },
            State::Untested,
            Action::Test,
        ),
        (
            "it was tested",
            Observed {
                tests: true,
                status: tested(3, None),
                ..deployed.clone()
            },
            State::InSync,
            Action::Look,
        ),
        (
            "a person asks for tests",
            Observed {
                asks_tests: Some("now".to_owned()),
                status: tested(3, Some("once")),
                ..deployed.clone()
            },
            State::Untested,
            Action::Test,
        ),
        (
            "a person has asked for tests",
            Observed {
                asks_tests: Some("now".to_owned()),
                status: tested(2, Some("now")),
                ..deployed
            },
            State::InSync,
            Action::Look,
        ),
    ];
    for (what, seen, state, action) in table {
        assert_eq!((seen.state(), seen.action()), (state, action), "{what}");
    }
}

#[test]
fn inputs_are_new_until_they_are_deployed_or_failed() {
    let deployed = [Head::bare(3, Status::Deployed)];
    let failed = [Head::bare(3, Status::Failed)];
    let later = [Head::bare(4, Status::Deployed), Head::bare(3, Status::Superseded)];
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
        let seen = Observed {
            status,
            heads: heads.to_vec(),
            generation,
            ..Observed::default()
        };
        let got = (seen.is_new("a"), seen.in_force("a").is_some());
        assert_eq!(got, (new, in_force), "{seen:?}");
    }
}

/// An error that passes takes the place of what was said; once it is over, that is said again.
#[test]
fn what_failed_for_good_is_known_after_what_passed() {
    use reason::{API_UNAVAILABLE, SCHEMA_VIOLATION, UPGRADE_FAILED};
    let heads = [Head::bare(3, Status::Failed), Head::bare(2, Status::Deployed)];
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
        let seen = Observed {
            status,
            heads: heads.to_vec(),
            generation: 2,
            ..Observed::default()
        };
        assert_eq!((seen.is_new("a"), seen.unsaid("a")), (new, unsaid), "{seen:?}");
    }
}

#[test]
fn a_pending_revision_of_somebody_else_is_left_alone_for_a_while() {
    let now = Timestamp::from_second(10_000).unwrap();
    let at = |seconds, holder: Option<&str>, status| Head {
        changed: Timestamp::from_second(seconds).ok(),
        holder: holder.map(str::to_owned),
        ..Head::bare(1, status)
    };
    let minute = Duration::from_secs(60);
    let table = [
        (at(9_990, None, Status::PendingUpgrade), None, Some(50)),
        (at(9_000, None, Status::PendingUpgrade), None, Some(0)),
        (at(9_990, Some("us"), Status::PendingUpgrade), None, None),
        // Another operator has taken it over.
        (
            at(9_990, Some("them"), Status::PendingUpgrade),
            Some(""),
            Some(50),
        ),
        (at(9_990, None, Status::Uninstalling), None, Some(50)),
        (at(9_990, None, Status::Uninstalled), None, None),
        (at(9_990, None, Status::Deployed), None, None),
    ];
    for (head, lost, expected) in table {
        let heads = [head];
        let wait = foreign(&heads, lost, now, minute).map(|foreign| foreign.wait.as_secs());
        assert_eq!(wait, expected, "{heads:?}");
    }
    assert_eq!(foreign(&[], None, now, minute), None);
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
            .map(|(n, status)| Head::bare(n, status.clone()));
        let mut heads: Vec<Head> = newest_first.collect();
        heads.reverse();
        let got: Vec<i64> = between(&heads).map(|head| head.revision).collect();
        assert_eq!(got, expected, "{statuses:?}");
    }
}

#[test]
fn a_revision_under_way_is_replaced_by_the_next_one_and_a_failed_one_is_not() {
    use Status::{
        Deployed, Failed, PendingInstall, PendingRollback, PendingUpgrade, Superseded, Uninstalled,
    };
    let table: [(&[Status], Option<i64>); 9] = [
        (&[], None),
        (&[PendingUpgrade, Deployed], None),
        (&[PendingInstall, PendingInstall], Some(1)),
        (&[PendingUpgrade, PendingUpgrade, Deployed], Some(2)),
        // Its end is on its record.
        (&[PendingUpgrade, Superseded, Deployed], Some(2)),
        // A remedy, and a try after it, leave what failed.
        (&[PendingRollback, Failed, Deployed], None),
        (&[PendingUpgrade, Failed, Superseded, Deployed], None),
        (&[PendingInstall, Uninstalled], None),
        (&[Deployed, PendingUpgrade], None),
    ];
    for (statuses, expected) in table {
        let numbers = (1..=statuses.len()).rev();
        let heads: Vec<Head> = numbers
            .zip(statuses)
            .map(|(n, status)| Head::bare(i64::try_from(n).unwrap(), status.clone()))
            .collect();
        let got = replaced(&heads).map(|head| head.revision);
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

#[test]
fn tries_are_counted_while_the_same_fails() {
    let observed = |failures, passes, reason: Option<&str>| {
        let mut seen = Observed {
            status: status("b", Some(("b", reason))),
            generation: 2,
            ..Observed::default()
        };
        let attempt = seen.status.last_attempted.as_mut().unwrap();
        (attempt.failures, attempt.passes) = (failures, passes);
        seen
    };
    let edited = Observed {
        generation: 3,
        ..observed(2, false, Some(VAIN))
    };
    let table = [
        (observed(2, false, Some(VAIN)), "b", 3),
        (observed(2, true, Some(VAIN)), "b", 2),
        (observed(0, true, Some(VAIN)), "b", 1),
        (observed(2, false, Some(VAIN)), "c", 1),
        (observed(0, false, None), "b", 1),
        (edited, "b", 1),
    ];
    for (seen, digest, expected) in table {
        assert_eq!(seen.tries(digest), expected, "{seen:?}");
    }
}
