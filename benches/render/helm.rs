//! Helm's side: the judge of tests/oracle, which times Helm's own packages in its own process.

use std::path::Path;

use helmapp_oracle::helm::{Answer, Case};
use helmapp_oracle::{Oracle, Program};

use crate::charts::{KUBE_VERSION, NAMESPACE, RELEASE, What};

pub(crate) fn start() -> Oracle {
    Oracle::start(Program::Helm3)
}

/// Loads the chart anew, runs the work once to warm up, then so often with the clock running.
pub(crate) fn time(helm: &mut Oracle, path: &Path, what: What, count: u64) -> Answer {
    let answer: Answer = helm.ask(&Case {
        op: "time".to_owned(),
        path: path.to_string_lossy().into_owned(),
        name: RELEASE.to_owned(),
        namespace: NAMESPACE.to_owned(),
        kube_version: KUBE_VERSION.to_owned(),
        what: what.of_helm().to_owned(),
        count,
        ..Case::default()
    });
    assert!(answer.err.is_empty(), "{}: {}", path.display(), answer.err);
    answer
}
