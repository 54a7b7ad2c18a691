//! The decision: the server's answers turn a draft into operations, or into every reason to refuse.

use std::collections::BTreeMap;
use std::fmt;

use super::draft::{Draft, Need, Step};
use super::object::{Object, ObjectId};
use super::ownership::Ownership;

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
    },
    /// A field that can't be changed would be changed.
    Immutable {
        /// Paths of the fields.
        fields: Vec<String>,
        /// The server's words.
        message: String,
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
    /// Applied onto a live object that carries this release's marks but was not in the last revision.
    Adopt {
        /// UID of the live object.
        uid: String,
    },
    /// Dry-run, then applied, when its turn comes.
    CheckAndApply,
    /// Left as it is: nothing changed.
    Keep,
    /// Deleted: the new revision no longer has it.
    Delete,
    /// Left in the cluster by the keep policy although the new revision no longer has it.
    LeaveBehind,
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    /// The object.
    pub object: &'a Object,
    /// What is done with it.
    pub action: Action,
}

/// Operations in the order in which they are done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan<'a> {
    /// Applies in install order, then removals in reverse order.
    pub operations: Vec<Operation<'a>>,
}

impl Plan<'_> {
    /// Operations that write to the cluster.
    pub fn writes(&self) -> usize {
        let idle = |action: &Action| matches!(action, Action::Keep | Action::LeaveBehind);
        self.operations
            .iter()
            .filter(|operation| !idle(&operation.action))
            .count()
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

/// Decides every object of a draft. An object whose dry run was not answered is checked when its turn comes.
///
/// # Errors
/// [`Refused`] with every object that can't be applied; then nothing may be written.
pub fn decide<'a>(draft: &Draft<'a>, answers: &BTreeMap<ObjectId, Answer>) -> Result<Plan<'a>, Refused> {
    let mut operations = Vec::with_capacity(draft.steps.len() + draft.removals.len());
    let mut refusals = Vec::new();
    for step in &draft.steps {
        match action(step, answers.get(&step.object.id)) {
            Ok(action) => operations.push(Operation {
                object: step.object,
                action,
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
            object: removal.object,
            action,
        });
    }
    if refusals.is_empty() {
        Ok(Plan { operations })
    } else {
        Err(Refused(refusals))
    }
}

fn action(step: &Step<'_>, answer: Option<&Answer>) -> Result<Action, (RefusalReason, String)> {
    let answer = match (step.need, answer) {
        (Need::Nothing, _) => return Ok(Action::Keep),
        (Need::Later, None) | (Need::DryRun, None) => return Ok(Action::CheckAndApply),
        (_, Some(answer)) => answer,
    };
    let refuse = |reason, message: String| Err((reason, message));
    match answer {
        Answer::Absent => Ok(Action::Create),
        Answer::Present {
            uid,
            ownership: Ownership::Ours,
        } if step.known => Ok(Action::Apply { uid: uid.clone() }),
        Answer::Present {
            uid,
            ownership: Ownership::Ours,
        } => Ok(Action::Adopt { uid: uid.clone() }),
        // Its marks were removed behind us; applying puts them back.
        Answer::Present {
            uid,
            ownership: Ownership::Unowned,
        } if step.known => Ok(Action::Apply { uid: uid.clone() }),
        Answer::Present {
            ownership: Ownership::Unowned,
            ..
        } => refuse(
            RefusalReason::NotOwned,
            "exists and was not made by this release; delete it, or give it the label \
             app.kubernetes.io/managed-by=Helm and the annotations meta.helm.sh/release-name and \
             meta.helm.sh/release-namespace of this release to hand it over"
                .to_owned(),
        ),
        Answer::Present {
            ownership: Ownership::Another { release, namespace },
            ..
        } => refuse(
            RefusalReason::OwnedByAnother,
            format!(
                "belongs to release {namespace}/{release}; remove it from that release, or give it another name in this chart's values"
            ),
        ),
        Answer::Immutable { fields, message } => {
            refuse(RefusalReason::ImmutableField, immutable(fields, message))
        }
        Answer::Invalid { message } => refuse(RefusalReason::Invalid, message.clone()),
        Answer::Forbidden { message } => refuse(RefusalReason::Forbidden, message.clone()),
        Answer::Missing { .. } if step.awaits_role => Ok(Action::CheckAndApply),
        Answer::Missing { message } => refuse(RefusalReason::Missing, message.clone()),
    }
}

fn immutable(fields: &[String], message: &str) -> String {
    if fields.is_empty() {
        return format!("an immutable field would change: {message}");
    }
    format!(
        "{} can't be changed on the live object; set it back, or delete the object so that it is made again",
        fields.join(", ")
    )
}
