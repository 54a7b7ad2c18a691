//! What stays in the cluster although its revision goes, as data could go with it: nobody asked for its end. The
//! companion remembers it until the release goes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use helmapp_helm::plan::{Object, ObjectId, is_custom};
use tracing::warn;

use crate::cluster::discovery::Snapshot;
use crate::cluster::owned;
use crate::store::{Companion, LeftObject};

use super::Context;
use super::policy::Error;
use super::subject::Subject;

/// An object that stays in the cluster although its revision goes.
pub(super) fn left_object(object: &Object, uids: &HashMap<ObjectId, String>) -> LeftObject {
    let id = &object.id;
    LeftObject {
        group: id.group.clone(),
        version: object.version.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        uid: uids.get(id).cloned().unwrap_or_default(),
    }
}

/// Has the companion remember what is left in the cluster, as long as it has place.
pub(super) fn leave(companion: &mut Companion, subject: &Subject, left: Vec<LeftObject>) {
    for over in companion.leave(left) {
        warn!(release = %subject.release, kind = over.kind, namespace = over.namespace, name = over.name,
              "left in the cluster for good: the companion record has no place for it");
    }
}

/// Has the companion remember what it does not know yet of what is left in the cluster.
///
/// # Errors
/// A failed request.
pub(super) async fn note(ctx: &Context, subject: &Subject, left: Vec<LeftObject>) -> Result<(), Error> {
    if left.is_empty() {
        return Ok(());
    }
    let noted = |mut companion: Companion| {
        let known = companion.left.clone();
        leave(&mut companion, subject, left.clone());
        (companion.left != known).then_some(companion)
    };
    Ok(ctx.companions.amend(ctx, subject, noted).await?)
}

/// Those of the objects that have data below them: only those of custom kinds are asked about.
///
/// # Errors
/// A failed request.
pub(super) async fn with_data_below(
    subject: &Subject,
    snapshot: &Arc<Snapshot>,
    objects: impl Iterator<Item = &ObjectId>,
) -> Result<BTreeSet<ObjectId>, Error> {
    let custom: Vec<&ObjectId> = objects.filter(|id| is_custom(id)).collect();
    let found = owned::with_data(&subject.tenant, snapshot, &custom).await?;
    Ok(found.into_iter().cloned().collect())
}
