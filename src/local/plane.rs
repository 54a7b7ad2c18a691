//! One running control plane.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};

use super::binary;
use super::{Error, Result};
use crate::cluster::crds;

/// Time for the components to end and the directory to go.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How often, and after which pause, a directory is removed that others still write to.
const REMOVALS: u32 = 20;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(100);

/// How to start a control plane.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of simulated nodes, each in its own zone.
    pub nodes: u16,
    /// Time that the components have to get ready.
    pub timeout: Duration,
    /// Keep a log of who asked the API server for what: [`ControlPlane::audit_log`].
    pub audit: bool,
    /// Gets a line now and then while something takes long.
    pub progress: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            timeout: Duration::from_secs(120),
            audit: false,
            progress: |line| tracing::info!("{line}"),
        }
    }
}

/// What can be stopped and started alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kwok,
}

impl Component {
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Ready {
    dir: PathBuf,
    kubeconfig: PathBuf,
    server: String,
    pids: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct First {
    ready: Ready,
}

#[derive(Debug, Deserialize)]
struct Answer {
    id: u64,
    #[serde(default)]
    kubeconfig: Option<PathBuf>,
    #[serde(default)]
    error: Option<String>,
}

/// A control plane that runs. It ends when this value is dropped and, as its
/// supervisor watches the other end of a pipe, when this process ends, however
/// it does. Nothing in here belongs to one async runtime, so tests that have a
/// runtime each can share one.
#[derive(Debug)]
pub struct ControlPlane {
    ready: Ready,
    supervisor: Supervisor,
}

impl Drop for ControlPlane {
    /// The supervisor removes its directory, unless it was killed. Its components end by themselves then, and may
    /// still be writing.
    fn drop(&mut self) {
        self.supervisor.end();
        for _ in 0..REMOVALS {
            match std::fs::remove_dir_all(&self.ready.dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(BETWEEN_REMOVALS);
                }
                _ => return,
            }
        }
    }
}

impl ControlPlane {
    /// Builds the program unless this version of it is built already; returns
    /// where it is. [`ControlPlane::start`] does so too.
    pub async fn build(progress: fn(&str)) -> Result<PathBuf> {
        binary::find_or_build(progress).await
    }

    /// Builds the program if this version of it was never built, starts it and
    /// waits until the API is served, the nodes are ready and pods can be made.
    pub async fn start(options: Options) -> Result<Self> {
        let program = binary::find_or_build(options.progress).await?;
        let mut supervisor = Supervisor::spawn(&program, options)?;
        // The supervisor has the same deadline and better words for it.
        let grace = options.timeout + STOP_DEADLINE;
        let first = tokio::time::timeout(grace, supervisor.wire.get_mut().lines.recv())
            .await
            .map_err(|_| Error::Late(grace))?;
        let Some(line) = first else {
            return Err(supervisor.ended().await);
        };
        let First { ready } = serde_json::from_str(&line)?;
        Ok(Self { ready, supervisor })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.ready.kubeconfig
    }

    /// Everything that the control plane has on disk, logs included.
    pub fn directory(&self) -> &Path {
        &self.ready.dir
    }

    /// The API server's audit log, an event of JSON a line, if the options asked for it.
    pub fn audit_log(&self) -> PathBuf {
        self.ready.dir.join("audit.log")
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.ready.server
    }

    /// Process ids at the start, the supervisor's as `up`.
    pub fn processes(&self) -> BTreeMap<String, u32> {
        let mut all = self.ready.pids.clone();
        all.insert("up".to_owned(), self.supervisor.pid);
        all
    }

    /// The administrator's client configuration.
    pub async fn config(&self) -> Result<kube::Config> {
        config_from(&self.ready.kubeconfig).await
    }

    /// A new client of the administrator's. It belongs to the runtime that it
    /// is made in.
    pub async fn client(&self) -> Result<kube::Client> {
        client_from(&self.ready.kubeconfig).await
    }

    /// Writes a kubeconfig for a user without any rights but those that RBAC
    /// gives to the name and the groups.
    pub async fn user(&self, name: &str, groups: &[&str]) -> Result<PathBuf> {
        let request = json!({"do": "user", "user": name, "groups": groups});
        let what = "write a kubeconfig";
        let patience = Duration::from_secs(30);
        let answer = self.supervisor.request(what, request, patience).await?;
        answer.kubeconfig.ok_or_else(|| Error::Request {
            request: what.to_owned(),
            message: "it did not say where".to_owned(),
        })
    }

    /// A client for such a user.
    pub async fn user_client(&self, name: &str, groups: &[&str]) -> Result<kube::Client> {
        client_from(&self.user(name, groups).await?).await
    }

    /// Installs the CRD of HelmApp and waits until it is served.
    pub async fn install_crd(&self) -> Result<()> {
        let client = self.client().await?;
        let crd = serde_json::to_value(crate::api::crd())?;
        let created = crds::create(&client, &[&crd], false).await?;
        crds::established(&client, &created).await?;
        Ok(())
    }

    /// Kills a component, as a crash would.
    pub async fn stop_component(&self, component: Component) -> Result<()> {
        self.component("stop", component).await
    }

    /// Starts a component that was stopped; the API server is ready when this
    /// returns, at the same address.
    pub async fn start_component(&self, component: Component) -> Result<()> {
        self.component("start", component).await
    }

    async fn component(&self, what: &str, component: Component) -> Result<()> {
        let request = json!({"do": what, "component": component.name()});
        let what = format!("{what} {}", component.name());
        let patience = Duration::from_secs(90);
        self.supervisor.request(&what, request, patience).await.map(drop)
    }

    /// Has etcd forget all but the newest state. Who wants to read on from an older one is told that it is gone, once
    /// the API server does not remember it either.
    pub async fn compact(&self) -> Result<()> {
        let patience = Duration::from_secs(30);
        let request = json!({"do": "compact"});
        self.supervisor
            .request("compact etcd", request, patience)
            .await
            .map(drop)
    }

    /// Waits for the control plane to end and says why it did.
    pub async fn ended(&self) -> Error {
        self.supervisor.ended().await
    }

    /// Ends all processes, removes the directory and waits until that is done.
    pub async fn stop(mut self) -> Result<()> {
        self.supervisor.wire.get_mut().requests = None;
        let late = tokio::time::timeout(STOP_DEADLINE, self.ended()).await;
        late.map(drop).map_err(|_| Error::Late(STOP_DEADLINE))
    }
}

/// The process `helmapp-local up` and the two ways to talk to it.
#[derive(Debug)]
struct Supervisor {
    pid: u32,
    wire: Mutex<Wire>,
    ended: watch::Receiver<Option<String>>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Wire {
    /// Closing it ends the supervisor.
    requests: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    last: u64,
}

impl Supervisor {
    fn spawn(program: &Path, options: Options) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("up")
            .arg(format!("--nodes={}", options.nodes))
            .arg(format!("--audit={}", options.audit))
            .arg(format!("--timeout={}s", options.timeout.as_secs()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A ctrl-c at the terminal is ours to answer; the control plane is
            // still needed while we finish.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn {
                path: program.to_owned(),
                source,
            })?;
        let pid = child.id();
        let requests = child.stdin.take();
        let (line_sender, lines) = mpsc::unbounded_channel();
        let (end_sender, ended) = watch::channel(None);
        let reader = std::thread::spawn(move || {
            let last_words = follow(&mut child, &line_sender);
            end_sender.send_replace(Some(last_words));
        });
        Ok(Self {
            pid,
            wire: Mutex::new(Wire {
                requests,
                lines,
                last: 0,
            }),
            ended,
            reader: Some(reader),
        })
    }

    async fn request(&self, what: &str, mut request: Value, patience: Duration) -> Result<Answer> {
        let failed = |message: String| Error::Request {
            request: what.to_owned(),
            message,
        };
        let mut wire = self.wire.lock().await;
        wire.last += 1;
        let id = wire.last;
        request["id"] = id.into();
        let Some(pipe) = wire.requests.as_mut() else {
            return Err(self.ended().await);
        };
        if writeln!(pipe, "{request}").is_err() {
            return Err(self.ended().await);
        }
        let answered = async {
            while let Some(line) = wire.lines.recv().await {
                let answer: Answer = serde_json::from_str(&line)?;
                // An earlier request may have been given up.
                if answer.id == id {
                    return Ok(answer);
                }
            }
            Err(self.ended().await)
        };
        let answer = tokio::time::timeout(patience, answered)
            .await
            .map_err(|_| failed(format!("no answer after {}s", patience.as_secs())))??;
        match answer.error {
            Some(message) => Err(failed(message)),
            None => Ok(answer),
        }
    }

    async fn ended(&self) -> Error {
        let mut ended = self.ended.clone();
        let words = match ended.wait_for(Option::is_some).await {
            Ok(words) => words.clone().unwrap_or_default(),
            Err(_) => String::new(),
        };
        Error::Ended(words)
    }
}

impl Supervisor {
    /// Ends the supervisor and waits until it is gone.
    fn end(&mut self) {
        self.wire.get_mut().requests = None;
        if let Some(reader) = self.reader.take() {
            // Nothing can be done for a reader that panicked.
            let _ = reader.join();
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hands on what the supervisor prints until it ends; returns what it said
/// last.
fn follow(child: &mut Child, lines: &mpsc::UnboundedSender<String>) -> String {
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
            // Nobody listening any more is the normal end.
            let _ = lines.send(line);
        }
    }
    let mut words = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut words);
    }
    let status = match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let words = words.trim().trim_start_matches("helmapp-local: ");
    if words.is_empty() {
        status
    } else {
        words.to_owned()
    }
}

async fn config_from(kubeconfig: &Path) -> Result<kube::Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

async fn client_from(kubeconfig: &Path) -> Result<kube::Client> {
    let config = config_from(kubeconfig).await?;
    kube::Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))
}
