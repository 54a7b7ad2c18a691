//! The functions and objects of the oracle, once more in Rust.

use std::borrow::Cow;
use std::rc::Rc;

use helmapp_gotmpl::value::MapType;
use helmapp_gotmpl::{
    Complex, Elem, Error, FloatType, Functions, Int32, Int64, Kind, List, Map, Object, ParamType, Results,
    Signature, State, Str, Strings, UintType, Value, Variadic, fmt,
};
use serde_json::Value as Json;

use crate::case::entries;

#[derive(Debug)]
struct Thing;

#[derive(Debug)]
struct Inner;

#[derive(Debug)]
struct NoInner;

#[derive(Debug)]
struct Color(i64);

#[derive(Debug)]
struct Set(List);

#[derive(Debug)]
struct Function;

/// A value of the request: an object of two texts under `complex128` is such a number.
pub(crate) fn data(json: &Json) -> Value {
    match json {
        Json::Array(items) => Value::List(items.iter().map(data).collect()),
        Json::Object(entries) => match entries.get("complex128") {
            Some(Json::Array(parts)) => {
                let part = |at: usize| parts[at].as_str().unwrap().parse().unwrap();
                Value::Complex(Rc::new(Complex {
                    real: part(0),
                    imaginary: part(1),
                }))
            }
            _ => Value::Map(entries.iter().map(|(k, v)| (Str::from(k), data(v))).collect()),
        },
        other => Value::from_json(other),
    }
}

const STRING: ParamType = ParamType::String;

impl Object for Thing {
    fn type_name(&self) -> Cow<'static, str> {
        "*main.Thing".into()
    }
    fn kind(&self) -> Kind {
        Kind::Ptr
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|f| f.0 == name).map(|f| f.1)
    }
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let labels = Map::typed(&MapType::STRING);
        labels.insert("k", "v".into());
        vec![
            ("Name".into(), "n".into()),
            ("Count".into(), Value::int(3)),
            ("Inner".into(), Value::object(Inner)),
            ("Labels".into(), labels.into()),
            ("Any".into(), Value::Nil),
            ("Ptr".into(), Value::object(NoInner)),
        ]
    }
    fn method(&self, name: &str) -> Option<Signature> {
        Some(match name {
            "Hello" | "Fail" => Signature::fixed(&[STRING]),
            "Plain" => Signature::fixed(&[]),
            "Get" => Signature {
                results: Results::Interface,
                ..Signature::fixed(&[])
            },
            "Join" => Signature::variadic(&[STRING, STRING]),
            _ => return None,
        })
    }
    fn call_method(&self, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let text = |i: usize| {
            args.get(i)
                .and_then(Value::as_str)
                .map(Str::to_string)
                .unwrap_or_default()
        };
        match name {
            "Hello" => Ok(format!("hello {}", text(0)).into()),
            "Plain" => Ok("plain n".into()),
            "Get" => Ok(Value::Nil),
            "Join" => Ok((1..args.len())
                .map(text)
                .collect::<Vec<_>>()
                .join(&text(0))
                .into()),
            _ => Err(Error::new(text(0))),
        }
    }
}

impl Object for Inner {
    fn type_name(&self) -> Cow<'static, str> {
        "main.Inner".into()
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|f| f.0 == name).map(|f| f.1)
    }
    fn comparable(&self) -> bool {
        false
    }
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        vec![
            ("Name".into(), "in".into()),
            ("Tags".into(), List::strings(["a", "b"]).into()),
        ]
    }
}

impl Object for NoInner {
    fn type_name(&self) -> Cow<'static, str> {
        "*main.Inner".into()
    }
    fn kind(&self) -> Kind {
        Kind::Ptr
    }
    fn is_nil(&self) -> bool {
        true
    }
    fn field(&self, name: &str) -> Option<Value> {
        matches!(name, "Name" | "Tags").then_some(Value::Nil)
    }
}

impl Object for Color {
    fn type_name(&self) -> Cow<'static, str> {
        "main.Color".into()
    }
    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.0))
    }
    fn string(&self) -> Option<Str> {
        Some(if self.0 % 2 == 0 {
            "red".into()
        } else {
            "green".into()
        })
    }
    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::fixed(&[]))
    }
    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(Value::String(self.string().unwrap_or_default()))
    }
}

impl Object for Set {
    fn type_name(&self) -> Cow<'static, str> {
        "main.Set".into()
    }
    fn underlying(&self) -> Option<Value> {
        Some(Value::List(self.0.clone()))
    }
    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Has").then(|| Signature::fixed(&[STRING]))
    }
    fn call_method(&self, _: &mut State, _: &str, args: &mut [Value]) -> Result<Value, Error> {
        let wanted = args.first().and_then(Value::as_str);
        Ok(Value::Bool(self.0.iter().any(|v| v.as_str() == wanted)))
    }
}

impl Object for Function {
    fn type_name(&self) -> Cow<'static, str> {
        "func(int, string) string".into()
    }
    fn kind(&self) -> Kind {
        Kind::Func
    }
    fn signature(&self) -> Option<Signature> {
        Some(Signature::fixed(&[
            ParamType::Int(helmapp_gotmpl::IntType::Int),
            STRING,
        ]))
    }
    fn call(&self, _: &mut State, args: &mut [Value]) -> Result<Value, Error> {
        let mut out = fmt::Output::new();
        fmt::sprint(&mut out, args)?;
        Ok(Value::String(out.into_str()))
    }
}

/// The oracle's own functions, and those of sprig that the cases use.
pub(crate) fn functions() -> Functions {
    let mut f = Functions::new();
    f.add("include", |state: &mut State, name: Str, data: Value| {
        state.render(&name.to_str_lossy(), &data)
    });
    f.add("thing", || Wrapped(Value::object(Thing)));
    f.add("color", |i: i64| Wrapped(Value::object(Color(i))));
    f.add("set_of", |s: Variadic<Str>| {
        Wrapped(Value::object(Set(List::strings(s.0))))
    });
    f.add("fString", |s: Str| format!("s:{s}"));
    f.add("fInt", |i: i64| i + 1);
    f.add("fInt64", |i: Int64| Int64(i.0 + 1));
    f.add("fFloat", |x: f64| x / 2.0);
    f.add("fBool", |b: bool| !b);
    f.add("fMap", |m: Map| entries(&m));
    f.add("fList", |l: List| l.len() as i64);
    f.add("fStrings", |l: Strings| l.0.len() as i64);
    f.add("fRune", |r: Int32| r);
    f.add("fBytes", |s: Str| s.as_bytes().to_vec());
    f.insert(
        "fUint8",
        helmapp_gotmpl::Func::new(Signature::fixed(&[ParamType::Uint(UintType::Uint8)]), |_, a| {
            Ok(a.first().cloned().unwrap_or_default())
        }),
    );
    f.add("fMapString", |k: Str, v: Str| {
        let m = Map::typed(&MapType::STRING);
        m.insert(k, Value::String(v));
        m
    });
    f.add("fAny", |v: Value| v);
    f.add("fNil", || Value::Nil);
    f.add("fAnyConst", || Value::from("any"));
    f.add("fVariadic", |a: Str, rest: Variadic<i64>| -> Result<Str, Error> {
        let rest = List::typed(
            Elem::Int(helmapp_gotmpl::IntType::Int),
            rest.iter().map(|i| Value::int(*i)).collect(),
        );
        let mut out = fmt::Output::new();
        fmt::sprint(&mut out, &[Value::String(a), rest.into()])?;
        Ok(out.into_str())
    });
    f.add("fFunc", || Wrapped(Value::object(Function)));
    f.add("fErr", |s: Str| -> Result<Str, Error> {
        Err(Error::new(s.to_string()))
    });
    f.add("fFloat32", |x: f64| {
        Wrapped(Value::Float(f64::from(x as f32), FloatType::F32))
    });
    f.add("list", |items: Variadic<Value>| List::new(items.0));
    f.add("dict", |items: Variadic<Value>| -> Result<Map, Error> {
        let m = Map::new();
        for pair in items.chunks(2) {
            if let [k, rest @ ..] = pair {
                let value = rest.first().cloned().unwrap_or_else(|| "".into());
                m.insert(fmt::to_str(k)?, value);
            }
        }
        Ok(m)
    });
    f.add(
        "set",
        |state: &mut State, m: Map, k: Str, v: Value| -> Result<Map, Error> {
            if m.is_nil() {
                return Err(Error::new("assignment to entry in nil map"));
            }
            m.insert(k, v);
            state.mutated(&m);
            Ok(m)
        },
    );
    f
}

/// A result whose declared type is not `interface {}`.
struct Wrapped(Value);

impl helmapp_gotmpl::Return for Wrapped {
    fn into_value(self) -> Result<Value, Error> {
        Ok(self.0)
    }
}

/// Objects are shared, never copied.
#[test]
fn objects_are_shared() {
    let object: Rc<dyn Object> = Rc::new(Inner);
    let value = Value::Object(Rc::clone(&object));
    let Value::Object(copy) = value.clone() else {
        panic!("not an object")
    };
    assert!(object.equals(copy.as_ref()));
}
