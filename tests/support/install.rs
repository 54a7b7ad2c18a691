//! The objects that `kubectl apply -k deploy/kustomize` makes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use helmapp_goyaml::sigs::{self, Numbers};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective},
    core::GroupVersionKind,
};
use serde_json::Value;

/// The namespace of the operator.
pub const NAMESPACE: &str = "helmapp-system";
/// The operator as the API server knows it.
pub const OPERATOR: &str = "system:serviceaccount:helmapp-system:helmapp";

/// The objects of the kustomization, those of the directories that it names included, in its order.
pub fn objects() -> Vec<Value> {
    objects_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize"))
}

fn objects_of(base: &Path) -> Vec<Value> {
    let kustomization = documents(&base.join("kustomization.yaml")).remove(0);
    let resources: Vec<PathBuf> = kustomization["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|name| base.join(name.as_str().expect("a path")))
        .collect();
    resources
        .iter()
        .flat_map(|path| {
            if path.is_dir() {
                objects_of(path)
            } else {
                documents(path)
            }
        })
        .collect()
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a file of the base");
    text.split("\n---\n")
        .map(|document| sigs::to_json(document, Numbers::Exact).expect("YAML"))
        .collect()
}

/// Applies an object, with the server's strictest validation.
pub async fn apply(client: &Client, object: &Value) {
    let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
    let kind = GroupVersionKind::try_from(object.types.as_ref().expect("a kind")).expect("a version");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().expect("a name");
    let parameters = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("test").force()
    };
    if let Err(error) = api.patch(&name, &parameters, &Patch::Apply(&object)).await {
        panic!("{} {name}: {error}", kind.kind);
    }
}
