//! The controller: from a HelmApp to its release.

pub mod values;
