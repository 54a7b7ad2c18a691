//! The programs, as a person uses them.

use std::path::PathBuf;
use std::process::{Command, Output};

use helmapp_oracle::{Program, binary};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::fixture::Fixture;
use crate::support::plane;

/// A version of Helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Three,
    Four,
}

impl Version {
    pub const BOTH: [Version; 2] = [Version::Three, Version::Four];

    pub fn number(self) -> u8 {
        match self {
            Version::Three => 3,
            Version::Four => 4,
        }
    }
}

/// Helm's program, for one namespace.
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    home: TempDir,
}

impl Helm {
    pub async fn new(version: Version, fixture: &Fixture) -> Self {
        let program = match version {
            Version::Three => Program::Helm3Cli,
            Version::Four => Program::Helm4Cli,
        };
        Self {
            // Building it takes minutes the first time.
            program: spawn_blocking(move || binary(program))
                .await
                .expect("Helm builds"),
            kubeconfig: plane::shared().await.kubeconfig_path().to_owned(),
            namespace: fixture.namespace.name.clone(),
            home: tempfile::tempdir().expect("a directory"),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .envs(["CACHE", "CONFIG", "DATA"].map(|what| {
                let home = self.home.path().join(what.to_lowercase());
                (format!("HELM_{what}_HOME"), home)
            }))
            .args(arguments)
            .args(["--namespace", &self.namespace]);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let output = spawn_blocking(move || command.output()).await;
        output.expect("it ends").expect("Helm runs")
    }

    /// What it prints; it must succeed.
    pub async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let out = String::from_utf8(output.stdout).expect("text");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {out}{errors}");
        out
    }

    /// What it says when it fails, as it must.
    pub async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success(), "{arguments:?}: {out}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// What `get` prints. Of `get all` version 4 has the description as well.
    pub async fn gets(&self, arguments: &[&str]) -> String {
        let text = self.says(&[&["get"], arguments].concat()).await;
        let lines = text.split_inclusive('\n');
        lines.filter(|line| !line.starts_with("DESCRIPTION: ")).collect()
    }

    pub async fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.says(&arguments).await).expect("JSON")
    }

    /// The stored revisions and their states, oldest first.
    pub async fn history(&self, release: &str) -> Vec<(i64, String)> {
        let revisions = self.json(&["history", release]).await;
        let revisions = revisions.as_array().expect("a list").iter();
        let entry = |one: &Value| {
            let status = one["status"].as_str().expect("a status").to_owned();
            (one["revision"].as_i64().expect("a number"), status)
        };
        revisions.map(entry).collect()
    }
}

/// What our own program prints for the HelmApps of the namespace; it must succeed.
pub async fn helmapp(fixture: &Fixture, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helmapp"));
    command
        .env("KUBECONFIG", plane::shared().await.kubeconfig_path())
        .args(arguments)
        .args(["-n", &fixture.namespace.name]);
    let output = spawn_blocking(move || command.output()).await;
    let output = output.expect("it ends").expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// Texts of a word and a number, so that revisions can be told apart.
pub fn word(revision: i64, status: &str) -> (i64, String) {
    (revision, status.to_owned())
}
