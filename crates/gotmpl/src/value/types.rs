//! Go's type identities as far as templates can see them: kinds, numeric types, element types of
//! lists and maps, and the types of function parameters.

use crate::error::Error;
use crate::exec::State;
use crate::func::Signature;
use crate::value::Value;

/// Go's `reflect.Kind` of a value, as `kindOf` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value at all (an untyped nil).
    Invalid,
    /// `bool`
    Bool,
    /// A signed integer type.
    Int(IntType),
    /// An unsigned integer type.
    Uint(UintType),
    /// A floating-point type.
    Float(FloatType),
    /// `complex128`
    Complex,
    /// `string`
    String,
    /// A slice.
    Slice,
    /// A map.
    Map,
    /// A struct.
    Struct,
    /// A pointer.
    Ptr,
    /// A function.
    Func,
}

impl Kind {
    /// The kind's name in Go, such as `int64`, `slice`, `ptr`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int(t) => t.name(),
            Kind::Uint(t) => t.name(),
            Kind::Float(t) => t.name(),
            Kind::Complex => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Struct => "struct",
            Kind::Ptr => "ptr",
            Kind::Func => "func",
        }
    }
}

/// Go's signed integer types. `rune` is [`IntType::Int32`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntType {
    /// `int`
    Int,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`, also `rune`
    Int32,
    /// `int64`
    Int64,
}

impl IntType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            IntType::Int => "int",
            IntType::Int8 => "int8",
            IntType::Int16 => "int16",
            IntType::Int32 => "int32",
            IntType::Int64 => "int64",
        }
    }

    /// The number as Go's conversion to this type makes it: high bits are lost.
    pub fn wrap(self, n: i64) -> i64 {
        match self {
            IntType::Int | IntType::Int64 => n,
            IntType::Int32 => i64::from(n as i32),
            IntType::Int16 => i64::from(n as i16),
            IntType::Int8 => i64::from(n as i8),
        }
    }
}

/// Go's unsigned integer types. `byte` is [`UintType::Uint8`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UintType {
    /// `uint`
    Uint,
    /// `uint8`, also `byte`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `uintptr`
    Uintptr,
}

impl UintType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            UintType::Uint => "uint",
            UintType::Uint8 => "uint8",
            UintType::Uint16 => "uint16",
            UintType::Uint32 => "uint32",
            UintType::Uint64 => "uint64",
            UintType::Uintptr => "uintptr",
        }
    }

    /// The number as Go's conversion to this type makes it: high bits are lost.
    pub fn wrap(self, n: u64) -> u64 {
        match self {
            UintType::Uint | UintType::Uint64 | UintType::Uintptr => n,
            UintType::Uint32 => u64::from(n as u32),
            UintType::Uint16 => u64::from(n as u16),
            UintType::Uint8 => u64::from(n as u8),
        }
    }
}

/// Go's floating-point types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatType {
    /// `float32`
    F32,
    /// `float64`
    F64,
}

impl FloatType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            FloatType::F32 => "float32",
            FloatType::F64 => "float64",
        }
    }
}

/// The static type of a list's elements or a map's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem {
    /// `interface {}`
    Any,
    /// `bool`
    Bool,
    /// A signed integer type.
    Int(IntType),
    /// An unsigned integer type.
    Uint(UintType),
    /// A floating-point type.
    Float(FloatType),
    /// `string`
    String,
    /// `[]uint8`
    Bytes,
    /// `map[string]interface {}`
    Map,
    /// Any other type, by its Go name; its zero value counts as nil.
    Named(&'static str),
}

impl Elem {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Elem::Any => "interface {}",
            Elem::Bool => "bool",
            Elem::Int(t) => t.name(),
            Elem::Uint(t) => t.name(),
            Elem::Float(t) => t.name(),
            Elem::String => "string",
            Elem::Bytes => "[]uint8",
            Elem::Map => "map[string]interface {}",
            Elem::Named(name) => name,
        }
    }

    /// Whether the static type is the empty interface.
    pub fn is_interface(self) -> bool {
        self == Elem::Any
    }

    /// The type's zero value: what Go's `reflect.Zero` gives.
    pub fn zero(self) -> Value {
        match self {
            Elem::Any | Elem::Named(_) => Value::Nil,
            Elem::Bool => Value::Bool(false),
            Elem::Int(t) => Value::Int(0, t),
            Elem::Uint(t) => Value::Uint(0, t),
            Elem::Float(t) => Value::Float(0.0, t),
            Elem::String => Value::String(crate::value::Str::default()),
            Elem::Bytes => Value::Bytes(Vec::new().into()),
            Elem::Map => Value::Map(crate::value::Map::nil(&MapType::ANY)),
        }
    }
}

/// A map type. Keys are strings, which is all that templates meet in practice.
#[derive(Debug)]
pub struct MapType {
    /// Go's name of the type, such as `map[string]interface {}` or `chartutil.Values`.
    pub name: &'static str,
    /// The static type of the values.
    pub elem: Elem,
    /// Whether `name` is a declared type (`chartutil.Values`) and not a type literal.
    pub named: bool,
    /// The declared type's methods, if it has any.
    pub methods: Option<&'static dyn Methods>,
}

impl MapType {
    /// `map[string]interface {}`
    pub const ANY: MapType = MapType::literal("map[string]interface {}", Elem::Any);
    /// `map[string]string`
    pub const STRING: MapType = MapType::literal("map[string]string", Elem::String);
    /// `map[string]bool`
    pub const BOOL: MapType = MapType::literal("map[string]bool", Elem::Bool);

    /// A map type without a declared name.
    pub const fn literal(name: &'static str, elem: Elem) -> MapType {
        MapType {
            name,
            elem,
            named: false,
            methods: None,
        }
    }

    /// A declared map type.
    pub const fn named(name: &'static str, elem: Elem, methods: Option<&'static dyn Methods>) -> MapType {
        MapType {
            name,
            elem,
            named: true,
            methods,
        }
    }
}

/// The methods of a declared map type.
pub trait Methods: std::fmt::Debug + Sync {
    /// The signature of the named method, if there is one.
    fn method(&self, name: &str) -> Option<Signature>;
    /// Calls the method; `args` have been checked against its signature.
    fn call(
        &self,
        receiver: &Value,
        state: &mut State,
        name: &str,
        args: &mut [Value],
    ) -> Result<Value, Error>;
}

/// The Go type of a function's parameter: what the executor evaluates an argument against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// `interface {}`: any value, and nil.
    Any,
    /// `reflect.Value`: as text/template's own functions take their arguments.
    Reflect,
    /// `bool`
    Bool,
    /// A signed integer type.
    Int(IntType),
    /// An unsigned integer type.
    Uint(UintType),
    /// A floating-point type.
    Float(FloatType),
    /// `string`
    String,
    /// `[]uint8`
    Bytes,
    /// `map[string]T`
    Map(Elem),
    /// `[]T`
    List(Elem),
    /// A declared type, by its Go name: an [`Object`](crate::value::Object) whose `type_name` is the same.
    Named(&'static str),
    /// A declared type whose kind is `int64`, by its Go name. A constant that stands for one comes as a plain `int64`.
    NamedInt64(&'static str),
}

impl ParamType {
    /// The type's name in Go, as error texts show it.
    pub fn name(self) -> String {
        match self {
            ParamType::Any => "interface {}".into(),
            ParamType::Reflect => "reflect.Value".into(),
            ParamType::Bool => "bool".into(),
            ParamType::Int(t) => t.name().into(),
            ParamType::Uint(t) => t.name().into(),
            ParamType::Float(t) => t.name().into(),
            ParamType::String => "string".into(),
            ParamType::Bytes => "[]uint8".into(),
            ParamType::Map(e) => format!("map[string]{}", e.name()),
            ParamType::List(e) => format!("[]{}", e.name()),
            ParamType::Named(name) | ParamType::NamedInt64(name) => name.into(),
        }
    }

    /// Whether an untyped nil may be passed. A pointer or interface type is recognised by its name.
    pub fn can_be_nil(self) -> bool {
        match self {
            ParamType::Any
            | ParamType::Reflect
            | ParamType::Bytes
            | ParamType::Map(_)
            | ParamType::List(_) => true,
            ParamType::Named(name) => name.starts_with('*'),
            _ => false,
        }
    }
}
