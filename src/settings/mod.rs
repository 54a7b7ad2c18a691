//! What a person sets on the operator: one validated struct. Flags, environment and file names end in `cli`.

mod allowed;
mod limits;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use helmapp_helm::health::pods::Patience;
use helmapp_helm::plan::Yield;
use helmapp_helm::render::FunctionSet;

pub use self::{
    allowed::{Allowed, AllowedError},
    limits::Limits,
};

/// Settings of `helmapp run`. `Settings::default()` is what it does without a flag.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The only directories below which `spec.chart.path` is read. None: no path is.
    pub chart_dirs: Vec<PathBuf>,
    /// Whose rights a HelmApp without `spec.serviceAccountName` has: this ServiceAccount of its namespace.
    /// None: the operator's own.
    pub default_service_account: Option<String>,
    /// Reconciles at once.
    pub workers: u16,
    /// Charts that are rendered at once, each on a thread of its own.
    pub renderers: u16,
    /// Bytes of compiled charts that are kept for the next rendering.
    pub compiled_cache_bytes: usize,
    /// Whose functions templates may call.
    pub template_functions: FunctionSet,
    /// Field managers whose fields no release takes.
    pub yield_to: Vec<Yield>,
    /// How long another's pending revision is left alone while nothing of it changes.
    pub pending_takeover: Duration,
    /// Least and most time between two tries of what fails in a way that passes.
    pub retry: Backoff,
    /// Least and most time between two tries of what only a person can put right, but without telling us:
    /// rights given, a referenced object made.
    pub slow_retry: Backoff,
    pub fetch: Fetch,
    pub health: Health,
    pub limits: Limits,
    /// Where metrics and probes are served. None: nowhere.
    pub listen: Option<SocketAddr>,
    /// Leader election. None: this process is the only one.
    pub election: Option<Election>,
    /// This process's name in events and Leases: the pod's.
    pub identity: String,
}

/// What scales workloads: the controller of HorizontalPodAutoscalers, and KEDA.
pub const YIELD_TO: [&str; 2] = ["kube-controller-manager/scale", "keda/scale"];

/// Bounds of a delay that doubles with each failure and is spread at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub least: Duration,
    pub most: Duration,
}

/// How long what is not healthy is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// How long a workload may be unready before its pods are asked why.
    pub ask_pods_after: Duration,
    /// What may come right by itself while a revision is waited for.
    pub patience: Patience,
    /// How long an object of a deployed release may be unready before the HelmApp is.
    pub degraded_after: Duration,
}

/// Limits on charts from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Largest archive that is downloaded or read, in bytes.
    pub max_archive_bytes: u64,
    /// From the first byte sent to the last received.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub max_redirects: usize,
    /// Downloads at once for the HelmApps of one namespace: a server that does not answer holds no more workers.
    pub per_namespace: u16,
    /// Hosts and networks that charts are downloaded from although their addresses are not public.
    pub allowed: Vec<Allowed>,
    /// How long a downloaded archive is used without asking the server again.
    pub fresh: Duration,
    /// Bytes of archives and loaded charts that are kept in memory.
    pub cache_bytes: usize,
}

/// The Lease that decides which of several processes acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    pub namespace: String,
    pub name: String,
    /// How long the holder may be silent before another takes over.
    pub duration: Duration,
    /// How often the holder renews.
    pub renew: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chart_dirs: Vec::new(),
            default_service_account: None,
            workers: 16,
            renderers: 2,
            compiled_cache_bytes: 32 * 1024 * 1024,
            template_functions: FunctionSet::Helm3,
            yield_to: YIELD_TO.iter().filter_map(|text| text.parse().ok()).collect(),
            pending_takeover: Duration::from_secs(15 * 60),
            retry: Backoff {
                least: Duration::from_secs(1),
                most: Duration::from_secs(5 * 60),
            },
            slow_retry: Backoff {
                least: Duration::from_secs(30),
                most: Duration::from_secs(15 * 60),
            },
            fetch: Fetch::default(),
            health: Health::default(),
            limits: Limits::default(),
            listen: None,
            election: None,
            identity: "helmapp".to_owned(),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            ask_pods_after: Duration::from_secs(15),
            patience: Patience {
                restarts: 3,
                start: Duration::from_secs(30),
                schedule: Duration::from_secs(3 * 60),
            },
            degraded_after: Duration::from_secs(30),
        }
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            max_archive_bytes: 20 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            max_redirects: 5,
            per_namespace: 4,
            allowed: Vec::new(),
            fresh: Duration::from_secs(5 * 60),
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Backoff {
    /// The delay after `failures` failures in a row (from 1), between half of it and all of it as `random`
    /// goes from 0 to 1.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.least.saturating_mul(factor).min(self.most);
        whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_most() {
        let backoff = Backoff {
            least: Duration::from_secs(1),
            most: Duration::from_secs(60),
        };
        for (failures, random, expected) in [
            (0, 1.0, 1_000),
            (1, 1.0, 1_000),
            (1, 0.0, 500),
            (2, 1.0, 2_000),
            (4, 0.5, 6_000),
            (7, 1.0, 60_000),
            (33, 1.0, 60_000),
            (u32::MAX, 0.0, 30_000),
        ] {
            assert_eq!(
                backoff.delay(failures, random),
                Duration::from_millis(expected),
                "{failures}"
            );
        }
    }
}
