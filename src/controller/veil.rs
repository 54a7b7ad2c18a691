//! What a preview shows, without what came from Secrets. Objects of other kinds hold such values too, where a chart puts
//! them there.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_helm::plan::Object;
use serde_json::{Map, Value};

use crate::cluster::apply::is_secret;
use crate::store::Places;

use super::leaves::{leaves, text};
use super::policy::Error;
use super::preview::Change;
use super::redact::Redactor;
use super::subject::Subject;
use super::{Context, values};

/// Shorter texts of the release's own Secrets, such as a port or a user's name, would be taken out of everything.
const MIN_LENGTH: usize = 8;

/// Where objects hold what the redactor knows as secret: a text of several lines by the line. The Secrets among them
/// are secret as they are.
pub(super) fn places(redactor: &Redactor, objects: &[Object]) -> Places {
    let mut places = Places::default();
    if redactor.is_empty() {
        return places;
    }
    for object in objects.iter().filter(|object| !is_secret(&object.id)) {
        let id = object.id.to_string();
        for (pointer, text) in leaves(&object.value) {
            if !redactor.finds(&text) {
                continue;
            }
            let lines: Vec<usize> = text
                .lines()
                .enumerate()
                .filter(|(_, line)| redactor.finds(line))
                .map(|(index, _)| index)
                .collect();
            if lines.is_empty() || text.lines().count() < 2 {
                places.add(&id, pointer);
            } else {
                for line in lines {
                    places.add(&id, format!("{pointer}#{line}"));
                }
            }
        }
    }
    places
}

/// Everything that a preview must not show: what is `known` from the Secrets that the spec names and that the chart
/// looked up, the Secrets among the objects, and what came from Secrets in those of stored revisions.
pub(super) fn redactor<'a>(
    known: &Redactor,
    places: &Places,
    stored: impl Iterator<Item = &'a Object>,
    rendered: &[Object],
) -> Redactor {
    let (mut texts, mut whole) = (Vec::new(), BTreeSet::new());
    for object in stored {
        texts.extend(own(object));
        let leaves = leaves(&object.value);
        let found = places.texts(&object.id.to_string(), &leaves);
        whole.extend(found.into_iter().map(str::to_owned));
    }
    texts.extend(rendered.iter().flat_map(own));
    known.and(texts.iter().map(String::as_str)).with(&whole)
}

/// Keeps out of all messages about the HelmApp what objects of stored revisions have from Secrets: those that the
/// spec names now may hold something else, or be gone.
///
/// # Errors
/// A failed request.
pub(super) async fn recall(ctx: &Context, subject: &Subject, objects: &[Object]) -> Result<(), Error> {
    let companion = ctx.companions.known(ctx, subject).await?;
    let places = companion.map(|stored| stored.companion.secret_places.all());
    let redactor = redactor(
        known(ctx, subject).await.as_ref(),
        &places.unwrap_or_default(),
        objects.iter(),
        &[],
    );
    if !redactor.is_empty() {
        ctx.redactors.insert(&subject.key, Arc::new(redactor));
    }
    Ok(())
}

/// The texts of the Secrets that the spec names and the chart looked up. What can't be read was not rendered either.
pub(super) async fn known(ctx: &Context, subject: &Subject) -> Arc<Redactor> {
    match ctx.redactors.get(&subject.key) {
        Some(known) => known,
        None => {
            let contents = values::read(&subject.tenant, subject.app.home(), &subject.app.spec).await;
            Arc::new(Redactor::of(&contents.unwrap_or_default()))
        }
    }
}

/// The values of a Secret.
fn own(object: &Object) -> Vec<String> {
    if !is_secret(&object.id) {
        return Vec::new();
    }
    let members = |field: &str| {
        object
            .value
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let decoded = members("data")
        .filter_map(|(_, value)| STANDARD.decode(value.as_str()?).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok());
    let plain = members("stringData").filter_map(|(_, value)| Some(value.as_str()?.to_owned()));
    decoded
        .chain(plain)
        .filter(|text| text.trim().len() >= MIN_LENGTH)
        .collect()
}

/// Takes the secrets out of both sides of a change. What of them differs stays to be seen, but not what it is. The data of
/// a Secret itself is left to whoever shows it.
pub(super) fn veil(redactor: &Redactor, change: &mut Change) {
    if redactor.is_empty() {
        return;
    }
    let kept: &[&str] = if is_secret(&change.id) {
        &["data", "stringData"]
    } else {
        &[]
    };
    let hide = |side: &Option<Value>, other: &Option<Value>, mark| {
        let side = side.as_ref()?;
        Some(hidden(redactor, side, other.as_ref(), kept, mark))
    };
    let (before, after) = (
        hide(&change.before, &change.after, " (before)"),
        hide(&change.after, &change.before, " (after)"),
    );
    (change.before, change.after) = (before, after);
}

/// A value without secrets, in keys as well. Members of it that are `kept` stay as they are.
fn hidden(redactor: &Redactor, value: &Value, other: Option<&Value>, kept: &[&str], mark: &str) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let below = |(index, item)| {
                let other = other.and_then(|other| other.get(index));
                hidden(redactor, item, other, &[], mark)
            };
            items.map(below).collect::<Vec<_>>().into()
        }
        Value::Object(members) => {
            let below = |(key, member): (&String, &Value)| {
                if kept.contains(&key.as_str()) {
                    return (key.clone(), member.clone());
                }
                let other = other.and_then(|other| other.get(key));
                (redactor.clean(key), hidden(redactor, member, other, &[], mark))
            };
            members.iter().map(below).collect::<Map<_, _>>().into()
        }
        _ => {
            let Some(text) = text(value) else {
                return value.clone();
            };
            let mut clean = redactor.clean(&text);
            if clean == text {
                return value.clone();
            }
            if other.is_some_and(|other| other != value) {
                clean.insert_str(clean.trim_end_matches('\n').len(), mark);
            }
            clean.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::{Action, ObjectId};
    use serde_json::json;

    use super::*;

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

    fn object(kind: &str, value: Value) -> Object {
        Object {
            id: id(kind),
            version: "v1".to_owned(),
            value,
        }
    }

    fn known() -> Redactor {
        Redactor::default().and(["password: new-password\n", "87654321"])
    }

    /// As in the stored revision: the Secrets that it was made from are gone.
    fn stored() -> (Object, Places) {
        let then = Redactor::default().and(["password: old-password\n", "12345678"]);
        let value = json!({"data": {
            "url": "db://old-password@db", "pin": 12345678, "text": "plain-text",
            "conf": "host: db\npassword: old-password\nport: 1",
        }});
        let object = object("ConfigMap", value);
        let places = places(&then, std::slice::from_ref(&object));
        (object, places)
    }

    #[test]
    fn values_of_secrets_are_not_shown_wherever_they_stand() {
        let (object, places) = stored();
        let mut change = change(
            "ConfigMap",
            Some(object.value.clone()),
            Some(json!({"data": {
                "url": "db://new-password@db", "pin": 87654321, "text": "other-text", "more": "new-password",
                "conf": "host: db\npassword: new-password\nport: 2", "new-password": "x",
            }})),
        );
        let redactor = redactor(&known(), &places, std::iter::once(&object), &[]);
        veil(&redactor, &mut change);
        assert_eq!(
            (change.before.unwrap(), change.after.unwrap()),
            (
                json!({"data": {
                    "url": "[redacted] (before)", "pin": "[redacted] (before)", "text": "plain-text",
                    "conf": "host: db\n[redacted]\nport: 1 (before)",
                }}),
                json!({"data": {
                    "url": "db://[redacted]@db (after)", "pin": "[redacted] (after)", "text": "other-text",
                    "more": "[redacted]", "conf": "host: db\npassword: [redacted]\nport: 2 (after)",
                    "[redacted]": "x",
                }}),
            )
        );
    }

    #[test]
    fn the_objects_own_secrets_count_and_their_data_is_left_alone() {
        let data =
            json!({"data": {"token": STANDARD.encode("token-of-the-chart")}, "stringData": {"port": "5432"}});
        let object = object("Secret", data.clone());
        let none = Redactor::default();
        let known = redactor(&none, &Places::default(), std::iter::empty(), &[object]);
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
