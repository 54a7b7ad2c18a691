//! What a step touched: the demo's objects before and after it.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};

/// Objects by kind and name, each with what tells whether its spec was written again.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Snapshot(BTreeMap<String, (String, String)>);

fn kinds() -> [ApiResource; 5] {
    [
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<Deployment>(&()),
    ]
}

impl Snapshot {
    /// The release's objects and its records in `namespace`.
    pub(super) async fn take(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        for resource in kinds() {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            for object in api.list(&ListParams::default()).await? {
                if is_the_namespaces_own(&object) {
                    continue;
                }
                let generation = object
                    .metadata
                    .generation
                    .map(|generation| generation.to_string());
                let version = generation
                    .or_else(|| object.resource_version())
                    .unwrap_or_default();
                let name = format!("{} {}", resource.kind, object.name_any());
                found.insert(name, (object.uid().unwrap_or_default(), version));
            }
        }
        Ok(Self(found))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// What became of `self` by the time of `after`, an object a line.
    pub(super) fn changes(&self, after: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, (uid, version)) in &after.0 {
            match self.0.get(name) {
                None => changes.push(format!("created {name}")),
                Some((old, _)) if old != uid => changes.push(format!("recreated {name}")),
                Some((_, old)) if old != version => changes.push(format!("changed {name}")),
                Some(_) => {}
            }
        }
        for name in self.0.keys().filter(|name| !after.0.contains_key(*name)) {
            changes.push(format!("deleted {name}"));
        }
        changes
    }
}

/// Kubernetes gives every namespace these.
fn is_the_namespaces_own(object: &DynamicObject) -> bool {
    matches!(object.name_any().as_str(), "default" | "kube-root-ca.crt")
}
