//! An API server that fails at random while releases change; when it is well again, all of them get to where they
//! should be.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use helmapp::local::{Component, ControlPlane};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fixture::{DEPLOYMENT, Fixture, condition, install_crd, revision};
use crate::support::not_run;
use crate::support::plane;
use crate::support::process::Process;
use crate::support::proxy::{Mode, Proxy, Random};
use crate::support::wait::{eventually, within};
use crate::{is_long, operator};

/// The seed unless `CHAOS_SEED` is another.
const SEED: u64 = 20_261_130;
/// Revisions that each release keeps.
const KEPT: usize = 5;

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
            "chart": {"path": self.charts[usize::from(release.is_multiple_of(3))]},
            "values": {"text": asked.text, "more": asked.more, "replicas": 1, "tag": asked.text, "pod": pod},
            "upgrade": {"timeout": timeout, "remediation": {"strategy": "rollback"}},
            "rollback": rollback,
            "maxHistory": KEPT,
        })
    }

    async fn ask(&mut self, release: usize, what: &'static str) {
        let spec = self.spec(release);
        // While the API server restarts nothing can be asked for.
        if self.fixture.try_app(&name(release), spec).await.is_ok() {
            self.releases[release].exists = true;
            *self.actions.entry(what).or_insert(0) += 1;
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

    /// Asks for the end: most releases are upgraded once more, some are rolled back, some go.
    async fn end(&mut self) {
        for release in 0..self.releases.len() {
            match release % 10 {
                7 if self.releases[release].exists => self.delete(release).await,
                7 => {}
                _ => {
                    self.releases[release] = Asked {
                        text: format!("end-{release}"),
                        more: release.is_multiple_of(2),
                        exists: true,
                        ..Asked::default()
                    };
                    self.ask(release, "upgrade").await;
                }
            }
        }
    }

    /// What keeps a release from being what is asked for.
    async fn wrong(&self, release: usize) -> Result<(), String> {
        let (app, asked) = (name(release), &self.releases[release]);
        let text = |error: kube::Error| error.to_string();
        let found = self.fixture.apps().get_opt(&app).await.map_err(text)?;
        let maps: Api<ConfigMap> = self.fixture.namespace.api();
        let of_release = ListParams::default().labels(&format!("test/release={app}"));
        let maps = maps.list(&of_release).await.map_err(text)?;
        let maps: BTreeMap<String, String> = maps
            .into_iter()
            .map(|map| {
                let text = map.data.clone().and_then(|mut data| data.remove("text"));
                (map.name_any(), text.unwrap_or_default())
            })
            .collect();
        let revisions = self.revisions(&app).await.map_err(text)?;
        let Some(found) = found else {
            let gone = !asked.exists && maps.is_empty() && revisions.is_empty();
            return gone
                .then_some(())
                .ok_or(format!("it is gone: {maps:?} {revisions:?}"));
        };
        if !asked.exists {
            return Err(format!(
                "it is there: {:?}",
                found.status.map(|status| status.conditions)
            ));
        }
        let ready = condition(&found, "Ready");
        let observed = found
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        if observed != found.metadata.generation || ready.is_none_or(|ready| ready.status != "True") {
            return Err(format!("{ready:?} {revisions:?}"));
        }
        let names = ["a", "b", "more"]
            .into_iter()
            .filter(|name| *name != "more" || asked.more);
        let expected: BTreeMap<String, String> = names
            .map(|name| (format!("{app}-{name}"), asked.text.clone()))
            .collect();
        if maps != expected {
            return Err(format!("{maps:?} instead of {expected:?}"));
        }
        self.has_all(&app, &revisions)?;
        if release.is_multiple_of(3) {
            let deployments: Api<Deployment> = self.fixture.namespace.api();
            let deployment = deployments.get(&app).await.map_err(text)?;
            let image = deployment
                .spec
                .and_then(|spec| spec.template.spec?.containers.pop()?.image);
            let expected = format!("registry.example.com/app:{}", asked.text);
            if image.as_deref() != Some(expected.as_str()) {
                return Err(format!("{image:?}"));
            }
        }
        Ok(())
    }

    /// No revision is missing but those that are too many, and the newest one is deployed.
    fn has_all(&self, app: &str, revisions: &[(i64, String)]) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {revisions:?}"));
        let Some((newest, _)) = revisions.last() else {
            return wrong("no revision");
        };
        if self.seen.get(app).is_some_and(|seen| newest < seen) {
            return wrong("a revision that was seen is lost");
        }
        if revisions.windows(2).any(|pair| pair[1].0 != pair[0].0 + 1) {
            return wrong("a revision is missing");
        }
        if revisions.len() > KEPT || revisions.len() < KEPT && revisions[0].0 != 1 {
            return wrong("not as many as are kept");
        }
        let ended = revisions
            .iter()
            .rev()
            .enumerate()
            .all(|(age, (_, status))| match age {
                0 => status == "deployed",
                _ => status == "superseded" || status == "failed",
            });
        ended.then_some(()).ok_or(format!("not ended: {revisions:?}"))
    }

    async fn revisions(&self, app: &str) -> kube::Result<Vec<(i64, String)>> {
        let secrets: Api<Secret> = self.fixture.namespace.api();
        let of_release = ListParams::default().labels(&format!("owner=helm,name={app}"));
        let list = secrets.list_metadata(&of_release).await?;
        let mut revisions: Vec<(i64, String)> = list
            .into_iter()
            .map(|secret| {
                let label = |name: &str| secret.labels().get(name).cloned().unwrap_or_default();
                (label("version").parse().unwrap_or_default(), label("status"))
            })
            .collect();
        revisions.sort();
        Ok(revisions)
    }
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
    if !is_long() {
        not_run(
            "faults",
            "a release of this run does not always come back in time; `make chaos` has it",
        );
        return;
    }
    let (releases, seconds, pause) = (50, 300, 250);
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
    let restart_at = [life / 3, life * 2 / 3];
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
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    chaos.look().await;
    chaos.end().await;
    proxy.set(Mode::Calm);
    let calm = Instant::now();
    let all = 0..chaos.releases.len();
    let wait = within(180);
    join_all(all.map(|release| {
        let chaos = &chaos;
        let what = format!("{} converges", name(release));
        async move { eventually(&what, wait, || chaos.wrong(release)).await }
    }))
    .await;
    supervised.look().await;
    let took = calm.elapsed();
    companions(&chaos).await;

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

/// Every release has its companion, and no other has one.
async fn companions(chaos: &Chaos) {
    let secrets: Api<Secret> = chaos.fixture.namespace.api();
    let list = secrets.list_metadata(&ListParams::default()).await.unwrap();
    let found: Vec<String> = list
        .into_iter()
        .map(|secret| secret.name_any())
        .filter(|name| name.starts_with("helmapp.v1."))
        .collect();
    let there = chaos
        .releases
        .iter()
        .enumerate()
        .filter(|(_, asked)| asked.exists);
    let expected: Vec<String> = there
        .map(|(release, _)| format!("helmapp.v1.{}", name(release)))
        .collect();
    assert_eq!(found, expected);
}
