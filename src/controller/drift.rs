//! Objects that others changed or deleted are put back, from the stored manifest of the newest revision.
//!
//! Never against another controller: who changes an object again and again wins after [`LIMIT`] corrections, and
//! an object that another release has taken over is left to it. Both are said in the condition.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::plan::{ObjectId, Ownership, classify};
use tokio::time::Instant;
use tracing::info;

use crate::cluster::apply::Applier;

use super::policy::Error;
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
    /// Why it is left alone.
    given_up: Option<String>,
}

/// What is to be done with an object that is not as we left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Put it back.
    Now,
    /// Put it back later.
    In(Duration),
    /// Leave it; the text says why.
    Never(String),
}

impl Correction {
    /// What is due at a time.
    pub fn due(&self, now: Instant) -> Due {
        if let Some(why) = &self.given_up {
            return Due::Never(why.clone());
        }
        let Some((count, last)) = self.made else {
            return Due::Now;
        };
        let since = now.saturating_duration_since(last);
        if since >= QUIET {
            return Due::Now;
        }
        if count >= LIMIT {
            return Due::Never(format!("it was changed again after {LIMIT} corrections"));
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

    /// The object was put back.
    pub fn made(&mut self, now: Instant) {
        let before = self
            .made
            .filter(|(_, last)| now.saturating_duration_since(*last) < QUIET);
        self.made = Some((before.map_or(0, |(count, _)| count).saturating_add(1), now));
        if let Due::Never(why) = self.due(now) {
            self.given_up = Some(why);
        }
    }

    /// The object is somebody else's.
    pub fn give_up(&mut self, why: String) {
        self.given_up = Some(why);
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
    let mut due = Vec::new();
    let mut later = None;
    let mut left = Vec::new();
    for (id, was) in dirty {
        match ctx
            .memory
            .correction(&subject.key, &id, subject.generation())
            .due(Instant::now())
        {
            Due::Now => due.push((id, was)),
            Due::In(wait) => later = Some(later.map_or(wait, |other: Duration| other.min(wait))),
            Due::Never(why) => left.push((id, why)),
        }
    }
    let mut corrected: Vec<ObjectId> = Vec::new();
    if !due.is_empty() {
        let snapshot = ctx.discovery.snapshot().await?;
        let applier = Applier::new(
            subject.tenant.clone(),
            Arc::clone(&snapshot),
            subject.owner.clone(),
        );
        let objects = match stored(ctx, subject).await? {
            Some(stored) => stored_objects([&stored], &snapshot)?,
            None => Vec::new(),
        };
        for object in objects {
            let Some((_, was)) = due.iter().find(|(id, _)| *id == object.id) else {
                continue;
            };
            let mut correction = ctx
                .memory
                .correction(&subject.key, &object.id, subject.generation());
            let live = applier.metadata(&object.id, &object.version).await?;
            if let Some(Ownership::Another { release, namespace }) =
                live.as_ref().map(|live| classify(live, &subject.owner))
            {
                let why = format!("it belongs to release {namespace}/{release} now");
                correction.give_up(why.clone());
                ctx.memory.corrected(&subject.key, &object.id, correction);
                left.push((object.id, why));
                continue;
            }
            let applied = deploy::apply(ctx, subject, &applier, &object).await?;
            if applied.created || !was.is_at(&deploy::metadata(&applied.live)) {
                correction.made(Instant::now());
                ctx.memory.corrected(&subject.key, &object.id, correction);
                corrected.push(object.id);
            }
        }
        if !corrected.is_empty() {
            let named: Vec<String> = corrected.iter().map(ToString::to_string).collect();
            info!(app = %subject.key.name, namespace = %subject.key.namespace, objects = ?named, "drift corrected");
            report::corrected(ctx, subject, &corrected);
        }
    }
    if !left.is_empty() {
        report::drifted(ctx, subject, &left);
    } else if later.is_none() && corrected.is_empty() {
        report::undrifted(ctx, subject);
    }
    Ok(later)
}

/// The record of the revision that is applied.
async fn stored(ctx: &Context, subject: &Subject) -> Result<Option<helmapp_helm::release::Release>, Error> {
    let revision = ctx.memory.revision(&subject.key);
    let settling = ctx
        .settling
        .get(&subject.key)
        .filter(|settling| settling.stored.head.revision == revision);
    Ok(match settling {
        Some(settling) => Some(settling.stored.release.clone()),
        None => ctx
            .store
            .read(&subject.release, revision)
            .await?
            .map(|stored| stored.release),
    })
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
                correction.made(at(seconds));
            }
        }
        for seconds in [7, 5000] {
            assert!(matches!(correction.due(at(seconds)), Due::Never(_)));
        }
    }

    #[test]
    fn corrections_that_are_far_apart_do_not_count_together() {
        let mut correction = Correction::default();
        let mut now = Instant::now();
        for _ in 0..3 * LIMIT {
            assert_eq!(correction.due(now), Due::Now);
            correction.made(now);
            now += QUIET;
        }
    }
}
