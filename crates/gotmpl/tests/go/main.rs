//! What Go's text/template and fmt answer, recorded or asked anew, against what this crate answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod case;
mod corpus;
mod differential;
mod fixtures;
mod host;
mod oracle;
