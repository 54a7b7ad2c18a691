//! The memory after a restart: rebuilt from watches and status, without a write.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::plan::{ObjectId, split_api_version};
use helmapp_helm::release::Status;
use serde_json::Value;
use tokio::time::Instant;

use crate::api::conditions::reason;
use crate::api::{HelmAppStatus, InventoryEntry};
use crate::store::{Head, Stored, StoredCompanion};

use super::Context;
use super::memory::Health;
use super::policy::Error;
use super::report;
use super::revision::{Change, stored_objects};
use super::settle::{Cause, Settling};
use super::subject::Subject;

/// Where the companion keeps why a revision remedies another.
pub(super) const CAUSE: &str = "cause";
/// How long the first listing of a kind may take before objects are taken for changed.
const LISTING: Duration = Duration::from_secs(10);

/// A pending revision of ours that nobody works on.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its record.
    pub stored: Stored,
    /// Digest of what it was made from.
    pub input_digest: String,
    /// Why it remedies another.
    pub cause: Option<Cause>,
}

/// Remembers the objects of a release that an earlier process left.
///
/// # Errors
/// A failed request.
pub(super) async fn restore(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let status = ctx.status.current(&subject.app);
    let heads = ctx.memory.records(&subject.release);
    let (Some(head), Some(release)) = (heads.first(), &status.release) else {
        return Ok(());
    };
    let done = matches!(head.status, Status::Deployed | Status::Failed);
    if ctx.memory.revision(&subject.key) != 0 || head.revision != release.revision || !done {
        return Ok(());
    }
    let objects = objects(ctx, subject, head, &status).await?;
    let wanted = objects.iter().map(|(id, version, _)| (id, version.as_str()));
    ctx.memory.want(&subject.key, head.revision, wanted);
    let listed = ctx
        .follow(&super::kinds(objects.iter().map(|(id, ..)| id)))
        .await?;
    let deadline = Instant::now() + LISTING;
    for state in listed {
        let left = deadline.saturating_duration_since(Instant::now());
        crate::cluster::watches::listed(state, left).await;
    }
    if status.inventory_digest.as_deref() == Some(ctx.memory.marks_digest(&subject.key).as_str()) {
        ctx.memory.verified(&subject.key, |id| health_of(&objects, id));
    } else {
        ctx.memory.doubt(&subject.key);
    }
    if head.status == Status::Failed {
        given_up(ctx, subject, head, &status).await?;
    }
    Ok(())
}

/// The pending revision that was made from the same inputs.
///
/// # Errors
/// A failed request.
pub(super) async fn pending(
    ctx: &Context,
    subject: &Subject,
    digest: &str,
) -> Result<Option<Pending>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads
        .first()
        .filter(|head| head.status.is_pending() && head.holder.is_some())
    else {
        return Ok(None);
    };
    if ctx
        .settling
        .get(&subject.key)
        .is_some_and(|settling| settling.stored.head.revision == head.revision)
    {
        return Ok(None);
    }
    let companion = ctx.companions.read(ctx, subject).await?;
    let Some(StoredCompanion { companion, .. }) = companion else {
        return Ok(None);
    };
    if companion.revision != head.revision || companion.input_digest != digest {
        return Ok(None);
    }
    let cause = companion.extra.get(CAUSE).and_then(cause);
    let stored = ctx.store.read(&subject.release, head.revision).await?;
    Ok(stored.map(|stored| Pending {
        stored,
        input_digest: digest.to_owned(),
        cause,
    }))
}

/// The newest deployed revision.
///
/// # Errors
/// A failed request.
pub(super) async fn deployed(ctx: &Context, subject: &Subject) -> Result<Option<Stored>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads.iter().find(|head| head.status == Status::Deployed) else {
        return Ok(None);
    };
    let replaces = ctx
        .settling
        .get(&subject.key)
        .and_then(|settling| settling.replaces.clone());
    match replaces.filter(|stored| stored.head == *head) {
        Some(stored) => Ok(Some(stored)),
        None => Ok(ctx.store.read(&subject.release, head.revision).await?),
    }
}

/// Stands for the inputs of a revision that goes back to another.
pub(super) fn rollback_digest(subject: &Subject, revision: i64) -> String {
    format!("rollback:{revision}:{}", subject.spec_digest())
}

type Listed = (ObjectId, String, Option<String>);

async fn objects(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    status: &HelmAppStatus,
) -> Result<Vec<Listed>, Error> {
    let complete = status.inventory_total == i64::try_from(status.inventory.len()).ok();
    if complete {
        return Ok(status.inventory.iter().map(listed).collect());
    }
    let stored = ctx.store.read(&subject.release, head.revision).await?;
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = stored_objects(stored.iter().map(|stored| &stored.release), &snapshot)?;
    Ok(objects
        .into_iter()
        .map(|object| (object.id, object.version, None))
        .collect())
}

fn listed(entry: &InventoryEntry) -> Listed {
    let id = ObjectId {
        group: entry.group.clone(),
        kind: entry.kind.clone(),
        namespace: entry.namespace.clone().unwrap_or_default(),
        name: entry.name.clone(),
    };
    let (_, version) = split_api_version(&entry.version);
    (id, version.to_owned(), entry.health.clone())
}

fn health_of(objects: &[Listed], id: &ObjectId) -> (Health, bool) {
    let health = objects
        .iter()
        .find(|(known, ..)| known == id)
        .and_then(|(.., health)| health.as_deref());
    let lasting = super::health::is_lasting(&id.group, &id.kind);
    // An inventory that is not complete does not say; what it leaves out was ready when it was written.
    match health {
        Some("Ready") | None => (Health::Ready, lasting),
        _ => (Health::Unknown, lasting),
    }
}

/// A revision that was given up may still become healthy, or be due for its remedy.
async fn given_up(
    ctx: &Context,
    subject: &Subject,
    head: &Head,
    status: &HelmAppStatus,
) -> Result<(), Error> {
    let attempt = status.last_attempted.clone().unwrap_or_default();
    let timed_out = matches!(
        attempt.reason.as_deref(),
        Some(reason::INSTALL_FAILED | reason::UPGRADE_FAILED | reason::ROLLBACK_FAILED)
    );
    if !timed_out {
        return Ok(());
    }
    let Some(stored) = ctx.store.read(&subject.release, head.revision).await? else {
        return Ok(());
    };
    let settling = Settling {
        change: Change::of(&stored.release),
        deadline: Instant::now(),
        input_digest: attempt.input_digest,
        chart: report::chart_of(&stored.release, &status.chart.clone().unwrap_or_default()),
        replaces: deployed(ctx, subject).await?,
        cause: None,
        // The record does not say how far its apply got.
        applied: false,
        failed: true,
        stored,
    };
    ctx.settling.insert(&subject.key, Arc::new(settling));
    Ok(())
}

fn cause(value: &Value) -> Option<Cause> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let reason = text("reason")?;
    let reason = reason::ALL.into_iter().find(|known| *known == reason)?;
    Some(Cause {
        reason,
        message: text("message")?,
        input_digest: text("inputDigest")?,
    })
}
