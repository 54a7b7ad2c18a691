//! The duration functions of Helm 4 (`pkg/engine/funcs.go` of Helm 4.3). What is no duration counts as 0, but for
//! `mustToDuration`.

use std::rc::Rc;

use helmapp_gotmpl::date::Duration;
use helmapp_gotmpl::sprig::DurationObject;
use helmapp_gotmpl::strconv::{parse_float, quote};
use helmapp_gotmpl::value::downcast;
use helmapp_gotmpl::{Error, Functions, Int64, Obj, Str, Value, fmt};

const DAY: f64 = 24.0;
const WEEK: f64 = 7.0;

pub(super) fn add(functions: &mut Functions) {
    functions.add("mustToDuration", |v: Value| duration(&v).map(object));
    functions.add("durationSeconds", |v: Value| {
        or_zero(&v).in_units(Duration::SECOND)
    });
    functions.add("durationMilliseconds", |v: Value| {
        Int64(or_zero(&v).0 / 1_000_000)
    });
    functions.add("durationMicroseconds", |v: Value| Int64(or_zero(&v).0 / 1_000));
    functions.add("durationNanoseconds", |v: Value| Int64(or_zero(&v).0));
    functions.add("durationMinutes", |v: Value| {
        or_zero(&v).in_units(Duration::MINUTE)
    });
    functions.add("durationHours", |v: Value| or_zero(&v).in_units(Duration::HOUR));
    functions.add("durationDays", |v: Value| {
        or_zero(&v).in_units(Duration::HOUR) / DAY
    });
    functions.add("durationWeeks", |v: Value| {
        or_zero(&v).in_units(Duration::HOUR) / DAY / WEEK
    });
    functions.add("durationRoundTo", |v: Value, unit: Value| {
        object(in_multiples(&v, &unit, Duration::round))
    });
    functions.add("durationTruncateTo", |v: Value, unit: Value| {
        object(in_multiples(&v, &unit, Duration::truncate))
    });
}

fn object(duration: Duration) -> Obj<DurationObject> {
    Obj(Rc::new(DurationObject(duration)))
}

fn or_zero(value: &Value) -> Duration {
    duration(value).unwrap_or(Duration(0))
}

/// As it is, where there is no unit.
fn in_multiples(value: &Value, unit: &Value, to: fn(Duration, Duration) -> Duration) -> Duration {
    let value = or_zero(value);
    duration(unit).map_or(value, |unit| to(value, unit))
}

/// A duration as it is, a text as Go reads durations, and numbers, also in texts, as seconds.
fn duration(value: &Value) -> Result<Duration, Error> {
    if let Value::Object(object) = value
        && let Some(duration) = downcast::<DurationObject>(object)
    {
        return Ok(duration.0);
    }
    match (value, value.underlying().as_ref()) {
        (Value::Nil, _) => Err(Error::new("invalid duration")),
        (Value::String(text), _) => of_text(text),
        (_, Value::Int(n, _)) => of_seconds(Some(*n), n),
        (_, Value::Uint(n, _)) => of_seconds(i64::try_from(*n).ok(), n),
        (_, Value::Float(f, _)) => of_fraction(*f),
        _ => Err(Error::new(format!(
            "unsupported duration type {}",
            value.type_name()
        ))),
    }
}

fn of_text(text: &Str) -> Result<Duration, Error> {
    let whole = text.to_str_lossy();
    let trimmed = whole.trim();
    if trimmed.is_empty() {
        return Err(Error::new("empty duration"));
    }
    if let Ok(duration) = Duration::parse(trimmed.as_bytes()) {
        return Ok(duration);
    }
    match parse_float(trimmed.as_bytes(), 64) {
        Ok(seconds) => of_fraction(seconds),
        Err(_) => Err(Error::new(format!(
            "could not parse duration {}",
            quote(text.as_bytes())
        ))),
    }
}

fn of_seconds(seconds: Option<i64>, shown: &dyn std::fmt::Display) -> Result<Duration, Error> {
    seconds
        .and_then(|seconds| seconds.checked_mul(Duration::SECOND.0))
        .map(Duration)
        .ok_or_else(|| Error::new(format!("duration seconds overflow: {shown}")))
}

fn of_fraction(seconds: f64) -> Result<Duration, Error> {
    const LONGEST: f64 = i64::MAX as f64;
    let refused = |what: &str, f: f64| Err(Error::new(format!("{what}: {}", fmt::to_str(&Value::float(f))?)));
    if !seconds.is_finite() {
        return refused("invalid duration seconds", seconds);
    }
    let longest = LONGEST / Duration::SECOND.0 as f64;
    if seconds > longest || seconds < i64::MIN as f64 / Duration::SECOND.0 as f64 {
        return refused("duration seconds overflow", seconds);
    }
    let nanoseconds = seconds * Duration::SECOND.0 as f64;
    // Go's conversion of the float just above the longest duration gives the shortest.
    Ok(Duration(match nanoseconds as i64 {
        i64::MAX => i64::MIN,
        n => n,
    }))
}
