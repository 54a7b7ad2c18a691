//! What a tenant gets done, and what not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_helm::release::HookPhase;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::fixture::{CONFIG_MAP, message, revision};
use crate::installed::{Installed, archived, enough, spec};
use crate::support::wait::{until, within};

fn replicas(deployment: &Deployment) -> Option<i32> {
    deployment.spec.as_ref()?.replicas
}

#[tokio::test(flavor = "multi_thread")]
async fn installs_upgrades_repairs_goes_back_and_uninstalls() {
    all_the_way(Installed::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_by_its_chart_it_does_the_same() {
    all_the_way(Installed::by_chart().await).await;
}

async fn all_the_way(installed: Installed) {
    let operator = installed.operator("helmapp-1");
    operator.leading().await;
    let tenant = installed.tenant("tenant", enough()).await;

    tenant.app("demo", spec(json!({"replicas": 1}))).await;
    let status = tenant.ready("demo").await;
    assert_eq!((revision(&status), status.inventory.len()), (1, 3));

    let changed = json!({"replicas": 2, "config": {"greeting": "hello"}});
    tenant.app("demo", spec(changed.clone())).await;
    let status = tenant.ready("demo").await;
    assert_eq!((revision(&status), status.inventory.len()), (2, 4));

    let services: Api<Service> = tenant.namespace.api();
    let before = services.get("demo").await.unwrap().metadata.uid;
    services.delete("demo", &DeleteParams::default()).await.unwrap();
    until(&services, "demo", within(20), |service| {
        service.metadata.uid != before
    })
    .await;
    let deployments: Api<Deployment> = tenant.namespace.api();
    let scaled = json!({"spec": {"replicas": 5}});
    let tampered = deployments
        .patch("demo", &PatchParams::default(), &Patch::Merge(&scaled))
        .await
        .unwrap();
    until(&deployments, "demo", within(20), |deployment| {
        deployment.metadata.generation > tampered.metadata.generation && replicas(deployment) == Some(2)
    })
    .await;

    let mut back = spec(changed);
    back["rollback"] = json!({"toRevision": 1});
    tenant.app("demo", back).await;
    let status = tenant.ready("demo").await;
    assert_eq!((revision(&status), status.inventory.len()), (3, 3));
    assert_eq!(replicas(&deployments.get("demo").await.unwrap()), Some(1));

    tenant.delete("demo").await;
    let own = [
        "ConfigMap/chart",
        "Role/deployer",
        "RoleBinding/deployer",
        "ServiceAccount/deployer",
    ];
    tenant.namespace.left(&own).await;
    let refused: Vec<_> = operator
        .log()
        .into_iter()
        .filter(|line| line.contains("orbidden"))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(operator.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_named_with_verb_and_resource() {
    let installed = Installed::new().await;
    let operator = installed.operator("helmapp-1");
    operator.leading().await;
    let reads = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let tenant = installed.tenant("poor", reads).await;
    let namespace = &tenant.namespace.name;

    tenant.app("demo", spec(json!({}))).await;
    let said = message(&tenant.refused("demo", "Forbidden").await, "Ready");
    let who = format!("system:serviceaccount:{namespace}:deployer");
    for part in [who.as_str(), "patch", "deployments", "apps"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // Without a name it is the default that the Deployment sets, which may not even read the chart.
    let unnamed = json!({"chart": {"configMap": {"name": "chart"}}});
    tenant.app("unnamed", unnamed).await;
    let said = message(&tenant.refused("unnamed", "Forbidden").await, "Ready");
    let who = format!("system:serviceaccount:{namespace}:default");
    for part in [who.as_str(), "get", "configmaps"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // Nothing was made, and what was refused can go.
    for name in ["demo", "unnamed"] {
        tenant.delete(name).await;
    }
    let own = [
        "ConfigMap/chart",
        "Role/deployer",
        "RoleBinding/deployer",
        "ServiceAccount/deployer",
    ];
    tenant.namespace.left(&own).await;
}

/// A Job that runs before the objects.
const HOOK: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: early, annotations: {helm.sh/hook: \"pre-install,pre-upgrade\"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: job}]}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_made_with_the_rights_of_the_release() {
    let installed = Installed::new().await;
    let operator = installed.operator("helmapp-1");
    operator.leading().await;
    let verbs = json!(["get", "create", "patch", "delete"]);
    let of_maps = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs});
    let of_jobs = json!({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": verbs});
    let tenant = installed.tenant("hooked", json!([of_maps])).await;
    let files = [("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", HOOK)];
    let chart = tenant.charts.join(tenant.chart("app", &files));
    tenant
        .namespace
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hooked"},
            "binaryData": {"chart.tgz": STANDARD.encode(archived(&chart))},
        }))
        .await;
    let spec = |text: &str| json!({"chart": {"configMap": {"name": "hooked"}}, "serviceAccountName": "deployer", "values": {"text": text}});
    tenant.app("app", spec("one")).await;
    let said = message(&tenant.refused("app", "Forbidden").await, "Ready");
    let who = format!("system:serviceaccount:{}:deployer", tenant.namespace.name);
    for part in [who.as_str(), "create", "jobs", "batch"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let maps: Api<ConfigMap> = tenant.namespace.api();
    assert!(
        maps.get_opt("app").await.unwrap().is_none(),
        "it comes behind the hook"
    );
    tenant
        .namespace
        .apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "deployer"}, "rules": [of_maps, of_jobs],
        }))
        .await;
    tenant.app("app", spec("two")).await;
    tenant.ready("app").await;
    let revisions = tenant.revisions("app").await;
    let (last, _) = revisions.last().expect("a revision");
    let record = tenant.record("app", *last).await;
    let phases: Vec<_> = record
        .hooks
        .iter()
        .map(|hook| hook.last_run.phase.clone())
        .collect();
    assert_eq!(phases, [HookPhase::Succeeded], "{revisions:?}");
    tenant.delete("app").await;
    let jobs: Api<Job> = tenant.namespace.api();
    assert!(jobs.get_opt("early").await.unwrap().is_none());
}
