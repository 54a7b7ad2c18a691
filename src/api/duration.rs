//! Durations of the API, written as Go writes them (`5m0s`, `1h30m`, `250ms`).

use std::{fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the API server accepts: everything that matches parses, so a stored object always reads back.
const PATTERN: &str = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ns|us|ms|s|m|h))+$";
/// Longest text of a duration.
const MAX_LENGTH: usize = 32;

/// A length of time, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub time::Duration);

impl Duration {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }
}

impl From<Duration> for time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a duration: write numbers with a unit (ns, us, ms, s, m, h), such as 5m or 1h30m")]
pub struct ParseError {
    text: String,
}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        nanoseconds(text)
            .filter(|_| text.len() <= MAX_LENGTH)
            .and_then(|nanos| {
                let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
                let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
                Some(Self(time::Duration::new(seconds, rest)))
            })
            .ok_or_else(|| ParseError {
                text: text.chars().take(MAX_LENGTH).collect(),
            })
    }
}

fn nanoseconds(text: &str) -> Option<u128> {
    let mut rest = text;
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        if whole.is_empty() {
            return None;
        }
        rest = after;
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = digits(after);
            if fraction.is_empty() {
                return None;
            }
        }
        let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        rest = after;
        let scale: u128 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(whole.parse::<u128>().ok()?.checked_mul(scale)?)?;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            total = total.checked_add(place.checked_mul(u128::from(digit - b'0'))?)?;
        }
    }
    Some(total)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000 {
            return write!(f, "{nanos}ns");
        }
        if nanos < 1_000_000 {
            return write!(f, "{}us", decimal(nanos, 1_000));
        }
        if nanos < 1_000_000_000 {
            return write!(f, "{}ms", decimal(nanos, 1_000_000));
        }
        let minutes = nanos / 60_000_000_000;
        let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
        if minutes == 0 {
            return write!(f, "{seconds}s");
        }
        if minutes < 60 {
            return write!(f, "{minutes}m{seconds}s");
        }
        write!(f, "{}h{}m{seconds}s", minutes / 60, minutes % 60)
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        (value / unit).to_string()
    } else {
        format!("{}.{fraction}", value / unit)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_as_go_does() {
        for (text, nanos, again) in [
            ("5m", 300_000_000_000, "5m0s"),
            ("5m0s", 300_000_000_000, "5m0s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("250ms", 250_000_000, "250ms"),
            ("1500us", 1_500_000, "1.5ms"),
            ("7ns", 7, "7ns"),
            ("0s", 0, "0s"),
            ("61s", 61_000_000_000, "1m1s"),
            ("999999999h", 3_599_999_996_400_000_000_000, "999999999h0m0s"),
        ] {
            let read: Duration = text.parse().unwrap();
            assert_eq!(read.0.as_nanos(), nanos, "{text}");
            assert_eq!(read.to_string(), again, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        for text in [
            "",
            "5",
            "-5m",
            "5 m",
            "5d",
            "m",
            ".5s",
            "5.s",
            "1e3s",
            "five",
            &"1s".repeat(17),
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
