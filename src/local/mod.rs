//! The local control plane: a whole Kubernetes but for the containers, on free
//! loopback ports, gone when this process is.
//!
//! `deploy/local` is the Go program that runs it; its source is part of this
//! binary, is built once into a cache directory (`binary`), started and spoken
//! to over its standard input and output (`plane`).

mod binary;
mod error;
mod plane;

pub use error::{Error, Result};
pub use plane::{Component, ControlPlane, Options};
