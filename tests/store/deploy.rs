//! What `deploy/kustomize` installs: accepted by the API server, allowed what the operator needs and no more, and
//! pods that a namespace with the restricted policy takes.

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

use crate::support::{
    install::{self, NAMESPACE, OPERATOR},
    plane,
    wait::{eventually, within},
};

/// Whether the operator may: verb, group, resource (with a subresource after a slash), namespace.
async fn may(client: &Client, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let text = |text: &str| Some(text.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: text(OPERATOR),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                verb: text(verb),
                group: text(group),
                resource: text(resource),
                subresource: text(subresource),
                namespace: text(namespace),
                name: text(if resource == "leases" { "helmapp" } else { "any" }),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = api
        .create(&PostParams::default(), &review)
        .await
        .expect("a review");
    answer.status.is_some_and(|status| status.allowed)
}

#[tokio::test]
async fn the_base_gives_the_operator_what_it_needs_and_no_more() {
    let client = plane::client().await;
    for object in install::objects() {
        install::apply(&client, &object).await;
    }
    eventually("the aggregated role is filled", within(20), || async {
        if may(&client, "watch", "apps", "deployments", "any").await {
            Ok(())
        } else {
            Err("empty".to_owned())
        }
    })
    .await;
    for (verb, group, resource, namespace) in [
        ("watch", "helmapp.io", "helmapps", "any"),
        ("patch", "helmapp.io", "helmapps", "any"),
        ("patch", "helmapp.io", "helmapps/status", "any"),
        ("create", "", "secrets", "any"),
        ("update", "", "secrets", "any"),
        ("delete", "", "secrets", "any"),
        ("watch", "", "secrets", ""),
        ("watch", "", "configmaps", "any"),
        ("get", "", "namespaces", ""),
        ("watch", "apiextensions.k8s.io", "customresourcedefinitions", ""),
        ("create", "events.k8s.io", "events", "any"),
        ("patch", "events.k8s.io", "events", "any"),
        ("impersonate", "", "serviceaccounts", "any"),
        ("create", "coordination.k8s.io", "leases", NAMESPACE),
        ("update", "coordination.k8s.io", "leases", NAMESPACE),
        ("list", "batch", "jobs", "any"),
        ("watch", "rbac.authorization.k8s.io", "clusterroles", ""),
    ] {
        assert!(
            may(&client, verb, group, resource, namespace).await,
            "{verb} {group}/{resource} {namespace}"
        );
    }
    for (verb, group, resource, namespace) in [
        ("create", "helmapp.io", "helmapps", "any"),
        ("delete", "helmapp.io", "helmapps", "any"),
        ("create", "apps", "deployments", "any"),
        ("get", "apps", "deployments", "any"),
        ("delete", "", "pods", "any"),
        ("create", "", "configmaps", "any"),
        ("create", "", "namespaces", ""),
        ("create", "apiextensions.k8s.io", "customresourcedefinitions", ""),
        ("update", "coordination.k8s.io", "leases", "any"),
        ("impersonate", "", "users", ""),
        ("impersonate", "", "groups", ""),
        ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
        ("create", "", "pods/exec", "any"),
        ("create", "", "serviceaccounts/token", "any"),
    ] {
        assert!(
            !may(&client, verb, group, resource, namespace).await,
            "{verb} {group}/{resource} {namespace}"
        );
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let pod = eventually("a pod that the restricted policy takes", within(30), || async {
        let pods = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        pods.items.into_iter().next().ok_or_else(|| "none".to_owned())
    })
    .await;
    assert_eq!(
        pod.spec.and_then(|spec| spec.service_account_name).as_deref(),
        Some("helmapp")
    );
}
