//! An API server that fails at random while releases change; when it is well again, all of them get to where they
//! should be.

mod found;

use std::collections::BTreeMap;
use std::time::Duration;

use helmapp::local::{Component, ControlPlane};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fixture::{DEPLOYMENT, Fixture, install_crd, revision};
use crate::support::plane;
use crate::support::process::Process;
use crate::support::proxy::{Mode, Proxy, Random};
use crate::{is_long, operator};

use found::Found;

/// The seed unless `CHAOS_SEED` is another.
const SEED: u64 = 20_261_130;
/// Revisions that each release keeps.
const KEPT: usize = 5;
/// How long it may take once all is well: what fails is tried again after a minute at the latest.
const PATIENCE: Duration = Duration::from_secs(180);

const MAPS: &str = "\
{{- range $name := list \"a\" \"b\" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $name }}
  labels: {test/release: {{ $.Release.Name }}}
data:
  text: {{ $.Values.text }}
{{- end }}
{{- if .Values.more }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-more
  labels: {test/release: {{ .Release.Name }}}
data:
  text: {{ .Values.text }}
{{- end }}
";

/// What is asked of one release.
#[derive(Clone, Debug, Default)]
struct Asked {
    text: String,
    more: bool,
    /// Its Deployment's pods do not start.
    broken: bool,
    to_revision: Option<i64>,
    exists: bool,
}

impl Asked {
    /// The texts of the ConfigMaps that it asks for, by their names.
    fn maps(&self, app: &str) -> BTreeMap<String, String> {
        let names = ["a", "b", "more"].into_iter();
        let names = names.filter(|name| *name != "more" || self.more);
        names
            .map(|name| (format!("{app}-{name}"), self.text.clone()))
            .collect()
    }
}

struct Chaos {
    fixture: Fixture,
    /// A chart of ConfigMaps, and one with a Deployment.
    charts: [String; 2],
    releases: Vec<Asked>,
    random: Random,
    actions: BTreeMap<&'static str, u64>,
    /// Highest revision that was seen of each release in this life.
    seen: BTreeMap<String, i64>,
}

fn name(release: usize) -> String {
    format!("r{release:02}")
}

/// Whether it is there in the end.
fn stays(release: usize) -> bool {
    release % 10 != 7
}

/// Whether it is of the chart with a Deployment.
fn has_deployment(release: usize) -> bool {
    release.is_multiple_of(3)
}

impl Chaos {
    fn spec(&self, release: usize) -> Value {
        let asked = &self.releases[release];
        let (pod, timeout) = if asked.broken {
            ("crash-loop", "5s")
        } else {
            ("", "5m")
        };
        let rollback = asked.to_revision.map(|revision| json!({"toRevision": revision}));
        json!({
            "chart": {"path": self.charts[usize::from(has_deployment(release))]},
            "values": {"text": asked.text, "more": asked.more, "replicas": 1, "tag": asked.text, "pod": pod},
            "upgrade": {"timeout": timeout, "remediation": {"strategy": "rollback"}},
            "rollback": rollback,
            "maxHistory": KEPT,
        })
    }

    async fn ask(&mut self, release: usize, what: &'static str) {
        let spec = self.spec(release);
        match self.fixture.try_app(&name(release), spec).await {
            // It goes whatever is asked of it now.
            Ok(app) if app.metadata.deletion_timestamp.is_some() => {}
            Ok(_) => {
                self.releases[release].exists = true;
                *self.actions.entry(what).or_insert(0) += 1;
            }
            // While the API server restarts nothing can be asked for.
            Err(_) => {}
        }
    }

    /// Does something to one of the releases.
    async fn act(&mut self, number: usize) {
        let release = self.random.below(self.releases.len() as u64) as usize;
        let asked = &mut self.releases[release];
        match self.random.below(10) {
            0 if asked.exists => self.delete(release).await,
            1 | 2 if asked.exists => self.damage(release).await,
            3 if asked.exists => {
                let seen = self.seen.get(&name(release)).copied().unwrap_or(1);
                self.releases[release].to_revision = Some((seen - 1).max(1));
                self.ask(release, "rollback").await;
            }
            4 if asked.exists => {
                *asked = Asked {
                    text: format!("t{number}"),
                    broken: true,
                    ..asked.clone()
                };
                asked.to_revision = None;
                self.ask(release, "broken upgrade").await;
            }
            _ => {
                let more = self.random.below(2) == 0;
                self.releases[release] = Asked {
                    text: format!("t{number}"),
                    more,
                    exists: self.releases[release].exists,
                    ..Asked::default()
                };
                self.ask(release, "upgrade").await;
            }
        }
    }

    async fn delete(&mut self, release: usize) {
        let apps = self.fixture.apps();
        if apps
            .delete(&name(release), &DeleteParams::default())
            .await
            .is_ok()
        {
            self.releases[release] = Asked::default();
            self.seen.remove(&name(release));
            *self.actions.entry("deletion").or_insert(0) += 1;
        }
    }

    /// Changes an object of the release, or deletes it.
    async fn damage(&mut self, release: usize) {
        let maps: Api<ConfigMap> = self.fixture.namespace.api();
        let map = format!("{}-a", name(release));
        let done = if self.random.below(2) == 0 {
            maps.delete(&map, &DeleteParams::default()).await.is_ok()
        } else {
            let patch = Patch::Merge(json!({"data": {"text": "damaged"}}));
            maps.patch(&map, &PatchParams::default(), &patch).await.is_ok()
        };
        if done {
            *self.actions.entry("damage").or_insert(0) += 1;
        }
    }

    /// Notes how far the releases are.
    async fn look(&mut self) {
        let Ok(apps) = self.fixture.apps().list(&ListParams::default()).await else {
            return;
        };
        for app in apps {
            if app.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let newest = app.status.as_ref().map_or(0, revision);
            let seen = self.seen.entry(app.name_any()).or_insert(0);
            *seen = newest.max(*seen);
        }
    }

    /// Asks for the end: most releases are upgraded once more, some go.
    async fn end(&mut self) {
        for release in 0..self.releases.len() {
            if stays(release) {
                self.releases[release] = Asked {
                    text: format!("end-{release}"),
                    more: release.is_multiple_of(2),
                    exists: self.releases[release].exists,
                    ..Asked::default()
                };
                self.ask(release, "upgrade").await;
            } else if self.releases[release].exists {
                self.delete(release).await;
            }
        }
    }

    /// Asks once more for what could not be had, as a HelmApp was going.
    async fn ask_again(&mut self) {
        for release in 0..self.releases.len() {
            if stays(release) && !self.releases[release].exists {
                self.ask(release, "upgrade").await;
            }
        }
    }

    /// The releases that are not what is asked for, and why.
    fn wrong(&self, found: &Found) -> Vec<(usize, String)> {
        let all = self.releases.iter().enumerate();
        all.filter_map(|(release, asked)| {
            let seen = self.seen.get(&name(release)).copied();
            let why = found.wrong(release, asked, seen).err()?;
            Some((release, why))
        })
        .collect()
    }

    /// Waits until all releases are what is asked for.
    async fn converges(&mut self, supervised: &mut Supervised<'_>) {
        let end = Instant::now() + PATIENCE;
        loop {
            supervised.look().await;
            self.ask_again().await;
            let found = Found::read(&self.fixture).await.expect("what is there");
            let wrong = self.wrong(&found);
            if wrong.is_empty() {
                return;
            }
            if Instant::now() >= end {
                let log = supervised.process.log();
                for (release, why) in &wrong {
                    say(*release, why, &found, &log);
                }
                let names: Vec<String> = wrong.iter().map(|(release, _)| name(*release)).collect();
                panic!("not as asked for after {} s: {names:?}", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Every release has its companion, and no other has one.
    async fn has_companions(&self) {
        let found = Found::read(&self.fixture).await.expect("what is there");
        let all = self.releases.iter().enumerate();
        let there = all.filter(|(_, asked)| asked.exists);
        let expected: Vec<String> = there.map(|(release, _)| name(release)).collect();
        assert_eq!(found.companions(), expected);
    }
}

/// Says what there is of a release that is not as it should be, and what the operator said of it.
fn say(release: usize, why: &str, found: &Found, log: &[String]) {
    const LINES: usize = 60;
    let quoted = format!("\"{}\"", name(release));
    let of_release: Vec<&String> = log
        .iter()
        .filter(|line| line.contains(&quoted) && !line.contains("TRACE"))
        .collect();
    let last = &of_release[of_release.len().saturating_sub(LINES)..];
    println!("{}: {why}\n{}\n{last:#?}", name(release), found.told(release));
}

/// An operator that is started again when it ends.
struct Supervised<'a> {
    start: &'a dyn Fn() -> Process,
    process: Process,
    restarts: u32,
}

impl Supervised<'_> {
    async fn look(&mut self) {
        if let Some(status) = self.process.ended(Duration::ZERO).await {
            println!("the operator ended: {status}; {:#?}", self.process.log().last());
            self.process = (self.start)();
            self.restarts += 1;
        }
    }
}

async fn restart_api_server(plane: &ControlPlane) {
    plane.compact().await.expect("etcd is compacted");
    plane
        .stop_component(Component::ApiServer)
        .await
        .expect("it stops");
    plane
        .start_component(Component::ApiServer)
        .await
        .expect("it starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_fails_only_delays() {
    let (releases, seconds) = if is_long() { (50, 300) } else { (12, 20) };
    let pause = Duration::from_millis(250);
    let seconds = std::env::var("CHAOS_SECONDS").map_or(seconds, |text| text.parse().expect("a number"));
    let seed = std::env::var("CHAOS_SEED").map_or(SEED, |text| text.parse().expect("a number"));
    let own = plane::own().await;
    let plane = &own.plane;
    let client = plane.client().await.unwrap();
    install_crd(&client).await;
    let charts = tempfile::tempdir().unwrap();
    let fixture = Fixture::on(client, "faults", charts.path()).await;
    let names = [
        fixture.chart("maps", &[("templates/a.yaml", MAPS)]),
        fixture.chart(
            "both",
            &[("templates/a.yaml", MAPS), ("templates/b.yaml", DEPLOYMENT)],
        ),
    ];
    let proxy = Proxy::start(plane.client().await.unwrap(), seed).await;
    let kubeconfig = proxy.kubeconfig(charts.path());
    let start = || operator::start(&kubeconfig, charts.path(), None);
    let mut supervised = Supervised {
        process: start(),
        start: &start,
        restarts: 0,
    };
    let mut chaos = Chaos {
        fixture,
        charts: names,
        releases: vec![Asked::default(); releases],
        random: Random(seed),
        actions: BTreeMap::new(),
        seen: BTreeMap::new(),
    };

    proxy.set(Mode::Harm);
    let begun = Instant::now();
    let life = Duration::from_secs(seconds);
    let restart_at = match is_long() {
        true => vec![life / 3, life * 2 / 3],
        false => vec![life / 2],
    };
    let (mut restarts, mut number) = (0, 0);
    while begun.elapsed() < life {
        chaos.act(number).await;
        number += 1;
        if number.is_multiple_of(10) {
            chaos.look().await;
            supervised.look().await;
        }
        if restart_at.get(restarts).is_some_and(|at| begun.elapsed() >= *at) {
            restart_api_server(plane).await;
            restarts += 1;
        }
        tokio::time::sleep(pause).await;
    }
    chaos.look().await;
    chaos.end().await;
    proxy.set(Mode::Calm);
    let calm = Instant::now();
    chaos.converges(&mut supervised).await;
    let took = calm.elapsed();
    chaos.has_companions().await;

    let counts = proxy.counts();
    let passed = counts.get("passed on").copied().unwrap_or_default();
    let harmed: u64 = counts
        .iter()
        .filter(|(what, _)| *what != "passed on")
        .map(|(_, count)| count)
        .sum();
    println!("asked for: {:?}", chaos.actions);
    println!("done to requests: {counts:?}");
    println!(
        "faults: {harmed} of {} requests and watches harmed in {seconds} s, the API server restarted and etcd compacted {restarts} times, the operator started again {} times; {releases} of {releases} releases as asked for {} s later, seed {seed}",
        harmed + passed,
        supervised.restarts,
        took.as_secs()
    );
    assert!(harmed > seconds, "{counts:?}");
}
