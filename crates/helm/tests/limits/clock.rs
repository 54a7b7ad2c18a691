//! Time on a processor, and how fast that is at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What the work of [`slowness`] takes on a core of a usual server that has nothing else to do.
const USUAL: Duration = Duration::from_micros(2000);

/// Texts that [`slowness`] makes and sorts.
const TEXTS: usize = 10_000;

/// The time that this thread has had on a processor.
pub(crate) fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How many times as long as usual work takes now, at least once: other work on the machine takes caches and half of a
/// core away, and a machine may be slow.
pub(crate) fn slowness() -> f64 {
    let before = on_processor();
    let texts: BTreeMap<String, usize> = (0..TEXTS)
        .map(|n| (format!("text-{}", n * 7919 % TEXTS), n))
        .collect();
    assert_eq!(texts.len(), TEXTS);
    let took = on_processor() - before;
    (took.as_secs_f64() / USUAL.as_secs_f64()).max(1.0)
}
