//! Shells that complete what a person types, on a terminal.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::fixture::{CONFIG_MAP, Fixture};
use crate::support::{not_run, plane};

/// What a shell is started with, and its way to take the script.
struct Shell {
    name: &'static str,
    start: &'static str,
    source: &'static str,
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        start: "bash --norc --noprofile -i",
        source: "source <(helmapp completion bash)",
    },
    Shell {
        name: "zsh",
        start: "zsh -f -i",
        source: "autoload -U compinit && compinit -u -D && source <(helmapp completion zsh)",
    },
    Shell {
        name: "fish",
        start: "fish --no-config -i",
        source: "helmapp completion fish | source",
    },
];

fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => true,
        Ok(status) => {
            not_run(program, status);
            false
        }
        Err(error) => {
            not_run(program, error);
            false
        }
    }
}

/// Types lines into a shell on a terminal, and returns what is seen there.
fn typed(shell: &Shell, kubeconfig: &Path, lines: &[&str]) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_helmapp")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", shell.start, "/dev/null"])
        .env("PATH", path)
        .env("HOME", home.path())
        .env("TERM", "dumb")
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut keys = child.stdin.take().unwrap();
    // As fast as a person types: a shell that starts throws away what comes before it listens.
    for line in lines {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        keys.write_all(line.as_bytes()).unwrap();
        keys.flush().unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    keys.write_all(b"exit\n").unwrap();
    drop(keys);
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_complete_commands_and_names() {
    let fixture = Fixture::shared("shells").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "web-shop",
            json!({"chart": {"path": chart}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("web-shop").await;
    if !is_there("script") {
        return;
    }
    let kubeconfig = plane::shared().await.kubeconfig_path();
    let namespace = fixture.namespace.name.clone();
    for shell in &SHELLS {
        if !is_there(shell.name) {
            continue;
        }
        let source = format!("{}\n", shell.source);
        let command = format!("helmapp -n {namespace} \t").replace(" -n", " hist\t-n");
        let lines = [source.as_str(), command.as_str(), "\n"];
        let said = tokio::task::block_in_place(|| typed(shell, kubeconfig, &lines));
        // What was typed became a command line that says what it was asked for.
        assert!(
            said.contains("Install complete") && said.contains("web-shop"),
            "{}: {said}",
            shell.name
        );
    }
}
