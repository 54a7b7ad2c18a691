//! One template being executed: where it is, its dot and its variables.

use crate::compile::{At, NodeKind, Template, describe};
use crate::error::Error;
use crate::set::place;
use crate::value::Value;

/// A value together with whether Go's static type of it is `interface {}`, which error texts show. A nil
/// that is no interface stands for no value at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rv {
    pub(crate) value: Value,
    pub(crate) interface: bool,
}

impl Rv {
    pub(crate) fn concrete(value: Value) -> Rv {
        Rv {
            value,
            interface: false,
        }
    }

    pub(crate) fn is_nil_interface(&self) -> bool {
        self.interface && self.value.is_nil()
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.interface || !self.value.is_nil()
    }

    /// Go's name of the static type.
    pub(crate) fn type_name(&self) -> String {
        let declared = match &self.value {
            Value::Object(o) => o.interface_name(),
            _ => None,
        };
        match declared {
            _ if self.interface => "interface {}".into(),
            Some(name) => name.into(),
            None => self.value.type_name().into_owned(),
        }
    }
}

/// A variable: unset until the pipeline that declares it has run.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot(pub(super) Option<Rv>);

pub(super) struct Frame<'t> {
    pub(super) template: &'t Template,
    /// Where the template's variables start among all variables.
    pub(super) base: usize,
    pub(super) dot: Rv,
    /// The node at work, which an error will name.
    pub(super) at: At,
}

impl<'t> Frame<'t> {
    pub(super) fn new(template: &'t Template, base: usize, dot: Rv) -> Frame<'t> {
        Frame {
            template,
            base,
            dot,
            at: At {
                kind: NodeKind::Text,
                pos: 0,
            },
        }
    }

    pub(super) fn at(&mut self, kind: NodeKind, pos: u32) {
        self.at = At { kind, pos };
    }

    /// The node as Go prints it.
    pub(super) fn describe(&self, at: At) -> String {
        describe(self.template, at)
    }

    #[cold]
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T, Error> {
        Err(self.place(Error::new(message)))
    }

    /// The error, placed at the node at work.
    #[cold]
    pub(super) fn place(&self, error: Error) -> Error {
        error.at(place(self.template, self.at.pos, self.describe(self.at)))
    }
}
