//! The types of `.Values` and of the templates' root: `chartutil.Values`, a map with methods.

use std::collections::HashMap;
use std::sync::Arc;

use helmapp_gotmpl::{Elem, Error, List, Map, MapType, Methods, ParamType, Signature, State, Str, Value};

use super::yaml;
use crate::values::{Entries, Shared};

/// `chartutil.Values`
pub(super) static VALUES: MapType = MapType::named("chartutil.Values", Elem::Any, Some(&ValuesMethods));

/// The values of a render. Texts are the ones given, not copies of them.
pub(super) fn root_table(values: &Shared) -> Map {
    match values {
        Shared::Table(entries) => Given::default().table(&VALUES, entries),
        _ => Map::typed(&VALUES),
    }
}

/// Lists of fewer items are made anew at each place.
const LONG: usize = 16;

/// Values that are being taken over.
#[derive(Default)]
struct Given {
    /// Long lists without a table in them, which can not change, by the address of what they were made from.
    lists: HashMap<*const Shared, List>,
}

impl Given {
    fn table(&mut self, ty: &'static MapType, entries: &Entries) -> Map {
        let entries = entries.iter();
        let taken = entries.map(|(key, value)| (Str::from(Arc::clone(key)), self.value(value)));
        Map::with_entries(ty, taken.collect())
    }

    fn value(&mut self, value: &Shared) -> Value {
        match value {
            Shared::Null => Value::Nil,
            Shared::Bool(value) => Value::Bool(*value),
            Shared::Number(number) => Value::from_number(number),
            Shared::Text(text) => Value::String(Str::from(Arc::clone(text))),
            Shared::List(items) => Value::List(self.list(items)),
            Shared::Table(entries) => Value::Map(self.table(&MapType::ANY, entries)),
        }
    }

    fn list(&mut self, items: &Arc<[Shared]>) -> List {
        if items.len() < LONG {
            return List::new(items.iter().map(|item| self.value(item)).collect());
        }
        if let Some(known) = self.lists.get(&items.as_ptr()) {
            return known.clone();
        }
        let list = List::new(items.iter().map(|item| self.value(item)).collect());
        if !list.iter().any(Value::is_container) {
            self.lists.insert(items.as_ptr(), list.clone());
        }
        list
    }
}

/// The table at a dotted path, if each step is one.
pub(super) fn table(of: &Map, path: &str) -> Result<Map, Error> {
    let mut at = of.clone();
    for key in path.split('.') {
        match at.get(key).as_ref().and_then(Value::as_map) {
            Some(next) => at = next.converted(&VALUES),
            None => {
                return Err(Error::new(format!(
                    "{} is not a table",
                    helmapp_gotmpl::strconv::quote(key.as_bytes())
                )));
            }
        }
    }
    Ok(at)
}

#[derive(Debug)]
struct ValuesMethods;

impl Methods for ValuesMethods {
    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "AsMap" | "YAML" => Some(Signature::fixed(&[])),
            "Table" | "PathValue" => Some(Signature::fixed(&[ParamType::String])),
            "Encode" => Some(Signature::fixed(&[ParamType::Named("io.Writer")])),
            _ => None,
        }
    }

    fn call(&self, receiver: &Value, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let map = receiver.as_map().cloned().unwrap_or_default();
        let path = || {
            args.first()
                .and_then(Value::as_str)
                .map(Str::to_str_lossy)
                .unwrap_or_default()
                .into_owned()
        };
        match name {
            "AsMap" => Ok(Value::Map(map.converted(&MapType::ANY))),
            "YAML" => Ok(Value::string(yaml::to_yaml(receiver)? + "\n")),
            "Table" => Ok(Value::Map(table(&map, &path())?)),
            "PathValue" => path_value(&map, &path()),
            _ => Err(Error::new(format!("chartutil.Values has no method {name}"))),
        }
    }
}

fn path_value(map: &Map, path: &str) -> Result<Value, Error> {
    if path.is_empty() {
        return Err(Error::new("YAML path cannot be empty"));
    }
    let (tables, key) = path.rsplit_once('.').map_or((None, path), |(t, k)| (Some(t), k));
    let missing = || {
        Error::new(format!(
            "{} is not a value",
            helmapp_gotmpl::strconv::quote(key.as_bytes())
        ))
    };
    let at = match tables {
        Some(tables) => table(map, tables).map_err(|_| missing())?,
        None => map.clone(),
    };
    match at.get(key) {
        Some(value) if value.as_map().is_none() => Ok(value),
        _ => Err(missing()),
    }
}
