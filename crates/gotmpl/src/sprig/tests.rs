//! Templates with what real sprig made of them, and the set of its functions.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Options, register};
use crate::exec::State;
use crate::func::Functions;
use crate::limits::Limits;
use crate::set::TemplateSet;
use crate::value::{FloatType, Map, MapType, Str, UintType, Value};

fn lines() -> impl Iterator<Item = Json> {
    let text = include_str!("../../tests/fixtures/sprig.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// sprig's functions, and those that make values of types that sprig's do not give.
fn functions() -> Functions {
    let mut funcs = Functions::new();
    register(
        &mut funcs,
        &Options {
            environment: true,
            ..Options::default()
        },
    );
    funcs.add("fBytes", |s: Str| Value::Bytes(s.as_bytes().into()));
    funcs.add("fMapString", |k: Str, v: Str| {
        Map::with_entries(&MapType::STRING, vec![(k, Value::String(v))])
    });
    funcs.add("fUint8", |v: Value| match v {
        Value::Int(n, _) => Value::Uint(n as u64, UintType::Uint8),
        other => other,
    });
    funcs.add("fFloat32", |f: f64| {
        Value::Float(f64::from(f as f32), FloatType::F32)
    });
    funcs
}

fn render(funcs: &Arc<Functions>, template: &str, data: &Json) -> Result<String, String> {
    let mut set = TemplateSet::new("root", Arc::clone(funcs));
    let mut state = State::new(Limits::default());
    set.add("t", template).map_err(|e| e.to_string())?;
    Arc::new(set)
        .execute("t", &Value::from_json(data), &mut state)
        .map_err(|e| e.to_string())
}

#[test]
fn templates_give_what_sprig_gives() {
    let mut rows = lines();
    let data = rows.next().unwrap()["data"].clone();
    let funcs = Arc::new(functions());
    let mut differ: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for row in rows {
        count += 1;
        let template = row["t"].as_str().unwrap();
        let want = match row.get("err") {
            Some(e) => Err(e.as_str().unwrap().to_owned()),
            None => Ok(row["out"].as_str().unwrap().to_owned()),
        };
        let got = render(&funcs, template, &data);
        if got != want {
            let function = row["f"].as_str().unwrap().to_owned();
            differ
                .entry(function)
                .or_default()
                .push(format!("{template}\n     got {got:?}\n    want {want:?}"));
        }
    }
    let total: usize = differ.values().map(Vec::len).sum();
    let shown: Vec<String> = differ.values().flat_map(|v| v.iter().take(8).cloned()).collect();
    assert!(
        differ.is_empty(),
        "{total} of {count} differ:\n{}",
        shown.join("\n")
    );
    assert!(count > 10_000);
}

#[test]
fn the_functions_are_those_of_sprig() {
    let recorded = lines().next().unwrap()["functions"].clone();
    let recorded: BTreeSet<String> = serde_json::from_value(recorded).unwrap();
    let mut funcs = Functions::new();
    register(
        &mut funcs,
        &Options {
            environment: true,
            ..Options::default()
        },
    );
    let ours: BTreeSet<String> = funcs.names().map(str::to_owned).collect();
    assert_eq!(ours, recorded);
    let mut funcs = Functions::new();
    register(&mut funcs, &Options::default());
    let missing: BTreeSet<_> = recorded.iter().filter(|name| funcs.get(name).is_none()).collect();
    assert_eq!(
        missing,
        BTreeSet::from([&"env".to_owned(), &"expandenv".to_owned()])
    );
}

#[test]
fn every_function_has_cases() {
    let mut cases: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = lines();
    let recorded: BTreeSet<String> =
        serde_json::from_value(rows.next().unwrap()["functions"].clone()).unwrap();
    for row in rows {
        *cases.entry(row["f"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    // These show the environment or the network, and are tested apart.
    let apart = ["env", "expandenv", "getHostByName"];
    let few: Vec<_> = recorded
        .iter()
        .filter(|name| !apart.contains(&name.as_str()) && cases.get(*name).is_none_or(|n| *n < 3))
        .collect();
    assert!(few.is_empty(), "fewer than three cases: {few:?}");
}
