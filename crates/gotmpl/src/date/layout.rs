//! Go's layouts: a reference time, written the way times are to be written.

/// An element of a layout that stands for a part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Abbreviation,
    Offset(OffsetStyle),
    /// A separator, then so many digits.
    Fraction {
        separator: u8,
        digits: usize,
        trim: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetStyle {
    /// UTC is written as `Z`.
    pub(super) z: bool,
    pub(super) colon: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// Fixed spellings that need no look at what follows. Longer ones stand before their beginnings.
const FIXED: &[(&[u8], Part)] = &[
    (b"January", Part::LongMonth),
    (b"Monday", Part::LongWeekday),
    (b"MST", Part::Abbreviation),
    (b"01", Part::ZeroMonth),
    (b"02", Part::ZeroDay),
    (b"03", Part::ZeroHour12),
    (b"04", Part::ZeroMinute),
    (b"05", Part::ZeroSecond),
    (b"06", Part::Year),
    (b"002", Part::ZeroYearDay),
    (b"15", Part::Hour),
    (b"1", Part::NumMonth),
    (b"2006", Part::LongYear),
    (b"2", Part::Day),
    (b"_2", Part::UnderDay),
    (b"__2", Part::UnderYearDay),
    (b"3", Part::Hour12),
    (b"4", Part::Minute),
    (b"5", Part::Second),
    (b"PM", Part::UpperPm),
    (b"pm", Part::LowerPm),
];

/// What may follow the `-` or `Z` of an offset: text, colon, minutes, seconds.
const OFFSETS: &[(&[u8], bool, bool, bool)] = &[
    (b"070000", false, true, true),
    (b"07:00:00", true, true, true),
    (b"0700", false, true, false),
    (b"07:00", true, true, false),
    (b"07", false, false, false),
];

/// The text before the first part, that part with its spelling, and the text after it.
pub(super) struct Chunk<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) part: Option<(Part, &'a [u8])>,
    pub(super) rest: &'a [u8],
}

pub(super) fn next_chunk(layout: &[u8]) -> Chunk<'_> {
    for at in 0..layout.len() {
        let (prefix, tail) = layout.split_at(at);
        if let Some((part, mut len)) = part_at(tail) {
            let mut prefix = prefix;
            let mut tail = tail;
            // `_2006` is a literal underscore before the year.
            if part == Part::UnderDay && tail.starts_with(b"_2006") {
                (prefix, tail) = layout.split_at(at + 1);
                len = 4;
                let (spelling, rest) = tail.split_at(len);
                return Chunk {
                    prefix,
                    part: Some((Part::LongYear, spelling)),
                    rest,
                };
            }
            let (spelling, rest) = tail.split_at(len);
            return Chunk {
                prefix,
                part: Some((part, spelling)),
                rest,
            };
        }
    }
    Chunk {
        prefix: layout,
        part: None,
        rest: &[],
    }
}

fn part_at(text: &[u8]) -> Option<(Part, usize)> {
    for (spelling, part) in FIXED {
        if text.starts_with(spelling) {
            return Some((*part, spelling.len()));
        }
    }
    for (spelling, part) in [(b"Jan", Part::Month), (b"Mon", Part::Weekday)] {
        if let Some(after) = text.strip_prefix(spelling)
            && !after.first().is_some_and(u8::is_ascii_lowercase)
        {
            return Some((part, 3));
        }
    }
    match text.split_first()? {
        (sign @ (b'-' | b'Z'), after) => {
            let found = OFFSETS
                .iter()
                .find(|(spelling, ..)| after.starts_with(spelling))?;
            let (spelling, colon, minutes, seconds) = *found;
            let z = *sign == b'Z';
            Some((
                Part::Offset(OffsetStyle {
                    z,
                    colon,
                    minutes,
                    seconds,
                }),
                1 + spelling.len(),
            ))
        }
        (separator @ (b'.' | b','), after) => {
            let digit = *after.first().filter(|b| matches!(b, b'0' | b'9'))?;
            let digits = after.iter().take_while(|b| **b == digit).count();
            // Only a run of one digit is a fraction.
            if after.get(digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let (separator, trim) = (*separator, digit == b'9');
            Some((
                Part::Fraction {
                    separator,
                    digits,
                    trim,
                },
                1 + digits,
            ))
        }
        _ => None,
    }
}
