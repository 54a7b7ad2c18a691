//! Everything that asks or changes a cluster: identities, discovery, apply, prune, CRDs, lookups, pods, watches.

pub mod apply;
pub mod brief;
pub mod content;
pub mod crds;
pub mod discovery;
pub mod error;
pub mod hooks;
pub mod identity;
pub mod lookup;
mod managed_fields;
pub mod owned;
pub mod pods;
pub mod prune;
pub mod retry;
pub mod watches;

pub use error::{Error, Result};
