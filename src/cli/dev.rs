//! `helmapp dev`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::output;
use crate::controller::Operator;
use crate::local::{ControlPlane, Options};
use crate::settings::{Allowed, Fetch, Settings};
use crate::telemetry::{self, LogFormat};

/// How long work under way may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Start a local control plane with the operator, to try things out
///
/// It is a Kubernetes but for the containers: etcd, API server, controller manager, scheduler and simulated
/// nodes, on loopback ports and in one temporary directory. Ctrl-c ends it and removes everything; a second one
/// does not wait for what is under way. The first start builds it with Go, which takes some minutes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Simulated nodes, each in a zone of its own
    #[arg(long, default_value_t = Options::default().nodes, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    nodes: u16,
    /// Directory below which spec.chart.path is read; can be given more than once
    #[arg(long, value_name = "DIR", default_value = "charts")]
    chart_dir: Vec<PathBuf>,
    /// Build the control plane unless it is built already, print where it is, and end
    #[arg(long)]
    build_only: bool,
    /// What to log, such as warn or helmapp=debug
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text, &arguments.log)?;
    // What is typed wrong is said before some minutes are spent on a build.
    let chart_dirs = existing(arguments.chart_dir)?;
    let told = count_signals()?;
    if arguments.build_only {
        let built = tokio::select! {
            () = at_least(told, 1) => return Ok(()),
            built = ControlPlane::build(progress) => built?,
        };
        return output::write(&format!("{}\n", built.display()));
    }
    let started = Instant::now();
    let starting = ControlPlane::start(Options {
        nodes: arguments.nodes,
        progress,
        ..Options::default()
    });
    let plane = tokio::select! {
        () = at_least(told.clone(), 1) => return Ok(()),
        started = starting => started?,
    };
    plane.install_crd().await?;
    let settings = Settings {
        chart_dirs,
        fetch: Fetch {
            allowed: this_machine(),
            ..Fetch::default()
        },
        ..Settings::default()
    };
    let operator = Operator::new(plane.client().await?, settings)?;
    let seconds = started.elapsed().as_secs_f32();
    output::write(&ready(seconds, plane.server(), plane.kubeconfig_path()))?;
    tokio::select! {
        ran = operator.run(at_least(told.clone(), 1)) => ran?,
        () = enough(told) => progress("what is under way is cut short"),
        error = plane.ended() => return Err(error.into()),
    }
    Ok(plane.stop().await?)
}

/// How often we have been told to end.
fn count_signals() -> std::io::Result<watch::Receiver<u32>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            count.send_modify(|count: &mut u32| *count = count.saturating_add(1));
        }
    });
    Ok(counted)
}

async fn at_least(mut told: watch::Receiver<u32>, times: u32) {
    // An error means that nobody counts any more, which ends us as well.
    let _ = told.wait_for(|count| *count >= times).await;
}

/// Told to end, and then told again or out of patience: what is under way may hang for as long as a request does.
async fn enough(told: watch::Receiver<u32>) {
    at_least(told.clone(), 1).await;
    tokio::select! {
        () = at_least(told, 2) => {}
        () = tokio::time::sleep(DRAIN) => {}
    }
}

/// Whoever tries things out serves charts where the control plane is.
fn this_machine() -> Vec<Allowed> {
    let network = |address: IpAddr, bits| Allowed::Network { address, bits };
    vec![
        network(Ipv4Addr::LOCALHOST.into(), 8),
        network(Ipv6Addr::LOCALHOST.into(), 128),
    ]
}

/// The directories, absolute. That there is no `charts` here is fine; there are charts elsewhere too.
pub(super) fn existing(directories: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let named = |directory: &PathBuf| directory.as_path() != Path::new("charts") || directory.exists();
    directories
        .into_iter()
        .filter(named)
        .map(|directory| {
            directory
                .canonicalize()
                .with_context(|| format!("cannot use the chart directory {}", directory.display()))
        })
        .collect()
}

fn ready(seconds: f32, server: &str, kubeconfig: &Path) -> String {
    format!(
        "control plane and operator started after {seconds:.1}s at {server}\n\
         export KUBECONFIG={}\n\
         ctrl-c ends it and removes everything\n",
        kubeconfig.display()
    )
}

fn progress(line: &str) {
    // There is nowhere else to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_type_next() {
        assert_eq!(
            ready(
                2.54,
                "https://127.0.0.1:6443",
                Path::new("/tmp/x/admin.kubeconfig")
            ),
            "control plane and operator started after 2.5s at https://127.0.0.1:6443\n\
             export KUBECONFIG=/tmp/x/admin.kubeconfig\n\
             ctrl-c ends it and removes everything\n"
        );
    }
}
