//! Lists. As in sprig any slice is taken and `[]interface {}` given.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Strings, Variadic};
use crate::value::{Elem, List, Value};

use super::cast::to_int64;
use super::defaults::empty;
use super::panics;
use super::text::{elements, reserve_slots, slice_or, strings_of, strslice, strval};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("list", |items: Variadic<Value>| List::new(items.0));
    funcs.alias("tuple", "list");
    twice(funcs, ["append", "mustAppend", "push", "mustPush"], |f, name| {
        f.add(name, |state: &mut State, list: Value, item: Value| {
            let list = slice_or(&list, "Cannot push on type")?;
            reserve_slots(state, list.len() + 1)?;
            Ok::<_, Error>(List::new(list.iter().cloned().chain([item]).collect()))
        });
    });
    twice(funcs, ["prepend", "mustPrepend"], |f, name| {
        f.add(name, |state: &mut State, list: Value, item: Value| {
            let list = slice_or(&list, "Cannot prepend on type")?;
            reserve_slots(state, list.len() + 1)?;
            Ok::<_, Error>(List::new(
                [item].into_iter().chain(list.iter().cloned()).collect(),
            ))
        });
    });
    twice(funcs, ["first", "mustFirst"], |f, name| {
        f.add(name, |list: Value| {
            let list = slice_or(&list, "Cannot find first on type")?;
            Ok::<_, Error>(list.first().cloned().unwrap_or_default())
        });
    });
    twice(funcs, ["last", "mustLast"], |f, name| {
        f.add(name, |list: Value| {
            let list = slice_or(&list, "Cannot find last on type")?;
            Ok::<_, Error>(list.last().cloned().unwrap_or_default())
        });
    });
    twice(funcs, ["rest", "mustRest"], |f, name| {
        f.add(name, |state: &mut State, list: Value| {
            let list = slice_or(&list, "Cannot find rest on type")?;
            part(state, list.get(1..))
        });
    });
    twice(funcs, ["initial", "mustInitial"], |f, name| {
        f.add(name, |state: &mut State, list: Value| {
            let list = slice_or(&list, "Cannot find initial on type")?;
            part(state, list.len().checked_sub(1).and_then(|end| list.get(..end)))
        });
    });
    twice(funcs, ["reverse", "mustReverse"], |f, name| {
        f.add(name, |state: &mut State, list: Value| {
            let list = slice_or(&list, "Cannot find reverse on type")?;
            reserve_slots(state, list.len() + 1)?;
            Ok::<_, Error>(List::new(list.iter().rev().cloned().collect()))
        });
    });
    twice(funcs, ["compact", "mustCompact"], |f, name| {
        f.add(name, |state: &mut State, list: Value| {
            let list = slice_or(&list, "Cannot compact on type")?;
            reserve_slots(state, list.len() + 1)?;
            Ok::<_, Error>(List::new(list.iter().filter(|v| !empty(v)).cloned().collect()))
        });
    });
    twice(funcs, ["uniq", "mustUniq"], |f, name| {
        f.add(name, |state: &mut State, list: Value| {
            let mut kept = Vec::new();
            for item in slice_or(&list, "Cannot find uniq on type")?.iter() {
                if !contains(state, &kept, item)? {
                    kept.push(item.clone());
                }
            }
            Ok::<_, Error>(List::new(kept))
        });
    });
    twice(funcs, ["without", "mustWithout"], |f, name| {
        f.add(name, |state: &mut State, list: Value, omit: Variadic<Value>| {
            let mut kept = Vec::new();
            for item in slice_or(&list, "Cannot find without on type")?.iter() {
                if !contains(state, &omit, item)? {
                    kept.push(item.clone());
                }
            }
            Ok::<_, Error>(List::new(kept))
        });
    });
    twice(funcs, ["has", "mustHas"], |f, name| {
        f.add(name, |state: &mut State, needle: Value, list: Value| match list {
            Value::Nil => Ok(false),
            _ => contains(state, &slice_or(&list, "Cannot find has on type")?, &needle),
        });
    });
    twice(funcs, ["slice", "mustSlice"], |f, name| {
        f.add(name, slice);
    });
    twice(funcs, ["chunk", "mustChunk"], |f, name| {
        f.add(name, chunk);
    });
    funcs.add("concat", concat);
    funcs.add("sortAlpha", |state: &mut State, v: Value| {
        let Some(list) = elements(&v) else {
            return Ok(Strings(List::strings([strval(&v)?])));
        };
        let mut texts = strslice(&v)?;
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        // Each text is compared about so often, at most to its end.
        let rounds = u64::from(list.len().max(1).ilog2()) + 1;
        state.spend(rounds.saturating_mul(list.len() as u64 / 2 + bytes / 64))?;
        texts.sort_unstable();
        Ok::<_, Error>(Strings(strings_of(&v, texts)))
    });
}

/// Registers a function under each of its names. What sprig's plain form panics with, its `must` form
/// returns; in a template both are the same error.
fn twice<const N: usize>(
    funcs: &mut Functions,
    names: [&'static str; N],
    add: impl Fn(&mut Functions, &'static str),
) {
    let mut names = names.into_iter();
    if let Some(name) = names.next() {
        add(funcs, name);
        for alias in names {
            funcs.alias(alias, name);
        }
    }
}

/// A part of a list; a nil slice where the list is empty.
fn part(state: &mut State, items: Option<&[Value]>) -> Result<List, Error> {
    match items {
        Some(items) => {
            reserve_slots(state, items.len())?;
            Ok(List::new(items.to_vec()))
        }
        None => Ok(List::nil(Elem::Any)),
    }
}

fn contains(state: &mut State, list: &[Value], needle: &Value) -> Result<bool, Error> {
    state.spend(list.len() as u64 / 4 + 1)?;
    for item in list {
        if needle.deep_equal(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn slice(state: &mut State, list: Value, indices: Variadic<Value>) -> Result<Value, Error> {
    let items = slice_or(&list, "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    reserve_slots(state, items.len())?;
    let start = indices.first().map_or(0, to_int64);
    let end = indices.get(1).map_or(items.len() as i64, to_int64);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part = range.and_then(|(start, end)| items.get(start..end));
    let Some(part) = part else {
        return Err(Error::new("reflect.Value.Slice: slice index out of bounds"));
    };
    Ok(match list.underlying().as_ref() {
        Value::Bytes(bytes) => match range.and_then(|(start, end)| bytes.get(start..end)) {
            Some(part) => Value::Bytes(part.into()),
            None => Value::Nil,
        },
        _ => Value::List(List::typed(items.elem(), part.to_vec())),
    })
}

/// What making a chunk counts for.
const CHUNK_STEPS: u64 = 4;

/// sprig counts the chunks in floating point, which decides what odd sizes give.
fn chunk(state: &mut State, size: i64, list: Value) -> Result<List, Error> {
    let items = slice_or(&list, "Cannot chunk type")?;
    reserve_slots(state, items.len())?;
    let count = super::cast::float_to_int64(((items.len() as f64 - 1.0) / size as f64).floor() + 1.0);
    let bad_size = || Error::new("runtime error: makeslice: len out of range");
    if size < -1 && items.len() == 1 {
        return Ok(List::typed(
            Elem::Named("[]interface {}"),
            vec![Value::List(List::new(items.to_vec()))],
        ));
    }
    if count < 0 || count > 0 && size < 0 {
        return Err(bad_size());
    }
    let size = usize::try_from(size).map_err(|_| bad_size());
    let chunks = match (count, size) {
        (0, _) => Vec::new(),
        (_, size) => {
            state.spend((count as u64).saturating_mul(CHUNK_STEPS))?;
            let chunks = items.chunks(size?.max(1));
            chunks.map(|part| Value::List(List::new(part.to_vec()))).collect()
        }
    };
    Ok(List::typed(Elem::Named("[]interface {}"), chunks))
}

fn concat(state: &mut State, lists: Variadic<Value>) -> Result<Value, Error> {
    let mut all = Vec::new();
    for list in lists.iter() {
        let items = match list {
            Value::Nil => return Err(panics::nil_pointer()),
            _ => elements(list),
        };
        let Some(items) = items else {
            let kind = super::cast::kind_name(list);
            return Err(Error::new(format!("Cannot concat type {kind} as list")));
        };
        reserve_slots(state, all.len() + items.len())?;
        all.extend(items.iter().cloned());
    }
    Ok(Value::List(if all.is_empty() {
        List::nil(Elem::Any)
    } else {
        List::new(all)
    }))
}
