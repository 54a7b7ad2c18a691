//! Releases outside their HelmApp's namespace. Their records are written by the operator itself, so that whoever
//! names another namespace has to show that its own ServiceAccount may write Secrets there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use tokio::time::Instant;

use crate::api::conditions::reason;
use crate::cluster::{Error as ClusterError, retry};

use super::Context;
use super::policy::{Again, Error};
use super::subject::Subject;

/// What is done to Secrets in the course of a release.
const VERBS: [&str; 3] = ["create", "update", "delete"];
/// How long an answer is used again.
const FRESH: Duration = Duration::from_secs(10);
/// Answers that are kept.
const MAX_ANSWERS: usize = 1024;

/// The verbs that a user lacks in a namespace.
type Missing = Vec<&'static str>;

/// Answers of the API server that are fresh.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<HashMap<(String, String), (Instant, Missing)>>);

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), (Instant, Missing)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, user: &str, namespace: &str, now: Instant) -> Option<Missing> {
        let all = self.lock();
        let (asked, missing) = all.get(&(user.to_owned(), namespace.to_owned()))?;
        is_fresh(*asked, now).then(|| missing.clone())
    }

    fn put(&self, user: &str, namespace: &str, now: Instant, missing: Missing) {
        let mut all = self.lock();
        if all.len() >= MAX_ANSWERS {
            all.retain(|_, (asked, _)| is_fresh(*asked, now));
        }
        if all.len() >= MAX_ANSWERS {
            all.clear();
        }
        all.insert((user.to_owned(), namespace.to_owned()), (now, missing));
    }
}

fn is_fresh(asked: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked) < FRESH
}

/// Whether the subject's identity may keep a release where the HelmApp wants it.
///
/// # Errors
/// A failed request.
pub(super) async fn is_granted(ctx: &Context, subject: &Subject) -> Result<bool, Error> {
    Ok(missing(ctx, subject).await?.is_empty())
}

/// Refuses a release in a namespace where the subject's identity may not write Secrets.
///
/// # Errors
/// [`Error::Input`] that says who lacks what; a failed request.
pub(super) async fn require(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let missing = missing(ctx, subject).await?;
    let Some(user) = subject.user.as_deref().filter(|_| !missing.is_empty()) else {
        return Ok(());
    };
    Err(Error::Input {
        reason: reason::FORBIDDEN,
        message: refusal(user, &missing, &subject.release.namespace),
        again: Again::Seldom,
    })
}

async fn missing(ctx: &Context, subject: &Subject) -> Result<Missing, Error> {
    let namespace = &subject.release.namespace;
    let Some(user) = subject
        .user
        .as_deref()
        .filter(|_| *namespace != subject.key.namespace)
    else {
        return Ok(Missing::new());
    };
    if let Some(known) = ctx.access.get(user, namespace, Instant::now()) {
        return Ok(known);
    }
    let api: Api<SubjectAccessReview> = Api::all(ctx.identities.operator());
    let answers = try_join_all(VERBS.map(|verb| {
        let (api, review) = (&api, review(user, &subject.key.namespace, verb, namespace));
        async move {
            let allowed = retry::transient(|| async {
                let answer = api.create(&PostParams::default(), &review).await;
                answer.map_err(|error| ClusterError::from_kube(doing(user, verb, namespace), error, false))
            })
            .await?
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true));
            Ok::<_, Error>((verb, allowed))
        }
    }))
    .await?;
    let missing: Missing = answers
        .into_iter()
        .filter_map(|(verb, allowed)| (!allowed).then_some(verb))
        .collect();
    ctx.access.put(user, namespace, Instant::now(), missing.clone());
    Ok(missing)
}

fn doing(user: &str, verb: &str, namespace: &str) -> String {
    format!("ask whether {user} may {verb} secrets in namespace {namespace}")
}

fn review(user: &str, home: &str, verb: &str, namespace: &str) -> SubjectAccessReview {
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            // Those that the API server gives every ServiceAccount.
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{home}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.to_owned()),
                version: Some("v1".to_owned()),
                resource: Some("secrets".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

fn refusal(user: &str, missing: &[&str], namespace: &str) -> String {
    let verbs = match missing {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        verbs => verbs.join(", "),
    };
    format!(
        "{user} may not {verbs} secrets in namespace \"{namespace}\", where spec.targetNamespace puts the release and its records; give it these rights with a Role and a RoleBinding in \"{namespace}\", or leave spec.targetNamespace out"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_who_lacks_what() {
        for (missing, expected) in [
            (&["delete"][..], "u may not delete secrets in namespace \"prod\""),
            (&["create", "delete"], "u may not create and delete secrets"),
            (&VERBS, "u may not create, update and delete secrets"),
        ] {
            let text = refusal("u", missing, "prod");
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn answers_are_used_while_they_are_fresh() {
        let answers = Answers::default();
        let start = Instant::now();
        answers.put("u", "prod", start, vec!["delete"]);
        let last = start + FRESH - Duration::from_millis(1);
        assert_eq!(answers.get("u", "prod", last), Some(vec!["delete"]));
        assert_eq!(answers.get("u", "prod", start + FRESH), None);
        assert_eq!(answers.get("u", "test", start), None);
        assert_eq!(answers.get("v", "prod", start), None);
    }

    #[test]
    fn no_more_answers_are_kept_than_the_limit() {
        let answers = Answers::default();
        let now = Instant::now();
        for index in 0..=MAX_ANSWERS {
            answers.put(&index.to_string(), "prod", now, Missing::new());
        }
        assert!(answers.lock().len() <= MAX_ANSWERS);
        assert!(answers.get(&MAX_ANSWERS.to_string(), "prod", now).is_some());
    }
}
