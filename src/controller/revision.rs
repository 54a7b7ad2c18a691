//! Release records: what a new revision says, and the objects of a stored one.

use std::collections::BTreeSet;

use helmapp_helm::manifest::{ManifestObject, parse_stored};
use helmapp_helm::plan::{Document, Object, ObjectError, ObjectId, Scope, objects, subcharts_before};
use helmapp_helm::release::{ApplyMethod, Hook, HookExecution, Info, Release, Status, Time, secret_name};
use jiff::Timestamp;
use serde_json::Value;

use crate::api::conditions::reason;
use crate::cluster::discovery::Snapshot;
use crate::store::{Head, Stored};

use super::planning::{self, NewObjects};
use super::policy::{self, Again, Error};
use super::rendering::Wanted;
use super::subject::Subject;

/// What kind of change a revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first one.
    Install,
    /// A later one.
    Upgrade,
    /// A return to the revision.
    Rollback(i64),
    /// The end of all revisions before, as a remedy.
    Uninstall,
}

impl Change {
    /// The status of the record while the change is under way.
    pub fn pending(self) -> Status {
        match self {
            Self::Install => Status::PendingInstall,
            Self::Upgrade => Status::PendingUpgrade,
            Self::Rollback(_) => Status::PendingRollback,
            Self::Uninstall => Status::Uninstalling,
        }
    }

    /// The status of the record when the change is through.
    pub fn end(self) -> Status {
        match self {
            Self::Install | Self::Upgrade | Self::Rollback(_) => Status::Deployed,
            Self::Uninstall => Status::Uninstalled,
        }
    }

    /// The change that a pending or failed record stands for.
    pub fn of(release: &Release) -> Self {
        match release.info.status {
            _ if !release.info.deleted.is_zero() => Self::Uninstall,
            _ if release.info.rollback_revision > 0 => Self::Rollback(release.info.rollback_revision),
            Status::PendingRollback => Self::Rollback(0),
            Status::PendingInstall => Self::Install,
            _ if release.version == 1 => Self::Install,
            _ => Self::Upgrade,
        }
    }

    /// The change that a pending record without its content stands for.
    pub fn under_way(head: &Head) -> Self {
        match head.status {
            Status::PendingRollback => Self::Rollback(0),
            Status::PendingInstall => Self::Install,
            Status::Uninstalling => Self::Uninstall,
            _ if head.revision == 1 => Self::Install,
            _ => Self::Upgrade,
        }
    }

    /// `Install`, as messages begin.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Install => "Install",
            Self::Upgrade => "Upgrade",
            Self::Rollback(_) => "Rollback",
            Self::Uninstall => "Uninstall",
        }
    }

    /// Helm's description of the record while the change is under way.
    fn underway(self) -> String {
        match self {
            Self::Install => "Initial install underway".to_owned(),
            Self::Upgrade => "Preparing upgrade".to_owned(),
            Self::Rollback(to) => format!("Rollback to {to}"),
            Self::Uninstall => "Deletion in progress (or silently failed)".to_owned(),
        }
    }

    /// Helm's description of the record afterwards.
    pub fn complete(self) -> String {
        match self {
            Self::Install => "Install complete".to_owned(),
            Self::Upgrade => "Upgrade complete".to_owned(),
            Self::Rollback(to) => format!("Rollback to {to}"),
            Self::Uninstall => "Uninstallation complete".to_owned(),
        }
    }
}

/// The record of a revision that is about to be made from a rendering.
pub fn rendered(subject: &Subject, wanted: &Wanted, change: Change, history: &History) -> Release {
    let now = Timestamp::now();
    Release {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        info: Info {
            first_deployed: history.first_deployed.clone().unwrap_or_else(|| now.into()),
            last_deployed: now.into(),
            status: change.pending(),
            description: change.underway(),
            notes: wanted.notes.clone(),
            ..Info::default()
        },
        chart: wanted.chart.clone(),
        config: wanted.config.clone(),
        manifest: wanted.manifest.clone(),
        hooks: wanted.hooks.clone(),
        version: history.next(),
        apply_method: Some(ApplyMethod::ServerSide),
        labels: history.labels.clone(),
        ..Release::default()
    }
}

/// The record of a revision that brings a stored one back.
pub fn returned(stored: &Release, history: &History) -> Release {
    let now = Timestamp::now();
    let change = Change::Rollback(stored.version);
    Release {
        info: Info {
            first_deployed: stored.info.first_deployed.clone(),
            last_deployed: now.into(),
            status: change.pending(),
            description: change.underway(),
            notes: stored.info.notes.clone(),
            rollback_revision: stored.version,
            ..Info::default()
        },
        // They have not run for this one.
        hooks: stored.hooks.iter().cloned().map(unrun).collect(),
        version: history.next(),
        apply_method: Some(ApplyMethod::ServerSide),
        ..stored.clone()
    }
}

/// The record of a revision that takes a failed one and all before it away: without objects, with the hooks of that one.
pub fn emptied(failed: &Release, history: &History) -> Release {
    let now = Timestamp::now();
    let change = Change::Uninstall;
    Release {
        info: Info {
            first_deployed: failed.info.first_deployed.clone(),
            last_deployed: now.into(),
            deleted: now.into(),
            status: change.pending(),
            description: change.underway(),
            ..Info::default()
        },
        manifest: String::new(),
        hooks: failed.hooks.iter().cloned().map(unrun).collect(),
        version: history.next(),
        apply_method: Some(ApplyMethod::ServerSide),
        ..failed.clone()
    }
}

fn unrun(hook: Hook) -> Hook {
    Hook {
        last_run: HookExecution::default(),
        ..hook
    }
}

/// What a new revision needs to know of the earlier ones.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Newest revision.
    pub newest: i64,
    /// When revision 1 was made.
    pub first_deployed: Option<Time>,
    /// Labels that a user put on the record.
    pub labels: std::collections::BTreeMap<String, String>,
}

impl History {
    /// From the records without their contents, and the newest with it.
    pub fn new(heads: &[Head], newest: Option<&Stored>) -> Self {
        let info = newest.map(|stored| &stored.release.info);
        Self {
            newest: heads.first().map_or(0, |head| head.revision),
            first_deployed: info
                .map(|info| info.first_deployed.clone())
                .filter(|time| !time.is_zero()),
            labels: newest
                .map(|stored| stored.release.labels.clone())
                .unwrap_or_default(),
        }
    }

    /// The number of the revision that comes next.
    pub fn next(&self) -> i64 {
        self.newest.saturating_add(1)
    }
}

/// The objects of stored records.
#[derive(Debug, Default)]
pub struct Found {
    /// Those of kinds that the cluster serves.
    pub objects: Vec<Object>,
    /// Those of kinds that it does not serve, as far as is known. Nothing can be done to them.
    pub unserved: Vec<ObjectId>,
}

/// The objects of stored records, newest first: each object as the first record that has it says.
///
/// # Errors
/// A manifest that can't be read. To take it for an empty one would lose its objects.
pub fn stored_objects<'a>(
    records: impl IntoIterator<Item = &'a Release>,
    snapshot: &Snapshot,
) -> Result<Found, Error> {
    let mut seen = BTreeSet::new();
    let mut all = Found::default();
    let served = |group: &str, kind: &str| Some(snapshot.any_version(group, kind)?.scope);
    // Where an object of an unknown kind lives is not known either.
    let scope = |group: &str, _: &str, kind: &str| served(group, kind).or(Some(Scope::Namespaced));
    for record in records {
        let mut of_record = Vec::new();
        for document in documents(record)? {
            if document.object.is_null() {
                continue;
            }
            match objects([document.object], &record.namespace, scope) {
                Ok(found) => of_record.extend(found),
                // What has no name or kind can not have been made.
                Err(errors) if errors.iter().all(is_none) => {}
                Err(errors) => return Err(unreadable(record, &policy::join(&errors))),
            }
        }
        // Of what a record has twice the last was applied last.
        let new = of_record.into_iter().rev();
        let mut new: Vec<Object> = new.filter(|object| seen.insert(object.id.clone())).collect();
        new.reverse();
        for object in new {
            match served(&object.id.group, &object.id.kind) {
                Some(_) => all.objects.push(object),
                None => all.unserved.push(object.id),
            }
        }
    }
    Ok(all)
}

fn is_none(error: &ObjectError) -> bool {
    matches!(error, ObjectError::Incomplete { .. })
}

/// The documents of a stored manifest.
///
/// # Errors
/// A manifest that can't be read.
pub fn documents(record: &Release) -> Result<Vec<ManifestObject>, Error> {
    parse_stored(&record.manifest).map_err(|error| unreadable(record, &error.to_string()))
}

fn unreadable(record: &Release, why: &str) -> Error {
    Error::Input {
        reason: reason::RECORD_INVALID,
        message: format!(
            "the stored manifest of revision {0} can not be read: {why}; nothing is changed, as its objects are unknown: mend or delete Secret {1}",
            record.version,
            secret_name(&record.name, record.version)
        ),
        again: Again::Seldom,
    }
}

/// The objects of a stored record, whether the cluster serves their kinds or not.
///
/// # Errors
/// A manifest that can't be read, or that has what is no object.
pub(super) fn all_objects(release: &Release, snapshot: &Snapshot) -> Result<Vec<Object>, Error> {
    let documents = documents(release)?
        .into_iter()
        .map(|document| document.object)
        .filter(|object| !object.is_null());
    let scope = |group: &str, _: &str, kind: &str| {
        let served = snapshot.any_version(group, kind).map(|kind| kind.scope);
        // Where an object of an unknown kind lives is not known either.
        served.or(Some(Scope::Namespaced))
    };
    objects(documents, &release.namespace, scope).map_err(Error::Objects)
}

/// The objects of a stored record, as those of a new revision.
///
/// # Errors
/// A manifest that can't be read, or that has what is no object here.
pub(super) fn returned_objects(
    release: &Release,
    crds: &[Value],
    snapshot: &Snapshot,
) -> Result<NewObjects, Error> {
    let documents = documents(release)?
        .into_iter()
        .filter(|document| !document.object.is_null())
        .map(Document::from);
    planning::new_objects(
        documents.collect(),
        &crds.iter().collect::<Vec<_>>(),
        &subcharts_before(&release.chart.metadata),
        &release.namespace,
        snapshot,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_what_change_it_stands_for() {
        let release = |version, status: Status, rollback_revision| Release {
            version,
            info: Info {
                status,
                rollback_revision,
                ..Info::default()
            },
            ..Release::default()
        };
        for (release, expected) in [
            (release(1, Status::PendingInstall, 0), Change::Install),
            (release(2, Status::PendingUpgrade, 0), Change::Upgrade),
            // After an uninstallation that kept the history.
            (release(4, Status::PendingInstall, 0), Change::Install),
            (release(3, Status::PendingRollback, 1), Change::Rollback(1)),
            (release(3, Status::Failed, 1), Change::Rollback(1)),
            (release(2, Status::Failed, 0), Change::Upgrade),
        ] {
            assert_eq!(Change::of(&release), expected);
        }
    }

    #[test]
    fn an_uninstallation_keeps_all_but_the_objects_and_is_told_from_other_failures() {
        let failed = Release {
            name: "demo".into(),
            namespace: "web".into(),
            manifest: "---\nkind: ConfigMap\n".into(),
            version: 2,
            hooks: vec![Hook {
                name: "before".into(),
                last_run: HookExecution {
                    started_at: Timestamp::UNIX_EPOCH.into(),
                    ..HookExecution::default()
                },
                ..Hook::default()
            }],
            info: Info {
                status: Status::Failed,
                notes: "n".into(),
                first_deployed: Timestamp::UNIX_EPOCH.into(),
                ..Info::default()
            },
            ..Release::default()
        };
        let history = History {
            newest: 2,
            ..History::default()
        };
        let gone = emptied(&failed, &history);
        assert_eq!((gone.version, gone.manifest.as_str()), (3, ""));
        assert_eq!(
            (gone.info.status.clone(), gone.info.notes.as_str()),
            (Status::Uninstalling, "")
        );
        assert_eq!(gone.info.first_deployed, failed.info.first_deployed);
        assert_eq!(gone.hooks.len(), 1);
        assert!(
            gone.hooks[0].last_run.started_at.is_zero(),
            "they run for this one"
        );
        for status in [Status::Uninstalling, Status::Failed, Status::Uninstalled] {
            let mut ended = gone.clone();
            ended.info.status = status;
            assert_eq!(Change::of(&ended), Change::Uninstall);
        }
        assert_eq!(Change::of(&failed), Change::Upgrade);
    }

    #[test]
    fn a_manifest_that_can_not_be_read_is_not_an_empty_one() {
        let broken = Release {
            name: "demo".into(),
            version: 3,
            manifest: "---\na: [\n".into(),
            ..Release::default()
        };
        let error = stored_objects([&broken], &Snapshot::default()).unwrap_err();
        assert_eq!(
            (error.reason(), error.again()),
            (reason::RECORD_INVALID, Again::Seldom)
        );
        assert!(
            error.to_string().contains("sh.helm.release.v1.demo.v3"),
            "{error}"
        );
    }

    #[test]
    fn an_object_of_a_kind_that_is_not_served_is_not_forgotten() {
        let record = Release {
            namespace: "web".into(),
            manifest: "---\nkind: Gadget\napiVersion: e2e/v1\nmetadata: {name: a}\n---\nkind: Gadget\n"
                .into(),
            ..Release::default()
        };
        let found = stored_objects([&record], &Snapshot::default()).unwrap();
        let unserved: Vec<String> = found.unserved.iter().map(ToString::to_string).collect();
        assert_eq!(
            (found.objects.len(), unserved),
            (0, vec!["Gadget.e2e web/a".to_owned()])
        );
    }

    #[test]
    fn a_return_keeps_everything_but_number_and_time() {
        let stored = Release {
            name: "demo".into(),
            namespace: "web".into(),
            manifest: "---\nm".into(),
            version: 2,
            info: Info {
                status: Status::Superseded,
                notes: "n".into(),
                ..Info::default()
            },
            ..Release::default()
        };
        let history = History {
            newest: 7,
            ..History::default()
        };
        let back = returned(&stored, &history);
        assert_eq!(
            (back.version, back.manifest.as_str(), back.info.notes.as_str()),
            (8, "---\nm", "n")
        );
        assert_eq!(
            (back.info.status, back.info.rollback_revision),
            (Status::PendingRollback, 2)
        );
        assert_eq!(back.info.description, "Rollback to 2");
    }
}
