//! How often an object is put back, and when that ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::conditions::reason;

/// Corrections of one object without [`QUIET`] in between, after which it is left alone.
pub(super) const LIMIT: u32 = 6;
/// Corrections that are made at once; each one after them waits twice as long as the one before.
const AT_ONCE: u32 = 3;
/// The first wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Corrections that are further apart than this do not count together.
const QUIET: Duration = Duration::from_secs(600);
/// How long an object is left alone that somebody changes again and again. After that it is put back once more.
const REST: Duration = Duration::from_secs(3600);

/// The corrections of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// How many there were, and when the last one was.
    made: Option<(u32, Instant)>,
    given_up: Option<GivenUp>,
}

/// Why an object is left alone, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GivenUp {
    left: Left,
    until: Until,
}

/// What ends it that an object is left alone. A change of the spec always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// This time, or another resourceVersion than this.
    Either(Instant, u64),
    /// This time; somebody fought over it.
    Rest(Instant),
    /// Another resourceVersion than this.
    Change(u64),
}

/// Why an object is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What is wrong.
    pub why: String,
}

/// What is to be done with an object that is not as we left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Look at it, and put it back.
    Now,
    /// The same later.
    In(Duration),
    /// Leave it.
    Never(Left),
}

impl Correction {
    /// What is due at a time, for an object at this resourceVersion.
    pub fn due(&self, now: Instant, version: u64) -> Due {
        if let Some(GivenUp { left, until }) = &self.given_up {
            let over = match until {
                Until::Either(end, known) => now >= *end || version != *known,
                Until::Rest(end) => now >= *end,
                Until::Change(known) => version != *known,
            };
            return if over { Due::Now } else { Due::Never(left.clone()) };
        }
        let Some((count, last)) = self.made else {
            return Due::Now;
        };
        let since = now.saturating_duration_since(last);
        if since >= QUIET {
            return Due::Now;
        }
        let wait = match count.checked_sub(AT_ONCE) {
            Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(20)),
            None => Duration::ZERO,
        };
        match wait.saturating_sub(since) {
            Duration::ZERO => Due::Now,
            left => Due::In(left),
        }
    }

    /// The object was put back after this change, which `rival` had made. One change too many, and it is left alone: for
    /// a while, after which a single change is too many.
    pub fn made(&mut self, now: Instant, change: &str, rival: &str) {
        let rested = matches!(&self.given_up, Some(given_up) if matches!(given_up.until, Until::Rest(_)));
        let before = self
            .made
            .filter(|(_, last)| now.saturating_duration_since(*last) < QUIET);
        let count = match rested {
            true => LIMIT,
            false => before.map_or(0, |(count, _)| count).saturating_add(1),
        };
        self.made = Some((count, now));
        self.given_up = (count >= LIMIT).then(|| GivenUp {
            left: Left {
                reason: reason::DRIFT_DETECTED,
                why: fought(change, rival),
            },
            until: Until::Rest(now + REST),
        });
    }

    /// The object, at this resourceVersion, is somebody else's, until a look at it says something else.
    pub fn give_up(&mut self, left: Left, version: u64, until: Instant) {
        let until = Until::Either(until, version);
        self.given_up = Some(GivenUp { left, until });
    }

    /// The object is left as it is at this resourceVersion.
    pub fn leave(&mut self, left: Left, version: u64) {
        let until = Until::Change(version);
        self.given_up = Some(GivenUp { left, until });
    }

    /// How long it is left alone from now, where time ends that.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        match self.given_up.as_ref()?.until {
            Until::Either(end, _) | Until::Rest(end) => Some(end.saturating_duration_since(now)),
            Until::Change(_) => None,
        }
    }
}

fn fought(change: &str, rival: &str) -> String {
    let rival = match rival {
        "" => "somebody",
        rival => rival,
    };
    let change = match change {
        "" => String::new(),
        change => format!(" ({change})"),
    };
    let minutes = REST.as_secs() / 60;
    format!(
        "{rival} changed it again after {LIMIT} corrections{change}; it is put back when the spec changes, and tried once in {minutes} minutes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_slow_down_and_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut correction = Correction::default();
        // when, what is due then
        let table = [
            (0, Due::Now),
            (0, Due::Now),
            (0, Due::Now),
            (0, Due::In(Duration::from_secs(1))),
            (1, Due::Now),
            (1, Due::In(Duration::from_secs(2))),
            (3, Due::Now),
            (3, Due::In(Duration::from_secs(4))),
            (7, Due::Now),
        ];
        for (seconds, expected) in table {
            let due = correction.due(at(seconds), 1);
            assert_eq!(due, expected, "at {seconds}");
            if due == Due::Now {
                correction.made(at(seconds), "data.a by edit", "edit");
            }
        }
        for seconds in [7, 3600] {
            let Due::Never(left) = correction.due(at(seconds), 2) else {
                panic!("it goes on at {seconds}");
            };
            assert!(
                left.why
                    .starts_with("edit changed it again after 6 corrections (data.a by edit); "),
                "{left:?}"
            );
        }
        // Once more after a rest, and no more if the other goes on.
        assert_eq!(correction.due(at(3607), 2), Due::Now);
        correction.made(at(3607), "data.a by edit", "edit");
        assert!(matches!(correction.due(at(3608), 3), Due::Never(_)));
        assert_eq!(correction.due(at(7207), 3), Due::Now);
    }

    #[test]
    fn what_is_not_ours_is_looked_at_again_later() {
        let start = Instant::now();
        let left = Left {
            reason: reason::ADOPTION_REFUSED,
            why: "it was made anew".to_owned(),
        };
        let mut correction = Correction::default();
        correction.give_up(left.clone(), 1, start + QUIET);
        assert_eq!(correction.due(start, 1), Due::Never(left));
        assert_eq!(correction.rest(start), Some(QUIET));
        assert_eq!(correction.due(start, 2), Due::Now, "somebody changed it");
        assert_eq!(correction.due(start + QUIET, 1), Due::Now);
        correction.made(start + QUIET, "deleted", "");
        assert_eq!(correction.due(start + QUIET, 1), Due::Now);
    }

    #[test]
    fn what_is_only_told_is_told_anew_when_it_changes() {
        let start = Instant::now();
        let left = Left {
            reason: reason::DRIFT_DETECTED,
            why: "data.a by edit".to_owned(),
        };
        let mut correction = Correction::default();
        correction.leave(left.clone(), 5);
        assert_eq!(correction.due(start + 2 * REST, 5), Due::Never(left));
        assert_eq!(correction.rest(start), None);
        assert_eq!(correction.due(start, 6), Due::Now);
    }

    #[test]
    fn corrections_that_are_far_apart_do_not_count_together() {
        let mut correction = Correction::default();
        let mut now = Instant::now();
        for _ in 0..3 * LIMIT {
            assert_eq!(correction.due(now, 1), Due::Now);
            correction.made(now, "", "");
            now += QUIET;
        }
    }
}
