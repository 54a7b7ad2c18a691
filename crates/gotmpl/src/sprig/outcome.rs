//! Go's `error` as a value: what a method gives that returns nothing else.

use std::borrow::Cow;

use crate::error::Error;
use crate::exec::State;
use crate::func::Signature;
use crate::value::{Kind, Object, Str, Value};

/// The value of an `error`.
pub(super) fn outcome(result: Result<(), Failure>) -> Value {
    match result {
        Ok(()) => no_error(),
        Err(failure) => Value::object(failure),
    }
}

/// Go's nil `error`, as a method gives it that returns nothing else: an action prints `<nil>`, to functions it is nil.
pub fn no_error() -> Value {
    Value::object(NoFailure)
}

const INTERFACE: &str = "error";

/// Its only method.
const ERROR: &str = "Error";

/// An `error` that is nil. A function gets nothing but the nil; an action prints it as one.
#[derive(Debug)]
struct NoFailure;

impl Object for NoFailure {
    fn type_name(&self) -> Cow<'static, str> {
        INTERFACE.into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn is_nil(&self) -> bool {
        true
    }

    /// Any name that is asked for is refused as one of a nil pointer.
    fn field(&self, _: &str) -> Option<Value> {
        Some(Value::Nil)
    }

    fn as_argument(&self) -> Option<Value> {
        Some(Value::Nil)
    }
}

/// An `error` that is not nil.
#[derive(Debug)]
pub(super) struct Failure {
    /// The type that stands behind it.
    pub(super) type_name: &'static str,
    pub(super) text: String,
    /// The struct's fields.
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Object for Failure {
    fn type_name(&self) -> Cow<'static, str> {
        self.type_name.into()
    }

    fn interface_name(&self) -> Option<&'static str> {
        Some(INTERFACE)
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from(self.text.as_str()))
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let mut exported = self.json_members()?.into_iter();
        exported.find(|field| field.0 == name).map(|field| field.1)
    }

    fn json_members(&self) -> Option<Vec<(Cow<'static, str>, Value)>> {
        let mut fields = self.fields();
        fields.retain(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
        Some(fields)
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == ERROR).then(|| Signature::fixed(&[]))
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(self.text.as_str().into())
    }
}
