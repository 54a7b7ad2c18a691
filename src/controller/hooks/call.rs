//! Which hooks run for an event.

use std::time::Duration;

use helmapp_helm::hooks::order;
use helmapp_helm::release::{Hook, HookEvent, HookPhase, Release};

use super::super::revision::Change;
use super::super::subject::Subject;

/// Which hooks run; by default none.
#[derive(Debug, Clone)]
pub(in super::super) struct Call {
    /// What they run for.
    pub event: HookEvent,
    /// How long each may take.
    pub timeout: Duration,
    /// Their places in the record, in the order in which they run.
    order: Vec<usize>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            event: HookEvent::Test,
            timeout: Duration::ZERO,
            order: Vec::new(),
        }
    }
}

impl Call {
    /// All hooks of an event that `wanted` names.
    pub(in super::super) fn new(
        release: &Release,
        event: HookEvent,
        timeout: Duration,
        wanted: impl Fn(&Hook) -> bool,
    ) -> Self {
        let mut order = order(&release.hooks, &event);
        order.retain(|index| release.hooks.get(*index).is_some_and(&wanted));
        Self {
            event,
            timeout,
            order,
        }
    }

    /// No hook runs.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Their places in the record.
    pub(in super::super) fn places(&self) -> &[usize] {
        &self.order
    }
}

/// The hooks before the objects of a change, unless the spec turns hooks off.
pub(in super::super) fn before(subject: &Subject, change: Change, release: &Release) -> Call {
    let event = match change {
        Change::Install => HookEvent::PreInstall,
        Change::Upgrade => HookEvent::PreUpgrade,
        Change::Rollback(_) => HookEvent::PreRollback,
        Change::Uninstall => HookEvent::PreDelete,
    };
    around(subject, change, release, event)
}

/// The hooks after the objects of a change, unless the spec turns hooks off.
pub(in super::super) fn after(subject: &Subject, change: Change, release: &Release) -> Call {
    let event = match change {
        Change::Install => HookEvent::PostInstall,
        Change::Upgrade => HookEvent::PostUpgrade,
        Change::Rollback(_) => HookEvent::PostRollback,
        Change::Uninstall => HookEvent::PostDelete,
    };
    around(subject, change, release, event)
}

fn around(subject: &Subject, change: Change, release: &Release, event: HookEvent) -> Call {
    let enabled = !subject.disables_hooks(change);
    Call::new(release, event, subject.timeout(change), |_| enabled)
}

/// Whether a hook of an event failed when the record was last written.
pub(in super::super) fn has_failed(release: &Release, call: &Call) -> bool {
    let hooks = call.order.iter().filter_map(|index| release.hooks.get(*index));
    hooks
        .into_iter()
        .any(|hook| hook.last_run.phase == HookPhase::Failed)
}
