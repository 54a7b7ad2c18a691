//! Times as Go's encoders and `%#v` write them.

use super::{MONTHS, Time, Zone};
use crate::strconv;

impl Time {
    /// As `encoding/json` and others write it, without quotes.
    ///
    /// # Errors
    /// Go's reason: RFC 3339 has no such year or offset.
    pub fn to_rfc3339(&self) -> Result<String, &'static str> {
        if !(0..=9999).contains(&self.civil().year) {
            return Err("year outside of range [0,9999]");
        }
        if self.offset().unsigned_abs() >= 24 * 3600 {
            return Err("timezone hour outside of range [0,23]");
        }
        let text = self.format(b"2006-01-02T15:04:05.999999999Z07:00");
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// As `encoding/gob` writes it: a version, seconds since the year 1, nanoseconds, and the offset in minutes, which is
    /// -1 for UTC; the offset's seconds last, if it has some.
    ///
    /// # Errors
    /// The offset can not be told from UTC, or does not fit.
    pub fn to_binary(&self) -> Result<Vec<u8>, &'static str> {
        let offset = self.offset();
        let (minutes, seconds) = match self.zone {
            Zone::Utc => (-1, 0),
            _ => match i16::try_from(offset / 60) {
                Ok(minutes) if minutes != -1 => (minutes, (offset % 60) as i8),
                _ => return Err("Time.MarshalBinary: unexpected zone offset"),
            },
        };
        let since_year_1 = self.seconds.wrapping_sub(Self::zero().seconds);
        let mut bytes = vec![if seconds == 0 { 1 } else { 2 }];
        bytes.extend(since_year_1.to_be_bytes());
        bytes.extend(self.nanoseconds.to_be_bytes());
        bytes.extend(minutes.to_be_bytes());
        if seconds != 0 {
            bytes.extend(seconds.to_be_bytes());
        }
        Ok(bytes)
    }

    /// The call that makes it in Go.
    pub fn to_go(&self) -> String {
        let c = self.civil();
        let month = MONTHS.get(usize::from(c.month) - 1).copied().unwrap_or_default();
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local(_) => "time.Local".to_owned(),
            named => format!("time.Location({})", strconv::quote(named.name().as_bytes())),
        };
        let (year, day, hour, minute, second) = (c.year, c.day, c.hour, c.minute, c.second);
        let nanosecond = self.nanoseconds;
        format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanosecond}, {zone})")
    }

    fn offset(&self) -> i32 {
        self.zone.offset_at(self.seconds)
    }
}
