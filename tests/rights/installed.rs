//! A control plane on which `deploy/kustomize` or `charts/helmapp` is applied, and processes that act as its pods.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::PostParams,
    config::Kubeconfig,
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::Fixture;
use crate::support::install::{self, NAMESPACE};
use crate::support::plane::{self, OwnPlane};
use crate::support::process::Process;
use crate::support::wait::within;

/// The key under which a ConfigMap holds a chart.
const KEY: &str = "chart.tgz";

pub(crate) struct Installed {
    pub(crate) client: Client,
    deployment: Value,
    kubeconfig: PathBuf,
    files: TempDir,
    _own: OwnPlane,
}

impl Installed {
    /// By kustomize.
    pub(crate) async fn new() -> Self {
        Self::of(install::objects()).await
    }

    /// By our own chart.
    pub(crate) async fn by_chart() -> Self {
        Self::of(install::chart_objects(&[])).await
    }

    async fn of(objects: Vec<Value>) -> Self {
        let own = plane::own().await;
        let client = own.plane.client().await.expect("a client");
        for object in &objects {
            install::apply(&client, object).await;
        }
        let crds = Api::all(client.clone());
        let established = await_condition(crds, "helmapps.helmapp.io", conditions::is_crd_established());
        let in_time = tokio::time::timeout(within(30), established).await;
        in_time.expect("in time").expect("established");
        let deployment = objects
            .into_iter()
            .find(|object| object["kind"] == "Deployment")
            .expect("a Deployment");
        let files = tempfile::tempdir().expect("a directory");
        let kubeconfig = kubeconfig(&own, &client, files.path()).await;
        Self {
            client,
            deployment,
            kubeconfig,
            files,
            _own: own,
        }
    }

    /// A process that does what the pod of this name would.
    pub(crate) fn operator(&self, pod: &str) -> Process {
        let container = &self.deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"], json!(["run"]));
        let variables: Vec<_> = container["env"]
            .as_array()
            .expect("variables")
            .iter()
            .map(|variable| {
                let value = match variable["value"].as_str() {
                    Some(value) => value,
                    None => {
                        let field = variable.pointer("/valueFrom/fieldRef/fieldPath");
                        assert_eq!(field, Some(&json!("metadata.name")));
                        pod
                    }
                };
                let name = variable["name"].as_str().expect("a name");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        let program = Path::new(env!("CARGO_BIN_EXE_helmapp"));
        Process::start(program, &self.kubeconfig, &variables)
    }

    /// A tenant's namespace with charts/demo in the ConfigMap `chart`, and the ServiceAccount `deployer`, which
    /// may do what these rules allow.
    pub(crate) async fn tenant(&self, name: &str, rules: Value) -> Fixture {
        let fixture = Fixture::on(self.client.clone(), name, self.files.path()).await;
        let namespace = &fixture.namespace;
        for object in [
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chart"},
                "binaryData": {KEY: STANDARD.encode(demo())},
            }),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": "deployer"}, "rules": rules,
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "deployer"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"},
                "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace.name}],
            }),
        ] {
            namespace.apply(object).await;
        }
        fixture
    }
}

/// A kubeconfig with a token of the operator's ServiceAccount.
async fn kubeconfig(own: &OwnPlane, client: &Client, directory: &Path) -> PathBuf {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec::default()),
        ..TokenRequest::default()
    };
    let token = accounts
        .create_token_request("helmapp", &PostParams::default(), &request)
        .await
        .expect("a token");
    let token = token.status.expect("a status").token;
    let admin = Kubeconfig::read_from(own.plane.kubeconfig_path()).expect("a kubeconfig");
    let cluster = admin.clusters.first().expect("a cluster");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "pod",
        "clusters": [cluster],
        "users": [{"name": "pod", "user": {"token": token}}],
        "contexts": [{
            "name": "pod",
            "context": {"cluster": cluster.name, "user": "pod", "namespace": NAMESPACE},
        }],
    });
    let path = directory.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("a file");
    path
}

/// charts/demo as an archive.
fn demo() -> Vec<u8> {
    archived(&Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/demo"))
}

/// A chart's directory as an archive.
pub(crate) fn archived(chart: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    archive.append_dir_all("chart", chart).expect("an archive");
    archive
        .into_inner()
        .and_then(GzEncoder::finish)
        .expect("an archive")
}

/// What a ServiceAccount needs to deploy charts/demo.
pub(crate) fn enough() -> Value {
    let verbs = ["get", "create", "patch", "delete"];
    json!([
        {"apiGroups": [""], "resources": ["configmaps", "services", "serviceaccounts"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
    ])
}

/// A HelmApp's spec: charts/demo as the tenant's ServiceAccount.
pub(crate) fn spec(values: Value) -> Value {
    json!({
        "chart": {"configMap": {"name": "chart"}},
        "serviceAccountName": "deployer",
        "values": values,
    })
}
