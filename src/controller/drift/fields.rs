//! Which of our fields another manager has taken, from `metadata.managedFields`.
//!
//! Names only: what a field holds is not said anywhere.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value};

use crate::cluster::apply::FIELD_MANAGER;

/// Most fields that are named of one object.
const MAX_NAMED: usize = 4;
/// Deepest nesting of fields that is looked into; the API server allows no deeper objects.
const MAX_DEPTH: usize = 64;

/// Says which fields of `wanted` are ours no more, and whose they are; empty when that can't be told.
pub(super) fn taken(wanted: &Value, live: &ObjectMeta) -> String {
    let by_field = lost(wanted, live);
    let mut texts: Vec<String> = by_field
        .iter()
        .map(|(field, manager)| format!("{field} by {manager}"))
        .collect();
    texts.extend(missing(wanted, live).map(|field| format!("{field} removed")));
    let more = texts.len().saturating_sub(MAX_NAMED);
    texts.truncate(MAX_NAMED);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(", ")
}

/// Who has taken fields of `wanted` that are ours no more.
pub(super) fn rivals(wanted: &Value, live: &ObjectMeta) -> String {
    let managers: BTreeSet<&str> = lost(wanted, live).into_values().collect();
    managers.into_iter().collect::<Vec<_>>().join(", ")
}

/// Fields that are ours no more, and whose they are.
fn lost<'m>(wanted: &Value, live: &'m ObjectMeta) -> BTreeMap<String, &'m str> {
    let none = Value::Null;
    let ours = entries(live).find(|entry| is_ours(entry)).map_or(&none, fields);
    let mut by_field: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries(live).filter(|entry| !is_ours(entry)) {
        let manager = entry.manager.as_deref().unwrap_or_default();
        for field in taken_by(wanted, fields(entry), ours) {
            by_field.entry(field).or_insert(manager);
        }
    }
    by_field
}

/// Whether one of these managers has the place in a live object that a JSON pointer leads to, or all around it.
pub(super) fn is_of(managers: &[String], pointer: &str, live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let parts: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    entries.into_iter().flatten().any(|entry| {
        let manager = entry.get("manager").and_then(Value::as_str);
        let theirs = manager.is_some_and(|manager| managers.iter().any(|known| known == manager));
        theirs && has(entry.get("fieldsV1"), Some(live), &parts)
    })
}

/// Whether a field set has the place that the parts of a pointer lead to in a value.
fn has(fields: Option<&Value>, value: Option<&Value>, parts: &[String]) -> bool {
    let Some(tree) = fields.and_then(Value::as_object) else {
        return false;
    };
    if tree.is_empty() {
        return true;
    }
    let [part, rest @ ..] = parts else {
        return false;
    };
    let Some(Value::Array(items)) = value else {
        return has(
            tree.get(&format!("f:{part}")),
            value.and_then(|value| value.get(part)),
            rest,
        );
    };
    let item = part.parse::<usize>().ok().and_then(|index| items.get(index));
    tree.iter().any(|(key, below)| {
        let named = item.is_some() && child(value.unwrap_or(&Value::Null), key) == item;
        named && has(Some(below), item, rest)
    })
}

/// Who wrote an object last.
pub(super) fn maker(live: &ObjectMeta) -> Option<&str> {
    let last = entries(live).max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    last.manager.as_deref()
}

fn entries(live: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let all = live.managed_fields.iter().flatten();
    all.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
}

fn fields(entry: &ManagedFieldsEntry) -> &Value {
    entry.fields_v1.as_ref().map_or(&Value::Null, |fields| &fields.0)
}

/// The two upper levels of our object, as `data.text`, without what identifies it.
fn upper(wanted: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let sections = wanted.as_object().into_iter().flatten();
    sections.flat_map(|(section, value)| {
        let fields: Vec<(&str, &Value)> = match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .collect(),
            _ => vec![("", value)],
        };
        // The server takes an object's status from nobody but its controller.
        let identity = ["apiVersion", "kind", "status"].contains(&section.as_str());
        fields.into_iter().filter_map(move |(name, value)| {
            let named = section == "metadata" && ["name", "namespace"].contains(&name);
            (!identity && !named).then_some((section.as_str(), name, value))
        })
    })
}

fn path(section: &str, name: &str) -> String {
    if name.is_empty() {
        section.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

fn below<'a>(tree: &'a Value, section: &str, name: &str) -> &'a Value {
    let section = tree.get(format!("f:{section}")).unwrap_or(&Value::Null);
    if name.is_empty() {
        return section;
    }
    section.get(format!("f:{name}")).unwrap_or(&Value::Null)
}

fn taken_by(wanted: &Value, theirs: &Value, ours: &Value) -> Vec<String> {
    let lost = upper(wanted).filter(|(section, name, value)| {
        is_lost(value, below(theirs, section, name), below(ours, section, name), 0)
    });
    lost.map(|(section, name, _)| path(section, name)).collect()
}

/// Whether something of a wanted value is theirs and not ours.
fn is_lost(wanted: &Value, theirs: &Value, ours: &Value, depth: usize) -> bool {
    let Some(tree) = theirs.as_object().filter(|_| depth < MAX_DEPTH) else {
        return false;
    };
    if tree.is_empty() {
        return ours.is_null();
    }
    tree.iter().any(|(key, theirs)| {
        if key == "." {
            return false;
        }
        let ours = ours.get(key).unwrap_or(&Value::Null);
        child(wanted, key).is_some_and(|wanted| is_lost(wanted, theirs, ours, depth + 1))
    })
}

/// The part of a wanted value that a key of a field set names.
fn child<'a>(wanted: &'a Value, key: &str) -> Option<&'a Value> {
    match key.split_once(':')? {
        ("f", name) => wanted.get(name),
        ("k", keys) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
            // Keys that the server fills in are not in our object.
            let same = |item: &&Value| {
                keys.iter()
                    .all(|(name, value)| item.get(name).is_none_or(|known| known == value))
            };
            wanted.as_array()?.iter().find(same)
        }
        ("v", value) => {
            let value: Value = serde_json::from_str(value).ok()?;
            wanted.as_array()?.iter().find(|item| **item == value)
        }
        _ => None,
    }
}

/// Fields of ours that nobody has any more.
fn missing<'a>(wanted: &'a Value, live: &'a ObjectMeta) -> impl Iterator<Item = String> + 'a {
    let all: Vec<&Value> = entries(live).map(fields).collect();
    let gone = upper(wanted).filter(move |(section, name, value)| {
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        !empty && !all.is_empty() && all.iter().all(|tree| below(tree, section, name).is_null())
    });
    gone.map(|(section, name, _)| path(section, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(entries: &[(&str, &str, Value)]) -> ObjectMeta {
        let entries: Vec<Value> = entries
            .iter()
            .enumerate()
            .map(|(second, (manager, operation, fields))| {
                json!({"manager": manager, "operation": operation, "fieldsV1": fields,
                       "time": format!("2026-01-01T00:00:0{second}Z")})
            })
            .collect();
        serde_json::from_value(json!({"managedFields": entries})).unwrap()
    }

    #[test]
    fn fields_and_who_has_them_now() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                         "data": {"a": "1", "b": "2"}});
        let secret = json!({"kind": "Secret", "data": {"a": "aGlkZGVu"}});
        let deployment = json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"name": "main", "image": "a", "ports": [{"containerPort": 80}]}]}}}});
        let image = |key: &str| json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {key: {}}}}}}});
        let port = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {"f:containerPort": {}}}}}}}}});
        let ours = |fields| ("helm", "Apply", fields);
        let whole = json!({"f:spec": {"f:replicas": {}, "f:template": {}}});
        let table = [
            (
                &map,
                vec![
                    ours(json!({"f:data": {"f:b": {}}})),
                    (
                        "kubectl-edit",
                        "Update",
                        json!({"f:data": {"f:a": {}, "f:c": {}}}),
                    ),
                ],
                "data.a by kubectl-edit",
            ),
            (&map, vec![ours(json!({"f:data": {"f:b": {}}}))], "data.a removed"),
            (
                &map,
                vec![
                    ours(json!({"f:data": {"f:a": {}, "f:b": {}}})),
                    ("other", "Apply", json!({"f:data": {"f:a": {}}})),
                ],
                "",
            ),
            (
                &deployment,
                vec![ours(whole.clone()), ("edit", "Update", image("f:image"))],
                "spec.template by edit",
            ),
            (
                &deployment,
                vec![ours(whole.clone()), ("edit", "Update", image("f:command"))],
                "",
            ),
            (
                &deployment,
                vec![ours(whole), ("edit", "Update", port)],
                "spec.template by edit",
            ),
            (&map, vec![], ""),
            (&secret, vec![ours(json!({"f:data": {"f:a": {}}}))], ""),
            (
                &secret,
                vec![
                    ours(json!({"f:data": {}})),
                    ("edit", "Update", json!({"f:data": {"f:a": {}}})),
                ],
                "data.a by edit",
            ),
        ];
        for (wanted, entries, expected) in table {
            let live = live(&entries);
            assert_eq!(taken(wanted, &live), expected);
            let by = expected.split_once(" by ").map_or("", |(_, manager)| manager);
            assert_eq!(rivals(wanted, &live), by);
        }
    }

    #[test]
    fn places_and_who_has_them() {
        let live = json!({
            "spec": {"replicas": 2, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}], "args": ["z"]},
            "metadata": {"managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {
                "f:replicas": {}, "f:args": {}, "f:containers": {"k:{\"name\":\"b\"}": {".": {}, "f:image": {}}}}}}]},
        });
        let (m, n) = (["m".to_owned()], ["n".to_owned()]);
        for (pointer, expected) in [
            ("/spec/replicas", true),
            ("/spec/args/0", true),
            ("/spec/containers/1/image", true),
            ("/spec/containers/0/image", false),
            ("/spec/containers/1/name", false),
            ("/spec/containers/7/image", false),
            ("/spec", false),
            ("/data", false),
        ] {
            assert_eq!(is_of(&m, pointer, &live), expected, "{pointer}");
            assert!(!is_of(&n, pointer, &live), "{pointer}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let data: Map<String, Value> = (0..9).map(|n| (format!("k{n}"), json!("v"))).collect();
        let wanted = json!({"data": data});
        let text = taken(&wanted, &live(&[("helm", "Apply", json!({"f:metadata": {}}))]));
        assert!(text.ends_with("data.k3 removed, 5 more"), "{text}");
    }

    #[test]
    fn the_last_writer_made_it() {
        let entries = [("a", "Update", json!({})), ("b", "Update", json!({}))];
        assert_eq!(maker(&live(&entries)), Some("b"));
        assert_eq!(maker(&ObjectMeta::default()), None);
    }
}
