//! Which of our fields another manager has taken, from `metadata.managedFields`.
//!
//! Names only: what a field holds is not said anywhere.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value};

use crate::cluster::apply::FIELD_MANAGER;

/// Most fields that are named of one object.
const MAX_NAMED: usize = 4;
/// Deepest nesting of fields that is looked into; the API server allows no deeper objects.
const MAX_DEPTH: usize = 64;

/// Says which fields of `wanted` are ours no more, and whose they are; empty when that can't be told.
pub(super) fn taken(wanted: &Value, live: &ObjectMeta) -> String {
    let none = Value::Null;
    let ours = entries(live).find(|entry| is_ours(entry)).map_or(&none, fields);
    let mut by_field: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries(live).filter(|entry| !is_ours(entry)) {
        let manager = entry.manager.as_deref().unwrap_or_default();
        for field in taken_by(wanted, fields(entry), ours) {
            by_field.entry(field).or_insert(manager);
        }
    }
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
        // Written as text, kept as data.
        let section = if section == "stringData" { "data" } else { section };
        fields.into_iter().filter_map(move |(name, value)| {
            let named = section == "metadata" && ["name", "namespace"].contains(&name);
            (!identity && !named).then_some((section, name, value))
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
        let secret = json!({"kind": "Secret", "stringData": {"a": "hidden"}});
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
            assert_eq!(taken(wanted, &live(&entries)), expected);
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
