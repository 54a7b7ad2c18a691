//! Step 8: the operations of a plan, in order. Each can be done again, so a crash only costs a repetition.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::{Action, Answer, Draft, Need, Object, ObjectId, Operation, Plan, Step, decide};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PropagationPolicy;
use serde_json::Value;
use tracing::info;

use crate::cluster::apply::{Applied, Applier, Detail};
use crate::cluster::discovery::Snapshot;
use crate::cluster::{crds, prune};

use super::Context;
use super::health;
use super::planning::PARALLEL;
use super::policy::Error;
use super::subject::Subject;

/// Creates the CRDs of the chart's crds/ directories that are missing, and waits until they are served.
///
/// # Errors
/// The server's refusal, or CRDs that are not established in time.
pub(super) async fn install_crds(
    ctx: &Context,
    subject: &Subject,
    documents: &[Value],
    snapshot: Arc<Snapshot>,
) -> Result<Arc<Snapshot>, Error> {
    let missing = crds::missing(documents, &snapshot);
    if missing.is_empty() {
        return Ok(snapshot);
    }
    crds::create(&subject.tenant, &missing, false).await?;
    let names: Vec<String> = missing.iter().filter_map(|crd| crd_name(crd)).collect();
    serve(ctx, subject, &names).await
}

/// Does the operations of a plan.
///
/// # Errors
/// The first operation that fails; what was done before stays done.
pub(super) async fn run(
    ctx: &Context,
    subject: &Subject,
    mut applier: Applier,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    let mut rest = plan.operations.as_slice();
    while let Some(first) = rest.first() {
        let length = rest
            .iter()
            .take_while(|operation| is_alike(first, operation))
            .count()
            .max(1);
        let (batch, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        match first.action {
            Action::Keep | Action::LeaveBehind => {}
            Action::Delete => delete_all(ctx, subject, batch).await?,
            _ => {
                apply_all(ctx, subject, &applier, batch).await?;
                let names = new_crds(batch);
                if !names.is_empty() {
                    applier = applier.with_snapshot(serve(ctx, subject, &names).await?);
                    // Kinds that are served only now have no watch yet.
                    let ids = plan.operations.iter().map(|operation| &operation.object.id);
                    ctx.follow(&super::kinds(ids)).await?;
                }
            }
        }
    }
    Ok(())
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

async fn apply_all(
    ctx: &Context,
    subject: &Subject,
    applier: &Applier,
    batch: &[Operation<'_>],
) -> Result<(), Error> {
    // Collected first: a closure that is kept across an await makes the future's bounds too narrow.
    let writes: Vec<_> = batch
        .iter()
        .map(|one| apply_one(ctx, subject, applier, one).boxed())
        .collect();
    futures::stream::iter(writes)
        .buffered(PARALLEL)
        .try_collect()
        .await
}

async fn apply_one(
    ctx: &Context,
    subject: &Subject,
    applier: &Applier,
    one: &Operation<'_>,
) -> Result<(), Error> {
    if one.action == Action::CheckAndApply {
        check(applier, one.object).await?;
    }
    let uid = match &one.action {
        Action::Apply { uid } | Action::Adopt { uid } => Some(uid.as_str()).filter(|uid| !uid.is_empty()),
        _ => None,
    };
    apply(ctx, subject, applier, one.object, uid).await.map(|_| ())
}

/// The dry run of an object that could not be checked before the first write.
async fn check(applier: &Applier, object: &Object) -> Result<(), Error> {
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
    decide(&draft, &answers).map(|_| ()).map_err(Error::Refused)
}

async fn delete_all(ctx: &Context, subject: &Subject, batch: &[Operation<'_>]) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    for operation in batch {
        let object = operation.object;
        delete(
            subject,
            &snapshot,
            &object.id,
            &object.version,
            None,
            &PropagationPolicy::Background,
        )
        .await?;
    }
    Ok(())
}

/// Deletes one object if it is still the release's and, where the UID is known, still the same.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn delete(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    id: &ObjectId,
    version: &str,
    uid: Option<&str>,
    propagation: &PropagationPolicy,
) -> Result<prune::Pruned, Error> {
    let pruned = prune::prune(
        &subject.tenant,
        snapshot,
        id,
        version,
        uid,
        &subject.owner,
        propagation,
    )
    .await?;
    info!(app = %subject.key.name, namespace = %subject.key.namespace, object = %id, ?pruned, "let go of object");
    Ok(pruned)
}

/// Waits until CRDs are served.
///
/// # Errors
/// A failed request, or CRDs that are not established in time.
pub(super) async fn serve(
    ctx: &Context,
    subject: &Subject,
    names: &[String],
) -> Result<Arc<Snapshot>, Error> {
    crds::established(&subject.tenant, names).await?;
    ctx.discovery.invalidate();
    Ok(ctx.discovery.snapshot().await?)
}

fn new_crds(batch: &[Operation<'_>]) -> Vec<String> {
    let crds = batch
        .iter()
        .filter(|operation| operation.object.id.kind == "CustomResourceDefinition");
    crds.map(|operation| operation.object.id.name.clone()).collect()
}

fn crd_name(crd: &Value) -> Option<String> {
    crd.pointer("/metadata/name")?.as_str().map(str::to_owned)
}

/// Operations that are done at once: applies of one kind, which Helm does not order either.
fn is_alike(first: &Operation<'_>, other: &Operation<'_>) -> bool {
    let class = |action: &Action| match action {
        Action::Keep | Action::LeaveBehind => 0,
        Action::Delete => 1,
        Action::Create | Action::Apply { .. } | Action::Adopt { .. } | Action::CheckAndApply => 2,
    };
    let kind = |operation: &Operation<'_>| {
        (
            operation.object.id.group.clone(),
            operation.object.id.kind.clone(),
        )
    };
    class(&first.action) == class(&other.action) && (class(&first.action) != 2 || kind(first) == kind(other))
}
