//! What the patterns of a schema may cost, counted before they are run.

/// Positions of a pattern and bytes of a text whose product counts as a step.
const OF_A_STEP: u64 = 32;
/// What a class of Unicode, or a repetition without end, counts for.
const LARGE: u64 = 8;

/// A pattern, as far as its cost goes: its positions, with all repetitions written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern(u64);

impl Pattern {
    /// Reads a pattern. One that is no pattern counts for what it looks like.
    pub(super) fn of(text: &str) -> Self {
        let (mut sums, mut sum, mut last) = (Vec::new(), 0u64, 0u64);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '(' => {
                    sums.push(sum);
                    (sum, last) = (0, 0);
                    if rest.next_if_eq(&'?').is_some() {
                        rest.next_if_eq(&':');
                    }
                }
                ')' => {
                    last = sum;
                    sum = sum.saturating_add(sums.pop().unwrap_or_default());
                }
                '[' => {
                    let mut escaped = false;
                    for inner in rest.by_ref() {
                        match inner {
                            _ if escaped => escaped = false,
                            '\\' => escaped = true,
                            ']' => break,
                            _ => {}
                        }
                    }
                    (sum, last) = (sum.saturating_add(LARGE), LARGE);
                }
                '{' => {
                    let inner: String = rest.clone().take_while(|inner| *inner != '}').collect();
                    let numbers: Result<Vec<u64>, _> = inner
                        .split(',')
                        .filter(|part| !part.trim().is_empty())
                        .map(|part| part.trim().parse())
                        .collect();
                    match numbers {
                        Ok(numbers) => {
                            let times = numbers.into_iter().max().unwrap_or(1).max(1);
                            let more = last.saturating_mul(times - 1);
                            (sum, last) = (sum.saturating_add(more), last.saturating_add(more));
                            rest.by_ref().take(inner.chars().count() + 1).for_each(drop);
                        }
                        Err(_) => (sum, last) = (sum.saturating_add(1), 1),
                    }
                }
                '*' | '+' | '?' | '|' | '^' | '$' => {}
                '\\' => {
                    let next = rest.next().unwrap_or_default();
                    let size = if next.is_alphabetic() { LARGE } else { 1 };
                    (sum, last) = (sum.saturating_add(size), size);
                }
                c => {
                    let size = c.len_utf8() as u64;
                    (sum, last) = (sum.saturating_add(size), size);
                }
            }
        }
        let open = sums.into_iter().fold(sum, u64::saturating_add);
        Self(open.max(1))
    }

    /// The steps of looking for it in a text, the first time.
    pub(super) fn steps(self, text: &str) -> u64 {
        let length = text.len() as u64 + 1;
        self.0.saturating_add(self.0.saturating_mul(length)) / OF_A_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_out() {
        let table = [
            ("", 1),
            ("abc", 3),
            ("^[a-z]+$", LARGE),
            ("a{3}", 3),
            ("a{2,5}b", 6),
            ("(ab){10}", 20),
            ("((ab){10}c){10}", 210),
            ("(?:a?b?c?){300}[^ab]", 900 + LARGE),
            (r"\.\d", 1 + LARGE),
            (r"[\]]x", LARGE + 1),
            ("(?=a)b", 3),
            ("(?:a|bc)d", 4),
            ("{(a{10}){10}", 101),
            ("((((", 1),
        ];
        for (text, size) in table {
            assert_eq!(Pattern::of(text), Pattern(size), "{text}");
        }
        assert_eq!(Pattern::of("a{99999999999}{99999999999}"), Pattern(u64::MAX));
    }

    #[test]
    fn what_takes_long_counts_for_much() {
        let long = "a".repeat(1 << 20);
        assert!(Pattern::of("(?:a?b?c?){300}[^ab]").steps(&long) > 5_000_000);
        assert!(Pattern::of("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").steps("my-release") < 20);
        assert!(Pattern::of("^.*$").steps(&long) < 200_000);
    }
}
