//! Dates and durations, and Go's `time` values as objects.

mod moment;
mod parts;

use std::rc::Rc;
use std::sync::Arc;

use crate::date::{Duration, Time, Zone};
use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Obj};
use crate::strconv::{NumErrorKind, parse_int};
use crate::value::{IntType, Str, Value, downcast};

pub use moment::TimeObject;
pub use parts::DurationObject;

use super::options::Options;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    let now = Now {
        clock: Arc::clone(&options.clock),
        local: options.local_zone.clone(),
    };
    let at = now.clone();
    funcs.add("now", move |state: &mut State| {
        Obj(Rc::new(TimeObject::new(at.now(state), &at.local)))
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
