//! A control plane starts, survives the loss of its API server, and ends with
//! whoever started it, leaving neither process nor file.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helmapp::api::HelmApp;
use helmapp::local::{Component, Error};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, ListParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;

use crate::support::metrics::Requests;
use crate::support::namespace::TestNamespace;
use crate::support::plane;
use crate::support::wait::{eventually, within};

fn runs(pid: u32) -> bool {
    let status = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    status.expect("kill can be run").success()
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("kill can be run").success());
}

fn traces(processes: &BTreeMap<String, u32>, directory: &Path) -> Vec<String> {
    let mut found: Vec<_> = processes
        .iter()
        .filter(|(_, pid)| runs(**pid))
        .map(|(name, _)| name.clone())
        .collect();
    if directory.exists() {
        found.push(directory.display().to_string());
    }
    found
}

async fn no_traces(processes: &BTreeMap<String, u32>, directory: &Path) {
    eventually("nothing left", within(30), || async {
        match traces(processes, directory) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
}

/// Starting, and stopping by request.
#[tokio::test]
async fn control_plane_starts_and_stops() {
    let own = plane::own_with(|options| {
        options.nodes = 2;
        options.audit = true;
    })
    .await;
    let client = own.plane.client().await.expect("a client");
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await.expect("nodes");
    assert_eq!(nodes.items.len(), 2);
    let version = client.apiserver_version().await.expect("a version");
    assert_eq!(version.git_version, "v1.36.3");

    let jane = own.plane.user_client("jane", &["system:masters"]).await;
    let namespace = TestNamespace::create(jane.expect("a client"), "audit").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}});
    namespace.apply(map).await;
    let mut asked = Requests::of_user(&own.plane, "jane");
    // As often as it took for the account to be there.
    asked.0.remove("get serviceaccounts");
    let expected = [("create namespaces", 1), ("patch configmaps", 1)];
    let expected = expected.map(|(what, count)| (what.to_owned(), count));
    assert_eq!(asked, Requests(expected.into()));

    let (processes, directory) = (own.plane.processes(), own.plane.directory().to_owned());
    assert_eq!(traces(&processes, &directory).len(), 7, "{processes:?}");
    own.plane.stop().await.expect("stopped");
    assert_eq!(traces(&processes, &directory), Vec::<String>::new());
}

#[tokio::test]
async fn api_server_comes_back_with_what_it_had_and_a_dead_component_ends_all() {
    let own = plane::own().await;
    let client = own.plane.client().await.expect("a client");
    let namespace = TestNamespace::create(client, "outage").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}});
    namespace.apply(map).await;
    let maps: Api<ConfigMap> = namespace.api();

    own.plane
        .stop_component(Component::ApiServer)
        .await
        .expect("stopped");
    maps.get("kept").await.expect_err("nobody serves");
    let again = own.plane.stop_component(Component::ApiServer).await;
    assert!(matches!(again, Err(Error::Request { .. })), "{again:?}");
    own.plane
        .start_component(Component::ApiServer)
        .await
        .expect("started");
    maps.get("kept").await.expect("served again");

    let (processes, directory) = (own.plane.processes(), own.plane.directory().to_owned());
    kill(processes["kube-scheduler"]);
    let last_words = own.plane.ended().await.to_string();
    assert!(last_words.contains("kube-scheduler ended"), "{last_words}");
    no_traces(&processes, &directory).await;
}

/// `helmapp dev` and the directory of its control plane.
fn dev() -> (Child, PathBuf) {
    let mut dev = Command::new(env!("CARGO_BIN_EXE_helmapp"))
        .arg("dev")
        .stdout(Stdio::piped())
        .spawn()
        .expect("helmapp runs");
    let output = BufReader::new(dev.stdout.take().expect("a pipe"));
    let kubeconfig = output
        .lines()
        .find_map(|line| Some(line.ok()?.strip_prefix("export KUBECONFIG=")?.to_owned()))
        .expect("the control plane is up");
    let directory = Path::new(&kubeconfig).parent().expect("a directory");
    (dev, directory.to_owned())
}

async fn client(directory: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(directory.join("admin.kubeconfig")).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    kube::Client::try_from(config.expect("a configuration")).expect("a client")
}

/// The processes that have the directory in their command line, or that the
/// process with this id started.
fn processes(directory: &Path, parent: u32) -> BTreeMap<String, u32> {
    let list = Command::new("ps")
        .args(["-A", "-ww", "-o", "pid=,ppid=,args="])
        .output()
        .expect("ps can be run");
    let list = String::from_utf8(list.stdout).expect("text");
    let ours = list.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (pid, ppid) = (words.next()?.parse().ok()?, words.next()?.parse::<u32>().ok()?);
        let component = words.nth(1)?.to_owned();
        let named = line.contains(directory.to_str()?);
        (named || ppid == parent).then_some((component, pid))
    });
    ours.collect()
}

#[tokio::test]
async fn nothing_is_left_when_the_parent_is_killed() {
    let _turn = plane::turn().await;
    let (mut dev, directory) = tokio::task::spawn_blocking(dev).await.expect("no panic");
    let processes = processes(&directory, dev.id());
    assert_eq!(traces(&processes, &directory).len(), 7, "{processes:?}");
    kill(dev.id());
    dev.wait().expect("it ended");
    no_traces(&processes, &directory).await;
}

#[tokio::test]
async fn nothing_is_left_when_the_supervisor_is_killed() {
    let _turn = plane::turn().await;
    let (mut dev, directory) = tokio::task::spawn_blocking(dev).await.expect("no panic");
    let mut processes = processes(&directory, dev.id());
    let supervisor = processes.remove("up").expect("the supervisor runs");
    kill(supervisor);
    let status = tokio::task::spawn_blocking(move || dev.wait());
    let status = status.await.expect("no panic").expect("it ended");
    assert_eq!(status.code(), Some(1));
    no_traces(&processes, &directory).await;
}

/// A chart's server that never answers keeps a reconcile under way.
#[tokio::test]
async fn dev_that_is_told_twice_does_not_wait() {
    let _turn = plane::turn().await;
    let (mut dev, directory) = tokio::task::spawn_blocking(dev).await.expect("no panic");
    let processes = processes(&directory, dev.id());
    let server = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = server.local_addr().expect("an address");
    let app = json!({
        "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
        "metadata": {"name": "app"}, "spec": {"chart": {"url": format!("http://{address}/app.tgz")}},
    });
    let apps: Api<HelmApp> = Api::namespaced(client(&directory).await, "default");
    let app = serde_json::from_value(app).expect("a HelmApp");
    apps.create(&PostParams::default(), &app).await.expect("created");
    let asked = tokio::time::timeout(within(30), server.accept()).await;
    let _connection = asked.expect("in time").expect("a connection");

    let interrupt = || {
        let told = Command::new("kill")
            .args(["-INT", &dev.id().to_string()])
            .status();
        assert!(told.expect("kill can be run").success());
    };
    interrupt();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(runs(processes["up"]), "it waits for what is under way");
    let began = Instant::now();
    interrupt();
    let status = tokio::task::spawn_blocking(move || dev.wait());
    let status = status.await.expect("no panic").expect("it ended");
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < within(5), "{:?}", began.elapsed());
    assert_eq!(traces(&processes, &directory), Vec::<String>::new());
}

#[tokio::test]
async fn dev_serves_the_crd_and_ends_when_it_is_told() {
    let _turn = plane::turn().await;
    let (mut dev, directory) = tokio::task::spawn_blocking(dev).await.expect("no panic");
    let processes = processes(&directory, dev.id());
    let apps: Api<HelmApp> = Api::all(client(&directory).await);
    let apps = apps
        .list(&ListParams::default())
        .await
        .expect("HelmApps are served");
    assert_eq!(apps.items.len(), 0);

    let told = Command::new("kill").arg(dev.id().to_string()).status();
    assert!(told.expect("kill can be run").success());
    let status = tokio::task::spawn_blocking(move || dev.wait());
    let status = status.await.expect("no panic").expect("it ended");
    assert!(status.success(), "{status}");
    assert_eq!(traces(&processes, &directory), Vec::<String>::new());
}
