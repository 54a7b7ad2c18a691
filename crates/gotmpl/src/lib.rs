//! Go's text/template, fmt and sprig, exact to the byte: the same output, the same error texts.
//!
//! For programs in Rust that must render what was written for Go: Helm charts, configuration of tools written in Go,
//! messages in their templates. Templates are parsed and compiled once, shared between threads, and executed with
//! values that behave as Go's do: maps are shared and can be changed by `set`, numbers have Go's types, `%v` prints
//! them as Go prints them.
//!
//! # Rendering
//!
//! ```
//! use std::sync::Arc;
//! use helmapp_gotmpl::{Functions, Limits, State, TemplateSet, Value, sprig};
//!
//! let mut functions = Functions::new();
//! sprig::register(&mut functions, &sprig::Options::default());
//! functions.add("double", |n: i64| n * 2);
//!
//! let mut set = TemplateSet::new("page", Arc::new(functions));
//! set.add("greeting", "{{ define \"name\" }}{{ .name | title }}{{ end }}Hello {{ template \"name\" . }}, {{ double 21 }}!")?;
//!
//! let data = Value::from_json(&serde_json::json!({"name": "gopher"}));
//! let mut state = State::new(Limits::default());
//! assert_eq!(Arc::new(set).execute("greeting", &data, &mut state)?, "Hello Gopher, 42!");
//! # Ok::<(), helmapp_gotmpl::Error>(())
//! ```
//!
//! The parts: [`TemplateSet`] holds compiled templates, [`Functions`] what they may call, [`Value`] is the data,
//! [`State`] is one rendering, from which functions reach the host's own data. A type of the host's with fields and
//! methods is an [`Object`].
//!
//! What text/template is built on can be used alone: [`fmt`] is Go's fmt, [`strconv`] and [`json`] are as their
//! namesakes, [`re2`] is regexp, [`date`] is time, [`semver`] is Masterminds' semver.
//!
//! # Errors
//!
//! An [`Error`] reads as Go's does, and holds its parts: the [`Place`] in the source, what was being executed, and the
//! chain of templates and functions down to the cause. `{:#}` shows the lines of the source as well.
//!
//! ```
//! use std::sync::Arc;
//! use helmapp_gotmpl::{Functions, Limits, State, TemplateSet, Value};
//!
//! let mut set = TemplateSet::new("set", Arc::new(Functions::new()));
//! set.add("page", "{{ index . 3 }}")?;
//! let error = Arc::new(set)
//!     .execute("page", &Value::Nil, &mut State::new(Limits::default()))
//!     .unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "template: page:1:3: executing \"page\" at <index . 3>: error calling index: index of untyped nil"
//! );
//! assert_eq!(error.place().map(|place| place.line), Some(1));
//! # Ok::<(), helmapp_gotmpl::Error>(())
//! ```
//!
//! # Limits
//!
//! Templates may come from anybody. [`Limits`] bound the steps, the nesting, the stack, the output, the size of each
//! text, the memory of all values and the time of a rendering; each has a name, [`Limit`], that its error carries. Sizes
//! of patterns, of sources and of nesting values have constants where they are read. Values count themselves as they
//! are made and dropped; a host's own objects can do so with [`meter::Charge`].
//!
//! ```
//! use std::sync::Arc;
//! use helmapp_gotmpl::{Functions, Limit, Limits, State, TemplateSet, Value};
//!
//! let mut set = TemplateSet::new("set", Arc::new(Functions::new()));
//! set.add("loop", "{{ range 1000000 }}{{ end }}")?;
//! let limits = Limits { steps: 1000, ..Limits::default() };
//! let error = Arc::new(set).execute("loop", &Value::Nil, &mut State::new(limits)).unwrap_err();
//! assert_eq!(error.limit(), Some(Limit::Steps));
//! # Ok::<(), helmapp_gotmpl::Error>(())
//! ```
//!
//! # Differences from Go
//!
//! - What Go leaves to chance is sorted: sprig's `keys` and `values`.
//! - Channels and functions as data do not occur; `%p` shows a fixed address.
//! - `env` and `expandenv` are off, and `getHostByName` gives nothing, unless [`sprig::Options`] allow them.
//! - What would run without bound in Go ends with a limit's error.
//!
//! The crate does no IO of its own. It looks at a clock only where a deadline is set, and for `now` and random
//! functions unless [`sprig::Options`] bring another.
//!
//! # Features
//!
//! `crypto` (on by default): sprig's keys, certificates, password hashes and encryption.
#![warn(missing_docs)]
// An index out of range would be a panic that input can reach; tests may index.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

mod compile;
pub mod date;
pub mod error;
pub mod exec;
pub mod fmt;
pub mod func;
pub mod json;
pub mod limits;
pub mod meter;
pub mod parse;
pub mod re2;
pub mod semver;
pub mod set;
mod source;
pub mod sprig;
pub mod strconv;
pub mod unicode;
pub mod value;

pub use error::{Error, Place};
pub use exec::State;
pub use func::{
    Func, Functions, GoType, Int32, Int64, IntoFunc, Obj, Param, Results, Return, Signature, StringMap,
    Strings, Variadic,
};
pub use limits::{Limit, Limits};
pub use set::{MissingKey, TemplateSet, Unit};
pub use value::{
    Bytes, Complex, Elem, FloatType, IntType, Kind, List, Map, MapType, Methods, Object, ParamType, Str,
    UintType, Value,
};
