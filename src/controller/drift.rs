//! Objects that others changed or deleted are put back, from the stored manifest of the newest revision.

use std::sync::Arc;

use helmapp_helm::plan::ObjectId;
use tracing::info;

use crate::cluster::apply::Applier;

use super::memory::Tracked;
use super::policy::Error;
use super::revision::stored_objects;
use super::subject::Subject;
use super::{Context, deploy, report};

/// Applies the dirty objects again. An apply that changes nothing is no write for the server, so a mere
/// suspicion costs one request and no event.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn correct(
    ctx: &Context,
    subject: &Subject,
    revision: i64,
    dirty: Vec<(ObjectId, Tracked)>,
) -> Result<(), Error> {
    let settling = ctx
        .settling
        .get(&subject.key)
        .filter(|settling| settling.stored.head.revision == revision);
    let stored = match settling {
        Some(settling) => Some(settling.stored.clone()),
        None => ctx.store.read(&subject.release, revision).await?,
    };
    let Some(stored) = stored else {
        return Ok(());
    };
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = stored_objects([&stored.release], &snapshot);
    let applier = Applier::new(
        subject.tenant.clone(),
        Arc::clone(&snapshot),
        subject.owner.clone(),
    );
    let mut corrected = Vec::new();
    for object in objects {
        let Some((_, was)) = dirty.iter().find(|(id, _)| *id == object.id) else {
            continue;
        };
        let applied = deploy::apply(ctx, subject, &applier, &object).await?;
        if applied.created || !was.is_at(&deploy::metadata(&applied.live)) {
            corrected.push(object.id);
        }
    }
    if !corrected.is_empty() {
        let named: Vec<String> = corrected.iter().map(ToString::to_string).collect();
        info!(app = %subject.key.name, namespace = %subject.key.namespace, objects = ?named, "drift corrected");
        report::corrected(ctx, subject, &corrected);
    }
    Ok(())
}
