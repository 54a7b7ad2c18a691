//! What one render carries along: limits, the host's own data, the maps it has changed.

use std::any::Any;
use std::fmt;

use crate::error::Error;
use crate::limits::{Limit, Limits};
use crate::value::{Map, WeakMap};

/// The state of one render. Functions that ask for it get it as `&mut State`.
///
/// When it is dropped, maps that [`mutated`](State::mutated) recorded are emptied: a map that `set` has
/// put into itself would never be freed otherwise. Data that must outlive the render is copied first.
pub struct State {
    limits: Limits,
    steps: u64,
    next_clock: u64,
    mutated: Vec<WeakMap>,
    user: Option<Box<dyn Any>>,
}

const CLOCK_EVERY: u64 = 1024;

impl State {
    /// The state of a new render.
    pub fn new(limits: Limits) -> State {
        State {
            limits,
            steps: 0,
            next_clock: CLOCK_EVERY,
            mutated: Vec::new(),
            user: None,
        }
    }

    /// The same state with the host's own data, which functions reach through [`State::user`].
    pub fn with_user(mut self, user: impl Any) -> State {
        self.user = Some(Box::new(user));
        self
    }

    /// The host's data, where it is of this type.
    pub fn user<T: Any>(&self) -> Option<&T> {
        self.user.as_ref()?.downcast_ref()
    }

    /// The host's data to change, where it is of this type.
    pub fn user_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.user.as_mut()?.downcast_mut()
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The steps used so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Counts work against the limits: one step for about 64 bytes or one item that a function handles.
    /// Functions whose work grows with an argument's value (`until`, `repeat`) call it first.
    ///
    /// Errors: too many steps, or past the deadline.
    pub fn spend(&mut self, steps: u64) -> Result<(), Error> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            let max = self.limits.steps;
            return Err(Error::limited(
                Limit::Steps,
                format!("steps limit exceeded: more than {max}"),
            ));
        }
        if self.steps >= self.next_clock {
            self.next_clock = self.steps + CLOCK_EVERY;
            if self
                .limits
                .deadline
                .is_some_and(|d| std::time::Instant::now() > d)
            {
                return Err(Error::limited(Limit::Deadline, "deadline exceeded"));
            }
        }
        Ok(())
    }

    /// Records that a function has stored a list, map or object into the map. Storing scalars needs no
    /// record, nor does a map that the function has made itself and not yet given away.
    pub fn mutated(&mut self, map: &Map) {
        self.mutated.extend(map.track());
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("steps", &self.steps)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for map in std::mem::take(&mut self.mutated) {
            map.clear();
        }
    }
}
