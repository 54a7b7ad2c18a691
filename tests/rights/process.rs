//! The process: what it serves, how it ends, and who takes over.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::fixture::revision;
use crate::installed::{Installed, enough, spec};
use crate::support::install::NAMESPACE;
use crate::support::wait::{eventually, within};

async fn holder(installed: &Installed) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(installed.client.clone(), NAMESPACE);
    leases.get("helmapp").await.unwrap().spec?.holder_identity
}

#[tokio::test(flavor = "multi_thread")]
async fn one_acts_and_another_stands_by_until_it_ends() {
    let installed = Installed::new().await;
    let first = installed.operator("helmapp-1");
    first.leading().await;
    assert_eq!(holder(&installed).await.as_deref(), Some("helmapp-1"));
    let second = installed.operator("helmapp-2");
    eventually("the stand-by is ready", within(30), || async {
        match second.get("/readyz").await? {
            (200, _) => Ok(()),
            (code, body) => Err(format!("{code} {body}")),
        }
    })
    .await;

    let tenant = installed.tenant("handover", enough()).await;
    tenant.app("demo", spec(json!({"replicas": 1}))).await;
    assert_eq!(revision(&tenant.ready("demo").await), 1);
    for process in [&first, &second] {
        assert_eq!(process.get("/healthz").await.unwrap().0, 200);
        assert_eq!(process.get("/elsewhere").await.unwrap().0, 404);
    }
    let (code, metrics) = first.get("/metrics").await.unwrap();
    let installs = r#"helmapp_actions_total{action="Install",succeeded="true"} 1"#;
    assert!(code == 200 && metrics.contains(installs), "{metrics}");
    assert!(!second.leads().await.unwrap());

    assert_eq!(first.terminate().await.code(), Some(0));
    second.leading().await;
    assert_eq!(holder(&installed).await.as_deref(), Some("helmapp-2"));
    tenant.app("demo", spec(json!({"replicas": 2}))).await;
    assert_eq!(revision(&tenant.ready("demo").await), 2);
    tenant.delete("demo").await;

    assert_eq!(second.terminate().await.code(), Some(0));
    assert_eq!(
        holder(&installed).await.unwrap_or_default(),
        "",
        "the next one need not wait"
    );
}
