//! What a preview shows, without what came from Secrets. Objects of other kinds hold such values too, where a chart puts
//! them there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_goyaml::sigs::{self, Numbers};
use helmapp_helm::plan::{Object, ObjectId};
use serde_json::{Map, Value};

use crate::api::{HelmAppSpec, ValuesKind};
use crate::cluster::apply::is_secret;

use super::preview::Change;
use super::redact::Redactor;
use super::values::{Contents, Reference};

/// Shorter texts of the release's own Secrets, such as a port or a user's name, would be taken out of everything.
const MIN_LENGTH: usize = 8;

/// Everything that a preview must not show: the Secrets that the spec names, what stood in the last revision's values
/// where they put theirs now, and the Secrets among the objects.
pub(super) fn redactor<'a>(
    spec: &HelmAppSpec,
    contents: &Contents,
    looked_up: Option<&Redactor>,
    last: Option<&Map<String, Value>>,
    objects: impl Iterator<Item = &'a Object>,
) -> Redactor {
    let mut texts: Vec<String> = objects
        .flat_map(|object| own(&object.id, &object.value))
        .collect();
    let last = last
        .map(|values| Value::Object(values.clone()))
        .unwrap_or_default();
    for from in &spec.values_from {
        let content = contents.get(&Reference::of(from));
        let data = content.and_then(|content| content.data.get(&from.values_key));
        let (ValuesKind::Secret, Some(data)) = (from.kind, data) else {
            continue;
        };
        let data = String::from_utf8_lossy(data);
        match &from.target_path {
            Some(path) => {
                let place = path.split('.').try_fold(&last, |value, key| value.get(key));
                scalars(place.unwrap_or(&Value::Null), &mut texts);
            }
            None => {
                let document = sigs::to_json(&data, Numbers::Exact).unwrap_or_default();
                where_it_has(&last, &document, &mut texts);
            }
        }
    }
    let secrets = Redactor::of(contents);
    let known = looked_up.unwrap_or(&secrets);
    known.and(texts.iter().map(String::as_str))
}

/// The values of a Secret.
fn own(id: &ObjectId, object: &Value) -> Vec<String> {
    if !is_secret(id) {
        return Vec::new();
    }
    let members = |field: &str| object.get(field).and_then(Value::as_object).into_iter().flatten();
    let decoded = members("data")
        .filter_map(|(_, value)| STANDARD.decode(value.as_str()?).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok());
    let plain = members("stringData").filter_map(|(_, value)| Some(value.as_str()?.to_owned()));
    decoded
        .chain(plain)
        .filter(|text| text.trim().len() >= MIN_LENGTH)
        .collect()
}

fn where_it_has(values: &Value, document: &Value, texts: &mut Vec<String>) {
    match (values, document) {
        (Value::Object(values), Value::Object(document)) => {
            for (key, below) in document {
                where_it_has(values.get(key).unwrap_or(&Value::Null), below, texts);
            }
        }
        _ => scalars(values, texts),
    }
}

fn scalars(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, texts)),
        Value::Object(members) => members.values().for_each(|member| scalars(member, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Takes the secrets out of both sides of a change. What of them differs stays to be seen, but not what it is. The data of
/// a Secret itself is left to whoever shows it.
pub(super) fn veil(redactor: &Redactor, change: &mut Change) {
    let secret = is_secret(&change.id);
    let (before, after) = (change.before.clone(), change.after.clone());
    for (side, other, mark) in [
        (&mut change.before, &after, " (before)"),
        (&mut change.after, &before, " (after)"),
    ] {
        let members = side.iter_mut().filter_map(Value::as_object_mut).flatten();
        for (key, value) in
            members.filter(|(key, _)| !(secret && matches!(key.as_str(), "data" | "stringData")))
        {
            let other = other.as_ref().and_then(|other| other.get(key));
            hide(redactor, value, other, mark);
        }
    }
}

fn hide(redactor: &Redactor, value: &mut Value, other: Option<&Value>, mark: &str) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                hide(redactor, item, other.and_then(|other| other.get(index)), mark);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                hide(redactor, member, other.and_then(|other| other.get(key)), mark);
            }
        }
        Value::String(_) | Value::Number(_) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut clean = redactor.clean(&text);
            if clean != text {
                if other.is_some_and(|other| other != value) {
                    clean.push_str(mark);
                }
                *value = clean.into();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::Action;
    use serde_json::json;

    use super::*;
    use crate::cluster::content::Content;

    fn id(kind: &str) -> ObjectId {
        ObjectId {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: "web".to_owned(),
            name: "a".to_owned(),
        }
    }

    fn change(kind: &str, before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            id: id(kind),
            action: Action::Keep,
            before,
            after,
            drifted: false,
        }
    }

    fn known() -> Redactor {
        let spec: HelmAppSpec = serde_json::from_value(json!({
            "chart": {"path": "app"},
            "valuesFrom": [
                {"kind": "Secret", "name": "values"},
                {"kind": "Secret", "name": "values", "valuesKey": "pin", "targetPath": "auth.pin"},
            ],
        }))
        .unwrap();
        let data = [("values.yaml", "password: new-password\n"), ("pin", "87654321")];
        let content = Content {
            data: data.map(|(key, value)| (key.to_owned(), value.into())).into(),
            ..Content::default()
        };
        let contents = Contents::from([(Reference::of(&spec.values_from[0]), content)]);
        let last = json!({"password": "old-password", "auth": {"pin": 12345678}, "text": "plain-text"});
        redactor(&spec, &contents, None, last.as_object(), std::iter::empty())
    }

    #[test]
    fn values_of_secrets_are_not_shown_wherever_they_stand() {
        let mut change = change(
            "ConfigMap",
            Some(json!({"data": {"url": "db://old-password@db", "pin": 12345678, "text": "plain-text"}})),
            Some(
                json!({"data": {"url": "db://new-password@db", "pin": 87654321, "text": "other-text", "more": "new-password"}}),
            ),
        );
        veil(&known(), &mut change);
        assert_eq!(
            (change.before.unwrap(), change.after.unwrap()),
            (
                json!({"data": {
                    "url": "db://[redacted]@db (before)", "pin": "[redacted] (before)", "text": "plain-text",
                }}),
                json!({"data": {
                    "url": "db://[redacted]@db (after)", "pin": "[redacted] (after)", "text": "other-text",
                    "more": "[redacted]",
                }}),
            )
        );
    }

    #[test]
    fn the_objects_own_secrets_count_and_their_data_is_left_alone() {
        let data =
            json!({"data": {"token": STANDARD.encode("token-of-the-chart")}, "stringData": {"port": "5432"}});
        let object = Object {
            id: id("Secret"),
            version: "v1".to_owned(),
            value: data.clone(),
        };
        let spec = HelmAppSpec::default();
        let known = redactor(&spec, &Contents::new(), None, None, std::iter::once(&object));
        let mut secret = change("Secret", None, Some(data.clone()));
        veil(&known, &mut secret);
        assert_eq!(secret.after, Some(data));
        let mut pod = change(
            "Pod",
            None,
            Some(json!({"args": ["--token=token-of-the-chart", "--port=5432"]})),
        );
        veil(&known, &mut pod);
        assert_eq!(
            pod.after,
            Some(json!({"args": ["--token=[redacted]", "--port=5432"]}))
        );
    }
}
