//! What can be known before the first write of that which the dry run can't answer yet: CRDs of `crds/` directories, and
//! objects whose kind or namespace only comes with the revision.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use helmapp_helm::plan::{
    Action, Object, ObjectId, Plan, Refusal, RefusalReason, Refused, crd_kinds, violations,
};
use helmapp_helm::schema::Violation;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use serde_json::Value;

use crate::cluster::discovery::Snapshot;
use crate::cluster::{Error as ClusterError, crds, retry};

use super::namespace;
use super::policy::Error;
use super::subject::Subject;

/// What an apply may do.
const VERBS: [&str; 2] = ["create", "patch"];
/// Most violations that are told of one object.
const MAX_VIOLATIONS: usize = 5;

/// What a revision is made of besides the objects that the server was asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coming<'a> {
    /// Documents of the chart's crds/ directories.
    pub crds: &'a [Value],
    /// Namespaces that are made with the revision.
    pub namespaces: &'a BTreeSet<String>,
}

/// Checks what a plan leaves for later, and writes nothing.
///
/// # Errors
/// The server's refusal of a CRD or a namespace; [`Error::Refused`] with the objects that do not meet the schema of
/// their kind or that the release has no right to; a failed request.
pub(super) async fn check(
    subject: &Subject,
    snapshot: &Snapshot,
    coming: Coming<'_>,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    namespace::create(subject, coming.namespaces, true).await?;
    let missing = crds::missing(coming.crds, snapshot);
    crds::create(&subject.tenant, &missing, true).await?;
    let applied = plan.operations.iter();
    let later: Vec<&Object> = applied
        .clone()
        .filter(|operation| operation.action == Action::CheckAndApply)
        .map(|operation| operation.object.as_ref())
        .collect();
    let brought: Vec<&Value> = coming
        .crds
        .iter()
        .chain(applied.map(|operation| &operation.object.value))
        .filter(|value| value.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition"))
        .collect();
    let mut refusals: Vec<Refusal> = later
        .iter()
        .filter_map(|object| invalid(object, &violations(object, brought.iter().copied())))
        .collect();
    refusals.extend(forbidden(subject, snapshot, &brought, &later).await?);
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(Refused(refusals)))
    }
}

fn invalid(object: &Object, violations: &[Violation]) -> Option<Refusal> {
    let mut told: Vec<String> = violations
        .iter()
        .take(MAX_VIOLATIONS)
        .map(|violation| match violation.path.trim_start_matches('/') {
            "" => violation.message.clone(),
            path => format!("{}: {}", path.replace('/', "."), violation.message),
        })
        .collect();
    let more = violations.len().saturating_sub(MAX_VIOLATIONS);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    (!told.is_empty()).then(|| Refusal {
        id: object.id.clone(),
        reason: RefusalReason::Invalid,
        message: format!(
            "does not meet the schema of its CustomResourceDefinition: {}",
            told.join("; ")
        ),
    })
}

/// A kind in a namespace, as rights are given to it: group, plural, namespace.
type Place = (String, String, String);

/// The objects that the release has no right to. Kinds that come with it are asked for by the names that their CRDs give.
async fn forbidden(
    subject: &Subject,
    snapshot: &Snapshot,
    crds: &[&Value],
    later: &[&Object],
) -> Result<Vec<Refusal>, Error> {
    let brought = crd_kinds(crds.iter().copied());
    let plural = |object: &Object| {
        let ObjectId { group, kind, .. } = &object.id;
        let key = (group.clone(), object.version.clone(), kind.clone());
        let coming = brought.get(&key).map(|(plural, _)| plural.clone());
        coming.or_else(|| Some(snapshot.resource_of(&object.id, &object.version)?.plural))
    };
    let mut places: BTreeMap<Place, &ObjectId> = BTreeMap::new();
    for object in later {
        if let Some(plural) = plural(object) {
            let place = (object.id.group.clone(), plural, object.id.namespace.clone());
            places.entry(place).or_insert(&object.id);
        }
    }
    let api: Api<SelfSubjectAccessReview> = Api::all(subject.tenant.clone());
    let asked = places
        .iter()
        .flat_map(|(place, id)| VERBS.map(|verb| (place, *id, verb)));
    let answers = try_join_all(asked.map(|(place, id, verb)| {
        let api = &api;
        async move {
            let review = review(place, verb);
            let doing = format!("ask for the right to {verb} {}", place.1);
            let allowed = retry::transient(|| async {
                let answer = api.create(&PostParams::default(), &review).await;
                answer.map_err(|error| ClusterError::from_kube(&doing, error, false))
            })
            .await?
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true));
            Ok::<_, Error>((!allowed).then(|| Refusal {
                id: id.clone(),
                reason: RefusalReason::Forbidden,
                message: refusal(subject.user.as_deref(), place, verb),
            }))
        }
    }))
    .await?;
    Ok(answers.into_iter().flatten().collect())
}

fn review((group, plural, namespace): &Place, verb: &str) -> SelfSubjectAccessReview {
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(plural.clone()),
                namespace: Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// As the API server says it.
fn refusal(user: Option<&str>, (group, plural, namespace): &Place, verb: &str) -> String {
    let who = user.map_or_else(|| "the operator".to_owned(), |user| format!("User {user:?}"));
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {namespace:?}")
    };
    format!("{who} cannot {verb} resource {plural:?} in API group {group:?} {place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_who_verb_resource_and_place() {
        let place = |namespace: &str| ("e.io".to_owned(), "gears".to_owned(), namespace.to_owned());
        assert_eq!(
            refusal(Some("u"), &place("web"), "patch"),
            r#"User "u" cannot patch resource "gears" in API group "e.io" in the namespace "web""#
        );
        assert_eq!(
            refusal(None, &place(""), "create"),
            r#"the operator cannot create resource "gears" in API group "e.io" at the cluster scope"#
        );
    }

    #[test]
    fn an_object_is_refused_with_the_fields_that_are_wrong() {
        let object = Object {
            id: ObjectId {
                group: "e.io".to_owned(),
                kind: "Gear".to_owned(),
                namespace: "web".to_owned(),
                name: "g".to_owned(),
            },
            version: "v1".to_owned(),
            value: Value::Null,
            chart: String::new(),
            warnings: Vec::new(),
        };
        let violation = |path: &str| Violation {
            chart: String::new(),
            path: path.to_owned(),
            message: "wrong".to_owned(),
        };
        assert_eq!(invalid(&object, &[]), None);
        let many = vec![violation("/spec/size"); MAX_VIOLATIONS + 2];
        let said = invalid(&object, &many).unwrap().message;
        assert!(
            said.contains(": spec.size: wrong; ") && said.ends_with("; and 2 more"),
            "{said}"
        );
    }
}
