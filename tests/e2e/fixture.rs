//! An operator, charts written by tests, and HelmApps made from them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use helmapp::api::{HelmApp, HelmAppStatus, crd};
use helmapp::controller;
use helmapp::local::ControlPlane;
use helmapp::metrics::Metrics;
use helmapp::settings::{Backoff, Fetch, Health, Settings};
use helmapp_helm::health::pods::Patience;
use helmapp_helm::release::{DecodeLimits, Release, decode};
use http::Request;
use k8s_openapi::api::core::v1::{ConfigMap, Event, ResourceQuota, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::client::{Body, ClientBuilder};
use kube::runtime::{conditions, wait::await_condition};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{OnceCell, oneshot, watch};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::faults::Faults;
use crate::support::namespace::TestNamespace;
use crate::support::plane::{self, OwnPlane};
use crate::support::wait::{until, within};

/// What the operator logged, in all tests.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The log of this test binary.
pub fn log() -> String {
    String::from_utf8_lossy(&logged().0.lock().unwrap()).into_owned()
}

fn logged() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_env_filter("helmapp=debug")
            .with_ansi(false)
            .with_writer(log.clone())
            .init();
        log
    })
}

/// Requests of one operator, watches left out.
#[derive(Clone, Default)]
pub struct Counter {
    total: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<String>>>,
    whole: Arc<Mutex<Vec<String>>>,
}

impl Counter {
    pub fn read(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub fn since(&self, earlier: u64) -> Vec<String> {
        self.lines.lock().unwrap()[earlier as usize..].to_vec()
    }

    /// Paths that were watched with more of the objects than their metadata.
    pub fn watched_whole(&self) -> Vec<String> {
        self.whole.lock().unwrap().clone()
    }

    fn count(&self, request: &Request<Body>) {
        let query = request.uri().query().unwrap_or_default();
        let accept = request.headers().get(http::header::ACCEPT);
        let is_whole =
            !accept.is_some_and(|accept| accept.to_str().unwrap().contains("PartialObjectMetadata"));
        if query.contains("watch=true") && is_whole {
            self.whole.lock().unwrap().push(request.uri().path().to_owned());
        }
        if !query.contains("watch=true") {
            let line = format!("{} {}?{query}", request.method(), request.uri().path());
            self.lines.lock().unwrap().push(line);
            self.total.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An operator that runs until it is dropped, or stopped.
pub struct Operator {
    pub requests: Counter,
    pub metrics: Arc<Metrics>,
    pub is_ready: watch::Receiver<bool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Operator {
    /// Starts an operator on a thread of its own and waits until it is ready.
    pub async fn start(plane: &ControlPlane, charts: &Path) -> Self {
        Self::start_as(plane, charts, None).await
    }

    /// The same with the rights of a user.
    pub async fn start_as(plane: &ControlPlane, charts: &Path, user: Option<&str>) -> Self {
        Self::start_with(plane, charts, user, Faults::default()).await
    }

    /// Starts an operator with the rights of a user, some of whose requests fail.
    pub async fn start_with(plane: &ControlPlane, charts: &Path, user: Option<&str>, faults: Faults) -> Self {
        Self::launch(plane, settings(charts), user, faults).await
    }

    /// Starts an operator of this name, as if no other one was there.
    pub async fn start_named(plane: &ControlPlane, charts: &Path, identity: &str) -> Self {
        let settings = Settings {
            identity: identity.to_owned(),
            ..settings(charts)
        };
        Self::launch(plane, settings, None, Faults::default()).await
    }

    async fn launch(plane: &ControlPlane, settings: Settings, user: Option<&str>, faults: Faults) -> Self {
        logged();
        let requests = Counter::default();
        let mut config = plane.config().await.expect("a kubeconfig");
        config.auth_info.impersonate = user.map(str::to_owned);
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let counter = requests.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.unwrap().block_on(async move {
                let layer = tower::util::MapRequestLayer::new(move |request: Request<Body>| {
                    counter.count(&request);
                    request
                });
                let client = ClientBuilder::try_from(config)
                    .unwrap()
                    .with_layer(&faults)
                    .with_layer(&layer)
                    .build();
                let operator = controller::Operator::new(client, settings).expect("an operator");
                let (mut state, metrics) = (operator.ready(), operator.metrics());
                tokio::spawn(async move {
                    state.wait_for(|ready| *ready).await.expect("the operator runs");
                    ready.send((metrics, state)).expect("somebody waits");
                });
                let shutdown = async move {
                    let _ = stopped.await;
                };
                operator.run(shutdown).await.expect("the operator starts");
            });
        });
        let (metrics, is_ready) = is_ready
            .await
            .map_err(|_| ())
            .expect("the operator becomes ready");
        Self {
            requests,
            metrics,
            is_ready,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops it as a signal would, and waits until it has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the operator ends without a panic");
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.end();
    }
}

fn settings(charts: &Path) -> Settings {
    let quick = Backoff {
        least: Duration::from_millis(200),
        most: Duration::from_secs(1),
    };
    Settings {
        chart_dirs: vec![charts.to_path_buf()],
        retry: quick,
        slow_retry: quick,
        health: Health {
            // Later than most tests give up what does not get ready.
            ask_pods_after: Duration::from_secs(10),
            patience: Patience {
                restarts: 3,
                start: Duration::from_secs(5),
                schedule: Duration::from_secs(5),
            },
            degraded_after: Duration::from_secs(1),
        },
        fetch: Fetch {
            allowed: vec!["127.0.0.0/8".parse().expect("a network")],
            // Charts behind a URL are asked for anew.
            fresh: Duration::ZERO,
            ..Fetch::default()
        },
        ..Settings::default()
    }
}

/// Installs our CRD.
pub async fn install_crd(client: &kube::Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = crd();
    let name = crd.metadata.name.clone().expect("a name");
    let params = PatchParams::apply("test").force();
    api.patch(&name, &params, &Patch::Apply(&crd))
        .await
        .expect("the CRD is accepted");
    let established = await_condition(api, &name, conditions::is_crd_established());
    tokio::time::timeout(within(30), established)
        .await
        .expect("in time")
        .expect("established");
}

/// A control plane with an operator of its own, and a namespace there.
pub struct Own {
    operator: Option<Operator>,
    pub fixture: Fixture,
    charts: TempDir,
    faults: Faults,
    plane: OwnPlane,
}

impl Own {
    /// Starts all of it.
    pub async fn start(test: &str) -> Self {
        Self::start_with(test, Faults::default()).await
    }

    /// The same with an operator some of whose requests fail.
    pub async fn start_with(test: &str, faults: Faults) -> Self {
        let mut own = Self::idle(test).await;
        own.faults = faults;
        own.resume().await;
        own
    }

    /// The same without an operator as yet.
    pub async fn idle(test: &str) -> Self {
        let plane = plane::own().await;
        let client = plane.plane.client().await.expect("a client");
        install_crd(&client).await;
        let charts = tempfile::tempdir().expect("a directory");
        Self {
            operator: None,
            fixture: Fixture::on(client, test, charts.path()).await,
            charts,
            faults: Faults::default(),
            plane,
        }
    }

    /// Starts the operator, or another one in its place.
    pub async fn resume(&mut self) {
        self.stop();
        let (plane, charts) = (&self.plane.plane, self.charts.path());
        self.operator = Some(Operator::start_with(plane, charts, None, self.faults.clone()).await);
    }

    /// Stops the operator as a signal would.
    pub fn stop(&mut self) {
        self.operator = None;
    }

    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("it runs")
    }

    pub fn plane(&self) -> &ControlPlane {
        &self.plane.plane
    }

    pub fn charts(&self) -> &Path {
        self.charts.path()
    }
}

struct Shared {
    charts: TempDir,
    _operator: Operator,
}

static SHARED: OnceCell<Shared> = OnceCell::const_new();

/// One test's namespace and charts.
#[derive(Clone)]
pub struct Fixture {
    pub namespace: TestNamespace,
    pub charts: PathBuf,
}

impl Fixture {
    /// On the shared control plane with the shared operator.
    pub async fn shared(test: &str) -> Self {
        let shared = SHARED
            .get_or_init(|| async {
                let plane = plane::shared().await;
                install_crd(&plane.client().await.expect("a client")).await;
                let charts = tempfile::tempdir().expect("a directory");
                let _operator = Operator::start(plane, charts.path()).await;
                Shared { charts, _operator }
            })
            .await;
        Self::on(plane::client().await, test, shared.charts.path()).await
    }

    /// On any control plane, with charts below `charts`.
    pub async fn on(client: kube::Client, test: &str, charts: &Path) -> Self {
        let namespace = TestNamespace::create(client, test).await;
        Self {
            namespace,
            charts: charts.to_path_buf(),
        }
    }

    pub fn client(&self) -> kube::Client {
        self.namespace.client.clone()
    }

    pub fn apps(&self) -> Api<HelmApp> {
        self.namespace.api()
    }

    /// Writes a chart of these files and returns its path for `spec.chart.path`.
    pub fn chart(&self, name: &str, files: &[(&str, &str)]) -> String {
        let path = format!("{}-{name}", self.namespace.name);
        let directory = self.charts.join(&path);
        let metadata = format!("apiVersion: v2\nname: {name}\nversion: 1.2.3\nappVersion: \"4.5\"\n");
        let all = [("Chart.yaml", metadata.as_str())];
        for (file, text) in all.iter().chain(files) {
            let file = directory.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        path
    }

    /// Makes or replaces a HelmApp.
    pub async fn app(&self, name: &str, spec: Value) -> HelmApp {
        self.try_app(name, spec).await.expect("the HelmApp is accepted")
    }

    pub async fn try_app(&self, name: &str, spec: Value) -> kube::Result<HelmApp> {
        let app = json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        self.apps().patch(name, &params, &Patch::Apply(&app)).await
    }

    /// Installs [`CONFIG_MAP`] with another template as the HelmApp `app`, and waits until it is ready.
    pub async fn installed(&self, template: &str, values: Value) {
        let files = [("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", template)];
        let chart = self.chart("app", &files);
        self.app("app", json!({"chart": {"path": chart}, "values": values}))
            .await;
        self.ready("app").await;
    }

    /// Waits until the HelmApp is ready in its newest generation.
    pub async fn ready(&self, name: &str) -> HelmAppStatus {
        self.until(name, |app| {
            is_current(app) && condition(app, "Ready").is_some_and(|c| c.status == "True")
        })
        .await
    }

    /// Waits until the HelmApp is not ready for the reason, in its newest generation.
    pub async fn refused(&self, name: &str, reason: &str) -> HelmAppStatus {
        self.until(name, |app| {
            is_current(app)
                && condition(app, "Ready").is_some_and(|c| c.status == "False" && c.reason == reason)
        })
        .await
    }

    /// Waits for the event that warns of the reason in these words.
    pub async fn warned(&self, name: &str, reason: &str, words: &[&str]) {
        let events: Api<Event> = self.namespace.api();
        let fields =
            format!("involvedObject.kind=HelmApp,involvedObject.name={name},type=Warning,reason={reason}");
        crate::support::wait::eventually("there is a warning", within(30), || async {
            let found = events.list(&ListParams::default().fields(&fields)).await;
            let found = found.map_err(|error| error.to_string())?.items;
            let notes: Vec<String> = found.into_iter().filter_map(|event| event.message).collect();
            let is_said = |note: &String| words.iter().all(|word| note.contains(word));
            if notes.iter().any(is_said) {
                Ok(())
            } else {
                Err(format!("{reason} {words:?}: {notes:#?}"))
            }
        })
        .await;
    }

    pub async fn until(&self, name: &str, so: impl Fn(&HelmApp) -> bool) -> HelmAppStatus {
        until(&self.apps(), name, within(60), so)
            .await
            .status
            .unwrap_or_default()
    }

    pub async fn delete(&self, name: &str) {
        self.apps()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the HelmApp is deleted");
        self.gone(name).await;
    }

    /// Waits until a HelmApp that was deleted is gone.
    pub async fn gone(&self, name: &str) {
        crate::support::wait::eventually("the HelmApp goes", within(60), || async {
            match self.apps().get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(app)) => Err(format!("{:?}", app.status.map(|status| status.conditions))),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Limits the namespace, and waits until the limits are in force and count what is there: a quota that is counted
    /// from a cache that lags behind lets more in, and is counted anew after minutes only.
    pub async fn quota(&self, hard: Value) {
        let object = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": {"hard": hard}});
        let quotas: Api<ResourceQuota> = self.namespace.api();
        let maps: Api<ConfigMap> = self.namespace.api();
        let in_force = |quota: &ResourceQuota| {
            let (spec, status) = (quota.spec.as_ref(), quota.status.as_ref());
            spec.and_then(|spec| spec.hard.as_ref()) == status.and_then(|status| status.hard.as_ref())
        };
        let deadline = Instant::now() + within(30);
        loop {
            self.namespace.apply(object.clone()).await;
            let quota = until(&quotas, "quota", within(30), in_force).await;
            let used = quota.status.and_then(|status| status.used).unwrap_or_default();
            let there = maps.list_metadata(&ListParams::default()).await.unwrap().items;
            match used.get("count/configmaps") {
                Some(used) if used.0 != there.len().to_string() => {}
                _ => return,
            }
            assert!(Instant::now() < deadline, "{} ConfigMaps, {used:?}", there.len());
            quotas.delete("quota", &DeleteParams::default()).await.unwrap();
        }
    }

    /// The stored revisions of a release and Helm's words for them, oldest first.
    pub async fn revisions(&self, release: &str) -> Vec<(i64, String)> {
        let secrets: Api<Secret> = self.namespace.api();
        let of_release = ListParams::default().labels(&format!("owner=helm,name={release}"));
        let found = secrets.list(&of_release).await.expect("a list");
        let mut revisions: Vec<(i64, String)> = found
            .into_iter()
            .map(|secret| {
                let labels = secret.metadata.labels.unwrap_or_default();
                (
                    labels["version"].parse().expect("a number"),
                    labels["status"].clone(),
                )
            })
            .collect();
        revisions.sort();
        revisions
    }

    /// The record of a revision.
    pub async fn record(&self, release: &str, revision: i64) -> Release {
        let secrets: Api<Secret> = self.namespace.api();
        let name = format!("sh.helm.release.v1.{release}.v{revision}");
        let secret = secrets.get(&name).await.expect("a record");
        let data = secret.data.expect("data");
        let text = std::str::from_utf8(&data["release"].0).expect("text");
        decode(text, &DecodeLimits::default()).expect("a release")
    }

    pub async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + serde::de::DeserializeOwned
            + serde::Serialize
            + Clone
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let object: K = serde_json::from_value(object).expect("an object");
        self.namespace
            .api::<K>()
            .create(&PostParams::default(), &object)
            .await
            .expect("it is accepted");
    }
}

fn is_current(app: &HelmApp) -> bool {
    let observed = app.status.as_ref().and_then(|status| status.observed_generation);
    observed == app.metadata.generation
}

pub fn condition<'a>(app: &'a HelmApp, kind: &str) -> Option<&'a Condition> {
    app.status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

pub fn condition_of(status: &HelmAppStatus, kind: &str) -> Condition {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.cloned().expect("the condition is there")
}

pub fn message(status: &HelmAppStatus, kind: &str) -> String {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

pub fn revision(status: &HelmAppStatus) -> i64 {
    status.release.as_ref().map_or(0, |release| release.revision)
}

/// A ConfigMap whose content is the value `text`.
pub const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: \"{{ .Values.text }}\"
";

/// A Deployment of `replicas` pods with the image tag `tag`.
pub const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
      annotations:
        local.helmapp.io/pod: \"{{ .Values.pod }}\"
    spec:
      containers:
        - name: main
          image: registry.example.com/app:{{ .Values.tag }}
";
