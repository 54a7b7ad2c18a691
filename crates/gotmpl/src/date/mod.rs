//! Go's `time` package as far as templates reach it: points in time, zones, layouts and durations.
//!
//! Calendar arithmetic is done here, because Go's times reach far beyond the years that calendar crates
//! know; `jiff` gives the rules of time zones.

mod duration;
mod encode;
mod format;
mod layout;
mod parse;
#[cfg(test)]
mod tests;
mod zone;

pub use duration::{Duration, DurationError};
pub use parse::{ParseError, quote};
pub use zone::Zone;

const SECONDS_PER_DAY: i64 = 86_400;

/// Go counts days from this one, so that its arithmetic on unsigned numbers wraps where ours does.
const FIRST_YEAR: i64 = -292_277_022_400;
const FIRST_DAY: i64 = days_from_civil(FIRST_YEAR, 3, 1);

/// Names of the months, from January.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Names of the days of the week, from Sunday.
pub const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A point in time with the zone it is shown in: Go's `time.Time`.
#[derive(Debug, Clone)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

/// A time as clock and calendar of its zone show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year; 0 is the year before 1.
    pub year: i64,
    /// The month from 1.
    pub month: u8,
    /// The day of the month from 1.
    pub day: u8,
    /// The day of the year from 1.
    pub year_day: u16,
    /// The day of the week, 0 is Sunday.
    pub weekday: u8,
    /// The hour from 0.
    pub hour: u8,
    /// The minute from 0.
    pub minute: u8,
    /// The second from 0.
    pub second: u8,
}

impl Time {
    /// The time so many seconds and nanoseconds after 1970 began in UTC.
    pub fn from_unix(seconds: i64, nanoseconds: u32, zone: Zone) -> Self {
        let seconds = seconds.wrapping_add(i64::from(nanoseconds / 1_000_000_000));
        let nanoseconds = nanoseconds % 1_000_000_000;
        Self {
            seconds,
            nanoseconds,
            zone,
        }
    }

    /// Go's zero time: the first moment of the year 1 in UTC.
    pub fn zero() -> Self {
        Self::from_unix(-62_135_596_800, 0, Zone::Utc)
    }

    /// As Go's `time.Date`: values out of their range carry over; a time that the zone skips or has twice
    /// is read with the offset before or after the change as Go does it.
    pub fn from_civil(date: (i64, i64, i64), clock: (i64, i64, i64), nanoseconds: i64, zone: Zone) -> Self {
        let (year, month, day) = date;
        let month = month.wrapping_sub(1);
        let year = year.wrapping_add(month.div_euclid(12));
        let first = days_from_civil(year, month.rem_euclid(12) as u8 + 1, 1);
        let days = first.wrapping_add(day.wrapping_sub(1));
        let (hour, minute, second) = clock;
        let mut seconds = days
            .wrapping_mul(SECONDS_PER_DAY)
            .wrapping_add(hour.wrapping_mul(3600))
            .wrapping_add(minute.wrapping_mul(60))
            .wrapping_add(second)
            .wrapping_add(nanoseconds.div_euclid(1_000_000_000));
        let offset = i64::from(zone.offset_at(seconds));
        if offset != 0 {
            let offset = zone.offset_at(seconds.wrapping_sub(offset));
            seconds = seconds.wrapping_sub(i64::from(offset));
        }
        Self::from_unix(seconds, nanoseconds.rem_euclid(1_000_000_000) as u32, zone)
    }

    /// Seconds since 1970 in UTC.
    pub fn unix(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    pub fn nanosecond(&self) -> u32 {
        self.nanoseconds
    }

    /// The time since 1970 in units of which a second has so many; wraps as Go's arithmetic does.
    pub fn unix_in(&self, per_second: i64) -> i64 {
        let fraction = i64::from(self.nanoseconds) / (1_000_000_000 / per_second.max(1));
        self.seconds.wrapping_mul(per_second).wrapping_add(fraction)
    }

    /// The zone it is shown in.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The same moment shown in another zone.
    pub fn in_zone(&self, zone: Zone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// Year to second as shown in the zone.
    pub fn civil(&self) -> Civil {
        let seconds = self
            .seconds
            .wrapping_add(i64::from(self.zone.offset_at(self.seconds)));
        let from_first =
            (seconds as u64).wrapping_sub((FIRST_DAY as u64).wrapping_mul(SECONDS_PER_DAY as u64));
        let days = (from_first / SECONDS_PER_DAY as u64) as i64 + FIRST_DAY;
        let clock = (from_first % SECONDS_PER_DAY as u64) as u32;
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            year_day: (days - days_from_civil(year, 1, 1) + 1) as u16,
            weekday: (days + 4).rem_euclid(7) as u8,
            hour: (clock / 3600) as u8,
            minute: (clock / 60 % 60) as u8,
            second: (clock % 60) as u8,
        }
    }

    /// This time and a duration later.
    pub fn add(&self, d: Duration) -> Self {
        let total = i64::from(self.nanoseconds) + d.0 % 1_000_000_000;
        let seconds = self
            .seconds
            .wrapping_add(d.0 / 1_000_000_000)
            .wrapping_add(total.div_euclid(1_000_000_000));
        Self::from_unix(seconds, total.rem_euclid(1_000_000_000) as u32, self.zone.clone())
    }

    /// This time with years, months and days added to its date; days that a month lacks carry over.
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let c = self.civil();
        let date = (
            c.year.wrapping_add(years),
            i64::from(c.month).wrapping_add(months),
            i64::from(c.day).wrapping_add(days),
        );
        let clock = (c.hour.into(), c.minute.into(), c.second.into());
        Self::from_civil(date, clock, self.nanoseconds.into(), self.zone.clone())
    }

    /// The time since another; the longest duration where it does not fit one.
    pub fn since(&self, other: &Self) -> Duration {
        let nanoseconds = self.unix_nanoseconds() - other.unix_nanoseconds();
        Duration(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Nanoseconds since 1970 in UTC.
    pub fn unix_nanoseconds(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// Down to a multiple of `d` since the zero time; unchanged where `d` is not positive.
    pub fn truncate(&self, d: Duration) -> Self {
        if d.0 <= 0 {
            self.clone()
        } else {
            self.add(Duration(-self.remainder(d)))
        }
    }

    /// To the nearest multiple of `d` since the zero time, halves up; unchanged where `d` is not positive.
    pub fn round(&self, d: Duration) -> Self {
        if d.0 <= 0 {
            return self.clone();
        }
        let rest = self.remainder(d);
        if rest < d.0 - rest {
            self.add(Duration(-rest))
        } else {
            self.add(Duration(d.0 - rest))
        }
    }

    fn remainder(&self, d: Duration) -> i64 {
        let since_zero = self.unix_nanoseconds() - Self::zero().unix_nanoseconds();
        since_zero.rem_euclid(i128::from(d.0)) as i64
    }
}

/// Shows it as Go does, without a monotonic reading.
impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.format(b"2006-01-02 15:04:05.999999999 -0700 MST");
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Days since 1970 of a date in the Gregorian calendar.
const fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year.wrapping_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.wrapping_mul(146_097).wrapping_add(day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}
