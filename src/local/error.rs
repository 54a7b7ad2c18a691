//! What can go wrong with the local control plane.

use std::path::PathBuf;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no directory to build the local control plane in: set HELMAPP_LOCAL_CACHE, XDG_CACHE_HOME or HOME"
    )]
    NoCache,
    #[error("preparing to build the local control plane in {}: {source}", path.display())]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("the local control plane is built by Go, and `go` can't be run ({0}): install Go 1.26 or later")]
    NoGo(std::io::Error),
    #[error("building the local control plane failed ({status}): {log}")]
    Build { status: String, log: String },
    #[error("starting the local control plane ({}): {source}", path.display())]
    Spawn { path: PathBuf, source: std::io::Error },
    #[error("the local control plane was not ready after {}s", .0.as_secs())]
    Late(Duration),
    /// It ended by itself: a component died, or somebody killed it.
    #[error("the local control plane ended: {0}")]
    Ended(String),
    #[error("the local control plane was asked to {request}: {message}")]
    Request { request: String, message: String },
    #[error("the local control plane said what is no answer: {0}")]
    Protocol(#[from] serde_json::Error),
    #[error("reading the kubeconfig of the local control plane: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("installing the HelmApp CRD into the local control plane: {0}")]
    Crd(#[from] crate::cluster::Error),
    #[error("making a client for the local control plane: {0}")]
    Client(#[source] Box<kube::Error>),
}
