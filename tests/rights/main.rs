//! The operator as it is installed: the program with the Deployment's settings, as the ServiceAccount that
//! `deploy/kustomize` makes, with the rights that this gives it and no others.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

#[allow(dead_code, unreachable_pub, reason = "the tests of the flow use the rest")]
#[path = "../e2e/fixture.rs"]
mod fixture;
mod installed;
mod process;
mod shipped;
#[path = "../support/mod.rs"]
mod support;
mod tenants;
