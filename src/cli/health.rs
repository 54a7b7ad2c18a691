//! Flags and environment of how long what is not healthy is waited for.

use helmapp_helm::health::pods::Patience;

use crate::{api::Duration, settings::Health};

/// What becomes [`Health`].
#[derive(Clone, Debug, clap::Args)]
pub(super) struct HealthArguments {
    /// How long a workload may be unready before its pods are asked why; after that they are asked less and less often,
    /// as long as it is
    #[arg(
        long,
        env = "HELMAPP_ASK_PODS_AFTER",
        default_value = "15s",
        value_name = "DURATION"
    )]
    ask_pods_after: Duration,
    /// Restarts of a container before its CrashLoopBackOff fails a revision
    #[arg(
        long,
        env = "HELMAPP_CRASH_RESTARTS",
        default_value_t = 3,
        value_name = "COUNT"
    )]
    crash_restarts: u32,
    /// How long a pod's image or configuration may be missing, or a quota in its way, before that fails a revision
    #[arg(
        long,
        env = "HELMAPP_START_LIMIT",
        default_value = "30s",
        value_name = "DURATION"
    )]
    start_limit: Duration,
    /// How long no node may take a pod before that fails a revision
    #[arg(
        long,
        env = "HELMAPP_UNSCHEDULABLE_LIMIT",
        default_value = "3m",
        value_name = "DURATION"
    )]
    unschedulable_limit: Duration,
    /// How long an object of a deployed release may be unready before the HelmApp is not ready
    #[arg(
        long,
        env = "HELMAPP_DEGRADED_AFTER",
        default_value = "30s",
        value_name = "DURATION"
    )]
    degraded_after: Duration,
}

impl HealthArguments {
    pub(super) fn settings(&self) -> Health {
        Health {
            ask_pods_after: self.ask_pods_after.0,
            patience: Patience {
                restarts: self.crash_restarts,
                start: self.start_limit.0,
                schedule: self.unschedulable_limit.0,
            },
            degraded_after: self.degraded_after.0,
        }
    }
}
