//! What the operator costs: CPU, memory and API requests of `helmapp run`, as it is released, for many HelmApps of
//! charts/demo that are installed, updated, left alone, found again after a restart, repaired and deleted.
//!
//! `make bench` runs it. `HELMAPP_BENCH_RELEASES` (100) and `HELMAPP_BENCH_IDLE` (30, in seconds) say how much;
//! `HELMAPP_BENCH_PROGRAM` names another program to measure. It fails when requests exceed their budget. CPU and time
//! depend on the machine and do not fail it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and one that can't go on fails"
)]

mod audit;
mod board;
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;
mod usage;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::join, stream};
use helmapp::api::HelmApp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use audit::Audit;
use board::{Board, Seen};
use report::{Phase, Report};
use support::{
    metrics::Requests,
    namespace::TestNamespace,
    plane,
    process::Process,
    wait::{eventually, within},
};
use usage::Usage;

const OPERATOR: &str = "helmapp-operator";
/// Requests of the benchmark that are under way at once.
const BURST: usize = 32;
/// Deployments that are deleted behind the operator's back.
const DELETED: usize = 10;
/// A phase is over when nothing was asked for so long: status writes and events come up to a second late.
const QUIET: Duration = Duration::from_millis(2500);
const TICK: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    let report = Bench::new().await.run().await;
    report.print();
    match report.violations() {
        violations if violations.is_empty() => {
            println!("bench: all request budgets kept");
            ExitCode::SUCCESS
        }
        violations => {
            for violation in violations {
                println!("bench: over budget: {violation}");
            }
            ExitCode::FAILURE
        }
    }
}

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => default,
    }
}

/// The program as `cargo build --release` leaves it beside the profile that this benchmark was built with.
fn program() -> PathBuf {
    let released = || {
        let built = Path::new(env!("CARGO_BIN_EXE_helmapp"));
        let target = built.parent().and_then(Path::parent).expect("a target directory");
        target.join("release/helmapp")
    };
    let program = std::env::var_os("HELMAPP_BENCH_PROGRAM").map_or_else(released, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there: `make bench` builds it",
        program.display()
    );
    program
}

struct Bench {
    releases: usize,
    idle: Duration,
    apps: Api<HelmApp>,
    deployments: Api<Deployment>,
    board: Arc<Board>,
    audit: Audit,
    program: PathBuf,
    kubeconfig: PathBuf,
    /// None only while one follows another.
    operator: Option<Process>,
    own: plane::OwnPlane,
}

impl Bench {
    async fn new() -> Self {
        let (releases, idle) = (
            number("HELMAPP_BENCH_RELEASES", 100),
            number("HELMAPP_BENCH_IDLE", 30),
        );
        assert!(
            releases >= DELETED,
            "HELMAPP_BENCH_RELEASES must be at least {DELETED}"
        );
        let program = program();
        let own = plane::own_with(|options| options.audit = true).await;
        own.plane.install_crd().await.expect("the CRD");
        let client = own.plane.client().await.expect("a client");
        let namespace = TestNamespace::create(client.clone(), "bench").await;
        let kubeconfig = own
            .plane
            .user(OPERATOR, &["system:masters"])
            .await
            .expect("a kubeconfig");
        let operator = start(&program, &kubeconfig, "bench-1");
        operator.leading().await;
        Self {
            releases,
            idle: within(idle as u64),
            apps: namespace.api(),
            deployments: namespace.api(),
            board: Board::follow(&client, &namespace.name),
            audit: Audit::follow(own.plane.audit_log(), OPERATOR),
            program,
            kubeconfig,
            operator: Some(operator),
            own,
        }
    }

    async fn run(mut self) -> Report {
        let releases = self.releases;
        self.quiet().await;
        let empty = self.usage().resident;

        let install = self.install().await;
        let objects = self.board.seen().apps.values().map(|app| app.objects).max();
        let update = self.update().await;
        let idle = self.idle().await;
        let settled = self.usage().resident;
        let restart = self.restart().await;
        let (repair, back) = self.repair().await;
        let delete = self.delete().await;
        drop(self.operator);
        self.own.plane.stop().await.expect("the control plane ends");
        Report {
            releases,
            objects: objects.unwrap_or_default(),
            install,
            update,
            idle,
            restart,
            repair,
            delete,
            back,
            empty,
            settled,
        }
    }

    fn names(&self) -> Vec<String> {
        (0..self.releases).map(|n| format!("demo-{n:04}")).collect()
    }

    /// How long a wave may take: the control plane's own controllers take most of it.
    fn limit(&self) -> Duration {
        Duration::from_secs(60) + Duration::from_secs(1) * u32::try_from(self.releases).expect("fewer")
    }

    async fn install(&mut self) -> Phase {
        let apps = self.apps.clone();
        let create = async |name: String| {
            let app = json!({
                "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": name},
                "spec": {"chart": {"path": "demo"}, "values": {"replicas": 2}},
            });
            let app: HelmApp = serde_json::from_value(app).expect("a HelmApp");
            apps.create(&PostParams::default(), &app).await.map(drop)
        };
        let applied = |seen: &Seen, all| seen.with_replicas(2) == all;
        self.wave("install", create, applied, |seen, all| seen.ready(1) == all)
            .await
    }

    async fn update(&mut self) -> Phase {
        let apps = self.apps.clone();
        let patch = async |name: String| {
            let values = Patch::Merge(json!({"spec": {"values": {"replicas": 3}}}));
            apps.patch(&name, &PatchParams::default(), &values)
                .await
                .map(drop)
        };
        let applied = |seen: &Seen, all| seen.with_replicas(3) == all;
        self.wave("update", patch, applied, |seen, all| seen.ready(2) == all)
            .await
    }

    async fn delete(&mut self) -> Phase {
        let apps = self.apps.clone();
        let delete = async |name: String| apps.delete(&name, &DeleteParams::default()).await.map(drop);
        let gone = |seen: &Seen, _| seen.workloads.is_empty();
        self.wave("delete", delete, gone, |seen, _| seen.apps.is_empty())
            .await
    }

    /// Does something to all HelmApps in one burst and waits, first until the Deployments are as they should be, then
    /// until the HelmApps are.
    async fn wave(
        &mut self,
        name: &'static str,
        act: impl AsyncFn(String) -> kube::Result<()>,
        applied: impl Fn(&Seen, usize) -> bool,
        done: impl Fn(&Seen, usize) -> bool,
    ) -> Phase {
        eprintln!("bench: {name}");
        let before = self.reading();
        let (board, all, limit) = (self.board.clone(), self.releases, self.limit());
        let began = Instant::now();
        let acts = stream::iter(self.names()).for_each_concurrent(BURST, async |name| {
            act(name).await.expect("the API server accepts it");
        });
        let waits = async {
            let what = format!("Deployments after {name}");
            let applied = board.until(&what, limit, |seen| applied(seen, all)).await;
            let what = format!("HelmApps after {name}");
            (applied, board.until(&what, limit, |seen| done(seen, all)).await)
        };
        let ((), (applied, done)) = join(acts, waits).await;
        self.quiet().await;
        let mut phase = self.since(name, &before);
        phase.applied = Some(applied - began);
        phase.wall = done - began;
        phase
    }

    async fn idle(&mut self) -> Phase {
        eprintln!("bench: idle for {}s", self.idle.as_secs());
        let before = self.reading();
        let (began, idle) = (Instant::now(), self.idle);
        sleep(idle).await;
        let mut phase = self.since("idle", &before);
        phase.wall = began.elapsed();
        phase
    }

    /// Ends the operator and starts another, which is steady when it has looked at each HelmApp.
    async fn restart(&mut self) -> Phase {
        eprintln!("bench: restart");
        let old = self.operator.take().expect("an operator");
        assert_eq!(old.terminate().await.code(), Some(0), "the operator ends well");
        let asked = self.audit.read();
        let began = Instant::now();
        let operator = start(&self.program, &self.kubeconfig, "bench-2");
        let steady = async || {
            let ready = operator.leads().await? && operator.get("/readyz").await?.0 == 200;
            let (_, metrics) = operator.get("/metrics").await?;
            let reconciles = metrics
                .lines()
                .filter(|line| line.starts_with("helmapp_reconciles_total{"));
            let counts = reconciles.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
            match counts.sum::<usize>() {
                count if ready && count >= self.releases => Ok(Instant::now()),
                count => Err(format!("ready {ready}, {count} reconciles")),
            }
        };
        let steady = eventually("the operator is steady again", self.limit(), steady).await;
        self.operator = Some(operator);
        self.quiet().await;
        let usage = self.usage();
        Phase {
            name: "restart",
            wall: steady - began,
            applied: None,
            cpu: usage.cpu,
            peak: usage.peak,
            requests: self.audit.read().since(&asked),
        }
    }

    /// Deletes Deployments one after the other; says how long each took to be back.
    async fn repair(&mut self) -> (Phase, Vec<Duration>) {
        eprintln!("bench: {DELETED} deleted Deployments");
        let (began, before) = (Instant::now(), self.reading());
        let mut back = Vec::new();
        for name in self.names().iter().take(DELETED) {
            let old = self
                .board
                .seen()
                .workloads
                .get(name)
                .cloned()
                .expect("a Deployment");
            let deleted = Instant::now();
            let parameters = DeleteParams::background();
            self.deployments
                .delete(name, &parameters)
                .await
                .expect("it is deleted");
            let what = format!("another Deployment {name}");
            let again = |seen: &Seen| seen.workloads.get(name).is_some_and(|new| new.uid != old.uid);
            back.push(self.board.until(&what, within(60), again).await - deleted);
        }
        let wall = began.elapsed();
        let (all, limit) = (self.releases, self.limit());
        let ready = |seen: &Seen| seen.apps.values().filter(|app| app.is_ready).count() == all;
        self.board.until("HelmApps after repair", limit, ready).await;
        self.quiet().await;
        let mut phase = self.since("repair", &before);
        phase.wall = wall;
        (phase, back)
    }

    /// Waits until the operator asks for nothing more.
    async fn quiet(&mut self) {
        let began = Instant::now();
        loop {
            self.audit.read();
            let silent = self.audit.newest().elapsed().min(began.elapsed());
            if silent >= QUIET {
                return;
            }
            assert!(
                began.elapsed() < self.limit(),
                "the operator does not come to rest"
            );
            sleep(TICK).await;
        }
    }

    fn usage(&self) -> Usage {
        Usage::read(self.operator.as_ref().expect("an operator").id())
    }

    fn reading(&mut self) -> (Usage, Requests) {
        (self.usage(), self.audit.read())
    }

    fn since(&mut self, name: &'static str, (usage, requests): &(Usage, Requests)) -> Phase {
        let (now, asked) = self.reading();
        Phase {
            name,
            wall: Duration::ZERO,
            applied: None,
            cpu: now.cpu - usage.cpu,
            peak: now.peak,
            requests: asked.since(requests),
        }
    }
}

fn start(program: &Path, kubeconfig: &Path, identity: &str) -> Process {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    let variables = [
        ("HELMAPP_CHART_DIR", charts.to_str().expect("UTF-8")),
        ("HELMAPP_IDENTITY", identity),
        ("HELMAPP_LEADER_ELECT", "true"),
        ("HELMAPP_LEASE_NAMESPACE", "default"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Process::start(program, kubeconfig, &variables)
}
