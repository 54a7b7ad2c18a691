//! Charts from a server that is down at times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::fixture::{DEPLOYMENT, Fixture, Own, message, revision};
use crate::support::wait::{until, within};

/// A server of one chart.
struct Served {
    address: SocketAddr,
    up: Arc<AtomicBool>,
}

impl Served {
    async fn start(templates: &[(&str, &str)]) -> Self {
        let mut packer = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let metadata = [("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")];
        for (name, text) in metadata.iter().chain(templates) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            let path = format!("web/{name}");
            packer.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let archive = packer.into_inner().unwrap().finish().unwrap();
        let up = Arc::new(AtomicBool::new(true));
        let is_up = up.clone();
        let answer = move || {
            std::future::ready(match is_up.load(Ordering::Relaxed) {
                true => Ok(archive.clone()),
                false => Err(StatusCode::SERVICE_UNAVAILABLE),
            })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/web.tgz", get(answer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, up }
    }

    fn be_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    fn spec(&self, tag: &str) -> Value {
        let url = format!("http://{}/web.tgz", self.address);
        json!({"chart": {"url": url}, "values": {"replicas": 1, "tag": tag, "pod": ""}})
    }
}

/// Deletes the Deployment, which is to come back.
async fn is_kept(fixture: &Fixture) {
    let deployments: Api<Deployment> = fixture.namespace.api();
    let before = deployments.get("app").await.unwrap().metadata.uid;
    deployments.delete("app", &DeleteParams::default()).await.unwrap();
    let made_anew = |deployment: &Deployment| deployment.metadata.uid != before;
    until(&deployments, "app", within(20), made_anew).await;
}

/// A copy that was downloaded before is good enough to know what is deployed, and not to make a revision.
#[tokio::test(flavor = "multi_thread")]
async fn no_revision_is_made_of_a_stale_chart() {
    let fixture = Fixture::shared("stale").await;
    let served = Served::start(&[("templates/a.yaml", DEPLOYMENT)]).await;
    fixture.app("app", served.spec("v1")).await;
    fixture.ready("app").await;
    served.be_up(false);

    // The same inputs are the same, from the copy too.
    let mut same = served.spec("v1");
    same["maxHistory"] = json!(7);
    fixture.app("app", same).await;
    assert_eq!(revision(&fixture.ready("app").await), 1);

    fixture.app("app", served.spec("v2")).await;
    let status = fixture.refused("app", "ArtifactFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("answered 503") && said.contains("no revision is made from the copy"),
        "{said}"
    );
    is_kept(&fixture).await;
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(fixture.revisions("app").await, [word(1, "deployed")]);

    served.be_up(true);
    assert_eq!(revision(&fixture.ready("app").await), 2);
}

/// A new process has no copy. What is deployed is kept as it is all the same, and takes no harm.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_is_kept_without_its_chart() {
    let mut own = Own::start("unserved").await;
    let fixture = own.fixture.clone();
    let served = Served::start(&[("templates/a.yaml", DEPLOYMENT)]).await;
    fixture.app("app", served.spec("v1")).await;
    fixture.ready("app").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    own.stop();
    served.be_up(false);
    own.resume().await;
    let status = fixture.refused("app", "ArtifactFailed").await;
    assert!(message(&status, "Ready").contains("answered 503"), "{status:?}");
    is_kept(&fixture).await;
    served.be_up(true);
    assert_eq!(revision(&fixture.ready("app").await), 1);
    let word = |revision, status: &str| (revision, status.to_owned());
    assert_eq!(fixture.revisions("app").await, [word(1, "deployed")]);
}
