//! `helmapp dev`.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use super::output;
use crate::local::{ControlPlane, Options};

/// Start a local control plane with the HelmApp CRD, to try things out
///
/// It is a Kubernetes but for the containers: etcd, API server, controller manager, scheduler and simulated
/// nodes, on loopback ports and in one temporary directory. Ctrl-c ends it and removes everything. The first
/// start builds it with Go, which takes some minutes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Simulated nodes, each in a zone of its own
    #[arg(long, default_value_t = Options::default().nodes, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    nodes: u16,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        () = told => Ok(()),
        failed = control_plane(arguments) => failed,
    }
}

/// Runs until the control plane ends. Dropping it ends the control plane.
async fn control_plane(arguments: Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let plane = ControlPlane::start(Options {
        nodes: arguments.nodes,
        progress,
        ..Options::default()
    })
    .await?;
    plane.install_crd().await?;
    let seconds = started.elapsed().as_secs_f32();
    output::write(&ready(seconds, plane.server(), plane.kubeconfig_path()))?;
    Err(plane.ended().await.into())
}

fn ready(seconds: f32, server: &str, kubeconfig: &Path) -> String {
    format!(
        "control plane ready after {seconds:.1}s at {server}\n\
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
            "control plane ready after 2.5s at https://127.0.0.1:6443\n\
             export KUBECONFIG=/tmp/x/admin.kubeconfig\n\
             ctrl-c ends it and removes everything\n"
        );
    }
}
