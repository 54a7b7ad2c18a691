//! YAML exactly as go-yaml and `sigs.k8s.io/yaml` read and write it.
//!
//! Kubernetes' tools and Helm read YAML 1.1 with Go's libraries, and their ways are the format: `on` is a
//! boolean and `0644` is 420, merge keys override, keys sort `b2` before `b10`, `yes` is written quoted. This
//! crate reads and writes the same bytes, and fails with the same words.
//!
//! - [`sigs`] is `sigs.k8s.io/yaml` v1.6: YAML to JSON values and back.
//! - [`from_str`] and [`documents`] give a [`Value`] as go-yaml v2 decodes it.
//! - [`decode_text`] makes text of a file's bytes.
//! - [`build`] decodes straight into the caller's own types by a [`Builder`].
//! - [`Emitter`] writes while the caller walks its own values; [`v3`] has go-yaml v3's style.
//!
//! Reading obeys [`Limits`], and no input makes it panic or recurse without bound.

mod emit;
mod error;
mod gosyntax;
mod limits;
mod number;
mod read;
mod resolve;
pub mod sigs;
mod timestamp;
pub mod v3;
mod value;

pub use emit::{Emitter, natural_cmp, natural_cmp_v3, natural_sort};
pub use error::{Error, Result};
pub use limits::Limits;
pub use read::{Builder, Key, Options, build, build_all, decode_text};
pub use value::{Value, documents, from_str};
