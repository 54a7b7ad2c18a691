//! One object that is not as we left it: whether it may be so, and what is done if not.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::plan::{Object, Ownership, ResourcePolicy, classify};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::api::DriftMode;
use crate::api::conditions::reason;
use crate::cluster::apply::{Applied, Applier, Detail};
use crate::cluster::discovery::Snapshot;
use crate::cluster::watches::stamp;

use super::super::memory::{Health, Tracked};
use super::super::policy::Error;
use super::super::rules::Rules;
use super::super::subject::Subject;
use super::super::{Context, deploy, health, report, veil};
use super::correction::{Correction, Left};
use super::difference::{Difference, differences, told};
use super::fields;
use super::keep::keeping;

/// How soon an object is looked at again that changed while it was.
const SOON: Duration = Duration::from_secs(1);
/// What is said of an object that is not there.
const DELETED: &str = "deleted";

/// What came of an object.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing is wrong with it.
    AsItMayBe,
    /// It was put back; the text says what had been changed.
    Corrected(String),
    /// It is left as it is, and looked at again then.
    Left(Left, Option<Duration>),
    /// It has to be looked at again.
    Later(Duration),
}

/// Looks at the objects of one release.
pub(super) struct Look<'c> {
    ctx: &'c Context,
    subject: &'c Subject,
    applier: Applier,
    rules: Arc<Rules>,
    objects: &'c [Object],
    /// Whether all secrets of the objects are known, so that values can be told.
    veiled: OnceCell<bool>,
}

impl<'c> Look<'c> {
    pub(super) fn new(
        ctx: &'c Context,
        subject: &'c Subject,
        snapshot: Arc<Snapshot>,
        objects: &'c [Object],
    ) -> Self {
        Self {
            applier: subject.applier(snapshot),
            rules: ctx.rules.get(&subject.key).unwrap_or_default(),
            veiled: OnceCell::new(),
            ctx,
            subject,
            objects,
        }
    }

    /// # Errors
    /// The server's refusal, or a failed request.
    pub(super) async fn at(&self, object: &Object, was: &Tracked) -> Result<Outcome, Error> {
        let Some(live) = self.applier.get(&object.id, &object.version).await? else {
            return self.absent(object, was).await;
        };
        let seen = deploy::metadata(&live);
        let ownership = classify(&live, &self.subject.owner);
        if let Some(left) = foreign(&ownership, was, &seen) {
            let rest = self.ctx.settings.slow_retry.most;
            let mut correction = self.correction(object);
            correction.give_up(left.clone(), was.seen_at(), Instant::now() + rest);
            self.note(object, correction);
            return Ok(Outcome::Left(left, Some(rest)));
        }
        let exempt = self.rules.ignore.of(object, &live);
        if exempt.is_whole() || ResourcePolicy::SkipUpdate.is_of(&object.value) {
            return Ok(self.accept(object, &live, &seen).await);
        }
        if !self.warns() && exempt.is_nothing() {
            return self.put_back(object, object, &live, &seen).await;
        }
        let would_be = self.applier.would_be(object).await?;
        let all = differences(&live, &would_be);
        let (may_stay, rest): (Vec<&Difference>, Vec<&Difference>) =
            all.iter().partition(|difference| exempt.covers(difference));
        if rest.is_empty() {
            return Ok(self.accept(object, &live, &seen).await);
        }
        if self.warns() {
            let rest: Vec<Difference> = rest.into_iter().cloned().collect();
            let why = self.words(object, &seen, &rest).await;
            return Ok(self.only_tell(object, was, why));
        }
        if may_stay.is_empty() {
            return self.put_back(object, object, &live, &seen).await;
        }
        match keeping(object, &live, &may_stay) {
            Some(kept) => self.put_back(object, &kept, &live, &seen).await,
            None => {
                let why = "what may stay in it stands in a list whose items can not be told apart".to_owned();
                Ok(self.only_tell(object, was, why))
            }
        }
    }

    async fn absent(&self, object: &Object, was: &Tracked) -> Result<Outcome, Error> {
        let may_be_absent = is_done(object, was) || ResourcePolicy::SkipCreate.is_of(&object.value);
        if may_be_absent || self.rules.ignore.of(object, &Value::Null).is_whole() {
            self.ctx.memory.done(&self.subject.key, &object.id);
            return Ok(Outcome::AsItMayBe);
        }
        if self.warns() {
            return Ok(self.only_tell(object, was, DELETED.to_owned()));
        }
        let applied = self.applier.apply(object, None, Detail::Object).await?;
        self.applied(object, &applied).await;
        let mut correction = self.correction(object);
        correction.made(Instant::now(), DELETED, "");
        self.note(object, correction);
        Ok(Outcome::Corrected(DELETED.to_owned()))
    }

    /// Applies `kept`, which is the object, or the object with what may stay.
    async fn put_back(
        &self,
        object: &Object,
        kept: &Object,
        live: &Value,
        seen: &ObjectMeta,
    ) -> Result<Outcome, Error> {
        let applied = self
            .applier
            .apply(kept, seen.uid.as_deref(), Detail::Object)
            .await;
        let applied = match applied {
            Ok(applied) => applied,
            // Bound to what was read, which is no more.
            Err(error) if kept != object && error.is_conflict() => return Ok(Outcome::Later(SOON)),
            Err(error) => return Err(error.into()),
        };
        self.applied(object, &applied).await;
        let applied = applied.live;
        let found = differences(live, &applied);
        // Others, such as who writes its status, may have been between the two requests.
        let written = !found.is_empty() || stamp(&deploy::metadata(&applied)) != stamp(seen);
        if written {
            let mut correction = self.correction(object);
            let (change, rivals) = (
                fields::taken(&object.value, seen),
                fields::rivals(&object.value, seen),
            );
            correction.made(Instant::now(), &change, &rivals);
            self.note(object, correction);
        }
        if !written {
            return Ok(Outcome::AsItMayBe);
        }
        Ok(Outcome::Corrected(self.words(object, seen, &found).await))
    }

    async fn applied(&self, object: &Object, applied: &Applied) {
        report::conflicts(self.ctx, self.subject, &object.id, &applied.conflicts);
        deploy::remember(self.ctx, self.subject, &object.id, &applied.live).await;
    }

    async fn accept(&self, object: &Object, live: &Value, seen: &ObjectMeta) -> Outcome {
        let health = health::seen(self.ctx, self.subject, live).await;
        self.ctx
            .memory
            .accepted(&self.subject.key, &object.id, seen, health);
        Outcome::AsItMayBe
    }

    /// Leaves the object as it is until it changes.
    fn only_tell(&self, object: &Object, was: &Tracked, why: String) -> Outcome {
        let left = Left {
            reason: reason::DRIFT_DETECTED,
            why,
        };
        let mut correction = self.correction(object);
        correction.leave(left.clone(), was.seen_at());
        self.note(object, correction);
        Outcome::Left(left, None)
    }

    /// Who took which fields, and what differs, without what came from Secrets.
    async fn words(&self, object: &Object, seen: &ObjectMeta, found: &[Difference]) -> String {
        let taken = fields::taken(&object.value, seen);
        let known = self
            .veiled
            .get_or_init(|| async { veil::recall(self.ctx, self.subject, self.objects).await.is_ok() });
        let values = match *known.await {
            true => self.ctx.clean(self.subject, &told(object, found)),
            false => String::new(),
        };
        let parts = [taken, values];
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join("; ")
    }

    fn warns(&self) -> bool {
        self.subject.app.spec.drift_detection.mode == DriftMode::Warn
    }

    fn correction(&self, object: &Object) -> Correction {
        let generation = self.subject.generation();
        self.ctx
            .memory
            .correction(&self.subject.key, &object.id, generation)
    }

    fn note(&self, object: &Object, correction: Correction) {
        self.ctx
            .memory
            .corrected(&self.subject.key, &object.id, correction);
    }
}

/// A Job that goes by itself when it has ended, has gone, and had ended.
fn is_done(object: &Object, was: &Tracked) -> bool {
    let is_job = (object.id.group.as_str(), object.id.kind.as_str()) == ("batch", "Job");
    let goes = object.value.pointer("/spec/ttlSecondsAfterFinished").is_some();
    is_job && goes && matches!(was.health, Health::Ready | Health::Failed(_))
}

/// Why a live object is not to be taken: it is another release's, or another object than the one that was ours, and
/// nothing on it says that it belongs to the release.
fn foreign(ownership: &Ownership, was: &Tracked, live: &ObjectMeta) -> Option<Left> {
    match ownership {
        Ownership::Another { release, namespace } => Some(Left {
            reason: reason::DRIFT_DETECTED,
            why: format!(
                "it belongs to release {namespace}/{release} now; set its label and annotations back to take it, or leave it out of the chart"
            ),
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
