//! Two operators, of which one is paused or cut off in the middle of what it does. Each thing is done once.

use std::time::Duration;

use helmapp::local::ControlPlane;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use serde_json::{Value, json};

use crate::fixture::{DEPLOYMENT, Fixture, install_crd, revision};
use crate::operator;
use crate::support::plane;
use crate::support::process::Process;
use crate::support::proxy::{Mode, Proxy};
use crate::support::wait::{eventually, within};

const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.tag }}
";

/// A Job before each upgrade.
const HOOK: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations:
    helm.sh/hook: pre-upgrade
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: registry.example.com/hook:{{ .Values.tag }}
";

/// What makes a process take part in the election.
const ELECTION: [(&str, &str); 4] = [
    ("HELMAPP_LEADER_ELECT", "true"),
    ("HELMAPP_LEASE_NAMESPACE", "default"),
    ("HELMAPP_LEASE_DURATION", "6s"),
    ("HELMAPP_LEASE_RENEW", "1s"),
];

fn spec(chart: &str, tag: &str) -> Value {
    json!({"chart": {"path": chart}, "values": {"tag": tag, "replicas": 1, "pod": ""}})
}

/// How often an object of this name was made, as the API server's audit log has it.
fn creations(plane: &ControlPlane, object: &str) -> usize {
    let log = std::fs::read_to_string(plane.audit_log()).expect("an audit log");
    log.lines()
        // Most lines are of others, and reading them takes its time.
        .filter(|line| line.contains(object))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| {
            let name = event.pointer("/objectRef/name").and_then(Value::as_str);
            let code = event.pointer("/responseStatus/code").and_then(Value::as_i64);
            let dry = event["requestURI"]
                .as_str()
                .is_some_and(|uri| uri.contains("dryRun"));
            event["verb"] == "create" && !dry && name == Some(object) && code == Some(201)
        })
        .count()
}

struct Pair {
    own: plane::OwnPlane,
    charts: tempfile::TempDir,
    fixture: Fixture,
    chart: String,
}

impl Pair {
    async fn new(test: &str) -> Self {
        let own = plane::own_with(|options| options.audit = true).await;
        let client = own.plane.client().await.unwrap();
        install_crd(&client).await;
        let charts = tempfile::tempdir().unwrap();
        let fixture = Fixture::on(client, test, charts.path()).await;
        let files = [
            ("templates/a.yaml", MAP),
            ("templates/b.yaml", DEPLOYMENT),
            ("templates/c.yaml", HOOK),
        ];
        let chart = fixture.chart("app", &files);
        Self {
            own,
            charts,
            fixture,
            chart,
        }
    }

    fn operator(&self, kubeconfig: &std::path::Path, name: &str, armed: Option<&str>) -> Process {
        let mut variables = ELECTION.to_vec();
        variables.push(("HELMAPP_IDENTITY", name));
        operator::start_with(kubeconfig, self.charts.path(), armed, &variables)
    }

    async fn app(&self, tag: &str) {
        self.fixture.app("app", spec(&self.chart, tag)).await;
    }

    /// Both objects are of this tag, and the Deployment's specification was written so often.
    async fn is(&self, tag: &str, writes: i64) {
        let maps: Api<ConfigMap> = self.fixture.namespace.api();
        let deployments: Api<Deployment> = self.fixture.namespace.api();
        eventually("the objects are as asked for", within(60), || async {
            let text = |error: kube::Error| error.to_string();
            let map = maps.get("app").await.map_err(text)?;
            let deployment = deployments.get("app").await.map_err(text)?;
            let generation = deployment.metadata.generation;
            let found = map.data.and_then(|mut data| data.remove("text"));
            let image = deployment
                .spec
                .and_then(|spec| spec.template.spec?.containers.pop()?.image);
            let image = image.unwrap_or_default();
            let so = found.as_deref() == Some(tag) && image.ends_with(tag) && generation == Some(writes);
            so.then_some(())
                .ok_or(format!("{found:?} {image} {generation:?}"))
        })
        .await;
    }

    /// Each of so many revisions was begun by one request, and the hook of each upgrade was made by one.
    fn begun_once(&self, count: i64) {
        for revision in 1..=count {
            let record = format!("sh.helm.release.v1.app.v{revision}");
            assert_eq!(creations(&self.own.plane, &record), 1, "{record}");
        }
        let hooks = creations(&self.own.plane, "app-before");
        assert_eq!(hooks as i64, count - 1, "hooks of upgrades");
    }

    /// So many revisions, and the last one deployed.
    async fn revisions_are(&self, count: i64) {
        let expected: Vec<(i64, String)> = (1..=count)
            .map(|number| {
                (
                    number,
                    if number == count { "deployed" } else { "superseded" }.to_owned(),
                )
            })
            .collect();
        eventually("the records are those of one operator", within(30), || async {
            let revisions = self.fixture.revisions("app").await;
            (revisions == expected)
                .then_some(())
                .ok_or(format!("{revisions:?}"))
        })
        .await;
    }
}

async fn holds(process: &Process) {
    eventually("the process is held at the point", within(30), || async {
        let log = process.log();
        let held = log.iter().any(|line| line.contains("\"held\""));
        held.then_some(()).ok_or(format!("{log:#?}"))
    })
    .await;
}

/// A process that was paused in the middle of an upgrade, and goes on with it long after another one has led, changes
/// nothing that the other one has made.
async fn is_paused_at(point: &str, test: &str) {
    let pair = Pair::new(test).await;
    let kubeconfig = pair.own.plane.kubeconfig_path();
    let first = pair.operator(kubeconfig, "first", None);
    first.leading().await;
    pair.app("one").await;
    pair.fixture.ready("app").await;
    assert_eq!(first.terminate().await.code(), Some(0));

    let mut paused = pair.operator(kubeconfig, "paused", Some(&format!("{point}=hold")));
    paused.leading().await;
    let second = pair.operator(kubeconfig, "second", None);
    pair.app("two").await;
    holds(&paused).await;
    paused.signal("STOP");
    second.leading().await;
    assert_eq!(revision(&pair.fixture.ready("app").await), 2);
    pair.is("two", 2).await;
    pair.revisions_are(2).await;
    pair.app("three").await;
    assert_eq!(revision(&pair.fixture.ready("app").await), 3);
    pair.is("three", 3).await;

    paused.signal("CONT");
    let ended = paused.ended(within(30)).await;
    assert!(ended.is_some_and(|status| status.code() == Some(1)), "{ended:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    pair.revisions_are(3).await;
    let maps: Api<ConfigMap> = pair.fixture.namespace.api();
    eventually(
        "what the paused one still wrote is put back",
        within(30),
        || async {
            let map = maps.get("app").await.map_err(|error| error.to_string())?;
            let text = map.data.and_then(|mut data| data.remove("text"));
            (text.as_deref() == Some("three"))
                .then_some(())
                .ok_or(format!("{text:?}"))
        },
    )
    .await;
    pair.fixture.ready("app").await;
    pair.begun_once(3);
    assert_eq!(second.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_does_nothing_twice() {
    is_paused_at("object.apply.before", "paused-leader").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_at_a_hook_runs_it_once() {
    is_paused_at("hook.create.after", "paused-hook").await;
}

/// A process that does not reach the API server any more ends before another one leads, and what it was at is ended
/// by that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_is_followed_by_another() {
    let pair = Pair::new("cut-leader").await;
    let proxy = Proxy::start(pair.own.plane.client().await.unwrap(), 1).await;
    let through = proxy.kubeconfig(pair.charts.path());
    let mut cut = pair.operator(&through, "cut", None);
    cut.leading().await;
    pair.app("one").await;
    pair.fixture.ready("app").await;
    let second = pair.operator(pair.own.plane.kubeconfig_path(), "second", None);
    proxy.set(Mode::Cut);
    pair.app("two").await;
    let ended = cut.ended(within(30)).await;
    assert!(ended.is_some_and(|status| status.code() == Some(1)), "{ended:?}");
    second.leading().await;
    assert_eq!(revision(&pair.fixture.ready("app").await), 2);
    pair.is("two", 2).await;
    pair.revisions_are(2).await;
    pair.begun_once(2);
    assert_eq!(second.terminate().await.code(), Some(0));
}
