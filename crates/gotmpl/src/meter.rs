//! What the values of a render take up, and what walking through them costs.
//!
//! Strings, lists and maps count themselves when they are made and when they go, each on its thread. While a
//! render executes, its [`Limits`] bound the count: what makes or walks values of unknown size asks
//! [`check`] and [`work`] on its way. Outside of a render nothing is bounded.

use std::cell::Cell;
use std::time::Instant;

use crate::error::Error;
use crate::limits::{Limit, Limits};

struct Meter {
    /// Bytes of the values that are alive.
    live: Cell<isize>,
    /// The most that may be.
    most: Cell<isize>,
    /// [`Limits::memory_bytes`] of the render at work, for the error's text.
    memory: Cell<usize>,
    /// [`Limits::text_bytes`] of the render at work.
    text: Cell<usize>,
    /// Steps of walks that the render has not counted yet.
    work: Cell<u64>,
    /// When to look at the bounds of work again.
    next: Cell<u64>,
    most_work: Cell<u64>,
    /// [`Limits::steps`] of the render at work, for the error's text.
    steps: Cell<u64>,
    deadline: Cell<Option<Instant>>,
    /// Bytes that an error may still spend on telling where it arose.
    places: Cell<usize>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            live: Cell::new(0),
            most: Cell::new(isize::MAX),
            memory: Cell::new(usize::MAX),
            text: Cell::new(usize::MAX),
            work: Cell::new(0),
            next: Cell::new(u64::MAX),
            most_work: Cell::new(u64::MAX),
            steps: Cell::new(u64::MAX),
            deadline: Cell::new(None),
            places: Cell::new(PLACE_BYTES),
        }
    };
}

const CLOCK_EVERY: u64 = 4096;

/// An error within a thousand templates has as many places; those beyond this are shown shorter.
const PLACE_BYTES: usize = 16 << 20;

/// Bytes that a value has taken.
#[inline]
pub(crate) fn made(bytes: usize) {
    METER.with(|m| m.live.set(m.live.get().wrapping_add_unsigned(bytes)));
}

/// Bytes that a value has given back.
#[inline]
pub(crate) fn dropped(bytes: usize) {
    METER.with(|m| m.live.set(m.live.get().wrapping_sub_unsigned(bytes)));
}

/// The bytes of all values alive on this thread.
pub(crate) fn live() -> isize {
    METER.with(|m| m.live.get())
}

/// Memory that a host's object takes up, counted as long as it is kept.
#[derive(Debug)]
pub struct Charge(usize);

impl Charge {
    /// Counts so many bytes.
    pub fn new(bytes: usize) -> Charge {
        made(bytes);
        Charge(bytes)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        dropped(self.0);
    }
}

/// Asks whether there is room for so many bytes more, which are not counted thereby.
///
/// Errors: the memory limit of the render at work.
#[inline]
pub fn check(more: usize) -> Result<(), Error> {
    METER.with(|m| {
        if m.live.get().saturating_add_unsigned(more) > m.most.get() {
            Err(over_memory(m.memory.get()))
        } else {
            Ok(())
        }
    })
}

#[cold]
fn over_memory(max: usize) -> Error {
    Error::limited(
        Limit::Memory,
        format!("memory limit exceeded: values of more than {max} bytes"),
    )
}

/// Asks whether a text may be so long.
///
/// Errors: the limits on texts and memory of the render at work.
#[inline]
pub fn check_text(bytes: usize) -> Result<(), Error> {
    let max = METER.with(|m| m.text.get());
    if bytes > max {
        return Err(over_text(max));
    }
    check(bytes)
}

#[cold]
fn over_text(max: usize) -> Error {
    Error::limited(
        Limit::Text,
        format!("text size limit exceeded: a text of more than {max} bytes"),
    )
}

/// Counts the nodes that a function walks through.
///
/// Errors: the limit on steps and the deadline of the render at work.
#[inline]
pub fn work(steps: u64) -> Result<(), Error> {
    METER.with(|m| {
        let work = m.work.get().saturating_add(steps);
        m.work.set(work);
        if work < m.next.get() {
            Ok(())
        } else {
            over_work(m, work)
        }
    })
}

#[cold]
fn over_work(m: &Meter, work: u64) -> Result<(), Error> {
    if work > m.most_work.get() {
        return Err(Error::steps(m.steps.get()));
    }
    m.next.set(
        work.saturating_add(CLOCK_EVERY)
            .min(m.most_work.get().saturating_add(1)),
    );
    if m.deadline.get().is_some_and(|d| Instant::now() > d) {
        return Err(Error::deadline());
    }
    Ok(())
}

/// Whether an error may spend so many bytes on telling where it arose: a source to parse again, a text to quote.
pub fn may_tell(bytes: usize) -> bool {
    METER.with(|m| match m.places.get().checked_sub(bytes) {
        Some(left) => {
            m.places.set(left);
            true
        }
        None => false,
    })
}

/// Whether a call has left something to count or has gone over a bound.
#[inline]
pub(crate) fn due() -> bool {
    METER.with(|m| m.work.get() > 0 || m.live.get() > m.most.get())
}

/// The steps of walks since they were last taken.
pub(crate) fn take_work() -> u64 {
    METER.with(|m| {
        m.next.set(m.most_work.get().saturating_add(1).min(CLOCK_EVERY));
        m.work.take()
    })
}

/// Bounds the next walks by the steps that are left to the render.
pub(crate) fn leave_work(steps: u64) {
    METER.with(|m| {
        m.most_work.set(steps);
        m.next.set(steps.saturating_add(1).min(CLOCK_EVERY));
    });
}

/// The bounds of a render, in force until this is dropped.
#[derive(Debug)]
pub(crate) struct Bounds {
    most: isize,
    memory: usize,
    text: usize,
    work: u64,
    next: u64,
    most_work: u64,
    steps: u64,
    deadline: Option<Instant>,
}

impl Bounds {
    /// Puts the limits into force for values beyond `base`, the bytes alive when the render began.
    pub(crate) fn enter(base: isize, limits: &Limits) -> Bounds {
        METER.with(|m| {
            m.places.set(PLACE_BYTES);
            Bounds {
                most: m.most.replace(base.saturating_add_unsigned(limits.memory_bytes)),
                memory: m.memory.replace(limits.memory_bytes),
                text: m.text.replace(limits.text_bytes),
                work: m.work.replace(0),
                next: m.next.replace(limits.steps.saturating_add(1).min(CLOCK_EVERY)),
                most_work: m.most_work.replace(limits.steps),
                steps: m.steps.replace(limits.steps),
                deadline: m.deadline.replace(limits.deadline),
            }
        })
    }
}

impl Drop for Bounds {
    fn drop(&mut self) {
        METER.with(|m| {
            m.most.set(self.most);
            m.memory.set(self.memory);
            m.text.set(self.text);
            m.work.set(self.work);
            m.next.set(self.next);
            m.most_work.set(self.most_work);
            m.steps.set(self.steps);
            m.deadline.set(self.deadline);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{List, Map, Str, Value};

    #[test]
    fn values_count_while_they_live() {
        let before = live();
        let text = Str::from("x".repeat(1000));
        let with_text = live();
        assert!(with_text - before >= 1000, "{}", with_text - before);
        let again = text.clone();
        assert_eq!(live(), with_text, "a clone shares its bytes");
        let map = Map::new();
        for i in 0..100 {
            map.insert(format!("k{i}"), Value::String(text.clone()));
        }
        let with_map = live();
        assert!(with_map - with_text >= 100 * size_of::<(Str, Value)>() as isize);
        for i in 0..100 {
            map.remove(format!("k{i}").as_bytes());
        }
        let list = List::new(vec![Value::Map(map.clone()); 10]);
        drop((text, again, map));
        assert!(live() > before);
        drop(list);
        assert_eq!(live(), before);
    }

    #[test]
    fn bounds_hold_while_they_are_in_force() {
        let limits = Limits {
            memory_bytes: 1000,
            text_bytes: 500,
            steps: 10,
            ..Limits::default()
        };
        let limit = |result: Result<(), Error>| result.unwrap_err().limit();
        {
            let _bounds = Bounds::enter(live(), &limits);
            assert!(check(1000).is_ok());
            assert_eq!(limit(check(1001)), Some(Limit::Memory));
            assert_eq!(limit(check_text(501)), Some(Limit::Text));
            let _kept = Charge::new(600);
            assert_eq!(limit(check(401)), Some(Limit::Memory));
            assert!(work(10).is_ok());
            assert_eq!(limit(work(1)), Some(Limit::Steps));
        }
        assert!(check(usize::MAX / 4).is_ok() && work(1 << 40).is_ok());
        take_work();
    }
}
