//! What an error means for the release: the reason in its conditions, and when it is tried again.

use std::time::Duration;

use helmapp_helm::plan::{ObjectError, ObjectId, RefusalReason, Refused};

use crate::api::conditions::reason;
use crate::cluster;
use crate::settings::Settings;
use crate::store::{self, ReleaseKey};

use super::memory::AppKey;

/// Most objects that one message names.
const MAX_NAMED: usize = 5;

/// When a failed step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// When an input changes.
    OnChange,
    /// Soon, with back-off: it passes by itself. The server may have said when.
    Soon(Option<Duration>),
    /// Seldom, with back-off: a person has to act, and we may not see it.
    Seldom,
}

/// Why a reconcile did not get where it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An input can't be used: chart, values, template.
    #[error("{message}")]
    Input {
        /// Reason of the condition.
        reason: &'static str,
        /// What is wrong, where, and what to do.
        message: String,
        /// When it is tried again.
        again: Again,
    },
    /// Documents of the manifest that are no objects, or of unknown kinds.
    #[error("{}", join(.0))]
    Objects(Vec<ObjectError>),
    /// The server refuses objects.
    #[error("{}", refusals(.0))]
    Refused(Refused),
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A release record can't be read or written.
    #[error("{message}")]
    Store {
        /// What happened.
        message: String,
        /// Whether it passes.
        transient: bool,
        /// Whether rights are missing.
        forbidden: bool,
    },
    /// An older HelmApp has the release.
    #[error(
        "release {release} belongs to HelmApp {}/{}, which is older; give this one another spec.releaseName or spec.targetNamespace",
        .by.namespace, .by.name
    )]
    Claimed {
        /// The release.
        release: ReleaseKey,
        /// The HelmApp that has it.
        by: AppKey,
    },
    /// Somebody else works on the release.
    #[error(
        "somebody else works on release {release}: revision {revision} is {status}; it is left alone while it changes, and taken over in {} s",
        .wait.as_secs()
    )]
    PendingElsewhere {
        /// The release.
        release: ReleaseKey,
        /// The pending revision.
        revision: i64,
        /// Its status.
        status: String,
        /// How long it is left alone from now.
        wait: Duration,
    },
    /// `spec.rollback.toRevision` names a revision that is not stored.
    #[error("revision {revision} of release {release} is not stored; {}", choice(.stored))]
    NoRevision {
        /// The release.
        release: ReleaseKey,
        /// The revision that was asked for.
        revision: i64,
        /// Those that are stored.
        stored: Vec<i64>,
    },
    /// The target namespace does not exist.
    #[error("namespace \"{0}\" does not exist; create it, or set spec.createNamespace")]
    NoNamespace(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let unusable = match &error {
            store::Error::TooLarge { .. } => Some((reason::RECORD_TOO_LARGE, Again::OnChange)),
            // Others than the newest record are not looked at for changes.
            _ if error.is_unreadable() => Some((reason::RECORD_INVALID, Again::Seldom)),
            _ => None,
        };
        if let Some((reason, again)) = unusable {
            return Self::Input {
                reason,
                message: error.to_string(),
                again,
            };
        }
        let forbidden = matches!(&error, store::Error::Cluster(error) if error.is_forbidden());
        Self::Store {
            transient: error.is_transient(),
            forbidden,
            message: error.to_string(),
        }
    }
}

impl Error {
    /// The reason for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Input { reason, .. } => reason,
            Self::Objects(errors) => {
                let unknown = errors
                    .iter()
                    .any(|error| matches!(error, ObjectError::UnknownKind { .. }));
                if unknown {
                    reason::UNKNOWN_KIND
                } else {
                    reason::OBJECT_INVALID
                }
            }
            Self::Refused(refused) => match refused.reason() {
                RefusalReason::Forbidden => reason::FORBIDDEN,
                RefusalReason::NotOwned | RefusalReason::OwnedByAnother => reason::ADOPTION_REFUSED,
                RefusalReason::ImmutableField => reason::IMMUTABLE_FIELD,
                RefusalReason::Missing if lacks_namespace(refused) => reason::NAMESPACE_NOT_FOUND,
                RefusalReason::Missing => reason::UNKNOWN_KIND,
                RefusalReason::Invalid => reason::OBJECT_INVALID,
            },
            Self::Cluster(error) if error.is_forbidden() => reason::FORBIDDEN,
            Self::Cluster(cluster::Error::UnknownKind { .. }) => reason::UNKNOWN_KIND,
            Self::Cluster(error) if error.is_transient() => reason::API_UNAVAILABLE,
            Self::Cluster(error) if error.is_immutable() => reason::IMMUTABLE_FIELD,
            Self::Cluster(cluster::Error::Timeout { .. }) => reason::TIMED_OUT,
            Self::Cluster(_) => reason::OBJECT_INVALID,
            Self::Store { forbidden: true, .. } => reason::FORBIDDEN,
            Self::Store { .. } => reason::API_UNAVAILABLE,
            Self::Claimed { .. } => reason::RELEASE_CLAIMED,
            Self::PendingElsewhere { .. } => reason::PENDING_ELSEWHERE,
            Self::NoRevision { .. } => reason::REVISION_NOT_FOUND,
            Self::NoNamespace(_) => reason::NAMESPACE_NOT_FOUND,
        }
    }

    /// The same, tried again without a change of the inputs: it is something in the cluster that stands against it.
    #[must_use]
    pub fn lasting(self) -> Self {
        match self.again() {
            Again::OnChange => Self::Input {
                reason: self.reason(),
                message: self.to_string(),
                again: Again::Seldom,
            },
            Again::Soon(_) | Again::Seldom => self,
        }
    }

    /// When it is tried again.
    pub fn again(&self) -> Again {
        match self {
            Self::Input { again, .. } => *again,
            // A CRD or a right that comes later is not seen as a change of this release's inputs.
            Self::Objects(_) if self.reason() == reason::UNKNOWN_KIND => Again::Seldom,
            Self::Objects(_) | Self::Claimed { .. } | Self::NoRevision { .. } => Again::OnChange,
            Self::Refused(refused) => match refused.reason() {
                RefusalReason::ImmutableField => Again::OnChange,
                RefusalReason::Invalid if !may_pass(refused) => Again::OnChange,
                _ => Again::Seldom,
            },
            Self::Cluster(error) if error.is_transient() => Again::Soon(error.retry_after()),
            // Rights, quotas, namespaces that are going: all of them 403, and all of them may end.
            Self::Cluster(error) if matches!(error.code(), Some(403 | 404)) => Again::Seldom,
            Self::Cluster(cluster::Error::UnknownKind { .. } | cluster::Error::Timeout { .. }) => {
                Again::Seldom
            }
            Self::Cluster(_) => Again::OnChange,
            Self::Store { transient: true, .. } => Again::Soon(None),
            Self::Store { .. } | Self::NoNamespace(_) => Again::Seldom,
            Self::PendingElsewhere { wait, .. } => Again::Soon(Some(*wait)),
        }
    }
}

/// How long to wait before the next try; `None` for a change.
pub fn delay(again: Again, failures: u32, settings: &Settings, random: f64) -> Option<Duration> {
    match again {
        Again::OnChange => None,
        Again::Soon(Some(wait)) => Some(wait),
        Again::Soon(None) => Some(settings.retry.delay(failures, random)),
        Again::Seldom => Some(settings.slow_retry.delay(failures, random)),
    }
}

/// Whether what is missing is a namespace, in the API server's words.
fn lacks_namespace(refused: &Refused) -> bool {
    let mut missing = refused
        .0
        .iter()
        .filter(|refusal| refusal.reason == RefusalReason::Missing);
    missing.any(|refusal| refusal.message.contains("namespaces \""))
}

/// Whether it is the cluster that has no place for an object now: a quota, a policy, a namespace that is going.
fn may_pass(refused: &Refused) -> bool {
    let passes = |message: &str| message.contains("quota") || message.contains(" is forbidden: ");
    refused.0.iter().any(|refusal| passes(&refusal.message))
}

/// Several errors as one text.
pub(super) fn join(errors: &[impl std::fmt::Display]) -> String {
    named(errors.iter().map(ToString::to_string), errors.len())
}

fn refusals(refused: &Refused) -> String {
    named(refused.0.iter().map(ToString::to_string), refused.0.len())
}

/// Objects, as messages name them.
pub fn ids<'a>(ids: impl ExactSizeIterator<Item = &'a ObjectId>) -> String {
    let total = ids.len();
    named(ids.map(ToString::to_string), total)
}

fn choice(revisions: &[i64]) -> String {
    if revisions.is_empty() {
        return "no revision is yet: leave spec.rollback.toRevision out".to_owned();
    }
    let list = named(revisions.iter().map(ToString::to_string), revisions.len());
    format!(
        "spec.rollback.toRevision can be one of {}",
        list.replace("; ", ", ")
    )
}

fn named(texts: impl Iterator<Item = String>, total: usize) -> String {
    let mut text = texts.take(MAX_NAMED).collect::<Vec<_>>().join("; ");
    if total > MAX_NAMED {
        text.push_str(&format!("; and {} more", total - MAX_NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::{ObjectId, Refusal};

    use super::*;

    fn api(code: u16, message: &str) -> Error {
        Error::Cluster(cluster::Error::Api {
            doing: "apply x".into(),
            code,
            reason: String::new(),
            message: message.into(),
            fields: vec![],
            retry_after: None,
        })
    }

    fn refused(reason: RefusalReason, message: &str) -> Error {
        let id = ObjectId {
            group: String::new(),
            kind: "Pod".into(),
            namespace: "web".into(),
            name: "p".into(),
        };
        Error::Refused(Refused(vec![Refusal {
            id,
            reason,
            message: message.into(),
        }]))
    }

    #[test]
    fn reasons_and_retries() {
        let table = [
            (api(403, "cannot patch"), reason::FORBIDDEN, Again::Seldom),
            (
                api(403, "exceeded quota: pods"),
                reason::OBJECT_INVALID,
                Again::Seldom,
            ),
            (api(503, "down"), reason::API_UNAVAILABLE, Again::Soon(None)),
            (api(422, "bad"), reason::OBJECT_INVALID, Again::OnChange),
            (
                api(422, "field is immutable"),
                reason::IMMUTABLE_FIELD,
                Again::OnChange,
            ),
            (
                refused(RefusalReason::Forbidden, ""),
                reason::FORBIDDEN,
                Again::Seldom,
            ),
            (
                refused(RefusalReason::OwnedByAnother, ""),
                reason::ADOPTION_REFUSED,
                Again::Seldom,
            ),
            (
                refused(RefusalReason::ImmutableField, ""),
                reason::IMMUTABLE_FIELD,
                Again::OnChange,
            ),
            (
                refused(RefusalReason::Missing, "namespaces \"x\" not found"),
                reason::NAMESPACE_NOT_FOUND,
                Again::Seldom,
            ),
            (
                refused(RefusalReason::Missing, "the server does not know kind Gear"),
                reason::UNKNOWN_KIND,
                Again::Seldom,
            ),
            (
                refused(RefusalReason::Invalid, "bad"),
                reason::OBJECT_INVALID,
                Again::OnChange,
            ),
            (
                refused(RefusalReason::Invalid, "exceeded quota"),
                reason::OBJECT_INVALID,
                Again::Seldom,
            ),
            (
                refused(
                    RefusalReason::Invalid,
                    "pods \"p\" is forbidden: unable to create new content in namespace web because it is being terminated",
                ),
                reason::OBJECT_INVALID,
                Again::Seldom,
            ),
            (
                store::Error::TooLarge {
                    key: ReleaseKey::new("a", "b"),
                    revision: 1,
                    limit: 1_000_000,
                }
                .into(),
                reason::RECORD_TOO_LARGE,
                Again::OnChange,
            ),
            (
                store::Error::Decode {
                    key: ReleaseKey::new("a", "b"),
                    revision: 1,
                    source: helmapp_helm::release::decode("", &Default::default()).unwrap_err(),
                }
                .into(),
                reason::RECORD_INVALID,
                Again::Seldom,
            ),
            (
                Error::NoNamespace("x".into()),
                reason::NAMESPACE_NOT_FOUND,
                Again::Seldom,
            ),
        ];
        for (error, reason, again) in table {
            assert_eq!((error.reason(), error.again()), (reason, again), "{error}");
        }
    }

    #[test]
    fn what_the_cluster_refuses_is_tried_again_without_a_change() {
        for (error, expected) in [
            (api(422, "field is immutable"), Again::Seldom),
            (api(403, "cannot patch"), Again::Seldom),
            (api(503, "down"), Again::Soon(None)),
        ] {
            let (reason, text) = (error.reason(), error.to_string());
            let lasting = error.lasting();
            assert_eq!(
                (lasting.reason(), lasting.to_string(), lasting.again()),
                (reason, text, expected)
            );
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let errors = vec![
            ObjectError::Incomplete {
                position: 1,
                source_template: String::new(),
                field: "kind"
            };
            7
        ];
        let text = Error::Objects(errors).to_string();
        assert!(text.ends_with("has no kind; and 2 more"), "{text}");
        let none = Error::NoRevision {
            release: ReleaseKey::new("a", "b"),
            revision: 9,
            stored: vec![2, 1],
        };
        assert_eq!(
            none.to_string(),
            "revision 9 of release a/b is not stored; spec.rollback.toRevision can be one of 2, 1"
        );
    }

    #[test]
    fn delays_follow_the_settings() {
        let settings = Settings::default();
        assert_eq!(delay(Again::OnChange, 3, &settings, 1.0), None);
        assert_eq!(
            delay(Again::Soon(None), 1, &settings, 1.0),
            Some(settings.retry.least)
        );
        assert_eq!(
            delay(Again::Seldom, 99, &settings, 1.0),
            Some(settings.slow_retry.most)
        );
        let asked = Duration::from_secs(7);
        assert_eq!(delay(Again::Soon(Some(asked)), 1, &settings, 1.0), Some(asked));
    }
}
