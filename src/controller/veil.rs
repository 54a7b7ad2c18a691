//! What a preview shows, without what came from Secrets. Objects of other kinds hold such values too, where a chart puts
//! them there.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_helm::plan::Object;
use helmapp_helm::release::Release;
use serde_json::{Map, Value};

use crate::api::ValuesKind;
use crate::cluster::apply::is_secret;
use crate::store::Places;

use super::leaves::{leaves, text};
use super::policy::Error;
use super::preview::Change;
use super::redact::{Finder, Redactor};
use super::revision::stored_objects;
use super::subject::Subject;
use super::{Context, hooks, values};

/// Most bytes of texts of a revision's objects that are looked through for secrets. Of one with more, every text counts as
/// secret.
pub const MAX_OBJECT_BYTES: usize = 16 << 20;

/// The texts of objects, for a search through all of them. The Secrets among them are secret as they are.
struct Texts {
    bytes: usize,
    /// By object, with their pointers.
    all: Vec<(String, Vec<(String, String)>)>,
}

impl Texts {
    fn of<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let objects = objects.into_iter().filter(|object| !is_secret(&object.id));
        let all: Vec<_> = objects
            .map(|object| (object.id.to_string(), leaves(&object.value)))
            .collect();
        let texts = all.iter().flat_map(|(_, leaves)| leaves);
        Self {
            bytes: texts.map(|(_, text)| text.len()).sum(),
            all,
        }
    }

    /// Where they hold what the redactor knows as secret: a text of several lines by the line.
    fn places(&self, redactor: &Redactor) -> Places {
        if self.bytes > MAX_OBJECT_BYTES {
            return Places::everything();
        }
        let finder = redactor.finder(self.bytes);
        let mut places = Places::default();
        for (id, leaves) in &self.all {
            for (pointer, text) in leaves.iter().filter(|(_, text)| finder.finds(text)) {
                for place in within(&finder, pointer, text) {
                    places.add(id, place);
                }
            }
            if places.is_everything() {
                break;
            }
        }
        places
    }
}

/// The lines of a text that hold a secret, or the text as a whole.
fn within(finder: &Finder<'_>, pointer: &str, text: &str) -> Vec<String> {
    let found = text.lines().enumerate().filter(|(_, line)| finder.finds(line));
    let lines: Vec<String> = found.map(|(line, _)| format!("{pointer}#{line}")).collect();
    if lines.is_empty() || text.lines().count() < 2 {
        return vec![pointer.to_owned()];
    }
    lines
}

/// Where the objects of a new revision hold what came from Secrets. What takes long is done on a thread for renderings.
///
/// # Errors
/// No thread is free.
pub(super) async fn places<'a>(
    ctx: &Context,
    subject: &Subject,
    objects: impl IntoIterator<Item = &'a Object>,
) -> Result<Places, Error> {
    let Some(redactor) = ctx.redactors.get(&subject.key) else {
        return Ok(Places::default());
    };
    let texts = Texts::of(objects);
    if redactor.is_quick(texts.bytes) {
        return Ok(texts.places(&redactor));
    }
    let place = ctx.renderers.enter(subject.app.home()).await?;
    let found = place.run(move || texts.places(&redactor)).await;
    Ok(found.unwrap_or_else(|_| Places::everything()))
}

/// Everything that a preview must not show: what is `known` from the Secrets that the spec names and that the chart
/// looked up, the Secrets among the objects, and what came from Secrets in those of stored revisions.
/// `names` are no secrets, whoever has them in a Secret.
pub(super) fn redactor<'a>(
    names: &[&str],
    known: &Redactor,
    places: &Places,
    stored: impl Iterator<Item = &'a Object>,
    rendered: impl Iterator<Item = &'a Object>,
) -> Redactor {
    let (mut texts, mut whole) = (Vec::new(), BTreeSet::new());
    for object in stored {
        texts.extend(own(object));
        let leaves = leaves(&object.value);
        let found = places.texts(&object.id.to_string(), &leaves);
        whole.extend(found.into_iter().map(str::to_owned));
    }
    texts.extend(rendered.flat_map(own));
    let own = texts.iter().map(String::as_str);
    known.and_own(own, names).with(&whole)
}

/// Keeps out of all messages about the HelmApp what the Secrets among its objects hold, until what is under way is over.
pub(super) fn learn<'a>(ctx: &Context, subject: &Subject, objects: impl IntoIterator<Item = &'a Object>) {
    let texts: Vec<String> = objects.into_iter().flat_map(own).collect();
    let own = texts.iter().map(String::as_str);
    let redactor = Redactor::default().and_own(own, &names(subject));
    if redactor.is_empty() {
        ctx.own_secrets.remove(&subject.key);
    } else {
        ctx.own_secrets.insert(&subject.key, Arc::new(redactor));
    }
}

/// What every message and object may be full of, and nobody keeps secret.
pub(super) fn names(subject: &Subject) -> [&str; 4] {
    let (key, release) = (&subject.key, &subject.release);
    [&key.namespace, &key.name, &release.namespace, &release.name]
}

/// Keeps out of all messages about the HelmApp what objects of stored revisions have from Secrets: those that the
/// spec names now may hold something else, or be gone. It asks the server for the companion, and for what the spec names,
/// only where this process has not read them.
///
/// # Errors
/// A failed request.
pub(super) async fn recall<'a>(
    ctx: &Context,
    subject: &Subject,
    objects: impl IntoIterator<Item = &'a Object, IntoIter: Send> + Send,
) -> Result<(), Error> {
    let companion = ctx.companions.known(ctx, subject).await?;
    let places = companion.map(|stored| stored.companion.secret_places.all());
    let redactor = redactor(
        &names(subject),
        known(ctx, subject).await.as_ref(),
        &places.unwrap_or_default(),
        objects.into_iter(),
        std::iter::empty(),
    );
    if !redactor.is_empty() {
        ctx.redactors.insert(&subject.key, Arc::new(redactor));
    }
    Ok(())
}

/// The same for all objects of a stored revision, those of its hooks among them.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn recall_all(ctx: &Context, subject: &Subject, release: &Release) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let objects = stored_objects([release], &snapshot)?.objects;
    let hooks = hooks::all(&release.hooks, &release.namespace, &snapshot);
    recall(ctx, subject, objects.iter().chain(&hooks)).await
}

/// The texts of the Secrets that the spec names and the chart looked up. What can't be read was not rendered either.
pub(super) async fn known(ctx: &Context, subject: &Subject) -> Arc<Redactor> {
    match ctx.redactors.get(&subject.key) {
        Some(known) => known,
        None => {
            let spec = &subject.app.spec;
            if !spec
                .values_from
                .iter()
                .any(|from| from.kind == ValuesKind::Secret)
            {
                return Arc::default();
            }
            let contents = values::read(&subject.tenant, subject.app.home(), spec).await;
            Arc::new(Redactor::of(spec, &contents.unwrap_or_default()))
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
    decoded.chain(plain).collect()
}

/// Takes the secrets out of both sides of changes. What of them differs stays to be seen, but not what it is. The data of
/// a Secret itself is left to whoever shows it.
pub(super) fn veil(redactor: &Redactor, changes: &mut [Change]) {
    if redactor.is_empty() {
        return;
    }
    // However much there is to look through, it is made once.
    let finder = redactor.finder(usize::MAX);
    for change in changes {
        veil_one(&finder, change);
    }
}

fn veil_one(finder: &Finder<'_>, change: &mut Change) {
    let kept: &[&str] = if is_secret(&change.id) {
        &["data", "stringData"]
    } else {
        &[]
    };
    let hide = |side: &Option<Value>, other: &Option<Value>, mark| {
        let side = side.as_ref()?;
        Some(hidden(finder, side, other.as_ref(), kept, mark))
    };
    let (before, after) = (
        hide(&change.before, &change.after, " (before)"),
        hide(&change.after, &change.before, " (after)"),
    );
    (change.before, change.after) = (before, after);
    for conflict in &mut change.conflicts {
        conflict.field = finder.clean(&conflict.field);
    }
}

/// A value without secrets, in keys as well. Members of it that are `kept` stay as they are.
fn hidden(finder: &Finder<'_>, value: &Value, other: Option<&Value>, kept: &[&str], mark: &str) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let below = |(index, item)| {
                let other = other.and_then(|other| other.get(index));
                hidden(finder, item, other, &[], mark)
            };
            items.map(below).collect::<Vec<_>>().into()
        }
        Value::Object(members) => {
            let below = |(key, member): (&String, &Value)| {
                if kept.contains(&key.as_str()) {
                    return (key.clone(), member.clone());
                }
                let other = other.and_then(|other| other.get(key));
                (finder.clean(key), hidden(finder, member, other, &[], mark))
            };
            members.iter().map(below).collect::<Map<_, _>>().into()
        }
        _ => {
            let Some(text) = text(value) else {
                return value.clone();
            };
            let mut clean = finder.clean(&text);
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
    use std::time::Duration;

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
            conflicts: Vec::new(),
            drifted: false,
        }
    }

    fn object(kind: &str, value: Value) -> Object {
        Object {
            id: id(kind),
            version: "v1".to_owned(),
            value,
            chart: String::new(),
            warnings: Vec::new(),
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
        let places = Texts::of(std::slice::from_ref(&object)).places(&then);
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
        let redactor = redactor(
            &["web"],
            &known(),
            &places,
            std::iter::once(&object),
            std::iter::empty(),
        );
        veil(&redactor, std::slice::from_mut(&mut change));
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
        let data = json!({"data": {"token": STANDARD.encode("token-of-the-chart")}, "stringData": {"port": "5432", "pass": "hunter2"}});
        let object = object("Secret", data.clone());
        let none = Redactor::default();
        let known = redactor(
            &["web"],
            &none,
            &Places::default(),
            std::iter::empty(),
            std::iter::once(&object),
        );
        let mut secret = change("Secret", None, Some(data.clone()));
        veil(&known, std::slice::from_mut(&mut secret));
        assert_eq!(secret.after, Some(data));
        let mut pod = change(
            "Pod",
            None,
            Some(json!({"args": ["--token=token-of-the-chart", "--port=5432", "me:hunter2", "hunter22"]})),
        );
        veil(&known, std::slice::from_mut(&mut pod));
        assert_eq!(
            pod.after,
            Some(json!({"args": ["--token=[redacted]", "--port=5432", "me:[redacted]", "hunter22"]}))
        );
    }

    #[test]
    fn texts_that_can_not_be_looked_through_count_as_secret() {
        let redactor = known();
        let text = "a".repeat(1 << 20);
        let map = |count: usize| object("ConfigMap", json!({"data": vec![text.as_str(); count]}));
        assert_eq!(
            Texts::of(&[map(MAX_OBJECT_BYTES >> 20)]).places(&redactor),
            Places::default()
        );
        let more = [map(MAX_OBJECT_BYTES >> 20), object("ConfigMap", json!("b"))];
        assert_eq!(Texts::of(&more).places(&redactor), Places::everything());
        let long = object("ConfigMap", json!({"data": {"long": format!("{text}a")}}));
        let id = long.id.to_string();
        let places = Texts::of(&[long]).places(&redactor);
        assert_eq!(
            places.texts(&id, &[("/data/long".to_owned(), "x".to_owned())]),
            ["x"]
        );
    }

    /// Where each form is looked for by itself this takes many minutes.
    #[test]
    fn many_secrets_are_looked_for_in_many_texts_at_once() {
        let secrets: Vec<String> = (0..3500)
            .map(|number| format!("secret-{number:04}-of-many"))
            .collect();
        let redactor = Redactor::default().and([secrets.join("\n").as_str()]);
        let texts: Vec<String> = (0..150_000)
            .map(|number| format!("{number} secret-99 {}", "text ".repeat(15)))
            .collect();
        let mut data = json!(texts);
        data[7] = json!("a: 1\nb: SECRET-3499-OF-MANY");
        let objects = Texts::of(&[object("ConfigMap", data)]);
        assert!(objects.bytes > 8 << 20 && !redactor.is_quick(objects.bytes));
        let (sender, found) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(objects.places(&redactor)));
        let found = found.recv_timeout(Duration::from_secs(120)).expect("it ends");
        let mut expected = Places::default();
        expected.add(&id("ConfigMap").to_string(), "/7#1".to_owned());
        assert_eq!(found, expected);
    }
}
