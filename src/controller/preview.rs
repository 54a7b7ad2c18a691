//! Steps 1 to 6 and no further: what a HelmApp would change, without a write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use helmapp_helm::plan::{Action, Conflict, Object, ObjectId, Operation, ResourcePolicy, subcharts_before};
use helmapp_helm::release::Release;
use serde_json::Value;

use crate::api::{DriftMode, HelmApp};
use crate::cluster::discovery::Snapshot;
use crate::store::{self, Places};

use super::base::Base;
use super::lifecycle::{Asked, Observed};
use super::planning::{self, Known, NewObjects};
use super::policy::Error;
use super::revision::{all_objects, returned_objects};
use super::subject::Subject;
use super::{
    Context, Operator, advice, compare, crds, hooks, inputs, namespace, rendering, rollback, rules, veil,
};

/// What the next revision of a release would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Number of the next revision.
    pub revision: i64,
    /// Objects in the order in which they would be written, then those that others changed and that would be put
    /// back; without those that stay as they are.
    pub changes: Vec<Change>,
    /// What of the manifest would not be followed to the letter.
    pub warnings: Vec<String>,
}

/// What would become of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The object.
    pub id: ObjectId,
    /// What would be done with it.
    pub action: Action,
    /// As the last revision has it.
    pub before: Option<Value>,
    /// As the next one would have it.
    pub after: Option<Value>,
    /// Its fields that others have set otherwise.
    pub conflicts: Vec<Conflict>,
    /// The release does not change it: others did, and it would be put back. Both sides are of the live object then.
    pub drifted: bool,
}

/// What is different in two revisions of a release.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The first one.
    pub from: i64,
    /// The other one.
    pub to: i64,
    /// Objects that are not the same in both, in the order in which they would be written.
    pub changes: Vec<Change>,
}

impl Operator {
    /// Says what the operator would do for the HelmApp, with the rights of its own client. It needs no watches and
    /// need not run.
    ///
    /// # Errors
    /// Whatever would keep the operator from doing it.
    pub async fn preview(&self, app: HelmApp) -> Result<Preview, Error> {
        let ctx = self.context.as_ref();
        let mut subject = Subject::new(Arc::new(app), &ctx.identities, &ctx.settings);
        subject.tenant = ctx.identities.operator();
        subject.user = None;
        self.look_ahead(&subject).await.map_err(|error| Error::Input {
            reason: error.reason(),
            again: error.again(),
            message: ctx.clean(&subject, &advice::advised(&error, &subject)),
        })
    }

    async fn look_ahead(&self, subject: &Subject) -> Result<Preview, Error> {
        let ctx = self.context.as_ref();
        for head in ctx.store.heads(&subject.release).await? {
            ctx.memory.recorded(&subject.release, head);
        }
        let base = Base::read(ctx, subject).await?;
        let snapshot = ctx.discovery.snapshot().await?;
        let stored = match rollback::asked(ctx, subject) {
            Asked::GoBack(revision) => Some(rollback::stored(ctx, subject, revision).await?),
            Asked::Stay(_) => base.newest.clone(),
            Asked::Nothing => None,
        };
        let from_record = stored.is_some();
        let (new, of_hooks) = match stored {
            Some(stored) => of_record(&stored.release, &snapshot)?,
            None => wanted(ctx, subject, &base, &snapshot).await?,
        };
        veil::learn(ctx, subject, new.objects.iter().chain(&of_hooks));
        let coming_namespaces = namespace::missing(ctx, subject).await?;
        let before = base.objects(base.is_deployed(), &snapshot)?;
        before.require_gone(ctx, &new.objects).await?;
        let known = Known {
            last: &before.last,
            left: &before.left,
            last_applied: before.applied,
            dirty: &BTreeSet::new(),
            uids: &HashMap::new(),
            coming_namespaces: &coming_namespaces,
            rules: subject.rules(),
        };
        let applier = subject.applier(snapshot.clone());
        let plan = planning::plan(&ctx.store, &applier, &new, &known).await?;
        let before: BTreeMap<&ObjectId, &Object> = before
            .left
            .iter()
            .chain(&before.last)
            .map(|object| (&object.id, object))
            .collect();
        let kept = plan.operations.iter().filter(|operation| is_kept(operation));
        rules::learn(ctx, subject)?;
        let rules = ctx.rules.get(&subject.key).unwrap_or_default();
        let drifted = match subject.app.spec.drift_detection.mode {
            DriftMode::Enabled => {
                let kept = kept.map(|kept| kept.object.as_ref()).collect();
                compare::drifted(&applier, subject, &rules.ignore, kept).await?
            }
            DriftMode::Warn | DriftMode::Disabled => Vec::new(),
        };
        // What comes back is as it was stored; what is rendered holds what is read now.
        let both = || new.objects.iter().chain(&of_hooks);
        let returned = both().filter(|_| from_record);
        let rendered = both().filter(|_| !from_record);
        // So are the hooks of what it replaces, whose values its objects can have.
        let replaced = base
            .records()
            .flat_map(|release| hooks::all(&release.hooks, &release.namespace, &snapshot));
        let replaced: Vec<Object> = replaced.collect();
        let stored = before.values().copied().chain(returned).chain(&replaced);
        let redactor = veil::redactor(
            &veil::names(subject),
            veil::known(ctx, subject).await.as_ref(),
            &self.secret_places(subject).await?,
            stored,
            rendered,
        );
        let mut changes: Vec<Change> = plan
            .operations
            .iter()
            .filter(|operation| !matches!(operation.action, Action::Keep | Action::SkipCreate))
            .map(|operation| Change {
                conflicts: operation.conflicts.clone(),
                ..change(&operation.object, &operation.action, &before)
            })
            .chain(drifted)
            .collect();
        veil::veil(&redactor, &mut changes);
        Ok(Preview {
            revision: base.next(),
            changes,
            warnings: new
                .warnings()
                .iter()
                .map(|warning| redactor.clean(warning))
                .collect(),
        })
    }

    /// Says what is different in two stored revisions; the second one is the newest where none is given. Nothing is
    /// asked of the live objects.
    ///
    /// # Errors
    /// One of them is not stored, or can't be read; a failed request.
    pub async fn compare(&self, app: HelmApp, from: i64, to: Option<i64>) -> Result<Compared, Error> {
        let ctx = self.context.as_ref();
        let mut subject = Subject::new(Arc::new(app), &ctx.identities, &ctx.settings);
        subject.tenant = ctx.identities.operator();
        for head in ctx.store.heads(&subject.release).await? {
            ctx.memory.recorded(&subject.release, head);
        }
        let newest = ctx.memory.records(&subject.release).into_iter().next();
        let to = to.or(newest.map(|head| head.revision)).unwrap_or(from);
        let (old, new) = (
            rollback::stored(ctx, &subject, from).await?,
            rollback::stored(ctx, &subject, to).await?,
        );
        let snapshot = ctx.discovery.snapshot().await?;
        let of_hooks = [&old.release, &new.release]
            .map(|release| hooks::all(&release.hooks, &release.namespace, &snapshot));
        let (old, new) = (
            all_objects(&old.release, &snapshot)?,
            all_objects(&new.release, &snapshot)?,
        );
        let redactor = veil::redactor(
            &veil::names(&subject),
            veil::known(ctx, &subject).await.as_ref(),
            &self.secret_places(&subject).await?,
            old.iter().chain(&new).chain(of_hooks.iter().flatten()),
            std::iter::empty(),
        );
        let mut changes = between(&old, &new);
        veil::veil(&redactor, &mut changes);
        Ok(Compared { from, to, changes })
    }

    /// Where stored revisions hold what came from Secrets.
    async fn secret_places(&self, subject: &Subject) -> Result<Places, Error> {
        match self.context.store.companion(&subject.release).await {
            Ok(found) => Ok(found
                .map(|found| found.companion.secret_places.all())
                .unwrap_or_default()),
            Err(store::Error::Companion { .. }) => Ok(Places::default()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The objects of a record, and those of its hooks.
fn of_record(release: &Release, snapshot: &Snapshot) -> Result<(NewObjects, Vec<Object>), Error> {
    let of_hooks = hooks::all(&release.hooks, &release.namespace, snapshot);
    Ok((returned_objects(release, &[], snapshot)?, of_hooks))
}

/// The objects that the spec asks for, and those of the hooks. Where it asks for nothing new, nothing is rendered: random functions would give
/// something else.
async fn wanted(
    ctx: &Context,
    subject: &Subject,
    base: &Base,
    snapshot: &Snapshot,
) -> Result<(NewObjects, Vec<Object>), Error> {
    let mut gathered = inputs::gather(ctx, subject).await?;
    let seen = Observed {
        status: ctx.status.current(&subject.app),
        heads: ctx.memory.records(&subject.release),
        generation: subject.generation(),
        ..Observed::default()
    };
    if let Some(newest) = base.newest.as_ref().filter(|_| !seen.is_new(&gathered.digest)) {
        return of_record(&newest.release, snapshot);
    }
    let install = base.is_install();
    let wanted = rendering::render(ctx, subject, &mut gathered, base.next(), install).await?;
    let namespace = &subject.release.namespace;
    let of_hooks = hooks::all(&wanted.hooks, namespace, snapshot);
    let subcharts = subcharts_before(&wanted.chart.metadata);
    crds::check(ctx, subject, &gathered.crds).await?;
    let brought = crds::brought(ctx, subject, &gathered.crds, snapshot);
    let new = planning::new_objects(wanted.documents, &brought, &subcharts, namespace, snapshot)?;
    Ok((new, of_hooks))
}

/// What makes of the objects of one revision those of another.
fn between(old: &[Object], new: &[Object]) -> Vec<Change> {
    let before: BTreeMap<&ObjectId, &Object> = old.iter().map(|object| (&object.id, object)).collect();
    let after: BTreeSet<&ObjectId> = new.iter().map(|object| &object.id).collect();
    let unlike = |object: &&Object| before.get(&object.id).is_none_or(|old| old.value != object.value);
    let written = new.iter().filter(unlike).map(|object| {
        let action = match before.contains_key(&object.id) {
            true => Action::Apply { uid: String::new() },
            false => Action::Create,
        };
        change(object, &action, &before)
    });
    let gone = old.iter().rev().filter(|object| !after.contains(&object.id));
    written
        .chain(gone.map(|object| change(object, &Action::Delete, &before)))
        .collect()
}

/// Whether the object is put back as the release has it.
fn is_kept(operation: &Operation<'_>) -> bool {
    let left = ResourcePolicy::SkipUpdate.is_of(&operation.object.value);
    operation.action == Action::Keep && !left
}

fn change(object: &Object, action: &Action, before: &BTreeMap<&ObjectId, &Object>) -> Change {
    let goes = matches!(action, Action::Delete | Action::LeaveBehind);
    Change {
        id: object.id.clone(),
        action: action.clone(),
        conflicts: Vec::new(),
        before: before.get(&object.id).map(|object| object.value.clone()),
        after: (!goes).then(|| object.value.clone()),
        drifted: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, text: &str) -> Object {
        Object {
            id: ObjectId {
                group: String::new(),
                kind: "ConfigMap".to_owned(),
                namespace: "web".to_owned(),
                name: name.to_owned(),
            },
            version: "v1".to_owned(),
            value: json!({"data": {"text": text}}),
            chart: String::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn revisions_differ_in_what_came_went_and_changed() {
        let old = [object("same", "a"), object("other", "a"), object("gone", "a")];
        let new = [object("new", "b"), object("other", "b"), object("same", "a")];
        let changes = between(&old, &new);
        let said: Vec<_> = changes
            .iter()
            .map(|change| {
                let sides = (change.before.is_some(), change.after.is_some());
                (change.id.name.as_str(), change.action.clone(), sides)
            })
            .collect();
        assert_eq!(
            said,
            [
                ("new", Action::Create, (false, true)),
                ("other", Action::Apply { uid: String::new() }, (true, true)),
                ("gone", Action::Delete, (true, false)),
            ]
        );
        assert_eq!(between(&new, &new), []);
    }
}
