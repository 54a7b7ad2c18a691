//! What a render asks of the capabilities: the only part of them that its outcome depends on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::capabilities::Capabilities;

/// API versions that are noted one by one. A chart that asks for more counts as one that reads the list.
pub const MAX_QUESTIONS: usize = 64;

/// Questions to the capabilities. While their answers stay the same, so does what a chart makes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// The version of Kubernetes was read.
    pub kube_version: bool,
    /// API versions and kinds that `Has` was called with. Empty when the list was read.
    pub api_versions: BTreeSet<String>,
    /// The list of API versions was read as a whole.
    pub all_api_versions: bool,
}

impl Questions {
    /// Nothing was asked: the outcome is the same on every cluster.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what others have asked.
    pub fn extend(&mut self, other: &Self) {
        self.kube_version |= other.kube_version;
        self.all_api_versions |= other.all_api_versions;
        self.api_versions.extend(other.api_versions.iter().cloned());
        self.bound();
    }

    /// The questions with their answers as one text: equal when nothing that was asked for has changed.
    pub fn answers(&self, capabilities: &Capabilities) -> String {
        let mut text = String::new();
        if self.kube_version {
            let version = &capabilities.kube_version;
            text.push_str(&format!(
                "kube {} {} {}\n",
                version.version, version.major, version.minor
            ));
        }
        if self.all_api_versions {
            for version in &capabilities.api_versions {
                text.push_str(&format!("list {version}\n"));
            }
        }
        for version in &self.api_versions {
            text.push_str(&format!("has {version} {}\n", capabilities.has(version)));
        }
        text
    }

    fn bound(&mut self) {
        if self.api_versions.len() > MAX_QUESTIONS {
            self.all_api_versions = true;
        }
        if self.all_api_versions {
            self.api_versions.clear();
        }
    }
}

/// Notes the questions of one render, and whether it drew random bytes or read the clock.
#[derive(Debug, Default)]
pub struct Asked {
    questions: Mutex<Questions>,
    chance: AtomicBool,
}

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether random bytes or the time were asked for: then only a [`Memo`](super::Memo) gives the same once more.
    pub fn is_left_to_chance(&self) -> bool {
        self.chance.load(Ordering::Relaxed)
    }

    /// Random bytes or the time are asked for.
    pub(super) fn chance(&self) {
        self.chance.store(true, Ordering::Relaxed);
    }

    /// What was asked so far.
    pub fn questions(&self) -> Questions {
        self.lock().clone()
    }

    /// The version of Kubernetes is read.
    pub fn kube_version(&self) {
        self.lock().kube_version = true;
    }

    /// The list of API versions is read.
    pub(super) fn api_versions(&self) {
        let mut questions = self.lock();
        questions.all_api_versions = true;
        questions.bound();
    }

    /// `Has` is called.
    pub(super) fn api_version(&self, version: &str) {
        let mut questions = self.lock();
        // No cluster can serve what is not shaped like one, so that its answer never changes.
        if !questions.all_api_versions && is_api_version(version) {
            questions.api_versions.insert(version.to_owned());
            questions.bound();
        }
    }
}

/// `v1`, `v1/Pod`, `apps/v1` or `apps/v1/Deployment`.
fn is_api_version(text: &str) -> bool {
    const LONGEST: usize = 253 + 63 + 63 + 2;
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut parts = text.split('/');
    let core = text
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let well_formed = parts.all(|part| !part.is_empty() && part.chars().all(of_a_name));
    let slashes = text.matches('/').count();
    text.len() <= LONGEST && well_formed && (slashes == 0 && core || slashes == 1 || slashes == 2)
}
