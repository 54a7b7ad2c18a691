//! What a merging has used up of its limits, over all its trees.

use std::cell::Cell;

use super::{Error, Result, ValueLimits, shared::Shared};

/// Trees that merging holds beside the one that it gives: the limit on entries is for one.
const TREES: usize = 2;

/// The counts of one merging.
#[derive(Debug)]
pub(super) struct Budget {
    limits: ValueLimits,
    steps: Cell<usize>,
    /// Entries of all tables that are held.
    held: Cell<usize>,
    /// Bytes of what is not shared: warnings, and the parts of charts that each alias has of its own.
    copied: Cell<usize>,
    /// Charts, each alias being one.
    charts: Cell<usize>,
}

impl Budget {
    pub(super) fn new(limits: ValueLimits) -> Self {
        Self {
            limits,
            steps: Cell::new(0),
            held: Cell::new(0),
            copied: Cell::new(0),
            charts: Cell::new(0),
        }
    }

    /// Counts entries, charts or declarations that are looked at.
    pub(super) fn step(&self, steps: usize) -> Result<()> {
        let limit = self.limits.steps;
        add(&self.steps, steps, limit, Error::TooManySteps)
    }

    /// Counts an entry that is put into a table.
    pub(super) fn hold(&self) -> Result<()> {
        let limit = self.limits.entries;
        self.step(1)?;
        add(&self.held, 1, limit.saturating_mul(TREES), |_| {
            Error::TooManyEntries(limit)
        })
    }

    /// Entries whose tables are gone.
    pub(super) fn release(&self, entries: usize) {
        self.held.set(self.held.get().saturating_sub(entries));
    }

    /// Counts bytes that are copied.
    pub(super) fn copy(&self, bytes: usize) -> Result<()> {
        add(&self.copied, bytes, self.limits.bytes, Error::TooManyBytes)
    }

    /// Counts a chart that is used.
    pub(super) fn chart(&self) -> Result<()> {
        add(&self.charts, 1, self.limits.charts, Error::TooManyCharts)
    }

    /// Refuses a chart that uses so many by itself.
    pub(super) fn check_charts(&self, charts: usize) -> Result<()> {
        let limit = self.limits.charts;
        if charts > limit {
            return Err(Error::TooManyCharts(limit));
        }
        Ok(())
    }

    pub(super) fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > self.limits.depth {
            return Err(Error::TooDeep(self.limits.depth));
        }
        Ok(())
    }

    /// The measure of a tree that is given away.
    pub(super) fn measure(&self) -> Measure<'_> {
        Measure {
            budget: self,
            entries: 0,
            bytes: 0,
        }
    }
}

/// Adds to a count that has a limit.
fn add(count: &Cell<usize>, more: usize, limit: usize, error: impl FnOnce(usize) -> Error) -> Result<()> {
    let sum = count.get().saturating_add(more);
    if sum > limit {
        return Err(error(limit));
    }
    count.set(sum);
    Ok(())
}

/// The size of one tree, in which what is shared counts at each place where it stands: whoever walks through the tree
/// meets it there.
#[derive(Debug)]
pub(super) struct Measure<'b> {
    budget: &'b Budget,
    entries: usize,
    bytes: usize,
}

impl Measure<'_> {
    /// Counts an entry of a table.
    pub(super) fn entry(&mut self, key: &str) -> Result<()> {
        self.item()?;
        self.text(key.len())
    }

    /// Counts what is below an entry or item; it has no trees within the tree.
    pub(super) fn value(&mut self, value: &Shared) -> Result<()> {
        match value {
            Shared::Text(text) => self.text(text.len()),
            Shared::List(items) => items.iter().try_for_each(|item| {
                self.item()?;
                self.value(item)
            }),
            Shared::Table(entries) => entries.iter().try_for_each(|(key, value)| {
                self.entry(key)?;
                self.value(value)
            }),
            Shared::Null | Shared::Bool(_) | Shared::Number(_) => Ok(()),
        }
    }

    fn item(&mut self) -> Result<()> {
        self.entries += 1;
        let limit = self.budget.limits.entries;
        if self.entries > limit {
            return Err(Error::TooManyEntries(limit));
        }
        self.budget.step(1)
    }

    fn text(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        let limit = self.budget.limits.bytes;
        if self.bytes > limit {
            return Err(Error::TooManyBytes(limit));
        }
        Ok(())
    }
}
