//! `include` and `tpl`: templates executed from templates (`includeFun` and `tplFun` of Helm's engine).

use helmapp_gotmpl::{Error, Functions, Limit, State, Str, Value, meter, strconv};
use memchr::memmem;

use super::SET_NAME;
use super::host::Host;
use super::texts::Ready;

/// How often a template may be within itself.
const MAX_RECURSION: usize = 1000;

/// Bytes of a text of `tpl` that are a step.
const BYTES_OF_A_STEP: u64 = 64;

/// What is left of a text that an error quotes, when it is cut.
const CUT_CHARS: usize = 100;

pub(super) fn add(functions: &mut Functions) {
    functions.add("include", include);
    functions.add("tpl", tpl);
}

fn include(state: &mut State, name: Str, data: Value) -> Result<Str, Error> {
    enter(state, &name)?;
    let result = match name.as_utf8() {
        Some(name) => state.render(name, &data),
        // No template has such a name.
        None => Err(Error::new(format!(
            "template: no template {} associated with template {:?}",
            strconv::quote(name.as_bytes()),
            SET_NAME
        ))),
    };
    if let Some(host) = state.user_mut::<Host>() {
        host.included.pop();
    }
    result
}

/// Refuses a template that is too often within itself.
fn enter(state: &mut State, name: &Str) -> Result<(), Error> {
    let Some(host) = state.user_mut::<Host>() else {
        return Ok(());
    };
    let deep = host.included.len();
    if deep > MAX_RECURSION {
        if host.included.iter().filter(|n| *n == name).count() > MAX_RECURSION {
            return Err(Error::caused(
                format!("rendering template has a nested reference name: {name}"),
                Error::new("unable to execute template"),
            ));
        }
        host.included.push(name.clone());
        // The count is work too.
        return state.spend(deep as u64 / 64);
    }
    host.included.push(name.clone());
    Ok(())
}

/// Templates that the text defines are seen by what it calls, and by nothing else.
fn tpl(state: &mut State, text: Str, data: Value) -> Result<Str, Error> {
    // It is searched, and looked up by all its bytes.
    state.spend(text.len() as u64 / BYTES_OF_A_STEP)?;
    if memmem::find(text.as_bytes(), b"{{").is_none() {
        return Ok(without_no_value(text));
    }
    let ready = ready(state, &text).map_err(|e| match e.limit() {
        // Steps, memory and the clock are the calling template's.
        Some(limit) if limit != Limit::SourceNodes && limit != Limit::ParseDepth => e,
        _ => Error::caused(format!("cannot parse template {}", quoted(&text)), e),
    })?;
    if !ready.executes {
        // Only definitions, under the text of another tpl: there is nothing of its own to execute.
        return Ok(Str::default());
    }
    let output = state.render_in(&ready.set, SET_NAME, &data).map_err(|e| {
        Error::caused(
            format!("error during tpl function execution for {}", quoted(&text)),
            e,
        )
    })?;
    Ok(without_no_value(output))
}

/// What Helm takes away from all that `tpl` gives.
fn without_no_value(text: Str) -> Str {
    const NO_VALUE: &str = "<no value>";
    match memmem::find(text.as_bytes(), NO_VALUE.as_bytes()) {
        Some(_) => Str::from(text.to_str_lossy().replace(NO_VALUE, "")),
        None => text,
    }
}

/// The text compiled, on top of the set that is executing. Its first use in a render counts as compiling it, whether
/// or not another render has.
fn ready(state: &mut State, text: &Str) -> Result<Ready, Error> {
    let Some(parent) = state.templates().cloned() else {
        return Err(Error::new("no template is executing"));
    };
    let Some(host) = state.user_mut::<Host>() else {
        return Err(Error::new("no template is executing"));
    };
    if let Some(ready) = host.texts.ready(text, &parent)? {
        return Ok(ready);
    }
    let (ready, nodes) = host.texts.compile(text, &parent)?;
    state.spend(10 + 4 * nodes as u64)?;
    Ok(ready)
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
