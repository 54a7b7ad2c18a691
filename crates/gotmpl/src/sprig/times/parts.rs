//! What methods of `time.Time` give: months, days of the week, locations and durations.

use std::borrow::Cow;

use crate::date::{Duration, Zone};
use crate::error::Error;
use crate::exec::State;
use crate::func::Signature;
use crate::value::{IntType, Kind, Object, ParamType, Str, Value};

/// `time.Month` and `time.Weekday`: numbers that print as names.
#[derive(Debug)]
pub(super) struct Named {
    type_name: &'static str,
    number: i64,
    name: &'static str,
}

impl Named {
    pub(super) fn value(type_name: &'static str, number: i64, names: &[&'static str], first: i64) -> Value {
        let index = usize::try_from(number - first).ok();
        let name = index.and_then(|i| names.get(i)).copied().unwrap_or_default();
        Value::object(Self {
            type_name,
            number,
            name,
        })
    }
}

impl Object for Named {
    fn type_name(&self) -> Cow<'static, str> {
        self.type_name.into()
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.number))
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from_static(self.name))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::fixed(&[]))
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(self.name.into())
    }
}

/// `*time.Location`
#[derive(Debug)]
pub(super) struct Location(pub(super) Zone);

impl Object for Location {
    fn type_name(&self) -> Cow<'static, str> {
        "*time.Location".into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from(self.0.name()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::fixed(&[]))
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(self.0.name().into())
    }
}

/// The nil `*time.Location` that a time in UTC holds.
#[derive(Debug)]
pub(super) struct NoLocation;

impl Object for NoLocation {
    fn type_name(&self) -> Cow<'static, str> {
        "*time.Location".into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn is_nil(&self) -> bool {
        true
    }
}

/// Go's `time.Duration` with the methods that templates may call.
#[derive(Debug)]
pub struct DurationObject(pub Duration);

impl DurationObject {
    /// A parameter of the type.
    pub(super) const PARAM: ParamType = ParamType::NamedInt64("time.Duration");
}

impl Object for DurationObject {
    fn type_name(&self) -> Cow<'static, str> {
        "time.Duration".into()
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int(self.0.0, IntType::Int64))
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from(self.0.to_string()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(Signature::fixed(match name {
            "Hours" | "Minutes" | "Seconds" | "Milliseconds" | "Microseconds" | "Nanoseconds" | "String"
            | "Abs" => &[],
            "Round" | "Truncate" => &[Self::PARAM],
            _ => return None,
        }))
    }

    fn call_method(&self, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let d = self.0;
        let unit = match args.first().map(|v| v.underlying().into_owned()) {
            Some(Value::Int(n, _)) => Duration(n),
            _ => Duration(0),
        };
        let int64 = |n: i64| Ok(Value::Int(n, IntType::Int64));
        match name {
            "Hours" => Ok(Value::float(d.in_units(Duration::HOUR))),
            "Minutes" => Ok(Value::float(d.in_units(Duration::MINUTE))),
            "Seconds" => Ok(Value::float(d.in_units(Duration::SECOND))),
            "Milliseconds" => int64(d.0 / 1_000_000),
            "Microseconds" => int64(d.0 / 1_000),
            "Nanoseconds" => int64(d.0),
            "String" => Ok(d.to_string().into()),
            "Abs" => Ok(Value::object(DurationObject(Duration(d.0.saturating_abs())))),
            "Round" => Ok(Value::object(DurationObject(d.round(unit)))),
            "Truncate" => Ok(Value::object(DurationObject(d.truncate(unit)))),
            _ => Err(Error::new(format!("no method {name} of time.Duration"))),
        }
    }
}
