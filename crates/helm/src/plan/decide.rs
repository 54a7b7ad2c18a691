//! The decision: the server's answers turn a draft into operations, or into every reason to refuse.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::conflicts::Conflict;
use super::draft::{Draft, Need, Step};
use super::hygiene::directive;
use super::object::{Object, ObjectId};
use super::ownership::Ownership;
use super::policy::{Obstacle, Propagation, ResourcePolicy, Rules, recreation};

/// What the server said to the dry run of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It would be created.
    Absent,
    /// It exists and would be changed or left alone.
    Present {
        /// UID of the live object.
        uid: String,
        /// Whose the live object is.
        ownership: Ownership,
        /// Fields that others have set otherwise.
        conflicts: Vec<Conflict>,
    },
    /// A field that can't be changed would be changed.
    Immutable {
        /// Paths of the fields.
        fields: Vec<String>,
        /// The server's words.
        message: String,
        /// The object that can't be changed; `None` where it can't be read.
        live: Option<Live>,
    },
    /// The server, or an admission webhook, does not accept the object.
    Invalid {
        /// The server's words.
        message: String,
    },
    /// The identity may not do it.
    Forbidden {
        /// The server's words: who, which verb, which resource.
        message: String,
    },
    /// The server does not know the kind, or the namespace does not exist.
    Missing {
        /// The server's words.
        message: String,
    },
}

/// A live object, as far as it matters whether another may take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its UID.
    pub uid: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// Its spec, where the kind has rules about that; otherwise null.
    pub spec: Value,
}

/// What is done with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Applied for the first time.
    Create,
    /// Applied onto the live object, which is this release's.
    Apply {
        /// UID of the live object.
        uid: String,
    },
    /// Applied onto a live object that was not in the last revision: it carries this release's marks, or nobody's, and
    /// the release may take such.
    Adopt {
        /// UID of the live object.
        uid: String,
    },
    /// Deleted, and made anew once it is gone: a field of it can't be changed.
    Recreate {
        /// UID of the live object.
        uid: String,
        /// What becomes of what it owns.
        propagation: Propagation,
        /// The fields that can't be changed.
        fields: Vec<String>,
    },
    /// Dry-run, then applied, when its turn comes.
    CheckAndApply,
    /// Left as it is: nothing changed, or it asks not to be changed.
    Keep,
    /// Not there, and not made: it asks for that.
    SkipCreate,
    /// Deleted: the new revision no longer has it.
    Delete,
    /// Left in the cluster by the keep policy although the new revision no longer has it.
    LeaveBehind,
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    /// The object.
    pub object: Cow<'a, Object>,
    /// What is done with it.
    pub action: Action,
    /// Its fields that others have set otherwise.
    pub conflicts: Vec<Conflict>,
}

/// Operations in the order in which they are done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan<'a> {
    /// Applies in install order, then removals in reverse order.
    pub operations: Vec<Operation<'a>>,
}

impl Plan<'_> {
    /// The objects that are in the cluster once the plan is done.
    pub fn made(&self) -> impl Iterator<Item = &Object> {
        let goes =
            |action: &Action| matches!(action, Action::Delete | Action::LeaveBehind | Action::SkipCreate);
        let stays = self
            .operations
            .iter()
            .filter(move |operation| !goes(&operation.action));
        stays.map(|operation| operation.object.as_ref())
    }
}

impl Operation<'_> {
    /// The same with an object of its own.
    pub fn into_owned(self) -> Operation<'static> {
        Operation {
            object: Cow::Owned(self.object.into_owned()),
            action: self.action,
            conflicts: self.conflicts,
        }
    }
}

/// Why an object can't be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// The object exists and does not carry this release's marks.
    NotOwned,
    /// The object belongs to another release.
    OwnedByAnother,
    /// An immutable field would change.
    ImmutableField,
    /// The server does not accept the object.
    Invalid,
    /// The identity lacks a right.
    Forbidden,
    /// The kind or the namespace does not exist.
    Missing,
}

/// One object that can't be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The object.
    pub id: ObjectId,
    /// Why, for a program.
    pub reason: RefusalReason,
    /// Why, for a person: what is in the way and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)
    }
}

/// All refusals of a plan, in install order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<Refusal>);

impl Refused {
    /// The reason that decides what happens next. Forbidden goes first, because without rights the other
    /// answers are incomplete; then what belongs to somebody else.
    pub fn reason(&self) -> RefusalReason {
        let rank = |reason: &RefusalReason| match reason {
            RefusalReason::Forbidden => 0,
            RefusalReason::OwnedByAnother => 1,
            RefusalReason::NotOwned => 2,
            RefusalReason::ImmutableField => 3,
            RefusalReason::Missing => 4,
            RefusalReason::Invalid => 5,
        };
        self.0
            .iter()
            .map(|refusal| refusal.reason)
            .min_by_key(rank)
            .unwrap_or(RefusalReason::Invalid)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            refusal.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Decides every object of a draft by the rules. An object whose dry run was not answered is checked when its turn
/// comes.
///
/// # Errors
/// [`Refused`] with every object that can't be applied; then nothing may be written.
pub fn decide<'a>(
    draft: &Draft<'a>,
    answers: &BTreeMap<ObjectId, Answer>,
    rules: &Rules<'_>,
) -> Result<Plan<'a>, Refused> {
    let mut operations = Vec::with_capacity(draft.steps.len() + draft.removals.len());
    let mut refusals = Vec::new();
    for step in &draft.steps {
        let answer = answers.get(&step.object.id);
        match action(step, answer, rules) {
            Ok(action) => operations.push(Operation {
                object: Cow::Borrowed(step.object),
                action,
                conflicts: conflicts(answer),
            }),
            Err((reason, message)) => {
                refusals.push(Refusal {
                    id: step.object.id.clone(),
                    reason,
                    message,
                });
            }
        }
    }
    for removal in &draft.removals {
        let action = if removal.keep {
            Action::LeaveBehind
        } else {
            Action::Delete
        };
        operations.push(Operation {
            object: Cow::Borrowed(removal.object),
            action,
            conflicts: Vec::new(),
        });
    }
    if refusals.is_empty() {
        Ok(Plan { operations })
    } else {
        Err(Refused(refusals))
    }
}

fn conflicts(answer: Option<&Answer>) -> Vec<Conflict> {
    match answer {
        Some(Answer::Present { conflicts, .. }) => conflicts.clone(),
        _ => Vec::new(),
    }
}

type Refuse = (RefusalReason, String);

fn action(step: &Step<'_>, answer: Option<&Answer>, rules: &Rules<'_>) -> Result<Action, Refuse> {
    let answer = match (step.need, answer) {
        (Need::Nothing, _) => return Ok(Action::Keep),
        (Need::Later, None) | (Need::DryRun, None) => return Ok(Action::CheckAndApply),
        (_, Some(answer)) => answer,
    };
    let has = |policy: ResourcePolicy| policy.is_of(&step.object.value);
    match answer {
        Answer::Absent if has(ResourcePolicy::SkipCreate) => Ok(Action::SkipCreate),
        Answer::Absent => Ok(Action::Create),
        Answer::Present { uid, ownership, .. } => {
            let uid = uid.clone();
            Ok(match takes(step, ownership, rules)? {
                _ if has(ResourcePolicy::SkipUpdate) && *ownership == Ownership::Ours => Action::Keep,
                Taken::Known => Action::Apply { uid },
                Taken::New => Action::Adopt { uid },
            })
        }
        Answer::Immutable {
            fields,
            message,
            live,
        } => match live {
            Some(live) => blocked(step, live, fields, rules)?.map_err(|way| immutable(fields, message, &way)),
            None => Err(immutable(
                fields,
                message,
                "set it back, or delete the object yourself",
            )),
        },
        Answer::Invalid { message } => Err((RefusalReason::Invalid, invalid(step.object, message))),
        Answer::Forbidden { message } => Err((RefusalReason::Forbidden, message.clone())),
        Answer::Missing { .. } if step.awaits_role => Ok(Action::CheckAndApply),
        Answer::Missing { message } => Err((RefusalReason::Missing, message.clone())),
    }
}

/// What is done with an object that can't become what it should; where nothing is, the way out.
fn blocked(
    step: &Step<'_>,
    live: &Live,
    fields: &[String],
    rules: &Rules<'_>,
) -> Result<Result<Action, String>, Refuse> {
    let taken = takes(step, &live.ownership, rules)?;
    let ours = live.ownership == Ownership::Ours;
    if ours && ResourcePolicy::SkipUpdate.is_of(&step.object.value) {
        return Ok(Ok(Action::Keep));
    }
    if taken == Taken::New && !ours {
        // What was never this release's is not deleted.
        return Ok(Err("set it back, or delete the object yourself".to_owned()));
    }
    Ok(match recreation(step.object, &live.spec, rules) {
        Ok(propagation) => Ok(Action::Recreate {
            uid: live.uid.clone(),
            propagation,
            fields: fields.to_vec(),
        }),
        Err(Obstacle::NotAsked(way) | Obstacle::Never(way)) => Err(way),
    })
}

/// Whether an object is the release's already.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// The last revision had it.
    Known,
    /// It is taken over.
    New,
}

fn takes(step: &Step<'_>, ownership: &Ownership, rules: &Rules<'_>) -> Result<Taken, Refuse> {
    match ownership {
        // Marks that were removed behind us are put back by applying.
        Ownership::Ours | Ownership::Unowned if step.known => Ok(Taken::Known),
        Ownership::Ours => Ok(Taken::New),
        Ownership::Unowned if rules.adopt => Ok(Taken::New),
        Ownership::Another { release, namespace } if rules.adopt && has_ended(rules, namespace, release) => Ok(Taken::New),
        Ownership::Unowned => Err((
            RefusalReason::NotOwned,
            "exists and was not made by this release; delete it, let the release take it with spec.adoption: unowned, or \
             hand it over: with the label app.kubernetes.io/managed-by=Helm and the annotations \
             meta.helm.sh/release-name and meta.helm.sh/release-namespace of this release"
                .to_owned(),
        )),
        Ownership::Another { release, namespace } => Err((
            RefusalReason::OwnedByAnother,
            format!(
                "belongs to release {namespace}/{release}; remove it from that release, or give it another name in this chart's values"
            ),
        )),
    }
}

fn has_ended(rules: &Rules<'_>, namespace: &str, release: &str) -> bool {
    let key = (namespace.to_owned(), release.to_owned());
    rules.ended.is_some_and(|ended| ended.contains(&key))
}

fn immutable(fields: &[String], message: &str, way: &str) -> Refuse {
    let what = if fields.is_empty() {
        format!("an immutable field would change ({message})")
    } else {
        format!("{} can't be changed on the live object", fields.join(", "))
    };
    (RefusalReason::ImmutableField, format!("{what}; {way}"))
}

/// The server's words, and what it does not know about the manifest.
fn invalid(object: &Object, message: &str) -> String {
    match directive(&object.value) {
        Some(path) => format!(
            "{message}; {path} is an instruction for patches that clients make, which an API server that applies does not follow: write the object as it is to be"
        ),
        None => message.to_owned(),
    }
}
