//! What others changed in objects that the next revision leaves alone, for a preview: the operator itself learns it
//! from its watches.

use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::{Action, Object, Ownership, classify};
use serde_json::{Map, Value};

use crate::cluster::apply::Applier;

use super::drift::{Ignore, differences};
use super::planning::PARALLEL;
use super::policy::Error;
use super::preview::Change;
use super::subject::Subject;

/// The objects that an apply would change although their text has not, or that are gone. Those of other releases are
/// left out, and those that may be as they are: they are not put back either.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(super) async fn drifted(
    applier: &Applier,
    subject: &Subject,
    ignore: &Ignore,
    objects: Vec<&Object>,
) -> Result<Vec<Change>, Error> {
    let questions: Vec<_> = objects
        .into_iter()
        .map(|object| one(applier, subject, ignore, object).boxed())
        .collect();
    let answers: Vec<Option<Change>> = futures::stream::iter(questions)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn one(
    applier: &Applier,
    subject: &Subject,
    ignore: &Ignore,
    object: &Object,
) -> Result<Option<Change>, Error> {
    let change = |action, before, after| Change {
        id: object.id.clone(),
        action,
        before,
        after: Some(after),
        conflicts: Vec::new(),
        drifted: true,
    };
    let Some(live) = applier.get(&object.id, &object.version).await? else {
        return Ok(Some(change(Action::Create, None, object.value.clone())));
    };
    if matches!(classify(&live, &subject.owner), Ownership::Another { .. }) {
        return Ok(None);
    }
    let applied = applier.would_be(object).await?;
    let exempt = ignore.of(object, &live);
    let may_stay = exempt.is_whole() || differences(&live, &applied).iter().all(|one| exempt.covers(one));
    if may_stay {
        return Ok(None);
    }
    let shape = &object.value;
    let (before, after) = (within(&live, shape), within(&applied, shape));
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
    let uid = uid.unwrap_or_default().to_owned();
    Ok((before != after).then(|| change(Action::Apply { uid }, Some(before), after)))
}

/// What of a live object stands where the shape has something. A list with another number of items comes whole.
fn within(live: &Value, shape: &Value) -> Value {
    match (live, shape) {
        (Value::Object(live), Value::Object(shape)) => shape
            .iter()
            .filter_map(|(key, shape)| Some((key.clone(), within(live.get(key)?, shape))))
            .collect::<Map<_, _>>()
            .into(),
        (Value::Array(live), Value::Array(shape)) if live.len() == shape.len() => live
            .iter()
            .zip(shape)
            .map(|(live, shape)| within(live, shape))
            .collect::<Vec<_>>()
            .into(),
        _ => live.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_release_sets_is_compared() {
        let live = json!({
            "metadata": {"name": "a", "uid": "u", "labels": {"ours": "1", "theirs": "2"}},
            "spec": {"replicas": 3, "ports": [{"port": 80, "protocol": "TCP"}], "args": ["a", "b"]},
            "status": {"ready": true},
        });
        let shape = json!({
            "metadata": {"name": "a", "labels": {"ours": "0"}},
            "spec": {"replicas": 1, "ports": [{"port": 80}], "args": ["a"], "gone": 1},
        });
        let expected = json!({
            "metadata": {"name": "a", "labels": {"ours": "1"}},
            "spec": {"replicas": 3, "ports": [{"port": 80}], "args": ["a", "b"]},
        });
        assert_eq!(within(&live, &shape), expected);
    }
}
