//! Hooks as release records keep them, and the annotations that make an object a hook.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Time;

/// Names the events an object is a hook for, separated by commas.
pub const HOOK_ANNOTATION: &str = "helm.sh/hook";
/// The hook's place among the hooks of its event: an integer, 0 when absent or not one.
pub const HOOK_WEIGHT_ANNOTATION: &str = "helm.sh/hook-weight";
/// When the hook's object is deleted, separated by commas.
pub const HOOK_DELETE_ANNOTATION: &str = "helm.sh/hook-delete-policy";
/// When the logs of the hook's pods are shown, separated by commas.
pub const HOOK_OUTPUT_LOG_ANNOTATION: &str = "helm.sh/hook-output-log-policy";

/// When a hook runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HookEvent {
    /// Before the first object of an install.
    PreInstall,
    /// After an install's objects are ready.
    PostInstall,
    /// Before an uninstall deletes anything.
    PreDelete,
    /// After an uninstall.
    PostDelete,
    /// Before an upgrade changes anything.
    PreUpgrade,
    /// After an upgrade's objects are ready.
    PostUpgrade,
    /// Before a rollback changes anything.
    PreRollback,
    /// After a rollback.
    PostRollback,
    /// On request (`helm test`).
    Test,
    /// An event of a record that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl HookEvent {
    /// The event's name, as annotations and records have it.
    pub fn as_str(&self) -> &str {
        match self {
            HookEvent::PreInstall => "pre-install",
            HookEvent::PostInstall => "post-install",
            HookEvent::PreDelete => "pre-delete",
            HookEvent::PostDelete => "post-delete",
            HookEvent::PreUpgrade => "pre-upgrade",
            HookEvent::PostUpgrade => "post-upgrade",
            HookEvent::PreRollback => "pre-rollback",
            HookEvent::PostRollback => "post-rollback",
            HookEvent::Test => "test",
            HookEvent::Other(name) => name,
        }
    }

    /// The event an annotation names, after trimming and lowering; `test-success` is Helm 2's name of `test`.
    pub fn from_annotation(name: &str) -> Option<HookEvent> {
        Some(match name {
            "pre-install" => HookEvent::PreInstall,
            "post-install" => HookEvent::PostInstall,
            "pre-delete" => HookEvent::PreDelete,
            "post-delete" => HookEvent::PostDelete,
            "pre-upgrade" => HookEvent::PreUpgrade,
            "post-upgrade" => HookEvent::PostUpgrade,
            "pre-rollback" => HookEvent::PreRollback,
            "post-rollback" => HookEvent::PostRollback,
            "test" | "test-success" => HookEvent::Test,
            _ => return None,
        })
    }
}

/// When a hook's object is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HookDeletePolicy {
    /// After the hook succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// Before the hook is created again; what Helm does when no policy is given.
    BeforeHookCreation,
    /// Any other text; Helm stores it and acts on none.
    #[serde(untagged)]
    Other(String),
}

impl HookDeletePolicy {
    /// The policy an annotation names, after trimming and lowering.
    pub fn from_annotation(name: &str) -> HookDeletePolicy {
        match name {
            "hook-succeeded" => HookDeletePolicy::HookSucceeded,
            "hook-failed" => HookDeletePolicy::HookFailed,
            "before-hook-creation" => HookDeletePolicy::BeforeHookCreation,
            other => HookDeletePolicy::Other(other.to_owned()),
        }
    }
}

/// When the logs of a hook's pods are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HookOutputLogPolicy {
    /// After the hook succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// Any other text; Helm stores it and acts on none.
    #[serde(untagged)]
    Other(String),
}

impl HookOutputLogPolicy {
    /// The policy an annotation names, after trimming and lowering.
    pub fn from_annotation(name: &str) -> HookOutputLogPolicy {
        match name {
            "hook-succeeded" => HookOutputLogPolicy::HookSucceeded,
            "hook-failed" => HookOutputLogPolicy::HookFailed,
            other => HookOutputLogPolicy::Other(other.to_owned()),
        }
    }
}

/// One hook of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template it came from, with the charts' names.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The object's text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The events it runs at.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::null_default"
    )]
    pub events: Vec<HookEvent>,
    /// The last run.
    pub last_run: HookExecution,
    /// Its place among the hooks of an event: lower ones first.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub weight: i64,
    /// When its object is deleted; empty means before-hook-creation.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::null_default"
    )]
    pub delete_policies: Vec<HookDeletePolicy>,
    /// When its pods' logs are shown.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::null_default"
    )]
    pub output_log_policies: Vec<HookOutputLogPolicy>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Hook {
    /// Whether the hook runs at this event.
    pub fn runs_at(&self, event: &HookEvent) -> bool {
        self.events.contains(event)
    }

    /// Whether its object is deleted at that moment. Without a policy it is deleted before it is made again; a
    /// CustomResourceDefinition never is.
    pub fn is_deleted(&self, at: &HookDeletePolicy) -> bool {
        let listed = match self.delete_policies.as_slice() {
            [] => *at == HookDeletePolicy::BeforeHookCreation,
            policies => policies.contains(at),
        };
        listed && self.kind != "CustomResourceDefinition"
    }

    /// Whether the logs of its pods are shown then.
    pub fn shows_logs(&self, after: &HookOutputLogPolicy) -> bool {
        self.output_log_policies.contains(after)
    }
}

/// A hook's last run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookExecution {
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub completed_at: Time,
    /// How it went.
    pub phase: HookPhase,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a hook's run went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HookPhase {
    /// It never ran.
    #[default]
    #[serde(rename = "")]
    Never,
    /// Its state could not be found out.
    Unknown,
    /// It is running.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// A phase of a record that this version does not know.
    #[serde(untagged)]
    Other(String),
}
