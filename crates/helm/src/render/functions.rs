//! The functions Helm adds to sprig's (`pkg/engine/funcs.go` and `engine.go` of Helm 3.19), but for `include` and `tpl`.

use helmapp_gotmpl::{Error, Functions, Map, MapType, State, Str, Value, meter};

use super::host::{Host, yaml_options};
use super::json::{from_json, from_json_array};
use super::{WARN_END, WARN_START, durations, yaml};
use crate::toml;

/// Adds Helm's functions to sprig's, and takes away those that Helm forbids.
pub(super) fn add(functions: &mut Functions) {
    functions.remove("env").remove("expandenv");
    functions.add("toYaml", |v: Value| yaml::to_yaml(&v));
    functions.add("toYamlPretty", |v: Value| yaml::to_yaml_pretty(&v));
    functions.add("fromYaml", |state: &mut State, text: Str| {
        yaml::from_yaml(&text, &yaml_options(state))
    });
    functions.add("fromYamlArray", |state: &mut State, text: Str| {
        yaml::from_yaml_array(&text, &yaml_options(state))
    });
    functions.add("toToml", to_toml);
    functions.add("fromToml", from_toml);
    functions.add("fromJson", from_json);
    functions.add("fromJsonArray", from_json_array);
    functions.add("required", required);
    functions.add("fail", |message: Str| -> Result<Str, Error> {
        Err(warning(&message))
    });
    functions.add("lookup", lookup);
    functions.add("getHostByName", |_: Str| "");
}

/// Adds what Helm 4 has beyond Helm 3 (`pkg/engine/funcs.go` of Helm 4.3).
pub(super) fn add_those_of_helm_4(functions: &mut Functions) {
    functions.add("mustToYaml", |v: Value| yaml::must_to_yaml(&v));
    functions.add("mustToToml", |v: Value| match toml::encode(&v) {
        _ if matches!(v, Value::Nil) => Err(nil_in_toml()),
        Err(toml::Error::Limit(e)) if e.limit().is_some() => Err(e),
        Err(e) => Err(Error::new(e.to_string())),
        Ok(text) => Ok(text),
    });
    durations::add(functions);
}

fn nil_in_toml() -> Error {
    Error::new("reflect: call of reflect.Value.Type on zero Value")
}

fn to_toml(value: Value) -> Result<String, Error> {
    if matches!(value, Value::Nil) {
        return Err(nil_in_toml());
    }
    match toml::encode(&value) {
        Err(toml::Error::Limit(e)) if e.limit().is_some() => Err(e),
        Err(e) => Ok(e.to_string()),
        Ok(text) => Ok(text),
    }
}

fn from_toml(text: Str) -> Result<Map, Error> {
    meter::check(text.len().saturating_mul(TOML_BYTES_FOR_ONE))?;
    meter::work(TOML_STEPS + 2 * text.len() as u64)?;
    Ok(match toml::decode(&text.to_str_lossy()) {
        Ok(map) => map,
        Err(e) => yaml::error_map(e.to_string()),
    })
}

/// What reading any text counts for, beside its bytes.
const TOML_STEPS: u64 = 40;

/// What reading a byte of TOML takes at most.
const TOML_BYTES_FOR_ONE: usize = 64;

/// The message is marked, so that the error's text can be cut down to it.
fn warning(message: &Str) -> Error {
    Error::new(format!("{WARN_START}{message}{WARN_END}"))
}

fn required(message: Str, value: Value) -> Result<Value, Error> {
    match &value {
        Value::Nil => Err(warning(&message)),
        Value::String(s) if s.is_empty() => Err(warning(&message)),
        _ => Ok(value),
    }
}

fn lookup(state: &mut State, api_version: Str, kind: Str, namespace: Str, name: Str) -> Result<Map, Error> {
    let Some(host) = state.user::<Host>() else {
        return Ok(Map::new());
    };
    let text = |s: &Str| s.to_str_lossy().into_owned();
    let found = host
        .lookup
        .lookup(&text(&api_version), &text(&kind), &text(&namespace), &text(&name));
    found
        .map(|object| Map::from_json(&MapType::ANY, &object))
        .map_err(Error::new)
}
