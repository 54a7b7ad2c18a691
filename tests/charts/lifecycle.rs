//! One chart from its first revision to the last object's end.

use std::path::{Path, PathBuf};

use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::fixture::{Fixture, Operator, install_crd, revision};
use crate::support::not_run;
use crate::support::plane;
use crate::support::wait::{eventually, within};

/// Which control plane a chart runs on: its own where webhooks or CRDs could disturb the others.
pub(crate) enum Plane {
    Shared,
    Own,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) chart: &'static str,
    pub(crate) plane: Plane,
    /// Values of the first revision.
    pub(crate) values: Value,
    /// Values that are changed on top for the second.
    pub(crate) changed: Value,
}

static OPERATOR: OnceCell<Operator> = OnceCell::const_new();

pub(crate) async fn run(case: Case) {
    let Some(charts) = charts() else { return };
    match case.plane {
        Plane::Shared => {
            let start = || async {
                let plane = plane::shared().await;
                install_crd(&plane.client().await.expect("a client")).await;
                Operator::start(plane, &charts).await
            };
            OPERATOR.get_or_init(start).await;
            play(&case, plane::client().await, &charts).await;
        }
        Plane::Own => {
            let own = plane::own().await;
            let client = own.plane.client().await.expect("a client");
            install_crd(&client).await;
            let operator = Operator::start(&own.plane, &charts).await;
            play(&case, client, &charts).await;
            operator.stop();
        }
    }
}

/// Where the charts are, or why these tests do not run.
fn charts() -> Option<PathBuf> {
    let corpus = std::env::var_os("HELMAPP_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        PathBuf::from,
    );
    let charts = corpus.join("charts");
    match charts.canonicalize() {
        Ok(charts) => Some(charts),
        Err(error) => {
            not_run("corpus", format_args!("{}: {error}", charts.display()));
            None
        }
    }
}

async fn play(case: &Case, client: kube::Client, charts: &Path) {
    let name = case.name.replace('_', "-");
    let fixture = Fixture::on(client, &name, charts).await;
    let spec = |values: &Value| json!({"chart": {"path": case.chart}, "values": values});

    fixture.app(&name, spec(&case.values)).await;
    assert_eq!(revision(&fixture.ready(&name).await), 1, "installed");
    let installed = manifest_digest(&fixture, &name).await;

    fixture
        .app(&name, spec(&merged(&case.values, &case.changed)))
        .await;
    assert_eq!(revision(&fixture.ready(&name).await), 2, "changed");
    assert_ne!(
        manifest_digest(&fixture, &name).await,
        installed,
        "the change is a change"
    );

    let mut back = spec(&merged(&case.values, &case.changed));
    back["rollback"] = json!({"toRevision": 1});
    fixture.app(&name, back).await;
    let status = fixture
        .until(&name, |app| {
            let ready = app.condition("Ready").is_some_and(|ready| ready.status == "True");
            let revision = app.status.as_ref().and_then(|status| status.release.as_ref());
            ready && revision.is_some_and(|release| release.revision == 3 && release.status == "deployed")
        })
        .await;
    assert_eq!(
        manifest_digest(&fixture, &name).await,
        installed,
        "back at revision 1"
    );
    let health =
        |entry: &helmapp::api::InventoryEntry| entry.hook || entry.health.as_deref() == Some("Ready");
    assert!(status.inventory.iter().all(health), "{:?}", status.inventory);

    fixture.delete(&name).await;
    eventually("nothing but what is kept is left", within(60), || async {
        let mut left = leftovers(&fixture).await;
        left.extend(labelled(&fixture).await);
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    })
    .await;
    println!("{name}: installed, changed, rolled back, removed");
}

fn merged(base: &Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            let mut all: Map<String, Value> = base.clone();
            for (key, value) in over {
                let value = base
                    .get(key)
                    .map_or_else(|| value.clone(), |old| merged(old, value));
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        _ => over.clone(),
    }
}

/// The manifest of the newest revision, as stored.
async fn manifest_digest(fixture: &Fixture, release: &str) -> String {
    use helmapp_helm::release::{DecodeLimits, SECRET_KEY, decode};
    use k8s_openapi::api::core::v1::Secret;
    let api: Api<Secret> = fixture.namespace.api();
    let selector = format!("owner=helm,status=deployed,name={release}");
    let found = api
        .list(&ListParams::default().labels(&selector))
        .await
        .expect("release Secrets");
    let [secret] = found.items.as_slice() else {
        panic!("{} deployed revisions", found.items.len());
    };
    let data = &secret.data.as_ref().expect("data")[SECRET_KEY].0;
    let text = std::str::from_utf8(data).expect("text");
    decode(text, &DecodeLimits::default())
        .expect("a release")
        .manifest
}

/// Objects of the namespace that should be gone. A StatefulSet's claims outlive it, as with Helm.
async fn leftovers(fixture: &Fixture) -> Vec<String> {
    let objects = fixture.namespace.objects().await;
    objects
        .into_iter()
        .filter(|object| !object.starts_with("PersistentVolumeClaim/"))
        .collect()
}

/// Objects anywhere that carry the release's label and no keep policy.
async fn labelled(fixture: &Fixture) -> Vec<String> {
    let discovery = Discovery::new(fixture.client()).run().await.expect("discovery");
    let selector = ListParams::default().labels(&format!("helmapp.io/namespace={}", fixture.namespace.name));
    let mut found = Vec::new();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        if capabilities.scope == Scope::Namespaced || !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(fixture.client(), &resource);
        for object in api.list(&selector).await.expect("a list") {
            let policy = object.metadata.annotations.unwrap_or_default();
            if policy.get("helm.sh/resource-policy").map(String::as_str) != Some("keep") {
                found.push(format!(
                    "{}/{}",
                    resource.kind,
                    object.metadata.name.unwrap_or_default()
                ));
            }
        }
    }
    found
}
