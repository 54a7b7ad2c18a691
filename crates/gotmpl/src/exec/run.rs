//! The loop that executes a template's steps.

use crate::compile::{NodeKind, Op, Pipe, RangeOp, Template};
use crate::error::Error;
use crate::exec::State;
use crate::exec::frame::{Frame, Rv, Slot};
use crate::exec::iter::Iter;
use crate::limits::Limit;
use crate::meter;
use crate::strconv;

/// A range that is under way.
#[derive(Debug)]
pub(super) struct Loop {
    iter: Iter,
    /// The dot outside.
    dot: Rv,
    /// How many `with` were open outside.
    withs: usize,
    /// The range's step.
    start: usize,
}

impl State {
    /// Executes a template, writing to the current output.
    pub(super) fn run(&mut self, template: &Template, dot: Rv) -> Result<(), Error> {
        self.enter()?;
        let (base, loops, withs) = (self.vars.len(), self.loops.len(), self.withs.len());
        self.vars.resize_with(base + template.slots, Slot::default);
        if let Some(slot) = self.vars.get_mut(base) {
            slot.0 = Some(dot.clone());
        }
        let result = self.steps_of(&mut Frame::new(template, base, dot));
        self.vars.truncate(base);
        self.loops.truncate(loops);
        self.withs.truncate(withs);
        self.depth -= 1;
        result
    }

    fn enter(&mut self) -> Result<(), Error> {
        let max = self.limits().template_depth;
        if self.depth >= max {
            let message = format!("exceeded maximum template depth ({max})");
            return Err(Error::limited(Limit::TemplateDepth, message));
        }
        self.check_stack()?;
        meter::check(0)?;
        self.depth += 1;
        Ok(())
    }

    fn steps_of(&mut self, frame: &mut Frame<'_>) -> Result<(), Error> {
        let template = frame.template;
        let mut pc = 0;
        while let Some(op) = template.ops.get(pc) {
            pc += 1;
            if let Err(e) = self.spend(1) {
                return Err(self.limit_at(frame, op, e));
            }
            match op {
                Op::Text { start, end } => {
                    let part = *start as usize..*end as usize;
                    let written = if template.source.is_utf8() {
                        let text = template.source.text().get(part).unwrap_or("");
                        self.out.push_str(text);
                        text.len()
                    } else {
                        let bytes = template.source.bytes(part);
                        self.out.push_bytes(&bytes);
                        bytes.len()
                    };
                    if let Err(e) = self.wrote(written) {
                        return Err(self.limit_at(frame, op, e));
                    }
                }
                Op::Action { pos, pipe } => {
                    let value = self.eval_pipe(frame, pipe)?;
                    if pipe.decl.is_empty() {
                        frame.at(NodeKind::Action, *pos);
                        self.print(frame, &value)?;
                    }
                }
                Op::If { pipe, otherwise } => {
                    if !self.eval_pipe(frame, pipe)?.is_true() {
                        pc = *otherwise as usize;
                    }
                }
                Op::With { pipe, otherwise } => {
                    let value = self.eval_pipe(frame, pipe)?;
                    if value.is_true() {
                        let outer = std::mem::replace(&mut frame.dot, Rv::concrete(value));
                        self.withs.push(outer);
                    } else {
                        pc = *otherwise as usize;
                    }
                }
                Op::EndWith => {
                    if let Some(outer) = self.withs.pop() {
                        frame.dot = outer;
                    }
                }
                Op::Jump(to) => pc = *to as usize,
                Op::Range(range) => pc = self.start_range(frame, range, pc)?,
                Op::Next | Op::Continue => pc = self.next_turn(frame).unwrap_or(pc),
                Op::Break => pc = self.end_range(frame).unwrap_or(pc),
                Op::Template { pos, name, pipe } => {
                    frame.at(NodeKind::Template, *pos);
                    self.call_template(frame, name, pipe.as_ref())?;
                }
            }
        }
        Ok(())
    }

    /// A limit's error, at the step about to run.
    #[cold]
    fn limit_at(&self, frame: &mut Frame<'_>, op: &Op, error: Error) -> Error {
        match op {
            Op::Text { start, .. } => frame.at(NodeKind::Text, *start),
            Op::Action { pos, .. } => frame.at(NodeKind::Action, *pos),
            Op::If { pipe, .. } | Op::With { pipe, .. } => frame.at(NodeKind::Branch, pipe.pos),
            Op::Range(r) => frame.at(NodeKind::Branch, r.pos),
            Op::Template { pos, .. } => frame.at(NodeKind::Template, *pos),
            Op::EndWith | Op::Jump(_) | Op::Next | Op::Break | Op::Continue => {}
        }
        frame.place(error)
    }

    /// Evaluates what to range over; gives the step to go on with.
    fn start_range(&mut self, frame: &mut Frame<'_>, range: &RangeOp, body: usize) -> Result<usize, Error> {
        frame.at(NodeKind::Branch, range.pos);
        let value = self.eval_pipe(frame, &range.pipe)?;
        let iter = Iter::new(&value, range.pipe.decl.len()).map_err(|e| frame.place(e))?;
        let Some(iter) = iter else {
            return Ok(range.otherwise as usize);
        };
        self.loops.push(Loop {
            iter,
            dot: frame.dot.clone(),
            withs: self.withs.len(),
            start: body - 1,
        });
        Ok(self.next_turn(frame).unwrap_or(range.end as usize))
    }

    /// The next turn of the innermost range, or its end; gives the step to go on with.
    fn next_turn(&mut self, frame: &mut Frame<'_>) -> Option<usize> {
        let turn = self.loops.last_mut()?;
        let Some((index, element)) = turn.iter.next() else {
            return self.end_range(frame);
        };
        let Some(Op::Range(range)) = frame.template.ops.get(turn.start) else {
            return None;
        };
        let body = turn.start + 1;
        let withs = turn.withs;
        self.withs.truncate(withs);
        match range.pipe.decl.as_ref() {
            [] => {}
            [one] => self.set_slot(frame, one.slot, element.clone()),
            [first, second, ..] => {
                self.set_slot(frame, first.slot, index);
                self.set_slot(frame, second.slot, element.clone());
            }
        }
        frame.dot = element;
        Some(body)
    }

    fn end_range(&mut self, frame: &mut Frame<'_>) -> Option<usize> {
        let done = self.loops.pop()?;
        frame.dot = done.dot;
        self.withs.truncate(done.withs);
        match frame.template.ops.get(done.start) {
            Some(Op::Range(range)) => Some(range.end as usize),
            _ => None,
        }
    }

    pub(super) fn set_slot(&mut self, frame: &Frame<'_>, slot: Option<u32>, value: Rv) {
        if let Some(variable) = slot.and_then(|s| self.vars.get_mut(frame.base + s as usize)) {
            variable.0 = Some(value);
        }
    }

    fn call_template(&mut self, frame: &mut Frame<'_>, name: &str, pipe: Option<&Pipe>) -> Result<(), Error> {
        let Some(template) = self.set.as_ref().and_then(|s| s.get(name)).cloned() else {
            return frame.fail(format!(
                "template {} not defined",
                strconv::quote(name.as_bytes())
            ));
        };
        let dot = match pipe {
            Some(pipe) => self.eval_pipe(frame, pipe)?,
            None => Default::default(),
        };
        let result = self.run(&template, Rv::concrete(dot));
        // Errors of the called template have their own place; only the limits on calling are ours.
        result.map_err(|e| if e.place().is_none() { frame.place(e) } else { e })
    }
}
