//! What is watched: release records and CRDs always; kinds of objects, and ConfigMaps and Secrets that specs name,
//! while some HelmApp has such.

use std::collections::BTreeSet;
use std::time::Duration;

use helmapp_helm::plan::{OWNER_NAME_LABEL, ObjectId};
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, PartialObjectMeta};
use tokio::sync::watch;

use crate::cluster::watches::{self, Selector, State, Target};
use crate::cluster::{Error as ClusterError, retry};
use crate::store::HELM_RECORDS;

use super::memory::{AppKey, Reference};
use super::{Context, Error, inputs, policy};

/// How long the first listings may take before the operator says that it can't start.
const FIRST_LISTING: Duration = Duration::from_secs(60);
/// How long the first listing of ConfigMaps or Secrets may take.
const REFERENCE_LISTING: Duration = Duration::from_secs(5);

impl Context {
    /// Watches release records and CRDs, and waits until they are listed. Returns how the watch of records is doing.
    pub(super) async fn watch_records(&self) -> Result<watch::Receiver<State>, Error> {
        let crds = self.watches.ensure(Target {
            resource: resource(
                "apiextensions.k8s.io",
                "CustomResourceDefinition",
                "customresourcedefinitions",
            ),
            namespace: None,
            selector: Selector::All,
        });
        let records = Target {
            resource: core("Secret"),
            namespace: None,
            selector: Selector::Labels(HELM_RECORDS.to_owned()),
        };
        let records = self.watches.ensure(records);
        for (what, state) in [("Secrets", &records), ("CustomResourceDefinitions", &crds)] {
            if !watches::listed(state.clone(), FIRST_LISTING).await {
                let why = match &*state.borrow() {
                    State::Failing(why) | State::Forbidden(why) => why.clone(),
                    _ => format!("no answer within {} s", FIRST_LISTING.as_secs()),
                };
                return Err(Error::Watch { what, why });
            }
        }
        Ok(records)
    }

    /// Watches the kinds of objects. Kinds that are not served yet are left out.
    pub(super) async fn follow(&self, kinds: &Kinds) -> Result<Vec<watch::Receiver<State>>, policy::Error> {
        let snapshot = self.discovery.snapshot().await?;
        let served = kinds.iter().filter_map(|(group, kind)| {
            let watchable = snapshot.any_version(group, kind)?.watchable;
            snapshot.preferred(group, kind).filter(|_| watchable)
        });
        Ok(served
            .map(|resource| self.watches.ensure(owned(resource)))
            .collect())
    }

    /// How the watch of a kind is doing; `None` when there is none.
    pub(super) fn kind_state(&self, group: &str, kind: &str) -> Option<State> {
        self.watches
            .find(|target| target.resource.group == group && target.resource.kind == kind && is_owned(target))
    }

    /// Whether what happens to objects of the kind is seen.
    pub(super) fn is_followed(&self, group: &str, kind: &str) -> bool {
        let state = self.kind_state(group, kind);
        state.is_some_and(|state| !matches!(state, State::Failing(_) | State::Forbidden(_)))
    }

    /// The kinds of a release's objects that can't be followed.
    pub(super) fn unwatched(&self, app: &AppKey) -> Kinds {
        let kinds = self.memory.kinds_of(app).into_iter();
        kinds
            .filter(|(group, kind)| !self.is_followed(group, kind))
            .collect()
    }

    /// The kinds of a release's objects that the operator has no right to watch, and what the server says of the
    /// first one.
    pub(super) fn forbidden(&self, app: &AppKey) -> Option<(Vec<String>, String)> {
        let mut names = Vec::new();
        let mut first = None;
        for (group, kind) in self.memory.kinds_of(app) {
            if let Some(State::Forbidden(why)) = self.kind_state(&group, &kind) {
                names.push(if group.is_empty() {
                    kind
                } else {
                    format!("{kind}.{group}")
                });
                first.get_or_insert(why);
            }
        }
        Some((names, first?))
    }

    /// Watches the kind of a referenced object, and reads the object's version where the listing of its kind did
    /// not ask for it.
    pub(super) async fn follow_reference(&self, reference: &Reference) -> Result<(), policy::Error> {
        let target = every(reference.kind);
        if self.watches.state(&target).is_none() {
            // What all HelmApps name is in the one listing.
            for app in self.apps.state() {
                self.memory.refer(&AppKey::of(&app), &inputs::references(&app));
            }
        }
        let state = self.watches.ensure(target);
        if !watches::listed(state, REFERENCE_LISTING).await || self.memory.knows_reference(reference) {
            return Ok(());
        }
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::namespaced_with(
            self.identities.operator(),
            &reference.namespace,
            &core(reference.kind),
        );
        let doing = format!(
            "read {} {}/{}",
            reference.kind, reference.namespace, reference.name
        );
        let found = retry::transient(|| async {
            let found = api.get_metadata_opt(&reference.name).await;
            found.map_err(|error| ClusterError::from_kube(&doing, error, true))
        })
        .await?;
        let version = found.and_then(|found| found.metadata.resource_version);
        self.memory.read_reference(reference, version.as_deref());
        Ok(())
    }

    /// Stops the watches that nothing needs any more.
    pub(super) fn unfollow(&self) {
        let kinds = self.memory.kinds();
        self.watches.retain(|target| match &target.selector {
            _ if is_owned(target) => {
                kinds.contains(&(target.resource.group.clone(), target.resource.kind.clone()))
            }
            Selector::All if target.resource.group.is_empty() => {
                self.memory.is_referred_to(&target.resource.kind)
            }
            Selector::Labels(_) | Selector::All => true,
        });
    }
}

/// Groups and kinds.
pub(super) type Kinds = BTreeSet<(String, String)>;

pub(super) fn kinds<'a>(ids: impl IntoIterator<Item = &'a ObjectId>) -> Kinds {
    ids.into_iter()
        .map(|id| (id.group.clone(), id.kind.clone()))
        .collect()
}

fn owned(resource: ApiResource) -> Target {
    Target {
        resource,
        namespace: None,
        selector: Selector::Labels(OWNER_NAME_LABEL.to_owned()),
    }
}

fn is_owned(target: &Target) -> bool {
    matches!(&target.selector, Selector::Labels(labels) if labels == OWNER_NAME_LABEL)
}

/// All objects of a kind that specs can name.
fn every(kind: &str) -> Target {
    Target {
        resource: core(kind),
        namespace: None,
        selector: Selector::All,
    }
}

fn core(kind: &str) -> ApiResource {
    resource("", kind, &format!("{}s", kind.to_lowercase()))
}

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() {
            "v1".to_owned()
        } else {
            format!("{group}/v1")
        },
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
