//! Who may do what: RBAC, certificates, impersonation, service accounts.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::support::namespace::TestNamespace;
use crate::support::plane;
use crate::support::wait::{eventually, within};

async fn who(client: kube::Client) -> (String, Vec<String>) {
    let api: Api<SelfSubjectReview> = Api::all(client);
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .expect("a review");
    let user = review
        .status
        .and_then(|status| status.user_info)
        .unwrap_or_default();
    (user.username.unwrap_or_default(), user.groups.unwrap_or_default())
}

async fn list(client: kube::Client, namespace: &str) -> Result<usize, String> {
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items.len()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn users_have_the_rights_that_rbac_gives() {
    let plane = plane::shared().await;
    let namespace = TestNamespace::create(plane::client().await, "rights").await;
    let jane = plane
        .user_client("jane", &["developers"])
        .await
        .expect("a client");
    let (user, groups) = who(jane.clone()).await;
    assert_eq!(user, "jane");
    assert!(groups.contains(&"developers".to_owned()), "{groups:?}");

    let refused = list(jane.clone(), &namespace.name).await.expect_err("no right");
    let expected = format!(
        "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"{}\"",
        namespace.name
    );
    assert_eq!(refused, expected);

    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers"}],
    });
    namespace.apply(binding).await;
    eventually("jane may list", within(20), || {
        list(jane.clone(), &namespace.name)
    })
    .await;
    let elsewhere = list(jane, "default").await;
    assert!(elsewhere.is_err(), "{elsewhere:?}");
}

#[tokio::test]
async fn administrator_can_impersonate_a_service_account() {
    let plane = plane::shared().await;
    let namespace = TestNamespace::create(plane::client().await, "impersonate").await;
    let account = format!("system:serviceaccount:{}:default", namespace.name);
    let mut config = plane.config().await.expect("a configuration");
    config.auth_info.impersonate = Some(account.clone());
    let client = kube::Client::try_from(config).expect("a client");
    assert_eq!(who(client.clone()).await.0, account);
    let refused = list(client, &namespace.name).await.expect_err("no right");
    assert!(refused.contains(&account), "{refused}");
}

#[tokio::test]
async fn name_of_a_user_can_not_be_a_path() {
    let plane = plane::shared().await;
    let refused = plane
        .user("../admin", &[])
        .await
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("can't be a user's name"), "{refused}");
}
