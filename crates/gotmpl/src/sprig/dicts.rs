//! Dictionaries. `set`, `unset` and the merges change the map itself, as in Go.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Strings, Variadic};
use crate::value::{List, Map, MapType, Str, Value};

use super::panics;
use super::text::{reserve_slots, strval};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("dict", dict);
    funcs.add("get", |d: Map, key: Str| {
        d.get_bytes(key.as_bytes()).unwrap_or_else(|| Value::string(""))
    });
    funcs.add("set", set);
    funcs.add("unset", |d: Map, key: Str| {
        d.remove(key.as_bytes());
        d
    });
    funcs.add("hasKey", |d: Map, key: Str| d.contains_key(key.as_bytes()));
    funcs.add("pluck", |key: Str, dicts: Variadic<Map>| {
        dicts
            .iter()
            .filter_map(|d| d.get_bytes(key.as_bytes()))
            .collect::<List>()
    });
    funcs.add("keys", |state: &mut State, dicts: Variadic<Map>| {
        reserve_slots(state, dicts.iter().map(Map::len).sum())?;
        Ok::<_, Error>(Strings(List::strings(dicts.iter().flat_map(Map::keys))))
    });
    funcs.add("values", |state: &mut State, d: Map| {
        reserve_slots(state, d.len())?;
        Ok::<_, Error>(List::new(d.values()))
    });
    funcs.add("pick", |state: &mut State, d: Map, keys: Variadic<Str>| {
        state.spend(4 * keys.len() as u64)?;
        let found = keys
            .iter()
            .filter_map(|k| Some((k.clone(), d.get_bytes(k.as_bytes())?)));
        Ok::<_, Error>(Map::with_entries(&MapType::ANY, found.collect()))
    });
    funcs.add("omit", |state: &mut State, d: Map, keys: Variadic<Str>| {
        reserve_slots(state, 2 * d.len())?;
        state.spend((d.len() as u64).saturating_mul(keys.len() as u64) / 8)?;
        let kept = d.entries().into_iter().filter(|(k, _)| !keys.contains(k));
        Ok::<_, Error>(Map::with_entries(&MapType::ANY, kept.collect()))
    });
    funcs.add("dig", |args: Variadic<Value>| dig(&args));
}

fn dict(items: Variadic<Value>) -> Result<Map, Error> {
    let mut entries = Vec::with_capacity(items.len() / 2 + 1);
    for pair in items.chunks(2) {
        let key = strval(pair.first().unwrap_or(&Value::Nil))?;
        entries.push((key, pair.get(1).cloned().unwrap_or_else(|| Value::string(""))));
    }
    Ok(Map::with_entries(&MapType::ANY, entries))
}

fn set(state: &mut State, d: Map, key: Str, value: Value) -> Result<Map, Error> {
    if d.is_nil() {
        return Err(Error::new("assignment to entry in nil map"));
    }
    state.spend(d.len() as u64 / 64 + 1)?;
    if value.is_container() {
        state.mutated(&d);
    }
    d.insert(key, value);
    Ok(d)
}

/// The map as Go's type assertion to `map[string]interface {}` lets it through.
fn as_plain_map(value: &Value) -> Result<Map, Error> {
    match value {
        Value::Map(m) if m.map_type().name == MapType::ANY.name => Ok(m.clone()),
        other => Err(panics::assertion(&other.type_name(), MapType::ANY.name)),
    }
}

fn dig(args: &[Value]) -> Result<Value, Error> {
    let [keys @ .., fallback, dict] = args else {
        return Err(Error::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Error::new("dig needs at least three arguments"));
    }
    let mut dict = as_plain_map(dict)?;
    let texts = keys.iter().map(|k| {
        k.as_str()
            .ok_or_else(|| panics::assertion(&k.type_name(), "string"))
    });
    let texts: Vec<&Str> = texts.collect::<Result<_, _>>()?;
    let mut texts = texts.into_iter().peekable();
    while let Some(key) = texts.next() {
        let Some(found) = dict.get_bytes(key.as_bytes()) else {
            break;
        };
        if texts.peek().is_none() {
            return Ok(found);
        }
        dict = as_plain_map(&found)?;
    }
    Ok(fallback.clone())
}
