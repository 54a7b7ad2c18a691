//! The comparison of two revisions, and what must be asked of the server before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::object::{Object, ObjectId};
use super::ownership::keeps;

/// What a draft is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, 'b> {
    /// Objects of the last revision whose objects are in the cluster.
    pub last: &'a [Object],
    /// Objects that revisions in between may have left in the cluster: let go of, but never taken for this
    /// release's without a look, as they may not have been made.
    pub left: &'a [Object],
    /// Objects of the new revision, in install order.
    pub new: &'a [Object],
    /// Objects of the last revision that were changed or deleted behind us.
    pub dirty: &'b BTreeSet<ObjectId>,
    /// Whether the last revision's objects are known to be applied. When its apply was cut short or failed,
    /// nothing is taken for unchanged.
    pub last_applied: bool,
    /// Kinds, as (group, kind), that only exist once a CRD of this plan is established.
    pub coming_kinds: &'b BTreeSet<(String, String)>,
    /// Namespaces that this plan creates.
    pub coming_namespaces: &'b BTreeSet<String>,
}

/// What one object of the new revision needs before it can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is as the last revision left it.
    Nothing,
    /// A dry run before the first write.
    DryRun,
    /// A dry run just before its own apply: its kind or namespace comes with this plan.
    Later,
}

/// One object of the new revision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    /// The object.
    pub object: &'a Object,
    /// Whether the last revision had it.
    pub known: bool,
    /// What it needs.
    pub need: Need,
    /// It binds a role that comes with the new revision: only then the server can tell whether it may be bound.
    pub awaits_role: bool,
}

/// One object that the new revision no longer has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removal<'a> {
    /// The object, as the last revision had it.
    pub object: &'a Object,
    /// It carries the keep policy and stays.
    pub keep: bool,
}

/// A comparison of two revisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft<'a> {
    /// Objects of the new revision, in install order.
    pub steps: Vec<Step<'a>>,
    /// Objects to let go of, in reverse order of the last revision's manifest; then those that revisions in
    /// between left.
    pub removals: Vec<Removal<'a>>,
}

impl<'a> Draft<'a> {
    /// The objects to dry-run before the first write.
    pub fn dry_runs(&self) -> impl Iterator<Item = &'a Object> {
        self.steps
            .iter()
            .filter(|step| step.need == Need::DryRun)
            .map(|step| step.object)
    }

    /// Whether the draft changes nothing.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.steps.iter().all(|step| step.need == Need::Nothing)
    }
}

/// Compares two revisions by identity.
pub fn draft<'a>(inputs: &Inputs<'a, '_>) -> Draft<'a> {
    let last: BTreeMap<&ObjectId, &Object> = inputs.last.iter().map(|object| (&object.id, object)).collect();
    let roles = inputs
        .new
        .iter()
        .filter(|object| is_rbac(&object.id) && !last.contains_key(&object.id))
        .filter_map(|object| role_key(&object.id.kind, &object.id.namespace, &object.id.name))
        .collect();
    let steps = inputs
        .new
        .iter()
        .map(|object| step(inputs, last.get(&object.id).copied(), object, &roles))
        .collect();
    let mut seen: BTreeSet<&ObjectId> = inputs.new.iter().map(|object| &object.id).collect();
    let gone = inputs
        .last
        .iter()
        .rev()
        .chain(inputs.left.iter().rev())
        .filter(|object| seen.insert(&object.id));
    let removals = gone
        .map(|object| Removal {
            object,
            keep: keeps(&object.value),
        })
        .collect();
    Draft { steps, removals }
}

/// Kind, namespace and name of a role.
type RoleKey<'a> = (&'a str, &'a str, &'a str);

fn is_rbac(id: &ObjectId) -> bool {
    id.group == "rbac.authorization.k8s.io"
}

fn role_key<'a>(kind: &'a str, namespace: &'a str, name: &'a str) -> Option<RoleKey<'a>> {
    match kind {
        "Role" => Some((kind, namespace, name)),
        "ClusterRole" => Some((kind, "", name)),
        _ => None,
    }
}

/// The role that a binding names.
fn bound(object: &Object) -> Option<RoleKey<'_>> {
    let text = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_str);
    let binds =
        is_rbac(&object.id) && matches!(object.id.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
    let (kind, name) = (text("/roleRef/kind")?, text("/roleRef/name")?);
    role_key(kind, &object.id.namespace, name).filter(|_| binds)
}

fn step<'a>(
    inputs: &Inputs<'a, '_>,
    last: Option<&Object>,
    object: &'a Object,
    roles: &BTreeSet<RoleKey<'_>>,
) -> Step<'a> {
    let unchanged = inputs.last_applied
        && !inputs.dirty.contains(&object.id)
        && last.is_some_and(|last| last.version == object.version && last.value == object.value);
    let kind = (object.id.group.clone(), object.id.kind.clone());
    let need = if unchanged {
        Need::Nothing
    } else if inputs.coming_kinds.contains(&kind) || inputs.coming_namespaces.contains(&object.id.namespace) {
        Need::Later
    } else {
        Need::DryRun
    };
    Step {
        object,
        known: last.is_some(),
        need,
        awaits_role: bound(object).is_some_and(|role| roles.contains(&role)),
    }
}
