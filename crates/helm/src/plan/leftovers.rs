//! Parts of an object that only the API server's defaults made, and that stand against what the object is to become.
//!
//! Nobody owns them, so that server-side apply leaves them where they are: a Deployment that changes to the strategy
//! Recreate keeps the `rollingUpdate` of the one before, and is refused for it. Whoever owns a part can let go of it,
//! so the release takes them first.

use serde_json::{Map, Value, json};

/// Nesting below which nothing is looked for; the API server itself refuses deeper objects.
const MAX_DEPTH: usize = 64;

/// Parts of a live object that nobody owns and that an object does not have.
#[derive(Debug, Clone, PartialEq)]
pub struct Leftovers {
    /// What the release owns of the live object, as it is, and these parts: applied, it changes nothing but whose they
    /// are.
    pub claim: Value,
    /// The object with a null for each of these parts: as a merge patch it shows whether the object is accepted
    /// without them.
    pub without: Value,
}

/// Finds them. `manager` is the release's name among the field managers. `None` where there are none.
pub fn leftovers(wanted: &Value, live: &Value, manager: &str) -> Option<Leftovers> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let entries: Vec<&Value> = entries.into_iter().flatten().collect();
    let text = |entry: &Value, key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let is_ours = |entry: &&Value| text(entry, "manager") == manager;
    let theirs: Vec<&Value> = entries
        .iter()
        .filter(|entry| !is_ours(entry))
        .filter_map(|entry| entry.get("fieldsV1"))
        .collect();
    let mut found = Vec::new();
    for (section, value) in live.as_object()? {
        // Identity is not a default, and status is not ours.
        if ["apiVersion", "kind", "metadata", "status"].contains(&section.as_str()) {
            continue;
        }
        if let Some(wanted) = wanted.get(section) {
            let theirs = below(&theirs, section);
            find(wanted, value, &theirs, &mut vec![section.clone()], &mut found);
        }
    }
    if found.is_empty() {
        return None;
    }
    let applied = entries.iter().find(|entry| {
        is_ours(entry) && text(entry, "operation") == "Apply" && text(entry, "subresource").is_empty()
    });
    let ours = applied.and_then(|entry| entry.get("fieldsV1"));
    let mut claim = ours.map_or_else(|| json!({}), |fields| extract(live, fields, 0));
    for key in ["apiVersion", "kind"] {
        put(
            &mut claim,
            &[key.to_owned()],
            live.get(key).cloned().unwrap_or_default(),
        );
    }
    for key in ["name", "namespace"] {
        if let Some(value) = live.pointer(&format!("/metadata/{key}")) {
            put(
                &mut claim,
                &["metadata".to_owned(), key.to_owned()],
                value.clone(),
            );
        }
    }
    let mut without = wanted.clone();
    for path in &found {
        let value = path.iter().try_fold(live, |value, key| value.get(key));
        put(&mut claim, path, value.cloned().unwrap_or_default());
        put(&mut without, path, Value::Null);
    }
    Some(Leftovers { claim, without })
}

/// Collects the paths of parts that are in a live value, not in the wanted one, and nobody else's. Single values are no
/// alternatives to each other; what has parts may be.
fn find(
    wanted: &Value,
    live: &Value,
    theirs: &[&Value],
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    let (Value::Object(wanted), Value::Object(live)) = (wanted, live) else {
        return;
    };
    if path.len() == MAX_DEPTH {
        return;
    }
    for (key, live) in live {
        let theirs = below(theirs, key);
        path.push(key.clone());
        match wanted.get(key).filter(|wanted| !wanted.is_null()) {
            Some(wanted) => find(wanted, live, &theirs, path, found),
            None if live.is_object() && theirs.is_empty() => found.push(path.clone()),
            None => {}
        }
        path.pop();
    }
}

fn below<'a>(trees: &[&'a Value], key: &str) -> Vec<&'a Value> {
    let key = format!("f:{key}");
    trees.iter().filter_map(|tree| tree.get(&key)).collect()
}

/// Of a value what a field set names.
fn extract(value: &Value, fields: &Value, depth: usize) -> Value {
    let Some(fields) = fields
        .as_object()
        .filter(|fields| !fields.is_empty() && depth < MAX_DEPTH)
    else {
        return value.clone();
    };
    match value {
        Value::Object(members) => {
            let named = fields.iter().filter_map(|(key, fields)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), extract(members.get(name)?, fields, depth + 1)))
            });
            Value::Object(named.collect())
        }
        Value::Array(items) => {
            let of_item = |item: &Value| {
                fields.iter().find_map(|(key, fields)| {
                    let (form, selector) = key.split_once(':')?;
                    let selector: Value = serde_json::from_str(selector).ok()?;
                    match (form, selector) {
                        ("v", value) => (*item == value).then(|| value.clone()),
                        ("k", Value::Object(keys)) => {
                            is_like(item, &keys).then(|| with_keys(item, fields, &keys, depth))
                        }
                        _ => None,
                    }
                })
            };
            Value::Array(items.iter().filter_map(of_item).collect())
        }
        _ => value.clone(),
    }
}

fn is_like(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(key, value)| item.get(key) == Some(value))
}

fn with_keys(item: &Value, fields: &Value, keys: &Map<String, Value>, depth: usize) -> Value {
    let mut extracted = extract(item, fields, depth + 1);
    if let Some(members) = extracted.as_object_mut() {
        members.extend(keys.clone());
    }
    extracted
}

fn put(value: &mut Value, path: &[String], leaf: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = leaf;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Some(members) = value.as_object_mut() {
        put(members.entry(first.clone()).or_insert(Value::Null), rest, leaf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(theirs: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "namespace": "web", "uid": "u", "labels": {"ours": "1", "theirs": "2"},
                "managedFields": [
                    {"manager": "helm", "operation": "Apply", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:ours": {}}},
                        "f:spec": {"f:replicas": {}, "f:template": {"f:containers": {
                            "k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:args": {}}}}}}},
                    {"manager": "other", "operation": "Update", "fieldsV1": theirs}]},
            "spec": {"replicas": 1, "paused": true, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
                     "template": {"containers": [{"name": "c", "image": "i", "args": ["x"], "stdin": true},
                                                 {"name": "theirs", "image": "t"}]}},
            "status": {"x": {}},
        })
    }

    fn wanted() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
               "spec": {"replicas": 2, "strategy": {"type": "Recreate"}, "template": {"containers": []}}})
    }

    #[test]
    fn what_nobody_owns_is_claimed_with_what_is_ours() {
        let found = leftovers(&wanted(), &live(&json!({})), "helm").unwrap();
        assert_eq!(
            found.claim,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "a", "namespace": "web", "labels": {"ours": "1"}},
                "spec": {"replicas": 1, "strategy": {"rollingUpdate": {"maxSurge": 1}},
                         "template": {"containers": [{"name": "c", "image": "i", "args": ["x"]}]}},
            })
        );
        let mut without = wanted();
        without["spec"]["strategy"]["rollingUpdate"] = Value::Null;
        assert_eq!(found.without, without);
    }

    #[test]
    fn what_somebody_owns_is_left_to_them() {
        let theirs = json!({"f:spec": {"f:strategy": {"f:rollingUpdate": {"f:maxSurge": {}}}}});
        assert_eq!(leftovers(&wanted(), &live(&theirs), "helm"), None);
        let mut same = wanted();
        same["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 2});
        assert_eq!(leftovers(&same, &live(&json!({})), "helm"), None);
    }
}
