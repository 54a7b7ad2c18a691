//! Step 4: what the last revisions say.

use helmapp_helm::plan::Object;
use helmapp_helm::release::Status;

use crate::cluster::discovery::Snapshot;
use crate::store::{Head, Stored};

use super::Context;
use super::decision::is_same;
use super::inputs::Wanted;
use super::policy::Error;
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
    /// What a new record takes from them.
    pub history: History,
}

impl Base {
    /// Reads the newest revision and, where that is not it, the deployed one.
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
            .filter(|settling| settling.stored.head == *head);
        let newest = match settling {
            Some(settling) => Some(settling.stored.clone()),
            None => ctx.store.read(&subject.release, head.revision).await?,
        };
        let deployed = match head.status {
            Status::Deployed => newest.clone(),
            _ => deployed(ctx, subject).await?,
        };
        let history = History::new(&heads, newest.as_ref());
        Ok(Self {
            newest,
            deployed,
            history,
        })
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

    /// What the last revisions left in the cluster.
    pub(super) fn objects(&self, snapshot: &Snapshot) -> Result<Vec<Object>, Error> {
        if self.is_install() {
            return Ok(Vec::new());
        }
        stored_objects(
            self.newest
                .iter()
                .chain(&self.deployed)
                .map(|stored| &stored.release),
            snapshot,
        )
    }

    /// Whether we know that the newest revision's objects are there as it says.
    pub(super) fn is_applied(&self, ctx: &Context, subject: &Subject) -> bool {
        let applied = ctx.memory.revision(&subject.key);
        let settling = ctx.settling.get(&subject.key);
        self.newest.as_ref().is_some_and(|newest| {
            let settles = |settling: &Settling| {
                settling.applied && settling.stored.head.revision == newest.head.revision
            };
            newest.head.revision == applied
                && (newest.head.status == Status::Deployed || settling.as_deref().is_some_and(settles))
        })
    }
}

/// The newest deployed revision.
///
/// # Errors
/// A failed request.
pub(super) async fn deployed(ctx: &Context, subject: &Subject) -> Result<Option<Stored>, Error> {
    let heads = ctx.memory.records(&subject.release);
    let Some(head) = heads.iter().find(|head| head.status == Status::Deployed) else {
        return Ok(None);
    };
    let replaces = ctx
        .settling
        .get(&subject.key)
        .and_then(|settling| settling.replaces.clone());
    match replaces.filter(|stored| stored.head == *head) {
        Some(stored) => Ok(Some(stored)),
        None => Ok(ctx.store.read(&subject.release, head.revision).await?),
    }
}
