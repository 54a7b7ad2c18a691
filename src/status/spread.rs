//! When a status that can wait is written: one by itself soon, many at once one after the other. Most of a wave's
//! releases have ended before their turn comes, and then one write says what two would have said.

use std::time::Duration;

use tokio::time::Instant;

/// Changes of one HelmApp's status within this time become one write.
pub const MERGE_WINDOW: Duration = Duration::from_secs(1);
/// The longest that a wave makes one wait.
const LONGEST: Duration = Duration::from_secs(5);
/// Between the writes of a wave.
const SPACING: Duration = Duration::from_millis(100);

/// The turns that were given.
#[derive(Debug, Default)]
pub(super) struct Spread {
    last: Option<Instant>,
}

impl Spread {
    /// The turn of a status that is put now.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let alone = now + MERGE_WINDOW;
        let turn = self.last.map_or(alone, |last| alone.max(last + SPACING));
        let turn = turn.min(now + LONGEST);
        self.last = Some(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_waits_a_second_and_a_wave_is_spread_over_five() {
        let (start, mut spread) = (Instant::now(), Spread::default());
        let mut turns = |at: u64, count: usize| -> Vec<u128> {
            let now = start + Duration::from_millis(at);
            (0..count)
                .map(|_| spread.turn(now).duration_since(start).as_millis())
                .collect()
        };
        assert_eq!(turns(0, 1), [1000]);
        assert_eq!(turns(500, 1), [1500]);
        let wave = turns(1000, 100);
        assert_eq!(wave.get(..4).unwrap(), [2000, 2100, 2200, 2300]);
        assert_eq!(wave.get(38..42).unwrap(), [5800, 5900, 6000, 6000]);
        assert_eq!(wave.last(), Some(&6000));
        assert_eq!(turns(3000, 1), [6100]);
        assert_eq!(turns(9000, 1), [10_000]);
    }
}
