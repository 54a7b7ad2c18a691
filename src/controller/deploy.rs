//! Step 8: the operations of a plan, in the order of their objects. Each can be done again, so a crash only costs a
//! repetition.
//!
//! Where objects wait for others, or for the end of what they take the place of, nobody waits here either: what is left
//! to do stays with the revision that settles, and goes on from there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::{
    Action, Answer, Draft, Need, Object, ObjectId, Operation, Order, Plan, Propagation, Step, Turn, decide,
    removal_waves,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PropagationPolicy;
use serde_json::Value;
use tokio::time::sleep;
use tracing::info;

use crate::api::conditions::reason;
use crate::cluster::apply::{Applied, Applier, Detail};
use crate::cluster::discovery::Snapshot;
use crate::cluster::prune::{self, Doomed, Pruned};
use crate::failpoints::failpoint;

use super::memory::Health;
use super::planning::PARALLEL;
use super::policy::{Again, Error};
use super::subject::Subject;
use super::{Context, crds, health, report, settle, taken};

/// Most deletions are through when the server has answered, or a moment later: so long it is looked for.
const MOMENTS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// A plan that is being carried out.
#[derive(Debug, Clone)]
pub(super) struct Work<'a> {
    /// The objects' operations, as the order counts them, then the removals.
    operations: Vec<Operation<'a>>,
    order: Order,
    /// Which of the objects' operations are done.
    done: Vec<bool>,
    removal: Removal,
}

/// What a plan takes away of what it removes, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Removal {
    /// Only what was made since then.
    pub since: Option<Timestamp>,
    /// Not what has one of these UIDs.
    pub stay: BTreeSet<String>,
    /// All of the release goes: the last wave first, each when the one before is gone.
    pub uninstalls: bool,
    /// Sub-charts that were applied before the chart's own objects.
    pub subcharts: Vec<String>,
}

/// What keeps a plan from going on.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    work: Work<'static>,
    /// Objects that have to be ready first.
    pub ready: BTreeSet<ObjectId>,
    /// Objects that have to be gone first.
    pub gone: BTreeSet<ObjectId>,
}

impl Waiting {
    /// Whether the object is still to be written.
    pub(super) fn is_to_come(&self, id: &ObjectId) -> bool {
        let steps = self.work.operations.iter().zip(&self.work.done);
        steps
            .filter(|(_, done)| !**done)
            .any(|(one, _)| one.object.id == *id)
    }

    /// Goes on where it stopped. What is to be waited for, if anything.
    ///
    /// # Errors
    /// The first operation that fails; what was done before stays done.
    pub(super) async fn go_on(&self, ctx: &Context, subject: &Subject) -> Result<Option<Waiting>, Error> {
        let applier = subject.applier(ctx.discovery.snapshot().await?);
        self.work.clone().go_on(ctx, subject, applier).await
    }
}

/// Does the operations of a plan. What is to be waited for before it goes on, if anything.
///
/// # Errors
/// The first operation that fails; what was done before stays done.
pub(super) async fn run(
    ctx: &Context,
    subject: &Subject,
    applier: Applier,
    plan: Plan<'_>,
    order: Order,
    removal: Removal,
) -> Result<Option<Waiting>, Error> {
    Work::of(plan, order, removal).go_on(ctx, subject, applier).await
}

impl Work<'_> {
    fn of(plan: Plan<'_>, order: Order, removal: Removal) -> Work<'_> {
        let steps = plan.operations.iter().map(|operation| &operation.action);
        let steps = steps.filter(|action| !matches!(action, Action::Delete | Action::LeaveBehind));
        let done = steps
            .map(|action| matches!(action, Action::Keep | Action::SkipCreate))
            .collect();
        Work {
            operations: plan.operations,
            order,
            done,
            removal,
        }
    }

    async fn go_on(
        mut self,
        ctx: &Context,
        subject: &Subject,
        mut applier: Applier,
    ) -> Result<Option<Waiting>, Error> {
        loop {
            let ready = self.ready(ctx, subject);
            match self.order.next(&self.done, |step| ready.contains(&step)) {
                Turn::Apply(steps) => {
                    let outcomes = self.apply(ctx, subject, &applier, &steps).await?;
                    let mut gone = BTreeSet::new();
                    for (step, applied) in steps.iter().zip(outcomes) {
                        match self.done.get_mut(*step) {
                            Some(done) if applied => *done = true,
                            _ => gone.extend(self.id(*step)),
                        }
                    }
                    if !gone.is_empty() {
                        return Ok(Some(self.waiting(BTreeSet::new(), gone)));
                    }
                    applier = self.served(ctx, subject, applier, &steps).await?;
                    failpoint("wave.applied");
                }
                Turn::Wait(on) => {
                    settle::look(ctx, subject).await?;
                    let ready = self.ready(ctx, subject);
                    let late: Vec<usize> = on.into_iter().filter(|step| !ready.contains(step)).collect();
                    if !late.is_empty() {
                        let ready = late.iter().filter_map(|step| self.id(*step)).collect();
                        return Ok(Some(self.waiting(ready, BTreeSet::new())));
                    }
                }
                Turn::Done => break,
            }
        }
        let gone = self.remove(ctx, subject, applier).await?;
        Ok(match gone.is_empty() {
            true => None,
            false => Some(self.waiting(BTreeSet::new(), gone)),
        })
    }

    fn id(&self, step: usize) -> Option<ObjectId> {
        self.operations
            .get(step)
            .map(|operation| operation.object.id.clone())
    }

    fn waiting(self, ready: BTreeSet<ObjectId>, gone: BTreeSet<ObjectId>) -> Waiting {
        let operations = self.operations.into_iter().map(Operation::into_owned);
        Waiting {
            work: Work {
                operations: operations.collect(),
                order: self.order,
                done: self.done,
                removal: self.removal,
            },
            ready,
            gone,
        }
    }

    /// The steps whose objects are ready; none where nobody asks.
    fn ready(&self, ctx: &Context, subject: &Subject) -> BTreeSet<usize> {
        if !self.order.waits() {
            return BTreeSet::new();
        }
        let objects = ctx.memory.objects(&subject.key);
        let ready: BTreeSet<&ObjectId> = objects
            .iter()
            .filter(|(_, object)| object.health == Health::Ready)
            .map(|(id, _)| id)
            .collect();
        let steps = self.operations.iter().enumerate();
        steps
            .filter(|(_, one)| one.action == Action::SkipCreate || ready.contains(&one.object.id))
            .map(|(step, _)| step)
            .collect()
    }

    /// Applies the objects of these steps; whether each of them is.
    async fn apply(
        &self,
        ctx: &Context,
        subject: &Subject,
        applier: &Applier,
        steps: &[usize],
    ) -> Result<Vec<bool>, Error> {
        // Collected first: a closure that is kept across an await makes the future's bounds too narrow.
        let writes: Vec<_> = steps
            .iter()
            .filter_map(|step| self.operations.get(*step))
            .map(|one| apply_one(ctx, subject, applier, one).boxed())
            .collect();
        futures::stream::iter(writes)
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    /// Waits until the kinds of CRDs among these steps are served, and has them watched.
    async fn served(
        &self,
        ctx: &Context,
        subject: &Subject,
        applier: Applier,
        steps: &[usize],
    ) -> Result<Applier, Error> {
        let ids = steps.iter().filter_map(|step| self.id(*step));
        let names: Vec<String> = ids
            .filter(|id| id.kind == "CustomResourceDefinition")
            .map(|id| id.name)
            .collect();
        if names.is_empty() {
            return Ok(applier);
        }
        let applier = applier.with_snapshot(crds::serve(ctx, subject, &names).await?);
        let ids = self.operations.iter().map(|operation| &operation.object.id);
        ctx.follow(&super::kinds(ids)).await?;
        Ok(applier)
    }

    /// Deletes what the release no longer has. What has to be gone before it goes on, if anything.
    async fn remove(
        &self,
        ctx: &Context,
        subject: &Subject,
        applier: Applier,
    ) -> Result<BTreeSet<ObjectId>, Error> {
        let removals: Vec<&Object> = self
            .operations
            .iter()
            .filter(|operation| operation.action == Action::Delete)
            .map(|operation| operation.object.as_ref())
            .collect();
        if removals.is_empty() {
            return Ok(BTreeSet::new());
        }
        let snapshot = ctx.discovery.snapshot().await?;
        let uids = ctx.memory.uids(&subject.key);
        let made = self.operations.iter().take(self.done.len());
        let stay = made.filter_map(|operation| uids.get(&operation.object.id).cloned());
        let stay = stay
            .filter(|uid| !uid.is_empty())
            .chain(self.removal.stay.iter().cloned());
        let stay: BTreeSet<String> = stay.collect();
        let propagation = match self.removal.uninstalls {
            true => subject.propagation(),
            false => PropagationPolicy::Background,
        };
        for wave in self.removal.waves(removals) {
            let mut going = Vec::new();
            for object in wave {
                let doomed = Doomed {
                    id: &object.id,
                    version: &object.version,
                    uid: uids
                        .get(&object.id)
                        .map(String::as_str)
                        .filter(|uid| !uid.is_empty()),
                    stay: &stay,
                    since: self.removal.since,
                };
                let pruned = let_go(subject, &snapshot, &doomed, &propagation).await?;
                if self.removal.uninstalls && pruned == Pruned::Deleted {
                    going.push(object);
                }
            }
            let mut remaining = BTreeSet::new();
            for object in going {
                if applier.metadata(&object.id, &object.version).await?.is_some() {
                    remaining.insert(object.id.clone());
                }
            }
            failpoint("wave.removed");
            if !remaining.is_empty() {
                return Ok(remaining);
            }
        }
        Ok(BTreeSet::new())
    }
}

impl Removal {
    /// The objects in the order in which they go.
    fn waves<'a>(&self, objects: Vec<&'a Object>) -> Vec<Vec<&'a Object>> {
        if !self.uninstalls {
            return vec![objects];
        }
        let whole: Vec<Object> = objects.iter().copied().cloned().collect();
        let waves = removal_waves(&whole, &self.subcharts).into_iter();
        waves
            .map(|wave| {
                wave.into_iter()
                    .filter_map(|index| objects.get(index).copied())
                    .collect()
            })
            .collect()
    }
}

/// Applies one object and remembers how it is. With a UID it has to be the object that has it.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn apply(
    ctx: &Context,
    subject: &Subject,
    applier: &Applier,
    object: &Object,
    uid: Option<&str>,
) -> Result<Applied, Error> {
    // What is ready once it exists shows that by existing.
    let detail = if ctx.memory.is_lasting(&subject.key, &object.id) {
        Detail::Metadata
    } else {
        Detail::Object
    };
    let applied = applier.apply(object, uid, detail).await?;
    report::conflicts(ctx, subject, &object.id, &applied.conflicts);
    remember(ctx, subject, &object.id, &applied.live).await;
    Ok(applied)
}

/// Remembers an object as an apply left it.
pub(super) async fn remember(ctx: &Context, subject: &Subject, id: &ObjectId, live: &Value) {
    let health = health::seen(ctx, subject, live).await;
    ctx.memory.applied(&subject.key, id, &metadata(live), health);
}

/// The metadata of an object, as the watches have it.
pub(super) fn metadata(live: &Value) -> ObjectMeta {
    live.get("metadata")
        .and_then(|metadata| serde_json::from_value(metadata.clone()).ok())
        .unwrap_or_default()
}

/// Applies one object. `false` while what it takes the place of is still there.
async fn apply_one(
    ctx: &Context,
    subject: &Subject,
    applier: &Applier,
    one: &Operation<'_>,
) -> Result<bool, Error> {
    let object = one.object.as_ref();
    let action = match &one.action {
        Action::CheckAndApply => {
            let action = check(subject, applier, object).await?;
            if let Action::Adopt { uid } = &action {
                taken::note(ctx, subject, uid).await?;
            }
            action
        }
        action => action.clone(),
    };
    let uid = match &action {
        Action::Keep | Action::SkipCreate => return Ok(true),
        Action::Recreate { uid, propagation, .. } => {
            if !make_way(subject, applier, object, uid, *propagation).await? {
                return Ok(false);
            }
            None
        }
        Action::Apply { uid } | Action::Adopt { uid } => Some(uid.as_str()).filter(|uid| !uid.is_empty()),
        _ => None,
    };
    apply(ctx, subject, applier, object, uid).await?;
    Ok(true)
}

/// The dry run of an object that could not be checked before the first write.
async fn check(subject: &Subject, applier: &Applier, object: &Object) -> Result<Action, Error> {
    let answer: Answer = applier.dry_run(object, None).await?;
    let draft = Draft {
        steps: vec![Step {
            object,
            known: false,
            need: Need::DryRun,
            awaits_role: false,
        }],
        removals: Vec::new(),
    };
    let answers = std::iter::once((object.id.clone(), answer)).collect();
    let plan = decide(&draft, &answers, &subject.rules()).map_err(Error::Refused)?;
    let decided = plan.operations.into_iter().next();
    Ok(decided.map_or(Action::Create, |operation| operation.action))
}

/// Deletes the object that another is to take the place of. Whether it is gone.
async fn make_way(
    subject: &Subject,
    applier: &Applier,
    object: &Object,
    uid: &str,
    propagation: Propagation,
) -> Result<bool, Error> {
    let (id, version) = (&object.id, object.version.as_str());
    let mut asked = false;
    for moment in MOMENTS {
        let Some(live) = applier.metadata(id, version).await? else {
            return Ok(true);
        };
        let live = metadata(&live);
        if live.uid.as_deref() != Some(uid) {
            return Err(Error::Input {
                reason: reason::IMMUTABLE_FIELD,
                message: format!("{id} was made anew by somebody else while it was to be made anew here"),
                again: Again::Soon(None),
            });
        }
        if live.deletion_timestamp.is_none() && !asked {
            info!(app = %subject.key.name, namespace = %subject.key.namespace, object = %id, ?propagation, "deleting, to make it anew");
            let policy = policy(propagation);
            if !applier.delete(id, version, uid, &policy).await? {
                return Ok(true);
            }
            asked = true;
        }
        sleep(moment).await;
    }
    Ok(applier.metadata(id, version).await?.is_none())
}

fn policy(propagation: Propagation) -> PropagationPolicy {
    match propagation {
        Propagation::Foreground => PropagationPolicy::Foreground,
        Propagation::Background => PropagationPolicy::Background,
        Propagation::Orphan => PropagationPolicy::Orphan,
    }
}

/// Deletes one object if it is still the release's and, where the UID is known, still the same. What has a UID of `stay`
/// stays.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn delete(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    uid: Option<&str>,
    stay: &BTreeSet<String>,
    propagation: &PropagationPolicy,
) -> Result<Pruned, Error> {
    let doomed = Doomed {
        id,
        version,
        uid,
        stay,
        since: None,
    };
    let_go(subject, snapshot, &doomed, propagation).await
}

async fn let_go(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    doomed: &Doomed<'_>,
    propagation: &PropagationPolicy,
) -> Result<Pruned, Error> {
    let pruned = prune::prune(&subject.tenant, snapshot, doomed, &subject.owner, propagation).await?;
    info!(app = %subject.key.name, namespace = %subject.key.namespace, object = %doomed.id, ?pruned, "let go of object");
    Ok(pruned)
}
