//! Fields and methods: `.A.B.C` on maps and objects.

use std::rc::Rc;

use crate::compile::Name;
use crate::error::Error;
use crate::exec::State;
use crate::exec::call::{Call, Target};
use crate::exec::frame::{Frame, Rv};
use crate::set::MissingKey;
use crate::strconv;
use crate::value::{Kind, Map, Object, Value};

impl State {
    /// Goes along the names from the receiver; the last may be a method that takes the call's arguments.
    pub(super) fn eval_chain(
        &mut self,
        frame: &mut Frame<'_>,
        receiver: Rv,
        names: &[Name],
        call: Call<'_>,
    ) -> Result<Rv, Error> {
        let Some((last, front)) = names.split_last() else {
            return Ok(receiver);
        };
        let mut receiver = receiver;
        for name in front {
            receiver = self.eval_field(frame, receiver, name, Call::plain(call.node))?;
        }
        self.eval_field(frame, receiver, last, call)
    }

    fn eval_field(
        &mut self,
        frame: &mut Frame<'_>,
        receiver: Rv,
        field: &Name,
        call: Call<'_>,
    ) -> Result<Rv, Error> {
        let name = &*field.text;
        match &receiver.value {
            Value::Map(map) => {
                if let Some(methods) = map.map_type().methods
                    && let Some(signature) = methods.method(name)
                {
                    let target = Target::MapMethod {
                        methods,
                        receiver: &receiver.value,
                        name,
                    };
                    return self.call_method(frame, target, &signature, name, call);
                }
                self.map_entry(frame, map, field, &call)
            }
            Value::Nil if !receiver.interface => {
                if self.missing_key() == MissingKey::Error {
                    let key = strconv::quote(name.as_bytes());
                    return frame.fail(format!("nil data; no entry for key {key}"));
                }
                Ok(Rv::default())
            }
            Value::Nil => frame.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    let target = Target::Method { object, name };
                    return self.call_method(frame, target, &signature, name, call);
                }
                self.object_field(frame, &receiver, object, field, &call)
            }
            _ => cannot(frame, &receiver, name),
        }
    }

    fn object_field(
        &mut self,
        frame: &mut Frame<'_>,
        receiver: &Rv,
        object: &Rc<dyn Object>,
        field: &Name,
        call: &Call<'_>,
    ) -> Result<Rv, Error> {
        let name = &*field.text;
        if let Some(Value::Map(map)) = object.underlying() {
            return self.map_entry(frame, &map, field, call);
        }
        let Some(value) = object.field(name) else {
            return cannot(frame, receiver, name);
        };
        if object.is_nil() && object.kind() == Kind::Ptr {
            return frame.fail(format!("nil pointer evaluating {}.{name}", receiver.type_name()));
        }
        if call.has_args() {
            return frame.fail(format!("{name} has arguments but cannot be invoked as function"));
        }
        let interface = value.is_nil();
        Ok(Rv { value, interface })
    }

    fn map_entry(
        &mut self,
        frame: &mut Frame<'_>,
        map: &Map,
        field: &Name,
        call: &Call<'_>,
    ) -> Result<Rv, Error> {
        let name = &*field.text;
        if call.has_args() {
            return frame.fail(format!("{name} is not a method but has arguments"));
        }
        let elem = map.map_type().elem;
        if let Some(value) = map.get_hinted(name, &field.hint) {
            return Ok(Rv {
                value,
                interface: elem.is_interface(),
            });
        }
        match self.missing_key() {
            MissingKey::Default => Ok(Rv::default()),
            MissingKey::Zero => Ok(Rv {
                value: elem.zero(),
                interface: elem.is_interface(),
            }),
            MissingKey::Error => {
                let key = strconv::quote(name.as_bytes());
                frame.fail(format!("map has no entry for key {key}"))
            }
        }
    }
}

fn cannot(frame: &Frame<'_>, receiver: &Rv, name: &str) -> Result<Rv, Error> {
    frame.fail(format!(
        "can't evaluate field {name} in type {}",
        receiver.type_name()
    ))
}
