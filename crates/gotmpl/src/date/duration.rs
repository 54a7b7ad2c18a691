//! Durations: Go's `time.Duration`.

use std::fmt;

/// A span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

impl Duration {
    /// One second.
    pub const SECOND: Duration = Duration(1_000_000_000);
    /// One minute.
    pub const MINUTE: Duration = Duration(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Duration = Duration(60 * Self::MINUTE.0);

    /// As `time.ParseDuration`: a sign, then numbers with fractions and the units ns, us, ms, s, m, h.
    pub fn parse(text: &[u8]) -> Result<Self, DurationError> {
        let invalid = || DurationError::new("invalid duration", text);
        let (negative, mut rest) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        if rest == b"0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let limit = 1_u64 << 63;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (whole, after) = digits(rest);
            let mut value = 0_u64;
            for digit in whole {
                let next = u64::from(digit - b'0');
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(next))
                    .ok_or_else(invalid)?;
                if value > limit {
                    return Err(invalid());
                }
            }
            let mut fraction = &[][..];
            rest = after;
            if let Some(after) = after.strip_prefix(b".") {
                (fraction, rest) = digits(after);
            }
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit_len = rest
                .iter()
                .position(|b| *b == b'.' || b.is_ascii_digit())
                .unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(unit_len).unwrap_or((rest, &[]));
            rest = after;
            if name.is_empty() {
                return Err(DurationError::new("missing unit in duration", text));
            }
            let unit: u64 = match name {
                b"ns" => 1,
                b"us" | b"\xC2\xB5s" | b"\xCE\xBCs" => 1_000,
                b"ms" => 1_000_000,
                b"s" => 1_000_000_000,
                b"m" => 60_000_000_000,
                b"h" => 3_600_000_000_000,
                _ => {
                    let message = format!("unknown unit {} in duration", super::parse::quote(name));
                    return Err(DurationError::new(message, text));
                }
            };
            if value > limit / unit {
                return Err(invalid());
            }
            value = value.saturating_mul(unit).saturating_add(scaled(fraction, unit));
            total = total.saturating_add(value);
            if value > limit || total > limit {
                return Err(invalid());
            }
        }
        match (negative, i64::try_from(total)) {
            (true, Ok(n)) => Ok(Self(-n)),
            (true, Err(_)) => Ok(Self(i64::MIN)),
            (false, Ok(n)) => Ok(Self(n)),
            (false, Err(_)) => Err(invalid()),
        }
    }

    /// Towards zero to a multiple of `unit`; unchanged where the unit is not positive.
    pub fn truncate(self, unit: Duration) -> Self {
        if unit.0 <= 0 {
            self
        } else {
            Self(self.0 - self.0 % unit.0)
        }
    }

    /// To the nearest multiple of `unit`, halves away from zero; unchanged where the unit is not positive,
    /// and the longest duration where the result does not fit.
    pub fn round(self, unit: Duration) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = self.0 % unit.0;
        let size = rest.unsigned_abs();
        if size < unit.0.unsigned_abs() - size {
            return Self(self.0 - rest);
        }
        let step = if self.0 < 0 { -unit.0 } else { unit.0 };
        Self((self.0 - rest).saturating_add(step))
    }

    /// In units of so many nanoseconds, with a fraction.
    pub fn in_units(self, unit: Duration) -> f64 {
        let unit = unit.0.max(1);
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(len).unwrap_or((text, &[]))
}

/// The digits after a decimal point in nanoseconds. Go ignores digits that no longer fit.
fn scaled(fraction: &[u8], unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in fraction {
        if value > (i64::MAX / 10) as u64 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// Shows it as Go does: `1h15m30.918s`, `1.5ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let n = self.0.unsigned_abs();
        let fraction = |n: u64, digits: usize| {
            let unit = 10_u64.pow(digits as u32);
            let text = format!("{}.{:0digits$}", n / unit, n % unit);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match n {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{n}ns"),
            1_000..1_000_000 => write!(f, "{}µs", fraction(n, 3)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", fraction(n, 6)),
            _ => {
                let minutes = n / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", fraction(n % 60_000_000_000, 9))
            }
        }
    }
}

/// Why a text is not a duration, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationError(String);

impl DurationError {
    fn new(message: impl fmt::Display, text: &[u8]) -> Self {
        Self(format!("time: {message} {}", super::parse::quote(text)))
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DurationError {}
