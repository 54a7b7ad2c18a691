//! Fields of the release's objects that others have set otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use helmapp_helm::plan::{Conflict, ObjectId};

use crate::api::{FieldConflict, HelmAppStatus, MAX_CONFLICTS};
use crate::excerpt::excerpt;

use super::super::Context;
use super::super::subject::Subject;

/// Longest name of a field, in bytes.
const MAX_FIELD: usize = 256;

/// What was found out of objects since status was written.
pub(in crate::controller) type Conflicts = BTreeMap<ObjectId, Vec<Conflict>>;

/// An apply met these conflicts; status says so with its next writing.
pub(in crate::controller) fn met(ctx: &Context, subject: &Subject, id: &ObjectId, conflicts: &[Conflict]) {
    let said = || {
        let status = ctx.status.current(&subject.app);
        status.conflicts.iter().any(|entry| is_of(entry, id))
    };
    let known = ctx.conflicts.get(&subject.key);
    let noted = known.as_ref().is_some_and(|known| known.contains_key(id));
    if conflicts.is_empty() && !noted && !said() {
        return;
    }
    let mut all = known.map(|known| Conflicts::clone(&known)).unwrap_or_default();
    all.insert(id.clone(), conflicts.to_vec());
    ctx.conflicts.insert(&subject.key, Arc::new(all));
}

/// Writes into a status what was found out.
pub(super) fn add(ctx: &Context, subject: &Subject, status: &mut HelmAppStatus) {
    let Some(found) = ctx.conflicts.remove(&subject.key) else {
        return;
    };
    for (id, conflicts) in found.iter() {
        status.conflicts.retain(|entry| !is_of(entry, id));
        status
            .conflicts
            .extend(conflicts.iter().map(|conflict| entry(id, conflict)));
    }
    status.conflicts.truncate(MAX_CONFLICTS);
    for entry in &mut status.conflicts {
        // Items of lists are named by what they hold.
        entry.field = excerpt(&ctx.clean(subject, &entry.field), MAX_FIELD);
    }
}

fn is_of(entry: &FieldConflict, id: &ObjectId) -> bool {
    let namespace = entry.namespace.as_deref().unwrap_or_default();
    (
        entry.group.as_str(),
        entry.kind.as_str(),
        namespace,
        entry.name.as_str(),
    ) == (
        id.group.as_str(),
        id.kind.as_str(),
        id.namespace.as_str(),
        id.name.as_str(),
    )
}

fn entry(id: &ObjectId, conflict: &Conflict) -> FieldConflict {
    FieldConflict {
        group: id.group.clone(),
        kind: id.kind.clone(),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: id.name.clone(),
        field: conflict.field.trim_start_matches('.').to_owned(),
        manager: conflict.manager.clone(),
        subresource: conflict.subresource.clone(),
        resolution: if conflict.yielded { "Yielded" } else { "Taken" }.to_owned(),
    }
}
