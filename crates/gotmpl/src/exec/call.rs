//! Calls of functions and methods: arguments against the signature, then the call itself.

use std::rc::Rc;

use crate::compile::{At, Builtin, Callee, Expr};
use crate::error::Error;
use crate::exec::State;
use crate::exec::eval::validate;
use crate::exec::frame::{Frame, Rv};
use crate::func::{Func, Results, Signature, builtins};
use crate::value::{Methods, Object, ParamType, Value};

/// How something is called: the node that an error of the call itself names, the arguments that are
/// written, and the one from the pipeline.
pub(super) struct Call<'a> {
    pub(super) node: At,
    pub(super) args: &'a [Expr],
    pub(super) last: Option<Value>,
}

impl Call<'_> {
    /// A mention without arguments.
    pub(super) fn plain(node: At) -> Call<'static> {
        Call {
            node,
            args: &[],
            last: None,
        }
    }

    pub(super) fn has_args(&self) -> bool {
        !self.args.is_empty() || self.last.is_some()
    }

    fn count(&self) -> usize {
        self.args.len() + usize::from(self.last.is_some())
    }
}

/// What is called.
pub(super) enum Target<'a> {
    Func(&'a Func),
    Builtin(Builtin),
    Method {
        object: &'a Rc<dyn Object>,
        name: &'a str,
    },
    MapMethod {
        methods: &'static dyn Methods,
        receiver: &'a Value,
        name: &'a str,
    },
}

impl Callee {
    pub(super) fn returns_interface(&self) -> bool {
        matches!(self, Callee::Func(f) if f.signature().results == Results::Interface)
    }
}

/// Calls with up to so many arguments need no allocation for them.
const INLINE: usize = 4;

impl State {
    pub(super) fn eval_function(
        &mut self,
        frame: &mut Frame<'_>,
        callee: &Callee,
        name: &str,
        call: Call<'_>,
    ) -> Result<Value, Error> {
        match callee {
            Callee::Func(f) => self.eval_call(frame, Target::Func(f), f.signature(), name, call),
            Callee::Builtin(b @ (Builtin::And | Builtin::Or)) => {
                check_count(frame, builtins::signature(*b), name, &call)?;
                self.eval_and_or(frame, *b == Builtin::Or, call)
            }
            Callee::Builtin(b) => {
                self.eval_call(frame, Target::Builtin(*b), builtins::signature(*b), name, call)
            }
            Callee::Undefined => {
                let name = crate::strconv::quote(name.as_bytes());
                frame.fail(format!("{name} is not a defined function"))
            }
        }
    }

    /// `and` and `or` evaluate their arguments only as far as needed.
    fn eval_and_or(&mut self, frame: &mut Frame<'_>, or: bool, call: Call<'_>) -> Result<Value, Error> {
        let mut value = Value::Nil;
        for arg in call.args {
            value = self.eval_arg(frame, arg, ParamType::Reflect)?.value;
            if value.is_true() == or {
                return Ok(value);
            }
        }
        Ok(call.last.unwrap_or(value))
    }

    pub(super) fn call_method(
        &mut self,
        frame: &mut Frame<'_>,
        target: Target<'_>,
        signature: &Signature,
        name: &str,
        call: Call<'_>,
    ) -> Result<Rv, Error> {
        let value = self.eval_call(frame, target, signature, name, call)?;
        Ok(Rv {
            value,
            interface: signature.results == Results::Interface,
        })
    }

    fn eval_call(
        &mut self,
        frame: &mut Frame<'_>,
        target: Target<'_>,
        signature: &Signature,
        name: &str,
        call: Call<'_>,
    ) -> Result<Value, Error> {
        check_count(frame, signature, name, &call)?;
        if let Some(refusal) = signature.results.refusal(name) {
            return frame.fail(refusal);
        }
        let count = call.count();
        if count <= INLINE {
            let mut args: [Value; INLINE] = Default::default();
            let args = args.get_mut(..count).unwrap_or_default();
            self.eval_args_and_call(frame, target, signature, name, call, args)
        } else {
            let mut args = vec![Value::Nil; count];
            self.eval_args_and_call(frame, target, signature, name, call, &mut args)
        }
    }

    fn eval_args_and_call(
        &mut self,
        frame: &mut Frame<'_>,
        target: Target<'_>,
        signature: &Signature,
        name: &str,
        call: Call<'_>,
        args: &mut [Value],
    ) -> Result<Value, Error> {
        let mut interfaces = 0u32;
        let mut slots = args.iter_mut().enumerate();
        for (expr, (i, slot)) in call.args.iter().zip(&mut slots) {
            let value = self.eval_arg(frame, expr, param(signature, i))?;
            interfaces |= u32::from(value.interface).checked_shl(i as u32).unwrap_or(0);
            *slot = value.value;
        }
        if let (Some(last), Some((i, slot))) = (call.last, slots.next()) {
            *slot = validate(frame, Rv::concrete(last), param(signature, i))?.value;
        }
        for (i, arg) in args.iter_mut().enumerate() {
            if let Value::Object(object) = arg
                && let Some(passed) = object.as_argument()
            {
                // What is nil then was an interface.
                interfaces |= u32::from(passed.is_nil()).checked_shl(i as u32).unwrap_or(0);
                *arg = passed;
            }
        }
        let text: usize = args
            .iter()
            .filter_map(Value::as_str)
            .map(crate::value::Str::len)
            .sum();
        self.spend(CALL_STEPS + text as u64 / 16)
            .map_err(|e| frame.place(e))?;
        let result = match target {
            Target::Func(f) => f.call(self, args),
            Target::Builtin(Builtin::Call) => {
                let callee = match (call.args.first(), args.first()) {
                    (Some(written), _) => frame.describe(written.at()),
                    (None, Some(Value::String(s))) => s.to_string(),
                    (None, Some(value)) if !value.is_nil() => format!("<{} Value>", value.type_name()),
                    _ => "<invalid Value>".into(),
                };
                builtins::call_value(self, &callee, args)
            }
            Target::Builtin(b) => builtins::call(b, args, interfaces),
            Target::Method { object, name } => object.call_method(self, name, args),
            Target::MapMethod {
                methods,
                receiver,
                name,
            } => methods.call(receiver, self, name, args),
        };
        let settled = result.and_then(|value| self.settle(&value).map(|()| value));
        settled.map_err(|e| {
            frame.at = call.node;
            frame.place(Error::caused(format!("error calling {name}"), e))
        })
    }
}

/// What a call counts for, beside the text of its arguments.
const CALL_STEPS: u64 = 6;

/// The type of the i-th argument.
fn param(signature: &Signature, i: usize) -> ParamType {
    let params = &signature.params;
    params
        .get(i)
        .or_else(|| params.last())
        .copied()
        .unwrap_or(ParamType::Any)
}

fn check_count(frame: &Frame<'_>, signature: &Signature, name: &str, call: &Call<'_>) -> Result<(), Error> {
    let (want, got) = (signature.params.len(), call.count());
    if signature.variadic {
        let fixed = want.saturating_sub(1);
        if got < fixed {
            let written = call.args.len();
            return frame.fail(format!(
                "wrong number of args for {name}: want at least {fixed} got {written}"
            ));
        }
    } else if got != want {
        return frame.fail(format!("wrong number of args for {name}: want {want} got {got}"));
    }
    Ok(())
}
