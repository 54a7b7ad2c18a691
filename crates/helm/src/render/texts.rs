//! The texts that `tpl` is given, compiled: once for all renders of a chart, and within one render as sets ready to run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use helmapp_gotmpl::meter::{self, Charge};
use helmapp_gotmpl::{Error, Str, TemplateSet, Unit};

use super::SET_NAME;

/// Bytes of texts whose compiled form a chart keeps. A text that would go beyond makes it forget the others.
pub(super) const MAX_CACHED_BYTES: usize = 256 << 10;

/// What a compiled text of `tpl` takes up: itself, each node of its syntax tree, and each of its bytes while it is
/// compiled, as far as the limit on nodes lets it.
pub(super) const UNIT_BYTES: usize = 1024;
pub(super) const NODE_BYTES: usize = 200;
const TREE_BYTES_FOR_ONE: usize = 64;
const MAX_TREE_BYTES: usize = 16 << 20;

/// Compiled texts by content, shared by the renders of a chart.
#[derive(Debug, Default)]
pub(super) struct Units(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    units: HashMap<Str, Unit, RandomState>,
    bytes: usize,
}

impl Units {
    fn get(&self, text: &Str, set: &TemplateSet) -> Result<Unit, Error> {
        if let Some(unit) = self.lock().units.get(text) {
            return Ok(unit.clone());
        }
        let unit = Unit::compile(SET_NAME, text.as_bytes(), set.functions())?;
        if text.len() <= MAX_CACHED_BYTES {
            let mut kept = self.lock();
            if kept.bytes + text.len() > MAX_CACHED_BYTES {
                *kept = Kept::default();
            }
            if kept.units.insert(text.clone(), unit.clone()).is_none() {
                kept.bytes += text.len();
            }
        }
        Ok(unit)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is kept is whole after every step, whoever ended in between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text with the templates that it sees.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// The set around it.
    parent: Arc<TemplateSet>,
    /// That set with the text's own templates on top.
    pub(super) set: Arc<TemplateSet>,
    /// Whether there is something to execute, not only definitions.
    pub(super) executes: bool,
}

impl Ready {
    fn new(unit: &Unit, parent: &Arc<TemplateSet>) -> Result<Ready, Error> {
        let mut set = parent.child();
        set.add_unit(SET_NAME, unit)?;
        let executes = set.names().any(|name| name == SET_NAME);
        Ok(Ready {
            parent: Arc::clone(parent),
            set: Arc::new(set),
            executes,
        })
    }
}

/// The texts of one render. What they take up is charged to it.
#[derive(Debug)]
pub(super) struct Texts {
    units: Arc<Units>,
    used: HashMap<Str, Used, RandomState>,
}

#[derive(Debug)]
struct Used {
    unit: Unit,
    ready: Ready,
    _charge: Charge,
}

impl Texts {
    pub(super) fn new(units: &Arc<Units>) -> Texts {
        Texts {
            units: Arc::clone(units),
            used: HashMap::default(),
        }
    }

    /// A text that the render has compiled before, on top of a set.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn ready(&mut self, text: &Str, parent: &Arc<TemplateSet>) -> Result<Option<Ready>, Error> {
        let Some(used) = self.used.get_mut(text) else {
            return Ok(None);
        };
        if !Arc::ptr_eq(&used.ready.parent, parent) {
            used.ready = Ready::new(&used.unit, parent)?;
        }
        Ok(Some(used.ready.clone()))
    }

    /// Compiles a text on top of a set; also gives the number of its nodes.
    ///
    /// # Errors
    /// The text does not parse, or there is no room for it.
    pub(super) fn compile(&mut self, text: &Str, parent: &Arc<TemplateSet>) -> Result<(Ready, usize), Error> {
        // The syntax tree of a source takes some times its text.
        let tree = text.len().saturating_mul(TREE_BYTES_FOR_ONE);
        meter::check(tree.min(MAX_TREE_BYTES))?;
        let unit = self.units.get(text, parent)?;
        let nodes = unit.nodes();
        let bytes = text.len() * 2 + nodes * NODE_BYTES + UNIT_BYTES;
        meter::check(bytes)?;
        let ready = Ready::new(&unit, parent)?;
        let used = Used {
            unit,
            ready: ready.clone(),
            _charge: Charge::new(bytes),
        };
        self.used.insert(text.clone(), used);
        Ok((ready, nodes))
    }
}
