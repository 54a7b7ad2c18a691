//! Functions that templates call: registration from typed closures, signatures, and the set of
//! functions that a template set is parsed with.

pub(crate) mod builtins;
mod compare;
mod escape;
mod param;
mod typed;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use param::{Args, GoType, Int32, Int64, Obj, Param, Return, StringMap, Strings, Variadic};
pub use typed::IntoFunc;

use crate::error::Error;
use crate::exec::State;
use crate::value::{ParamType, Value};

/// What a function takes and gives, in Go's types.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The parameters; of a variadic function the last is the type of each further argument.
    pub params: Cow<'static, [ParamType]>,
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// What it returns.
    pub results: Results,
}

/// What a function returns, besides an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// A value.
    One,
    /// A value that is declared as `interface {}`.
    Interface,
    /// A value, and one of the named type, which is no error: templates can not call it.
    Second(&'static str),
    /// More than two values: templates can not call it.
    Many(usize),
}

impl Results {
    /// Why Go refuses to call a function of that name.
    pub(crate) fn refusal(self, name: &str) -> Option<String> {
        match self {
            Results::One | Results::Interface => None,
            Results::Second(second) => Some(format!(
                "invalid function signature for {name}: second return value should be error; is {second}"
            )),
            Results::Many(count) => Some(format!(
                "function {name} has {count} return values; should be 1 or 2"
            )),
        }
    }
}

impl Signature {
    /// A function of so many parameters.
    pub const fn fixed(params: &'static [ParamType]) -> Signature {
        Signature {
            params: Cow::Borrowed(params),
            variadic: false,
            results: Results::One,
        }
    }

    /// A function whose last parameter takes any number of arguments.
    pub const fn variadic(params: &'static [ParamType]) -> Signature {
        Signature {
            params: Cow::Borrowed(params),
            variadic: true,
            results: Results::One,
        }
    }
}

type Body = dyn Fn(&mut State, &mut [Value]) -> Result<Value, Error> + Send + Sync;

/// A function: its signature and what it does.
pub struct Func {
    signature: Signature,
    body: Box<Body>,
}

impl Func {
    /// A function from its signature and a body that gets arguments checked against it. Most
    /// functions are better made by [`Functions::add`] from a typed closure.
    pub fn new(
        signature: Signature,
        body: impl Fn(&mut State, &mut [Value]) -> Result<Value, Error> + Send + Sync + 'static,
    ) -> Func {
        Func {
            signature,
            body: Box::new(body),
        }
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Calls the function with arguments that fit the signature.
    pub fn call(&self, state: &mut State, args: &mut [Value]) -> Result<Value, Error> {
        (self.body)(state, args)
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Func({:?})", self.signature)
    }
}

/// The functions that templates may call, besides text/template's own, which are always there and
/// which an added function of the same name hides.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    map: HashMap<Cow<'static, str>, Arc<Func>>,
}

impl Functions {
    /// No functions.
    pub fn new() -> Functions {
        Functions::default()
    }

    /// Adds or replaces a function: a closure whose parameters are [`Param`] types (up to six, the
    /// last may be [`Variadic`]), optionally after `&mut State`, and whose result is a [`Return`] type.
    ///
    /// ```
    /// use helmapp_gotmpl::{Functions, Str, Variadic};
    /// let mut funcs = Functions::new();
    /// funcs.add("repeat", |n: i64, s: Str| s.to_str_lossy().repeat(n.clamp(0, 1000) as usize));
    /// funcs.add("count", |items: Variadic<Str>| items.len() as i64);
    /// ```
    pub fn add<M>(&mut self, name: impl Into<Cow<'static, str>>, f: impl IntoFunc<M>) -> &mut Functions {
        self.insert(name, f.into_func())
    }

    /// Adds or replaces a function made by hand.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, f: Func) -> &mut Functions {
        self.map.insert(name.into(), Arc::new(f));
        self
    }

    /// Makes `alias` another name of a function that is there already; nothing where it is not.
    pub fn alias(&mut self, alias: &'static str, name: &str) -> &mut Functions {
        if let Some(f) = self.map.get(name) {
            self.map.insert(alias.into(), Arc::clone(f));
        }
        self
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) -> &mut Functions {
        self.map.remove(name);
        self
    }

    /// The function of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Func>> {
        self.map.get(name)
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(|k| k.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::value::{IntType, List, Map, Str};

    fn call(funcs: &Functions, name: &str, mut args: Vec<Value>) -> Result<Value, Error> {
        funcs
            .get(name)
            .unwrap()
            .call(&mut State::new(Limits::default()), &mut args)
    }

    #[test]
    fn a_closures_parameters_are_its_signature() {
        let mut funcs = Functions::new();
        funcs.add("trunc", |n: i64, s: Str| s.slice(0, n as usize).unwrap_or(s));
        funcs.add("count", |prefix: Str, items: Variadic<Value>| {
            format!("{prefix}{}", items.len())
        });
        funcs.add("set", |state: &mut State, m: Map, k: Str, v: Value| {
            m.insert(k, v);
            state.mutated(&m);
            m
        });
        funcs.add("fail", |s: Str| -> Result<Value, Error> {
            Err(Error::new(s.to_string()))
        });
        funcs.add("now", || 12i64);
        let sig = funcs.get("trunc").unwrap().signature();
        assert_eq!(*sig.params, [ParamType::Int(IntType::Int), ParamType::String]);
        assert_eq!((sig.variadic, sig.results), (false, Results::One));
        let sig = funcs.get("count").unwrap().signature();
        assert_eq!(*sig.params, [ParamType::String, ParamType::Any]);
        assert!(sig.variadic);

        let text = |v: Result<Value, Error>| v.unwrap().as_str().unwrap().to_string();
        assert_eq!(
            text(call(&funcs, "trunc", vec![Value::int(2), "abc".into()])),
            "ab"
        );
        assert_eq!(
            text(call(&funcs, "count", vec!["n".into(), Value::Nil, Value::Nil])),
            "n2"
        );
        assert_eq!(
            call(&funcs, "fail", vec!["no".into()]).unwrap_err().to_string(),
            "no"
        );
        let m = Map::new();
        call(
            &funcs,
            "set",
            vec![m.clone().into(), "k".into(), List::new(vec![]).into()],
        )
        .unwrap();
        assert!(m.is_empty(), "the state is gone, so what it recorded is empty");
    }
}
