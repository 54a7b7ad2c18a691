//! The functions that text/template itself defines.

use crate::compile::Builtin;
use crate::error::Error;
use crate::exec::State;
use crate::exec::output::Output;
use crate::fmt;
use crate::func::{Signature, compare, escape};
use crate::meter;
use crate::value::{List, ParamType, Str, UintType, Value};

const R: ParamType = ParamType::Reflect;

static ONE: Signature = Signature::fixed(&[R]);
static TWO: Signature = Signature::fixed(&[R, R]);
static ONE_OR_MORE: Signature = Signature::variadic(&[R, R]);
static ANY: Signature = Signature::variadic(&[ParamType::Any]);
static FORMAT: Signature = Signature::variadic(&[ParamType::String, ParamType::Any]);

/// The function's signature in Go.
pub(crate) fn signature(builtin: Builtin) -> &'static Signature {
    match builtin {
        Builtin::Not | Builtin::Len => &ONE,
        Builtin::Ne | Builtin::Lt | Builtin::Le | Builtin::Gt | Builtin::Ge => &TWO,
        Builtin::And | Builtin::Or | Builtin::Index | Builtin::Slice | Builtin::Call | Builtin::Eq => {
            &ONE_OR_MORE
        }
        Builtin::Print | Builtin::Println | Builtin::Html | Builtin::Js | Builtin::UrlQuery => &ANY,
        Builtin::Printf => &FORMAT,
    }
}

/// Calls a function other than `and`, `or` and `call`. The bits of `interfaces` tell which arguments Go
/// would see as interfaces, which `len` and `slice` do not look into.
pub(crate) fn call(builtin: Builtin, args: &mut [Value], interfaces: u32) -> Result<Value, Error> {
    let (first, rest) = args.split_first().unwrap_or((&Value::Nil, &[]));
    let second = rest.first().unwrap_or(&Value::Nil);
    match builtin {
        Builtin::Not => Ok(Value::Bool(!first.is_true())),
        Builtin::Len => len(first, interfaces & 1 == 1),
        Builtin::Index => index(first, rest),
        Builtin::Slice => slice(first, rest, interfaces >> 1),
        Builtin::Print => text(|out| fmt::sprint(out, args)),
        Builtin::Println => text(|out| fmt::sprintln(out, args)),
        Builtin::Printf => {
            let format = first.as_str().cloned().unwrap_or_default();
            text(|out| fmt::sprintf(out, format.as_bytes(), rest))
        }
        Builtin::Html => escaped(args, escape::html),
        Builtin::Js => escaped(args, escape::js),
        Builtin::UrlQuery => escaped(args, escape::url_query),
        Builtin::Eq => compare::eq(first, rest).map(Value::Bool),
        Builtin::Ne => compare::eq(first, rest).map(|b| Value::Bool(!b)),
        Builtin::Lt => compare::lt(first, second).map(Value::Bool),
        Builtin::Le => compare::le(first, second).map(Value::Bool),
        Builtin::Gt => compare::le(first, second).map(|b| Value::Bool(!b)),
        Builtin::Ge => compare::lt(first, second).map(|b| Value::Bool(!b)),
        Builtin::And | Builtin::Or | Builtin::Call => Err(Error::new("unreachable")),
    }
}

fn text(write: impl FnOnce(&mut Output) -> Result<(), Error>) -> Result<Value, Error> {
    let mut out = Output::new();
    write(&mut out)?;
    Ok(Value::String(out.into_str()))
}

/// Bytes that are escaped in a step.
const ESCAPED_OF_A_STEP: u64 = 4;

fn escaped(args: &[Value], escape: fn(&Str) -> Str) -> Result<Value, Error> {
    let text = escape::text_of(args)?;
    meter::work(text.len() as u64 / ESCAPED_OF_A_STEP)?;
    Ok(Value::String(escape(&text)))
}

fn len(value: &Value, nil_interface: bool) -> Result<Value, Error> {
    let n = match value.underlying().as_ref() {
        Value::Nil if nil_interface => return Err(Error::new("len of nil pointer")),
        Value::Nil => return Err(Error::new("reflect: call of reflect.Value.Type on zero Value")),
        Value::String(s) => s.len(),
        Value::Bytes(b) => b.len(),
        Value::List(l) => l.len(),
        Value::Map(m) => m.len(),
        Value::Object(o) if o.is_nil() => return Err(Error::new("len of nil pointer")),
        _ => {
            return Err(Error::new(format!(
                "len of type {}",
                value.type_name().trim_start_matches('*')
            )));
        }
    };
    Ok(Value::int(n as i64))
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, Error> {
    if item.is_nil() {
        return Err(Error::new("index of untyped nil"));
    }
    let mut item = item.clone();
    for key in indexes {
        let next = match item.underlying().as_ref() {
            Value::Nil => return Err(Error::new("index of nil pointer")),
            Value::Object(o) if o.is_nil() => return Err(Error::new("index of nil pointer")),
            Value::String(s) => {
                let i = index_arg(key, s.len())?;
                let byte = s.as_bytes().get(i).ok_or_else(|| out_of_range("string"))?;
                Value::Uint(u64::from(*byte), UintType::Uint8)
            }
            Value::Bytes(b) => {
                let i = index_arg(key, b.len())?;
                let byte = b.get(i).ok_or_else(|| out_of_range("slice"))?;
                Value::Uint(u64::from(*byte), UintType::Uint8)
            }
            Value::List(l) => {
                let i = index_arg(key, l.len())?;
                l.get(i).cloned().ok_or_else(|| out_of_range("slice"))?
            }
            Value::Map(m) => match key {
                Value::Nil => return Err(Error::new("value is nil; should be of type string")),
                Value::String(k) => m
                    .get_bytes(k.as_bytes())
                    .unwrap_or_else(|| m.map_type().elem.zero()),
                _ => {
                    let ty = key.type_name();
                    return Err(Error::new(format!("value has type {ty}; should be string")));
                }
            },
            other => {
                let ty = other.type_name();
                return Err(Error::new(format!(
                    "can't index item of type {}",
                    ty.trim_start_matches('*')
                )));
            }
        };
        item = next;
    }
    Ok(item)
}

fn out_of_range(what: &str) -> Error {
    Error::new(format!("reflect: {what} index out of range"))
}

fn index_arg(index: &Value, cap: usize) -> Result<usize, Error> {
    let (shown, i) = match index.underlying().as_ref() {
        Value::Int(n, _) => (*n, usize::try_from(*n).ok()),
        Value::Uint(n, _) => (*n as i64, usize::try_from(*n as i64).ok()),
        Value::Nil => return Err(Error::new("cannot index slice/array with nil")),
        _ => {
            let ty = index.type_name();
            return Err(Error::new(format!("cannot index slice/array with type {ty}")));
        }
    };
    i.filter(|i| *i <= cap)
        .ok_or_else(|| Error::new(format!("index out of range: {shown}")))
}

fn slice(item: &Value, indexes: &[Value], interfaces: u32) -> Result<Value, Error> {
    if item.is_nil() {
        return Err(Error::new("slice of untyped nil"));
    }
    if matches!(item, Value::Object(o) if o.is_nil()) {
        return Err(Error::new("slice of nil pointer"));
    }
    if indexes.len() > 3 {
        return Err(Error::new(format!("too many slice indexes: {}", indexes.len())));
    }
    let inner = item.underlying();
    let len = match inner.as_ref() {
        Value::String(_) if indexes.len() == 3 => return Err(Error::new("cannot 3-index slice a string")),
        Value::String(s) => s.len(),
        Value::Bytes(b) => b.len(),
        Value::List(l) => l.len(),
        _ => {
            return Err(Error::new(format!(
                "can't slice item of type {}",
                item.type_name()
            )));
        }
    };
    let mut bounds = [0, len, len];
    for (i, (bound, index)) in bounds.iter_mut().zip(indexes).enumerate() {
        if interfaces >> i & 1 == 1 {
            return Err(Error::new("cannot index slice/array with type interface {}"));
        }
        *bound = index_arg(index, len)?;
    }
    let [start, end, cap] = bounds;
    if start > end {
        return Err(Error::new(format!("invalid slice index: {start} > {end}")));
    }
    if end > cap {
        return Err(Error::new(format!("invalid slice index: {end} > {cap}")));
    }
    Ok(match inner.as_ref() {
        Value::String(s) => Value::String(s.slice(start, end).unwrap_or_default()),
        Value::Bytes(b) => Value::Bytes(b.get(start..end).unwrap_or_default().into()),
        Value::List(l) => Value::List(List::typed(
            l.elem(),
            l.get(start..end).unwrap_or_default().to_vec(),
        )),
        _ => Value::Nil,
    })
}

/// `call`: the first argument is a function value; `name` is how the template calls it.
pub(crate) fn call_value(state: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
    let Some((function, args)) = args.split_first_mut() else {
        return Err(Error::new("call of nil"));
    };
    if function.is_nil() {
        return Err(Error::new("call of nil"));
    }
    let object = match function {
        Value::Object(o) => o.signature().map(|s| (o.clone(), s)),
        _ => None,
    };
    let Some((object, signature)) = object else {
        return Err(Error::new(format!(
            "non-function {name} of type {}",
            function.type_name()
        )));
    };
    let (want, got) = (signature.params.len(), args.len());
    if signature.variadic && got + 1 < want {
        let fixed = want.saturating_sub(1);
        return Err(Error::new(format!(
            "wrong number of args for {name}: got {got} want at least {fixed}"
        )));
    }
    if !signature.variadic && got != want {
        return Err(Error::new(format!(
            "wrong number of args for {name}: got {got} want {want}"
        )));
    }
    for (i, arg) in args.iter_mut().enumerate() {
        let ty = signature
            .params
            .get(i)
            .or_else(|| signature.params.last())
            .copied()
            .unwrap_or(ParamType::Any);
        prepare(arg, ty).map_err(|e| Error::caused(format!("arg {i}"), e))?;
    }
    object.call(state, args)
}

/// Makes the argument fit the type: integers of one type become those of another.
fn prepare(arg: &mut Value, ty: ParamType) -> Result<(), Error> {
    if arg.is_nil() {
        if ty.can_be_nil() {
            return Ok(());
        }
        return Err(Error::new(format!(
            "value is nil; should be of type {}",
            ty.name()
        )));
    }
    if arg.assignable_to(ty) {
        return Ok(());
    }
    let converted = match (ty, &*arg) {
        (ParamType::Int(t), Value::Int(n, _)) => Some(Value::Int(t.wrap(*n), t)),
        (ParamType::Int(t), Value::Uint(n, _)) => Some(Value::Int(t.wrap(*n as i64), t)),
        (ParamType::Uint(t), Value::Int(n, _)) => Some(Value::Uint(t.wrap(*n as u64), t)),
        (ParamType::Uint(t), Value::Uint(n, _)) => Some(Value::Uint(t.wrap(*n), t)),
        _ => None,
    };
    match converted {
        Some(v) => *arg = v,
        None => {
            return Err(Error::new(format!(
                "value has type {}; should be {}",
                arg.type_name(),
                ty.name()
            )));
        }
    }
    Ok(())
}
