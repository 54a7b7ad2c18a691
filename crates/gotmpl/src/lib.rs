//! Go's text/template, fmt and sprig, exact to the byte: the same output, the same error texts.
//!
//! Values live in [`value`], functions are registered from typed closures through [`Functions`],
//! templates are parsed and compiled once and shared. The crate does no IO and knows no clock.

mod compile;
pub mod date;
pub mod error;
pub mod exec;
pub mod fmt;
pub mod func;
pub mod json;
pub mod limits;
pub mod parse;
pub mod re2;
pub mod semver;
pub mod set;
pub mod sprig;
pub mod strconv;
pub mod unicode;
pub mod value;

pub use error::{Error, Place};
pub use exec::State;
pub use func::{
    Func, Functions, GoType, Int32, Int64, IntoFunc, Obj, Param, Return, Signature, StringMap, Strings,
    Variadic,
};
pub use limits::{Limit, Limits};
pub use set::{MissingKey, TemplateSet, Unit};
pub use value::{
    Elem, FloatType, IntType, Kind, List, Map, MapType, Methods, Object, ParamType, Str, UintType, Value,
};
