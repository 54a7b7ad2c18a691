//! `time.Time` as an object.

use std::borrow::Cow;

use super::parts::{DurationObject, Location, Named, NoLocation};
use super::time_of;
use crate::date::{Duration, MONTHS, Time, WEEKDAYS, Zone};
use crate::error::Error;
use crate::exec::State;
use crate::func::{GoType, Results, Signature};
use crate::meter;
use crate::value::{IntType, Object, ParamType, Str, UintType, Value, downcast};

/// Go's `time.Time` with the methods that templates may call.
#[derive(Debug)]
pub struct TimeObject {
    pub(super) time: Time,
    local: jiff::tz::TimeZone,
}

impl TimeObject {
    /// A time; `local` is what its method `Local` turns to.
    pub fn new(time: Time, local: &jiff::tz::TimeZone) -> Self {
        Self {
            time,
            local: local.clone(),
        }
    }

    /// The value of a time.
    pub fn value(time: Time, local: &jiff::tz::TimeZone) -> Value {
        Value::object(Self::new(time, local))
    }

    /// The time.
    pub fn time(&self) -> &Time {
        &self.time
    }

    pub(super) fn with(&self, time: Time) -> Value {
        Self::value(time, &self.local)
    }
}

const TIME: ParamType = ParamType::Named("time.Time");
const INT: ParamType = ParamType::Int(IntType::Int);

impl GoType for TimeObject {
    const NAME: &'static str = "time.Time";
}

impl Object for TimeObject {
    fn type_name(&self) -> Cow<'static, str> {
        "time.Time".into()
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from(self.time.to_string()))
    }

    fn go_string(&self) -> Option<Str> {
        Some(Str::from(self.time.to_go()))
    }

    /// As Go holds a time without a monotonic clock, its seconds since the year 1.
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let since_year_1 = self.time.unix().wrapping_sub(Time::zero().unix());
        let location = match self.time.zone() {
            Zone::Utc => Value::object(NoLocation),
            zone => Value::object(Location(zone.clone())),
        };
        vec![
            (
                "wall".into(),
                Value::Uint(u64::from(self.time.nanosecond()), UintType::Uint64),
            ),
            ("ext".into(), Value::Int(since_year_1, IntType::Int64)),
            ("loc".into(), location),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let params: &[ParamType] = match name {
            "Year" | "Month" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "Weekday"
            | "YearDay" | "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "UTC" | "Local" | "Location"
            | "IsZero" | "IsDST" | "String" | "GoString" | "Date" | "Clock" | "ISOWeek" | "Zone"
            | "ZoneBounds" | "MarshalJSON" | "MarshalText" | "MarshalBinary" | "GobEncode" => &[],
            "Format" => &[ParamType::String],
            "AppendFormat" => &[ParamType::Bytes, ParamType::String],
            "AppendText" | "AppendBinary" => &[ParamType::Bytes],
            "Add" | "Round" | "Truncate" => &[DurationObject::PARAM],
            "Sub" | "After" | "Before" | "Equal" | "Compare" => &[TIME],
            "AddDate" => &[INT, INT, INT],
            "In" => &[ParamType::Named("*time.Location")],
            _ => return None,
        };
        let results = match name {
            "Date" | "Clock" => Results::Many(3),
            "ISOWeek" | "Zone" => Results::Second("int"),
            "ZoneBounds" => Results::Second("time.Time"),
            _ => Results::One,
        };
        Some(Signature {
            results,
            ..Signature::fixed(params)
        })
    }

    fn call_method(&self, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let t = &self.time;
        let c = t.civil();
        let int = |n: i64| Ok(Value::int(n));
        let int64 = |n: i64| Ok(Value::Int(n, IntType::Int64));
        let number = |i: usize| match args.get(i) {
            Some(Value::Int(n, _)) => *n,
            _ => 0,
        };
        let duration = || match args.first().map(|v| v.underlying().into_owned()) {
            Some(Value::Int(n, _)) => Duration(n),
            _ => Duration(0),
        };
        let other = || {
            args.first()
                .and_then(time_of)
                .ok_or_else(super::super::panics::nil_pointer)
        };
        // What the first argument has, and this behind it.
        let append = |more: Vec<u8>| {
            let mut bytes = match args.first() {
                Some(Value::Bytes(bytes)) => bytes.to_vec(),
                _ => Vec::new(),
            };
            bytes.extend(more);
            Value::from(bytes)
        };
        let format = |at: usize| {
            let layout = args.get(at).and_then(Value::as_str).cloned().unwrap_or_default();
            meter::work(layout.len() as u64)?;
            Ok::<_, Error>(t.format(layout.as_bytes()))
        };
        let rfc3339 = |method: &str| {
            t.to_rfc3339()
                .map_err(|reason| Error::new(format!("Time.{method}: {reason}")))
        };
        let order = || Ok::<_, Error>(t.unix_nanoseconds().cmp(&other()?.unix_nanoseconds()));
        match name {
            "Year" => int(c.year),
            "Month" => Ok(Named::value("time.Month", c.month.into(), &MONTHS, 1)),
            "Day" => int(c.day.into()),
            "Hour" => int(c.hour.into()),
            "Minute" => int(c.minute.into()),
            "Second" => int(c.second.into()),
            "Nanosecond" => int(t.nanosecond().into()),
            "Weekday" => Ok(Named::value("time.Weekday", c.weekday.into(), &WEEKDAYS, 0)),
            "YearDay" => int(c.year_day.into()),
            "Unix" => int64(t.unix()),
            "UnixMilli" => int64(t.unix_in(1_000)),
            "UnixMicro" => int64(t.unix_in(1_000_000)),
            "UnixNano" => int64(t.unix_in(1_000_000_000)),
            "UTC" => Ok(self.with(t.in_zone(Zone::Utc))),
            "Local" => Ok(self.with(t.in_zone(Zone::Local(self.local.clone())))),
            "Location" => Ok(Value::object(Location(t.zone().clone()))),
            "IsZero" => Ok((t.unix_nanoseconds() == Time::zero().unix_nanoseconds()).into()),
            "IsDST" => Ok(t.zone().is_dst_at(t.unix()).into()),
            "String" => Ok(t.to_string().into()),
            "GoString" => Ok(t.to_go().into()),
            "Format" => Ok(Value::String(Str::from(format(0)?))),
            "AppendFormat" => Ok(append(format(1)?)),
            "MarshalJSON" => Ok(format!("\"{}\"", rfc3339(name)?).into_bytes().into()),
            "MarshalText" => Ok(rfc3339(name)?.into_bytes().into()),
            "AppendText" => Ok(append(rfc3339(name)?.into_bytes())),
            "MarshalBinary" | "GobEncode" | "AppendBinary" => t.to_binary().map(append).map_err(Error::new),
            "Add" => Ok(self.with(t.add(duration()))),
            "Round" => Ok(self.with(t.round(duration()))),
            "Truncate" => Ok(self.with(t.truncate(duration()))),
            "Sub" => Ok(Value::object(DurationObject(t.since(&other()?)))),
            "After" => Ok(order()?.is_gt().into()),
            "Before" => Ok(order()?.is_lt().into()),
            "Equal" => Ok(order()?.is_eq().into()),
            "Compare" => int(order()? as i64),
            "AddDate" => Ok(self.with(t.add_date(number(0), number(1), number(2)))),
            "In" => match args.first() {
                Some(Value::Object(o)) if downcast::<Location>(o).is_some() => {
                    let zone = downcast::<Location>(o).map_or(Zone::Utc, |l| l.0.clone());
                    Ok(self.with(t.in_zone(zone)))
                }
                _ => Err(Error::new("time: missing Location in call to Time.In")),
            },
            _ => Err(Error::new(format!("no method {name} of time.Time"))),
        }
    }

    fn equals(&self, other: &dyn Object) -> bool {
        // Go compares the fields: the moment and the location.
        let other: &dyn std::any::Any = other;
        other.downcast_ref::<TimeObject>().is_some_and(|other| {
            self.time.unix_nanoseconds() == other.time.unix_nanoseconds()
                && self.time.zone().name() == other.time.zone().name()
        })
    }

    fn to_json(&self) -> Result<serde_json::Value, Error> {
        self.time.to_rfc3339().map(Into::into).map_err(|reason| {
            Error::new(format!(
                "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: {reason}"
            ))
        })
    }
}
