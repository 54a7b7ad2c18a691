//! Step 6 with its questions: which objects a revision has, what the server would say to them, what to do.
//! Writes nothing, so `diff` uses it as it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{FutureExt, StreamExt, TryStreamExt};
use helmapp_helm::plan::{
    Action, Answer, Document, Draft, Inputs, Live, Object, ObjectId, Order, Ownership, Plan, Rules, Scope,
    crd_kinds, decide, draft, holds_data, objects,
};
use helmapp_helm::release::Status;
use serde_json::Value;

use crate::api::conditions::reason;
use crate::cluster::apply::Applier;
use crate::cluster::discovery::Snapshot;
use crate::store::{ReleaseKey, Store};

use super::policy::{self, Again, Error};

/// Dry runs that are under way at once.
pub const PARALLEL: usize = 8;

/// The objects of a new revision and the kinds that only come with it.
#[derive(Debug, Clone, Default)]
pub struct NewObjects {
    /// In install order.
    pub objects: Vec<Object>,
    /// (group, kind) that CRDs of the revision bring.
    pub coming_kinds: BTreeSet<(String, String)>,
    /// Which of the objects wait for which.
    pub order: Order,
}

impl NewObjects {
    /// What of the manifest is not followed to the letter.
    pub fn warnings(&self) -> Vec<String> {
        let of_objects = self.objects.iter().flat_map(|object| {
            let id = &object.id;
            object
                .warnings
                .iter()
                .map(move |warning| format!("{id}: {warning}"))
        });
        of_objects.chain(self.order.warnings.iter().cloned()).collect()
    }
}

/// Gives the documents of a manifest their identity and their order. `crds` are those of the chart's crds/ directories that
/// will be as the chart has them, `subcharts` those that come before the chart's own objects.
///
/// # Errors
/// Every document that is no object or whose kind neither the cluster nor a CRD of the release has; annotations that
/// give no order.
pub fn new_objects(
    documents: Vec<Document>,
    crds: &[&Value],
    subcharts: &[String],
    namespace: &str,
    snapshot: &Snapshot,
) -> Result<NewObjects, Error> {
    let values = documents.iter().map(|document| &document.value);
    let brought = crd_kinds(values.chain(crds.iter().copied()));
    let served =
        |group: &str, version: &str, kind: &str| snapshot.kind(group, version, kind).map(|kind| kind.scope);
    let coming = |group: &str, version: &str, kind: &str| -> Option<Scope> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        brought.get(&key).map(|(_, scope)| *scope)
    };
    let scope = |group: &str, version: &str, kind: &str| {
        served(group, version, kind).or_else(|| coming(group, version, kind))
    };
    let objects = objects(documents, namespace, scope).map_err(Error::Objects)?;
    let order = Order::of(&objects, subcharts).map_err(|errors| Error::Input {
        reason: reason::OBJECT_INVALID,
        message: policy::join(&errors),
        again: Again::OnChange,
    })?;
    let unserved = brought
        .keys()
        .filter(|(group, version, kind)| served(group, version, kind).is_none());
    let coming_kinds = unserved
        .map(|(group, _, kind)| (group.clone(), kind.clone()))
        .collect();
    Ok(NewObjects {
        objects,
        coming_kinds,
        order,
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
    /// What may be done with objects that stand in the way.
    pub rules: Rules<'a>,
}

/// Compares, asks the server, decides.
///
/// # Errors
/// [`Error::Refused`] with everything that the server refuses; a request that failed.
pub async fn plan<'a>(
    store: &Store,
    applier: &Applier,
    new: &'a NewObjects,
    known: &Known<'a>,
) -> Result<Plan<'a>, Error> {
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
    let ended = ended(store, &answers, &known.rules).await?;
    let rules = Rules {
        ended: Some(&ended),
        ..known.rules
    };
    decide(&draft, &answers, &rules).map_err(Error::Refused)
}

/// The releases whose marks objects carry and of which no record is left. It is only asked for where it matters.
///
/// # Errors
/// A failed request.
async fn ended(
    store: &Store,
    answers: &BTreeMap<ObjectId, Answer>,
    rules: &Rules<'_>,
) -> Result<BTreeSet<(String, String)>, Error> {
    let marked = answers.values().filter_map(|answer| match answer {
        Answer::Present { ownership, .. }
        | Answer::Immutable {
            live: Some(Live { ownership, .. }),
            ..
        } => Some(ownership),
        _ => None,
    });
    let others: BTreeSet<(String, String)> = marked
        .filter_map(|ownership| match ownership {
            Ownership::Another { release, namespace } => Some((namespace.clone(), release.clone())),
            Ownership::Ours | Ownership::Unowned => None,
        })
        .collect();
    let mut ended = BTreeSet::new();
    for (namespace, release) in others.into_iter().filter(|_| rules.adopt) {
        let heads = store.heads(&ReleaseKey::new(&namespace, &release)).await?;
        if heads
            .first()
            .is_none_or(|head| head.status == Status::Uninstalled)
        {
            ended.insert((namespace, release));
        }
    }
    Ok(ended)
}

/// Leaves in the cluster what a plan would delete and what can hold data, or has it `below` it. A remedy does so: what it
/// takes away was made by the failed revision, but may have been used since. Returns what is left.
pub fn spare_data(plan: &mut Plan<'_>, below: &BTreeSet<ObjectId>) -> Vec<Object> {
    let mut spared = Vec::new();
    for operation in &mut plan.operations {
        let id = &operation.object.id;
        if operation.action == Action::Delete && (holds_data(id) || below.contains(id)) {
            operation.action = Action::LeaveBehind;
            spared.push(operation.object.as_ref().clone());
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
