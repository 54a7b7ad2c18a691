//! What a remedy may take away of a release: what the release made, and not what it took over. That was there before.

use std::collections::BTreeSet;

use helmapp_helm::plan::{Action, Object, ObjectId, Plan, subcharts_before};
use helmapp_helm::release::Release;
use jiff::{SignedDuration, Timestamp};

use crate::store::MAX_TAKEN;

use super::deploy::Removal;
use super::policy::Error;
use super::revision::Change;
use super::settle::Cause;
use super::subject::Subject;
use super::{Context, lifecycle};

/// How much the clock of whoever made the first record may differ from the API server's.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// UIDs of the objects that a plan takes over. What an earlier revision may have made, `left`, is none of them.
pub(super) fn by(plan: &Plan<'_>, left: &[Object]) -> Vec<String> {
    let left: BTreeSet<&ObjectId> = left.iter().map(|object| &object.id).collect();
    let taken = plan.operations.iter().filter_map(|one| match &one.action {
        Action::Adopt { uid } if !left.contains(&one.object.id) => Some(uid.clone()),
        _ => None,
    });
    taken.collect()
}

/// Remembers an object that is about to be taken over, before it is.
///
/// # Errors
/// A failed request.
pub(super) async fn note(ctx: &Context, subject: &Subject, uid: &str) -> Result<(), Error> {
    let uids = [uid.to_owned()];
    let noted = |mut companion: crate::store::Companion| {
        let known = companion.taken.contains(&uids[0]);
        companion.take(&uids);
        (!known).then_some(companion)
    };
    Ok(ctx.companions.amend(ctx, subject, noted).await?)
}

/// UIDs of what the release took over; `None` where these are too many to be known.
///
/// # Errors
/// A failed request.
pub(super) async fn over(ctx: &Context, subject: &Subject) -> Result<Option<BTreeSet<String>>, Error> {
    let companion = ctx.companions.known(ctx, subject).await?;
    let taken = companion.map(|stored| stored.companion.taken.clone());
    let taken = taken.unwrap_or_default();
    Ok((taken.len() < MAX_TAKEN).then(|| taken.into_iter().collect()))
}

/// What a revision of this record takes away, and how. Only a remedy has a `cause`.
///
/// # Errors
/// A failed request.
pub(super) async fn removal(
    ctx: &Context,
    subject: &Subject,
    change: Change,
    cause: Option<&Cause>,
    record: &Release,
) -> Result<Removal, Error> {
    if cause.is_none() {
        return Ok(Removal::default());
    }
    let taken = over(ctx, subject).await?;
    let uninstalls = change == Change::Uninstall;
    let since = match uninstalls {
        _ if taken.is_none() => Some(Timestamp::MAX),
        // What is older than the release was not made by it, whatever is known of it.
        true => record
            .info
            .first_deployed
            .timestamp()
            .and_then(|first| first.checked_sub(SKEW).ok()),
        false => lifecycle::unended_since(&ctx.memory.records(&subject.release)),
    };
    Ok(Removal {
        since,
        stay: taken.unwrap_or_default(),
        uninstalls,
        subcharts: subcharts_before(&record.chart.metadata),
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use helmapp_helm::plan::{Operation, Scope, objects};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_there_before_is_taken_over_and_what_an_earlier_revision_made_is_not() {
        let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let all = objects(["a", "b", "c"].map(map), "web", |_: &str, _: &str, _: &str| {
            Some(Scope::Namespaced)
        });
        let all = all.unwrap();
        let action = |index: usize| match index {
            0 | 1 => Action::Adopt {
                uid: format!("u{index}"),
            },
            _ => Action::Apply { uid: "u2".to_owned() },
        };
        let operations = all.iter().enumerate().map(|(index, object)| Operation {
            object: Cow::Borrowed(object),
            action: action(index),
            conflicts: Vec::new(),
        });
        let plan = Plan {
            operations: operations.collect(),
        };
        assert_eq!(by(&plan, &[]), ["u0", "u1"]);
        assert_eq!(by(&plan, &all[..1]), ["u1"]);
    }
}
