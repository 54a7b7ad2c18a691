//! Errors of requests to the API server: what we were doing, who said no, what of it may be shown.

use std::time::Duration;

use helmapp_helm::plan::Conflict;
use kube::core::response::StatusCause;

use crate::excerpt::excerpt;

/// Result of a cluster request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Longest message of the server that is passed on.
pub const MAX_MESSAGE: usize = 1024;

/// What went wrong between us and the API server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The API server answered with a failure.
    #[error("{doing}: {message}")]
    Api {
        /// What we were doing, with the object.
        doing: String,
        /// HTTP status code.
        code: u16,
        /// The server's reason: `Forbidden`, `Invalid`, `NotFound`, …
        reason: String,
        /// The server's words, shortened.
        message: String,
        /// Paths of the fields it names.
        fields: Vec<String>,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Others have set fields otherwise, and the apply was not to take them.
    #[error("{doing}: others have set fields otherwise: {}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Conflicts {
        /// What we were doing, with the object.
        doing: String,
        /// The fields and whose they are.
        conflicts: Vec<Conflict>,
    },
    /// No answer: connection, TLS, timeout, or an answer that can't be read.
    #[error("{doing}: {message}")]
    Connection {
        /// What we were doing, with the object.
        doing: String,
        /// What happened.
        message: String,
    },
    /// The cluster does not serve the kind.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    UnknownKind {
        /// `apiVersion`.
        api_version: String,
        /// Kind.
        kind: String,
    },
    /// Something that was waited for did not come.
    #[error("{what} within {} s", .limit.as_secs())]
    Timeout {
        /// What was waited for, as a sentence without its end.
        what: String,
        /// For how long.
        limit: Duration,
    },
}

impl Error {
    /// Wraps an error of the client. With `secret`, the server's words are left out, as they can quote values.
    pub fn from_kube(doing: impl Into<String>, error: kube::Error, secret: bool) -> Self {
        let doing = doing.into();
        let status = match error {
            kube::Error::Api(status) => status,
            other => {
                return Self::Connection {
                    doing,
                    message: excerpt(&describe(&other), MAX_MESSAGE),
                };
            }
        };
        let details = status.details.as_ref();
        let causes = details
            .map(|details| details.causes.as_slice())
            .unwrap_or_default();
        let conflicts: Vec<Conflict> = causes.iter().filter_map(conflict).collect();
        if !conflicts.is_empty() {
            return Self::Conflicts { doing, conflicts };
        }
        let mut fields: Vec<String> = causes
            .iter()
            .map(|cause| cause.field.clone())
            .filter(|field| !field.is_empty())
            .collect();
        fields.dedup();
        // Admission webhooks refuse with the reason of a missing right, and quote what they refuse.
        let lacks_right = status.reason == "Forbidden" && status.message.contains("is forbidden: User ");
        let plain = lacks_right || matches!(status.reason.as_str(), "NotFound" | "Conflict");
        let quotes_values = secret && !plain;
        let message = if says_untyped(&status.message) && quotes_values {
            format!(
                "{UNTYPED}: a value of data is no base64, or a field has another type (the server's message is not shown because the object is a Secret)"
            )
        } else if let Some(webhook) = silent_webhook(&status.message).filter(|_| quotes_values) {
            format!("{} failed calling webhook \"{webhook}\"", status.reason)
        } else if quotes_values {
            // Classified here: afterwards the words that say so are gone.
            let fields = if says_immutable(&status.message) {
                format!("{} immutable", fields.join(", "))
            } else {
                fields.join(", ")
            };
            format!(
                "{} {fields} (the server's message is not shown because the object is a Secret)",
                status.reason
            )
        } else {
            excerpt(&status.message, MAX_MESSAGE)
        };
        let seconds = details.map_or(0, |details| details.retry_after_seconds);
        Self::Api {
            doing,
            code: status.code,
            reason: status.reason.clone(),
            message,
            fields,
            retry_after: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
        }
    }

    /// HTTP status code of the server's answer, if there was one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The object, or what it lives in, does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The identity lacks a right. A quota or a terminating namespace also answers 403, but means something else.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { code: 403, message, .. }
            if !message.contains("exceeded quota") && !message.contains("being terminated") && !message.contains(NOT_RESIZABLE))
    }

    /// Another writer was there first, or the object already exists.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The object is not the one whose UID we know: it was deleted, or made anew.
    pub fn is_replaced(&self) -> bool {
        match self {
            Self::Api {
                code: 409, message, ..
            } => ["uid mismatch", "UID in precondition", "UID in the precondition"]
                .iter()
                .any(|words| message.contains(words)),
            Self::Api {
                code: 422, fields, ..
            } => fields.iter().any(|field| field == "metadata.uid"),
            _ => false,
        }
    }

    /// The change would touch a field that can't be changed.
    pub fn is_immutable(&self) -> bool {
        match self {
            Self::Api {
                code: 422, message, ..
            } => says_immutable(message),
            Self::Api {
                code: 403, message, ..
            } => message.contains(NOT_RESIZABLE),
            _ => false,
        }
    }

    /// The server does not accept the object as it would become.
    pub fn is_invalid(&self) -> bool {
        self.code() == Some(422) && !self.is_immutable() && !self.is_replaced()
    }

    /// Server-side apply could not read the object by its kind's schema. The server answers 500 for that, but
    /// the fault is the object's.
    pub fn is_untyped(&self) -> bool {
        matches!(self, Self::Api { code: 500, message, .. } if says_untyped(message))
    }

    /// Trying again later can succeed although nothing of ours changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { .. } if self.is_untyped() => false,
            Self::Api { .. } if self.is_replaced() => true,
            Self::Api { code, .. } => matches!(code, 408 | 409 | 410 | 429 | 500 | 502 | 503 | 504),
            Self::Connection { .. } => true,
            Self::Conflicts { .. } | Self::UnknownKind { .. } | Self::Timeout { .. } => false,
        }
    }

    /// How long the server asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The name of the admission webhook that could not be asked. What it has answered may quote values.
fn silent_webhook(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("failed calling webhook \"")?;
    rest.split('"').next()
}

/// What the server says of an object that it can't read.
const UNTYPED: &str = "failed to convert new object";

fn says_untyped(message: &str) -> bool {
    [UNTYPED, "failed to create typed patch object"]
        .iter()
        .any(|words| message.contains(words))
}

/// The words of an admission plugin about a claim whose StorageClass does not let it grow.
const NOT_RESIZABLE: &str = "pvc can be resized";

/// Reads `conflict with "kubectl" with subresource "scale" using apps/v1`.
fn conflict(cause: &StatusCause) -> Option<Conflict> {
    if cause.reason != "FieldManagerConflict" {
        return None;
    }
    let quoted = |after: &str| {
        let (_, rest) = cause.message.split_once(after)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        values.next()?.ok()
    };
    Some(Conflict {
        field: cause.field.clone(),
        manager: quoted("conflict with ")?,
        subresource: quoted(" with subresource ").unwrap_or_default(),
        yielded: false,
    })
}

fn says_immutable(message: &str) -> bool {
    const WORDS: [&str; 7] = [
        "immutable",
        "may not change",
        "may not be changed",
        "may not be updated",
        "cannot change",
        "cannot be changed",
        "updates to ",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

fn describe(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    for _ in 0..8 {
        let Some(cause) = source else { break };
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn api(code: u16, reason: &str, message: &str, field: &str) -> kube::Error {
        let cause = StatusCause {
            reason: String::new(),
            message: String::new(),
            field: field.into(),
        };
        let details = StatusDetails {
            causes: vec![cause],
            retry_after_seconds: 3,
            ..empty()
        };
        let status = Status {
            details: Some(details),
            ..Status::failure(message, reason).with_code(code)
        };
        kube::Error::Api(status.boxed())
    }

    fn empty() -> StatusDetails {
        serde_json::from_str("{}").unwrap()
    }

    #[test]
    fn classes_of_answers() {
        // code, message, forbidden, immutable, transient
        let table = [
            (403, "User \"x\" cannot create resource", true, false, false),
            (403, "exceeded quota: pods", false, false, false),
            (403, "because it is being terminated", false, false, false),
            (409, "the object has been modified", false, false, true),
            (
                422,
                "spec.selector: Invalid value: field is immutable",
                false,
                true,
                false,
            ),
            (
                422,
                "spec.clusterIPs[0]: Invalid value: may not change once set",
                false,
                true,
                false,
            ),
            (
                422,
                "spec: Forbidden: updates to statefulset spec for fields other than",
                false,
                true,
                false,
            ),
            (
                422,
                "spec.replicas: must be greater than or equal to 0",
                false,
                false,
                false,
            ),
            (
                500,
                "failed to convert new object (web/a; /v1, Kind=Secret) to proper version",
                false,
                false,
                false,
            ),
            (429, "too many requests", false, false, true),
            (503, "apiserver not ready", false, false, true),
        ];
        for (code, message, forbidden, immutable, transient) in table {
            let error = Error::from_kube("apply x", api(code, "R", message, ""), false);
            let got = (error.is_forbidden(), error.is_immutable(), error.is_transient());
            assert_eq!(got, (forbidden, immutable, transient), "{code} {message}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        }
    }

    #[test]
    fn conflicts_are_read_from_the_causes() {
        let cause = |field: &str, message: &str| StatusCause {
            reason: "FieldManagerConflict".into(),
            message: message.into(),
            field: field.into(),
        };
        let details = StatusDetails {
            causes: vec![
                cause(
                    ".spec.replicas",
                    "conflict with \"kubectl\" with subresource \"scale\" using apps/v1 at 2026-01-01T00:00:00Z",
                ),
                cause(".data.a", "conflict with \"some \\\"one\\\"\""),
            ],
            ..empty()
        };
        let status = Status {
            details: Some(details),
            ..Status::failure("Apply failed with 2 conflicts", "Conflict").with_code(409)
        };
        let error = Error::from_kube("apply x", kube::Error::Api(status.boxed()), true);
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            "apply x: others have set fields otherwise: spec.replicas of kubectl (scale), data.a of some \"one\""
        );
    }

    #[test]
    fn a_claim_that_can_not_grow_is_no_missing_right() {
        let message = "persistentvolumeclaims \"p\" is forbidden: only dynamically provisioned pvc can be resized and so on";
        let error = Error::from_kube("apply x", api(403, "Forbidden", message, ""), false);
        assert!(error.is_immutable() && !error.is_forbidden());
    }

    #[test]
    fn a_secrets_message_is_not_passed_on() {
        let source = api(
            422,
            "Invalid",
            "data[password]: Invalid value: \"hunter2\"",
            "data[password]",
        );
        let text = Error::from_kube("apply Secret web/s", source, true).to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.starts_with("apply Secret web/s: Invalid data[password] ("),
            "{text}"
        );
    }

    #[test]
    fn a_webhook_that_does_not_answer_is_named_for_a_secret_as_well() {
        let message = "Internal error occurred: failed calling webhook \"w.test\": an error (\"hunter2\")";
        let error = Error::from_kube(
            "delete Secret web/s",
            api(500, "InternalError", message, ""),
            true,
        );
        assert_eq!(
            error.to_string(),
            "delete Secret web/s: InternalError failed calling webhook \"w.test\""
        );
    }

    #[test]
    fn a_secret_that_can_not_be_changed_is_told_from_a_bad_one() {
        for (message, immutable) in [
            (
                "Secret \"s\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
                true,
            ),
            (
                "Secret \"s\" is invalid: data[a b]: Invalid value: \"a b\"",
                false,
            ),
        ] {
            let source = api(422, "Invalid", message, "data");
            let error = Error::from_kube("apply Secret web/s", source, true);
            assert_eq!(error.is_immutable(), immutable, "{error}");
            assert!(!error.to_string().contains("a b"), "{error}");
        }
    }
}
