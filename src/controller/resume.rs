//! A pending revision of ours that nobody works on, after a crash or an apply that was interrupted: it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use crate::api::ChartStatus;
use crate::api::conditions::reason;
use crate::cluster::apply::Applier;
use crate::store::{Stored, StoredCompanion};

use super::planning::{self, Known};
use super::policy::Error;
use super::reconcile::Next;
use super::release::{cut_short, follow, start_settling};
use super::revision::{Change, returned_objects, stored_objects};
use super::settle::{Cause, Settling};
use super::subject::Subject;
use super::{Context, base, deploy, report};

/// Where the companion keeps why a revision remedies another.
pub(super) const CAUSE: &str = "cause";

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

/// Goes on with a pending revision of ours: after a crash, or after an apply that was interrupted.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn resume(
    ctx: &Context,
    subject: &Subject,
    pending: Pending,
    crds: &[Value],
    chart: &ChartStatus,
) -> Result<Next, Error> {
    let stored = pending.stored;
    let change = Change::of(&stored.release);
    info!(app = %subject.key.name, namespace = %subject.key.namespace, revision = stored.head.revision, "resuming");
    let deployed = base::deployed(ctx, subject).await?;
    let begun = stored
        .release
        .info
        .last_deployed
        .timestamp()
        .unwrap_or_else(Timestamp::now);
    let spent = Duration::try_from(Timestamp::now() - begun).unwrap_or_default();
    let settling = Settling {
        deadline: Instant::now() + subject.timeout(change).saturating_sub(spent),
        change,
        input_digest: pending.input_digest,
        chart: report::chart_of(&stored.release, chart),
        replaces: deployed.clone(),
        cause: pending.cause,
        applied: false,
        failed: false,
        stored,
    };
    let snapshot = ctx.discovery.snapshot().await?;
    let snapshot = match deploy::install_crds(ctx, subject, crds, snapshot).await {
        Ok(snapshot) => snapshot,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    let new = match returned_objects(&settling.stored.release, crds, &snapshot) {
        Ok(new) => new,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    let last = stored_objects(deployed.iter().map(|stored| &stored.release), &snapshot)?;
    let uids = ctx.memory.uids(&subject.key);
    let none = BTreeSet::new();
    let nowhere = BTreeSet::new();
    let known = Known {
        last: &last,
        last_applied: false,
        dirty: &none,
        uids: &uids,
        coming_namespaces: &nowhere,
    };
    let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
    let mut plan = match planning::plan(&applier, &new, &known).await {
        Ok(plan) => plan,
        Err(error) => return cut_short(ctx, subject, settling, error).await,
    };
    if settling.cause.is_some() {
        planning::spare_data(&mut plan);
    }
    follow(ctx, subject, &new.objects, settling.stored.head.revision).await?;
    if let Err(error) = deploy::run(ctx, subject, applier, &plan).await {
        return cut_short(ctx, subject, settling, error).await;
    }
    start_settling(ctx, subject, settling).await
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
