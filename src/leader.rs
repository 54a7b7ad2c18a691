//! Leader election by a Lease: of several processes one acts, the others stand by.
//!
//! A holder's silence is measured by our own clock from when we saw its last renewal, so clocks need not agree.
//! A holder that can not renew stops before another may take over.

use std::{future::Future, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{cluster, fence::Fence, settings::Election};

/// Takes part in the election under a name that no other process has.
#[derive(Clone)]
pub struct Elector {
    api: Api<Lease>,
    election: Election,
    identity: String,
    fence: Fence,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elector")
            .field("election", &self.election)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The Lease is ours. Dropping this leaves it to run out.
#[derive(Debug)]
pub struct Lead {
    elector: Elector,
    lease: Lease,
    renewed: Instant,
}

/// Why a process does not lead any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    #[error("the Lease {namespace}/{name} is held by {holder:?} now")]
    Taken {
        namespace: String,
        name: String,
        holder: String,
    },
    #[error("the Lease {namespace}/{name} could not be renewed in time: {message}")]
    Late {
        namespace: String,
        name: String,
        message: String,
    },
}

/// What a candidate does about a Lease.
#[derive(Debug, PartialEq)]
enum Step {
    Create,
    Take,
    Wait(Duration),
}

fn step(lease: Option<&Lease>, identity: &str, silent: Duration, ours: Duration) -> Step {
    let Some(lease) = lease else { return Step::Create };
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    if holder.is_empty() || holder == identity {
        return Step::Take;
    }
    // The holder promised its own duration, not ours.
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let promised = seconds.map_or(ours, Duration::from_secs);
    match promised.checked_sub(silent) {
        Some(left) if !left.is_zero() => Step::Wait(left),
        _ => Step::Take,
    }
}

fn renewed(lease: Option<&Lease>, election: &Election, identity: &str, now: Timestamp) -> Lease {
    let last = lease.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let keeps = last.holder_identity.as_deref() == Some(identity);
    let transitions = last.lease_transitions.unwrap_or(0);
    let metadata = lease.map_or_else(
        || ObjectMeta {
            name: Some(election.name.clone()),
            namespace: Some(election.namespace.clone()),
            ..ObjectMeta::default()
        },
        |lease| lease.metadata.clone(),
    );
    let seconds = i32::try_from(election.duration.as_secs())
        .unwrap_or(i32::MAX)
        .max(1);
    let taken = keeps || lease.is_none();
    Lease {
        metadata,
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: Some(seconds),
            acquire_time: last.acquire_time.filter(|_| keeps).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(if taken {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..LeaseSpec::default()
        }),
    }
}

impl Elector {
    pub fn new(client: Client, election: Election, identity: &str) -> Self {
        let api = Api::namespaced(client, &election.namespace);
        Self {
            api,
            election,
            identity: identity.to_owned(),
            fence: Fence::default(),
        }
    }

    /// The same, with a fence that is open as long as the lead lasts.
    #[must_use]
    pub fn with_fence(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// The Lease was renewed by a request that began then.
    fn renewed(&self, began: Instant) {
        self.fence.put_off(began + self.election.duration);
    }

    /// Waits until the Lease is ours.
    pub async fn acquire(&self) -> Lead {
        let mut seen: Option<(String, Instant)> = None;
        let mut failed = false;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Ok(lead)) => return lead,
                Ok(Err(wait)) => {
                    failed = false;
                    // A holder that goes in order empties the Lease: look before its time is over, too.
                    sleep(wait.min(self.election.renew)).await;
                }
                Err(error) => {
                    // Once an outage: the next tries are as quick as renewals.
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(%error, "leader election fails and is tried again");
                    }
                    sleep(self.election.renew).await;
                }
            }
        }
    }

    async fn try_acquire(
        &self,
        seen: &mut Option<(String, Instant)>,
    ) -> cluster::Result<Result<Lead, Duration>> {
        let lease = self
            .api
            .get_opt(&self.election.name)
            .await
            .map_err(|error| self.refused("read", error))?;
        let version = lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        let version = version.unwrap_or_default();
        let since = match seen {
            Some((known, since)) if *known == version => *since,
            _ => seen.insert((version, Instant::now())).1,
        };
        match step(
            lease.as_ref(),
            &self.identity,
            since.elapsed(),
            self.election.duration,
        ) {
            Step::Wait(left) => Ok(Err(left)),
            Step::Create | Step::Take => {
                let started = Instant::now();
                Ok(match self.write(lease.as_ref()).await? {
                    Some(lease) => Ok(self.lead(lease, started)),
                    None => Err(Duration::ZERO),
                })
            }
        }
    }

    fn lead(&self, lease: Lease, started: Instant) -> Lead {
        self.renewed(started);
        Lead {
            elector: self.clone(),
            lease,
            renewed: started,
        }
    }

    /// Writes our renewal; None when somebody else was first.
    async fn write(&self, lease: Option<&Lease>) -> cluster::Result<Option<Lease>> {
        let wanted = renewed(lease, &self.election, &self.identity, Timestamp::now());
        let parameters = PostParams::default();
        let written = match lease {
            Some(_) => self.api.replace(&self.election.name, &parameters, &wanted).await,
            None => self.api.create(&parameters, &wanted).await,
        };
        match written {
            Ok(lease) => Ok(Some(lease)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(self.refused("write", error)),
        }
    }

    fn refused(&self, doing: &str, error: kube::Error) -> cluster::Error {
        let Election { namespace, name, .. } = &self.election;
        cluster::Error::from_kube(format!("{doing} the Lease {namespace}/{name}"), error, false)
    }
}

impl Lead {
    /// Renews until `stop`, then gives the Lease up so that another need not wait. Returns early, and before
    /// another process may act, when the Lease is lost.
    pub async fn keep(mut self, stop: impl Future<Output = ()>) -> Result<(), Lost> {
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = self.renewed + self.elector.election.renew;
            tokio::select! {
                () = &mut stop => {
                    self.release().await;
                    return Ok(());
                }
                () = sleep_until(next) => self.renew().await?,
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Lost> {
        let Election {
            namespace,
            name,
            duration,
            renew,
        } = self.elector.election.clone();
        // A third of the time is left for work to end.
        let deadline = self.renewed + duration.mul_f64(2.0 / 3.0);
        let mut message = "the API server does not answer".to_owned();
        loop {
            let started = Instant::now();
            match timeout_at(deadline, self.elector.write(Some(&self.lease))).await {
                Ok(Ok(Some(lease))) => {
                    self.lease = lease;
                    self.renewed = started;
                    self.elector.renewed(started);
                    return Ok(());
                }
                Ok(Ok(None)) => match timeout_at(deadline, self.elector.api.get_opt(&name)).await {
                    // Somebody edited it and left it ours.
                    Ok(Ok(Some(lease))) if self.is_ours(&lease) => self.lease = lease,
                    Ok(Ok(lease)) => {
                        let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
                        let holder = spec.holder_identity.unwrap_or_default();
                        return Err(Lost::Taken {
                            namespace,
                            name,
                            holder,
                        });
                    }
                    Ok(Err(error)) => message = self.elector.refused("read", error).to_string(),
                    Err(_) => {
                        return Err(Lost::Late {
                            namespace,
                            name,
                            message,
                        });
                    }
                },
                Ok(Err(error)) => message = error.to_string(),
                Err(_) => {
                    return Err(Lost::Late {
                        namespace,
                        name,
                        message,
                    });
                }
            }
            let pause = Instant::now() + renew.min(duration / 10);
            if pause >= deadline {
                return Err(Lost::Late {
                    namespace,
                    name,
                    message,
                });
            }
            sleep_until(pause).await;
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref());
        holder == Some(self.elector.identity.as_str())
    }

    async fn release(mut self) {
        if let Some(spec) = &mut self.lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        let name = &self.elector.election.name;
        let deadline = Instant::now() + self.elector.election.renew;
        let request = async {
            self.elector
                .api
                .replace(name, &PostParams::default(), &self.lease)
                .await
        };
        match timeout_at(deadline, request).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %self.elector.refused("give up", error), "the Lease runs out by itself")
            }
            Err(_) => tracing::warn!("the Lease could not be given up in time; it runs out by itself"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election() -> Election {
        Election {
            namespace: "ops".to_owned(),
            name: "helmapp".to_owned(),
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(3),
        }
    }

    fn held_by(holder: &str, seconds: i32, transitions: i32) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(MicroTime(at(0))),
            renew_time: Some(MicroTime(at(5))),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        Lease {
            metadata,
            spec: Some(spec),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_its_holder_was_silent_long_enough() {
        let seconds = Duration::from_secs;
        for (lease, silent, expected) in [
            (None, 0, Step::Create),
            (Some(held_by("", 15, 0)), 0, Step::Take),
            (Some(held_by("me", 15, 0)), 0, Step::Take),
            (Some(held_by("other", 15, 0)), 0, Step::Wait(seconds(15))),
            (Some(held_by("other", 60, 0)), 20, Step::Wait(seconds(40))),
            (Some(held_by("other", 15, 0)), 15, Step::Take),
            (Some(held_by("other", -1, 0)), 14, Step::Wait(seconds(1))),
            (Some(Lease::default()), 0, Step::Take),
        ] {
            assert_eq!(
                step(lease.as_ref(), "me", seconds(silent), seconds(15)),
                expected,
                "{lease:?}"
            );
        }
    }

    #[test]
    fn a_renewal_keeps_what_it_must_and_a_take_over_counts() {
        let of = |lease: Lease| {
            let spec = lease.spec.unwrap();
            (
                spec.acquire_time.unwrap().0,
                spec.renew_time.unwrap().0,
                spec.lease_transitions.unwrap(),
            )
        };
        let first = renewed(None, &election(), "me", at(9));
        assert_eq!(first.metadata.name.as_deref(), Some("helmapp"));
        assert_eq!(of(first), (at(9), at(9), 0));
        let again = renewed(Some(&held_by("me", 15, 2)), &election(), "me", at(9));
        assert_eq!(again.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(of(again), (at(0), at(9), 2));
        let taken = renewed(Some(&held_by("other", 15, 2)), &election(), "me", at(9));
        assert_eq!(
            taken.spec.as_ref().unwrap().holder_identity.as_deref(),
            Some("me")
        );
        assert_eq!(of(taken), (at(9), at(9), 3));
    }
}
