//! What one render carries along: limits, the host's own data, the maps it has changed.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::exec::frame::{Rv, Slot};
use crate::exec::output::Output;
use crate::exec::run::Loop;
use crate::limits::{Limit, Limits};
use crate::meter::{self, Bounds};
use crate::set::{MissingKey, TemplateSet};
use crate::value::{Map, Str, Value, WeakMap};

/// The state of one render. Functions that ask for it get it as `&mut State`.
///
/// When it is dropped, maps that [`mutated`](State::mutated) recorded are emptied: a map that `set` has
/// put into itself would never be freed otherwise. Data that must outlive the render is copied first.
pub struct State {
    limits: Limits,
    steps: u64,
    /// When to look at the limits again.
    next_check: u64,
    written: usize,
    /// Work on keys so far.
    key_work: u64,
    /// Bytes of values alive when the state was made.
    base: isize,
    /// Outputs that are being captured, the outermost included.
    captures: u32,
    /// Bytes of the outer ones of them.
    pending: usize,
    /// Bytes written since memory was last looked at.
    unchecked: usize,
    mutated: Vec<WeakMap>,
    user: Option<Box<dyn Any>>,
    /// The templates that can be called now.
    pub(super) set: Option<Arc<TemplateSet>>,
    pub(super) out: Output,
    /// The memory of outputs that were captured, for the next ones.
    spare: Vec<String>,
    pub(super) depth: u32,
    stack_base: usize,
    /// The variables, running ranges and outer dots of all templates under way.
    pub(super) vars: Vec<Slot>,
    pub(super) loops: Vec<Loop>,
    pub(super) withs: Vec<Rv>,
}

const CLOCK_EVERY: u64 = 1024;

/// Bytes of a call's result that are a step: about what copying them takes.
const BYTES_OF_A_STEP: usize = 64;

/// Bytes of output between two looks at the memory.
const MEMORY_EVERY: usize = 4096;

/// The largest buffer that is kept for the next captured output, and the most of them.
const SPARE_BYTES: usize = 32 << 10;
const SPARES: usize = 64;

impl State {
    /// The state of a new render.
    pub fn new(limits: Limits) -> State {
        let first_check = limits.steps.saturating_add(1);
        State {
            limits,
            steps: 0,
            next_check: CLOCK_EVERY.min(first_check),
            written: 0,
            key_work: 0,
            base: meter::live(),
            captures: 0,
            pending: 0,
            unchecked: 0,
            mutated: Vec::new(),
            user: None,
            set: None,
            out: Output::new(),
            spare: Vec::new(),
            depth: 0,
            stack_base: 0,
            vars: Vec::new(),
            loops: Vec::new(),
            withs: Vec::new(),
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
    #[inline]
    pub fn spend(&mut self, steps: u64) -> Result<(), Error> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps < self.next_check {
            Ok(())
        } else {
            self.check_steps()
        }
    }

    #[cold]
    fn check_steps(&mut self) -> Result<(), Error> {
        let max = self.limits.steps;
        if self.steps > max {
            return Err(Error::steps(max));
        }
        // Never beyond the first step that is too many.
        self.next_check = (self.steps + CLOCK_EVERY).min(max.saturating_add(1));
        if self
            .limits
            .deadline
            .is_some_and(|d| std::time::Instant::now() > d)
        {
            return Err(Error::deadline());
        }
        Ok(())
    }

    /// Counts work on keys, certificates and slow hashes, which has a limit of its own.
    ///
    /// Errors: too much such work, or past the deadline.
    pub fn spend_on_keys(&mut self, work: u64) -> Result<(), Error> {
        self.key_work = self.key_work.saturating_add(work);
        let max = self.limits.key_work;
        if self.key_work > max {
            let message = format!("key work limit exceeded: more than {max}");
            return Err(Error::limited(Limit::KeyWork, message));
        }
        if self
            .limits
            .deadline
            .is_some_and(|d| std::time::Instant::now() > d)
        {
            return Err(Error::deadline());
        }
        Ok(())
    }

    /// Counts bytes written.
    pub(super) fn wrote(&mut self, bytes: usize) -> Result<(), Error> {
        if self.captures > 1 {
            if self.out.len() > self.limits.text_bytes {
                meter::check_text(self.out.len())?;
            }
        } else {
            self.written = self.written.saturating_add(bytes);
            if self.written > self.limits.output_bytes {
                let max = self.limits.output_bytes;
                let message = format!("output size limit exceeded: more than {max} bytes");
                return Err(Error::limited(Limit::Output, message));
            }
        }
        self.unchecked += bytes;
        if self.unchecked >= MEMORY_EVERY {
            self.unchecked = 0;
            meter::check(self.pending + self.out.len())?;
        }
        self.spend(bytes as u64 / 64)
    }

    /// Takes over what a call has walked through, and looks at what it has made.
    #[inline]
    pub(super) fn settle(&mut self, result: &Value) -> Result<(), Error> {
        if let Value::String(s) = result
            && s.len() >= BYTES_OF_A_STEP
        {
            self.spend((s.len() / BYTES_OF_A_STEP) as u64)?;
            if s.len() > self.limits.text_bytes {
                meter::check_text(s.len())?;
            }
        }
        if meter::due() { self.settle_due() } else { Ok(()) }
    }

    #[cold]
    fn settle_due(&mut self) -> Result<(), Error> {
        self.spend(meter::take_work())?;
        meter::leave_work(self.limits.steps.saturating_sub(self.steps));
        meter::check(0)
    }

    /// Whether there is stack left, judged by how far the address of a local variable has moved.
    pub(super) fn check_stack(&self) -> Result<(), Error> {
        if stack_pointer().abs_diff(self.stack_base) > self.limits.stack_bytes {
            let max = self.limits.stack_bytes;
            let message = format!("stack limit exceeded: templates nested too deep for {max} bytes");
            return Err(Error::limited(Limit::Stack, message));
        }
        Ok(())
    }

    /// The templates that can be called now; `None` outside of an execution.
    pub fn templates(&self) -> Option<&Arc<TemplateSet>> {
        self.set.as_ref()
    }

    pub(super) fn missing_key(&self) -> MissingKey {
        self.set.as_ref().map(|s| s.missing_key()).unwrap_or_default()
    }

    /// Executes another template of the current set and gives its output: what Helm's `include` does.
    ///
    /// Errors: those of [`TemplateSet::execute`].
    pub fn render(&mut self, name: &str, data: &Value) -> Result<Str, Error> {
        let Some(set) = self.set.clone() else {
            return Err(Error::new("no template is executing"));
        };
        self.render_in(&set, name, data)
    }

    /// As [`State::render`], in a set that is the current one meanwhile: what Helm's `tpl` does with a
    /// child set.
    pub fn render_in(&mut self, set: &Arc<TemplateSet>, name: &str, data: &Value) -> Result<Str, Error> {
        let (text, buffer) = self.capture(set, name, data)?.into_str_and_buffer();
        if buffer.capacity() <= SPARE_BYTES && self.spare.len() < SPARES {
            self.spare.push(buffer);
        }
        Ok(text)
    }

    pub(crate) fn capture(
        &mut self,
        set: &Arc<TemplateSet>,
        name: &str,
        data: &Value,
    ) -> Result<Output, Error> {
        let template = Arc::clone(set.find(name)?);
        let outer = self.set.replace(Arc::clone(set));
        let mut bounds = None;
        if outer.is_none() {
            self.stack_base = stack_pointer();
            bounds = Some(Bounds::enter(self.base, &self.limits));
        }
        self.captures += 1;
        self.pending += self.out.len();
        let out = std::mem::replace(
            &mut self.out,
            Output::reusing(self.spare.pop().unwrap_or_default()),
        );
        let result = self.run(&template, Rv::concrete(data.clone()));
        self.set = outer;
        let output = std::mem::replace(&mut self.out, out);
        self.pending -= self.out.len();
        self.captures -= 1;
        drop(bounds);
        result.map(|()| output)
    }

    /// Records that a function has stored a list, map or object into the map. Storing scalars needs no
    /// record, nor does a map that the function has made itself and not yet given away.
    pub fn mutated(&mut self, map: &Map) {
        self.mutated.extend(map.track());
    }
}

/// Roughly where the stack ends now.
#[inline(never)]
fn stack_pointer() -> usize {
    let local = 0u8;
    std::ptr::from_ref(std::hint::black_box(&local)) as usize
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
