//! `spec.healthCheckExprs`: when objects of a kind are healthy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Expressions in CEL that say how objects of a kind are doing, instead of the built-in rules. The top-level fields of
/// the object are variables. The first of inProgress, failed and current that is true counts; where none is, the object is
/// in progress, as it is until status.observedGeneration is its newest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckExpr {
    /// API group and version of the kind. The version does not matter.
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// The kind. Default: all kinds of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// True when the object is ready.
    #[schemars(length(min = 1, max = 2048))]
    pub current: String,
    /// True while the object is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub in_progress: Option<String>,
    /// True when the object will not become ready: nothing more is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub failed: Option<String>,
}
