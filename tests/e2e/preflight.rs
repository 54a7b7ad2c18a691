//! What the server can't be asked about before the first write is checked all the same, and nothing is written.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{Fixture, message, revision};

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cogs.preflight.helmapp.io}
spec:
  group: preflight.helmapp.io
  scope: Namespaced
  names: {kind: Cog, plural: cogs}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, required: [teeth], properties: {teeth: {type: integer, minimum: 3}}}
";
const COG: &str = "\
apiVersion: preflight.helmapp.io/v1
kind: Cog
metadata: {name: one}
spec: {teeth: {{ .Values.teeth }}}
";

async fn is_served(fixture: &Fixture) -> bool {
    let crds: Api<CustomResourceDefinition> = Api::all(fixture.client());
    crds.get_opt("cogs.preflight.helmapp.io").await.unwrap().is_some()
}

async fn refused(fixture: &Fixture, own: &[&str], spec: Value, reason: &str, words: &[&str]) {
    fixture.app("app", spec).await;
    let status = fixture.refused("app", reason).await;
    let said = message(&status, "Ready");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert_eq!(status.release, None);
    let objects = fixture.namespace.objects().await;
    let made: Vec<&str> = objects
        .iter()
        .map(String::as_str)
        .filter(|name| !own.contains(name))
        .collect();
    assert_eq!(made, ["HelmApp/app"]);
    assert!(!is_served(fixture).await);
    fixture.delete("app").await;
}

/// Also those that run last. What only a hook before them brings is no reason to refuse one.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_not_valid_are_refused_before_the_first_write() {
    const HOOKS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, annotations: {helm.sh/hook: pre-install}}
---
apiVersion: v1
kind: Pod
metadata: {name: before, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "1"}}
spec:
  serviceAccountName: runner
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: registry.example.com/a:v1}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: check, annotations: {helm.sh/hook: post-install}}
spec:
  template:
    spec:
      restartPolicy: {{ .Values.restart }}
      containers: [{name: main, image: registry.example.com/a:v1}]
"#;
    let fixture = Fixture::shared("hookcheck").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", HOOKS)]);
    let spec = |restart: &str| json!({"chart": {"path": chart}, "values": {"restart": restart}, "install": {"timeout": "60s"}});
    let words = ["Job.batch", "check", "restartPolicy"];
    refused(&fixture, &[], spec("Always"), "ObjectInvalid", &words).await;
    fixture.app("app", spec("Never")).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_its_own_crd_is_checked_before_the_first_write() {
    let fixture = Fixture::shared("comes").await;
    for place in ["crds/cog.yaml", "templates/crd.yaml"] {
        let chart = fixture.chart("cogs", &[(place, CRD), ("templates/cog.yaml", COG)]);
        let spec = |teeth: Value| json!({"chart": {"path": chart}, "values": {"teeth": teeth}});
        for (teeth, word) in [(json!("many"), "integer"), (json!(2), "3")] {
            let words = [
                "Cog.preflight.helmapp.io",
                "CustomResourceDefinition",
                "spec.teeth",
                word,
            ];
            refused(&fixture, &[], spec(teeth), "ObjectInvalid", &words).await;
        }
    }
    let broken = CRD.replace("scope: Namespaced", "scope: Everywhere");
    let chart = fixture.chart("broken", &[("crds/cog.yaml", &broken)]);
    let words = ["cogs.preflight.helmapp.io", "Everywhere"];
    refused(
        &fixture,
        &[],
        json!({"chart": {"path": chart}}),
        "ObjectInvalid",
        &words,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_to_what_comes_are_asked_for_before_the_first_write() {
    let fixture = Fixture::shared("comingrights").await;
    let namespace = &fixture.namespace.name;
    let account = format!("system:serviceaccount:{namespace}:deployer");
    fixture
        .create::<ServiceAccount>(json!({"metadata": {"name": "deployer"}}))
        .await;
    let chart = fixture.chart("cogs", &[("crds/cog.yaml", CRD), ("templates/cog.yaml", COG)]);
    let spec = json!({"chart": {"path": chart}, "values": {"teeth": 3}, "serviceAccountName": "deployer"});
    let own = ["ServiceAccount/deployer"];
    let words = [account.as_str(), "create", "customresourcedefinitions"];
    refused(&fixture, &own, spec.clone(), "Forbidden", &words).await;

    // With CRDs, and without their objects.
    let roles: Api<ClusterRole> = Api::all(fixture.client());
    let bindings: Api<ClusterRoleBinding> = Api::all(fixture.client());
    let role = json!({"metadata": {"name": namespace}, "rules": [
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["*"]}]});
    let binding = json!({"metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}]});
    roles
        .create(&PostParams::default(), &serde_json::from_value(role).unwrap())
        .await
        .unwrap();
    bindings
        .create(&PostParams::default(), &serde_json::from_value(binding).unwrap())
        .await
        .unwrap();
    let words = [
        account.as_str(),
        "cannot create resource \"cogs\"",
        "preflight.helmapp.io",
        namespace,
    ];
    refused(&fixture, &own, spec, "Forbidden", &words).await;
    bindings
        .delete(namespace, &DeleteParams::default())
        .await
        .unwrap();
    roles.delete(namespace, &DeleteParams::default()).await.unwrap();
}

/// Whether a role may be bound can only be said when it is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_binds_the_role_that_comes_with_the_release() {
    const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
";
    const BINDING: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default, namespace: {{ .Release.Namespace }}}]
";
    let fixture = Fixture::shared("binds").await;
    fixture
        .create::<ServiceAccount>(json!({"metadata": {"name": "deployer"}}))
        .await;
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["*"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]},
    ]);
    fixture
        .namespace
        .apply(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                      "metadata": {"name": "deployer"}, "rules": rules}),
        )
        .await;
    fixture
        .namespace
        .apply(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "deployer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer"}]}),
        )
        .await;
    let chart = fixture.chart(
        "binds",
        &[("templates/role.yaml", ROLE), ("templates/binding.yaml", BINDING)],
    );
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "serviceAccountName": "deployer"}),
        )
        .await;
    assert_eq!(revision(&fixture.ready("app").await), 1);
    let bindings: Api<RoleBinding> = fixture.namespace.api();
    bindings.get("reader").await.unwrap();
    fixture.delete("app").await;
}
