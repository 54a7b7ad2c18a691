//! Metrics, all with the prefix `helmapp_`. Labels take values from closed sets; series of single releases are
//! bounded in number and end with the release.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Metric, Registry, Unit},
};

use crate::{api::conditions::reason, store::ReleaseKey};

/// Releases with series of their own.
pub const MAX_RELEASES: usize = 10_000;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// The inputs were those of the last decision; drift and health were all there could be.
    Unchanged,
    /// The inputs were looked at anew.
    Changed,
    Failed,
}

/// What was done to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Action {
    Install,
    Upgrade,
    Rollback,
    Remediate,
    Repair,
    Uninstall,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: Action,
    succeeded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReleaseLabels {
    namespace: String,
    release: String,
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<OutcomeLabel, Counter>,
    reconcile_seconds: Histogram,
    actions: Family<ActionLabels, Counter>,
    errors: Family<ReasonLabel, Counter>,
    leader: Gauge<i64, AtomicI64>,
    chart_bytes: Gauge<i64, AtomicI64>,
    charts: Gauge<i64, AtomicI64>,
    releases: Mutex<HashSet<ReleaseKey>>,
    ready: Family<ReleaseLabels, Gauge<i64, AtomicI64>>,
    revision: Family<ReleaseLabels, Gauge<i64, AtomicI64>>,
    without_series: Counter<u64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("helmapp");
        let all = &mut registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The version of the operator", build);
        // 0.5 ms to 16 s.
        let reconcile_seconds = Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        all.register_with_unit(
            "reconcile_duration",
            "How long reconciles took",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        let chart_bytes = Gauge::default();
        all.register_with_unit(
            "chart_cache_size",
            "What charts in memory take",
            Unit::Bytes,
            chart_bytes.clone(),
        );
        Self {
            reconcile_seconds,
            chart_bytes,
            reconciles: new(all, "reconciles", "Reconciles by how they ended"),
            actions: new(all, "actions", "What was done to releases"),
            errors: new(all, "errors", "Failed attempts by the reason of the condition"),
            leader: new(all, "leader", "1 while this process acts, 0 while it stands by"),
            charts: new(all, "chart_cache_charts", "Charts in memory"),
            ready: new(all, "release_ready", "1 while the release is ready"),
            revision: new(all, "release_revision", "The newest revision of the release"),
            without_series: new(
                all,
                "releases_without_series",
                "Releases that got no series of their own because there are too many",
            ),
            releases: Mutex::default(),
            registry,
        }
    }

    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles.get_or_create(&OutcomeLabel { outcome }).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    pub fn acted(&self, action: Action, succeeded: bool) {
        self.actions
            .get_or_create(&ActionLabels { action, succeeded })
            .inc();
    }

    /// A failed attempt. A reason that is none of ours counts as `Other`.
    pub fn failed(&self, reason: &str) {
        let reason = reason::ALL
            .into_iter()
            .find(|known| *known == reason)
            .unwrap_or("Other");
        self.errors.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub fn charts(&self, (bytes, charts): (usize, usize)) {
        self.chart_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.charts.set(i64::try_from(charts).unwrap_or(i64::MAX));
    }

    /// How a release stands.
    pub fn release(&self, key: &ReleaseKey, ready: bool, revision: i64) {
        {
            let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
            if !releases.contains(key) {
                if releases.len() >= MAX_RELEASES {
                    self.without_series.inc();
                    return;
                }
                releases.insert(key.clone());
            }
        }
        let labels = labels(key);
        self.ready.get_or_create(&labels).set(ready.into());
        self.revision.get_or_create(&labels).set(revision);
    }

    /// The release is gone, and its series with it.
    pub fn forget(&self, key: &ReleaseKey) {
        let known = self
            .releases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        if known {
            let labels = labels(key);
            self.ready.remove(&labels);
            self.revision.remove(&labels);
        }
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A metric that starts at nothing.
fn new<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn labels(key: &ReleaseKey) -> ReleaseLabels {
    ReleaseLabels {
        namespace: key.namespace.clone(),
        release: key.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics
            .encode()
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn what_happens_is_counted_under_its_labels() {
        let metrics = Metrics::new();
        metrics.reconciled(Outcome::Changed, Duration::from_millis(3));
        metrics.acted(Action::Install, true);
        metrics.failed(reason::RENDER_FAILED);
        metrics.failed("text of an error with a password");
        metrics.leads(true);
        metrics.charts((1000, 2));
        let lines = lines(&metrics);
        for expected in [
            "helmapp_reconciles_total{outcome=\"Changed\"} 1",
            "helmapp_reconcile_duration_seconds_count 1",
            "helmapp_actions_total{action=\"Install\",succeeded=\"true\"} 1",
            "helmapp_errors_total{reason=\"RenderFailed\"} 1",
            "helmapp_errors_total{reason=\"Other\"} 1",
            "helmapp_leader 1",
            "helmapp_chart_cache_size_bytes 1000",
            "helmapp_chart_cache_charts 2",
        ] {
            assert!(
                lines.iter().any(|line| line == expected),
                "{expected} in {lines:#?}"
            );
        }
        assert!(
            lines.iter().all(|line| line.starts_with("helmapp_")),
            "{lines:#?}"
        );
    }

    #[test]
    fn series_of_releases_end_with_the_release_and_are_bounded() {
        let metrics = Metrics::new();
        let key = |index: usize| ReleaseKey::new("web", format!("r{index}"));
        for index in 0..=MAX_RELEASES {
            metrics.release(&key(index), true, 3);
        }
        let of = |name: &str| {
            lines(&metrics)
                .iter()
                .filter(|line| line.starts_with(name))
                .count()
        };
        assert_eq!(of("helmapp_release_ready"), MAX_RELEASES);
        assert!(lines(&metrics).contains(&"helmapp_releases_without_series_total 1".to_owned()));
        assert!(
            lines(&metrics)
                .contains(&"helmapp_release_revision{namespace=\"web\",release=\"r0\"} 3".to_owned())
        );
        metrics.forget(&key(0));
        assert_eq!(of("helmapp_release_ready"), MAX_RELEASES - 1);
        assert_eq!(of("helmapp_release_revision"), MAX_RELEASES - 1);
    }
}
