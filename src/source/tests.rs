//! Charts over HTTP from a server that does on demand what real ones do at bad times.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use futures::{FutureExt as _, future::BoxFuture, stream};
use kube::Client;

use super::*;
use crate::{api::conditions::reason, settings::Fetch};

type Reply = Box<dyn FnOnce(&HeaderMap) -> BoxFuture<'static, Response> + Send>;

#[derive(Clone, Default)]
struct Server {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    requests: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Server {
    async fn start() -> (Self, SocketAddr) {
        // Another test of this binary may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, address)
    }

    fn then(&self, reply: impl FnOnce(&HeaderMap) -> Response + Send + 'static) {
        let reply: Reply = Box::new(move |headers| {
            let response = reply(headers);
            async move { response }.boxed()
        });
        self.replies.lock().unwrap().push_back(reply);
    }

    fn later(&self, wait: Duration, response: Response) {
        let reply: Reply = Box::new(move |_| {
            async move {
                tokio::time::sleep(wait).await;
                response
            }
            .boxed()
        });
        self.replies.lock().unwrap().push_back(reply);
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn answer(State(server): State<Server>, request: Request<Body>) -> Response {
    server.requests.lock().unwrap().push(request.headers().clone());
    let reply = server.replies.lock().unwrap().pop_front();
    match reply {
        Some(reply) => reply(request.headers()).await,
        None => StatusCode::IM_A_TEAPOT.into_response(),
    }
}

/// A packed chart with these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, format!("web/{name}"), text.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn chart(version: &str) -> Vec<u8> {
    archive(&[(
        "Chart.yaml",
        &format!("apiVersion: v2\nname: web\nversion: {version}\n"),
    )])
}

fn no_cluster() -> Client {
    let service = tower::service_fn(|_: Request<kube::client::Body>| async {
        let response = Response::builder()
            .status(500)
            .body(kube::client::Body::empty())
            .unwrap();
        Ok::<_, Infallible>(response)
    });
    Client::new(service, "default")
}

fn sources(change: impl FnOnce(&mut Fetch)) -> Arc<Sources> {
    let mut settings = Settings::default();
    settings.fetch.fresh = Duration::ZERO;
    settings.fetch.allowed = vec!["127.0.0.0/8".parse().unwrap()];
    change(&mut settings.fetch);
    Arc::new(Sources::new(&settings))
}

async fn fetch(sources: &Sources, address: SocketAddr) -> Result<Fetched> {
    let source = ChartSource {
        url: Some(format!("http://{address}/web.tgz?token=hunter2")),
        ..ChartSource::default()
    };
    sources.fetch(&source, "web", &no_cluster()).await
}

#[tokio::test]
async fn an_unchanged_chart_is_asked_for_and_not_downloaded_again() {
    let (server, address) = Server::start().await;
    let sources = sources(|_| {});
    server.then(|_| ([("etag", "\"one\"")], chart("1.0.0")).into_response());
    server.then(|headers| {
        assert_eq!(headers.get("if-none-match").unwrap(), "\"one\"");
        StatusCode::NOT_MODIFIED.into_response()
    });
    server.then(|_| ([("etag", "\"two\"")], chart("1.0.1")).into_response());
    let first = fetch(&sources, address).await.unwrap();
    let second = fetch(&sources, address).await.unwrap();
    let third = fetch(&sources, address).await.unwrap();
    assert_eq!(first.chart.metadata.version, "1.0.0");
    assert!(first.digest.starts_with("sha256:"), "{}", first.digest);
    assert_eq!((&second.digest, second.stale), (&first.digest, None));
    assert!(Arc::ptr_eq(&first.chart, &second.chart));
    assert_eq!(third.chart.metadata.version, "1.0.1");
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_fresh_chart_is_not_asked_for() {
    let (server, address) = Server::start().await;
    let sources = sources(|fetch| fetch.fresh = Duration::from_secs(60));
    server.then(|_| chart("1.0.0").into_response());
    for _ in 0..3 {
        assert_eq!(
            fetch(&sources, address).await.unwrap().chart.metadata.version,
            "1.0.0"
        );
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn many_releases_of_one_chart_download_it_once() {
    let (server, address) = Server::start().await;
    let sources = sources(|fetch| fetch.fresh = Duration::from_secs(60));
    server.later(Duration::from_millis(50), chart("1.0.0").into_response());
    let all = (0..20).map(|_| {
        let sources = sources.clone();
        async move { fetch(&sources, address).await.unwrap().chart }
    });
    let charts = futures::future::join_all(all).await;
    assert!(charts.iter().all(|chart| Arc::ptr_eq(chart, &charts[0])));
    assert_eq!(server.requests(), 1);
    assert_eq!(sources.cached().1, 1);
}

#[tokio::test]
async fn an_earlier_copy_serves_while_the_server_fails() {
    let (server, address) = Server::start().await;
    let sources = sources(|_| {});
    server.then(|_| chart("1.0.0").into_response());
    server.then(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    server.then(|_| StatusCode::NOT_FOUND.into_response());
    let first = fetch(&sources, address).await.unwrap();
    let stale = fetch(&sources, address).await.unwrap();
    assert_eq!(stale.digest, first.digest);
    assert_eq!(
        stale.stale.unwrap(),
        format!("http://{address}/web.tgz?… answered 503")
    );
    let gone = fetch(&sources, address).await.unwrap_err();
    assert_eq!(
        gone.reason(),
        reason::CHART_NOT_FOUND,
        "a chart that was taken away does not serve"
    );
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_shows_no_token() {
    let (server, address) = Server::start().await;
    let sources = sources(|_| {});
    for (status, reason, retry) in [
        (404, reason::CHART_NOT_FOUND, Retry::Seldom),
        (410, reason::CHART_NOT_FOUND, Retry::Seldom),
        (401, reason::FORBIDDEN, Retry::Seldom),
        (403, reason::FORBIDDEN, Retry::Seldom),
        (400, reason::ARTIFACT_FAILED, Retry::Seldom),
        (429, reason::ARTIFACT_FAILED, Retry::Soon),
        (500, reason::ARTIFACT_FAILED, Retry::Soon),
        (503, reason::ARTIFACT_FAILED, Retry::Soon),
        (304, reason::ARTIFACT_FAILED, Retry::Soon),
    ] {
        server.then(move |_| StatusCode::from_u16(status).unwrap().into_response());
        let error = fetch(&sources, address).await.unwrap_err();
        assert_eq!((error.reason(), error.retry()), (reason, retry), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&status.to_string()) && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_no_chart_is_said_to_be_none() {
    let (server, address) = Server::start().await;
    let sources = sources(|_| {});
    for (body, part) in [
        (b"<html></html>".to_vec(), "not a gzipped archive"),
        (chart("1.0.0")[..40].to_vec(), "cannot unpack"),
        (archive(&[("values.yaml", "a: 1")]), "Chart.yaml"),
    ] {
        server.then(move |_| body.into_response());
        let error = fetch(&sources, address).await.unwrap_err();
        assert_eq!(
            (error.reason(), error.retry()),
            (reason::CHART_INVALID, Retry::Seldom),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_in_memory() {
    let (server, address) = Server::start().await;
    let sources = sources(|fetch| fetch.max_archive_bytes = 1000);
    server.then(|_| vec![0_u8; 1001].into_response());
    server.then(|_| {
        let endless = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[0; 400])));
        Body::from_stream(endless).into_response()
    });
    for _ in 0..2 {
        let error = fetch(&sources, address).await.unwrap_err();
        assert_eq!(error.reason(), reason::CHART_TOO_LARGE, "{error}");
        assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_or_sends_in_circles_is_left() {
    let (server, address) = Server::start().await;
    let sources = sources(|fetch| {
        fetch.timeout = Duration::from_millis(300);
        fetch.max_redirects = 2;
    });
    server.later(Duration::from_secs(30), StatusCode::OK.into_response());
    let error = fetch(&sources, address).await.unwrap_err();
    assert!(error.to_string().ends_with("did not answer in time"), "{error}");
    for _ in 0..9 {
        server.then(|_| (StatusCode::FOUND, [("location", "/again")]).into_response());
    }
    let error = fetch(&sources, address).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 2 redirects"), "{error}");
    assert_eq!(server.requests(), 1 + 3);
    assert_eq!(
        (error.reason(), error.retry()),
        (reason::ARTIFACT_FAILED, Retry::Soon)
    );
}

#[tokio::test]
async fn servers_that_do_not_answer_hold_few_workers() {
    let (server, address) = Server::start().await;
    let pit = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let swallowing = pit.local_addr().unwrap();
    let sources = sources(|fetch| fetch.per_namespace = 2);
    let fetch = async |namespace: &str, url: String| {
        let source = ChartSource {
            url: Some(url),
            ..ChartSource::default()
        };
        sources.fetch(&source, namespace, &no_cluster()).await
    };
    let held = futures::future::join_all((0..6).map(|index| {
        let url = format!("http://{swallowing}/{}.tgz", index / 2);
        tokio::time::timeout(Duration::from_secs(4), fetch("greedy", url))
    }));
    let other = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.then(|_| chart("1.0.0").into_response());
        fetch("other", format!("http://{address}/web.tgz")).await
    };
    let (held, other) = tokio::join!(held, other);
    assert_eq!(other.unwrap().chart.metadata.version, "1.0.0");
    let refused: Vec<Error> = held
        .into_iter()
        .flatten()
        .map(|fetched| fetched.unwrap_err())
        .collect();
    assert_eq!(refused.len(), 4, "two wait for the server: {refused:?}");
    for error in refused {
        assert_eq!(
            (error.reason(), error.retry()),
            (reason::ARTIFACT_FAILED, Retry::Soon)
        );
        assert!(
            error.to_string().contains("2 for namespace \"greedy\""),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let (_, address) = Server::start().await;
    let closed = SocketAddr::new(address.ip(), 1);
    let error = fetch(&sources(|_| {}), closed).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.retry()),
        (reason::ARTIFACT_FAILED, Retry::Soon)
    );
    let text = error.to_string();
    assert!(text.contains("refused") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_directory_and_its_archive_are_loaded_with_limits() {
    let directory = tempfile::tempdir().unwrap();
    let web = directory.path().join("web");
    std::fs::create_dir(&web).unwrap();
    std::fs::write(
        web.join("Chart.yaml"),
        "apiVersion: v2\nname: web\nversion: 1.2.3\n",
    )
    .unwrap();
    std::fs::write(directory.path().join("web.tgz"), chart("1.2.3")).unwrap();
    let settings = Settings {
        chart_dirs: vec![directory.path().to_owned()],
        ..Settings::default()
    };
    let sources = Sources::new(&settings);
    let client = no_cluster();
    let mut digests = Vec::new();
    for path in ["web", "web.tgz", "web"] {
        let source = ChartSource {
            path: Some(path.to_owned()),
            ..ChartSource::default()
        };
        let fetched = sources.fetch(&source, "web", &client).await.unwrap();
        assert_eq!(fetched.chart.metadata.version, "1.2.3");
        digests.push(fetched.digest);
    }
    assert_eq!(digests[0], digests[2]);
    assert_ne!(digests[0], digests[1]);
    assert_eq!(sources.cached().1, 2);
    std::fs::write(web.join("values.yaml"), "a: 1\n").unwrap();
    let source = ChartSource {
        path: Some("web".to_owned()),
        ..ChartSource::default()
    };
    assert_ne!(
        sources.fetch(&source, "web", &client).await.unwrap().digest,
        digests[0]
    );
    let none = sources
        .fetch(&ChartSource::default(), "web", &client)
        .await
        .unwrap_err();
    assert_eq!(
        (none.reason(), none.retry()),
        (reason::CHART_INVALID, Retry::OnChange)
    );
}

#[tokio::test]
async fn only_public_addresses_are_connected_to_unless_the_settings_say_so() {
    let (server, address) = Server::start().await;
    let port = address.port();
    let refused = async |sources: &Sources, url: String| {
        let source = ChartSource {
            url: Some(url),
            ..ChartSource::default()
        };
        let error = sources.fetch(&source, "web", &no_cluster()).await.unwrap_err();
        assert_eq!(
            (error.reason(), error.retry()),
            (reason::FORBIDDEN, Retry::Seldom),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains(" leads to ") && text.contains("--fetch-allow"),
            "{text}"
        );
    };
    let strict = sources(|fetch| fetch.allowed.clear());
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        refused(&strict, format!("http://{host}:{port}/web.tgz")).await;
    }
    refused(&strict, "http://169.254.169.254/latest/meta-data".to_owned()).await;
    assert_eq!(server.requests(), 0);

    let loopback = sources(|_| {});
    for target in [
        "http://169.254.169.254/latest",
        "http://10.96.0.1/",
        "http://[::1]/",
    ] {
        server.then(move |_| (StatusCode::FOUND, [("location", target)]).into_response());
        refused(&loopback, format!("http://127.0.0.1:{port}/web.tgz")).await;
    }
    let by_name = sources(|fetch| fetch.allowed = vec!["charts.localhost".parse().unwrap()]);
    refused(&by_name, format!("http://localhost:{port}/web.tgz")).await;
    // A host that is allowed does not vouch for where it redirects to.
    let localhost = sources(|fetch| fetch.allowed = vec!["localhost".parse().unwrap()]);
    server.then(move |_| {
        let location = format!("http://127.0.0.1:{port}/other.tgz");
        (StatusCode::FOUND, [("location", location)]).into_response()
    });
    refused(&localhost, format!("http://localhost:{port}/web.tgz")).await;
    assert_eq!(server.requests(), 4);
}
