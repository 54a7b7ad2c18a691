//! Objects that others changed or deleted are put back, from the stored manifest of the newest revision.
//!
//! Never against another controller: who changes an object again and again wins after [`LIMIT`] corrections, and
//! an object that another release has taken over is left to it, as is one that somebody made anew without the marks
//! of the release. All that is said in the condition.

mod fields;

use std::time::Duration;

use helmapp_helm::plan::{Object, ObjectId, Ownership, classify};
use helmapp_helm::release::Release;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;
use tracing::info;

use crate::api::conditions::reason;
use crate::cluster::apply::Applier;

use super::memory::Tracked;
use super::policy::{Again, Error};
use super::revision::stored_objects;
use super::subject::Subject;
use super::{Context, deploy, report};

/// Corrections of one object without [`QUIET`] in between, after which it is left alone.
const LIMIT: u32 = 6;
/// Corrections that are made at once; each one after them waits twice as long as the one before.
const AT_ONCE: u32 = 3;
/// The first wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Corrections that are further apart than this do not count together.
const QUIET: Duration = Duration::from_secs(600);

/// The corrections of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// How many there were, and when the last one was.
    made: Option<(u32, Instant)>,
    /// Why it is left alone, and until when; `None` for as long as the spec stays.
    given_up: Option<(Left, Option<Instant>)>,
}

/// Why an object is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What is wrong.
    pub why: String,
}

/// What is to be done with an object that is not as we left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Put it back.
    Now,
    /// Put it back later.
    In(Duration),
    /// Leave it.
    Never(Left),
}

impl Correction {
    /// What is due at a time.
    pub fn due(&self, now: Instant) -> Due {
        match &self.given_up {
            Some((_, Some(until))) if now >= *until => return Due::Now,
            Some((left, _)) => return Due::Never(left.clone()),
            None => {}
        }
        let Some((count, last)) = self.made else {
            return Due::Now;
        };
        let since = now.saturating_duration_since(last);
        if since >= QUIET {
            return Due::Now;
        }
        if count >= LIMIT {
            return Due::Never(Left {
                reason: reason::DRIFT_DETECTED,
                why: format!("it was changed again after {LIMIT} corrections"),
            });
        }
        let wait = match count.checked_sub(AT_ONCE) {
            Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(20)),
            None => Duration::ZERO,
        };
        match wait.saturating_sub(since) {
            Duration::ZERO => Due::Now,
            left => Due::In(left),
        }
    }

    /// The object was put back after this change.
    pub fn made(&mut self, now: Instant, change: &str) {
        let before = self
            .made
            .filter(|(_, last)| now.saturating_duration_since(*last) < QUIET);
        self.made = Some((before.map_or(0, |(count, _)| count).saturating_add(1), now));
        self.given_up = match self.due(now) {
            Due::Never(mut left) => {
                if !change.is_empty() {
                    left.why = format!("{} ({change})", left.why);
                }
                Some((left, None))
            }
            Due::Now | Due::In(_) => None,
        };
    }

    /// The object is somebody else's, until a look at it says something else.
    pub fn give_up(&mut self, left: Left, until: Instant) {
        self.given_up = Some((left, Some(until)));
    }

    /// How long it is left alone from now.
    fn rest(&self, now: Instant) -> Option<Duration> {
        let (_, until) = self.given_up.as_ref()?;
        until.map(|until| until.saturating_duration_since(now))
    }
}

/// Applies the dirty objects again, and says when there is more to do. An apply that changes nothing is no
/// write for the server, so a mere suspicion costs two requests and no event.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn correct(ctx: &Context, subject: &Subject) -> Result<Option<Duration>, Error> {
    let dirty = ctx.memory.dirty(&subject.key);
    if dirty.is_empty() {
        report::undrifted(ctx, subject);
        return Ok(None);
    }
    let mut found = Found::default();
    let mut due = Vec::new();
    let mut refused = None;
    for (id, was) in dirty {
        let correction = ctx.memory.correction(&subject.key, &id, subject.generation());
        let now = Instant::now();
        match correction.due(now) {
            Due::Now => due.push((id, was)),
            Due::In(wait) => found.wait(wait),
            Due::Never(left) => found.leave(id, left, correction.rest(now)),
        }
    }
    if !due.is_empty() {
        let snapshot = ctx.discovery.snapshot().await?;
        let objects = match applied(ctx, subject).await? {
            Some(release) => stored_objects([&release], &snapshot)?.objects,
            None => Vec::new(),
        };
        let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
        for object in objects {
            let Some((_, was)) = due.iter().find(|(id, _)| *id == object.id) else {
                continue;
            };
            match correct_one(ctx, subject, &applier, &object, was, &mut found).await {
                Ok(()) => {}
                // The others are put back all the same, unless the server has no time for them either.
                Err(error) if matches!(error.again(), Again::Soon(_)) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
    }
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
    } else if found.later.is_none() && found.corrected.is_empty() {
        report::undrifted(ctx, subject);
    }
    Ok(found.later)
}

/// What came of the dirty objects.
#[derive(Debug, Default)]
struct Found {
    /// Put back, and what had been changed.
    corrected: Vec<(ObjectId, String)>,
    left: Vec<(ObjectId, Left)>,
    /// When to come again.
    later: Option<Duration>,
}

impl Found {
    fn wait(&mut self, wait: Duration) {
        self.later = Some(self.later.map_or(wait, |other| other.min(wait)));
    }

    fn leave(&mut self, id: ObjectId, left: Left, again: Option<Duration>) {
        self.left.push((id, left));
        if let Some(wait) = again {
            self.wait(wait);
        }
    }
}

async fn correct_one(
    ctx: &Context,
    subject: &Subject,
    applier: &Applier,
    object: &Object,
    was: &Tracked,
    found: &mut Found,
) -> Result<(), Error> {
    let mut correction = ctx
        .memory
        .correction(&subject.key, &object.id, subject.generation());
    let live = applier.metadata(&object.id, &object.version).await?;
    let seen = live.as_ref().map(deploy::metadata).unwrap_or_default();
    if let Some(live) = &live
        && let Some(left) = foreign(&classify(live, &subject.owner), was, &seen)
    {
        let rest = ctx.settings.slow_retry.most;
        correction.give_up(left.clone(), Instant::now() + rest);
        ctx.memory.corrected(&subject.key, &object.id, correction);
        found.leave(object.id.clone(), left, Some(rest));
        return Ok(());
    }
    let change = match &live {
        Some(_) => fields::taken(&object.value, &seen),
        None => "deleted".to_owned(),
    };
    let applied = deploy::apply(ctx, subject, applier, object, seen.uid.as_deref()).await?;
    let written = deploy::metadata(&applied.live).resource_version != seen.resource_version;
    if written || !was.is_at(&seen) {
        correction.made(Instant::now(), &change);
        ctx.memory.corrected(&subject.key, &object.id, correction);
    }
    if written {
        found.corrected.push((object.id.clone(), change));
    }
    Ok(())
}

/// Why a live object is not to be taken: it is another release's, or another object than the one that was ours, and
/// nothing on it says that it belongs to the release.
fn foreign(ownership: &Ownership, was: &Tracked, live: &ObjectMeta) -> Option<Left> {
    match ownership {
        Ownership::Another { release, namespace } => Some(Left {
            reason: reason::DRIFT_DETECTED,
            why: format!("it belongs to release {namespace}/{release} now"),
        }),
        Ownership::Unowned if was.was(live.uid.as_deref().unwrap_or_default()) == Some(false) => {
            let by = fields::maker(live).map(|manager| format!(" by {manager}"));
            Some(Left {
                reason: reason::ADOPTION_REFUSED,
                why: format!(
                    "it was made anew{} without the release's label and annotations; delete it, or give it these, and it is put back",
                    by.unwrap_or_default()
                ),
            })
        }
        Ownership::Ours | Ownership::Unowned => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_slow_down_and_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut correction = Correction::default();
        // when, what is due then
        let table = [
            (0, Due::Now),
            (0, Due::Now),
            (0, Due::Now),
            (0, Due::In(Duration::from_secs(1))),
            (1, Due::Now),
            (1, Due::In(Duration::from_secs(2))),
            (3, Due::Now),
            (3, Due::In(Duration::from_secs(4))),
            (7, Due::Now),
        ];
        for (seconds, expected) in table {
            let due = correction.due(at(seconds));
            assert_eq!(due, expected, "at {seconds}");
            if due == Due::Now {
                correction.made(at(seconds), "data.a by edit");
            }
        }
        for seconds in [7, 5000] {
            let Due::Never(left) = correction.due(at(seconds)) else {
                panic!("it goes on at {seconds}");
            };
            assert_eq!(
                left.why,
                "it was changed again after 6 corrections (data.a by edit)"
            );
        }
    }

    #[test]
    fn what_is_not_ours_is_looked_at_again_later() {
        let start = Instant::now();
        let left = Left {
            reason: reason::ADOPTION_REFUSED,
            why: "it was made anew".to_owned(),
        };
        let mut correction = Correction::default();
        correction.give_up(left.clone(), start + QUIET);
        assert_eq!(correction.due(start), Due::Never(left));
        assert_eq!(correction.rest(start), Some(QUIET));
        assert_eq!(correction.due(start + QUIET), Due::Now);
        correction.made(start + QUIET, "deleted");
        assert_eq!(correction.due(start + QUIET), Due::Now);
    }

    #[test]
    fn corrections_that_are_far_apart_do_not_count_together() {
        let mut correction = Correction::default();
        let mut now = Instant::now();
        for _ in 0..3 * LIMIT {
            assert_eq!(correction.due(now), Due::Now);
            correction.made(now, "");
            now += QUIET;
        }
    }
}
