//! From typed closures to functions: the parameter list of the closure is the signature.

use std::borrow::Cow;

use crate::exec::State;
use crate::func::{Args, Func, Param, Results, Return, Signature};
use crate::value::ParamType;

/// Closures that can be registered as functions. `M` only tells the parameter lists apart.
pub trait IntoFunc<M> {
    /// The function.
    fn into_func(self) -> Func;
}

impl IntoFunc<()> for Func {
    fn into_func(self) -> Func {
        self
    }
}

/// Marks a closure without state.
#[derive(Debug)]
pub struct Plain;

/// Marks a closure whose first parameter is the state.
#[derive(Debug)]
pub struct Stateful;

fn signature(params: Vec<ParamType>, variadic: bool, interface: bool) -> Signature {
    Signature {
        params: Cow::Owned(params),
        variadic,
        results: if interface {
            Results::Interface
        } else {
            Results::One
        },
    }
}

macro_rules! closures {
    ($($A:ident),*) => {
        impl<F, R, $($A),*> IntoFunc<(Plain, R, $($A,)*)> for F
        where
            F: Fn($($A),*) -> R + Send + Sync + 'static,
            R: Return,
            $($A: Param,)*
        {
            fn into_func(self) -> Func {
                let sig = signature(vec![$($A::TYPE),*], false $(|| $A::VARIADIC)*, R::INTERFACE);
                Func::new(sig, move |_, args| {
                    let mut _args = Args::new(args);
                    self($($A::take(&mut _args)?),*).into_value()
                })
            }
        }

        impl<F, R, $($A),*> IntoFunc<(Stateful, R, $($A,)*)> for F
        where
            F: Fn(&mut State, $($A),*) -> R + Send + Sync + 'static,
            R: Return,
            $($A: Param,)*
        {
            fn into_func(self) -> Func {
                let sig = signature(vec![$($A::TYPE),*], false $(|| $A::VARIADIC)*, R::INTERFACE);
                Func::new(sig, move |state, args| {
                    let mut _args = Args::new(args);
                    self(state, $($A::take(&mut _args)?),*).into_value()
                })
            }
        }
    };
}

closures!();
closures!(A);
closures!(A, B);
closures!(A, B, C);
closures!(A, B, C, D);
closures!(A, B, C, D, E);
closures!(A, B, C, D, E, G);
