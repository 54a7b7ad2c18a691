//! Condition types and reasons: the only place where they are written down. Status, events, metrics and
//! documentation use these.

/// Everything asked for is there and healthy.
pub const READY: &str = "Ready";
/// Work is under way (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Nothing more will be tried until an input changes (kstatus).
pub const STALLED: &str = "Stalled";
/// The newest revision was applied.
pub const RELEASED: &str = "Released";
/// The release's objects are healthy.
pub const HEALTHY: &str = "Healthy";
/// The tests of the newest revision passed.
pub const TEST_SUCCEEDED: &str = "TestSucceeded";
/// Objects in the cluster differ from the release.
pub const DRIFTED: &str = "Drifted";
/// A failed release was answered by the remediation strategy.
pub const REMEDIATED: &str = "Remediated";

/// In the order in which status lists them.
pub const TYPES: [&str; 8] = [
    READY,
    RECONCILING,
    STALLED,
    RELEASED,
    HEALTHY,
    TEST_SUCCEEDED,
    DRIFTED,
    REMEDIATED,
];

/// Machine-readable causes of conditions and events. Names are Flux's where it has the thing.
pub mod reason {
    pub const INSTALL_SUCCEEDED: &str = "InstallSucceeded";
    pub const INSTALL_FAILED: &str = "InstallFailed";
    pub const UPGRADE_SUCCEEDED: &str = "UpgradeSucceeded";
    pub const UPGRADE_FAILED: &str = "UpgradeFailed";
    pub const ROLLBACK_SUCCEEDED: &str = "RollbackSucceeded";
    pub const ROLLBACK_FAILED: &str = "RollbackFailed";
    pub const UNINSTALL_SUCCEEDED: &str = "UninstallSucceeded";
    pub const UNINSTALL_FAILED: &str = "UninstallFailed";

    /// The chart could not be had: a passing failure of the network or of a server.
    pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
    /// Values or a reference to values can not be used.
    pub const VALUES_ERROR: &str = "ValuesError";
    pub const DRIFT_DETECTED: &str = "DriftDetected";
    pub const DRIFT_CORRECTED: &str = "DriftCorrected";
    pub const NO_DRIFT: &str = "NoDriftDetected";
    /// The operator lacks the right to watch kinds of the release's objects.
    pub const NOT_WATCHED: &str = "NotWatched";

    pub const CHART_NOT_FOUND: &str = "ChartNotFound";
    pub const CHART_INVALID: &str = "ChartInvalid";
    pub const CHART_TOO_LARGE: &str = "ChartTooLarge";
    pub const RENDER_FAILED: &str = "RenderFailed";
    pub const SCHEMA_VIOLATION: &str = "SchemaViolation";
    pub const UNKNOWN_KIND: &str = "UnknownKind";
    pub const FORBIDDEN: &str = "Forbidden";
    pub const IMMUTABLE_FIELD: &str = "ImmutableField";
    pub const OBJECT_INVALID: &str = "ObjectInvalid";
    pub const MANIFEST_AMBIGUOUS: &str = "ManifestAmbiguous";
    pub const RELEASE_NAME_INVALID: &str = "ReleaseNameInvalid";
    pub const RELEASE_CLAIMED: &str = "ReleaseClaimed";
    pub const ADOPTION_REFUSED: &str = "AdoptionRefused";
    pub const PENDING_ELSEWHERE: &str = "PendingElsewhere";
    pub const REVISION_NOT_FOUND: &str = "RevisionNotFound";
    pub const NAMESPACE_NOT_FOUND: &str = "NamespaceNotFound";
    pub const SUSPENDED: &str = "Suspended";
    pub const PROGRESSING: &str = "Progressing";
    /// The API server failed in a way that passes.
    pub const API_UNAVAILABLE: &str = "APIUnavailable";
    pub const TEST_SUCCEEDED: &str = "TestSucceeded";
    pub const TEST_FAILED: &str = "TestFailed";
    /// What the pods of a hook wrote.
    pub const HOOK_OUTPUT: &str = "HookOutput";
    pub const HEALTH_CHECK_SUCCEEDED: &str = "HealthCheckSucceeded";
    pub const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
    /// An expression of spec.healthCheckExprs can not be used.
    pub const INVALID_CEL_EXPRESSION: &str = "InvalidCELExpression";
    /// A rule of spec.driftDetection.ignore can not be used.
    pub const INVALID_IGNORE_RULE: &str = "InvalidIgnoreRule";
    pub const TIMED_OUT: &str = "TimedOut";

    /// The record of a revision does not fit into a Secret.
    pub const RECORD_TOO_LARGE: &str = "RecordTooLarge";
    /// The record of a revision, or the manifest in it, can not be read.
    pub const RECORD_INVALID: &str = "RecordInvalid";

    /// Every reason, for tests and for metrics that must stay bounded.
    pub const ALL: [&str; 43] = [
        INSTALL_SUCCEEDED,
        INSTALL_FAILED,
        UPGRADE_SUCCEEDED,
        UPGRADE_FAILED,
        ROLLBACK_SUCCEEDED,
        ROLLBACK_FAILED,
        UNINSTALL_SUCCEEDED,
        UNINSTALL_FAILED,
        ARTIFACT_FAILED,
        VALUES_ERROR,
        DRIFT_DETECTED,
        DRIFT_CORRECTED,
        NO_DRIFT,
        NOT_WATCHED,
        CHART_NOT_FOUND,
        CHART_INVALID,
        CHART_TOO_LARGE,
        RENDER_FAILED,
        SCHEMA_VIOLATION,
        UNKNOWN_KIND,
        FORBIDDEN,
        IMMUTABLE_FIELD,
        OBJECT_INVALID,
        MANIFEST_AMBIGUOUS,
        RELEASE_NAME_INVALID,
        RELEASE_CLAIMED,
        ADOPTION_REFUSED,
        PENDING_ELSEWHERE,
        REVISION_NOT_FOUND,
        NAMESPACE_NOT_FOUND,
        SUSPENDED,
        PROGRESSING,
        API_UNAVAILABLE,
        TEST_SUCCEEDED,
        TEST_FAILED,
        HOOK_OUTPUT,
        HEALTH_CHECK_SUCCEEDED,
        HEALTH_CHECK_FAILED,
        INVALID_CEL_EXPRESSION,
        INVALID_IGNORE_RULE,
        TIMED_OUT,
        RECORD_TOO_LARGE,
        RECORD_INVALID,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_api_server_accepts() {
        for name in TYPES.iter().chain(reason::ALL.iter()) {
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name:?}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name:?}");
        }
    }

    #[test]
    fn no_reason_twice() {
        let mut names = reason::ALL.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), reason::ALL.len());
    }
}
