//! Dates and durations, and Go's `time` values as objects.

use std::borrow::Cow;
use std::sync::Arc;

use crate::date::{Duration, MONTHS, Time, WEEKDAYS, Zone};
use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, GoType, Obj, Signature};
use crate::meter;
use crate::strconv::{NumErrorKind, parse_int};
use crate::value::{IntType, Object, ParamType, Str, Value, downcast};

use super::options::Options;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    let now = Now {
        clock: Arc::clone(&options.clock),
        local: options.local_zone.clone(),
    };
    let at = now.clone();
    funcs.add("now", move |state: &mut State| {
        TimeObject::value(at.now(state), &at.local)
    });
    let at = now.clone();
    funcs.add("date", move |state: &mut State, layout: Str, date: Value| {
        at.format(state, &layout, &date, "Local")
    });
    let at = now.clone();
    funcs.add(
        "dateInZone",
        move |state: &mut State, layout: Str, date: Value, zone: Str| {
            at.format(state, &layout, &date, &zone.to_str_lossy())
        },
    );
    funcs.alias("date_in_zone", "dateInZone");
    let day = Str::from_static("2006-01-02");
    let (at, layout) = (now.clone(), day.clone());
    funcs.add("htmlDate", move |state: &mut State, date: Value| {
        at.format(state, &layout, &date, "Local")
    });
    let (at, layout) = (now.clone(), day);
    funcs.add(
        "htmlDateInZone",
        move |state: &mut State, date: Value, zone: Str| {
            at.format(state, &layout, &date, &zone.to_str_lossy())
        },
    );
    funcs.add(
        "dateModify",
        |by: Str, date: Obj<TimeObject>| match Duration::parse(by.as_bytes()) {
            Ok(d) => date.with(date.time.add(d)),
            Err(_) => Value::Object(date.0),
        },
    );
    funcs.alias("date_modify", "dateModify");
    funcs.add("mustDateModify", |by: Str, date: Obj<TimeObject>| {
        let d = Duration::parse(by.as_bytes()).map_err(|e| Error::new(e.to_string()))?;
        Ok::<_, Error>(date.with(date.time.add(d)))
    });
    funcs.alias("must_date_modify", "mustDateModify");
    let at = now.clone();
    funcs.add("toDate", move |state: &mut State, layout: Str, text: Str| {
        spend_on_reading(state, &[&layout, &text])?;
        let time = Time::parse(layout.as_bytes(), text.as_bytes(), &at.zone());
        Ok::<_, Error>(TimeObject::value(
            time.unwrap_or_else(|_| Time::zero()),
            &at.local,
        ))
    });
    let at = now.clone();
    funcs.add("mustToDate", move |state: &mut State, layout: Str, text: Str| {
        spend_on_reading(state, &[&layout, &text])?;
        let time = Time::parse(layout.as_bytes(), text.as_bytes(), &at.zone());
        Ok::<_, Error>(TimeObject::value(
            time.map_err(|e| Error::new(e.to_string()))?,
            &at.local,
        ))
    });
    funcs.add("unixEpoch", |date: Obj<TimeObject>| date.time.unix().to_string());
    let at = now.clone();
    funcs.add("ago", move |state: &mut State, date: Value| {
        let now = at.now(state);
        let then = match &date {
            Value::Int(n, IntType::Int | IntType::Int64) => Time::from_unix(*n, 0, Zone::Utc),
            other => time_of(other).unwrap_or_else(|| now.clone()),
        };
        now.since(&then).round(Duration::SECOND).to_string()
    });
    funcs.add("duration", |seconds: Value| {
        let n = match &seconds {
            Value::String(s) => parse_saturating(s.as_bytes()),
            Value::Int(n, IntType::Int64) => *n,
            _ => 0,
        };
        Duration(n.wrapping_mul(Duration::SECOND.0)).to_string()
    });
    funcs.add("durationRound", move |state: &mut State, duration: Value| {
        if let Value::String(s) = &duration {
            spend_on_reading(state, &[s])?;
        }
        let d = match &duration {
            Value::String(s) => Duration::parse(s.as_bytes()).unwrap_or(Duration(0)),
            Value::Int(n, IntType::Int64) => Duration(*n),
            other => time_of(other).map_or(Duration(0), |t| now.now(state).since(&t)),
        };
        Ok::<_, Error>(rounded(d))
    });
}

#[derive(Clone)]
struct Now {
    clock: Arc<dyn super::Clock>,
    local: jiff::tz::TimeZone,
}

impl Now {
    fn zone(&self) -> Zone {
        Zone::Local(self.local.clone())
    }

    fn now(&self, state: &mut State) -> Time {
        let (seconds, nanoseconds) = self.clock.now(state);
        Time::from_unix(seconds, nanoseconds, self.zone())
    }

    /// sprig's `dateInZone`: a time, seconds since 1970, or now for anything else; UTC for unknown zones.
    fn format(&self, state: &mut State, layout: &Str, date: &Value, zone: &str) -> Result<Str, Error> {
        state.spend(FORMAT_STEPS + layout.len() as u64)?;
        let time = match date {
            Value::Int(n, IntType::Int | IntType::Int64 | IntType::Int32) => {
                Time::from_unix(*n, 0, Zone::Utc)
            }
            other => time_of(other).unwrap_or_else(|| self.now(state)),
        };
        let zone = Zone::load(zone, &self.local).unwrap_or(Zone::Utc);
        Ok(Str::from(time.in_zone(zone).format(layout.as_bytes())))
    }
}

/// Accounts for reading a date or a duration from texts, which an error quotes letter by letter.
fn spend_on_reading(state: &mut State, texts: &[&Str]) -> Result<(), Error> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    state.spend(FORMAT_STEPS + 2 * bytes as u64)
}

/// What looking up a zone counts for, and the time in it.
const FORMAT_STEPS: u64 = 20;

fn time_of(value: &Value) -> Option<Time> {
    match value {
        Value::Object(o) => downcast::<TimeObject>(o).map(|t| t.time.clone()),
        _ => None,
    }
}

/// Go's result where a number does not fit is the nearest that does; sprig keeps it.
fn parse_saturating(text: &[u8]) -> i64 {
    match parse_int(text, 10, 64) {
        Ok(n) => n,
        Err(e) if e.kind == NumErrorKind::Range && text.starts_with(b"-") => i64::MIN,
        Err(e) if e.kind == NumErrorKind::Range => i64::MAX,
        Err(_) => 0,
    }
}

fn rounded(d: Duration) -> String {
    let n = d.0.unsigned_abs();
    let hour = Duration::HOUR.0 as u64;
    let units = [
        (365 * 24 * hour, "y"),
        (30 * 24 * hour, "mo"),
        (24 * hour, "d"),
        (hour, "h"),
        (hour / 60, "m"),
        (hour / 3600, "s"),
    ];
    match units.iter().find(|(unit, _)| n > *unit) {
        Some((unit, name)) => format!("{}{name}", n / unit),
        None => "0s".to_owned(),
    }
}

/// Go's `time.Time` with the methods that templates may call.
#[derive(Debug)]
pub struct TimeObject {
    time: Time,
    local: jiff::tz::TimeZone,
}

impl TimeObject {
    /// The value of a time; `local` is what its method `Local` turns to.
    pub fn value(time: Time, local: &jiff::tz::TimeZone) -> Value {
        Value::object(Self {
            time,
            local: local.clone(),
        })
    }

    /// The time.
    pub fn time(&self) -> &Time {
        &self.time
    }

    fn with(&self, time: Time) -> Value {
        Self::value(time, &self.local)
    }
}

const TIME: ParamType = ParamType::Named("time.Time");
const DURATION: ParamType = ParamType::Named("time.Duration");
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

    fn method(&self, name: &str) -> Option<Signature> {
        Some(Signature::fixed(match name {
            "Year" | "Month" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "Weekday"
            | "YearDay" | "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "UTC" | "Local" | "Location"
            | "IsZero" | "IsDST" | "String" | "GoString" => &[],
            "Format" => &[ParamType::String],
            "Add" | "Round" | "Truncate" => &[DURATION],
            "Sub" | "After" | "Before" | "Equal" | "Compare" => &[TIME],
            "AddDate" => &[INT, INT, INT],
            "In" => &[ParamType::Named("*time.Location")],
            _ => return None,
        }))
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
                .ok_or_else(super::panics::nil_pointer)
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
            "GoString" => Ok(go_string(t).into()),
            "Format" => {
                let layout = args.first().and_then(Value::as_str).cloned().unwrap_or_default();
                meter::work(layout.len() as u64)?;
                Ok(Value::String(Str::from(t.format(layout.as_bytes()))))
            }
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
        if !(0..=9999).contains(&self.time.civil().year) {
            return Err(Error::new(
                "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]",
            ));
        }
        let text = self.time.format(b"2006-01-02T15:04:05.999999999Z07:00");
        Ok(String::from_utf8_lossy(&text).into_owned().into())
    }
}

fn go_string(t: &Time) -> String {
    let c = t.civil();
    let month = MONTHS.get(usize::from(c.month) - 1).copied().unwrap_or_default();
    let zone = match t.zone() {
        Zone::Utc => "time.UTC".to_owned(),
        Zone::Local(_) => "time.Local".to_owned(),
        named => format!(
            "time.Location({})",
            crate::strconv::quote(named.name().as_bytes())
        ),
    };
    let nanosecond = t.nanosecond();
    let (year, day, hour, minute, second) = (c.year, c.day, c.hour, c.minute, c.second);
    format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanosecond}, {zone})")
}

/// `time.Month` and `time.Weekday`: numbers that print as names.
#[derive(Debug)]
struct Named {
    type_name: &'static str,
    number: i64,
    name: &'static str,
}

impl Named {
    fn value(type_name: &'static str, number: i64, names: &[&'static str], first: i64) -> Value {
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
struct Location(Zone);

impl Object for Location {
    fn type_name(&self) -> Cow<'static, str> {
        "*time.Location".into()
    }

    fn kind(&self) -> crate::value::Kind {
        crate::value::Kind::Ptr
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

/// Go's `time.Duration`.
#[derive(Debug)]
struct DurationObject(Duration);

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
            "Round" | "Truncate" => &[DURATION],
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
