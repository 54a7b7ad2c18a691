//! Which plain scalars go-yaml takes for a timestamp: Go's `time.Parse` with its four layouts.

/// Reports whether go-yaml would resolve `text` as `!!timestamp`.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let Some((digits, [b'-', rest @ ..])) = text.as_bytes().split_first_chunk::<4>() else {
        return false;
    };
    if rest.len() < 3 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let year = digits.iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
    parse(year, Cursor { rest }).is_some()
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        wanted(*first).then(|| {
            self.rest = rest;
            *first
        })
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        self.take(|first| first == byte).map(|_| ())
    }

    fn digit(&mut self) -> Option<u32> {
        let digit = self.take(|first| first.is_ascii_digit())?;
        Some(u32::from(digit - b'0'))
    }

    /// One or two digits, as Go's short layout elements read them.
    fn short(&mut self) -> Option<u32> {
        let first = self.digit()?;
        Some(self.digit().map_or(first, |second| first * 10 + second))
    }

    fn two(&mut self) -> Option<u32> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    fn fraction(&mut self) {
        if let [b'.' | b',', rest @ ..] = self.rest
            && rest.first().is_some_and(u8::is_ascii_digit)
        {
            self.rest = rest;
            while self.digit().is_some() {}
        }
    }

    fn time(&mut self) -> Option<()> {
        let hour = self.short()?;
        self.eat(b':')?;
        let minute = self.short()?;
        self.eat(b':')?;
        let second = self.short()?;
        self.fraction();
        (hour < 24 && minute < 60 && second < 60).then_some(())
    }

    fn zone(&mut self) -> Option<()> {
        if self.eat(b'Z').is_some() {
            return Some(());
        }
        self.eat(b'+').or_else(|| self.eat(b'-'))?;
        let hour = self.two()?;
        self.eat(b':')?;
        let minute = self.two()?;
        // Go lets an offset reach 24 hours and 60 minutes inclusive.
        (hour <= 24 && minute <= 60).then_some(())
    }
}

fn parse(year: u32, mut at: Cursor<'_>) -> Option<()> {
    let month = at.short()?;
    at.eat(b'-')?;
    let day = at.short()?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    match at.peek() {
        None => return Some(()),
        Some(b'T' | b't') => {
            at.take(|_| true)?;
            at.time()?;
            at.zone()?;
        }
        Some(b' ') => {
            while at.eat(b' ').is_some() {}
            at.time()?;
        }
        Some(_) => return None,
    }
    at.rest.is_empty().then_some(())
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn accepts_what_go_accepts() {
        for text in [
            "2001-1-2",
            "2001-01-02",
            "2001-01-02T3:4:5Z",
            "2001-01-02t03:04:05.123456789012+07:00",
            "2001-01-02 03:04:05,5",
            "2001-01-02   3:04:05",
            "2000-02-29",
            "2001-01-02T03:04:05-24:60",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in [
            "2001-01",
            "2001-13-01",
            "2001-02-29",
            "1900-02-29",
            "2001-01-02T03:04:05",
            "2001-01-02 03:04:05Z",
            "2001-01-02T03:04:05Z ",
            "2001-01-02T24:00:00Z",
            "20010-1-1",
            "2001-001-1",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
