//! Execution of compiled templates.

mod state;

pub use state::State;
