//! A namespace for one test, with what tests do in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, ObjectMeta};
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::Value;

use super::wait::{eventually, within};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// What Kubernetes itself puts into a namespace, and traces of what happened.
const NOT_LEFT_BEHIND: &[(&str, &str)] = &[
    ("ConfigMap", "kube-root-ca.crt"),
    ("ServiceAccount", "default"),
    ("Event", ""),
];

#[derive(Clone)]
pub struct TestNamespace {
    pub client: kube::Client,
    pub name: String,
}

impl TestNamespace {
    /// Makes a namespace whose name begins with the test's, and waits until
    /// pods can be made in it.
    pub async fn create(client: kube::Client, test: &str) -> Self {
        let name = format!("{test}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        eventually("the default service account", within(20), || async {
            accounts.get("default").await.map_err(|error| error.to_string())
        })
        .await;
        Self { client, name }
    }

    /// A release name that no other test has.
    pub fn release(&self, name: &str) -> String {
        format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Applies an object as the field manager `test`.
    pub async fn apply(&self, object: Value) -> DynamicObject {
        self.try_apply(object).await.expect("the object is accepted")
    }

    pub async fn try_apply(&self, object: Value) -> Result<DynamicObject, kube::Error> {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let types = object.types.clone().expect("apiVersion and kind");
        let kind = GroupVersionKind::try_from(&types).expect("a group and version");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.name, &ApiResource::from_gvk(&kind));
        let name = object.metadata.name.clone().expect("a name");
        let params = PatchParams::apply("test").force();
        api.patch(&name, &params, &Patch::Apply(&object)).await
    }

    /// All objects in the namespace that somebody made, as `Kind/name`.
    pub async fn objects(&self) -> Vec<String> {
        let discovery = Discovery::new(self.client.clone())
            .run()
            .await
            .expect("discovery");
        let mut found = BTreeMap::new();
        for group in discovery.groups() {
            for (resource, capabilities) in group.recommended_resources() {
                if capabilities.scope != Scope::Namespaced || !capabilities.supports_operation(verbs::LIST) {
                    continue;
                }
                let api: Api<DynamicObject> =
                    Api::namespaced_with(self.client.clone(), &self.name, &resource);
                let list = match api.list(&ListParams::default()).await {
                    Ok(list) => list,
                    // Another test's CRD went since discovery.
                    Err(kube::Error::Api(status)) if status.code == 404 => continue,
                    Err(error) => panic!("no list of {}: {error}", resource.plural),
                };
                for object in list {
                    let name = object.metadata.name.unwrap_or_default();
                    let ours = |(kind, known): &(&str, &str)| {
                        *kind == resource.kind && (known.is_empty() || *known == name)
                    };
                    if !NOT_LEFT_BEHIND.iter().any(ours) {
                        // One object can be served by several groups.
                        let key = object.metadata.uid.unwrap_or_default();
                        found.insert(key, format!("{}/{name}", resource.kind));
                    }
                }
            }
        }
        let mut objects: Vec<_> = found.into_values().collect();
        objects.sort();
        objects
    }

    /// Waits until nothing is left but these (`Kind/name`, sorted).
    pub async fn left(&self, expected: &[&str]) {
        eventually("only what is kept", within(60), || async {
            let objects = self.objects().await;
            if objects == expected {
                Ok(())
            } else {
                Err(format!("{objects:?} in {}", self.name))
            }
        })
        .await;
    }
}
