//! Why a workload does not get ready, from its pods.
//!
//! Whoever asks finds the pods by the workload's [`selector`]; [`Workload::own`] leaves those of its present revision,
//! and [`Workload::trouble`] says what is wrong with the worst of them. What passes by itself has its time:
//! [`Patience`].

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::pod::{CRASHES, containers, ended, ended_badly, hopeless, termination};
use super::{Condition, Health, Status, condition, group_kind, number, text};

/// What a container waits for that no time puts right.
const INVALID_NAME: &str = "InvalidImageName";

/// How long what may still come right by itself is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Restarts of a container before its crashes are a failure.
    pub restarts: u32,
    /// For a container that can not be started, and for pods that may not be made.
    pub start: Duration,
    /// For a node that takes a pod.
    pub schedule: Duration,
}

/// What keeps a workload from getting ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Failed where it is not waited for any longer, else Progressing.
    pub health: Health,
    /// Whose log can say more.
    pub log: Option<Log>,
}

/// The log of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// That of the run before this one, as it has crashed.
    pub previous: bool,
}

/// Whether objects of the kind have pods, or are pods.
pub fn has_pods(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "ReplicationController" | "Pod")
    )
}

/// Selects the pods of a workload, in the notation of queries; `None` where it selects none.
pub fn selector(workload: &Value) -> Option<String> {
    let selector = workload.pointer("/spec/selector")?;
    let labels = match group_kind(workload) {
        ("", "ReplicationController") => Some(selector),
        _ => selector.get("matchLabels"),
    };
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let mut terms: Vec<String> = labels
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    terms.extend(expressions.into_iter().flatten().filter_map(expression));
    Some(terms.join(",")).filter(|selector| !selector.is_empty())
}

fn expression(expression: &Value) -> Option<String> {
    let key = text(expression, "/key")?;
    let values = expression.get("values").and_then(Value::as_array);
    let values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
    let values = values.join(",");
    Some(match text(expression, "/operator")? {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        _ => return None,
    })
}

/// A workload, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'w>(pub &'w Value);

impl Workload<'_> {
    /// Whether it is a pod itself, and has no others.
    pub fn is_pod(&self) -> bool {
        group_kind(self.0) == ("", "Pod")
    }

    /// Whether its pods belong to ReplicaSets, which belong to it.
    pub fn has_replica_sets(&self) -> bool {
        group_kind(self.0) == ("apps", "Deployment")
    }

    /// Of the pods that it selects, those that are its own and of its present revision. `replica_sets` are those that
    /// it selects.
    pub fn own<'p>(&self, replica_sets: &[Value], pods: &'p [Value]) -> Vec<&'p Value> {
        let uid = text(self.0, "/metadata/uid").unwrap_or_default();
        let owner = match self.has_replica_sets() {
            false => uid,
            true => {
                let revision = revision(self.0);
                let present = replica_sets.iter().find(|set| {
                    is_of(set, uid) && revision.is_some_and(|wanted| self::revision(set) == Some(wanted))
                });
                let Some(present) = present.and_then(|set| text(set, "/metadata/uid")) else {
                    return Vec::new();
                };
                present
            }
        };
        let hash = self.hash();
        let is_present = |pod: &&Value| match &hash {
            Some((label, wanted)) => {
                let labels = pod.pointer("/metadata/labels");
                let found = labels
                    .and_then(|labels| labels.get(label))
                    .and_then(Value::as_str);
                found.is_none_or(|found| found == wanted)
            }
            None => true,
        };
        pods.iter()
            .filter(|pod| is_of(pod, owner))
            .filter(is_present)
            .collect()
    }

    /// The label that tells pods of its present revision, where it replaces the others by itself.
    fn hash(&self) -> Option<(&'static str, String)> {
        let strategy = text(self.0, "/spec/updateStrategy/type");
        let partition = number(self.0, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
        if strategy == Some("OnDelete") || partition > 0 {
            return None;
        }
        match group_kind(self.0) {
            ("apps", "StatefulSet") => {
                let revision = text(self.0, "/status/updateRevision")?;
                Some(("controller-revision-hash", revision.to_owned()))
            }
            ("apps", "DaemonSet") => {
                let generation = text(
                    self.0,
                    "/metadata/annotations/deprecated.daemonset.template.generation",
                )?;
                Some(("pod-template-generation", generation.to_owned()))
            }
            _ => None,
        }
    }

    /// What keeps it from getting ready: the worst of what it and its own pods say.
    pub fn trouble(&self, own: &[&Value], now: Timestamp, patience: &Patience) -> Option<Trouble> {
        let refused = self.refused(now, patience);
        let found: Vec<Trouble> = refused
            .into_iter()
            .chain(own.iter().filter_map(|pod| of_pod(pod, now, patience)))
            .collect();
        let failed = found
            .iter()
            .position(|trouble| trouble.health.status == Status::Failed);
        found.into_iter().nth(failed.unwrap_or_default())
    }

    /// Pods may not be made: a quota or an admission rule forbids it.
    fn refused(&self, now: Timestamp, patience: &Patience) -> Option<Trouble> {
        let failure = condition(self.0, "ReplicaFailure").filter(|failure| failure.status == "True")?;
        let lasting = ["exceeded quota", "is forbidden"]
            .iter()
            .any(|text| failure.message.contains(text));
        let late = lasting && is_older(failure.since, patience.start, now);
        Some(Trouble {
            health: Health::of(status(late), &failure),
            log: None,
        })
    }
}

/// The health of a workload, with what was found to be wrong with it.
pub fn explain(health: Health, trouble: Trouble) -> Health {
    let found = trouble.health;
    // A pod says the same of itself.
    if found.message.ends_with(&health.message) && health.status != Status::Ready {
        let status = if found.status == Status::Failed {
            found.status
        } else {
            health.status
        };
        return Health { status, ..found };
    }
    match (health.status, found.status) {
        (Status::Failed, _) | (_, Status::Progressing) if found.message.is_empty() => health,
        (Status::Failed, _) | (_, Status::Progressing) => Health {
            message: format!("{}: {}", health.message, found.message),
            ..health
        },
        _ => found,
    }
}

fn revision(object: &Value) -> Option<&str> {
    text(object, "/metadata/annotations/deployment.kubernetes.io~1revision")
}

fn is_of(object: &Value, owner: &str) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    owners.any(|found| text(found, "/uid") == Some(owner))
}

fn status(late: bool) -> Status {
    if late { Status::Failed } else { Status::Progressing }
}

/// Whether a time is further back than that. A text that is no time is not.
fn is_older(time: &str, than: Duration, now: Timestamp) -> bool {
    let age = time
        .parse::<Timestamp>()
        .ok()
        .map(|time| now.duration_since(time));
    age.is_some_and(|age| Duration::try_from(age).is_ok_and(|age| age >= than))
}

fn of_pod(pod: &Value, now: Timestamp, patience: &Patience) -> Option<Trouble> {
    if text(pod, "/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let name = text(pod, "/metadata/name").unwrap_or_default();
    let named = |status: Status, health: Health, log: Option<Log>| Trouble {
        health: Health::new(status, health.reason, format!("pod {name}: {}", health.message)),
        log,
    };
    match text(pod, "/status/phase") {
        Some("Succeeded") => return None,
        Some("Failed") => {
            let log = containers(pod).find(|container| ended_badly(container));
            // Whether another one is tried is for the workload to say.
            return Some(named(
                Status::Progressing,
                ended(pod),
                log.map(|container| log_of(name, container)),
            ));
        }
        _ => {}
    }
    if let Some((container, health)) = containers(pod).find_map(|one| Some((one, hopeless(one)?))) {
        let late = match health.reason.as_str() {
            CRASHES => restarts(container) >= i64::from(patience.restarts),
            INVALID_NAME => true,
            _ => is_older(
                text(pod, "/metadata/creationTimestamp").unwrap_or_default(),
                patience.start,
                now,
            ),
        };
        return Some(named(
            status(late),
            health,
            ran(container).then(|| log_of(name, container)),
        ));
    }
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(is_unschedulable) {
        let late = is_older(scheduled.since, patience.schedule, now);
        return Some(named(
            status(late),
            Health::of(Status::Progressing, &scheduled),
            None,
        ));
    }
    let (container, health) = containers(pod).find_map(|one| Some((one, unready(one)?)))?;
    Some(named(Status::Progressing, health, Some(log_of(name, container))))
}

fn is_unschedulable(scheduled: &Condition<'_>) -> bool {
    scheduled.status == "False"
}

/// A container runs, but its probes do not succeed.
fn unready(container: &Value) -> Option<Health> {
    container.pointer("/state/running")?;
    if container.get("ready").and_then(Value::as_bool) != Some(false) {
        return None;
    }
    let name = text(container, "/name").unwrap_or_default();
    let mut message = format!("container {name} is not ready");
    if let Some(last) = container.pointer("/lastState/terminated") {
        message = format!(
            "{message}, after {} restarts (last run: {})",
            restarts(container),
            termination(last)
        );
    }
    Some(Health::progressing("ContainersNotReady", message))
}

fn restarts(container: &Value) -> i64 {
    number(container, "/restartCount").unwrap_or_default()
}

fn ran(container: &Value) -> bool {
    container.pointer("/lastState/terminated").is_some()
}

fn log_of(pod: &str, container: &Value) -> Log {
    Log {
        pod: pod.to_owned(),
        container: text(container, "/name").unwrap_or_default().to_owned(),
        previous: ran(container) && container.pointer("/state/terminated").is_none(),
    }
}
