//! `merge` and its kin, as dario.cat/mergo v1.0.1 merges maps.
//!
//! The destination is changed in place, and so are maps inside it. A map that the destination lacks is
//! put there as it is: both then share it. Without overwriting, a value stays unless it is empty; with
//! overwriting, any value of the source wins, empty ones too.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Variadic};
use crate::value::{Elem, Kind, MAX_VALUE_DEPTH, Map, MapType, Value};

use super::defaults::empty;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("merge", |state: &mut State, into: Map, from: Variadic<Map>| {
        swallowed(merge_all(state, into, &from, false))
    });
    funcs.add(
        "mergeOverwrite",
        |state: &mut State, into: Map, from: Variadic<Map>| swallowed(merge_all(state, into, &from, true)),
    );
    funcs.add(
        "mustMerge",
        |state: &mut State, into: Map, from: Variadic<Map>| {
            merge_all(state, into, &from, false).map_err(Failure::into_error)
        },
    );
    funcs.add(
        "mustMergeOverwrite",
        |state: &mut State, into: Map, from: Variadic<Map>| {
            merge_all(state, into, &from, true).map_err(Failure::into_error)
        },
    );
}

/// What stops a merge: mergo's own error, which sprig's plain forms turn into an empty text, or one that
/// ends the template.
enum Failure {
    Types,
    Fatal(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Failure::Types => Error::new("src and dst must be of same type"),
            Failure::Fatal(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Fatal(error)
    }
}

fn swallowed(result: Result<Value, Failure>) -> Result<Value, Error> {
    match result {
        Ok(value) => Ok(value),
        Err(Failure::Types) => Ok(Value::string("")),
        Err(Failure::Fatal(error)) => Err(error),
    }
}

/// What an entry counts for: it is looked up in a map, and put into it.
const ENTRY_STEPS: u64 = 8;

fn merge_all(state: &mut State, into: Map, from: &[Map], overwrite: bool) -> Result<Value, Failure> {
    let mut into = into;
    for source in from {
        if into.is_nil() && !source.is_nil() {
            into = Map::typed(&MapType::ANY);
        }
        merge(state, &into, source, overwrite, 0)?;
    }
    Ok(Value::Map(into))
}

/// Whether mergo takes a value for none: it does not know complex numbers.
fn is_empty(value: &Value) -> bool {
    !matches!(value, Value::Complex(_)) && empty(value)
}

fn merge(state: &mut State, into: &Map, from: &Map, overwrite: bool, depth: usize) -> Result<(), Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth().into());
    }
    // mergo can not give a nil map inside another one its entries.
    if into.is_nil() {
        return Ok(());
    }
    for (key, source) in from.entries() {
        state.spend(ENTRY_STEPS)?;
        let old = into.get_bytes(key.as_bytes());
        if source.is_nil() {
            if overwrite {
                into.insert(key, Value::Nil);
            }
            continue;
        }
        match (&source, &old) {
            (Value::Map(source), Some(Value::Map(old))) => merge(state, old, source, overwrite, depth + 1)?,
            (Value::Map(_), Some(old)) if old.kind() == Kind::Ptr && !overwrite => {
                return Err(Failure::Types);
            }
            _ => {}
        }
        let replace = match &old {
            // Looked at after the merge above: a map that has become non-empty stays.
            Some(old) if !is_empty(old) => {
                overwrite && !(source.kind() == Kind::Map && old.kind() == Kind::Map)
            }
            _ => true,
        };
        if replace {
            if into.map_type().elem != Elem::Any && from.map_type().elem == Elem::Any {
                let element = into.map_type().elem.name();
                return Err(Error::new(format!(
                    "reflect.Value.SetMapIndex: value of type interface {{}} is not assignable to type {element}"
                ))
                .into());
            }
            if source.is_container() {
                state.mutated(into);
            }
            into.insert(key, source);
        }
    }
    Ok(())
}
