//! The values of a render: Go's types as templates can tell them apart, shared cheaply.
//!
//! Values belong to one render and one thread. Lists are immutable; maps are shared and mutable, so
//! that `set` is visible through every alias, as in Go.

mod bytes;
mod complex;
mod convert;
mod deep;
mod list;
mod map;
mod object;
mod release;
mod str;
mod types;

use std::borrow::Cow;
use std::rc::Rc;

pub use bytes::Bytes;
pub use complex::Complex;
pub use list::List;
pub use map::Map;
pub(crate) use map::WeakMap;
pub use object::{Object, downcast};
pub use str::Str;
pub(crate) use str::lossy;
pub use types::{Elem, FloatType, IntType, Kind, MapType, Methods, ParamType, UintType};

/// Containers nested deeper than this are an error where a value is copied, compared, printed or
/// turned into JSON. It also ends the walk over a map that contains itself.
pub const MAX_VALUE_DEPTH: usize = 500;

/// A Go value. Cloning is cheap and never copies a container.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// An untyped nil.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// A signed integer.
    Int(i64, IntType),
    /// An unsigned integer.
    Uint(u64, UintType),
    /// A float; a `float32` holds a value that is exact in 32 bits.
    Float(f64, FloatType),
    /// `complex128`; behind a pointer, for it is rare and would make every value larger.
    Complex(Rc<Complex>),
    /// `string`
    String(Str),
    /// `[]uint8`
    Bytes(Bytes),
    /// A slice of any other type.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A value of a declared type.
    Object(Rc<dyn Object>),
}

impl Value {
    /// A Go `int`.
    pub fn int(n: i64) -> Value {
        Value::Int(n, IntType::Int)
    }

    /// A Go `float64`.
    pub fn float(f: f64) -> Value {
        Value::Float(f, FloatType::F64)
    }

    /// A Go `string`.
    pub fn string(s: impl Into<Str>) -> Value {
        Value::String(s.into())
    }

    /// A host object.
    pub fn object(object: impl Object) -> Value {
        Value::Object(Rc::new(object))
    }

    /// Whether this is an untyped nil.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// Whether this is a list, map or object, which may hold other values.
    pub fn is_container(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_) | Value::Object(_))
    }

    /// Go's kind, [`Kind::Invalid`] for nil.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_, t) => Kind::Int(*t),
            Value::Uint(_, t) => Kind::Uint(*t),
            Value::Float(_, t) => Kind::Float(*t),
            Value::Complex(_) => Kind::Complex,
            Value::String(_) => Kind::String,
            Value::Bytes(_) | Value::List(_) => Kind::Slice,
            Value::Map(_) => Kind::Map,
            Value::Object(o) => o.kind(),
        }
    }

    /// Go's name of the type, as `%T` shows it; `<nil>` for nil.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Value::Nil => "<nil>".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_, t) => t.name().into(),
            Value::Uint(_, t) => t.name().into(),
            Value::Float(_, t) => t.name().into(),
            Value::Complex(_) => "complex128".into(),
            Value::String(_) => "string".into(),
            Value::Bytes(_) => "[]uint8".into(),
            Value::List(l) => match l.elem() {
                Elem::Any => "[]interface {}".into(),
                Elem::String => "[]string".into(),
                _ => l.type_name().into(),
            },
            Value::Map(m) => m.map_type().name.into(),
            Value::Object(o) => o.type_name(),
        }
    }

    /// Whether the value is true for `if`: not the zero value of its type. Structs are always true.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n, _) => *n != 0,
            Value::Uint(n, _) => *n != 0,
            Value::Float(f, _) => *f != 0.0,
            Value::Complex(c) => **c != Complex::default(),
            Value::String(s) => !s.is_empty(),
            Value::Bytes(b) => !b.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Object(o) => match o.underlying() {
                Some(v) => v.is_true(),
                None => !o.is_nil(),
            },
        }
    }

    /// The text of a string (not of a declared string type).
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The map, where this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The list, where this is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Value::List(l) => Some(l),
            _ => None,
        }
    }

    /// The value with a declared type replaced by what it stands for; other values as they are.
    pub fn underlying(&self) -> Cow<'_, Value> {
        match self {
            Value::Object(o) => o.underlying().map_or(Cow::Borrowed(self), Cow::Owned),
            _ => Cow::Borrowed(self),
        }
    }

    /// Whether Go would let a value of this type stand where a parameter of type `ty` is asked for.
    pub fn assignable_to(&self, ty: ParamType) -> bool {
        match (ty, self) {
            (ParamType::Any | ParamType::Reflect, _) => true,
            (ParamType::Bool, Value::Bool(_)) | (ParamType::String, Value::String(_)) => true,
            (ParamType::Bytes, Value::Bytes(_)) => true,
            (ParamType::Int(t), Value::Int(_, v)) => t == *v,
            (ParamType::Uint(t), Value::Uint(_, v)) => t == *v,
            (ParamType::Float(t), Value::Float(_, v)) => t == *v,
            (ParamType::Map(e), Value::Map(m)) => m.map_type().elem == e,
            (ParamType::List(e), Value::List(l)) => l.elem() == e,
            (ParamType::Named(name) | ParamType::NamedInt64(name), v) => v.type_name() == name,
            // A declared map or slice type may stand for the type literal it is made of.
            (ParamType::Map(_) | ParamType::List(_) | ParamType::Bytes, Value::Object(o)) => {
                o.underlying().is_some_and(|v| v.assignable_to(ty))
            }
            _ => false,
        }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::int(n)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Value::float(f)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::string(s)
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::string(s)
    }
}

impl From<Str> for Value {
    fn from(s: Str) -> Self {
        Value::String(s)
    }
}

impl From<List> for Value {
    fn from(l: List) -> Self {
        Value::List(l)
    }
}

impl From<Map> for Value {
    fn from(m: Map) -> Self {
        Value::Map(m)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Value::List(List::new(items))
    }
}
