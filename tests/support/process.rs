//! `helmapp run` as a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::wait::{eventually, within};

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// An operator's process, killed when this is dropped.
pub struct Process {
    child: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `program run` with nothing but these variables, a kubeconfig and a free port for its server,
    /// and waits until that listens.
    pub fn start(program: &Path, kubeconfig: &Path, variables: &[(String, String)]) -> Self {
        let mut child = Command::new(program)
            .arg("run")
            .env_clear()
            .envs(variables.iter().cloned())
            .env("KUBECONFIG", kubeconfig)
            .env("HELMAPP_LISTEN", "127.0.0.1:0")
            .env("HELMAPP_LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the operator starts");
        let stderr = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (listens, address) = mpsc::channel();
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["message"] == "serving metrics and probes" {
                    let address = entry["address"].as_str().unwrap_or_default().to_owned();
                    // Only the first is waited for.
                    let _ = listens.send(address);
                }
                lines.lock().expect("a log").push(line);
            }
        });
        let Ok(address) = address.recv_timeout(within(60)) else {
            let _ = child.kill();
            panic!("the operator does not listen; its log: {:#?}", log.lock());
        };
        Self { child, address, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged, a line each.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("a log").clone()
    }

    /// What its server says to a GET: status and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let text = |error: reqwest::Error| error.to_string();
        let url = format!("http://{}{path}", self.address);
        let response = reqwest::get(url).await.map_err(text)?;
        Ok((response.status().as_u16(), response.text().await.map_err(text)?))
    }

    /// Whether its metrics say that it acts.
    pub async fn leads(&self) -> Result<bool, String> {
        let (_, metrics) = self.get("/metrics").await?;
        Ok(metrics.lines().any(|line| line == "helmapp_leader 1"))
    }

    /// Waits until it acts and all its watches are listed.
    pub async fn leading(&self) {
        eventually("the operator leads and is ready", within(60), || {
            self.is_leading()
        })
        .await;
    }

    /// Whether it acts and all its watches are listed.
    ///
    /// # Errors
    /// It does not yet.
    pub async fn is_leading(&self) -> Result<(), String> {
        let (leads, ready) = (self.leads().await?, self.get("/readyz").await?.0);
        if leads && ready == 200 {
            Ok(())
        } else {
            Err(format!("leads {leads}, readyz {ready}; log: {:#?}", self.log()))
        }
    }

    /// How it ended, if it did in time.
    pub async fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return Some(status),
                None if Instant::now() >= end => return None,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Sends a signal: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(sent.expect("kill can be run").success());
    }

    /// Ends it as a crash does: SIGKILL, from one moment to the next.
    pub fn kill(self) {
        drop(self);
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        let child = Mutex::new(&mut self.child);
        eventually("the operator ends", within(40), || async {
            let ended = child.lock().expect("a child").try_wait();
            ended
                .map_err(|error| error.to_string())?
                .ok_or_else(|| "it runs".to_owned())
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
