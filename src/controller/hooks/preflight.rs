//! Hooks that the API server will never take, found before anything is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use helmapp_helm::hooks::mark;
use helmapp_helm::plan::{Object, ObjectId, Refusal, RefusalReason, Refused};
use helmapp_helm::release::Release;

use crate::cluster::discovery::Snapshot;
use crate::cluster::{self, hooks};

use super::super::policy::Error;
use super::super::revision::Change;
use super::super::subject::Subject;
use super::objects::all;
use super::{after, before};

/// Asks the server about the objects of the hooks of a change. What it lacks for them may come with what runs before:
/// kinds, namespaces, rights, names that are taken.
///
/// # Errors
/// [`Error::Refused`] with those that are not valid; no answer.
pub(in super::super) async fn check(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    change: Change,
    release: &Release,
) -> Result<(), Error> {
    let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
    let mut refusals = Vec::new();
    let calls = [before(subject, change, release), after(subject, change, release)];
    let places = calls.iter().flat_map(|call| call.places());
    let hooks: Vec<_> = places
        .filter_map(|index| release.hooks.get(*index).cloned())
        .collect();
    for object in all(&hooks, &release.namespace, snapshot) {
        if seen.insert(object.id.clone())
            && let Some(message) = refused(subject, snapshot, &object).await?
        {
            refusals.push(Refusal {
                id: object.id,
                reason: RefusalReason::Invalid,
                message,
            });
        }
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(Refused(refusals)))
    }
}

async fn refused(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    object: &Object,
) -> Result<Option<String>, Error> {
    let wanted = mark(&object.value, &subject.owner, "");
    let asked = hooks::dry_run(&subject.tenant, snapshot, &object.id, &object.version, &wanted).await;
    match asked {
        Err(cluster::Error::Api {
            code: 400 | 422,
            message,
            ..
        }) => Ok(Some(message)),
        Err(error @ cluster::Error::Connection { .. }) => Err(error.into()),
        _ => Ok(None),
    }
}
