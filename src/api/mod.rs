//! The HelmApp API, `helmapp.io/v1alpha1`: the contract with users.
//!
//! `crds/helmapp.io_helmapps.yaml` is made from these types; a test keeps the two equal.

mod chart;
pub mod conditions;
mod crd;
mod drift;
mod duration;
mod health;
mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    chart::{ChartReference, ChartSource, ValuesKind, ValuesReference},
    crd::{crd, crd_yaml},
    drift::{DriftDetection, DriftIgnore, DriftMode, DriftTarget},
    duration::{Duration, ParseError as DurationError},
    health::HealthCheckExpr,
    status::{
        AskedStatus, Attempt, ChartStatus, FieldConflict, HelmAppStatus, HistoryEntry, InventoryEntry,
        MAX_CAUSE, MAX_CONFLICTS, MAX_HISTORY, MAX_INVENTORY, MAX_MESSAGE, MAX_TESTS, MadeBy, ReleaseStatus,
        RollbackStatus, TestRun, TestStatus,
    },
};

pub const GROUP: &str = "helmapp.io";
pub const VERSION: &str = "v1alpha1";
pub const KIND: &str = "HelmApp";

/// On a HelmApp from before the first object is written until the last one is gone.
pub const FINALIZER: &str = "helmapp.io/uninstall";

/// Annotation of a HelmApp. While it is "true", the deletion of the HelmApp ends although not all objects could be
/// deleted: what is refused is left in the cluster.
pub const LEAVE_BEHIND: &str = "helmapp.io/leave-behind";
/// Annotation of a HelmApp: each new value of it has the chart's random values made anew.
pub const RENEW: &str = "helmapp.io/renew";
/// Annotation of a HelmApp: each new value of it has the tests of the deployed revision run.
pub const TEST: &str = "helmapp.io/test";

/// An application that is installed from a Helm chart and kept as the chart and the values say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "helmapp.io",
    version = "v1alpha1",
    kind = "HelmApp",
    plural = "helmapps",
    shortname = "ha",
    namespaced,
    status = "HelmAppStatus",
    derive = "PartialEq",
    doc = "An application that is installed from a Helm chart and kept as the chart and the values say.",
    printcolumn(name = "Chart", type_ = "string", json_path = ".status.chart.name"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.chart.version"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.release.revision"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must be at most 63 characters: it is the value of a label on every object of the release"),
    validation = Rule::new("(has(self.spec.releaseName) ? self.spec.releaseName : self.metadata.name) == (has(oldSelf.spec.releaseName) ? oldSelf.spec.releaseName : oldSelf.metadata.name)")
        .message("spec.releaseName can not be changed: delete this HelmApp and create one with the new name"),
)]
#[x_kube(validation = Rule::new("has(self.targetNamespace) == has(oldSelf.targetNamespace) && (!has(self.targetNamespace) || self.targetNamespace == oldSelf.targetNamespace)")
    .message("spec.targetNamespace can not be changed: delete this HelmApp and create one with the new namespace"))]
pub struct HelmAppSpec {
    /// Where the chart comes from.
    pub chart: ChartSource,
    /// The release's name. Default: the HelmApp's name. Can not be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 53),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub release_name: Option<String>,
    /// The namespace of the release. Default: the HelmApp's namespace. Can not be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub target_namespace: Option<String>,
    /// Create the target namespace when it is not there. It is never deleted.
    #[serde(default)]
    pub create_namespace: bool,
    /// The ServiceAccount of the HelmApp's namespace whose rights the release has. Default: the operator's
    /// setting, else the operator's own rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Values for the chart; they win over valuesFrom without targetPath and over valuesFiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "values")]
    pub values: Option<Map<String, Value>>,
    /// Values from ConfigMaps and Secrets of the HelmApp's namespace. Those without targetPath are merged in
    /// order, then values, then those with targetPath, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub values_from: Vec<ValuesReference>,
    /// Values files in the chart, merged in order before valuesFrom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub values_files: Vec<String>,
    #[serde(default)]
    pub install: InstallSpec,
    #[serde(default)]
    pub upgrade: UpgradeSpec,
    #[serde(default)]
    pub rollback: RollbackSpec,
    #[serde(default)]
    pub uninstall: UninstallSpec,
    /// What is done with objects of the chart that are in the cluster already and belong to no release: refuse changes
    /// nothing and says so; unowned takes them over, also those of releases that are gone. What another release has is
    /// never taken.
    #[serde(default)]
    pub adoption: Adoption,
    #[serde(default)]
    pub field_conflicts: FieldConflictsSpec,
    #[serde(default)]
    pub test: TestSpec,
    #[serde(default)]
    pub drift_detection: DriftDetection,
    /// How objects of kinds are doing that say it in a way of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub health_check_exprs: Vec<HealthCheckExpr>,
    /// Revisions to keep; 0 keeps all of them.
    #[serde(default = "default_max_history")]
    #[schemars(with = "i32", range(min = 0, max = 10000))]
    pub max_history: u32,
    /// Change nothing until this is false again. Deleting a suspended HelmApp uninstalls it.
    #[serde(default)]
    pub suspend: bool,
}

/// How the first revision is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallSpec {
    /// How long the objects may take to become ready, and each hook to end.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Deploy the revision once its objects are applied, whether they are ready or not. The condition Healthy tells how
    /// they are doing.
    #[serde(default)]
    pub disable_wait: bool,
    /// Do not wait for Jobs to complete.
    #[serde(default)]
    pub disable_wait_for_jobs: bool,
    /// Do not run pre-install and post-install hooks.
    #[serde(default)]
    pub disable_hooks: bool,
    /// What is done with the chart's crds/: Skip nothing; Create makes those that are not there; CreateReplace also
    /// replaces those that are, as long as every version that objects are stored in stays. None is ever deleted. It
    /// holds until the first revision is deployed.
    #[serde(default = "crds_of_install")]
    pub crds: CrdsPolicy,
    #[serde(default)]
    pub remediation: InstallRemediation,
}

/// How later revisions are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeSpec {
    /// How long the objects may take to become ready, and each hook to end.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Deploy the revision once its objects are applied, whether they are ready or not. The condition Healthy tells how
    /// they are doing.
    #[serde(default)]
    pub disable_wait: bool,
    /// Do not wait for Jobs to complete.
    #[serde(default)]
    pub disable_wait_for_jobs: bool,
    /// Do not run pre-upgrade and post-upgrade hooks.
    #[serde(default)]
    pub disable_hooks: bool,
    #[serde(default)]
    pub remediation: UpgradeRemediation,
    /// What is done with the chart's crds/, as in install.crds.
    #[serde(default = "crds_of_upgrade")]
    pub crds: CrdsPolicy,
    /// Kinds whose objects are deleted and made anew where a field changes that can not be changed: Deployment, or
    /// Widget.example.com. Jobs are so without being named. The pods and the claims of a StatefulSet stay. Objects
    /// that can hold data are never deleted for it. It holds for rollbacks as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub recreate: Vec<String>,
}

/// What is done with the chart's crds/.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CrdsPolicy {
    Skip,
    Create,
    CreateReplace,
}

/// What is done with objects that are in the cluster already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adoption {
    #[default]
    Refuse,
    Unowned,
}

/// What is done with fields that others have set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldConflictsSpec {
    /// Field managers whose fields are left to them, besides those of the operator's setting: MANAGER, or
    /// MANAGER/SUBRESOURCE for what is set by a subresource, such as vpa-updater or keda/scale; a star at the end stands
    /// for anything. Fields of all others are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 128), regex(pattern = r"^[^/]+(/[^/]+)?$"))
    )]
    pub yield_to: Vec<String>,
}

/// What follows a failed install.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallRemediation {
    /// How often what failed is tried again, each time after a longer while; -1 for as often as it takes. What fails for
    /// something that passes by itself is tried again without being counted.
    #[serde(default)]
    #[schemars(range(min = -1, max = 1000))]
    pub retries: i32,
    /// What is done before a retry. none leaves what the failed revision made; uninstall deletes it, in a revision of its
    /// own, but what can hold data and what was there before.
    #[serde(default)]
    pub strategy: InstallRemediationStrategy,
    /// Whether that is done as well when nothing is tried again.
    #[serde(default = "default_remediate_last_failure")]
    pub remediate_last_failure: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstallRemediationStrategy {
    #[default]
    None,
    Uninstall,
}

/// What follows a failed upgrade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// How often what failed is tried again, as in install.remediation.retries.
    #[serde(default)]
    #[schemars(range(min = -1, max = 1000))]
    pub retries: i32,
    /// What is done before a retry. none leaves the failed revision; rollback makes a new revision from the last deployed
    /// one; uninstall deletes the release, as in install.remediation.strategy, and a retry installs it anew.
    #[serde(default)]
    pub strategy: RemediationStrategy,
    /// Whether that is done as well when nothing is tried again.
    #[serde(default = "default_remediate_last_failure")]
    pub remediate_last_failure: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemediationStrategy {
    #[default]
    None,
    Rollback,
    Uninstall,
}

/// Going back to an earlier revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackSpec {
    /// Bring this revision's stored objects back as a new revision. It stays until this field goes or the
    /// chart or the values change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub to_revision: Option<i64>,
    /// How long the objects may take to become ready, and each hook to end.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Deploy the revision once its objects are applied, whether they are ready or not. The condition Healthy tells how
    /// they are doing.
    #[serde(default)]
    pub disable_wait: bool,
    /// Do not wait for Jobs to complete.
    #[serde(default)]
    pub disable_wait_for_jobs: bool,
    /// Do not run pre-rollback and post-rollback hooks.
    #[serde(default)]
    pub disable_hooks: bool,
}

/// The chart's tests: its hooks for the event test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestSpec {
    /// Run the tests of each new revision once its objects are ready. One that fails fails the revision.
    #[serde(default)]
    pub enable: bool,
    /// How long each test may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// A test that fails is said in the condition TestSucceeded, and is no failure of the revision.
    #[serde(default)]
    pub ignore_failures: bool,
    /// Which tests run. Default: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub filters: Vec<TestFilter>,
}

/// A test that runs, or does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestFilter {
    /// Name of the test's object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Leave this test out. Where a filter without this is, only those that are named run.
    #[serde(default)]
    pub exclude: bool,
}

/// What happens when the HelmApp is deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UninstallSpec {
    /// How long the objects may take to go before the HelmApp says that they are late.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Do not run pre-delete and post-delete hooks.
    #[serde(default)]
    pub disable_hooks: bool,
    /// Keep the release's Secrets, marked as uninstalled.
    #[serde(default)]
    pub keep_history: bool,
    /// What happens to what the objects own, such as a Deployment's pods: background and foreground delete it, after
    /// them or before them; orphan leaves it.
    #[serde(default)]
    pub deletion_propagation: DeletionPropagation,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeletionPropagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(300)
}

const fn crds_of_install() -> CrdsPolicy {
    CrdsPolicy::Create
}

const fn crds_of_upgrade() -> CrdsPolicy {
    CrdsPolicy::Skip
}

const fn default_max_history() -> u32 {
    10
}

const fn default_remediate_last_failure() -> bool {
    true
}

impl Default for InstallRemediation {
    fn default() -> Self {
        Self {
            retries: 0,
            strategy: InstallRemediationStrategy::default(),
            remediate_last_failure: default_remediate_last_failure(),
        }
    }
}

impl Default for UpgradeRemediation {
    fn default() -> Self {
        Self {
            retries: 0,
            strategy: RemediationStrategy::default(),
            remediate_last_failure: default_remediate_last_failure(),
        }
    }
}

impl Default for InstallSpec {
    fn default() -> Self {
        Self {
            timeout: default_timeout(),
            disable_wait: false,
            disable_wait_for_jobs: false,
            disable_hooks: false,
            crds: crds_of_install(),
            remediation: InstallRemediation::default(),
        }
    }
}

impl Default for UpgradeSpec {
    fn default() -> Self {
        Self {
            timeout: default_timeout(),
            disable_wait: false,
            disable_wait_for_jobs: false,
            disable_hooks: false,
            remediation: UpgradeRemediation::default(),
            crds: crds_of_upgrade(),
            recreate: Vec::new(),
        }
    }
}

impl Default for RollbackSpec {
    fn default() -> Self {
        Self {
            to_revision: None,
            timeout: default_timeout(),
            disable_wait: false,
            disable_wait_for_jobs: false,
            disable_hooks: false,
        }
    }
}

impl Default for TestSpec {
    fn default() -> Self {
        Self {
            enable: false,
            timeout: default_timeout(),
            ignore_failures: false,
            filters: Vec::new(),
        }
    }
}

impl Default for UninstallSpec {
    fn default() -> Self {
        Self {
            timeout: default_timeout(),
            disable_hooks: false,
            keep_history: false,
            deletion_propagation: DeletionPropagation::default(),
        }
    }
}

fn values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

impl HelmApp {
    /// The HelmApp's own namespace.
    pub fn home(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub fn release_name(&self) -> &str {
        self.spec
            .release_name
            .as_deref()
            .or(self.metadata.name.as_deref())
            .unwrap_or_default()
    }

    pub fn target_namespace(&self) -> &str {
        self.spec
            .target_namespace
            .as_deref()
            .unwrap_or_else(|| self.home())
    }

    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status
            .as_ref()?
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    }

    /// The value of [`RENEW`], where it has one.
    pub fn renewal(&self) -> Option<&str> {
        let value = self.annotations().get(RENEW)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of [`TEST`], where it has one.
    pub fn asks_tests(&self) -> Option<&str> {
        let value = self.annotations().get(TEST)?;
        // Status has it too, and its texts have an end.
        Some(value.as_str()).filter(|value| !value.is_empty() && value.len() <= 253)
    }

    /// Whether [`LEAVE_BEHIND`] is set.
    pub fn leaves_behind(&self) -> bool {
        self.annotations()
            .get(LEAVE_BEHIND)
            .is_some_and(|value| value == "true")
    }

    pub fn has_finalizer(&self) -> bool {
        self.finalizers().iter().any(|name| name == FINALIZER)
    }
}
