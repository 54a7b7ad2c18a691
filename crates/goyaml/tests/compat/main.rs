//! This crate against Go: recorded fixtures, and cases made up on the spot and asked of the real libraries.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cases;
mod differential;
mod fixtures;
mod limits;
mod oracle;
