//! The Rust types that stand for Go's parameter and result types.

use std::ops::Deref;
use std::rc::Rc;

use crate::error::Error;
use crate::value::{
    Bytes, Elem, FloatType, IntType, List, Map, MapType, Object, ParamType, Str, Value, downcast,
};

/// The arguments of a call, taken from the left.
#[derive(Debug)]
pub struct Args<'a>(std::slice::IterMut<'a, Value>);

impl<'a> Args<'a> {
    pub(crate) fn new(args: &'a mut [Value]) -> Args<'a> {
        Args(args.iter_mut())
    }

    /// The next argument; nil when there is none.
    pub fn next_value(&mut self) -> Value {
        self.0.next().map(std::mem::take).unwrap_or_default()
    }

    /// How many arguments are left.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }
}

/// A type that a function's parameter may have.
pub trait Param: Sized {
    /// The Go type that arguments are checked against.
    const TYPE: ParamType;
    /// Whether the parameter takes all the arguments that are left.
    const VARIADIC: bool = false;
    /// Takes the parameter's argument or arguments, which have been checked.
    fn take(args: &mut Args<'_>) -> Result<Self, Error>;
}

/// A type that a function may return.
pub trait Return {
    /// Whether Go would declare the result as `interface {}`.
    const INTERFACE: bool = false;
    /// The result as a value.
    fn into_value(self) -> Result<Value, Error>;
}

fn mismatch(ty: ParamType, got: &Value) -> Error {
    Error::new(format!(
        "wrong type for value; expected {}; got {}",
        ty.name(),
        got.type_name()
    ))
}

macro_rules! scalar {
    ($ty:ty, $param:expr, $pattern:pat => $out:expr) => {
        impl Param for $ty {
            const TYPE: ParamType = $param;
            fn take(args: &mut Args<'_>) -> Result<Self, Error> {
                match args.next_value() {
                    $pattern => Ok($out),
                    other => Err(mismatch(Self::TYPE, &other)),
                }
            }
        }
    };
}

/// Go's `int64` (a plain `i64` is Go's `int`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int64(pub i64);

/// Go's `int32` or `rune`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int32(pub i32);

/// Go's `[]string`.
#[derive(Clone, Debug)]
pub struct Strings(pub List);

/// Go's `map[string]string`.
#[derive(Clone, Debug)]
pub struct StringMap(pub Map);

/// All the remaining arguments of one type, as Go's `...T`.
#[derive(Clone, Debug)]
pub struct Variadic<T>(pub Vec<T>);

/// A host object of type `T`, asked for by its Go name.
#[derive(Clone, Debug)]
pub struct Obj<T>(pub Rc<T>);

/// The Go name of a host object's type, for parameters of that type.
pub trait GoType {
    /// What the object's `type_name` returns.
    const NAME: &'static str;
}

scalar!(bool, ParamType::Bool, Value::Bool(b) => b);
scalar!(i64, ParamType::Int(IntType::Int), Value::Int(n, _) => n);
scalar!(Int64, ParamType::Int(IntType::Int64), Value::Int(n, _) => Int64(n));
scalar!(Int32, ParamType::Int(IntType::Int32), Value::Int(n, _) => Int32(n as i32));
scalar!(f64, ParamType::Float(FloatType::F64), Value::Float(f, _) => f);
scalar!(Str, ParamType::String, Value::String(s) => s);

impl Param for Value {
    const TYPE: ParamType = ParamType::Any;
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        Ok(args.next_value())
    }
}

impl Param for Map {
    const TYPE: ParamType = ParamType::Map(Elem::Any);
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        match args.next_value() {
            Value::Map(m) if m.map_type().named => Ok(m.converted(&MapType::ANY)),
            Value::Map(m) => Ok(m),
            Value::Nil => Ok(Map::nil(&MapType::ANY)),
            other => match other.underlying().as_map() {
                Some(m) => Ok(m.clone()),
                None => Err(mismatch(Self::TYPE, &other)),
            },
        }
    }
}

impl Param for StringMap {
    const TYPE: ParamType = ParamType::Map(Elem::String);
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        match args.next_value() {
            Value::Map(m) => Ok(StringMap(m)),
            Value::Nil => Ok(StringMap(Map::nil(&MapType::STRING))),
            other => Err(mismatch(Self::TYPE, &other)),
        }
    }
}

impl Param for List {
    const TYPE: ParamType = ParamType::List(Elem::Any);
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        match args.next_value() {
            Value::List(l) => Ok(l),
            Value::Nil => Ok(List::nil(Elem::Any)),
            other => match other.underlying().as_list() {
                Some(l) => Ok(l.clone()),
                None => Err(mismatch(Self::TYPE, &other)),
            },
        }
    }
}

impl Param for Strings {
    const TYPE: ParamType = ParamType::List(Elem::String);
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        match args.next_value() {
            Value::List(l) => Ok(Strings(l)),
            Value::Nil => Ok(Strings(List::nil(Elem::String))),
            other => match other.underlying().as_list() {
                Some(l) => Ok(Strings(l.clone())),
                None => Err(mismatch(Self::TYPE, &other)),
            },
        }
    }
}

impl Param for Bytes {
    const TYPE: ParamType = ParamType::Bytes;
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        match args.next_value() {
            Value::Bytes(b) => Ok(b),
            Value::Nil => Ok(Bytes::from(Vec::new())),
            other => Err(mismatch(Self::TYPE, &other)),
        }
    }
}

impl<T: Object + GoType> Param for Obj<T> {
    const TYPE: ParamType = ParamType::Named(T::NAME);
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        let value = args.next_value();
        match &value {
            Value::Object(o) => downcast::<T>(o)
                .map(Obj)
                .ok_or_else(|| mismatch(Self::TYPE, &value)),
            _ => Err(mismatch(Self::TYPE, &value)),
        }
    }
}

impl<T: Param> Param for Variadic<T> {
    const TYPE: ParamType = T::TYPE;
    const VARIADIC: bool = true;
    fn take(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut items = Vec::with_capacity(args.remaining());
        while args.remaining() > 0 {
            items.push(T::take(args)?);
        }
        Ok(Variadic(items))
    }
}

impl<T> Deref for Variadic<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> Deref for Obj<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

macro_rules! returns {
    ($($ty:ty),*) => {
        $(impl Return for $ty {
            fn into_value(self) -> Result<Value, Error> {
                Ok(Value::from(self))
            }
        })*
    };
}

returns!(bool, i64, f64, Str, String, &'static str, Map, List, Vec<u8>);

impl Return for Value {
    const INTERFACE: bool = true;
    fn into_value(self) -> Result<Value, Error> {
        Ok(self)
    }
}

impl Return for Int64 {
    fn into_value(self) -> Result<Value, Error> {
        Ok(Value::Int(self.0, IntType::Int64))
    }
}

impl Return for Int32 {
    fn into_value(self) -> Result<Value, Error> {
        Ok(Value::Int(i64::from(self.0), IntType::Int32))
    }
}

/// `[]string`
impl Return for Strings {
    fn into_value(self) -> Result<Value, Error> {
        Ok(Value::List(self.0))
    }
}

impl<T: Object> Return for Obj<T> {
    fn into_value(self) -> Result<Value, Error> {
        Ok(Value::Object(self.0))
    }
}

impl<T: Return, E: Into<Error>> Return for Result<T, E> {
    const INTERFACE: bool = T::INTERFACE;
    fn into_value(self) -> Result<Value, Error> {
        self.map_err(Into::into)?.into_value()
    }
}
