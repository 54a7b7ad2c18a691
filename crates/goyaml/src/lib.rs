//! YAML exactly as go-yaml and `sigs.k8s.io/yaml` read and write it.
//!
//! Kubernetes' tools and Helm read YAML 1.1 with Go's libraries, and their ways are the format: `on` is a
//! boolean and `0644` is 420, merge keys override, keys sort `b2` before `b10`, `yes` is written quoted. This
//! crate reads and writes the same bytes, and fails with the same words.
//!
//! # Reading and writing
//!
//! ```
//! use helmapp_goyaml::sigs::{self, Numbers};
//!
//! let value = sigs::to_json("mode: 0644\non: yes\nb10: 1\nb2: ~\n", Numbers::Exact)?;
//! assert_eq!(value, serde_json::json!({"mode": 420, "true": true, "b10": 1, "b2": null}));
//! assert_eq!(sigs::from_json(&value)?, "b2: null\nb10: 1\nmode: 420\n\"true\": true\n");
//! # Ok::<(), helmapp_goyaml::Error>(())
//! ```
//!
//! - [`sigs`] is `sigs.k8s.io/yaml` v1.6: YAML to JSON values and back.
//! - [`from_str`] and [`documents`] give a [`Value`] as go-yaml v2 decodes it.
//! - [`decode_text`] makes text of a file's bytes.
//! - [`build`] decodes straight into the caller's own types by a [`Builder`].
//! - [`Emitter`] writes while the caller walks its own values; [`v3`] has go-yaml v3's style.
//!
//! # Errors
//!
//! One [`Error`] for all. Its text is what the Go libraries print, with the line as they count it.
//!
//! ```
//! let error = helmapp_goyaml::from_str("a: b: c\n").unwrap_err();
//! assert_eq!(error.to_string(), "yaml: mapping values are not allowed in this context");
//! ```
//!
//! # Limits
//!
//! No input makes reading panic or recurse without bound. [`Limits`] bound the length of a text, the depth and number of
//! its nodes, and what its aliases stand for; [`Options`] set them, and [`Error::is_limit`] tells their errors from
//! others. go-yaml's own rule on aliases holds besides.
//!
//! # Differences from Go
//!
//! - Nesting ends at 1,000 levels, go-yaml's at 10,000.
//! - Of keys that become equal as texts (`1` and `"1"`) the last wins; in Go chance decides.
#![warn(missing_docs)]
// An index out of range would be a panic that input can reach; tests may index.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

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
