//! Dates, times and what lies between them: `date`, `time`, `date-time`, `duration` and `period`.

use helmapp_gotmpl::{
    date::{Time, Zone},
    strconv::{atoi, quote_rune},
};

use super::{Checked, digits, refuse, within};

pub(super) fn date(text: &[u8]) -> Checked {
    match Time::parse(b"2006-01-02", text, &Zone::Utc) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn date_time(text: &[u8]) -> Checked {
    match text.split_at_checked(10) {
        Some((day, [b't' | b'T', clock @ ..])) if text.len() >= 20 => {
            within("invalid date element", date(day))?;
            within("invalid time element", time(clock))
        }
        _ if text.len() < 20 => refuse("less than 20 characters long"),
        _ => refuse("11th character must be t or T"),
    }
}

pub(super) fn time(text: &[u8]) -> Checked {
    let Some((clock, rest)) = text.split_at_checked(8).filter(|(_, rest)| !rest.is_empty()) else {
        return refuse("less than 9 characters long");
    };
    if clock.get(2) != Some(&b':') || clock.get(5) != Some(&b':') {
        return refuse("missing colon in correct place");
    }
    let parts = numbers::<3>(clock, "hour/min/sec", "")?;
    let [hour, minute, second] = parts;
    if hour > 23 || minute > 59 || second > 60 {
        return refuse("hour/min/sec out of range");
    }
    let mut offset = rest;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return refuse("no digits in second fraction");
        }
        offset = fraction.get(length..).unwrap_or_default();
    }
    let east = match offset {
        b"z" | b"Z" => 0,
        _ => minutes_east(offset)?,
    };
    // A leap second is the last of a day in UTC.
    let last = (hour * 60 + minute - east).rem_euclid(24 * 60) == 24 * 60 - 1;
    match second {
        60 if !last => refuse("invalid leap second"),
        _ => Ok(()),
    }
}

fn minutes_east(offset: &[u8]) -> Result<i64, String> {
    let (sign, clock) = match offset {
        [_, _, _, _, _, _] if offset.starts_with(b"+") => (1, offset.get(1..)),
        [_, _, _, _, _, _] if offset.starts_with(b"-") => (-1, offset.get(1..)),
        [_, _, _, _, _, _] => return Err("offset must begin with plus/minus".to_owned()),
        _ => return Err("offset must be 6 characters long".to_owned()),
    };
    let clock = clock.unwrap_or_default();
    if clock.get(2) != Some(&b':') {
        return Err("missing colon in offset in correct place".to_owned());
    }
    let [hours, minutes] = numbers::<2>(clock, "hour/min", " in offset")?;
    if hours > 23 || minutes > 59 {
        return Err("hour/min in offset out of range".to_owned());
    }
    Ok(sign * (hours * 60 + minutes))
}

/// Numbers with colons between them.
fn numbers<const COUNT: usize>(text: &[u8], what: &str, place: &str) -> Result<[i64; COUNT], String> {
    let mut numbers = [0; COUNT];
    let parts = text.splitn(COUNT, |b| *b == b':');
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = atoi(part).map_err(|_| format!("invalid {what}{place}"))?;
        if *number < 0 {
            return Err(format!("non-positive {what}{place}"));
        }
    }
    Ok(numbers)
}

/// The units of a day and those of a clock, in their order.
const UNITS: [&str; 2] = ["YMD", "HMS"];

pub(super) fn duration(text: &str) -> Checked {
    let Some(text) = text.strip_prefix('P') else {
        return refuse("must start with P");
    };
    if text.is_empty() {
        return refuse("nothing after P");
    }
    if let Some(weeks) = text.strip_suffix('W') {
        return match digits(weeks) {
            ("", "") => refuse("no number in week"),
            (_, "") => Ok(()),
            _ => refuse("invalid week"),
        };
    }
    for (at, part) in text.split('T').enumerate() {
        if at > 0 && part.is_empty() {
            return refuse("no time elements");
        }
        let Some(all) = UNITS.get(at) else {
            return refuse("more than one T");
        };
        elements(part, all)?;
    }
    Ok(())
}

fn elements(text: &str, all: &str) -> Checked {
    let mut left = all;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = digits(rest);
        if number.is_empty() {
            return refuse("missing number");
        }
        let Some(byte) = behind.bytes().next() else {
            return refuse("missing unit");
        };
        let unit = char::from(byte);
        left = match left.split_once(unit) {
            Some((_, later)) => later,
            None if all.contains(unit) => return Err(format!("unit {} out of order", quote_rune(unit))),
            None => return Err(format!("invalid unit {}", quote_rune(unit))),
        };
        rest = behind.get(1..).unwrap_or_default();
    }
    Ok(())
}

pub(super) fn period(text: &str) -> Checked {
    let Some((start, end)) = text.split_once('/') else {
        return refuse("missing slash");
    };
    if start.starts_with('P') {
        within("invalid start duration", duration(start))?;
        return within("invalid end date-time", date_time(end.as_bytes()));
    }
    within("invalid start date-time", date_time(start.as_bytes()))?;
    match end.starts_with('P') {
        true => within("invalid end duration", duration(end)),
        false => within("invalid end date-time", date_time(end.as_bytes())),
    }
}
