//! What a person can do about an error whose words, mostly the API server's, do not say it.

use crate::api::conditions::reason;
use crate::excerpt;

use super::policy::Error;
use super::subject::Subject;

/// The error's words, and what to do where they do not say it.
pub(super) fn advised(error: &Error, subject: &Subject) -> String {
    let text = error.to_string();
    match advice(error, &text, subject) {
        Some(advice) => excerpt::with(&text, &advice),
        None => text,
    }
}

/// What the API server says of an admission webhook that it can not ask.
const WEBHOOK: &str = "failed calling webhook ";

/// Whether an admission webhook that does not answer stands in the way.
pub(super) fn is_by_webhook(text: &str) -> bool {
    text.contains(WEBHOOK)
}

fn advice(error: &Error, text: &str, subject: &Subject) -> Option<String> {
    match (error, error.reason()) {
        _ if is_by_webhook(text) => Some(
            "mend the server of the webhook, or delete the webhook configuration that names it".to_owned(),
        ),
        (Error::Refused(_) | Error::Cluster(_), reason::FORBIDDEN) => who_lacks(text, subject),
        (Error::Objects(_) | Error::Refused(_) | Error::Cluster(_), reason::UNKNOWN_KIND) => {
            Some("install the CRD that defines it; it is tried again by itself".to_owned())
        }
        (Error::Refused(_), reason::NAMESPACE_NOT_FOUND) => {
            Some("create the namespace; it is tried again by itself".to_owned())
        }
        (Error::Cluster(_), reason::IMMUTABLE_FIELD) => {
            Some("leave the field as it is, or delete the object yourself if it may be made anew".to_owned())
        }
        (Error::Input { .. }, reason::RELEASE_NAME_INVALID) => Some("set spec.releaseName".to_owned()),
        _ => None,
    }
}

/// Admission refuses with the same reason, and is no matter of rights.
fn who_lacks(text: &str, subject: &Subject) -> Option<String> {
    let user = subject.user.as_deref()?;
    let lacks = text.contains(&format!("User \"{user}\" cannot "));
    lacks.then(|| match &subject.app.spec.service_account_name {
        Some(_) => "give spec.serviceAccountName the right with a Role and a RoleBinding, and see that the ServiceAccount exists".to_owned(),
        None => format!(
            "give {user} the right with a Role and a RoleBinding, or name a ServiceAccount that has it in spec.serviceAccountName"
        ),
    })
}
