//! The real kubectl: what it prints of HelmApps, how it installs the operator, and how it completes our plugin.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::fixture::{CONFIG_MAP, Fixture};
use crate::support::{not_run, plane};

/// Whether there is a kubectl; says so where there is none.
fn is_there() -> bool {
    match Command::new("kubectl").args(["version", "--client"]).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            not_run("kubectl", String::from_utf8_lossy(&output.stderr).trim());
            false
        }
        Err(error) => {
            not_run("kubectl", error);
            false
        }
    }
}

async fn kubectl(kubeconfig: &Path, path: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new("kubectl");
    command
        .env("KUBECONFIG", kubeconfig)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(path) = path {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(path.to_owned()).chain(std::env::split_paths(&paths));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .expect("kubectl runs")
}

async fn says(kubeconfig: &Path, arguments: &[&str]) -> String {
    text(arguments, kubectl(kubeconfig, None, arguments).await)
}

fn text(arguments: &[&str], output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{errors}");
    said
}

fn cells(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_what_runs_and_explains_the_fields() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::shared("kubectl").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "good",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.app("none", json!({"chart": {"path": "nowhere"}})).await;
    fixture.ready("good").await;
    fixture.refused("none", "ChartNotFound").await;
    let plane = plane::shared().await;
    let (kubeconfig, namespace) = (plane.kubeconfig_path(), fixture.namespace.name.as_str());
    for kind in ["helmapps", "helmapp", "ha", "helmapps.helmapp.io"] {
        let said = says(kubeconfig, &["get", kind, "-n", namespace]).await;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            cells(lines[0]),
            ["NAME", "CHART", "VERSION", "REVISION", "READY", "STATUS", "AGE"],
            "{said}"
        );
        let good = cells(lines[1]);
        assert_eq!(good[..5], ["good", "app", "1.2.3", "1", "True"], "{said}");
        assert_eq!(good[5], "Install succeeded: app 1.2.3, revision 1", "{said}");
        assert!(good[6].ends_with('s'), "an age: {said}");
        let bad = cells(lines[2]);
        assert_eq!((bad[0], bad[1]), ("none", "False"), "{said}");
        assert!(bad[2].contains("nowhere"), "{said}");
    }
    let said = says(kubeconfig, &["explain", "helmapp.spec.rollback.toRevision"]).await;
    assert!(
        said.contains("toRevision <integer>") && said.contains("DESCRIPTION:"),
        "{said}"
    );
    let said = says(kubeconfig, &["explain", "ha.spec", "--recursive"]).await;
    for field in [
        "valuesFrom",
        "serviceAccountName",
        "remediation",
        "deletionPropagation",
    ] {
        assert!(said.contains(field), "{field} in: {said}");
    }
    let condition = "--for=condition=Ready";
    says(
        kubeconfig,
        &["wait", "ha/good", condition, "--timeout=10s", "-n", namespace],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_takes_a_file_as_kubectl_does() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::shared("applied").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let charts = fixture.charts.display().to_string();
    let kubeconfig = plane::shared().await.kubeconfig_path();
    let namespace = fixture.namespace.name.as_str();
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let path = file.path().display().to_string();
    let write = |name: &str, values: serde_json::Value| {
        let app = json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": name},
            "spec": {"chart": {"path": chart}, "values": values},
        });
        std::fs::write(file.path(), app.to_string()).unwrap();
    };
    for (name, how) in [
        ("client", "--server-side=false"),
        ("server", "--server-side=true"),
    ] {
        write(name, json!({"text": "one", "dropped": true}));
        says(kubeconfig, &["apply", how, "-f", &path, "-n", namespace]).await;
        fixture.ready(name).await;
        write(name, json!({"other": "two"}));
        let said = crate::cli::says(&fixture, &["diff", &path, "--chart-dir", &charts]).await;
        assert!(said.contains("-  text: one\n+  text: \"\"\n"), "{how}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_installs_the_operator_by_kustomize() {
    if !is_there() {
        return;
    }
    let own = plane::own().await;
    let kubeconfig = own.plane.kubeconfig_path();
    let built = says(kubeconfig, &["kustomize", "deploy/kustomize"]).await;
    let kinds = |kind: &str| {
        built
            .lines()
            .filter(|line| *line == format!("kind: {kind}"))
            .count()
    };
    assert_eq!((kinds("CustomResourceDefinition"), kinds("Deployment")), (1, 1));
    assert!(built.contains("image: helmapp:0.1.0\n"), "{built}");

    let apply = ["apply", "--server-side", "-k", "deploy/kustomize"];
    let first = says(kubeconfig, &apply).await;
    assert_eq!(
        first.lines().count(),
        built.matches("\nkind: ").count(),
        "{first}"
    );
    assert!(
        first.lines().all(|line| line.ends_with(" serverside-applied")),
        "{first}"
    );
    let crd = "crd/helmapps.helmapp.io";
    says(
        kubeconfig,
        &["wait", crd, "--for=condition=Established", "--timeout=30s"],
    )
    .await;
    // Once more changes nothing.
    let version = [
        "get",
        "deployment",
        "helmapp",
        "-n",
        "helmapp-system",
        "-o",
        "jsonpath={.metadata.generation}",
    ];
    let generation = says(kubeconfig, &version).await;
    says(kubeconfig, &apply).await;
    assert_eq!(says(kubeconfig, &version).await, generation);
    let said = says(kubeconfig, &["diff", "--server-side", "-k", "deploy/kustomize"]).await;
    assert_eq!(said, "", "nothing differs");
    let can = [
        "auth",
        "can-i",
        "patch",
        "helmapps/status",
        "--as=system:serviceaccount:helmapp-system:helmapp",
        "-A",
    ];
    assert_eq!(says(kubeconfig, &can).await, "yes\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_the_plugin() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::shared("plugin").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "shop",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("shop").await;
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("kubectl-helmapp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_helmapp"), &plugin).unwrap();
    let script = Command::new(&plugin)
        .args(["completion", "kubectl"])
        .output()
        .unwrap();
    let file = directory.path().join("kubectl_complete-helmapp");
    std::fs::write(&file, script.stdout).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&file, executable).unwrap();
    let kubeconfig = plane::shared().await.kubeconfig_path();
    let namespace = fixture.namespace.name.as_str();
    let table: &[(&[&str], &str)] = &[
        (&["__complete", "helmapp", "roll"], "rollback\t"),
        (
            &["__complete", "helmapp", "status", "-n", namespace, ""],
            "shop\n",
        ),
        (
            &["__complete", "helmapp", "rollback", "-n", namespace, "shop", ""],
            "1\tapp 1.2.3, deployed\n",
        ),
        (&["__complete", "helmapp", "status", "-n", "plu"], namespace),
    ];
    for (arguments, expected) in table {
        let output = kubectl(kubeconfig, Some(directory.path()), arguments).await;
        let said = text(arguments, output);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(said.trim_end().ends_with(":4"), "no files: {said}");
    }
    let listed = kubectl(
        kubeconfig,
        Some(directory.path()),
        &["helmapp", "list", "-n", namespace],
    )
    .await;
    assert!(text(&["helmapp", "list"], listed).contains("shop   app"));
}
