//! Step 6 with its questions: which objects a revision has, what the server would say to them, what to do.
//! Writes nothing, so `diff` uses it as it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::{
    Action, Answer, Draft, Inputs, Object, ObjectError, ObjectId, Plan, Scope, crd_kinds, decide, draft,
    objects,
};
use serde_json::Value;

use crate::cluster::apply::Applier;
use crate::cluster::discovery::Snapshot;

use super::leftover::holds_data;
use super::policy::Error;

/// Dry runs that are under way at once.
pub const PARALLEL: usize = 8;

/// The objects of a new revision and the kinds that only come with it.
#[derive(Debug, Clone, Default)]
pub struct NewObjects {
    /// In install order.
    pub objects: Vec<Object>,
    /// (group, kind) that CRDs of the revision bring.
    pub coming_kinds: BTreeSet<(String, String)>,
}

/// Gives the documents of a manifest their identity. `crds` are those of the chart's crds/ directories.
///
/// # Errors
/// Every document that is no object or whose kind neither the cluster nor a CRD of the release has.
pub fn new_objects(
    documents: Vec<Value>,
    crds: &[Value],
    namespace: &str,
    snapshot: &Snapshot,
) -> Result<NewObjects, Vec<ObjectError>> {
    let brought = crd_kinds(documents.iter().chain(crds));
    let served =
        |group: &str, version: &str, kind: &str| snapshot.kind(group, version, kind).map(|kind| kind.scope);
    let coming = |group: &str, version: &str, kind: &str| -> Option<Scope> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        brought.get(&key).map(|(_, scope)| *scope)
    };
    let scope = |group: &str, version: &str, kind: &str| {
        served(group, version, kind).or_else(|| coming(group, version, kind))
    };
    let objects = objects(documents, namespace, scope)?;
    let unserved = brought
        .keys()
        .filter(|(group, version, kind)| served(group, version, kind).is_none());
    let coming_kinds = unserved
        .map(|(group, _, kind)| (group.clone(), kind.clone()))
        .collect();
    Ok(NewObjects {
        objects,
        coming_kinds,
    })
}

/// What a plan is made from, besides the objects.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Objects of the last revisions, as they were applied.
    pub last: &'a [Object],
    /// Objects that revisions in between may have left in the cluster.
    pub left: &'a [Object],
    /// All of `last` was applied.
    pub last_applied: bool,
    /// Objects that were changed behind us.
    pub dirty: &'a BTreeSet<ObjectId>,
    /// UIDs of live objects that we see as ours.
    pub uids: &'a HashMap<ObjectId, String>,
    /// Namespaces that are made with this revision.
    pub coming_namespaces: &'a BTreeSet<String>,
}

/// Compares, asks the server, decides.
///
/// # Errors
/// [`Error::Refused`] with everything that the server refuses; a request that failed.
pub async fn plan<'a>(applier: &Applier, new: &'a NewObjects, known: &Known<'a>) -> Result<Plan<'a>, Error> {
    let mut namespaces = known.coming_namespaces.clone();
    let old: BTreeSet<&ObjectId> = known.last.iter().map(|object| &object.id).collect();
    let made = new
        .objects
        .iter()
        .filter(|object| is_namespace(&object.id) && !old.contains(&object.id));
    namespaces.extend(made.map(|object| object.id.name.clone()));
    let draft = draft(&Inputs {
        last: known.last,
        left: known.left,
        new: &new.objects,
        dirty: known.dirty,
        last_applied: known.last_applied,
        coming_kinds: &new.coming_kinds,
        coming_namespaces: &namespaces,
    });
    let answers = ask(applier, &draft, known.uids).await?;
    decide(&draft, &answers).map_err(Error::Refused)
}

/// Leaves in the cluster what a plan would delete and what can hold data. A remedy does so: what it takes away
/// was made by the failed revision, but may have been used since. Returns what is left.
pub fn spare_data<'a>(plan: &mut Plan<'a>) -> Vec<&'a Object> {
    let mut spared = Vec::new();
    for operation in &mut plan.operations {
        if operation.action == Action::Delete && holds_data(&operation.object.id) {
            operation.action = Action::LeaveBehind;
            spared.push(operation.object);
        }
    }
    spared
}

async fn ask(
    applier: &Applier,
    draft: &Draft<'_>,
    uids: &HashMap<ObjectId, String>,
) -> Result<BTreeMap<ObjectId, Answer>, Error> {
    let questions: Vec<_> = draft
        .dry_runs()
        .map(|object| ask_one(applier, object, uids).boxed())
        .collect();
    futures::stream::iter(questions)
        .buffered(PARALLEL)
        .try_collect()
        .await
}

async fn ask_one(
    applier: &Applier,
    object: &Object,
    uids: &HashMap<ObjectId, String>,
) -> Result<(ObjectId, Answer), Error> {
    let uid = uids.get(&object.id).map(String::as_str);
    Ok((object.id.clone(), applier.dry_run(object, uid).await?))
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}
