//! What Go's text/template and fmt answer, recorded or asked anew, against what this crate answers.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod case;
mod corpus;
mod differential;
mod fixtures;
mod host;
