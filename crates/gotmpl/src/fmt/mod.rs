//! Go's fmt: `print`, `println` and `printf`, with every verb, flag and complaint.

mod number;
mod printer;
mod printf;
mod text;
mod values;

pub use printf::sprintf;
pub use values::{sprint, sprintln, to_str};

pub(crate) use values::{display, display_verb, print_action};

pub use crate::exec::output::Output;
