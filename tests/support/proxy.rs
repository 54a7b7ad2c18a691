//! A proxy before the API server that answers some requests itself, loses answers and cuts connections, at random
//! from a seed.
//!
//! Clients speak HTTP to it without credentials; it passes on what they ask with the administrator's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::{Stream, StreamExt as _};
use http::{Method, StatusCode, header};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

/// Of so many requests one is harmed.
const HARMED: u64 = 6;
/// Of so many watches one lives until the API server ends it.
const SPARED: u64 = 4;
/// Longest life of another watch, and longest delay of an answer, in milliseconds.
const WATCH: u64 = 15_000;
const DELAY: u64 = 1_500;

/// What the proxy does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Calm,
    /// Harms some of them.
    Harm,
    /// Answers none, and cuts those that are answered.
    Cut,
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// It is answered so and not passed on.
    Refused(u16),
    /// It is not passed on, and the connection is cut.
    Cut,
    /// It is passed on, and the connection is cut before its answer.
    LostAnswer,
    Delayed(Duration),
}

impl Harm {
    fn name(self) -> String {
        match self {
            Self::Refused(code) => code.to_string(),
            Self::Cut => "cut".to_owned(),
            Self::LostAnswer => "answer lost".to_owned(),
            Self::Delayed(_) => "delayed".to_owned(),
        }
    }

    fn choose(random: &mut Random, method: &Method) -> Self {
        let is_read = *method == Method::GET;
        match random.below(8) {
            0 => Self::Refused(if is_read { 410 } else { 409 }),
            1 => Self::Refused(429),
            2 => Self::Refused(500),
            3 => Self::Refused(503),
            4 => Self::Cut,
            5 | 6 => Self::LostAnswer,
            _ => Self::Delayed(Duration::from_millis(random.below(DELAY))),
        }
    }
}

/// How a watch ends early.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Cut,
    /// With an error event that says that it is too far behind.
    Gone,
    /// As the server ends it after its time.
    Orderly,
}

struct Shared {
    client: kube::Client,
    mode: watch::Sender<Mode>,
    random: Mutex<Random>,
    counts: Mutex<BTreeMap<String, u64>>,
    /// Requests that are refused once: their method, how their path ends, and with what code.
    refused: Mutex<Vec<(Method, String, u16)>>,
}

impl Shared {
    fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_insert(0) += 1;
    }

    fn harm(&self, method: &Method, path: &str) -> Option<Harm> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |(of, end, _): &(Method, String, u16)| of == method && path.ends_with(end);
        if let Some(index) = refused.iter().position(is_meant) {
            return Some(Harm::Refused(refused.remove(index).2));
        }
        drop(refused);
        match *self.mode.borrow() {
            Mode::Calm => None,
            Mode::Cut => Some(Harm::Cut),
            Mode::Harm => {
                let mut random = self.random();
                (random.below(HARMED) == 0).then(|| Harm::choose(&mut random, method))
            }
        }
    }

    fn ending(&self) -> Option<(Duration, Ending)> {
        let mut random = self.random();
        if *self.mode.borrow() != Mode::Harm || random.below(SPARED) == 0 {
            return None;
        }
        let life = Duration::from_millis(random.below(WATCH));
        let ending = match random.below(3) {
            0 => Ending::Cut,
            1 => Ending::Gone,
            _ => Ending::Orderly,
        };
        Some((life, ending))
    }
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// Starts a proxy that passes everything on with the rights of `client`.
    pub async fn start(client: kube::Client, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            client,
            mode: watch::Sender::new(Mode::Calm),
            random: Mutex::new(Random(seed)),
            counts: Mutex::default(),
            refused: Mutex::default(),
        });
        let router = axum::Router::new().fallback(serve).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            // It ends by being dropped.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            shared,
            address,
            serving,
        }
    }

    /// Writes a kubeconfig of the proxy.
    pub fn kubeconfig(&self, directory: &Path) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        let path = directory.join("proxy.kubeconfig");
        std::fs::write(&path, config.to_string()).expect("a file");
        path
    }

    /// A client of the proxy.
    pub fn client(&self) -> kube::Client {
        let address = format!("http://{}", self.address).parse().expect("an address");
        kube::Client::try_from(kube::Config::new(address)).expect("a client")
    }

    /// Has the next request of the method whose path ends so be refused with this code.
    pub fn refuse(&self, method: Method, end: &str, code: u16) {
        let mut refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.push((method, end.to_owned(), code));
    }

    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// What was done how often: `passed on`, `409`, `watch cut`, …
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.shared.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Infallible> {
    let is_watch = request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
    let harm = shared.harm(request.method(), request.uri().path());
    shared.count(&harm.map_or("passed on".to_owned(), Harm::name));
    Ok(match harm {
        Some(Harm::Refused(code)) => refusal(code),
        Some(Harm::Cut) => cut(),
        Some(Harm::LostAnswer) => {
            // A watch has no answer of its own; what else is asked is done.
            if !is_watch {
                let answer = pass_on(&shared, request).await;
                let _ = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
            }
            cut()
        }
        Some(Harm::Delayed(delay)) => {
            tokio::time::sleep(delay).await;
            pass_on(&shared, request).await
        }
        None if is_watch => watched(&shared, pass_on(&shared, request).await),
        None => pass_on(&shared, request).await,
    })
}

async fn pass_on(shared: &Shared, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return cut();
    };
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::ACCEPT_ENCODING,
    ] {
        parts.headers.remove(name);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().expect("a path");
    let request = http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    match shared.client.send(request).await {
        Ok(answer) => {
            let (mut parts, body) = answer.into_parts();
            // What was compressed or in pieces is not any more.
            for name in [
                header::CONTENT_LENGTH,
                header::CONTENT_ENCODING,
                header::TRANSFER_ENCODING,
            ] {
                parts.headers.remove(name);
            }
            Response::from_parts(parts, Body::new(body))
        }
        Err(_) => {
            shared.count("API server not reached");
            cut()
        }
    }
}

fn refusal(code: u16) -> Response {
    let (reason, message, seconds) = match code {
        409 => ("Conflict", "the object has been modified", 0),
        410 => ("Expired", "the provided resource version is too old", 0),
        429 => ("TooManyRequests", "too many requests", 1),
        503 => ("ServiceUnavailable", "the server is going down", 0),
        _ => ("InternalError", "an error on the server", 0),
    };
    let details = if seconds > 0 {
        json!({"retryAfterSeconds": seconds})
    } else {
        json!({})
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message, "details": details,
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).expect("a code");
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if seconds > 0 {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    answer
}

/// An answer that breaks off, and the connection with it.
fn cut() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(broken()) });
    Response::new(Body::from_stream(broken))
}

fn broken() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset)
}

/// A watch that ends early, and one that is cut with all others.
fn watched(shared: &Arc<Shared>, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let stream = ending(shared.clone(), body.into_data_stream(), shared.ending());
    Response::from_parts(parts, Body::from_stream(stream))
}

struct Watch<S> {
    shared: Arc<Shared>,
    mode: watch::Receiver<Mode>,
    events: S,
    ending: Option<(Instant, Ending)>,
    /// Nothing of an event is on its way.
    whole: bool,
    ended: bool,
}

fn ending<S>(
    shared: Arc<Shared>,
    events: S,
    ending: Option<(Duration, Ending)>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + 'static,
{
    let watch = Watch {
        mode: shared.mode.subscribe(),
        shared,
        events,
        ending: ending.map(|(life, ending)| (Instant::now() + life, ending)),
        whole: true,
        ended: false,
    };
    futures::stream::unfold(watch, |mut watch| async move {
        let next = watch.next().await?;
        Some((next, watch))
    })
}

impl<S> Watch<S>
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Unpin,
{
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        let at = self.ending.map(|(at, _)| at);
        let over = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = self.events.next() => Some(event?.map_err(|_| broken())),
            _ = self.mode.wait_for(|mode| *mode == Mode::Cut) => Some(Err(broken())),
            () = over => None,
        };
        match event {
            Some(Ok(bytes)) => {
                self.whole = bytes.last() == Some(&b'\n');
                Some(Ok(bytes))
            }
            Some(Err(_)) => self.cut(),
            None => self.over(),
        }
    }

    fn cut(&mut self) -> Option<std::io::Result<Bytes>> {
        self.ended = true;
        self.shared.count("watch cut");
        Some(Err(broken()))
    }

    fn over(&mut self) -> Option<std::io::Result<Bytes>> {
        match self.ending.take()? {
            (_, Ending::Orderly) => {
                self.shared.count("watch ended");
                None
            }
            (_, Ending::Gone) if self.whole => {
                self.ended = true;
                self.shared.count("watch 410");
                let event = json!({"type": "ERROR", "object": {
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
                    "reason": "Expired", "message": "too old resource version: 1 (2)",
                }});
                Some(Ok(format!("{event}\n").into()))
            }
            (_, Ending::Gone | Ending::Cut) => self.cut(),
        }
    }
}
