//! Execution of compiled templates.

mod call;
mod eval;
mod field;
mod frame;
mod iter;
pub(crate) mod output;
mod run;
mod state;
#[cfg(test)]
mod tests;

pub use state::State;
