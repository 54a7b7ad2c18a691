//! An object to apply that leaves in the live one what may stay as it is.

use helmapp_helm::plan::Object;
use serde_json::{Map, Value};

use super::difference::Difference;

/// The object, with what may stay taken over from the live one, which it is bound to. What is left out of an apply is
/// taken away from whoever has it only through us; what is in it with the value that it has stays, whoever has it. `None`
/// where a place can not be found again in the chart's object.
pub(super) fn keeping(object: &Object, live: &Value, may_stay: &[&Difference]) -> Option<Object> {
    let mut kept = object.clone();
    for difference in may_stay {
        let parts: Vec<String> = difference
            .at
            .split('/')
            .skip(1)
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect();
        put(&mut kept.value, live, &parts, difference.live.as_ref())?;
    }
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let metadata = kept.value.get_mut("metadata")?.as_object_mut()?;
    metadata.insert("resourceVersion".to_owned(), version);
    Some(kept)
}

fn put(wanted: &mut Value, live: &Value, parts: &[String], value: Option<&Value>) -> Option<()> {
    let [part, rest @ ..] = parts else {
        return None;
    };
    match wanted {
        Value::Object(members) => {
            if rest.is_empty() {
                match value {
                    Some(value) => members.insert(part.clone(), value.clone()),
                    None => members.remove(part),
                };
                return Some(());
            }
            if value.is_none() && !members.contains_key(part) {
                return Some(());
            }
            let below = members.entry(part.clone()).or_insert_with(|| Map::new().into());
            put(below, live.get(part)?, rest, value)
        }
        Value::Array(items) => {
            let index: usize = part.parse().ok()?;
            let known = live.get(index)?;
            let same_length = live.as_array().is_some_and(|live| live.len() == items.len());
            let position = match known.get("name").and_then(Value::as_str) {
                Some(name) => items
                    .iter()
                    .position(|item| item.get("name").and_then(Value::as_str) == Some(name))?,
                None if same_length => index,
                None => return None,
            };
            let item = items.get_mut(position)?;
            match (rest.is_empty(), value) {
                (true, Some(value)) => *item = value.clone(),
                (true, None) => return None,
                (false, _) => put(item, known, rest, value)?,
            }
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::ObjectId;
    use serde_json::json;

    use super::super::difference::differences;
    use super::*;

    fn kept(kind: &str, value: Value, live: Value, applied: Value, at: &str) -> Option<Value> {
        let object = Object {
            id: ObjectId {
                group: String::new(),
                kind: kind.into(),
                namespace: "web".into(),
                name: "a".into(),
            },
            version: "v1".into(),
            value,
            chart: String::new(),
            warnings: Vec::new(),
        };
        let all = differences(&live, &applied);
        let may_stay: Vec<&Difference> = all.iter().filter(|one| one.at == at).collect();
        assert_eq!(may_stay.len(), 1, "{all:?}");
        keeping(&object, &live, &may_stay).map(|object| object.value)
    }

    #[test]
    fn what_may_stay_is_applied_as_it_is() {
        let chart =
            json!({"metadata": {}, "spec": {"replicas": 1, "containers": [{"name": "b", "image": "x"}]}});
        let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 5, "containers": [
            {"name": "a", "image": "s"}, {"name": "b", "image": "y"}]}});
        let mut applied = live.clone();
        applied["spec"]["replicas"] = json!(1);
        applied["spec"]["containers"][1]["image"] = json!("x");
        let got = kept(
            "Thing",
            chart.clone(),
            live.clone(),
            applied.clone(),
            "/spec/replicas",
        )
        .unwrap();
        assert_eq!(
            (&got["spec"]["replicas"], &got["metadata"]["resourceVersion"]),
            (&json!(5), &json!("7"))
        );
        assert_eq!(got["spec"]["containers"], chart["spec"]["containers"]);
        let got = kept("Thing", chart, live, applied, "/spec/containers/1/image").unwrap();
        assert_eq!(got["spec"]["containers"], json!([{"name": "b", "image": "y"}]));
    }

    #[test]
    fn what_others_removed_is_left_out() {
        let chart = json!({"metadata": {}, "data": {"a": "1", "b": "2"}});
        let live = json!({"metadata": {"resourceVersion": "7"}, "data": {"b": "2"}});
        let got = kept("ConfigMap", chart.clone(), live, chart, "/data/a").unwrap();
        assert_eq!(got["data"], json!({"b": "2"}));
    }

    #[test]
    fn a_place_that_is_not_found_again_is_told() {
        let chart = json!({"metadata": {}, "list": [{"x": 1}]});
        let live = json!({"metadata": {"resourceVersion": "7"}, "list": [{"x": 0}, {"x": 2}]});
        let applied = json!({"list": [{"x": 1}, {"x": 2}]});
        assert_eq!(kept("Thing", chart, live, applied, "/list/0/x"), None);
    }
}
