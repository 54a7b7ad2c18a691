//! What is there in the end, in a form in which two ends are equal if nobody could tell them apart.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use helmapp::store::COMPANION_LABEL;
use helmapp_helm::release::{DecodeLimits, SECRET_TYPE, decode};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::{Map, Value, json};

/// Kinds that others make of what is there, or that tell what happened.
const NOT_COMPARED: &[&str] = &["Endpoints", "EndpointSlice", "Event", "Lease", "Pod"];

/// The objects of some namespaces by kind and name, and the CRDs of a group.
pub(crate) type State = BTreeMap<String, Value>;

/// Lists that are under way at once.
const PARALLEL: usize = 8;

/// Reads what is there; names of the namespaces are left out of it.
pub(crate) async fn read(client: &kube::Client, namespaces: &[String], group: &str) -> State {
    let discovery = Discovery::new(client.clone());
    let discovery = discovery.run_aggregated().await.expect("discovery");
    let mut lists = Vec::new();
    for known in discovery.groups() {
        for (resource, capabilities) in known.recommended_resources() {
            let is_listed = capabilities.supports_operation(verbs::LIST);
            if !is_listed || NOT_COMPARED.contains(&resource.kind.as_str()) {
                continue;
            }
            if capabilities.scope == Scope::Namespaced {
                for namespace in namespaces {
                    let api = Api::namespaced_with(client.clone(), namespace, &resource);
                    lists.push((api, resource.clone(), ""));
                }
            } else if resource.kind == "CustomResourceDefinition" {
                lists.push((Api::all_with(client.clone(), &resource), resource, group));
            }
        }
    }
    let lists = futures::stream::iter(lists)
        .map(|(api, resource, end)| async move { list(api, &resource, namespaces, end).await })
        .buffer_unordered(PARALLEL);
    lists.collect::<Vec<_>>().await.into_iter().flatten().collect()
}

/// The objects of a kind whose names end so.
async fn list(
    api: Api<DynamicObject>,
    resource: &ApiResource,
    namespaces: &[String],
    end: &str,
) -> Vec<(String, Value)> {
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list,
        // The kind went since discovery.
        Err(kube::Error::Api(status)) if status.code == 404 => return Vec::new(),
        Err(error) => panic!("no list of {}: {error}", resource.plural),
    };
    let mut found = Vec::new();
    for object in list {
        let name = object.metadata.name.clone().unwrap_or_default();
        let given = matches!(
            (resource.kind.as_str(), name.as_str()),
            ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
        );
        if given || !name.ends_with(end) {
            continue;
        }
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let value = without(namespaces, &comparable(&resource.kind, &object));
        let key = without(
            namespaces,
            &json!(format!("{} {namespace}/{name}", resource.kind)),
        );
        found.push((key.as_str().unwrap_or_default().to_owned(), value));
    }
    found
}

/// The same with the namespaces' names taken out.
fn without(namespaces: &[String], value: &Value) -> Value {
    let mut text = value.to_string();
    // The longest first: one name begins with another.
    let mut names: Vec<(usize, &String)> = namespaces.iter().enumerate().collect();
    names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    for (number, name) in names {
        text = text.replace(name, &format!("namespace-{number}"));
    }
    serde_json::from_str(&text).expect("JSON")
}

fn comparable(kind: &str, object: &DynamicObject) -> Value {
    let data = &object.data;
    let content = match kind {
        "HelmApp" => app(data),
        "Secret" if data["type"] == SECRET_TYPE => record(data),
        "Secret" if object.labels().contains_key(COMPANION_LABEL) => companion(data),
        // The rest has the Job's UID in it.
        "Job" => data["spec"]["template"]["spec"].clone(),
        _ => {
            let mut content = data.clone();
            if let Some(content) = content.as_object_mut() {
                content.remove("status");
            }
            content
        }
    };
    json!({"metadata": metadata(object), "content": content})
}

use kube::ResourceExt as _;

fn metadata(object: &DynamicObject) -> Value {
    let mut labels = object.labels().clone();
    // Helm's records say when they were written.
    labels.retain(|name, _| name != "createdAt" && name != "modifiedAt");
    let owners: Vec<String> = object
        .owner_references()
        .iter()
        .map(|owner| format!("{} {}", owner.kind, owner.name))
        .collect();
    let applied: Vec<Value> = object
        .managed_fields()
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some("helm"))
        .map(|entry| json!([entry.operation, entry.subresource, entry.fields_v1]))
        .collect();
    json!({
        "labels": labels, "annotations": object.annotations(), "finalizers": object.finalizers(), "owners": owners,
        "applied": applied, "generation": object.metadata.generation,
        "going": object.metadata.deletion_timestamp.is_some(),
    })
}

fn bytes(data: &Value, key: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = data["data"][key].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(text).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn record(data: &Value) -> Value {
    let release = decode(&bytes(data, "release"), &DecodeLimits::default()).expect("a record");
    let hooks: Vec<Value> = release
        .hooks
        .iter()
        .map(|hook| {
            let mut hook = serde_json::to_value(hook).expect("a hook");
            if let Some(run) = hook.get_mut("last_run").and_then(Value::as_object_mut) {
                run.retain(|field, _| field == "phase");
            }
            hook
        })
        .collect();
    json!({
        "revision": release.version, "status": release.info.status, "back": release.info.rollback_revision,
        "chart": release.chart.metadata, "config": release.config, "manifest": release.manifest,
        "hooks": hooks, "method": release.apply_method,
    })
}

fn companion(data: &Value) -> Value {
    let mut companion: Map<String, Value> =
        serde_json::from_str(&bytes(data, "companion")).unwrap_or_default();
    // Digests of what has the namespace in it, and of objects' UIDs.
    companion.retain(|field, _| matches!(field.as_str(), "revision" | "applied" | "left" | "secretPlaces"));
    Value::Object(companion)
}

/// The objects, and whether they are ready: what keeps them from it is only asked for while somebody waits.
fn inventory(entries: &Value) -> Vec<Value> {
    let entries = entries.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            json!([
                entry["kind"],
                entry["namespace"],
                entry["name"],
                entry["health"] == "Ready"
            ])
        })
        .collect()
}

fn app(data: &Value) -> Value {
    let status = &data["status"];
    let each = |list: &str, fields: &[&str]| -> Vec<Value> {
        let entries = status[list].as_array().into_iter().flatten();
        let some = |entry: &Value| fields.iter().map(|field| entry[*field].clone()).collect();
        entries.map(some).collect()
    };
    let mut conditions = each("conditions", &["type", "status", "reason"]);
    // That something was put back is known only to who did it.
    conditions.retain(|condition| *condition != json!(["Drifted", "False", "DriftCorrected"]));
    json!({
        "spec": data["spec"],
        "observed": status["observedGeneration"],
        "conditions": conditions,
        "release": [status["release"]["revision"], status["release"]["status"]],
        "history": each("history", &["revision", "status"]),
        "inventory": inventory(&status["inventory"]),
        "rollback": [status["rollback"]["toRevision"], status["rollback"]["revision"]],
        "attempt": [status["lastAttempted"]["reason"], status["lastAttempted"]["failures"]],
    })
}

/// What of one state is not in the other, a line each.
pub(crate) fn difference(expected: &State, found: &State) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut lines = Vec::new();
    for key in keys {
        match (expected.get(key), found.get(key)) {
            (Some(_), None) => lines.push(format!("{key} is missing")),
            (None, Some(_)) => lines.push(format!("{key} is too many")),
            (Some(expected), Some(found)) => differ(key, expected, found, &mut lines),
            (None, None) => {}
        }
    }
    lines
}

fn differ(path: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differ(&format!("{path} {key}"), &of(one), &of(other), lines);
            }
        }
        _ if expected != found => lines.push(format!("{path}: {found} instead of {expected}")),
        _ => {}
    }
}
