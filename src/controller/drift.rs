//! Objects that others changed or deleted are put back, from the stored manifest of the newest revision, or only told of,
//! as `spec.driftDetection` says.
//!
//! Never against another controller: who changes an object again and again wins, and an object that another release has
//! taken over is left to it, as is one that somebody made anew without the marks of the release. All that is said in the
//! condition.

mod correction;
mod difference;
mod fields;
mod ignore;
mod keep;
mod look;
mod selector;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use helmapp_helm::plan::ObjectId;
use helmapp_helm::release::Release;
use tokio::time::Instant;
use tracing::info;

use crate::api::DriftMode;

use super::memory::Tracked;
use super::planning::PARALLEL;
use super::policy::{Again, Error};
use super::revision::stored_objects;
use super::subject::Subject;
use super::{Context, report, veil};

use correction::Due;
pub(super) use correction::{Correction, Left};
pub(super) use difference::differences;
pub(super) use ignore::Ignore;
use look::{Look, Outcome};

/// All objects are not looked at more often than this.
const LEAST_INTERVAL: Duration = Duration::from_secs(10);

/// Looks at the objects that are not as we left them, puts them back where that is wanted, and says when there is more to
/// do. An apply that changes nothing is no write for the server, so a mere suspicion costs two requests and no event.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn correct(ctx: &Context, subject: &Subject) -> Result<Option<Duration>, Error> {
    let spec = &subject.app.spec.drift_detection;
    if spec.mode == DriftMode::Disabled {
        report::undetected(ctx, subject);
        return Ok(None);
    }
    let mut found = Found::default();
    if let Some(interval) = spec.interval {
        found.wait(inspect(ctx, subject, interval.0.max(LEAST_INTERVAL)));
    }
    let mut dirty = ctx.memory.dirty(&subject.key);
    let settling = ctx.settling.get(&subject.key);
    if let Some(waiting) = settling.as_ref().and_then(|settling| settling.waiting.as_ref()) {
        // Its turn comes.
        dirty.retain(|(id, _)| !waiting.is_to_come(id));
    }
    let mut due = BTreeMap::new();
    for (id, was) in dirty {
        let correction = ctx.memory.correction(&subject.key, &id, subject.generation());
        let now = Instant::now();
        match correction.due(now, was.seen_at()) {
            Due::Now => _ = due.insert(id, was),
            Due::In(wait) => found.wait_for(wait),
            Due::Never(left) => found.leave(id, left, correction.rest(now)),
        }
    }
    let refused = if due.is_empty() {
        None
    } else {
        look_at(ctx, subject, &due, &mut found).await?
    };
    if !found.corrected.is_empty() {
        let named: Vec<String> = found.corrected.iter().map(|(id, _)| id.to_string()).collect();
        info!(app = %subject.key.name, namespace = %subject.key.namespace, objects = ?named, "drift corrected");
        report::corrected(ctx, subject, &found.corrected);
    }
    if let Some(error) = refused {
        return Err(error);
    }
    if !found.left.is_empty() {
        report::drifted(ctx, subject, &found.left);
    } else if !found.waits && found.corrected.is_empty() {
        report::undrifted(ctx, subject);
    }
    Ok(found.later)
}

/// Takes all objects for changed when it is time to; returns when it is again.
fn inspect(ctx: &Context, subject: &Subject, interval: Duration) -> Duration {
    let since = ctx.inspected.since(&subject.key).elapsed();
    if since < interval {
        return interval - since;
    }
    ctx.memory.doubt(&subject.key);
    ctx.inspected.end(&subject.key);
    ctx.inspected.since(&subject.key);
    interval
}

/// Looks at objects, several at a time; returns the first refusal.
async fn look_at(
    ctx: &Context,
    subject: &Subject,
    due: &BTreeMap<ObjectId, Tracked>,
    found: &mut Found,
) -> Result<Option<Error>, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = match applied(ctx, subject).await? {
        Some(release) => stored_objects([&release], &snapshot)?.objects,
        None => Vec::new(),
    };
    let look = &Look::new(ctx, subject, snapshot, &objects);
    let work: Vec<_> = objects
        .iter()
        .filter_map(|object| Some((object, due.get(&object.id)?)))
        .map(|(object, was)| async move { (&object.id, look.at(object, was).await) }.boxed())
        .collect();
    let mut refused = None;
    let mut outcomes = futures::stream::iter(work).buffered(PARALLEL);
    while let Some((id, outcome)) = outcomes.next().await {
        match outcome {
            Ok(Outcome::AsItMayBe) => {}
            Ok(Outcome::Corrected(change)) => found.corrected.push((id.clone(), change)),
            Ok(Outcome::Left(left, rest)) => found.leave(id.clone(), left, rest),
            Ok(Outcome::Later(wait)) => found.wait_for(wait),
            Err(error) => {
                if refused.is_none() {
                    // What the server says can quote what the record has from Secrets.
                    veil::recall(ctx, subject, &objects).await?;
                }
                // The others are put back all the same, unless the server has no time for them either.
                if matches!(error.again(), Again::Soon(_)) {
                    return Err(error);
                }
                refused = refused.or(Some(error));
            }
        }
    }
    Ok(refused)
}

/// What came of the dirty objects.
#[derive(Debug, Default)]
struct Found {
    /// Put back, and what had been changed.
    corrected: Vec<(ObjectId, String)>,
    left: Vec<(ObjectId, Left)>,
    /// Some are put back later.
    waits: bool,
    /// When to come again.
    later: Option<Duration>,
}

impl Found {
    fn wait(&mut self, wait: Duration) {
        self.later = Some(self.later.map_or(wait, |other| other.min(wait)));
    }

    fn wait_for(&mut self, wait: Duration) {
        self.waits = true;
        self.wait(wait);
    }

    fn leave(&mut self, id: ObjectId, left: Left, again: Option<Duration>) {
        self.left.push((id, left));
        if let Some(wait) = again {
            self.wait(wait);
        }
    }
}

/// The record of the revision that is applied.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn applied(ctx: &Context, subject: &Subject) -> Result<Option<Release>, Error> {
    let revision = ctx.memory.revision(&subject.key);
    let settling = ctx
        .settling
        .get(&subject.key)
        .filter(|settling| settling.record.head.revision == revision);
    let stored = match settling {
        Some(settling) => settling.record.stored(ctx, subject).await?,
        None => ctx.store.read(&subject.release, revision).await?,
    };
    Ok(stored.map(|stored| stored.release))
}
