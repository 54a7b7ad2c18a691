//! Waiting for a HelmApp, and saying on a terminal what it does meanwhile.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::Context as _;
use futures::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::{cluster::Connection, explain, output};
use crate::api::{HelmApp, conditions};

/// How long to wait, for each command that can.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct WaitArguments {
    /// How long to wait, such as 90s or 10m
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, crate::api::DurationError> {
    text.parse::<crate::api::Duration>().map(Duration::from)
}

/// What a HelmApp's status says of the spec that it was made for.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Ready,
    Stalled(String),
    Working(String),
}

fn state(app: &HelmApp) -> State {
    let seen = app.status.as_ref().and_then(|status| status.observed_generation);
    if seen != app.metadata.generation {
        return State::Working("waiting for the operator to see the new spec".to_owned());
    }
    let is_true = |kind| app.condition(kind).filter(|condition| condition.status == "True");
    if let Some(stalled) = is_true(conditions::STALLED) {
        return State::Stalled(format!("{}: {}", stalled.reason, stalled.message));
    }
    if is_true(conditions::READY).is_some() {
        return State::Ready;
    }
    let message = app
        .condition(conditions::READY)
        .map(|ready| ready.message.clone());
    State::Working(message.unwrap_or_else(|| "waiting for the operator".to_owned()))
}

/// Waits until the HelmApp is ready and `also` holds; fails when what is asked for stalls or the time is over.
pub(super) async fn until_settled(
    connection: &Connection,
    name: &str,
    waiting: WaitArguments,
    also: impl Fn(&HelmApp) -> bool,
) -> anyhow::Result<()> {
    let judge = |app: Option<HelmApp>| {
        let Some(app) = app else {
            return Step::Fail(format!("the HelmApp {name} was deleted while we waited for it"));
        };
        match state(&app) {
            State::Ready if also(&app) => Step::Done,
            State::Ready => Step::Wait("waiting for the operator".to_owned()),
            State::Stalled(why) => Step::Fail(format!("{name} will not become ready as it is: {why}")),
            State::Working(what) => Step::Wait(what),
        }
    };
    follow(connection, name, waiting, "ready", judge).await
}

/// Waits until the HelmApp is so, whatever else it says of itself.
pub(super) async fn until_so(
    connection: &Connection,
    name: &str,
    waiting: WaitArguments,
    wanted: &str,
    so: impl Fn(&HelmApp) -> bool,
) -> anyhow::Result<()> {
    let judge = |app: Option<HelmApp>| match app {
        None => Step::Fail(format!("the HelmApp {name} was deleted while we waited for it")),
        Some(app) if so(&app) => Step::Done,
        Some(app) => {
            let said = [conditions::TEST_SUCCEEDED, conditions::READY].map(|kind| app.condition(kind));
            let said = said
                .into_iter()
                .flatten()
                .find(|condition| condition.status != "True");
            Step::Wait(
                said.map(|condition| condition.message.clone())
                    .unwrap_or_default(),
            )
        }
    };
    follow(connection, name, waiting, wanted, judge).await
}

/// Waits until the HelmApp is gone.
pub(super) async fn until_gone(
    connection: &Connection,
    name: &str,
    waiting: WaitArguments,
) -> anyhow::Result<()> {
    let judge = |app: Option<HelmApp>| match app {
        None => Step::Done,
        Some(app) => {
            let ready = app.condition(conditions::READY);
            Step::Wait(ready.map(|ready| ready.message.clone()).unwrap_or_default())
        }
    };
    follow(connection, name, waiting, "gone", judge).await
}

/// What a change of the HelmApp means for the wait.
enum Step {
    Done,
    Fail(String),
    Wait(String),
}

/// Watches the HelmApp until `judge` has seen enough or the time is over. An API server that goes away and comes back
/// does not end the wait.
async fn follow(
    connection: &Connection,
    name: &str,
    waiting: WaitArguments,
    wanted: &str,
    judge: impl Fn(Option<HelmApp>) -> Step,
) -> anyhow::Result<()> {
    let mut line = Line::default();
    let mut last = String::new();
    let watching = async {
        let changes = watcher::watch_object(connection.helmapps(), name).default_backoff();
        let mut changes = std::pin::pin!(changes);
        while let Some(change) = changes.next().await {
            match change {
                Ok(app) => match judge(app) {
                    Step::Done => return Ok(()),
                    Step::Fail(why) => anyhow::bail!("{why}"),
                    Step::Wait(what) => last = what,
                },
                Err(error) if is_final(&error) => return Err(error).context("cannot watch the HelmApp"),
                Err(error) => {
                    let error = anyhow::Error::from(error).context("the API server does not answer");
                    last = explain::explain(&error);
                }
            }
            line.show(name, &last);
        }
        anyhow::bail!("the watch of the HelmApp {name} ended")
    };
    let result = tokio::time::timeout(waiting.timeout, watching).await;
    line.clear();
    match result {
        Ok(result) => result,
        Err(_) => {
            let limit = crate::api::Duration(waiting.timeout);
            anyhow::bail!("{name} is not {wanted} after {limit}: {last}")
        }
    }
}

/// No right, no such kind: asking again would not help.
fn is_final(error: &watcher::Error) -> bool {
    matches!(explain::code(error), Some(401 | 403 | 404 | 405))
}

/// One line on stderr: rewritten in place on a terminal, a new one for each change elsewhere.
#[derive(Default)]
struct Line {
    shown: String,
}

impl Line {
    fn show(&mut self, name: &str, what: &str) {
        let text = output::printable(&format!("{name}: {what}"));
        if text == self.shown {
            return;
        }
        let mut stderr = io::stderr().lock();
        // Progress is a courtesy: a closed stderr must not end the wait.
        let _ = if stderr.is_terminal() {
            let first_line: String = text
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(110)
                .collect();
            write!(stderr, "\r\x1b[K{first_line}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{text}")
        };
        self.shown = text;
    }

    fn clear(&mut self) {
        let mut stderr = io::stderr().lock();
        if stderr.is_terminal() && !self.shown.is_empty() {
            let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn app(observed: i64, conditions: &Value) -> HelmApp {
        serde_json::from_value(json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
            "metadata": {"name": "shop", "namespace": "web", "generation": 2},
            "spec": {"chart": {"path": "demo"}},
            "status": {"observedGeneration": observed, "conditions": conditions}
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "Why", "message": "because",
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn an_old_status_says_nothing_of_the_new_spec() {
        let ready = json!([condition("Ready", "True")]);
        assert!(matches!(state(&app(1, &ready)), State::Working(_)));
        assert_eq!(state(&app(2, &ready)), State::Ready);
    }

    #[test]
    fn stalled_ends_the_wait_with_the_reason() {
        let stalled = json!([condition("Ready", "False"), condition("Stalled", "True")]);
        assert_eq!(
            state(&app(2, &stalled)),
            State::Stalled("Why: because".to_owned())
        );
        let working = json!([condition("Ready", "False"), condition("Stalled", "False")]);
        assert_eq!(state(&app(2, &working)), State::Working("because".to_owned()));
    }
}
