//! What Helm's client-side patches took and server-side apply does not take as it stands.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::object::ObjectId;

/// Lists of pods whose items the API server tells apart by these keys, and in which it allows an item twice: what was
/// written last counts. In other lists it refuses that itself.
const KEYED: [(&str, &[&str]); 3] = [
    ("env", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("imagePullSecrets", &["name"]),
];

/// What the server fills in where a key is not there.
const DEFAULT_PROTOCOL: &str = "TCP";

/// The words of strategic merge patches, which are no fields.
const DIRECTIVES: [&str; 4] = [
    "$patch",
    "$retainKeys",
    "$setElementOrder/",
    "$deleteFromPrimitiveList/",
];

/// Nesting below which nothing is looked for; the API server itself refuses deeper objects.
const MAX_DEPTH: usize = 512;

/// Writes an object so that server-side apply owns what it says. Returns what was left out.
pub(super) fn tidy(id: &ObjectId, value: &mut Value) -> Vec<String> {
    if id.group.is_empty() && id.kind == "Secret" {
        encode(value);
    }
    let mut warnings = Vec::new();
    if let Some(spec) = value.pointer_mut(pod_pointer(id)) {
        once(spec, &["imagePullSecrets"], &mut warnings);
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                once(container, &["env", "ports"], &mut warnings);
            }
        }
    }
    if id.group.is_empty() && id.kind == "ServiceAccount" {
        once(value, &["imagePullSecrets"], &mut warnings);
    }
    warnings
}

/// Where the kind has the spec of its pods; where nothing is for a kind that has none.
fn pod_pointer(id: &ObjectId) -> &'static str {
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Pod") => "/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        ("apps" | "batch", _) | ("", "ReplicationController" | "PodTemplate") => "/spec/template/spec",
        _ => "/no pods",
    }
}

/// Text of a Secret becomes what the server keeps it as. The server takes it, too, but would not know who owns it.
fn encode(secret: &mut Value) {
    let Some(members) = secret.as_object_mut() else {
        return;
    };
    let texts = match members.get("stringData") {
        Some(Value::Object(texts)) if texts.values().all(|text| text.is_string() || text.is_null()) => {
            texts.clone()
        }
        // What is none of that is the server's to refuse.
        _ => return,
    };
    members.remove("stringData");
    let data = members.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    if let Some(data) = data.as_object_mut() {
        for (key, text) in texts {
            if let Some(text) = text.as_str() {
                data.insert(key, STANDARD.encode(text).into());
            }
        }
    }
}

/// Keeps of the items of these lists that have the same keys what the last of them says, at the place of the first.
fn once(owner: &mut Value, lists: &[&str], warnings: &mut Vec<String>) {
    let name = owner.get("name").and_then(Value::as_str).map(str::to_owned);
    for (list, keys) in KEYED.iter().filter(|(list, _)| lists.contains(list)) {
        let Some(items) = owner.get_mut(*list).and_then(Value::as_array_mut) else {
            continue;
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept: Vec<Value> = Vec::with_capacity(items.len());
        for item in std::mem::take(items) {
            let Some(key) = key(&item, keys) else {
                kept.push(item);
                continue;
            };
            match places.get(&key).and_then(|place| kept.get_mut(*place)) {
                Some(first) => {
                    let of = name
                        .as_deref()
                        .map(|name| format!(" of {name}"))
                        .unwrap_or_default();
                    warnings.push(format!(
                        "{list}{of} has {key} more than once; the last one counts"
                    ));
                    *first = item;
                }
                None => {
                    places.insert(key, kept.len());
                    kept.push(item);
                }
            }
        }
        *items = kept;
    }
}

/// What tells an item from others, as a person would write it; none where it has no such thing.
fn key(item: &Value, keys: &[&str]) -> Option<String> {
    let mut texts = Vec::with_capacity(keys.len());
    for key in keys {
        texts.push(match (item.get(*key), *key) {
            (Some(Value::String(text)), _) => text.clone(),
            (Some(Value::Number(number)), _) => number.to_string(),
            (None | Some(Value::Null), "protocol") => DEFAULT_PROTOCOL.to_owned(),
            _ => return None,
        });
    }
    Some(texts.join("/"))
}

/// The first directive of a strategic merge patch in an object, as a path.
pub(super) fn directive(value: &Value) -> Option<String> {
    find(value, 0).map(|mut path| {
        path.reverse();
        path.join(".")
    })
}

/// The parts of the path, the last one first.
fn find(value: &Value, depth: usize) -> Option<Vec<String>> {
    if depth == MAX_DEPTH {
        return None;
    }
    let below = |name: String, value: &Value| {
        let mut path = find(value, depth + 1)?;
        path.push(name);
        Some(path)
    };
    match value {
        Value::Object(members) => {
            let is_one = |key: &str| DIRECTIVES.iter().any(|word| key.starts_with(word));
            if let Some(key) = members.keys().find(|key| is_one(key)) {
                return Some(vec![key.clone()]);
            }
            members.iter().find_map(|(key, value)| below(key.clone(), value))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| below(index.to_string(), item)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(group: &str, kind: &str) -> ObjectId {
        ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "web".into(),
            name: "a".into(),
        }
    }

    #[test]
    fn texts_of_a_secret_become_data() {
        let table = [
            (json!({"stringData": {"a": "x"}}), json!({"data": {"a": "eA=="}})),
            (
                json!({"data": {"a": "b2xk", "b": "Yg=="}, "stringData": {"a": "x", "n": null}}),
                json!({"data": {"a": "eA==", "b": "Yg=="}}),
            ),
            (
                json!({"data": null, "stringData": {"a": "x"}}),
                json!({"data": {"a": "eA=="}}),
            ),
            (json!({"stringData": {"a": 1}}), json!({"stringData": {"a": 1}})),
            (json!({"stringData": {}}), json!({"data": {}})),
        ];
        for (mut given, expected) in table {
            assert_eq!(tidy(&id("", "Secret"), &mut given), Vec::<String>::new());
            assert_eq!(given, expected);
        }
        let mut map = json!({"stringData": {"a": "x"}});
        tidy(&id("", "ConfigMap"), &mut map);
        assert_eq!(map, json!({"stringData": {"a": "x"}}));
    }

    #[test]
    fn of_what_is_there_twice_the_last_counts() {
        let container = json!({
            "name": "main",
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}, {"name": "A", "value": "2"}],
            "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"},
                      {"containerPort": 53, "protocol": "TCP", "name": "dns"}],
        });
        let mut deployment = json!({"spec": {"template": {"spec": {
            "containers": [container], "imagePullSecrets": [{"name": "s"}, {"name": "s"}]}}}});
        let warnings = tidy(&id("apps", "Deployment"), &mut deployment);
        assert_eq!(
            warnings,
            [
                "imagePullSecrets has s more than once; the last one counts",
                "env of main has A more than once; the last one counts",
                "ports of main has 53/TCP more than once; the last one counts",
            ]
        );
        let spec = &deployment["spec"]["template"]["spec"];
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "s"}]));
        assert_eq!(
            spec["containers"][0]["env"],
            json!([{"name": "A", "value": "2"}, {"name": "B", "value": "$(A)"}])
        );
        assert_eq!(
            spec["containers"][0]["ports"],
            json!([{"containerPort": 53, "protocol": "TCP", "name": "dns"}, {"containerPort": 53, "protocol": "UDP"}])
        );
        let mut other = json!({"spec": {"env": [{"name": "A"}, {"name": "A"}]}});
        assert_eq!(tidy(&id("example.com", "Widget"), &mut other).len(), 0);
    }

    #[test]
    fn directives_are_found_where_they_stand() {
        let value = json!({"spec": {"a": [{"b": 1}, {"$patch": "delete"}]}});
        assert_eq!(directive(&value).as_deref(), Some("spec.a.1.$patch"));
        let value = json!({"spec": {"$setElementOrder/containers": []}});
        assert_eq!(
            directive(&value).as_deref(),
            Some("spec.$setElementOrder/containers")
        );
        assert_eq!(directive(&json!({"data": {"a": "$patch"}})), None);
    }
}
