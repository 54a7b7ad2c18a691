//! An operator that is killed at each point that it passes, and the next one, which gets to where no crash would have
//! been noticed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use helmapp::failpoints;
use helmapp::local::ControlPlane;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams};
use tokio::time::Instant;

use crate::fixture::install_crd;
use crate::flows::{self, Flow, Place, Step};
use crate::runs::Runs;
use crate::state::{State, difference};
use crate::support::plane;
use crate::support::process::Process;
use crate::support::wait::within;
use crate::{is_long, operator};

/// A place where a process is killed: a point, and which pass of it.
type Kill = (&'static str, u64);

/// What became of a kill.
#[derive(Debug)]
enum Outcome {
    Same,
    /// The process did not get there: how often status and events are written depends on time.
    NotPassed,
    Different(Vec<String>),
}

/// How a flow ends that nobody disturbs.
struct Ended {
    state: State,
    runs: BTreeMap<String, usize>,
}

struct Chaos {
    client: kube::Client,
    runs: Runs,
    kubeconfig: std::path::PathBuf,
    charts: tempfile::TempDir,
}

impl Chaos {
    async fn on(plane: &ControlPlane) -> Self {
        let client = plane.client().await.unwrap();
        install_crd(&client).await;
        Self {
            runs: Runs::watch(client.clone()),
            client,
            kubeconfig: plane.kubeconfig_path().to_owned(),
            charts: tempfile::tempdir().unwrap(),
        }
    }

    fn operator(&self, armed: Option<&str>) -> Process {
        operator::start(&self.kubeconfig, self.charts.path(), armed)
    }

    /// Brings places to where the flow begins, with an operator that nobody kills.
    async fn prepare(&self, flow: &Flow, count: usize) -> Vec<Place> {
        let process = self.operator(None);
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(Place::new(&self.client, flow, self.charts.path()).await);
        }
        join_all(places.iter().map(|place| place.prepare(flow))).await;
        // What is said of it is written up to a second later.
        tokio::time::sleep(Duration::from_secs(3)).await;
        process.kill();
        places
    }

    /// How often each of the place's Jobs was run.
    fn runs(&self, place: &Place) -> BTreeMap<String, usize> {
        self.runs.of(&place.fixture.namespace.name)
    }

    /// The flow without a kill: the points that it passes, how often, and the end.
    async fn undisturbed(&self, flow: &Flow) -> (BTreeMap<&'static str, u64>, Ended) {
        let place = self.prepare(flow, 1).await.remove(0);
        let process = self.begin(flow, &place, None).await;
        place.done(flow.act).await;
        let state = place.settled().await;
        let mut passes = BTreeMap::new();
        for point in operator::passed(&process.log()) {
            *passes.entry(point).or_insert(0) += 1;
        }
        process.kill();
        let runs = self.runs(&place);
        self.clean(vec![place]).await;
        (passes, Ended { state, runs })
    }

    /// Asks for the flow's step. The process has it to do, or to go on with.
    async fn begin(&self, flow: &Flow, place: &Place, armed: Option<&str>) -> Process {
        if flow.begun.is_some() {
            let mut first = self.operator(flow.begun);
            place.take(flow.act).await;
            first.ended(within(60)).await.expect("it is killed");
            return self.operator(armed);
        }
        let mut process = self.operator(armed);
        if flow.begins_under_way() {
            leading_or_killed(&mut process).await;
        } else {
            // What it finds is no part of the flow.
            process.leading().await;
        }
        place.take(flow.act).await;
        process
    }

    async fn kill(&self, flow: &Flow, place: &Place, kill: Kill, expected: &Ended) -> Outcome {
        let armed = format!("{}#{}", kill.0, kill.1);
        let mut process = self.begin(flow, place, Some(&armed)).await;
        let killed = self.killed(&mut process, place, expected).await;
        if killed.is_some_and(|status| status.signal().is_none()) {
            let log = process.log();
            return Outcome::Different(vec![format!("it ends by itself, {killed:?}: {log:#?}")]);
        }
        if killed.is_none() && !matches!(self.same(place, expected).await, Outcome::Same) {
            let log = process.log();
            return Outcome::Different(vec![format!("it neither ends nor gets there: {log:#?}")]);
        }
        process.kill();
        let process = self.operator(None);
        let outcome = self.same(place, expected).await;
        match (outcome, killed) {
            (Outcome::Same, None) => Outcome::NotPassed,
            (Outcome::Different(mut lines), _) => {
                let log = process.log();
                lines.push(format!("the next one passed {:?}", operator::passed(&log)));
                lines.extend(log.into_iter().filter(|line| !line.contains("TRACE")));
                Outcome::Different(lines)
            }
            (outcome, _) => outcome,
        }
    }

    /// How the process ended; `None` when it does not, and gets to the end of the flow or not in time.
    async fn killed(&self, process: &mut Process, place: &Place, expected: &Ended) -> Option<ExitStatus> {
        let end = Instant::now() + within(60);
        loop {
            // What it still has to write comes within this.
            let ended = process.ended(within(3)).await;
            if ended.is_some() || Instant::now() >= end {
                return ended;
            }
            if self.differs(place, expected).await.is_empty() {
                return process.ended(within(3)).await;
            }
        }
    }

    /// What is not as expected now.
    async fn differs(&self, place: &Place, expected: &Ended) -> Vec<String> {
        let mut lines = difference(&expected.state, &place.state().await);
        let runs = self.runs(place);
        if runs != expected.runs {
            lines.push(format!(
                "Jobs were run {runs:?} times instead of {:?}",
                expected.runs
            ));
        }
        lines
    }

    /// Waits until the end is the expected one.
    async fn same(&self, place: &Place, expected: &Ended) -> Outcome {
        let end = Instant::now() + within(60);
        loop {
            let lines = self.differs(place, expected).await;
            if lines.is_empty() {
                return Outcome::Same;
            }
            if Instant::now() >= end {
                return Outcome::Different(lines);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Takes everything away, so that later operators have as little to follow as the first one.
    async fn clean(&self, places: Vec<Place>) {
        let process = self.operator(None);
        for place in &places {
            // It may have gone in the flow.
            _ = place.fixture.apps().delete("app", &DeleteParams::default()).await;
        }
        join_all(places.iter().map(|place| place.done(Step::Delete))).await;
        process.kill();
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for place in &places {
            let crd = format!("gadgets.{}", place.group());
            _ = crds.delete(&crd, &DeleteParams::default()).await;
            for namespace in place.namespaces() {
                _ = namespaces.delete(&namespace, &DeleteParams::default()).await;
            }
        }
    }
}

/// Waits until a process leads, or was killed: what it finds under way can bring it to its point before that.
async fn leading_or_killed(process: &mut Process) {
    let end = Instant::now() + within(60);
    while process.ended(Duration::from_millis(100)).await.is_none() {
        match process.is_leading().await {
            Ok(()) => return,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    }
}

/// The first passes of a point and the last one.
fn kills(passes: &BTreeMap<&'static str, u64>) -> Vec<Kill> {
    let mut all = Vec::new();
    for (point, count) in passes {
        let chosen: BTreeSet<u64> = [1, 2, *count].into_iter().filter(|pass| pass <= count).collect();
        all.extend(chosen.into_iter().map(|pass| (*point, pass)));
    }
    all
}

/// Some of the kills, always the same ones.
fn some(kills: Vec<Kill>, count: usize) -> Vec<Kill> {
    let step = (kills.len() / count).max(1);
    kills
        .into_iter()
        .skip(step / 2)
        .step_by(step)
        .take(count)
        .collect()
}

/// What the kills at one point came to.
#[derive(Debug, Default)]
struct Tally {
    same: Vec<String>,
    not_passed: Vec<String>,
    different: Vec<String>,
}

/// Control planes on which flows are gone through at once: most of the time something is waited for.
const LANES: usize = 3;

/// Places that are made at once for the kills of a flow.
const PLACES: usize = 16;

/// What all lanes share.
struct Work {
    /// What of the kills is wanted: `CHAOS_POINT`.
    only_at: Option<String>,
    queue: Mutex<VecDeque<&'static Flow>>,
    results: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    tallies: BTreeMap<&'static str, Tally>,
    failures: Vec<String>,
}

impl Work {
    fn next(&self) -> Option<&'static Flow> {
        self.queue.lock().unwrap().pop_front()
    }

    fn kills(&self, passes: &BTreeMap<&'static str, u64>) -> Vec<Kill> {
        let all = kills(passes);
        let mut kills = if is_long() { all } else { some(all, 3) };
        if let Some(point) = &self.only_at {
            kills.retain(|(at, pass)| *at == point || format!("{at}#{pass}") == *point);
        }
        kills
    }

    fn note(&self, flow: &Flow, kill: Kill, outcome: Outcome) {
        let what = format!("{}#{}", flow.name, kill.1);
        let mut results = self.results.lock().unwrap();
        if let Outcome::Different(lines) = &outcome {
            let failure = format!("{what} at {}:\n  {}", kill.0, lines.join("\n  "));
            println!("{failure}");
            results.failures.push(failure);
        }
        let tally = results.tallies.entry(kill.0).or_default();
        match outcome {
            Outcome::Same => tally.same.push(what),
            Outcome::NotPassed => tally.not_passed.push(what),
            Outcome::Different(_) => tally.different.push(what),
        }
    }
}

/// Goes through flows as long as there are some.
async fn lane(chaos: &Chaos, work: &Work) {
    while let Some(flow) = work.next() {
        let begun = Instant::now();
        let (passes, expected) = chaos.undisturbed(flow).await;
        let kills = work.kills(&passes);
        // Operators go on with what is under way, wherever they are to be killed.
        let at_once = if flow.begins_under_way() { 1 } else { PLACES };
        for kills in kills.chunks(at_once) {
            let places = chaos.prepare(flow, kills.len()).await;
            for (kill, place) in kills.iter().zip(&places) {
                let outcome = chaos.kill(flow, place, *kill, &expected).await;
                work.note(flow, *kill, outcome);
            }
            chaos.clean(places).await;
        }
        let seconds = begun.elapsed().as_secs();
        println!("{}: {} kills in {seconds} s", flow.name, kills.len());
    }
}

/// The flows that `CHAOS_FLOW` names, or all of this form.
fn wanted() -> VecDeque<&'static Flow> {
    const SHORT: [&str; 4] = ["upgrade", "rollback", "uninstall", "taken-away"];
    let only = std::env::var("CHAOS_FLOW").ok();
    let is_wanted = |flow: &&Flow| match &only {
        Some(only) => only.split(',').any(|name| name == flow.name),
        None => is_long() || SHORT.contains(&flow.name),
    };
    flows::ALL.iter().filter(is_wanted).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_anywhere_is_not_missed() {
    let flows = wanted();
    let lanes = if is_long() { LANES.min(flows.len()) } else { 1 };
    let own = plane::own().await;
    let mut more = Vec::new();
    for _ in 1..lanes {
        more.push(plane::another(&own).await);
    }
    let work = Work {
        only_at: std::env::var("CHAOS_POINT").ok(),
        queue: Mutex::new(flows),
        results: Mutex::default(),
    };
    let planes = more.iter().chain([&own.plane]);
    // Each lane has a thread: starting a process holds it.
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for plane in planes {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Runtime::new().unwrap();
                    runtime.block_on(async { lane(&Chaos::on(plane).await, &work).await });
                });
            }
        });
    });
    let results = work.results.lock().unwrap();
    let Results { tallies, failures } = &*results;
    say(tallies);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if is_long() && std::env::var("CHAOS_FLOW").is_err() {
        let missed: Vec<_> = failpoints::ALL
            .iter()
            .filter(|point| tallies.get(*point).is_none_or(|tally| tally.same.is_empty()))
            .collect();
        assert!(missed.is_empty(), "no flow is killed at {missed:?}");
    }
}

fn say(tallies: &BTreeMap<&str, Tally>) {
    let (mut good, mut total, mut kills) = (0, 0, 0);
    for point in failpoints::ALL {
        let Some(tally) = tallies.get(point) else {
            continue;
        };
        total += 1;
        kills += tally.same.len() + tally.different.len();
        let fine = tally.different.is_empty() && !tally.same.is_empty();
        good += u32::from(fine);
        let mut line = format!("{point:24} {}", tally.same.join(" "));
        if !tally.not_passed.is_empty() {
            line.push_str(&format!(" (not passed: {})", tally.not_passed.join(" ")));
        }
        if !tally.different.is_empty() {
            line.push_str(&format!(" DIFFERENT: {}", tally.different.join(" ")));
        }
        println!("{line}");
    }
    println!("{kills} kills");
    println!("kill points: {good} of {total}");
}
