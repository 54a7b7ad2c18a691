//! Step 4: what the last revisions say.

use std::collections::BTreeSet;

use helmapp_helm::plan::{Object, ObjectId};
use helmapp_helm::release::{Release, Status};

use crate::api::conditions::reason;
use crate::cluster::discovery::Snapshot;
use crate::store::{Head, Stored};

use super::Context;
use super::lifecycle::{self, is_same};
use super::policy::{Again, Error};
use super::rendering::Wanted;
use super::revision::{History, stored_objects};
use super::settle::Settling;
use super::subject::Subject;

/// The last revisions, as far as a new one has to know them.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The newest one.
    pub newest: Option<Stored>,
    /// The newest deployed one.
    pub deployed: Option<Stored>,
    /// The manifests of those in between, newest first: what they left in the cluster may be there still.
    between: Vec<Release>,
    /// What a new record takes from them.
    pub history: History,
}

/// What the last revisions left in the cluster.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Objects that were applied.
    pub last: Vec<Object>,
    /// Further objects that may be there.
    pub left: Vec<Object>,
    /// Further ones of kinds that are not served as far as is known.
    unserved: Vec<ObjectId>,
    /// All of `last` is known to be as it says.
    pub applied: bool,
}

impl Base {
    /// Reads the newest revision, the deployed one where that is another, and those in between.
    ///
    /// # Errors
    /// A failed request, or a record that can't be read.
    pub(super) async fn read(ctx: &Context, subject: &Subject) -> Result<Self, Error> {
        let heads: Vec<Head> = ctx.memory.records(&subject.release);
        let Some(head) = heads.first() else {
            return Ok(Self::default());
        };
        let settling = ctx
            .settling
            .get(&subject.key)
            .filter(|settling| settling.record.head == *head);
        let newest = match settling {
            Some(settling) => settling.record.stored(ctx, subject).await?,
            None => ctx.store.read_known(&subject.release, head).await?,
        };
        let deployed = match head.status {
            Status::Deployed => newest.clone(),
            _ => deployed(ctx, subject).await?,
        };
        Ok(Self {
            history: History::new(&heads, newest.as_ref()),
            between: between(ctx, subject, &heads).await?,
            newest,
            deployed,
        })
    }

    /// The newest revision and the deployed one.
    pub(super) fn records(&self) -> impl Iterator<Item = &Release> {
        let both = self.newest.iter().chain(&self.deployed);
        both.map(|stored| &stored.release)
    }

    /// There is nothing to upgrade.
    pub(super) fn is_install(&self) -> bool {
        self.newest
            .as_ref()
            .is_none_or(|newest| newest.release.info.status == Status::Uninstalled)
    }

    /// The newest revision is the deployed one.
    pub(super) fn is_deployed(&self) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| newest.release.info.status == Status::Deployed)
    }

    /// The number of the revision that comes next.
    pub(super) fn next(&self) -> i64 {
        self.history.next()
    }

    /// The newest revision, if it already is what is wanted.
    pub(super) fn same_as(&self, wanted: &Wanted) -> Option<&Stored> {
        let newest = self.newest.as_ref()?;
        let release = &newest.release;
        (release.info.status == Status::Deployed && is_same(release, wanted)).then_some(newest)
    }

    /// What the last revisions left in the cluster. `applied` is whether the newest one is known to be there as it
    /// says; otherwise nobody knows which of its objects were made.
    ///
    /// # Errors
    /// A manifest that can't be read.
    pub(super) fn objects(&self, applied: bool, snapshot: &Snapshot) -> Result<Before, Error> {
        if self.is_install() {
            return Ok(Before::default());
        }
        let newest = self.newest.iter().map(|stored| &stored.release);
        let deployed = self.deployed.iter().map(|stored| &stored.release);
        if applied {
            // What only the deployed one had went with the newest one's apply.
            Before::of(newest, deployed.chain(&self.between), applied, snapshot)
        } else {
            Before::of(deployed, newest.chain(&self.between), applied, snapshot)
        }
    }

    /// Whether we know that the newest revision's objects are there as it says.
    pub(super) fn is_applied(&self, ctx: &Context, subject: &Subject) -> bool {
        let applied = ctx.memory.revision(&subject.key);
        let settling = ctx.settling.get(&subject.key);
        self.newest.as_ref().is_some_and(|newest| {
            let settles = |settling: &Settling| {
                settling.stage.is_applied() && settling.record.head.revision == newest.head.revision
            };
            newest.head.revision == applied
                && (newest.head.status == Status::Deployed || settling.as_deref().is_some_and(settles))
        })
    }
}

impl Before {
    /// From the manifests of revisions that were applied, and of such that may have been, newest first each.
    ///
    /// # Errors
    /// A manifest that can't be read.
    pub(super) fn of<'a>(
        last: impl IntoIterator<Item = &'a Release>,
        left: impl IntoIterator<Item = &'a Release>,
        applied: bool,
        snapshot: &Snapshot,
    ) -> Result<Self, Error> {
        let last = stored_objects(last, snapshot)?;
        let left = stored_objects(left, snapshot)?;
        let known: BTreeSet<&ObjectId> = last.objects.iter().map(|object| &object.id).collect();
        let further = left.objects.into_iter();
        Ok(Self {
            left: further.filter(|object| !known.contains(&object.id)).collect(),
            last: last.objects,
            unserved: last.unserved.into_iter().chain(left.unserved).collect(),
            applied,
        })
    }

    /// Makes sure that what the new objects don't have any more is gone where it can't be let go of.
    ///
    /// # Errors
    /// The first kind of which nobody can say whether it is served.
    pub(super) async fn require_gone(&self, ctx: &Context, new: &[Object]) -> Result<(), Error> {
        let kept: BTreeSet<&ObjectId> = new.iter().map(|object| &object.id).collect();
        for id in self.unserved.iter().filter(|id| !kept.contains(id)) {
            is_gone(ctx, id).await?;
        }
        Ok(())
    }
}

/// Makes sure that an object is gone with its kind.
///
/// # Errors
/// Nobody can say whether the kind is served.
pub(super) async fn is_gone(ctx: &Context, id: &ObjectId) -> Result<(), Error> {
    let why = match ctx.discovery.is_gone(&id.group, &id.kind).await {
        Ok(true) => return Ok(()),
        Ok(false) => "the kind is served again".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::Input {
        reason: reason::API_UNAVAILABLE,
        message: format!(
            "nobody can say whether {id} still exists: {why}; mend the API server of group {}, or delete its APIService",
            id.group
        ),
        again: Again::Seldom,
    })
}

/// The manifests of the revisions between the newest one and the deployed one, newest first.
///
/// # Errors
/// A failed request, or a record that can't be read.
pub(super) async fn between(ctx: &Context, subject: &Subject, heads: &[Head]) -> Result<Vec<Release>, Error> {
    let mut found = Vec::new();
    for head in lifecycle::between(heads) {
        let stored = ctx.store.read(&subject.release, head.revision).await?;
        // Charts and values of all of them could be too much to hold.
        found.extend(stored.map(|stored| Release {
            name: stored.release.name,
            namespace: stored.release.namespace,
            version: stored.release.version,
            manifest: stored.release.manifest,
            ..Release::default()
        }));
    }
    Ok(found)
}

/// The head of the newest deployed revision; `heads` are those of all, newest first.
pub(super) fn deployed_head(heads: &[Head]) -> Option<&Head> {
    heads.iter().find(|head| head.status == Status::Deployed)
}

/// The newest deployed revision.
///
/// # Errors
/// A failed request.
pub(super) async fn deployed(ctx: &Context, subject: &Subject) -> Result<Option<Stored>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = deployed_head(&heads) else {
        return Ok(None);
    };
    let replaces = ctx
        .settling
        .get(&subject.key)
        .and_then(|settling| settling.replaces.clone());
    match replaces.filter(|record| record.head == *head) {
        Some(record) => Ok(record.stored(ctx, subject).await?),
        None => Ok(ctx.store.read(&subject.release, head.revision).await?),
    }
}
