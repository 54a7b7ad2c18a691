//! Host objects: Go values that the engine knows only through this trait, such as a chart's files, a
//! point in time or a certificate.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use crate::error::Error;
use crate::exec::State;
use crate::func::Signature;
use crate::value::types::Kind;
use crate::value::{Str, Value};

/// A value of a declared Go type. A struct gives its fields, a declared string, number, slice or map
/// type its [`underlying`](Object::underlying) value; either may have methods.
pub trait Object: fmt::Debug + Any {
    /// Go's name of the type: what `%T` and `typeOf` show.
    fn type_name(&self) -> Cow<'static, str>;

    /// Go's name of the interface, other than the empty one, that the value came as: what is said to lack a field.
    /// Default: none.
    fn interface_name(&self) -> Option<&'static str> {
        None
    }

    /// Go's kind. Default: that of the underlying value, else a struct.
    fn kind(&self) -> Kind {
        self.underlying().map_or(Kind::Struct, |v| v.kind())
    }

    /// The value that a declared type other than a struct stands for. `len`, `index`, `range`,
    /// comparison, truth and printing work on it. Default: none.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// An exported field of a struct or of the struct pointed to. A nil pointer gives any value for the
    /// fields that its type has.
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// The struct's fields in order of declaration, for printing and JSON; for printing those that are not exported too.
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        Vec::new()
    }

    /// The signature of a method, if the type has it.
    fn method(&self, name: &str) -> Option<Signature> {
        let _ = name;
        None
    }

    /// Calls a method that [`method`](Object::method) knows; `args` have been checked against it.
    fn call_method(&self, state: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let _ = (state, args);
        Err(Error::new(format!("no method {name} of {}", self.type_name())))
    }

    /// What Go's `error` or `fmt.Stringer` gives, for a type that implements one of them.
    fn string(&self) -> Option<Str> {
        None
    }

    /// What Go's `fmt.GoStringer` gives, for a type that implements it: what `%#v` shows.
    fn go_string(&self) -> Option<Str> {
        None
    }

    /// What an action prints instead of the value: Go takes the address of what it found in a struct, and a pointer may
    /// be a `fmt.Stringer` where the value is none. Default: none.
    fn pointer_string(&self) -> Option<Str> {
        None
    }

    /// The value as a function gets it, where that has no address and [`pointer_string`](Object::pointer_string) is no
    /// more. Default: the same.
    fn as_argument(&self) -> Option<Value> {
        None
    }

    /// Whether this is a nil pointer. Default: no.
    fn is_nil(&self) -> bool {
        false
    }

    /// The signature of the value as a function, for `call`.
    fn signature(&self) -> Option<Signature> {
        None
    }

    /// Calls the value as a function; `args` have been checked against [`signature`](Object::signature).
    fn call(&self, state: &mut State, args: &mut [Value]) -> Result<Value, Error> {
        let _ = (state, args);
        Err(Error::new(format!("{} is not a function", self.type_name())))
    }

    /// Whether Go's `==` is defined for the type: not for a struct with a slice or map in it.
    fn comparable(&self) -> bool {
        true
    }

    /// Whether two objects of this type are equal as Go's `==` would say. Default: only the same object.
    fn equals(&self, other: &dyn Object) -> bool {
        std::ptr::addr_eq(self as *const Self, other as *const dyn Object)
    }

    /// The members that `encoding/json` writes of a struct, by their JSON names and in their order. Default: the
    /// fields, unless [`to_json`](Object::to_json) says otherwise.
    fn json_members(&self) -> Option<Vec<(Cow<'static, str>, Value)>> {
        None
    }

    /// The value as `encoding/json` would write it. Default: the underlying value, else the members or fields.
    fn to_json(&self) -> Result<serde_json::Value, Error> {
        if let Some(v) = self.underlying() {
            return v.to_json();
        }
        let mut out = serde_json::Map::new();
        for (name, v) in self.json_members().unwrap_or_else(|| self.fields()) {
            out.insert(name.into_owned(), v.to_json()?);
        }
        Ok(serde_json::Value::Object(out))
    }
}

/// The object as its own type, or `None` where it is of another.
pub fn downcast<T: Object>(object: &Rc<dyn Object>) -> Option<Rc<T>> {
    let any: Rc<dyn Any> = Rc::clone(object) as Rc<dyn Any>;
    any.downcast::<T>().ok()
}
