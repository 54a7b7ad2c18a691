//! HelmApps of one tenant next to those of another, and charts from servers that nobody vouches for.

use std::io::Read as _;
use std::net::SocketAddr;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use helmapp::settings::Fetch;
use helmapp_helm::limits::Limits;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::Api;
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture, message, revision};

/// What a ServiceAccount of another namespace needs to keep a release of ConfigMaps.
fn rights(account: &str, home: &str) -> [Value; 2] {
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": account},
            "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "update", "delete"]},
                {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]},
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_elsewhere_needs_rights_there() {
    let (tenant, prod) = (Fixture::shared("tenant").await, Fixture::shared("prod").await);
    let (home, target) = (&tenant.namespace.name, &prod.namespace.name);
    tenant
        .create::<ServiceAccount>(json!({"metadata": {"name": "deployer"}}))
        .await;
    let nothing = tenant.chart("nothing", &[("templates/a.yaml", "# nothing\n")]);
    let chart = prod.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let elsewhere = |chart: &str| json!({"chart": {"path": chart}, "values": {"text": "one"}, "releaseName": "shop", "targetNamespace": target, "serviceAccountName": "deployer"});
    tenant.app("intruder", elsewhere(&nothing)).await;
    let said = message(&tenant.refused("intruder", "Forbidden").await, "Ready");
    let expected = format!(
        "system:serviceaccount:{home}:deployer may not create, update and delete secrets in namespace \"{target}\""
    );
    assert!(said.starts_with(&expected), "{said}");
    assert!(prod.namespace.objects().await.is_empty(), "nothing is recorded");

    // The older one does not keep the release from those whose namespace it is.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    prod.app(
        "app",
        json!({"chart": {"path": chart}, "values": {"text": "prod"}, "releaseName": "shop"}),
    )
    .await;
    assert_eq!(revision(&prod.ready("app").await), 1);
    let whole = prod.namespace.objects().await;
    assert!(
        whole.contains(&"Secret/sh.helm.release.v1.shop.v1".to_owned()),
        "{whole:?}"
    );

    // Nor does it take the release along when it goes, or when somebody gave it the finalizer.
    let patch = json!({
        "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
        "metadata": {"name": "intruder", "finalizers": ["helmapp.io/uninstall"]}, "spec": elsewhere(&nothing),
    });
    tenant.namespace.apply(patch.clone()).await;
    let params = kube::api::DeleteParams::default();
    tenant.apps().delete("intruder", &params).await.unwrap();
    let status = tenant.refused("intruder", "Forbidden").await;
    assert!(message(&status, "Ready").starts_with(&expected), "{status:?}");
    assert_eq!(prod.namespace.objects().await, whole);
    prod.delete("app").await;
    tenant.namespace.left(&["ServiceAccount/deployer"]).await;
    prod.namespace.left(&[]).await;

    // With the rights it may.
    tenant.app("guest", elsewhere(&chart)).await;
    tenant.refused("guest", "Forbidden").await;
    for object in rights("deployer", home) {
        prod.namespace.apply(object).await;
    }
    assert_eq!(revision(&tenant.ready("guest").await), 1);
    let maps: Api<ConfigMap> = prod.namespace.api();
    assert_eq!(maps.get("shop").await.unwrap().data.unwrap()["text"], "one");
    tenant.delete("guest").await;
    prod.namespace
        .left(&["Role/deployer", "RoleBinding/deployer"])
        .await;
}

/// A server of one body a path, on an address of this machine.
async fn server(bodies: Vec<(&'static str, Vec<u8>)>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = bodies.into_iter().fold(Router::new(), |routes, (path, body)| {
        routes.route(path, get(move || std::future::ready(body.clone())))
    });
    let routes = routes.route(
        "/moved.tgz",
        get(async || Redirect::temporary("http://169.254.169.254/latest/")),
    );
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// A packed chart with one more entry.
fn packed(entry: impl FnOnce(&mut Packer)) -> Vec<u8> {
    let mut packer = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let chart = b"apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(chart.len() as u64);
    packer
        .append_data(&mut header, "web/Chart.yaml", &chart[..])
        .unwrap();
    entry(&mut packer);
    packer.into_inner().unwrap().finish().unwrap()
}

type Packer = tar::Builder<GzEncoder<Vec<u8>>>;

/// An entry whose name is written as it is: the library refuses to make such names.
fn named(name: &str) -> impl FnOnce(&mut Packer) {
    move |packer| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(4);
        header.set_cksum();
        packer.append(&header, &b"a: 1"[..]).unwrap();
    }
}

fn link(packer: &mut Packer) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    packer
        .append_link(&mut header, "web/values.yaml", "/etc/passwd")
        .unwrap();
}

fn zeros(packer: &mut Packer) {
    let size = Limits::default().file_bytes + 1;
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    packer
        .append_data(&mut header, "web/zeros", std::io::repeat(0).take(size))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_are_no_charts() {
    let fixture = Fixture::shared("downloads").await;
    let whole = packed(|_| {});
    let largest = Fetch::default().max_archive_bytes as usize;
    let cases = [
        (
            "/page.tgz",
            b"<html></html>".to_vec(),
            "ChartInvalid",
            "not a gzipped archive",
        ),
        (
            "/cut.tgz",
            whole[..whole.len() / 2].to_vec(),
            "ChartInvalid",
            "cannot unpack",
        ),
        (
            "/link.tgz",
            packed(link),
            "ChartInvalid",
            "contains a link, \"web/values.yaml\"",
        ),
        (
            "/parent.tgz",
            packed(named("web/../../etc/passwd")),
            "ChartInvalid",
            "parent directory: \"web/../../etc/passwd\"",
        ),
        (
            "/root.tgz",
            packed(named("web//etc/passwd")),
            "ChartInvalid",
            "absolute paths: \"web//etc/passwd\"",
        ),
        (
            "/large.tgz",
            vec![0; largest + 1],
            "ChartTooLarge",
            "20971520 bytes",
        ),
        (
            "/bomb.tgz",
            packed(zeros),
            "ChartTooLarge",
            "larger than the maximum",
        ),
    ];
    let expected: Vec<_> = cases
        .iter()
        .map(|(path, _, reason, words)| (*path, *reason, *words))
        .chain([
            ("/none.tgz", "ChartNotFound", "answered 404"),
            ("/moved.tgz", "Forbidden", "an address that is not public"),
        ])
        .collect();
    let bodies = cases.into_iter().map(|(path, body, ..)| (path, body)).collect();
    let address = server(bodies).await;
    for (path, reason, words) in expected {
        let url = format!("http://{address}{path}");
        fixture.app("app", json!({"chart": {"url": url}})).await;
        let status = fixture.refused("app", reason).await;
        let said = message(&status, "Ready");
        assert!(
            said.contains(words) && said.contains(path),
            "{path}: {words:?} is not in: {said}"
        );
        fixture.warned("app", reason, &[words, path]).await;
        assert_eq!(status.release, None, "{path}");
        assert_eq!(fixture.namespace.objects().await, ["HelmApp/app"], "{path}");
    }
    fixture.delete("app").await;
    // A good chart of the same machine is deployed.
    let address = server(vec![("/web.tgz", whole)]).await;
    let url = format!("http://{address}/web.tgz");
    fixture.app("app", json!({"chart": {"url": url}})).await;
    assert_eq!(fixture.ready("app").await.chart.unwrap().version, "1.0.0");
}
