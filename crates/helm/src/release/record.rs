//! The release record: the JSON that Helm keeps of every revision (`pkg/release` of Helm 3 and 4).
//!
//! Fields stand in Helm's order. Fields this version does not know are kept and written again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{ChartRecord, Hook, Time};

/// One revision of a release. [`super::encode`] writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// Its state and times.
    pub info: Info,
    /// The chart, shared between the releases that use it.
    #[serde(deserialize_with = "shared")]
    pub chart: Arc<ChartRecord>,
    /// The user's values.
    #[serde(deserialize_with = "super::null_default")]
    pub config: Map<String, Value>,
    /// The rendered objects without hooks.
    pub manifest: String,
    /// The rendered hooks.
    #[serde(deserialize_with = "super::null_default")]
    pub hooks: Vec<Hook>,
    /// The revision, from 1.
    pub version: i64,
    /// The release's namespace.
    pub namespace: String,
    /// How the objects were applied; absent means client-side (Helm 4's field).
    pub apply_method: Option<ApplyMethod>,
    /// The user's labels of the Secret; not part of the record.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a release's objects were applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ApplyMethod {
    /// Server-side apply.
    #[serde(rename = "ssa")]
    ServerSide,
    /// Client-side apply.
    #[serde(rename = "csa")]
    ClientSide,
    /// A method that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// State and times of a revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// When revision 1 was made.
    pub first_deployed: Time,
    /// When this revision was made.
    pub last_deployed: Time,
    /// When it was uninstalled.
    pub deleted: Time,
    /// One sentence about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its state.
    pub status: Status,
    /// The revision a rollback went back to (Helm 4's field); 0 when this revision is no rollback.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub rollback_revision: i64,
    /// The rendered NOTES.txt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The state of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// Nobody knows.
    #[default]
    Unknown,
    /// The newest one that works.
    Deployed,
    /// Uninstalled, history kept.
    Uninstalled,
    /// An older revision.
    Superseded,
    /// It failed.
    Failed,
    /// Being uninstalled.
    Uninstalling,
    /// Being installed.
    PendingInstall,
    /// Being upgraded to.
    PendingUpgrade,
    /// Being rolled back to.
    PendingRollback,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Status {
    /// The state's name, as records and labels carry it.
    pub fn as_str(&self) -> &str {
        match self {
            Status::Unknown => "unknown",
            Status::Deployed => "deployed",
            Status::Uninstalled => "uninstalled",
            Status::Superseded => "superseded",
            Status::Failed => "failed",
            Status::Uninstalling => "uninstalling",
            Status::PendingInstall => "pending-install",
            Status::PendingUpgrade => "pending-upgrade",
            Status::PendingRollback => "pending-rollback",
            Status::Other(name) => name,
        }
    }

    /// Whether an action is under way (or died).
    pub fn is_pending(&self) -> bool {
        matches!(
            self,
            Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback
        )
    }
}

fn shared<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<ChartRecord>, D::Error> {
    Ok(Arc::new(super::null_default(d)?))
}
