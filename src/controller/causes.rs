//! Why workloads are not ready: asked of their pods, only while they are not.
//!
//! Pods have no watch of their own. They are asked some time after a workload got unready, and then less and less
//! often.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::health::pods::{self, Log, Workload, explain};
use helmapp_helm::health::{self as rules, Status};
use helmapp_helm::plan::ObjectId;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use crate::cluster::apply::Applier;
use crate::cluster::pods as cluster;

use super::memory::{Health, Tracked};
use super::policy::Error;
use super::subject::Subject;
use super::{Context, drift, health, veil};

/// Most workloads that are asked about at a time.
const MAX_ASKED: usize = 3;
/// Longest time between two questions.
const LONGEST: Duration = Duration::from_secs(30);

/// When the pods of a HelmApp's workloads are asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asking {
    /// The revision that is waited for.
    revision: i64,
    next: Instant,
    wait: Duration,
}

impl Asking {
    fn begin(revision: i64, now: Instant, wait: Duration) -> Self {
        Self {
            revision,
            next: now + wait,
            wait,
        }
    }

    /// They were asked.
    fn again(self, now: Instant) -> Self {
        let wait = self.wait.saturating_mul(2).min(LONGEST.max(self.wait));
        Self::begin(self.revision, now, wait)
    }
}

/// How long it is until the pods are asked again; `None` while no workload is unready.
pub(super) fn due(ctx: &Context, subject: &Subject) -> Option<Duration> {
    let asking = ctx.asking.get(&subject.key)?;
    Some(asking.next.saturating_duration_since(Instant::now()))
}

/// Asks the pods of unready workloads why they are, when it is time to, or `at_once`. What they say becomes the
/// workload's health. A question that fails leaves it as it is: it only explains.
pub(super) async fn ask(ctx: &Context, subject: &Subject, at_once: bool) {
    let mut unwell = ctx.memory.objects(&subject.key);
    unwell.retain(|(id, object)| is_unwell(&object.health) && pods::has_pods(&id.group, &id.kind));
    if unwell.is_empty() {
        ctx.asking.remove(&subject.key);
        return;
    }
    let (now, revision) = (Instant::now(), ctx.memory.revision(&subject.key));
    let known = ctx
        .asking
        .get(&subject.key)
        .filter(|asking| asking.revision == revision);
    let asking = match known {
        Some(known) => *known,
        None => {
            let begun = Asking::begin(revision, now, ctx.settings.health.ask_pods_after);
            ctx.asking.insert(&subject.key, Arc::new(begun));
            begun
        }
    };
    // What has failed ends the wait with this look.
    let failed = unwell
        .iter()
        .any(|(_, object)| matches!(object.health, Health::Failed(_)));
    if !at_once && !failed && now < asking.next {
        return;
    }
    ctx.asking.insert(&subject.key, Arc::new(asking.again(now)));
    unwell.sort_by_key(|(_, object)| !matches!(object.health, Health::Failed(_)));
    let mut log = None;
    for (id, object) in unwell.iter().take(MAX_ASKED) {
        match ask_one(ctx, subject, id, object, at_once, &mut log).await {
            Ok(()) => {}
            Err(error) => {
                let error = ctx.clean(subject, &error.to_string());
                info!(app = %subject.key.name, namespace = %subject.key.namespace, object = %id, error, "pods can not be asked");
            }
        }
    }
}

fn is_unwell(health: &Health) -> bool {
    matches!(health, Health::Progressing(_) | Health::Failed(_))
}

async fn ask_one(
    ctx: &Context,
    subject: &Subject,
    id: &ObjectId,
    object: &Tracked,
    at_once: bool,
    shown: &mut Option<Log>,
) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
    let Some(live) = applier.get(id, &object.version).await? else {
        return Ok(());
    };
    let workload = Workload(&live);
    let (sets, pods) = match pods::selector(&live) {
        Some(selector) => pods_of(ctx, id, workload, &selector).await?,
        None if workload.is_pod() => Default::default(),
        None => return Ok(()),
    };
    let own = match workload.is_pod() {
        true => vec![&live],
        false => workload.own(&sets, &pods),
    };
    let patience = &ctx.settings.health.patience;
    let Some(trouble) = workload.trouble(&own, Timestamp::now(), patience) else {
        return Ok(());
    };
    let log = trouble.log.clone();
    let checks = ctx.memory.checks(&subject.key);
    let health = explain(rules::assess_by(checks.as_deref(), &live), trouble);
    let tail = match log {
        // One log is enough to begin with; those of what may still come right are only in the way.
        Some(log) if shown.is_none() && (at_once || health.status == Status::Failed) => {
            let tail = tail(ctx, subject, id, &log).await?;
            *shown = Some(log);
            tail
        }
        _ => String::new(),
    };
    ctx.memory
        .explained(&subject.key, id, health::told(&health, &tail));
    Ok(())
}

/// The ReplicaSets and pods that a workload selects.
async fn pods_of(
    ctx: &Context,
    id: &ObjectId,
    workload: Workload<'_>,
    selector: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let operator = ctx.identities.operator();
    let sets = match workload.has_replica_sets() {
        true => cluster::replica_sets(&operator, &id.namespace, selector).await?,
        false => Vec::new(),
    };
    Ok((sets, cluster::list(&operator, &id.namespace, selector).await?))
}

/// The end of a log, from its own line on, without what came from Secrets.
async fn tail(ctx: &Context, subject: &Subject, id: &ObjectId, log: &Log) -> Result<String, Error> {
    let Log {
        pod,
        container,
        previous,
    } = log;
    let operator = ctx.identities.operator();
    let tail = cluster::log_tail(&operator, &id.namespace, pod, container, *previous).await?;
    if tail.is_empty() {
        return Ok(String::new());
    }
    // Containers print what the release's own Secrets hold, too, and those of its hooks.
    let Some(release) = drift::applied(ctx, subject).await? else {
        return Ok(String::new());
    };
    veil::recall_all(ctx, subject, &release).await?;
    let tail = ctx.clean(subject, &tail);
    Ok(format!(
        "\nthe end of the log of container {container} of pod {pod}:\n{tail}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_get_rarer() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let mut asking = Asking::begin(1, now, seconds(10));
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push((asking.next - now).as_secs());
            asking = asking.again(now);
        }
        assert_eq!(waits, [10, 20, 30, 30]);
        let rare = Asking::begin(1, now, seconds(60)).again(now);
        assert_eq!(rare.next - now, seconds(60));
    }
}
