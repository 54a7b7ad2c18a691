//! The local control plane behaves like a cluster, and leaves nothing behind.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod failures;
mod identity;
mod lifetime;
mod objects;
mod pods;
