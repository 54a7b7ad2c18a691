//! A control plane starts, survives the loss of its API server, and ends with
//! whoever started it, leaving neither process nor file.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use helmapp::local::{Component, ControlPlane, Error};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, ListParams};
use serde_json::json;

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
    let started = std::time::Instant::now();
    let own = plane::own().await;
    println!("up after {:?}", started.elapsed());
    let client = own.plane.client().await.expect("a client");
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await.expect("nodes");
    assert_eq!(nodes.items.len(), 3);
    let version = client.apiserver_version().await.expect("a version");
    assert_eq!(version.git_version, "v1.36.3");

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

/// Run as a process of its own by the test below, which kills it.
#[tokio::test]
#[ignore = "a part of nothing_is_left_when_the_parent_is_killed"]
async fn hold_a_control_plane() {
    let own = plane::own().await;
    let plane: &ControlPlane = &own.plane;
    let line = json!({"processes": plane.processes(), "directory": plane.directory()});
    println!("\nheld: {line}");
    tokio::time::sleep(within(120)).await;
}

#[tokio::test]
async fn nothing_is_left_when_the_parent_is_killed() {
    let mut parent = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "lifetime::hold_a_control_plane",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let output = BufReader::new(parent.stdout.take().expect("a pipe"));
    let line = tokio::task::spawn_blocking(|| {
        let held = |line: Result<String, _>| line.ok()?.strip_prefix("held: ").map(str::to_owned);
        output.lines().find_map(held)
    })
    .await
    .expect("no panic")
    .expect("the control plane is up");
    #[derive(serde::Deserialize)]
    struct Held {
        processes: BTreeMap<String, u32>,
        directory: PathBuf,
    }
    let held: Held = serde_json::from_str(&line).expect("JSON");
    assert_eq!(traces(&held.processes, &held.directory).len(), 7, "{line}");
    kill(parent.id());
    parent.wait().expect("it ended");
    no_traces(&held.processes, &held.directory).await;
}
