//! `helmapp test`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use helmapp_helm::hooks::speaker;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    cluster::{ClusterArguments, Connection},
    output,
    progress::{self, WaitArguments},
};
use crate::api::{HelmApp, TEST, TestRun, TestStatus};
use crate::cluster::{Error, Result, pods};

/// Run the tests of a HelmApp's deployed revision
///
/// Asks the operator to run them, waits, and prints how each went. spec.test says which run. Exit code 1 when one
/// failed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Name of the HelmApp
    name: String,
    /// Print the last lines of each test's pod as well
    #[arg(long)]
    logs: bool,
    #[command(flatten)]
    waiting: WaitArguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let connection = arguments.cluster.connect().await?;
    let name = &arguments.name;
    let app = connection.helmapp(name).await?;
    let words = Timestamp::now().to_string();
    let patch = json!({ "metadata": { "annotations": { TEST: words } } });
    connection
        .helmapps()
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .with_context(|| format!("cannot change the HelmApp {name}"))?;
    let ran = |app: &HelmApp| tested(app).is_some_and(|test| test.asked.as_ref() == Some(&words));
    progress::until_so(&connection, name, arguments.waiting, "tested", ran).await?;
    let app_now = connection.helmapp(name).await?;
    let test = tested(&app_now).cloned().unwrap_or_default();
    let mut text = told(name, &test);
    if arguments.logs {
        for test in &test.tests {
            text.push_str(&lines(&connection, app.target_namespace(), test).await);
        }
    }
    output::write(&text)?;
    let failed = test.tests.iter().any(|test| test.phase != "Succeeded");
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn tested(app: &HelmApp) -> Option<&TestStatus> {
    app.status.as_ref()?.test.as_ref()
}

/// What is printed of the tests that ran.
fn told(name: &str, test: &TestStatus) -> String {
    if test.tests.is_empty() {
        return format!("{name} has no tests in revision {}\n", test.revision);
    }
    let mut text = String::new();
    for run in &test.tests {
        let time = match (&run.started, &run.completed) {
            (Some(started), Some(completed)) => format!("  {} s", (completed.0 - started.0).get_seconds()),
            _ => String::new(),
        };
        let _ = writeln!(text, "{:9}  {} {}{time}", run.phase, run.kind, run.name);
    }
    text
}

/// The last lines of a test's pod. That there are none is said.
async fn lines(connection: &Connection, namespace: &str, test: &TestRun) -> String {
    let (client, name) = (&connection.client, test.name.as_str());
    let read = async {
        let all = match test.kind.as_str() {
            "Job" => pods::list(client, namespace, &format!("job-name={name}")).await?,
            _ => pod(client, namespace, name).await?,
        };
        match speaker(&all) {
            Some(log) => pods::log_tail(client, namespace, &log.pod, &log.container, log.previous).await,
            None => Ok("its pod is not there any more".to_owned()),
        }
    };
    let text: Result<String> = read.await;
    let text = text.unwrap_or_else(|error| error.to_string());
    format!("\n{} {name}:\n{}\n", test.kind, output::printable(&text))
}

async fn pod(client: &Client, namespace: &str, name: &str) -> Result<Vec<Value>> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|error| Error::from_kube(format!("read pod {namespace}/{name}"), error, false))?;
    Ok(found
        .into_iter()
        .filter_map(|pod| serde_json::to_value(pod).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn each_test_has_a_line() {
        let at = |second| Some(Time(Timestamp::from_second(second).unwrap()));
        let run = |name: &str, phase: &str| TestRun {
            kind: "Pod".to_owned(),
            name: name.to_owned(),
            phase: phase.to_owned(),
            started: at(10),
            completed: at(12),
        };
        let mut test = TestStatus {
            revision: 3,
            ..TestStatus::default()
        };
        assert_eq!(told("shop", &test), "shop has no tests in revision 3\n");
        test.tests = vec![run("ping", "Succeeded"), run("login", "Failed")];
        assert_eq!(
            told("shop", &test),
            "Succeeded  Pod ping  2 s\nFailed     Pod login  2 s\n"
        );
    }
}
