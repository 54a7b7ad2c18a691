//! `include` and `tpl`: templates executed from templates (`includeFun` and `tplFun` of Helm's engine).

use std::sync::Arc;

use helmapp_gotmpl::meter::{self, Charge};
use helmapp_gotmpl::{Error, Functions, Limit, State, Str, TemplateSet, Unit, Value, strconv};

use super::SET_NAME;
use super::host::Host;

/// How often a template may be within itself.
const MAX_RECURSION: u32 = 1000;

/// What a compiled text of `tpl` takes up: itself, each node of its syntax tree, and each of its bytes while it is
/// compiled, as far as the limit on nodes lets it.
const UNIT_BYTES: usize = 1024;
const NODE_BYTES: usize = 200;
const TREE_BYTES_FOR_ONE: usize = 64;
const MAX_TREE_BYTES: usize = 16 << 20;

/// What is left of a text that an error quotes, when it is cut.
const CUT_CHARS: usize = 100;

pub(super) fn add(functions: &mut Functions) {
    functions.add("include", include);
    functions.add("tpl", tpl);
}

fn include(state: &mut State, name: Str, data: Value) -> Result<Str, Error> {
    if let Some(host) = state.user_mut::<Host>() {
        let depth = host.included.entry(name.clone()).or_default();
        if *depth > MAX_RECURSION {
            return Err(Error::caused(
                format!("rendering template has a nested reference name: {name}"),
                Error::new("unable to execute template"),
            ));
        }
        *depth += 1;
    }
    let result = state.render(&name.to_str_lossy(), &data);
    if let Some(depth) = state
        .user_mut::<Host>()
        .and_then(|host| host.included.get_mut(&name))
    {
        *depth = depth.saturating_sub(1);
    }
    result
}

/// Templates that the text defines are seen by what it calls, and by nothing else.
fn tpl(state: &mut State, text: Str, data: Value) -> Result<Str, Error> {
    const NO_VALUE: &str = "<no value>";
    let source = text.to_str_lossy();
    if !source.contains("{{") {
        return Ok(if source.contains(NO_VALUE) {
            Str::from(source.replace(NO_VALUE, ""))
        } else {
            text
        });
    }
    let parent = state
        .templates()
        .cloned()
        .ok_or_else(|| Error::new("no template is executing"))?;
    let unit = compiled(state, &source, &parent).map_err(|e| match e.limit() {
        // Steps, memory and the clock are the calling template's.
        Some(limit) if limit != Limit::SourceNodes && limit != Limit::ParseDepth => e,
        _ => Error::caused(format!("cannot parse template {}", quoted(&text)), e),
    })?;
    let mut set = parent.child();
    set.add_unit(&unit);
    if !set.names().any(|name| name == SET_NAME) {
        // Only definitions, under the text of another tpl: there is nothing of its own to execute.
        return Ok(Str::default());
    }
    let output = state.render_in(&Arc::new(set), SET_NAME, &data).map_err(|e| {
        Error::caused(
            format!("error during tpl function execution for {}", quoted(&text)),
            e,
        )
    })?;
    let output_text = output.to_str_lossy();
    Ok(if output_text.contains(NO_VALUE) {
        Str::from(output_text.replace(NO_VALUE, ""))
    } else {
        output
    })
}

fn compiled(state: &mut State, source: &str, set: &TemplateSet) -> Result<Unit, Error> {
    if let Some(unit) = state.user::<Host>().and_then(|host| host.units.get(source)) {
        return Ok(unit.0.clone());
    }
    // The syntax tree of a source takes some times its text.
    meter::check(
        source
            .len()
            .saturating_mul(TREE_BYTES_FOR_ONE)
            .min(MAX_TREE_BYTES),
    )?;
    let unit = Unit::compile(SET_NAME, source, set.functions())?;
    state.spend(10 + 4 * unit.nodes() as u64)?;
    let bytes = source.len() * 2 + unit.nodes() * NODE_BYTES + UNIT_BYTES;
    meter::check(bytes)?;
    if let Some(host) = state.user_mut::<Host>() {
        host.units
            .insert(source.to_owned(), (unit.clone(), Charge::new(bytes)));
    }
    Ok(unit)
}

/// The text as Go quotes it. Within many texts of `tpl` the outer ones are cut, so that an error does not grow
/// beyond all bounds.
fn quoted(text: &Str) -> String {
    if meter::may_tell(4 * text.len()) {
        return strconv::quote(text.as_bytes());
    }
    let head: String = text.to_str_lossy().chars().take(CUT_CHARS).collect();
    strconv::quote(head.as_bytes()) + "..."
}
