//! Writing times by a layout.

use std::io::Write;

use super::layout::{OffsetStyle, Part, next_chunk};
use super::{MONTHS, Time, WEEKDAYS};

impl Time {
    /// The time written as the layout shows, as Go's `Time.Format`.
    pub fn format(&self, layout: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while !rest.is_empty() {
            let chunk = next_chunk(rest);
            out.extend_from_slice(chunk.prefix);
            match chunk.part {
                Some((part, _)) => self.write_part(&mut out, part),
                None => break,
            }
            rest = chunk.rest;
        }
        out
    }

    fn write_part(&self, out: &mut Vec<u8>, part: Part) {
        let c = self.civil();
        let month = MONTHS.get(usize::from(c.month) - 1).copied().unwrap_or_default();
        let weekday = WEEKDAYS.get(usize::from(c.weekday)).copied().unwrap_or_default();
        let hour12 = match c.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let pm = c.hour >= 12;
        let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
        // Writing to a Vec can not fail.
        let _ = match part {
            Part::LongMonth => write!(out, "{month}"),
            Part::Month => write!(out, "{}", short(month)),
            Part::NumMonth => write!(out, "{}", c.month),
            Part::ZeroMonth => write!(out, "{:02}", c.month),
            Part::LongWeekday => write!(out, "{weekday}"),
            Part::Weekday => write!(out, "{}", short(weekday)),
            Part::Day => write!(out, "{}", c.day),
            Part::UnderDay => write!(out, "{:2}", c.day),
            Part::ZeroDay => write!(out, "{:02}", c.day),
            Part::UnderYearDay => write!(out, "{:3}", c.year_day),
            Part::ZeroYearDay => write!(out, "{:03}", c.year_day),
            Part::Hour => write!(out, "{:02}", c.hour),
            Part::Hour12 => write!(out, "{hour12}"),
            Part::ZeroHour12 => write!(out, "{hour12:02}"),
            Part::Minute => write!(out, "{}", c.minute),
            Part::ZeroMinute => write!(out, "{:02}", c.minute),
            Part::Second => write!(out, "{}", c.second),
            Part::ZeroSecond => write!(out, "{:02}", c.second),
            Part::LongYear if c.year < 0 => write!(out, "-{:04}", c.year.unsigned_abs()),
            Part::LongYear => write!(out, "{:04}", c.year),
            Part::Year => write!(out, "{:02}", c.year.unsigned_abs() % 100),
            Part::UpperPm => write!(out, "{}", if pm { "PM" } else { "AM" }),
            Part::LowerPm => write!(out, "{}", if pm { "pm" } else { "am" }),
            Part::Abbreviation => {
                let name = self.zone().abbreviation_at(self.unix());
                if name.is_empty() {
                    let (colon, seconds) = (false, false);
                    self.write_offset(
                        out,
                        OffsetStyle {
                            z: false,
                            colon,
                            minutes: true,
                            seconds,
                        },
                    )
                } else {
                    write!(out, "{name}")
                }
            }
            Part::Offset(style) => self.write_offset(out, style),
            Part::Fraction {
                separator,
                digits,
                trim,
            } => self.write_fraction(out, separator, digits, trim),
        };
    }

    fn write_offset(&self, out: &mut Vec<u8>, style: OffsetStyle) -> std::io::Result<()> {
        let offset = self.zone().offset_at(self.unix());
        if offset == 0 && style.z {
            return write!(out, "Z");
        }
        // The sign is that of the whole minutes: an offset of seconds only is never negative.
        let negative = offset / 60 < 0;
        let minutes = (offset / 60).unsigned_abs();
        write!(out, "{}{:02}", if negative { '-' } else { '+' }, minutes / 60)?;
        let colon = if style.colon { ":" } else { "" };
        if style.minutes {
            write!(out, "{colon}{:02}", minutes % 60)?;
        }
        if style.seconds {
            write!(out, "{colon}")?;
            let seconds = if negative { -offset } else { offset } % 60;
            // Go pads a negative number after its sign.
            let sign = if seconds < 0 { "-" } else { "" };
            write!(out, "{sign}{:02}", seconds.unsigned_abs())?;
        }
        Ok(())
    }

    fn write_fraction(
        &self,
        out: &mut Vec<u8>,
        separator: u8,
        digits: usize,
        trim: bool,
    ) -> std::io::Result<()> {
        if trim && (digits == 0 || self.nanosecond() == 0) {
            return Ok(());
        }
        let all = format!("{:09}", self.nanosecond());
        let shown = all.get(..digits.min(9)).unwrap_or(&all);
        let shown = if trim { shown.trim_end_matches('0') } else { shown };
        if trim && shown.is_empty() {
            return Ok(());
        }
        out.push(separator);
        write!(out, "{shown}")
    }
}
