//! Deletion: the objects go in reverse order, wave by wave, then the records, then the finalizer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use helmapp_helm::plan::{Object, ObjectId, keeps, removal_waves, subcharts_before};
use helmapp_helm::release::Status;
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::conditions::reason;
use crate::api::{FINALIZER, HelmApp, LEAVE_BEHIND};
use crate::cluster::apply::Applier;
use crate::cluster::prune::Pruned;
use crate::cluster::{Error as ClusterError, retry};
use crate::failpoints::failpoint;
use crate::store::Stored;

use super::policy::{self, Again, Error};
use super::reconcile::Next;
use super::revision::stored_objects;
use super::settle::POLL;
use super::subject::Subject;
use super::{Context, access, advice, base, claim, deploy, hooks, namespace, report, restore};

/// How often the finalizers are written when others change the HelmApp in between.
const TRIES: u32 = 5;

/// Adds the finalizer unless it is there.
///
/// # Errors
/// A failed request.
pub(super) async fn ensure(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    if subject.app.has_finalizer() {
        // It may be taken away again.
        ctx.guarded.remove(&subject.key);
        return Ok(());
    }
    if ctx.guarded.get(&subject.key).is_some() {
        return Ok(());
    }
    set(ctx, subject, |finalizers| finalizers.push(FINALIZER.to_owned())).await?;
    ctx.guarded.insert(&subject.key, Arc::new(()));
    Ok(())
}

/// Does the next step of the deletion.
///
/// # Errors
/// A failed request, and what keeps objects from being deleted.
pub(super) async fn finalize(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    if !subject.app.has_finalizer() {
        forget(ctx, subject);
        return Ok(Next::Change);
    }
    ctx.settling.remove(&subject.key);
    // Where the records are gone, so may be the namespace with the rights.
    let recorded = !ctx.memory.records(&subject.release).is_empty();
    let leaves = subject.app.leaves_behind();
    if recorded && !leaves {
        let granted = access::require(ctx, subject).await;
        granted.map_err(|error| with_way_out(error, false))?;
    }
    if access::is_granted(ctx, subject).await? {
        if claim::holder(ctx, subject).await?.is_none() {
            ctx.memory.own(&subject.release, &subject.key);
            if let Some(next) = uninstall(ctx, subject, leaves).await? {
                return Ok(next);
            }
        }
    } else if is_recorded(ctx, subject) {
        let what = format!("release {} with its records", subject.release);
        report::left_behind(ctx, subject, &what, "the rights to delete it are missing");
    }
    release_app(ctx, subject).await?;
    failpoint("uninstall.released");
    report::uninstalled(ctx, subject);
    forget(ctx, subject);
    Ok(Next::Change)
}

fn is_recorded(ctx: &Context, subject: &Subject) -> bool {
    let records = ctx.memory.records(&subject.release);
    !records.is_empty() || !ctx.status.current(&subject.app).inventory.is_empty()
}

/// Deletes objects and records; what is to be waited for, if anything. With `leaves`, what can't be deleted stays.
async fn uninstall(ctx: &Context, subject: &Subject, leaves: bool) -> Result<Option<Next>, Error> {
    // A HelmApp can be seen once more after its end.
    let recorded = is_recorded(ctx, subject);
    if recorded && ctx.uninstalling.is_new(&subject.key) {
        info!(app = %subject.key.name, namespace = %subject.key.namespace, "uninstall begun");
        report::uninstall_begun(ctx, subject);
    }
    failpoint("uninstall.begun");
    let since = ctx.uninstalling.since(&subject.key);
    let stored = stored(ctx, subject).await?;
    if let Some(newest) = &stored.newest
        && let Some(next) = hooks::before_delete(ctx, subject, newest, leaves).await?
    {
        return Ok(Some(next));
    }
    let late = Instant::now().duration_since(since) > subject.app.spec.uninstall.timeout.0;
    let Outcome { remaining, refused } = delete(ctx, subject, &stored, late).await?;
    let passing = refused
        .iter()
        .any(|(_, error)| matches!(error.again(), Again::Soon(_)));
    if !refused.is_empty() && (!leaves || passing && !late) {
        let errors: Vec<Error> = refused.into_iter().map(|(_, error)| error).collect();
        return Err(with_way_out(all(&errors), late));
    }
    let waits = !leaves || !late;
    if waits && !remaining.is_empty() {
        report::uninstalling(ctx, subject, &remaining, late);
        return Ok(Some(Next::After(POLL)));
    }
    failpoint("uninstall.objects-gone");
    if let Some(newest) = &stored.newest
        && let Some(next) = hooks::after_delete(ctx, subject, newest, leaves).await?
    {
        return Ok(Some(next));
    }
    if let Err(error) = hooks::sweep(ctx, subject, stored.hooks).await {
        if !leaves || matches!(error.again(), Again::Soon(_)) && !late {
            return Err(with_way_out(error, late));
        }
        report::left_behind(ctx, subject, "objects of hooks", "they could not be deleted");
    }
    if let Err(error) = records(ctx, subject, &stored.unreadable).await {
        if !leaves || matches!(error.again(), Again::Soon(_)) && !late {
            return Err(with_way_out(error, late));
        }
        report::left_behind(
            ctx,
            subject,
            "records of the release",
            "they could not be deleted",
        );
    }
    failpoint("uninstall.records-gone");
    if !stored.unreadable.is_empty() {
        let revisions: Vec<String> = stored.unreadable.iter().map(i64::to_string).collect();
        let named = match stored.staying.is_empty() {
            true => String::new(),
            false => format!(": {}", policy::ids(stored.staying.iter())),
        };
        let what = format!("revision {} and what only it has{named}", revisions.join(", "));
        report::left_behind(ctx, subject, &what, "its record can not be read");
    }
    let left: Vec<ObjectId> = refused.into_iter().map(|(id, _)| id).chain(remaining).collect();
    if !left.is_empty() {
        report::left_behind(ctx, subject, &policy::ids(left.iter()), "it could not be deleted");
    }
    Ok(None)
}

/// What became of the objects of a release.
#[derive(Debug, Default)]
struct Outcome {
    /// Those that are going and still there.
    remaining: Vec<ObjectId>,
    /// Those that could not be deleted.
    refused: Vec<(ObjectId, Error)>,
}

/// Deletes the objects of all revisions, wave by wave. What is refused does not keep the others, and what is `late` no
/// later wave.
async fn delete(
    ctx: &Context,
    subject: &Subject,
    stored: &StoredObjects,
    late: bool,
) -> Result<Outcome, Error> {
    let mut refused = Refusals::default();
    for id in &stored.unserved {
        if let Err(error) = base::is_gone(ctx, id).await {
            refused.add(ctx, id, error).await?;
        }
    }
    let mut remaining = Vec::new();
    for wave in &stored.going {
        remaining.extend(delete_wave(ctx, subject, wave, &mut refused).await?);
        failpoint("uninstall.wave-gone");
        if !remaining.is_empty() && !late {
            break;
        }
    }
    Ok(Outcome {
        remaining,
        refused: refused.errors,
    })
}

/// Deletes these objects. Those that are going and still there.
async fn delete_wave(
    ctx: &Context,
    subject: &Subject,
    wave: &[Going],
    refused: &mut Refusals,
) -> Result<Vec<ObjectId>, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let propagation = subject.propagation();
    let mut deleted = Vec::new();
    for Going { id, version, uid } in wave {
        let (uid, stay) = (uid.as_deref(), BTreeSet::new());
        match deploy::delete(subject, &snapshot, id, version, uid, &stay, &propagation).await {
            Ok(Pruned::Deleted) => deleted.push((id, version)),
            Ok(Pruned::Gone | Pruned::Kept | Pruned::NotOurs | Pruned::Same | Pruned::Older) => {}
            Err(error) => refused.add(ctx, id, error).await?,
        }
    }
    // Most deletions are done when the server answers; only what has finalizers or a grace period is waited for.
    let applier = Applier::new(
        subject.tenant.clone(),
        Arc::clone(&snapshot),
        subject.owner.clone(),
    );
    let mut remaining = Vec::new();
    for (id, version) in deleted {
        match applier.metadata(id, version).await {
            Ok(Some(_)) => remaining.push(id.clone()),
            Ok(None) => {}
            Err(error) => refused.add(ctx, id, error.into()).await?,
        }
    }
    Ok(remaining)
}

/// Objects that could not be deleted.
#[derive(Debug, Default)]
struct Refusals {
    errors: Vec<(ObjectId, Error)>,
    /// Namespaces that were asked for, and whether they are going.
    namespaces: BTreeMap<String, bool>,
}

impl Refusals {
    /// Notes a refusal. In a namespace that is going the rights may have gone first, and the objects follow.
    async fn add(&mut self, ctx: &Context, id: &ObjectId, error: Error) -> Result<(), Error> {
        if matches!(&error, Error::Cluster(ClusterError::Connection { .. })) {
            return Err(error);
        }
        if !id.namespace.is_empty() {
            let going = match self.namespaces.get(&id.namespace) {
                Some(going) => *going,
                None => namespace::is_going(ctx, &id.namespace).await?,
            };
            self.namespaces.insert(id.namespace.clone(), going);
            if going {
                return Ok(());
            }
        }
        self.errors.push((id.clone(), error));
        Ok(())
    }
}

/// Several errors as one.
fn all(errors: &[Error]) -> Error {
    let reason = errors.first().map_or(reason::UNINSTALL_FAILED, Error::reason);
    let again = match errors.first().map(Error::again) {
        Some(Again::Soon(wait)) => Again::Soon(wait),
        // Nothing of the HelmApp changes any more; what is in the way does.
        Some(Again::OnChange | Again::Seldom) | None => Again::Seldom,
    };
    Error::Input {
        reason,
        message: policy::join(errors),
        again,
    }
}

/// Says how the deletion can end all the same, where it takes too long or needs a person.
fn with_way_out(error: Error, late: bool) -> Error {
    let passes = matches!(error.again(), Again::Soon(_));
    if passes && !late && !advice::is_by_webhook(&error.to_string()) {
        return error;
    }
    let right = if error.reason() == reason::FORBIDDEN {
        "give the missing rights, or name a ServiceAccount that has them in spec.serviceAccountName; "
    } else {
        ""
    };
    Error::Input {
        reason: error.reason(),
        message: format!(
            "{error}; {right}to end the deletion without, annotate the HelmApp with {LEAVE_BEHIND}=true: what can not be deleted is left in the cluster"
        ),
        again: error.again(),
    }
}

/// What the records of a release say.
#[derive(Debug, Default)]
struct StoredObjects {
    /// In the order in which they are deleted: a wave when the one before is gone.
    going: Vec<Vec<Going>>,
    /// Those of kinds that are not served, as far as is known.
    unserved: Vec<ObjectId>,
    /// Revisions that can't be read: their objects are unknown.
    unreadable: Vec<i64>,
    /// Objects of the inventory that stay for these, as far as they are known.
    staying: Vec<ObjectId>,
    /// The newest revision.
    newest: Option<Stored>,
    /// What hooks may have made, with its version.
    hooks: Vec<(ObjectId, String)>,
}

/// An object that is to be deleted.
#[derive(Debug)]
struct Going {
    id: ObjectId,
    version: String,
    /// Known of those that no revision has any more.
    uid: Option<String>,
}

/// All revisions count: a failed one may have left something that later ones don't have. So does what a remedy left.
async fn stored(ctx: &Context, subject: &Subject) -> Result<StoredObjects, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let mut found = StoredObjects::default();
    let mut seen = BTreeSet::new();
    let mut objects: Vec<Object> = Vec::new();
    let heads = ctx.memory.records(&subject.release);
    let newest = heads.first().map_or(0, |head| head.revision);
    for head in heads {
        if head.status == Status::Uninstalled {
            break;
        }
        let of_one = match ctx.store.read(&subject.release, head.revision).await {
            Ok(None) => continue,
            Ok(Some(stored)) => {
                let objects = stored_objects([&stored.release], &snapshot);
                let release = &stored.release;
                let made = hooks::all(&release.hooks, &release.namespace, &snapshot);
                found
                    .hooks
                    .extend(made.into_iter().map(|object| (object.id, object.version)));
                if head.revision == newest {
                    found.newest = Some(stored);
                }
                objects
            }
            Err(error) if error.is_unreadable() => Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        match of_one {
            Ok(of_one) => {
                let new = of_one.objects.into_iter();
                objects.extend(new.filter(|object| seen.insert(object.id.clone())));
                let new = of_one.unserved.into_iter();
                found.unserved.extend(new.filter(|id| seen.insert(id.clone())));
            }
            Err(error) => {
                warn!(release = %subject.release, revision = head.revision, %error, "a revision can not be read");
                found.unreadable.push(head.revision);
            }
        }
    }
    let inventory = inventory(ctx, subject).into_iter();
    let mut unrecorded: Vec<Going> = inventory.filter(|entry| !seen.contains(&entry.id)).collect();
    // A record that can't be read is all that tells what a person has to look at; it stays, with its objects.
    if !found.unreadable.is_empty() {
        found.staying = unrecorded.drain(..).map(|entry| entry.id).collect();
    }
    seen.extend(unrecorded.iter().map(|entry| entry.id.clone()));
    objects.reverse();
    objects.retain(|object| !keeps(&object.value));
    found.going = waves(&objects, found.newest.as_ref());
    let mut others = Vec::new();
    let left = left(ctx, subject).await?.into_iter();
    let left = left.filter(|entry| seen.insert(entry.id.clone()));
    for left in unrecorded.into_iter().rev().chain(left) {
        if snapshot.any_version(&left.id.group, &left.id.kind).is_some() {
            others.push(left);
        } else {
            found.unserved.push(left.id);
        }
    }
    found.going.push(others);
    Ok(found)
}

/// Objects in the waves in which they go, the last of the newest revision first.
fn waves(objects: &[Object], newest: Option<&Stored>) -> Vec<Vec<Going>> {
    let chart = newest.map(|stored| &stored.release.chart);
    let subcharts = chart.map(|chart| subcharts_before(&chart.metadata));
    let going = |position: usize| {
        let object = objects.get(position)?;
        Some(Going {
            id: object.id.clone(),
            version: object.version.clone(),
            uid: None,
        })
    };
    removal_waves(objects, &subcharts.unwrap_or_default())
        .into_iter()
        .map(|wave| wave.into_iter().filter_map(going).collect())
        .collect()
}

/// What status lists. Where the records went first, as with their namespace, nothing else tells of what is elsewhere.
fn inventory(ctx: &Context, subject: &Subject) -> Vec<Going> {
    let inventory = ctx.status.current(&subject.app).inventory;
    let known = inventory.into_iter().filter_map(|entry| {
        let uid = entry.uid.clone()?;
        let (id, version) = restore::identity(&entry);
        Some(Going {
            id,
            version,
            uid: Some(uid),
        })
    });
    known.collect()
}

/// What remedies left in the cluster.
async fn left(ctx: &Context, subject: &Subject) -> Result<Vec<Going>, Error> {
    let companion = ctx.companions.read(ctx, subject).await?;
    let left = companion.map(|stored| stored.companion.left).unwrap_or_default();
    let going = left.into_iter().map(|object| Going {
        id: ObjectId {
            group: object.group,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
        },
        version: object.version,
        uid: Some(object.uid).filter(|uid| !uid.is_empty()),
    });
    Ok(going.collect())
}

/// Deletes the records, or keeps them as the spec says. One that can't be read stays: it is all that tells
/// which objects are left.
async fn records(ctx: &Context, subject: &Subject, unreadable: &[i64]) -> Result<(), Error> {
    if !subject.app.spec.uninstall.keep_history {
        ctx.store.purge(&subject.release, unreadable).await?;
        for head in ctx.memory.records(&subject.release) {
            if !unreadable.contains(&head.revision) {
                ctx.memory.unrecorded(&subject.release, head.revision);
            }
        }
        return Ok(());
    }
    ctx.store.delete_companion(&subject.release).await?;
    let Some(newest) = ctx.memory.records(&subject.release).into_iter().next() else {
        return Ok(());
    };
    if newest.status == Status::Uninstalled || unreadable.contains(&newest.revision) {
        return Ok(());
    }
    if let Some(mut stored) = ctx.store.read(&subject.release, newest.revision).await? {
        stored.release.info.deleted = Timestamp::now().into();
        if let Some(course) = ctx.removing.get(&subject.key) {
            helmapp_helm::hooks::record(&mut stored.release.hooks, &course.progress.runs);
        }
        let stored = ctx
            .store
            .finish(stored, Status::Uninstalled, "Uninstallation complete")
            .await?;
        ctx.memory.recorded(&subject.release, stored.head);
    }
    Ok(())
}

async fn release_app(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    match set(ctx, subject, |finalizers| {
        finalizers.retain(|name| name != FINALIZER)
    })
    .await
    {
        Err(Error::Cluster(error)) if error.is_not_found() => Ok(()),
        other => other,
    }
}

fn forget(ctx: &Context, subject: &Subject) {
    info!(app = %subject.key.name, namespace = %subject.key.namespace, "release is gone");
    ctx.forget(subject);
    claim::wake_others(ctx, subject);
}

/// Changes the finalizers as they stand. Whoever writes the HelmApp in between is no reason to wait.
async fn set(ctx: &Context, subject: &Subject, change: impl Fn(&mut Vec<String>)) -> Result<(), Error> {
    let api: Api<HelmApp> = Api::namespaced(ctx.identities.operator(), &subject.key.namespace);
    let name = subject.key.name.as_str();
    let doing = format!("write the finalizers of HelmApp {}/{name}", subject.key.namespace);
    let mut known = subject.app.metadata.clone();
    let mut tries = TRIES;
    loop {
        let mut finalizers = known.finalizers.clone().unwrap_or_default();
        finalizers.retain(|name| name != FINALIZER);
        change(&mut finalizers);
        // The resourceVersion makes the server refuse when somebody else changed the list since.
        let patch = json!({"metadata": {
            "uid": subject.uid(),
            "resourceVersion": known.resource_version,
            "finalizers": finalizers,
        }});
        let patch = Patch::Merge(&patch);
        failpoint("finalizer.write.before");
        let written = retry::transient(|| async {
            let written = api.patch_metadata(name, &PatchParams::default(), &patch).await;
            match written.map_err(|error| ClusterError::from_kube(&doing, error, false)) {
                Ok(_) => Ok(Ok(())),
                Err(conflict) if conflict.is_conflict() => Ok(Err(conflict)),
                Err(error) => Err(error),
            }
        });
        match written.await? {
            Ok(()) => {
                failpoint("finalizer.write.after");
                return Ok(());
            }
            Err(conflict) if tries == 1 => return Err(conflict.into()),
            Err(_) => tries -= 1,
        }
        let found = api.get_metadata(name).await;
        let found = found.map_err(|error| ClusterError::from_kube(&doing, error, false))?;
        if found.metadata.uid.as_deref() != Some(subject.uid()) {
            return Ok(());
        }
        known = found.metadata;
    }
}
