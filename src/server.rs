//! Metrics and probes over HTTP.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// What `/readyz` says: true on a stand-by, and on the leader while it can watch HelmApps and release records.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("can not listen on {address} for metrics and probes: {source}")]
pub struct Error {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: the port is real even when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        readiness: Readiness,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let address = self.address;
        axum::serve(self.listener, router(metrics, readiness))
            .with_graceful_shutdown(stop)
            .await
            .map_err(|source| Error { address, source })
    }
}

fn router(metrics: Arc<Metrics>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.is_ready() {
        "ok\n".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "HelmApps or release records are not listed yet, or can not be watched\n",
        )
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn answers_metrics_and_probes_until_it_is_stopped() {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.address();
        let (metrics, readiness) = (Arc::new(Metrics::new()), Readiness::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.serve(metrics, readiness.clone(), stopped.map(|_| ())));
        assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(address, "/readyz").await.0, 503);
        readiness.set(true);
        assert_eq!(get(address, "/readyz").await, (200, "ok\n".to_owned()));
        let (status, text) = get(address, "/metrics").await;
        assert!(
            status == 200 && text.contains("helmapp_build_info") && text.ends_with("# EOF\n"),
            "{text}"
        );
        assert_eq!(get(address, "/other").await.0, 404);
        let taken = Server::bind(address).await.unwrap_err().to_string();
        assert!(
            taken.starts_with(&format!("can not listen on {address}")),
            "{taken}"
        );
        drop(stop);
        running.await.unwrap().unwrap();
    }
}
