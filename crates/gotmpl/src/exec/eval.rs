//! Evaluation of pipelines, commands and arguments. The node at work is set at the same points as in
//! Go, because errors name whichever was set last.

use std::rc::Rc;

use crate::compile::{At, Command, Expr, NodeKind, Pipe};
use crate::error::Error;
use crate::exec::State;
use crate::exec::call::Call;
use crate::exec::frame::{Frame, Rv};
use crate::parse::number::Number;
use crate::value::{Elem, IntType, List, Map, MapType, ParamType, Value};

impl State {
    /// The value of a pipeline: nil when it has none. Declared variables are set.
    pub(super) fn eval_pipe(&mut self, frame: &mut Frame<'_>, pipe: &Pipe) -> Result<Value, Error> {
        frame.at(NodeKind::Pipe, pipe.pos);
        let mut cmds = pipe.cmds.iter();
        let mut value = match cmds.next() {
            Some(cmd) => self.eval_command(frame, cmd, None)?,
            None => Value::Nil,
        };
        for cmd in cmds {
            value = self.eval_command(frame, cmd, Some(value))?;
        }
        for decl in &pipe.decl {
            let Some(slot) = decl.slot else {
                return frame.fail(format!("undefined variable: {}", decl.name));
            };
            self.set_slot(frame, Some(slot), Rv::concrete(value.clone()));
        }
        Ok(value)
    }

    fn eval_command(
        &mut self,
        frame: &mut Frame<'_>,
        cmd: &Command,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let at = cmd.head.at();
        match &cmd.head {
            Expr::Field { names, .. } => {
                frame.at = at;
                let dot = frame.dot.clone();
                let call = Call {
                    node: at,
                    args: &cmd.args,
                    last,
                };
                return self.eval_chain(frame, dot, names, call).map(|v| v.value);
            }
            Expr::Chain { node, fields, .. } => {
                let receiver = self.eval_chain_start(frame, at, node)?;
                let call = Call {
                    node: at,
                    args: &cmd.args,
                    last,
                };
                return self.eval_chain(frame, receiver, fields, call).map(|v| v.value);
            }
            Expr::Call { name, callee, .. } => {
                frame.at = at;
                let node = At {
                    kind: NodeKind::Command,
                    pos: cmd.pos,
                };
                return self.eval_function(
                    frame,
                    callee,
                    name,
                    Call {
                        node,
                        args: &cmd.args,
                        last,
                    },
                );
            }
            Expr::Pipe(pipe) => {
                not_a_function(frame, cmd, &last)?;
                self.check_stack().map_err(|e| frame.place(e))?;
                return self.eval_pipe(frame, pipe);
            }
            Expr::Variable { fields, .. } => {
                let value = self.eval_variable(frame, &cmd.head)?;
                if fields.is_empty() {
                    not_a_function(frame, cmd, &last)?;
                    return Ok(value.value);
                }
                let call = Call {
                    node: at,
                    args: &cmd.args,
                    last,
                };
                return self.eval_chain(frame, value, fields, call).map(|v| v.value);
            }
            _ => {}
        }
        frame.at = at;
        not_a_function(frame, cmd, &last)?;
        match &cmd.head {
            Expr::Bool { value, .. } => Ok(Value::Bool(*value)),
            Expr::Dot { .. } => Ok(frame.dot.value.clone()),
            Expr::Number { value, .. } => ideal_constant(frame, at, value),
            Expr::String { value, .. } => Ok(Value::String(value.clone())),
            _ => frame.fail("nil is not a command"),
        }
    }

    /// The value of `$x` without its fields.
    fn eval_variable(&mut self, frame: &mut Frame<'_>, expr: &Expr) -> Result<Rv, Error> {
        frame.at = expr.at();
        let Expr::Variable { name, slot, .. } = expr else {
            return Ok(Rv::default());
        };
        match slot
            .and_then(|s| self.vars.get(frame.base + s as usize))
            .and_then(|v| v.0.as_ref())
        {
            Some(value) => Ok(value.clone()),
            None => frame.fail(format!("undefined variable: {name}")),
        }
    }

    /// The value that a chain of fields in parentheses or behind a function starts from.
    fn eval_chain_start(&mut self, frame: &mut Frame<'_>, at: At, node: &Expr) -> Result<Rv, Error> {
        frame.at = at;
        if matches!(node, Expr::Nil { .. }) {
            let shown = frame.describe(at);
            return frame.fail(format!("indirection through explicit nil in {shown}"));
        }
        self.eval_operand(frame, node)
    }

    /// The value of an operand that is no literal, as it is.
    fn eval_operand(&mut self, frame: &mut Frame<'_>, expr: &Expr) -> Result<Rv, Error> {
        let at = expr.at();
        frame.at = at;
        match expr {
            Expr::Dot { .. } => Ok(frame.dot.clone()),
            Expr::Field { names, .. } => {
                let dot = frame.dot.clone();
                self.eval_chain(frame, dot, names, Call::plain(at))
            }
            Expr::Variable { fields, .. } => {
                let value = self.eval_variable(frame, expr)?;
                if fields.is_empty() {
                    return Ok(value);
                }
                self.eval_chain(frame, value, fields, Call::plain(at))
            }
            Expr::Pipe(pipe) => {
                self.check_stack().map_err(|e| frame.place(e))?;
                self.eval_pipe(frame, pipe).map(Rv::concrete)
            }
            Expr::Call { name, callee, .. } => {
                let value = self.eval_function(frame, callee, name, Call::plain(at))?;
                Ok(Rv {
                    value,
                    interface: callee.returns_interface(),
                })
            }
            Expr::Chain { node, fields, .. } => {
                let receiver = self.eval_chain_start(frame, at, node)?;
                self.eval_chain(frame, receiver, fields, Call::plain(at))
            }
            Expr::Bool { value, .. } => Ok(Rv::concrete(Value::Bool(*value))),
            Expr::Number { value, .. } => ideal_constant(frame, at, value).map(Rv::concrete),
            Expr::String { value, .. } => Ok(Rv::concrete(Value::String(value.clone()))),
            Expr::Nil { .. } => Ok(Rv::default()),
        }
    }

    /// An argument, as a value of the parameter's type.
    pub(super) fn eval_arg(
        &mut self,
        frame: &mut Frame<'_>,
        expr: &Expr,
        ty: ParamType,
    ) -> Result<Rv, Error> {
        let at = expr.at();
        let literal = match expr {
            Expr::Nil { .. } => {
                frame.at = at;
                if ty.can_be_nil() {
                    return Ok(zero(ty));
                }
                return frame.fail(format!("cannot assign nil to {}", ty.name()));
            }
            Expr::Bool { .. } | Expr::Number { .. } | Expr::String { .. } => expr,
            _ => {
                let value = self.eval_operand(frame, expr)?;
                return validate(frame, value, ty);
            }
        };
        frame.at = at;
        let mistaken = |frame: &Frame<'_>, what: &str| {
            let shown = frame.describe(at);
            frame.fail(format!("expected {what}; found {shown}"))
        };
        let number = match literal {
            Expr::Number { value, .. } => **value,
            _ => Number::default(),
        };
        let value = match (ty, literal) {
            (ParamType::Any | ParamType::Reflect, _) => return self.eval_operand(frame, expr),
            (ParamType::Bool, Expr::Bool { value, .. }) => Value::Bool(*value),
            (ParamType::Bool, _) => return mistaken(frame, "bool"),
            (ParamType::String, Expr::String { value, .. }) => Value::String(value.clone()),
            (ParamType::String, _) => return mistaken(frame, "string"),
            (ParamType::Int(t), _) => match number.int {
                Some(n) => Value::Int(t.wrap(n), t),
                None => return mistaken(frame, "integer"),
            },
            (ParamType::NamedInt64(_), _) => match number.int {
                Some(n) => Value::Int(n, IntType::Int64),
                None => return mistaken(frame, "integer"),
            },
            (ParamType::Uint(t), _) => match number.uint {
                Some(n) => Value::Uint(t.wrap(n), t),
                None => return mistaken(frame, "unsigned integer"),
            },
            (ParamType::Float(t), _) => match number.float {
                Some(f) => Value::Float(f, t),
                None => return mistaken(frame, "float"),
            },
            (ParamType::Bytes | ParamType::Map(_) | ParamType::List(_) | ParamType::Named(_), _) => {
                let shown = frame.describe(at);
                return frame.fail(format!("can't handle {shown} for arg of type {}", ty.name()));
            }
        };
        Ok(Rv::concrete(value))
    }
}

/// A value where one of the type is asked for.
#[inline]
pub(super) fn validate(frame: &Frame<'_>, value: Rv, ty: ParamType) -> Result<Rv, Error> {
    if matches!(ty, ParamType::Any | ParamType::Reflect) || value.value.assignable_to(ty) {
        return Ok(value);
    }
    convert(frame, value, ty)
}

/// What else may stand for a value of the type: nil, and a pointer to one.
#[cold]
fn convert(frame: &Frame<'_>, value: Rv, ty: ParamType) -> Result<Rv, Error> {
    if !value.is_valid() {
        if ty.can_be_nil() {
            return Ok(zero(ty));
        }
        return frame.fail(format!("invalid value; expected {}", ty.name()));
    }
    // A pointer may stand for what it points to.
    if let (ParamType::Named(name), Value::Object(o)) = (ty, &value.value)
        && o.type_name().strip_prefix('*') == Some(name)
    {
        return Ok(value);
    }
    let got = if value.is_nil_interface() {
        value.type_name()
    } else {
        value.value.type_name().into_owned()
    };
    frame.fail(format!("wrong type for value; expected {}; got {got}", ty.name()))
}

/// The zero value of a type that has a nil.
fn zero(ty: ParamType) -> Rv {
    match ty {
        ParamType::Map(Elem::String) => Rv::concrete(Value::Map(Map::nil(&MapType::STRING))),
        ParamType::Map(_) => Rv::concrete(Value::Map(Map::nil(&MapType::ANY))),
        ParamType::List(elem) => Rv::concrete(Value::List(List::nil(elem))),
        ParamType::Bytes => Rv::concrete(Elem::Bytes.zero()),
        _ => Rv::default(),
    }
}

fn ideal_constant(frame: &Frame<'_>, at: At, n: &Number) -> Result<Value, Error> {
    if let Some(complex) = n.complex {
        return Ok(Value::Complex(Rc::new(complex)));
    }
    match (n.int, n.float) {
        (_, Some(f)) if n.is_float_syntax => Ok(Value::float(f)),
        (Some(i), _) => Ok(Value::int(i)),
        _ => {
            let shown = frame.describe(at);
            frame.fail(format!("{shown} overflows int"))
        }
    }
}

fn not_a_function(frame: &Frame<'_>, cmd: &Command, last: &Option<Value>) -> Result<(), Error> {
    if cmd.args.is_empty() && last.is_none() {
        return Ok(());
    }
    let shown = frame.describe(cmd.head.at());
    frame.fail(format!("can't give argument to non-function {shown}"))
}

impl State {
    /// Writes the value of an action.
    pub(super) fn print(&mut self, frame: &mut Frame<'_>, value: &Value) -> Result<(), Error> {
        let before = self.out.len();
        match value {
            Value::String(s) => self.out.push(s),
            Value::Nil => self.out.push_str("<no value>"),
            Value::Object(o) if o.kind() == crate::value::Kind::Func => {
                let shown = frame.describe(frame.at);
                return frame.fail(format!("can't print {shown} of type {}", o.type_name()));
            }
            _ => crate::fmt::print_action(&mut self.out, value).map_err(|e| frame.place(e))?,
        }
        let written = self.out.len() - before;
        self.wrote(written).map_err(|e| frame.place(e))
    }
}
