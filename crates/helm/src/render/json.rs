//! `fromJson` and `fromJsonArray`: every number is a float, as Go decodes into `interface{}`.

use helmapp_gotmpl::{Elem, Error, List, Map, MapType, Str, Value, json};

use super::yaml::error_map;

/// Helm's `fromJson`: a map, with the error's text under `Error` where the text is not one.
///
/// # Errors
/// A limit of the render.
pub(super) fn from_json(text: Str) -> Result<Value, Error> {
    let map = match json::decode(text.as_bytes()) {
        Ok(Value::Map(map)) => map,
        Ok(Value::Nil) => Map::nil(&MapType::ANY),
        Ok(other) => error_map(mismatch(&other, "map[string]interface {}")),
        Err(error) if error.limit().is_some() => return Err(error),
        Err(error) => error_map(error.to_string()),
    };
    Ok(Value::Map(map))
}

/// Helm's `fromJsonArray`: a list, of the error's text where the text is not one.
///
/// # Errors
/// A limit of the render.
pub(super) fn from_json_array(text: Str) -> Result<Value, Error> {
    let list = match json::decode(text.as_bytes()) {
        Ok(Value::List(list)) => list,
        Ok(Value::Nil) => List::nil(Elem::Any),
        Ok(other) => List::new(vec![Value::from(mismatch(&other, "[]interface {}"))]),
        Err(error) if error.limit().is_some() => return Err(error),
        Err(error) => List::new(vec![Value::from(error.to_string())]),
    };
    Ok(Value::List(list))
}

fn mismatch(value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
}
