//! What stays in the cluster although its revision goes, as data could go with it: nobody asked for its end. The
//! companion remembers it until the release goes.

use std::collections::HashMap;

use helmapp_helm::plan::{Object, ObjectId};
use tracing::warn;

use crate::store::{Companion, LeftObject};

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
