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
    for (names, overwrite) in [
        (["merge", "mustMerge"], false),
        (["mergeOverwrite", "mustMergeOverwrite"], true),
    ] {
        let [name, must] = names;
        funcs.add(name, move |state: &mut State, into: Map, from: Variadic<Map>| {
            let mut into = into;
            for source in from.iter() {
                if into.is_nil() && !source.is_nil() {
                    into = Map::typed(&MapType::ANY);
                }
                merge(state, &into, source, overwrite, 0)?;
            }
            Ok::<_, Error>(Value::Map(into))
        });
        funcs.alias(must, name);
    }
}

fn merge(state: &mut State, into: &Map, from: &Map, overwrite: bool, depth: usize) -> Result<(), Error> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Error::value_depth());
    }
    // mergo can not give a nil map inside another one its entries.
    if into.is_nil() {
        return Ok(());
    }
    for (key, source) in from.entries() {
        state.spend(1)?;
        let old = into.get_bytes(key.as_bytes());
        if source.is_nil() {
            if overwrite {
                into.insert(key, Value::Nil);
            }
            continue;
        }
        if let (Value::Map(source), Some(Value::Map(old))) = (&source, &old) {
            merge(state, old, source, overwrite, depth + 1)?;
        }
        let replace = match &old {
            // Looked at after the merge above: a map that has become non-empty stays.
            Some(old) if !empty(old) => overwrite && !(source.kind() == Kind::Map && old.kind() == Kind::Map),
            _ => true,
        };
        if replace {
            if into.map_type().elem != Elem::Any && from.map_type().elem == Elem::Any {
                let element = into.map_type().elem.name();
                return Err(Error::new(format!(
                    "reflect.Value.SetMapIndex: value of type interface {{}} is not assignable to type {element}"
                )));
            }
            if source.is_container() {
                state.mutated(into);
            }
            into.insert(key, source);
        }
    }
    Ok(())
}
