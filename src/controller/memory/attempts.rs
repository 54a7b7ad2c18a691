//! What was decided about a release, on what ground, and what was tried in vain.

use std::collections::BTreeMap;
use std::sync::Arc;

use helmapp_helm::plan::ObjectId;

use super::references::Reference;
use crate::controller::drift::Correction;

/// What a decision rests on: while it is the same, the decision stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// `metadata.uid` of the HelmApp: one made anew under the name is another.
    pub uid: String,
    /// `metadata.generation` of the HelmApp.
    pub generation: i64,
    /// What asks for random values to be made anew.
    pub renewal: Option<Box<str>>,
    /// resourceVersions of the objects that the spec names, by kind and name.
    pub references: Vec<(Reference, Option<String>)>,
    /// Newest revision and its resourceVersion.
    pub newest: Option<(i64, String)>,
    /// Digest of the cluster's answers to what the chart asked.
    pub capabilities: Arc<str>,
}

/// The last decision, and failures and corrections in a row.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Of the last decision; `None` when it has to be made again.
    pub(super) basis: Option<Basis>,
    failures: u32,
    /// Corrections of objects, and the generation of the HelmApp that they are counted for.
    corrections: (i64, BTreeMap<ObjectId, Correction>),
}

impl Attempts {
    /// Counts a failure; returns how many there were in a row.
    pub(super) fn failed(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Ends a row of failures.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The corrections of an object; a new generation begins anew.
    pub(super) fn correction(&mut self, id: &ObjectId, generation: i64) -> Correction {
        let (counted, corrections) = &mut self.corrections;
        if *counted != generation {
            *counted = generation;
            corrections.clear();
        }
        corrections.get(id).cloned().unwrap_or_default()
    }

    /// Remembers the corrections of an object.
    pub(super) fn corrected(&mut self, id: &ObjectId, correction: Correction) {
        self.corrections.1.insert(id.clone(), correction);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn failures_count_until_one_success() {
        let mut attempts = Attempts::default();
        assert_eq!((attempts.failed(), attempts.failed()), (1, 2));
        attempts.succeeded();
        assert_eq!(attempts.failed(), 1);
    }

    #[test]
    fn corrections_are_counted_for_one_generation() {
        let id = ObjectId {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "web".into(),
            name: "c".into(),
        };
        let mut attempts = Attempts::default();
        let mut correction = attempts.correction(&id, 1);
        correction.made(Instant::now(), "", "");
        attempts.corrected(&id, correction.clone());
        assert_eq!(attempts.correction(&id, 1), correction);
        assert_eq!(attempts.correction(&id, 2), Correction::default());
    }
}
