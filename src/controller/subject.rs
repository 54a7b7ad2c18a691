//! Whom a reconcile is about: the HelmApp, its release, and the identity that acts for it.

use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::plan::{Owner, Rules, Yield};
use kube::Client;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::api::{Adoption, DeletionPropagation, HelmApp};
use crate::cluster::apply::Applier;
use crate::cluster::discovery::{Snapshot, hex};
use crate::cluster::identity::{Identities, user_name};
use crate::settings::Settings;
use crate::store::ReleaseKey;

use super::memory::AppKey;

/// A HelmApp and what follows from it.
#[derive(Clone)]
pub struct Subject {
    /// The HelmApp as the watch brought it.
    pub app: Arc<HelmApp>,
    /// Its key.
    pub key: AppKey,
    /// Its release.
    pub release: ReleaseKey,
    /// The marks of its objects.
    pub owner: Owner,
    /// Acts with the rights that the release has.
    pub tenant: Client,
    /// The ServiceAccount behind `tenant`; `None` for the operator itself.
    pub user: Option<String>,
    /// Whose fields the release leaves to them.
    yields: Arc<[Yield]>,
}

/// Which objects a revision waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// All.
    All,
    /// All but Jobs.
    NoJobs,
    /// None.
    None,
}

impl Waits {
    /// Whether objects of the kind are waited for.
    pub fn includes(self, group: &str, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::NoJobs => (group, kind) != ("batch", "Job"),
            Self::None => false,
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("key", &self.key)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

impl Subject {
    /// The subject of a HelmApp.
    pub fn new(app: Arc<HelmApp>, identities: &Identities, settings: &Settings) -> Self {
        let key = AppKey::of(&app);
        let release = ReleaseKey::new(app.target_namespace(), app.release_name());
        let owner = Owner {
            release: release.name.clone(),
            namespace: release.namespace.clone(),
            app: Some((key.namespace.clone(), key.name.clone())),
        };
        let account = app
            .spec
            .service_account_name
            .as_deref()
            .or(settings.default_service_account.as_deref());
        let tenant = identities.tenant(account.map(|name| (key.namespace.as_str(), name)));
        let user = account.map(|name| user_name(&key.namespace, name));
        let named = &app.spec.field_conflicts.yield_to;
        // What is no manager's name does not pass the schema.
        let named = named.iter().filter_map(|text| text.parse().ok());
        let yields = settings.yield_to.iter().cloned().chain(named).collect();
        Self {
            key,
            release,
            owner,
            tenant,
            user,
            yields,
            app,
        }
    }

    /// Applies the release's objects, with its rights.
    pub fn applier(&self, snapshot: Arc<Snapshot>) -> Applier {
        let applier = Applier::new(self.tenant.clone(), snapshot, self.owner.clone());
        applier.yielding(self.yields.clone())
    }

    /// What the release may do with objects that stand in its way.
    pub fn rules(&self) -> Rules<'_> {
        Rules {
            adopt: self.app.spec.adoption == Adoption::Unowned,
            ended: None,
            recreate: &self.app.spec.upgrade.recreate,
        }
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> i64 {
        self.app.metadata.generation.unwrap_or_default()
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.app.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Digest of the parts of the spec that say what is released: chart and values, not how.
    pub fn spec_digest(&self) -> String {
        let spec = &self.app.spec;
        let parts = json!([spec.chart, spec.values, spec.values_from, spec.values_files]);
        format!("sha256:{}", hex(&Sha256::digest(parts.to_string().as_bytes())))
    }

    /// How objects are deleted.
    pub fn propagation(&self) -> kube::api::PropagationPolicy {
        match self.app.spec.uninstall.deletion_propagation {
            DeletionPropagation::Background => kube::api::PropagationPolicy::Background,
            DeletionPropagation::Foreground => kube::api::PropagationPolicy::Foreground,
            DeletionPropagation::Orphan => kube::api::PropagationPolicy::Orphan,
        }
    }

    /// What a change waits for.
    pub fn waits(&self, change: super::revision::Change) -> Waits {
        use super::revision::Change;
        let spec = &self.app.spec;
        let (none, no_jobs) = match change {
            Change::Install => (spec.install.disable_wait, spec.install.disable_wait_for_jobs),
            Change::Upgrade => (spec.upgrade.disable_wait, spec.upgrade.disable_wait_for_jobs),
            Change::Rollback(_) => (spec.rollback.disable_wait, spec.rollback.disable_wait_for_jobs),
            // Nothing of it is there.
            Change::Uninstall => (true, true),
        };
        match (none, no_jobs) {
            (true, _) => Waits::None,
            (false, true) => Waits::NoJobs,
            (false, false) => Waits::All,
        }
    }

    /// Whether the spec turns off the hooks of a change.
    pub fn disables_hooks(&self, change: super::revision::Change) -> bool {
        use super::revision::Change;
        let spec = &self.app.spec;
        match change {
            Change::Install => spec.install.disable_hooks,
            Change::Upgrade => spec.upgrade.disable_hooks,
            Change::Rollback(_) => spec.rollback.disable_hooks,
            Change::Uninstall => spec.uninstall.disable_hooks,
        }
    }

    /// How long objects may take to become ready, or to go.
    pub fn timeout(&self, change: super::revision::Change) -> Duration {
        use super::revision::Change;
        match change {
            Change::Install => self.app.spec.install.timeout.0,
            Change::Upgrade => self.app.spec.upgrade.timeout.0,
            Change::Rollback(_) => self.app.spec.rollback.timeout.0,
            Change::Uninstall => self.app.spec.uninstall.timeout.0,
        }
    }
}
