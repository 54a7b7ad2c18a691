//! The objects of hooks in the cluster.

use std::sync::Arc;

use helmapp_helm::hooks::{Existing, RUN_ANNOTATION, Verdict, existing, is_owned, mark, verdict, waits};
use helmapp_helm::manifest::ManifestObject;
use helmapp_helm::plan::{Object, ObjectId, holds_data, keeps, objects};
use helmapp_helm::release::{Hook, Release};
use serde_json::Value;
use tracing::info;

use crate::api::conditions::reason;
use crate::cluster::apply::Applier;
use crate::cluster::discovery::Snapshot;
use crate::cluster::hooks;

use super::super::policy::{Again, Error};
use super::super::subject::Subject;
use super::super::{Context, crds};

/// How often an object that is in the way is deleted before its end is waited for.
const TRIES: u32 = 2;

/// What makes, reads and deletes the objects of one run.
pub(super) struct Tools<'a> {
    ctx: &'a Context,
    subject: &'a Subject,
    snapshot: Arc<Snapshot>,
    applier: Applier,
    run: String,
}

/// Whether an object is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// It is there.
    Yes,
    /// Another one has to go first.
    NotYet(ObjectId),
    /// It never will be; the text says why.
    Refused(String),
}

impl<'a> Tools<'a> {
    pub(super) async fn new(ctx: &'a Context, subject: &'a Subject, run: &str) -> Result<Self, Error> {
        let snapshot = ctx.discovery.snapshot().await?;
        let applier = Applier::new(subject.tenant.clone(), snapshot.clone(), subject.owner.clone());
        Ok(Self {
            ctx,
            subject,
            snapshot,
            applier,
            run: run.to_owned(),
        })
    }

    /// The objects of a hook.
    ///
    /// # Errors
    /// What is no object, or of a kind that the cluster does not serve.
    pub(super) fn objects(&self, hook: &Hook, release: &Release) -> Result<Vec<Object>, Error> {
        of_hook(hook, &release.namespace, &self.snapshot)
    }

    /// Makes an object, unless this run has. What is under its name goes first, if the hook's policies say so.
    pub(super) async fn make(&self, hook: &Hook, object: &Object) -> Result<Made, Error> {
        let (client, id, owner) = (&self.subject.tenant, &object.id, &self.subject.owner);
        let wanted = mark(&object.value, owner, &self.run);
        for _ in 0..=TRIES {
            let made = hooks::create(client, &self.snapshot, id, &object.version, &wanted).await?;
            if let Some(metadata) = made {
                self.ctx
                    .memory
                    .hooked(&self.subject.key, id, &object.version, &metadata);
                self.serve(id).await?;
                return Ok(Made::Yes);
            }
            let Some(live) = self.read(object).await? else {
                continue;
            };
            let data = holds_data(id);
            match existing(object, hook, &live, owner, &self.run, data) {
                Existing::Made | Existing::Keep => return Ok(Made::Yes),
                Existing::Going => return Ok(Made::NotYet(id.clone())),
                Existing::InTheWay(why) => return Ok(Made::Refused(format!("{id} exists already: {why}"))),
                Existing::Replace => {
                    if !self.delete_live(object, &live).await? {
                        return Ok(Made::NotYet(id.clone()));
                    }
                }
            }
        }
        Ok(Made::NotYet(object.id.clone()))
    }

    /// The object that this run has made; `None` when it is gone, or another one has its name.
    pub(super) async fn live(&self, object: &Object) -> Result<Option<Value>, Error> {
        Ok(self.read(object).await?.filter(|live| self.is_made(live)))
    }

    /// Why the first object failed that did.
    pub(super) async fn failure(&self, objects: &[Object]) -> Result<Option<String>, Error> {
        for object in objects.iter().filter(|object| waits(object)) {
            let live = self.live(object).await?;
            if let Some(Verdict::Failed(why)) = live.map(|live| verdict(object, &live)) {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// Deletes what this run has made.
    pub(super) async fn delete(&self, objects: &[Object]) -> Result<(), Error> {
        for object in objects {
            let live = self.applier.metadata(&object.id, &object.version).await?;
            if let Some(live) = live.filter(|live| self.is_made(live)) {
                self.delete_live(object, &live).await?;
            }
        }
        Ok(())
    }

    async fn delete_live(&self, object: &Object, live: &Value) -> Result<bool, Error> {
        let (client, id) = (&self.subject.tenant, &object.id);
        let uid = live
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let gone = hooks::delete(client, &self.snapshot, id, &object.version, uid).await?;
        if gone {
            self.ctx.memory.unhooked(&self.subject.key, id);
        }
        info!(app = %self.subject.key.name, namespace = %self.subject.key.namespace, object = %id, gone, "deleted a hook's object");
        Ok(gone)
    }

    /// As much of a live object as its state is in.
    async fn read(&self, object: &Object) -> Result<Option<Value>, Error> {
        Ok(if waits(object) {
            self.applier.get(&object.id, &object.version).await?
        } else {
            self.applier.metadata(&object.id, &object.version).await?
        })
    }

    fn is_made(&self, live: &Value) -> bool {
        let annotations = live.pointer("/metadata/annotations");
        annotations
            .and_then(|all| all.get(RUN_ANNOTATION))
            .and_then(Value::as_str)
            == Some(&self.run)
    }

    /// The next hook may have objects of the kinds that a CRD brings.
    async fn serve(&self, id: &ObjectId) -> Result<(), Error> {
        if id.group == "apiextensions.k8s.io" && id.kind == "CustomResourceDefinition" {
            crds::serve(self.ctx, self.subject, std::slice::from_ref(&id.name)).await?;
        }
        Ok(())
    }
}

/// The objects of a hook.
///
/// # Errors
/// What is no object, or of a kind that the cluster does not serve.
fn of_hook(hook: &Hook, namespace: &str, snapshot: &Snapshot) -> Result<Vec<Object>, Error> {
    let document = ManifestObject::parse(&hook.path, &hook.manifest).map_err(|error| Error::Input {
        reason: reason::RENDER_FAILED,
        message: error.to_string(),
        again: Again::OnChange,
    })?;
    let scope =
        |group: &str, version: &str, kind: &str| snapshot.kind(group, version, kind).map(|kind| kind.scope);
    objects([document.object], namespace, scope).map_err(Error::Objects)
}

/// The objects of hooks. Of kinds that are not served nothing is there.
pub(in super::super) fn all(hooks: &[Hook], namespace: &str, snapshot: &Snapshot) -> Vec<Object> {
    let hooks = hooks.iter();
    hooks
        .flat_map(|hook| of_hook(hook, namespace, snapshot).unwrap_or_default())
        .collect()
}

/// Deletes what hooks made and left, `found` by the records and what is seen, when the release goes; not what has to be kept, nor what data could go with.
///
/// # Errors
/// The server's refusal, or a failed request.
pub(in super::super) async fn sweep(
    ctx: &Context,
    subject: &Subject,
    mut found: Vec<(ObjectId, String)>,
) -> Result<(), Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let applier = Applier::new(subject.tenant.clone(), snapshot.clone(), subject.owner.clone());
    let seen = ctx.memory.hooks(&subject.key).into_iter();
    found.extend(seen.map(|(id, tracked)| (id, tracked.version.to_string())));
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    for (id, version) in found.into_iter().filter(|(id, _)| !holds_data(id)) {
        let Some(live) = applier.metadata(&id, &version).await? else {
            continue;
        };
        if is_swept(&live, subject) {
            let uid = live
                .pointer("/metadata/uid")
                .and_then(Value::as_str)
                .unwrap_or_default();
            hooks::delete(&subject.tenant, &snapshot, &id, &version, uid).await?;
            info!(app = %subject.key.name, namespace = %subject.key.namespace, object = %id, "deleted what a hook had left");
        }
    }
    Ok(())
}

/// Only what a hook of this HelmApp made, and what does not ask to be kept.
fn is_swept(live: &Value, subject: &Subject) -> bool {
    let made = live
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(RUN_ANNOTATION))
        .is_some();
    made && is_owned(live, &subject.owner) && !keeps(live)
}
