//! The order of hooks, and what of it is done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::release::{Hook, HookDeletePolicy, HookEvent, HookExecution, HookPhase, Time};

/// One run of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its place among the hooks of the record.
    pub hook: usize,
    /// What it runs for.
    pub event: HookEvent,
    /// When it was begun, before its objects were made.
    pub started: Time,
    /// Its objects are made. One that is not there any more after this has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Time::is_zero")]
    pub ended: Time,
    /// Running, Succeeded or Failed.
    pub phase: HookPhase,
}

impl Run {
    /// A run that begins.
    pub fn begin(hook: usize, event: &HookEvent, now: Timestamp) -> Self {
        Self {
            hook,
            event: event.clone(),
            started: now.into(),
            made: false,
            ended: Time::default(),
            phase: HookPhase::Running,
        }
    }

    /// The run is over.
    pub fn end(&mut self, phase: HookPhase, now: Timestamp) {
        self.phase = phase;
        self.ended = now.into();
    }
}

/// What is to be done for the hooks of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The hook at this place of the record is the next to run.
    Start(usize),
    /// This hook is under way.
    Await(usize),
    /// This hook failed; those behind it do not run.
    Failed(usize),
    /// All ran and succeeded.
    Through,
}

/// The hooks that run at an event, as places in the record, in the order in which they run: by weight, then by name;
/// those that are alike in both as they stand, which is by kind.
pub fn order(hooks: &[Hook], event: &HookEvent) -> Vec<usize> {
    let mut order: Vec<(usize, &Hook)> = hooks
        .iter()
        .enumerate()
        .filter(|(_, hook)| hook.runs_at(event))
        .collect();
    order.sort_by(|(_, a), (_, b)| (a.weight, &a.name).cmp(&(b.weight, &b.name)));
    order.into_iter().map(|(index, _)| index).collect()
}

/// What comes next, after these runs.
pub fn next(order: &[usize], event: &HookEvent, runs: &[Run]) -> Next {
    for &hook in order {
        match of(runs, hook, event).map(|run| &run.phase) {
            None => return Next::Start(hook),
            Some(HookPhase::Succeeded) => {}
            Some(HookPhase::Failed) => return Next::Failed(hook),
            Some(_) => return Next::Await(hook),
        }
    }
    Next::Through
}

/// The hooks whose objects are deleted when no more of an event's hooks run, in order: after a failure the one that
/// failed and then those before it, else all of them backwards; each as its policies say.
pub fn clear(hooks: &[Hook], order: &[usize], event: &HookEvent, runs: &[Run]) -> Vec<usize> {
    let goes =
        |index: &usize, at: HookDeletePolicy| hooks.get(*index).is_some_and(|hook| hook.is_deleted(&at));
    let ended = |wanted: HookPhase| {
        let so = move |index: &&usize| of(runs, **index, event).is_some_and(|run| run.phase == wanted);
        order.iter().filter(so).copied()
    };
    let succeeded = ended(HookPhase::Succeeded).filter(|index| goes(index, HookDeletePolicy::HookSucceeded));
    let mut failed: Vec<usize> = ended(HookPhase::Failed).collect();
    if failed.is_empty() {
        let mut backwards: Vec<usize> = succeeded.collect();
        backwards.reverse();
        return backwards;
    }
    failed.retain(|index| goes(index, HookDeletePolicy::HookFailed));
    failed.into_iter().chain(succeeded).collect()
}

/// Writes the runs into the hooks of a record, as `helm status` shows them.
pub fn record(hooks: &mut [Hook], runs: &[Run]) {
    for run in runs {
        if let Some(hook) = hooks.get_mut(run.hook) {
            hook.last_run = HookExecution {
                started_at: run.started.clone(),
                completed_at: run.ended.clone(),
                phase: run.phase.clone(),
                ..HookExecution::default()
            };
        }
    }
}

fn of<'a>(runs: &'a [Run], hook: usize, event: &HookEvent) -> Option<&'a Run> {
    runs.iter().find(|run| run.hook == hook && run.event == *event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use HookDeletePolicy::{BeforeHookCreation, HookFailed, HookSucceeded};
    use HookEvent::{PostInstall, PreInstall};
    use HookPhase::{Failed, Running, Succeeded};

    fn hook(name: &str, weight: i64, events: &[HookEvent], policies: &[HookDeletePolicy]) -> Hook {
        Hook {
            name: name.to_owned(),
            kind: "Job".to_owned(),
            weight,
            events: events.to_vec(),
            delete_policies: policies.to_vec(),
            ..Hook::default()
        }
    }

    fn runs(phases: &[(usize, HookPhase)]) -> Vec<Run> {
        let run = |(hook, phase): &(usize, HookPhase)| Run {
            phase: phase.clone(),
            ..Run::begin(*hook, &PreInstall, Timestamp::UNIX_EPOCH)
        };
        phases.iter().map(run).collect()
    }

    #[test]
    fn hooks_run_by_weight_and_name() {
        let hooks = [
            hook("b", 0, &[PreInstall], &[]),
            hook("a", 5, &[PreInstall, PostInstall], &[]),
            hook("z", -5, &[PreInstall], &[]),
            hook("c", 0, &[PostInstall], &[]),
            hook("a", 0, &[PreInstall], &[]),
            hook("a", 0, &[PreInstall], &[]),
        ];
        assert_eq!(order(&hooks, &PreInstall), [2, 4, 5, 0, 1]);
        assert_eq!(order(&hooks, &PostInstall), [3, 1]);
        assert_eq!(order(&hooks, &HookEvent::Test), [0; 0]);
    }

    #[test]
    fn one_runs_after_the_other_until_one_fails() {
        let table = [
            (vec![], Next::Start(2)),
            (vec![(2, Running)], Next::Await(2)),
            (vec![(2, Succeeded)], Next::Start(0)),
            (vec![(2, Succeeded), (0, Failed)], Next::Failed(0)),
            (vec![(2, Succeeded), (0, Succeeded)], Next::Through),
        ];
        for (done, expected) in table {
            assert_eq!(next(&[2, 0], &PreInstall, &runs(&done)), expected, "{done:?}");
        }
        // What ran at another event counts for nothing.
        assert_eq!(next(&[0], &PostInstall, &runs(&[(0, Succeeded)])), Next::Start(0));
    }

    #[test]
    fn objects_go_as_their_policies_say() {
        let hooks = [
            hook("a", 0, &[PreInstall], &[HookSucceeded]),
            hook("b", 1, &[PreInstall], &[]),
            hook("c", 2, &[PreInstall], &[HookSucceeded, HookFailed]),
            hook("d", 3, &[PreInstall], &[BeforeHookCreation, HookFailed]),
        ];
        let ran =
            |last: &[HookPhase]| -> Vec<(usize, HookPhase)> { last.iter().cloned().enumerate().collect() };
        let table = [
            (ran(&[Succeeded, Succeeded, Succeeded, Succeeded]), vec![2, 0]),
            (ran(&[Succeeded, Succeeded, Failed]), vec![2, 0]),
            (ran(&[Succeeded, Succeeded, Succeeded, Failed]), vec![3, 0, 2]),
            (ran(&[Failed]), vec![]),
        ];
        for (done, expected) in table {
            let order = order(&hooks, &PreInstall);
            assert_eq!(
                clear(&hooks, &order, &PreInstall, &runs(&done)),
                expected,
                "{done:?}"
            );
        }
        let crd = Hook {
            kind: "CustomResourceDefinition".to_owned(),
            ..hook("crd", 0, &[PreInstall], &[HookSucceeded])
        };
        assert!(!crd.is_deleted(&HookSucceeded) && !crd.is_deleted(&BeforeHookCreation));
    }

    #[test]
    fn the_record_has_the_last_run() {
        let mut hooks = [
            hook("a", 0, &[PreInstall, PostInstall], &[]),
            hook("b", 0, &[PostInstall], &[]),
        ];
        let mut first = Run::begin(0, &PreInstall, Timestamp::UNIX_EPOCH);
        first.end(Succeeded, Timestamp::UNIX_EPOCH);
        let second = Run::begin(0, &PostInstall, Timestamp::from_second(60).unwrap());
        record(&mut hooks, &[first, second]);
        let last = &hooks[0].last_run;
        assert_eq!(
            (last.started_at.as_str(), &last.phase),
            ("1970-01-01T00:01:00Z", &Running)
        );
        assert!(last.completed_at.is_zero() && hooks[1].last_run == HookExecution::default());
    }
}
