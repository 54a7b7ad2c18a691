//! The objects that install the operator: those that `kubectl apply -k deploy/kustomize` makes, and those of our own
//! chart.

use std::{
    fs,
    path::{Path, PathBuf},
};

use helmapp::cli::template::{Arguments, template};
use helmapp_goyaml::sigs::{self, Numbers};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

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

/// The objects of charts/helmapp as release `helmapp`, with these values, behind the namespace that they go into.
pub fn chart_objects(values: &[&str]) -> Vec<Value> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/helmapp");
    let arguments = Arguments {
        positional: vec!["helmapp".to_owned(), chart.display().to_string()],
        namespace: NAMESPACE.to_owned(),
        set: values.iter().map(|value| (*value).to_owned()).collect(),
        kube_version: Some("1.36".to_owned()),
        include_crds: true,
        ..Arguments::default()
    };
    let render = move || {
        let mut out = Vec::new();
        template(&arguments, &mut out, &mut std::io::sink()).expect("the chart renders");
        String::from_utf8(out).expect("text")
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(render);
    let text = thread.expect("a thread").join().expect("no panic");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    std::iter::once(namespace).chain(parse(&text)).collect()
}

fn documents(path: &Path) -> Vec<Value> {
    parse(&fs::read_to_string(path).expect("a file of the base"))
}

fn parse(text: &str) -> Vec<Value> {
    text.trim_start_matches("---\n")
        .split("\n---\n")
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
