//! Reading times by a layout.

use std::fmt;

use super::layout::{OffsetStyle, Part, next_chunk};
use super::{MONTHS, Time, WEEKDAYS, Zone};

/// Why a text is not a time of the layout, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// Quotes as Go's `time` package does in its errors: other bytes than printable ASCII as `\xNN`.
pub fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for b in text {
        match b {
            b'"' | b'\\' => out.extend(['\\', char::from(*b)]),
            0x20..0x80 => out.push(char::from(*b)),
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push('"');
    out
}

/// What is wrong with a part: it can not be read at all, or its value is out of range.
enum Fault {
    Bad,
    Range(&'static str),
}

type Read<T> = Result<T, Fault>;

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    pm: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone_name: Option<Vec<u8>>,
}

impl Time {
    /// Reads a text written as the layout shows, as Go's `time.ParseInLocation`: a text without a zone is
    /// a time of `zone`, and an offset or abbreviation that `zone` has there is shown as `zone`.
    pub fn parse(layout: &[u8], text: &[u8], zone: &Zone) -> Result<Time, ParseError> {
        let mut fields = Fields::default();
        let (mut rest, mut value) = (layout, text);
        let cannot = |value: &[u8], element: &[u8]| {
            let (text, layout) = (quote(text), quote(layout));
            let (value, element) = (quote(value), quote(element));
            ParseError(format!(
                "parsing time {text} as {layout}: cannot parse {value} as {element}"
            ))
        };
        let because = |message: &str| ParseError(format!("parsing time {}: {message}", quote(text)));
        loop {
            let chunk = next_chunk(rest);
            if !skip(&mut value, chunk.prefix) {
                // The message shows what was left where the texts began to differ.
                return Err(cannot(value, chunk.prefix));
            }
            let Some((part, spelling)) = chunk.part else {
                if !value.is_empty() {
                    return Err(because(&format!("extra text: {}", quote(value))));
                }
                break;
            };
            rest = chunk.rest;
            let hold = value;
            match fields.read(part, &mut value, rest) {
                Ok(()) => {}
                Err(Fault::Bad) => return Err(cannot(hold, spelling)),
                Err(Fault::Range(what)) => return Err(because(&format!("{what} out of range"))),
            }
        }
        fields.finish(zone).map_err(because)
    }
}

impl Fields {
    fn read(&mut self, part: Part, value: &mut &[u8], rest_of_layout: &[u8]) -> Read<()> {
        match part {
            Part::Year => {
                let year = signed(take(value, 2)?)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Part::LongYear => {
                if !is_digit(value, 0) {
                    return Err(Fault::Bad);
                }
                self.year = signed(take(value, 4)?)?;
            }
            Part::Month => self.month = Some(name(value, &MONTHS, true)?),
            Part::LongMonth => self.month = Some(name(value, &MONTHS, false)?),
            Part::NumMonth | Part::ZeroMonth => {
                let month = number(value, part == Part::ZeroMonth)?;
                in_range((1..=12).contains(&month), "month")?;
                self.month = Some(month);
            }
            Part::Weekday => {
                name(value, &WEEKDAYS, true)?;
            }
            Part::LongWeekday => {
                name(value, &WEEKDAYS, false)?;
            }
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                if part == Part::UnderDay {
                    *value = value.strip_prefix(b" ").unwrap_or(value);
                }
                self.day = Some(number(value, part == Part::ZeroDay)?);
            }
            Part::UnderYearDay | Part::ZeroYearDay => {
                if part == Part::UnderYearDay {
                    *value = value.strip_prefix(b" ").unwrap_or(value);
                    *value = value.strip_prefix(b" ").unwrap_or(value);
                }
                let digits = (0..3).take_while(|i| is_digit(value, *i)).count();
                if digits == 0 || part == Part::ZeroYearDay && digits != 3 {
                    return Err(Fault::Bad);
                }
                self.year_day = Some(signed(take(value, digits)?)?);
            }
            Part::Hour => {
                self.hour = number(value, false)?;
                in_range(self.hour < 24, "hour")?;
            }
            Part::Hour12 | Part::ZeroHour12 => {
                self.hour = number(value, part == Part::ZeroHour12)?;
                in_range(self.hour <= 12, "hour")?;
            }
            Part::Minute | Part::ZeroMinute => {
                self.minute = number(value, part == Part::ZeroMinute)?;
                in_range(self.minute < 60, "minute")?;
            }
            Part::Second | Part::ZeroSecond => {
                self.second = number(value, part == Part::ZeroSecond)?;
                in_range(self.second < 60, "second")?;
                let fraction_follows =
                    matches!(next_chunk(rest_of_layout).part, Some((Part::Fraction { .. }, _)));
                if !fraction_follows {
                    self.read_fraction(value)?;
                }
            }
            Part::UpperPm => self.pm = Some(half(value, b"AM", b"PM")?),
            Part::LowerPm => self.pm = Some(half(value, b"am", b"pm")?),
            Part::Offset(style) => {
                if style.z
                    && let Some(after) = value.strip_prefix(b"Z")
                {
                    *value = after;
                    self.utc = true;
                } else {
                    self.offset = Some(offset(value, style)?);
                }
            }
            Part::Abbreviation => {
                if let Some(after) = value.strip_prefix(b"UTC") {
                    *value = after;
                    self.utc = true;
                } else {
                    let len = abbreviation_len(value).ok_or(Fault::Bad)?;
                    self.zone_name = Some(take(value, len)?.to_vec());
                }
            }
            Part::Fraction {
                digits, trim: false, ..
            } => {
                self.nanosecond = nanoseconds(take(value, 1 + digits)?)?;
            }
            Part::Fraction { .. } => self.read_fraction(value)?,
        }
        Ok(())
    }

    /// A separator and all digits behind it, where they are there.
    fn read_fraction(&mut self, value: &mut &[u8]) -> Read<()> {
        if matches!(value.first(), Some(b'.' | b',')) && is_digit(value, 1) {
            let digits = (1..value.len()).take_while(|i| is_digit(value, *i)).count();
            self.nanosecond = nanoseconds(take(value, 1 + digits)?)?;
        }
        Ok(())
    }

    fn finish(mut self, zone: &Zone) -> Result<Time, &'static str> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days_in = |month: i64| match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if let Some(year_day) = self.year_day {
            if year_day < 1 || year_day > 365 + i64::from(leap) {
                return Err("day-of-year out of range");
            }
            let (mut month, mut day) = (1, year_day);
            while day > days_in(month) {
                day -= days_in(month);
                month += 1;
            }
            if self.month.is_some_and(|m| m != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|d| d != day) {
                return Err("day-of-year does not match day");
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month) {
            return Err("day out of range");
        }
        let clock = (self.hour, self.minute, self.second);
        let at = |zone: Zone| Time::from_civil((self.year, month, day), clock, self.nanosecond, zone);
        if self.utc {
            return Ok(at(Zone::Utc));
        }
        let utc = at(Zone::Utc);
        let moved = |offset: i32, zone: Zone| {
            Time::from_unix(utc.unix().wrapping_sub(offset.into()), utc.nanosecond(), zone)
        };
        let zone_name = self
            .zone_name
            .map(|name| String::from_utf8_lossy(&name).into_owned());
        // Go marks "no offset read" by -1 second, so that an offset read as -1 counts as none.
        if let Some(offset) = self.offset.filter(|offset| *offset != -1) {
            let here = moved(offset, zone.clone());
            let same_name = |name: &String| zone.abbreviation_at(here.unix()) == *name;
            if zone.offset_at(here.unix()) == offset && zone_name.as_ref().is_none_or(same_name) {
                return Ok(here);
            }
            return Ok(moved(
                offset,
                Zone::Fixed(zone_name.unwrap_or_default().into(), offset),
            ));
        }
        if let Some(name) = zone_name {
            if let Some(offset) = zone.offset_of_name(&name, utc.unix()) {
                return Ok(moved(offset, zone.clone()));
            }
            let hours = name
                .strip_prefix("GMT")
                .and_then(|hours| hours.parse::<i32>().ok());
            // An unknown abbreviation is kept as a name; only `GMT+3` says how far it is, and that is shown
            // without moving the time.
            let offset = hours.unwrap_or(0).saturating_mul(3600);
            return Ok(Time::from_unix(
                utc.unix(),
                utc.nanosecond(),
                Zone::Fixed(name.into(), offset),
            ));
        }
        Ok(at(zone.clone()))
    }
}

fn in_range(ok: bool, what: &'static str) -> Read<()> {
    if ok { Ok(()) } else { Err(Fault::Range(what)) }
}

fn is_digit(value: &[u8], at: usize) -> bool {
    value.get(at).is_some_and(u8::is_ascii_digit)
}

fn take<'v>(value: &mut &'v [u8], len: usize) -> Read<&'v [u8]> {
    let (head, tail) = value.split_at_checked(len).ok_or(Fault::Bad)?;
    *value = tail;
    Ok(head)
}

/// A decimal number that may have a sign.
fn signed(digits: &[u8]) -> Read<i64> {
    let text = std::str::from_utf8(digits).map_err(|_| Fault::Bad)?;
    // Go reads a sign without digits as 0.
    if text == "+" || text == "-" {
        return Ok(0);
    }
    text.parse().map_err(|_| Fault::Bad)
}

/// One or two digits, exactly two where `fixed`.
fn number(value: &mut &[u8], fixed: bool) -> Read<i64> {
    let len = if is_digit(value, 1) { 2 } else { 1 };
    if !is_digit(value, 0) || fixed && len == 1 {
        return Err(Fault::Bad);
    }
    signed(take(value, len)?)
}

/// The number, from 1, of the name at the start, whatever its case.
fn name(value: &mut &[u8], names: &[&str], short: bool) -> Read<i64> {
    for (i, name) in names.iter().enumerate() {
        let name = if short {
            name.get(..3).unwrap_or(name)
        } else {
            name
        };
        if value
            .get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
        {
            take(value, name.len())?;
            return Ok(i as i64 + 1);
        }
    }
    Err(Fault::Bad)
}

fn half(value: &mut &[u8], am: &[u8], pm: &[u8]) -> Read<bool> {
    let text = take(value, 2)?;
    if text == pm {
        Ok(true)
    } else if text == am {
        Ok(false)
    } else {
        Err(Fault::Bad)
    }
}

fn offset(value: &mut &[u8], style: OffsetStyle) -> Read<i32> {
    let colon = usize::from(style.colon);
    let len = 3 + if style.minutes { 2 + colon } else { 0 } + if style.seconds { 2 + colon } else { 0 };
    let text = take(value, len)?;
    let colons = text.iter().skip(3).step_by(3);
    if style.colon && !colons.clone().all(|b| *b == b':') {
        return Err(Fault::Bad);
    }
    let two = |at: usize| {
        let mut digits = text.get(at..at + 2).unwrap_or_default();
        number(&mut digits, true)
    };
    let hours = two(1)?;
    let minutes = if style.minutes { two(3 + colon)? } else { 0 };
    let seconds = if style.seconds { two(5 + 2 * colon)? } else { 0 };
    // Some write 24 hours, 60 minutes or 60 seconds; Go lets them. Of several faults the last is told.
    in_range(seconds <= 60, "time zone offset second")?;
    in_range(minutes <= 60, "time zone offset minute")?;
    in_range(hours <= 24, "time zone offset hour")?;
    let total = (hours * 60 + minutes) * 60 + seconds;
    match text.first() {
        Some(b'+') => Ok(total as i32),
        Some(b'-') => Ok(-total as i32),
        _ => Err(Fault::Bad),
    }
}

/// The fraction of a second, its separator first; digits beyond nanoseconds do not count.
fn nanoseconds(text: &[u8]) -> Read<i64> {
    let digits = match text.split_first() {
        Some((b'.' | b',', digits)) => digits,
        _ => return Err(Fault::Bad),
    };
    let digits = digits.get(..9).unwrap_or(digits);
    let value = signed(digits)?;
    in_range(value >= 0, "fractional second")?;
    Ok(value * 10_i64.pow(9 - digits.len() as u32))
}

/// Removes the layout's literal text from the value; runs of spaces match runs of spaces.
fn skip(value: &mut &[u8], mut prefix: &[u8]) -> bool {
    while let Some((first, tail)) = prefix.split_first() {
        if *first == b' ' {
            if value.first().is_some_and(|b| *b != b' ') {
                return false;
            }
            prefix = trim_spaces(prefix);
            *value = trim_spaces(value);
            continue;
        }
        match value.split_first() {
            Some((b, rest)) if b == first => *value = rest,
            _ => return false,
        }
        prefix = tail;
    }
    true
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|b| **b == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

/// How long the zone abbreviation at the start is: upper-case letters, `GMT+3`, or a signed number.
fn abbreviation_len(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(after) = value.strip_prefix(b"GMT") {
        return Some(3 + signed_hours_len(after));
    }
    if matches!(value.first(), Some(b'+' | b'-')) {
        return Some(signed_hours_len(value)).filter(|len| *len > 0);
    }
    let upper = value
        .iter()
        .take(6)
        .take_while(|b| b.is_ascii_uppercase())
        .count();
    let ends_in_t = upper > 0 && value.get(upper - 1) == Some(&b'T');
    match upper {
        3 => Some(3),
        4 if ends_in_t || value.starts_with(b"WITA") => Some(4),
        5 if ends_in_t => Some(5),
        _ => None,
    }
}

fn signed_hours_len(value: &[u8]) -> usize {
    match value.split_first() {
        Some((b'+' | b'-', digits)) => {
            let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            let hours = digits
                .get(..len)
                .and_then(|d| std::str::from_utf8(d).ok())
                .and_then(|d| d.parse::<u64>().ok());
            if hours.is_some_and(|h| h <= 23) {
                1 + len
            } else {
                0
            }
        }
        _ => 0,
    }
}
