//! `helmapp run`: flags and environment become [`Settings`], and the operator runs with them.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, sync::Arc, time};

use anyhow::{Context as _, bail, ensure};
use futures::FutureExt as _;
use helmapp_helm::{plan::Yield, render::FunctionSet};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{cluster::ClusterArguments, health::HealthArguments, limits::LimitArguments};
use crate::{
    api::Duration,
    controller::Operator,
    fence::Fence,
    leader::{Elector, Lead},
    metrics::Metrics,
    server::{Readiness, Server},
    settings::{Allowed, Backoff, Election, Fetch, Settings, YIELD_TO},
    telemetry::{self, LogFormat},
};

/// How long work under way may take to end after a signal.
const DRAIN: time::Duration = time::Duration::from_secs(25);

/// Run the operator
///
/// Every flag can be given as an environment variable too: --chart-dir is HELMAPP_CHART_DIR.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Lines for people or JSON for machines
    #[arg(
        long,
        env = "HELMAPP_LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    log_format: Format,
    /// What is logged, as in RUST_LOG: info, or info,helmapp::source=debug
    #[arg(long, env = "HELMAPP_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// What becomes [`Settings`].
#[derive(Clone, Debug, clap::Args)]
struct SettingsArguments {
    /// Directory below which spec.chart.path may name charts. Can be given several times; in the environment,
    /// directories are separated by colons. Default: none, and spec.chart.path is refused
    #[arg(
        long = "chart-dir",
        env = "HELMAPP_CHART_DIR",
        value_delimiter = ':',
        value_name = "DIRECTORY"
    )]
    chart_dirs: Vec<PathBuf>,
    /// ServiceAccount of its namespace whose rights a HelmApp without spec.serviceAccountName has. Default: the
    /// operator's own rights
    #[arg(long, env = "HELMAPP_DEFAULT_SERVICE_ACCOUNT", value_name = "NAME")]
    default_service_account: Option<String>,
    /// HelmApps that are worked on at once
    #[arg(long, env = "HELMAPP_WORKERS", default_value_t = 16, value_name = "COUNT")]
    workers: u16,
    /// Charts that are rendered at once, half of them for the HelmApps of one namespace. Each may take up to 256 MiB
    /// of memory, if it is made to
    #[arg(
        long,
        env = "HELMAPP_RENDERERS",
        default_value_t = 2,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    renderers: u16,
    /// Field manager whose fields no release takes, as MANAGER or MANAGER/SUBRESOURCE; a star at the end stands for
    /// anything. Can be given several times, and separated by commas
    #[arg(
        long = "yield-to",
        env = "HELMAPP_YIELD_TO",
        value_delimiter = ',',
        default_values = YIELD_TO,
        value_name = "MANAGER"
    )]
    yield_to: Vec<Yield>,
    /// How long another's pending revision is left alone while nothing of it changes
    #[arg(
        long,
        env = "HELMAPP_PENDING_TAKEOVER",
        default_value = "15m",
        value_name = "DURATION"
    )]
    pending_takeover: Duration,
    /// Least time between two tries of what fails in a way that passes
    #[arg(
        long,
        env = "HELMAPP_RETRY_LEAST",
        default_value = "1s",
        value_name = "DURATION"
    )]
    retry_least: Duration,
    /// Most time between two such tries
    #[arg(
        long,
        env = "HELMAPP_RETRY_MOST",
        default_value = "5m",
        value_name = "DURATION"
    )]
    retry_most: Duration,
    /// Least time between two tries of what waits for a person: rights, missing objects and charts
    #[arg(
        long,
        env = "HELMAPP_SLOW_RETRY_LEAST",
        default_value = "30s",
        value_name = "DURATION"
    )]
    slow_retry_least: Duration,
    /// Most time between two such tries
    #[arg(
        long,
        env = "HELMAPP_SLOW_RETRY_MOST",
        default_value = "15m",
        value_name = "DURATION"
    )]
    slow_retry_most: Duration,
    /// Largest chart archive that is read, in bytes
    #[arg(long, env = "HELMAPP_MAX_ARCHIVE_BYTES", default_value_t = 20 << 20, value_name = "BYTES")]
    max_archive_bytes: u64,
    /// How long the download of a chart may take
    #[arg(
        long,
        env = "HELMAPP_FETCH_TIMEOUT",
        default_value = "1m",
        value_name = "DURATION"
    )]
    fetch_timeout: Duration,
    /// How long connecting to a chart's server may take
    #[arg(
        long,
        env = "HELMAPP_FETCH_CONNECT_TIMEOUT",
        default_value = "10s",
        value_name = "DURATION"
    )]
    fetch_connect_timeout: Duration,
    /// Redirects that are followed
    #[arg(
        long,
        env = "HELMAPP_FETCH_MAX_REDIRECTS",
        default_value_t = 5,
        value_name = "COUNT"
    )]
    fetch_max_redirects: usize,
    /// Downloads at once for the HelmApps of one namespace. All namespaces together have half of --workers
    #[arg(
        long,
        env = "HELMAPP_FETCH_PER_NAMESPACE",
        default_value_t = 4,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    fetch_per_namespace: u16,
    /// Host, address or network, such as 10.0.0.0/8, that charts are downloaded from although it is not public. Can
    /// be given several times; in the environment, they are separated by commas. A proxy that is not public has to
    /// be named too. Default: none, and only public addresses are connected to
    #[arg(
        long = "fetch-allow",
        env = "HELMAPP_FETCH_ALLOW",
        value_delimiter = ',',
        value_name = "HOST|NETWORK"
    )]
    fetch_allowed: Vec<Allowed>,
    /// How long a downloaded chart is used without asking its server again
    #[arg(
        long,
        env = "HELMAPP_FETCH_FRESH",
        default_value = "5m",
        value_name = "DURATION"
    )]
    fetch_fresh: Duration,
    /// Bytes of charts that are kept in memory
    #[arg(long, env = "HELMAPP_CHART_CACHE_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    chart_cache_bytes: usize,
    /// Bytes of compiled charts that are kept for the next rendering, for two to four minutes after the last
    #[arg(long, env = "HELMAPP_COMPILED_CACHE_BYTES", default_value_t = 32 << 20, value_name = "BYTES")]
    compiled_cache_bytes: usize,
    /// Whose functions templates may call: helm3, or helm4 for those too that Helm 4 added, such as durationHours and
    /// mustToYaml
    #[arg(
        long,
        env = "HELMAPP_TEMPLATE_FUNCTIONS",
        default_value = "helm3",
        value_name = "HELM"
    )]
    template_functions: FunctionSet,
    #[command(flatten)]
    health: HealthArguments,
    #[command(flatten)]
    limits: LimitArguments,
    /// Address of /metrics, /healthz and /readyz, or off
    #[arg(
        long,
        env = "HELMAPP_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    listen: Listen,
    /// Act only while holding the Lease, so that several processes can stand by for one another
    #[arg(long, env = "HELMAPP_LEADER_ELECT")]
    leader_elect: bool,
    /// Namespace of the Lease. Default: that of the connection, which in a pod is the pod's
    #[arg(long, env = "HELMAPP_LEASE_NAMESPACE", value_name = "NAME")]
    lease_namespace: Option<String>,
    /// Name of the Lease
    #[arg(
        long,
        env = "HELMAPP_LEASE_NAME",
        default_value = "helmapp",
        value_name = "NAME"
    )]
    lease_name: String,
    /// How long the holder of the Lease may be silent before another takes over
    #[arg(
        long,
        env = "HELMAPP_LEASE_DURATION",
        default_value = "15s",
        value_name = "DURATION"
    )]
    lease_duration: Duration,
    /// How often the holder renews the Lease
    #[arg(
        long,
        env = "HELMAPP_LEASE_RENEW",
        default_value = "3s",
        value_name = "DURATION"
    )]
    lease_renew: Duration,
    /// Name of this process in events and in the Lease; no other process may have it. Default: made from the
    /// host's name
    #[arg(long, env = "HELMAPP_IDENTITY", value_name = "NAME")]
    identity: Option<String>,
}

/// An address, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(Option<SocketAddr>);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|address| Self(Some(address))).map_err(|_| {
            format!("{text:?} is neither off nor an address and a port, such as 0.0.0.0:8080 or [::]:8080")
        })
    }
}

impl SettingsArguments {
    fn validate(self, namespace: &str) -> anyhow::Result<Settings> {
        for directory in &self.chart_dirs {
            ensure!(
                directory.is_dir(),
                "--chart-dir {} is not a directory",
                directory.display()
            );
        }
        ensure!(self.workers > 0, "--workers must be at least 1");
        let backoff = |name: &str, least: Duration, most: Duration| {
            ensure!(
                !least.0.is_zero() && least <= most,
                "--{name}-least must be more than 0 and at most --{name}-most"
            );
            Ok(Backoff {
                least: least.0,
                most: most.0,
            })
        };
        let retry = backoff("retry", self.retry_least, self.retry_most)?;
        let slow_retry = backoff("slow-retry", self.slow_retry_least, self.slow_retry_most)?;
        let election = if self.leader_elect {
            let (duration, renew) = (self.lease_duration.0, self.lease_renew.0);
            ensure!(
                !renew.is_zero() && renew.saturating_mul(3) <= duration && duration.as_secs() >= 1,
                "--lease-duration must be at least 1s and three times --lease-renew"
            );
            let namespace = self.lease_namespace.unwrap_or_else(|| namespace.to_owned());
            Some(Election {
                namespace,
                name: self.lease_name,
                duration,
                renew,
            })
        } else {
            None
        };
        Ok(Settings {
            chart_dirs: self.chart_dirs,
            default_service_account: self.default_service_account.filter(|name| !name.is_empty()),
            workers: self.workers,
            renderers: self.renderers,
            compiled_cache_bytes: self.compiled_cache_bytes,
            template_functions: self.template_functions,
            yield_to: self.yield_to,
            pending_takeover: self.pending_takeover.0,
            retry,
            slow_retry,
            fetch: Fetch {
                max_archive_bytes: self.max_archive_bytes,
                timeout: self.fetch_timeout.0,
                connect_timeout: self.fetch_connect_timeout.0,
                max_redirects: self.fetch_max_redirects,
                per_namespace: self.fetch_per_namespace,
                allowed: self.fetch_allowed,
                fresh: self.fetch_fresh.0,
                cache_bytes: self.chart_cache_bytes,
            },
            health: self.health.settings(),
            limits: self.limits.validate()?,
            listen: self.listen.0,
            election,
            identity: self.identity.unwrap_or_else(identity),
        })
    }
}

/// A pod's host name is its own; elsewhere the process id tells processes of one machine apart.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "helmapp".to_owned());
    format!("{host}-{}", std::process::id())
}

/// Threads that wait for requests. What they do between two is short.
const MAX_WORKERS: usize = 4;
/// Threads that read charts and look up names. Each keeps memory of its own, so that more of them cost more than
/// they are worth.
const MAX_BLOCKING: usize = 4;

/// The operator's work is spread over threads; the other commands wait for one answer at a time.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKERS))
        .max_blocking_threads(MAX_BLOCKING)
        .enable_all()
        .build()
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let format = match arguments.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    telemetry::start(format, &arguments.log)?;
    let connection = arguments.cluster.connect().await?;
    let settings = arguments.settings.validate(&connection.namespace)?;
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    });
    operate(connection.client, settings, stopped).await
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // An error means that nobody can say stop any more.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Serves metrics and probes, waits for the lead, and runs the operator while it lasts.
async fn operate(
    client: kube::Client,
    settings: Settings,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        identity = settings.identity,
        "starting"
    );
    let fence = Fence::default();
    let operator = Operator::new(fence.guard(client.clone()), settings.clone())?;
    let (metrics, readiness) = (operator.metrics(), Readiness::default());
    if let Some(address) = settings.listen {
        let server = Server::bind(address).await?;
        tracing::info!(address = %server.address(), "serving metrics and probes");
        let serving = server.serve(metrics.clone(), readiness.clone(), until_stopped(stopped.clone()));
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "metrics and probes are not served any more");
            }
        });
    }
    let lead = match &settings.election {
        Some(election) => {
            let elector = Elector::new(client, election.clone(), &settings.identity).with_fence(fence);
            // A stand-by is as ready as it can be.
            readiness.set(true);
            tracing::info!(
                lease = election.name,
                namespace = election.namespace,
                "waiting for the lead"
            );
            tokio::select! {
                () = until_stopped(stopped.clone()) => return Ok(()),
                lead = elector.acquire() => Some(lead),
            }
        }
        None => None,
    };
    readiness.set(false);
    metrics.leads(true);
    tracing::info!("leading");
    let result = lead_on(operator, lead, &metrics, readiness, stopped).await;
    metrics.leads(false);
    result
}

/// Has probes say whether the operator is ready, as long as it runs.
async fn show(mut ready: watch::Receiver<bool>, readiness: Readiness) {
    loop {
        let is_ready = *ready.borrow_and_update();
        readiness.set(is_ready);
        if ready.changed().await.is_err() {
            return;
        }
    }
}

/// Runs the operator until a signal or until the Lease is lost.
async fn lead_on(
    operator: Operator,
    lead: Option<Lead>,
    metrics: &Arc<Metrics>,
    readiness: Readiness,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (done, finished) = watch::channel(false);
    let (lost, losing) = watch::channel(false);
    let keeping = lead.map(|lead| {
        let work = until_stopped(finished);
        tokio::spawn(async move { lead.keep(work).await.inspect_err(|_| _ = lost.send_replace(true)) })
    });
    let watching = tokio::spawn(show(operator.ready(), readiness));
    let halt = {
        let (stopped, held) = (stopped.clone(), keeping.is_some());
        async move {
            let lost = async move {
                if held {
                    until_stopped(losing).await
                } else {
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = until_stopped(stopped) => {}
                () = lost => {}
            }
        }
    }
    .shared();
    let deadline = {
        let halt = halt.clone();
        async move {
            halt.await;
            tokio::time::sleep(DRAIN).await;
        }
    };
    let ran = tokio::select! {
        ran = operator.run(halt) => ran.map_err(anyhow::Error::from),
        () = deadline => Err(anyhow::anyhow!("work did not end within {} s", DRAIN.as_secs())),
    };
    metrics.leads(false);
    watching.abort();
    done.send_replace(true);
    if let Some(keeping) = keeping {
        match keeping.await {
            Ok(Err(lost)) => bail!("{lost}; start again to stand by"),
            Ok(Ok(())) => {}
            Err(error) => bail!("keeping the Lease ended: {error}"),
        }
    }
    ran
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::settings::{Health, Limits};
    use helmapp_helm::health::pods::Patience;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        settings: SettingsArguments,
    }

    fn settings(flags: &[&str]) -> anyhow::Result<Settings> {
        let line = ["run"].iter().chain(flags);
        let matches = Line::command().try_get_matches_from(line)?;
        Line::from_arg_matches(&matches)?.settings.validate("ops")
    }

    #[test]
    fn without_flags_the_settings_are_the_defaults() {
        let given = settings(&["--identity", "helmapp"]).unwrap();
        let expected = Settings {
            listen: Some(([0, 0, 0, 0], 8080).into()),
            ..Settings::default()
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn every_flag_has_its_place() {
        let given = settings(&[
            "--chart-dir=/",
            "--chart-dir=/tmp",
            "--default-service-account=app",
            "--workers=3",
            "--renderers=4",
            "--yield-to=vpa-updater,keda/scale",
            "--pending-takeover=1m",
            "--retry-least=2s",
            "--retry-most=3s",
            "--slow-retry-least=4s",
            "--slow-retry-most=5s",
            "--max-archive-bytes=6",
            "--fetch-timeout=7s",
            "--fetch-connect-timeout=8s",
            "--fetch-max-redirects=9",
            "--fetch-per-namespace=3",
            "--fetch-allow=charts.example,10.0.0.0/8",
            "--fetch-allow=::1",
            "--fetch-fresh=10s",
            "--chart-cache-bytes=11",
            "--compiled-cache-bytes=12",
            "--template-functions=helm4",
            "--ask-pods-after=31s",
            "--crash-restarts=32",
            "--start-limit=33s",
            "--unschedulable-limit=34s",
            "--degraded-after=35s",
            "--render-timeout=13s",
            "--render-steps=14",
            "--render-depth=15",
            "--render-output-bytes=16",
            "--render-text-bytes=17",
            "--render-memory-bytes=18",
            "--render-list-items=19",
            "--render-key-work=20",
            "--render-stack-bytes=2000000",
            "--render-lookups=24",
            "--render-lookup-bytes=25",
            "--render-regex-bytes=26",
            "--values-entries=27",
            "--values-bytes=36",
            "--values-steps=37",
            "--schema-steps=38",
            "--chart-dependencies=39",
            "--chart-depth=40",
            "--chart-directory-depth=41",
            "--yaml-input-bytes=42",
            "--yaml-nodes=28",
            "--yaml-alias-bytes=29",
            "--manifest-nodes=30",
            "--chart-unpacked-bytes=21",
            "--chart-file-bytes=22",
            "--chart-files=23",
            "--listen=off",
            "--leader-elect",
            "--lease-name=lease",
            "--lease-duration=12s",
            "--lease-renew=1s",
            "--identity=me",
        ])
        .unwrap();
        let seconds = time::Duration::from_secs;
        let expected = Settings {
            chart_dirs: vec!["/".into(), "/tmp".into()],
            default_service_account: Some("app".to_owned()),
            workers: 3,
            renderers: 4,
            compiled_cache_bytes: 12,
            template_functions: FunctionSet::Helm4,
            yield_to: ["vpa-updater", "keda/scale"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            pending_takeover: seconds(60),
            retry: Backoff {
                least: seconds(2),
                most: seconds(3),
            },
            slow_retry: Backoff {
                least: seconds(4),
                most: seconds(5),
            },
            fetch: Fetch {
                max_archive_bytes: 6,
                timeout: seconds(7),
                connect_timeout: seconds(8),
                max_redirects: 9,
                per_namespace: 3,
                allowed: ["charts.example", "10.0.0.0/8", "::1"]
                    .map(|text| text.parse().unwrap())
                    .to_vec(),
                fresh: seconds(10),
                cache_bytes: 11,
            },
            health: Health {
                ask_pods_after: seconds(31),
                patience: Patience {
                    restarts: 32,
                    start: seconds(33),
                    schedule: seconds(34),
                },
                degraded_after: seconds(35),
            },
            limits: Limits {
                render_timeout: seconds(13),
                render: helmapp_helm::render::Limits {
                    steps: 14,
                    template_depth: 15,
                    output_bytes: 16,
                    text_bytes: 17,
                    memory_bytes: 18,
                    list_items: 19,
                    key_work: 20,
                    stack_bytes: 2_000_000,
                    regex_bytes: 26,
                    ..Default::default()
                },
                lookups: helmapp_helm::render::LookupLimits { count: 24, bytes: 25 },
                values: helmapp_helm::values::ValueLimits {
                    entries: 27,
                    bytes: 36,
                    steps: 37,
                    schema_steps: 38,
                    charts: 39,
                    ..Default::default()
                },
                yaml: helmapp_goyaml::Limits {
                    input_bytes: 42,
                    nodes: 28,
                    expanded_bytes: 29,
                    ..Default::default()
                },
                manifest_nodes: 30,
                chart: helmapp_helm::limits::Limits {
                    unpacked_bytes: 21,
                    file_bytes: 22,
                    file_count: 23,
                    chart_depth: 40,
                    directory_depth: 41,
                    ..Default::default()
                },
            },
            listen: None,
            election: Some(Election {
                namespace: "ops".to_owned(),
                name: "lease".to_owned(),
                duration: seconds(12),
                renew: seconds(1),
            }),
            identity: "me".to_owned(),
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn what_can_not_work_is_refused() {
        for (flags, part) in [
            (&["--workers=0"][..], "--workers must be"),
            (&["--retry-least=2s", "--retry-most=1s"], "--retry-least must be"),
            (&["--slow-retry-least=0s"], "--slow-retry-least must be"),
            (
                &["--leader-elect", "--lease-renew=6s"],
                "--lease-duration must be",
            ),
            (&["--chart-dir=/none/such"], "/none/such is not a directory"),
            (&["--render-timeout=0s"], "--render-timeout must be"),
            (&["--render-stack-bytes=1000"], "--render-stack-bytes must be"),
            (&["--listen=here"], "neither off nor an address"),
            (&["--fetch-timeout=soon"], "is not a duration"),
            (&["--fetch-allow=10.0.0.0/40"], "neither a host name nor"),
        ] {
            let error = settings(flags).unwrap_err().to_string();
            assert!(error.contains(part), "{flags:?}: {error}");
        }
        assert_eq!(settings(&["--lease-renew=6s"]).unwrap().election, None);
    }

    #[test]
    fn every_flag_is_an_environment_variable_of_its_name() {
        for argument in Line::command().get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            let expected = format!("HELMAPP_{}", long.to_uppercase().replace('-', "_"));
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            assert_eq!(variable, Some(expected), "--{long}");
        }
    }
}
