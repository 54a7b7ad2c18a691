//! From syntax trees to the form that runs: a flat list of steps with jumps, variables and functions
//! resolved.

mod code;
mod context;
mod lower;

pub(crate) use code::{At, Builtin, Callee, Command, Expr, Name, NodeKind, Op, Pipe, RangeOp, Template};
pub(crate) use context::describe;
pub(crate) use lower::lower;
