//! Emptiness, defaults, choices, types.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Variadic};
use crate::value::Value;

use super::cast::kind_name;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("default", |fallback: Value, given: Variadic<Value>| {
        match given.first() {
            Some(value) if !empty(value) => value.clone(),
            _ => fallback,
        }
    });
    funcs.add("empty", |v: Value| empty(&v));
    funcs.add("coalesce", |values: Variadic<Value>| {
        values.iter().find(|v| !empty(v)).cloned().unwrap_or_default()
    });
    funcs.add("all", |values: Variadic<Value>| values.iter().all(|v| !empty(v)));
    funcs.add("any", |values: Variadic<Value>| values.iter().any(|v| !empty(v)));
    funcs.add(
        "ternary",
        |yes: Value, no: Value, test: bool| if test { yes } else { no },
    );
    funcs.add("fail", |message: crate::value::Str| {
        Err::<Value, _>(Error::new(message.to_str_lossy()))
    });
    funcs.add("typeOf", |v: Value| v.type_name().into_owned());
    funcs.add("typeIs", |name: crate::value::Str, v: Value| {
        name == *v.type_name()
    });
    funcs.add("typeIsLike", |name: crate::value::Str, v: Value| {
        let found = v.type_name();
        name == *found || found.strip_prefix('*').is_some_and(|pointed| name == *pointed)
    });
    funcs.add("kindOf", |v: Value| kind_name(&v));
    funcs.add("kindIs", |name: crate::value::Str, v: Value| {
        name == kind_name(&v)
    });
    funcs.add("deepEqual", |state: &mut State, a: Value, b: Value| {
        state.spend(1)?;
        a.deep_equal(&b)
    });
    funcs.add("deepCopy", deep_copy);
    funcs.alias("mustDeepCopy", "deepCopy");
}

/// Whether the value is the zero value of its type, or a list, map or text without elements.
pub(super) fn empty(value: &Value) -> bool {
    !value.is_true()
}

fn deep_copy(state: &mut State, value: Value) -> Result<Value, Error> {
    state.spend(1)?;
    if value.is_nil() {
        return Err(Error::new("reflect: call of reflect.Value.Type on zero Value"));
    }
    value.deep_copy()
}
