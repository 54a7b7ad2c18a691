//! What the API server and the controllers do with objects.

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::support::metrics::Requests;
use crate::support::namespace::TestNamespace;
use crate::support::plane;
use crate::support::wait::{eventually, until, within};

#[tokio::test]
async fn load_balancer_gets_an_address() {
    let namespace = TestNamespace::create(plane::client().await, "balancer").await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    namespace.apply(service).await;
    let api: Api<Service> = namespace.api();
    let service = until(&api, "web", within(60), |service| {
        let status = service
            .status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref());
        status.is_some_and(|balancer| balancer.ingress.is_some())
    })
    .await;
    let ingress = service
        .status
        .and_then(|status| status.load_balancer?.ingress?.into_iter().next())
        .and_then(|ingress| ingress.ip);
    assert_eq!(ingress, service.spec.and_then(|spec| spec.cluster_ip));
}

#[tokio::test]
async fn server_side_apply_keeps_fields_by_manager() {
    let namespace = TestNamespace::create(plane::client().await, "apply").await;
    let api: Api<ConfigMap> = namespace.api();
    let map =
        |data| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": data});
    let apply = async |manager: &str, data| {
        let params = PatchParams::apply(manager);
        api.patch("map", &params, &Patch::Apply(map(data))).await
    };
    apply("one", json!({"a": "1", "b": "1"})).await.expect("applied");
    apply("two", json!({"c": "2"})).await.expect("applied");
    let conflict = apply("two", json!({"a": "2", "c": "2"})).await;
    assert!(
        matches!(&conflict, Err(kube::Error::Api(status)) if status.code == 409),
        "{conflict:?}"
    );
    let after = apply("one", json!({"a": "1"})).await.expect("applied");
    let data = after.data.unwrap_or_default();
    assert_eq!(
        data.iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect::<Vec<_>>(),
        [("a", "1"), ("c", "2")]
    );
    let mut managers: Vec<_> = after
        .metadata
        .managed_fields
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| Some((entry.manager?, entry.operation?)))
        .collect();
    managers.sort();
    let expected = ["one", "two"].map(|name| (name.to_owned(), "Apply".to_owned()));
    assert_eq!(managers, expected);
}

#[tokio::test]
async fn dependents_are_collected_with_their_owner() {
    let namespace = TestNamespace::create(plane::client().await, "garbage").await;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}});
    let uid = namespace.apply(owner).await.metadata.uid;
    let dependent = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "dependent", "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid},
        ]},
    });
    namespace.apply(dependent).await;
    assert_eq!(namespace.objects().await, ["ConfigMap/owner", "Secret/dependent"]);
    let api: Api<ConfigMap> = namespace.api();
    api.delete("owner", &DeleteParams::default())
        .await
        .expect("deleted");
    namespace.left(&[]).await;
}

#[tokio::test]
async fn requests_are_counted_by_the_api_server() {
    let client = plane::client().await;
    let namespace = TestNamespace::create(client.clone(), "metrics").await;
    let before = Requests::read(&client).await;
    for name in ["a", "b", "c"] {
        let lease =
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}});
        namespace.apply(lease).await;
    }
    eventually("three requests", within(20), || async {
        let new = Requests::read(&client).await.since(&before);
        match new.0.get("APPLY poddisruptionbudgets") {
            Some(3) => Ok(()),
            _ => Err(format!("{new:?}")),
        }
    })
    .await;
}
