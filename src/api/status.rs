//! `status` of a HelmApp: what was observed, never a secret's value.

use helmapp_helm::render::MAX_QUESTIONS;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Revisions listed in status; the release Secrets hold the rest.
pub const MAX_HISTORY: usize = 10;
/// Longest cause of a revision, in bytes.
pub const MAX_CAUSE: usize = 256;
/// Objects listed in status; `inventoryTotal` counts all of them.
pub const MAX_INVENTORY: usize = 200;
/// Tests listed in status.
pub const MAX_TESTS: usize = 64;
/// Fields in status that others have set otherwise.
pub const MAX_CONFLICTS: usize = 20;
/// Longest message of a condition, in bytes (the API's own maximum is 32768).
pub const MAX_MESSAGE: usize = 4096;

/// Observed state of a HelmApp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmAppStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Released, Healthy, TestSucceeded, Drifted and Remediated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The chart in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartStatus>,
    /// The release and its newest revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseStatus>,
    /// The newest revisions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_HISTORY))]
    pub history: Vec<HistoryEntry>,
    /// Objects of the newest applied revision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_INVENTORY))]
    pub inventory: Vec<InventoryEntry>,
    /// How many objects the release has, listed or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory_total: Option<i64>,
    /// Digest of who owns which fields of the objects: while it is the same, nobody has changed them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory_digest: Option<String>,
    /// Fields of the release's objects that others had set otherwise when the newest revision was applied, or have
    /// since: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_CONFLICTS))]
    pub conflicts: Vec<FieldConflict>,
    /// The rollback asked for by spec.rollback.toRevision that has been carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
    /// The last tests that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestStatus>,
    /// Failed attempts since the last success.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: i64,
    /// The last attempt to change the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted: Option<Attempt>,
    /// What charts asked of the cluster's version and kinds when they were rendered. Other kinds that come or go
    /// are no reason to render again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub asked: Vec<AskedStatus>,
}

/// What one rendering asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedStatus {
    /// Digest of everything that it was made from.
    pub input_digest: String,
    /// It read the version of Kubernetes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kube_version: bool,
    /// API versions and kinds that it asked for one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_QUESTIONS))]
    pub api_versions: Vec<String>,
    /// It read the list of all API versions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub all_api_versions: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartStatus {
    pub name: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Digest of the chart's content, `sha256:…`.
    pub digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    pub name: String,
    pub namespace: String,
    pub revision: i64,
    /// Helm's word: deployed, failed, pending-install, pending-upgrade, pending-rollback, uninstalling, …
    pub status: String,
    /// Digest of everything that the newest revision was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_digest: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub revision: i64,
    /// Helm's word for the revision's state.
    pub status: String,
    pub chart_name: String,
    pub chart_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Digest of everything that the revision was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_digest: Option<String>,
    /// Digest of the chart's content, `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_digest: Option<String>,
    /// The same for two revisions of the release that have the same values. Values can't be guessed from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_digest: Option<String>,
    /// The same for two revisions of the release that have the same manifest and hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// Who made the revision: HelmApp, or Other for Helm's CLI and all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
    /// Why: what of the HelmApp and of what it refers to had changed, or what it remedies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_CAUSE))]
    pub cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub updated: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Who made a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MadeBy {
    /// The operator, for the HelmApp.
    HelmApp,
    /// Helm's CLI, or another program.
    Other,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Ready, Progressing, Failed or Missing; absent where it has not been looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// A hook made it; it goes with the release.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hook: bool,
}

/// A field that another manager has set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldConflict {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    /// The field, such as spec.replicas.
    pub field: String,
    /// Who has set it.
    pub manager: String,
    /// By which subresource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// Taken by the release, or Yielded to the manager.
    pub resolution: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// The revision that was asked for.
    pub to_revision: i64,
    /// The revision that it became.
    pub revision: i64,
    /// Digest of spec.chart and values at that time: while it is the same, the rollback stands.
    pub spec_digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestStatus {
    /// The revision that was tested.
    pub revision: i64,
    /// What the annotation helmapp.io/test was when they ran that it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub asked: Option<String>,
    /// The tests that ran, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_TESTS))]
    pub tests: Vec<TestRun>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestRun {
    pub kind: String,
    pub name: String,
    /// Helm's word: Succeeded, Failed, Running or Unknown.
    pub phase: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub started: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub completed: Option<Time>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Digest of everything that the attempt was made from.
    pub input_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub time: Option<Time>,
    /// Reason of the failure; absent when the attempt succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many revisions from the same have failed, one after the other.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    #[schemars(with = "i32", range(min = 0))]
    pub failures: u32,
    /// What made it fail passes by itself: it is tried again without being counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passes: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

fn is_none_yet(value: &u32) -> bool {
    *value == 0
}

fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "type": "string", "maxLength": 316 },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": { "type": "string", "maxLength": 32768 }
            }
        }
    })
}
