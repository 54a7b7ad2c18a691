//! Sets of templates that can call each other: compiled once, shared, and layered without copying.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::compile::{Builtin, Template, lower};
use crate::error::{Error, Place};
use crate::exec::State;
use crate::func::Functions;
use crate::limits::Limit;
use crate::parse::parse;
use crate::source::Source;
use crate::strconv;
use crate::value::{Str, Value};

/// What a field of a map gives that has no such key: text/template's option `missingkey`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints as `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// One compiled source: its own template and those that it defines. It can be added to any number of
/// sets, so that a source that is met again (as by Helm's `tpl`) need not be compiled again.
#[derive(Clone, Debug)]
pub struct Unit {
    source: Arc<Source>,
    templates: Arc<[Arc<Template>]>,
    nodes: usize,
}

/// Nodes that the sources of one layer of a set may have together.
pub const MAX_SET_NODES: usize = 600_000;

impl Unit {
    /// Parses and compiles a source, which need not be UTF-8, under a name.
    ///
    /// Errors: text/template's parse errors.
    pub fn compile(name: &str, source: impl AsRef<[u8]>, funcs: &Functions) -> Result<Unit, Error> {
        let file: Arc<str> = Arc::from(name);
        let known = |name: &str| funcs.get(name).is_some() || Builtin::named(name).is_some();
        let source = Arc::new(Source::new(source.as_ref()));
        let (trees, nodes) = parse(&file, source.text(), &known)?;
        let templates = trees
            .values()
            .map(|tree| Arc::new(lower(tree, &file, &source, funcs)))
            .collect();
        Ok(Unit {
            source,
            templates,
            nodes,
        })
    }

    /// What it was compiled from.
    pub fn source(&self) -> Cow<'_, [u8]> {
        self.source.bytes(0..self.source.text().len())
    }

    /// The nodes of its syntax trees: what it takes up, in units of some 200 bytes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The names of the templates, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().map(|t| t.name.as_ref())
    }
}

/// Templates by name. A set may lie on top of another, whose templates it sees and may hide.
#[derive(Clone, Debug)]
pub struct TemplateSet {
    name: Arc<str>,
    parent: Option<Arc<TemplateSet>>,
    templates: HashMap<Arc<str>, Arc<Template>, RandomState>,
    funcs: Arc<Functions>,
    missing_key: MissingKey,
    nodes: usize,
}

impl TemplateSet {
    /// An empty set. Its name shows only in the error for a template that is not there.
    pub fn new(name: &str, funcs: Arc<Functions>) -> TemplateSet {
        TemplateSet {
            name: Arc::from(name),
            parent: None,
            templates: HashMap::default(),
            funcs,
            missing_key: MissingKey::Default,
            nodes: 0,
        }
    }

    /// The same set with another `missingkey` option.
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> TemplateSet {
        self.missing_key = missing_key;
        self
    }

    /// An empty set on top of this one, with its functions and options.
    pub fn child(self: &Arc<Self>) -> TemplateSet {
        TemplateSet {
            name: Arc::clone(&self.name),
            parent: Some(Arc::clone(self)),
            templates: HashMap::default(),
            funcs: Arc::clone(&self.funcs),
            missing_key: self.missing_key,
            nodes: 0,
        }
    }

    /// Parses, compiles and adds a source: its own template under `name` and those that it defines. A
    /// template of white space only does not replace one that is there.
    ///
    /// Errors: text/template's parse errors, and more than [`MAX_SET_NODES`]; then the set is as before.
    pub fn add(&mut self, name: &str, source: impl AsRef<[u8]>) -> Result<(), Error> {
        self.add_unit(name, &Unit::compile(name, source, &self.funcs)?)
    }

    /// Adds a source that was compiled under a name, against the same functions.
    ///
    /// Errors: more than [`MAX_SET_NODES`]; then the set is as before.
    pub fn add_unit(&mut self, name: &str, unit: &Unit) -> Result<(), Error> {
        if self.nodes + unit.nodes > MAX_SET_NODES {
            let message = format!(
                "template: {name}: source nodes limit exceeded, more than {MAX_SET_NODES} in all sources"
            );
            return Err(Error::limited(Limit::SourceNodes, message));
        }
        self.nodes += unit.nodes;
        for template in unit.templates.iter() {
            if template.empty && self.get(&template.name).is_some() {
                continue;
            }
            self.templates
                .insert(Arc::clone(&template.name), Arc::clone(template));
        }
        Ok(())
    }

    /// Whether there is a template of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names of the templates of this layer, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(AsRef::as_ref)
    }

    /// The functions.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.funcs
    }

    /// The option for missing keys.
    pub fn missing_key(&self) -> MissingKey {
        self.missing_key
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Template>> {
        let mut set = self;
        loop {
            if let Some(template) = set.templates.get(name) {
                return Some(template);
            }
            set = set.parent.as_deref()?;
        }
    }

    /// Executes a template with the data as its dot, and gives its output.
    ///
    /// Errors: text/template's errors of execution, those of functions, and limits.
    pub fn execute(self: &Arc<Self>, name: &str, data: &Value, state: &mut State) -> Result<String, Error> {
        Ok(state.capture(self, name, data)?.into_string())
    }

    /// As [`TemplateSet::execute`], with bytes that are no text left as they are.
    ///
    /// # Errors
    /// As [`TemplateSet::execute`].
    pub fn execute_str(self: &Arc<Self>, name: &str, data: &Value, state: &mut State) -> Result<Str, Error> {
        Ok(state.capture(self, name, data)?.into_str())
    }

    pub(crate) fn find(&self, name: &str) -> Result<&Arc<Template>, Error> {
        self.get(name).ok_or_else(|| {
            let (name, set) = (
                strconv::quote(name.as_bytes()),
                strconv::quote(self.name.as_bytes()),
            );
            Error::new(format!(
                "template: no template {name} associated with template {set}"
            ))
        })
    }
}

/// The most characters of a line that an error shows.
const MAX_EXCERPT: usize = 500;

/// The place of a node in its source.
pub(crate) fn place(template: &Template, pos: u32, context: String) -> Place {
    let pos = pos as usize;
    let text = template.source.text();
    let before = text.get(..pos).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let excerpt = text
        .get(line_start..)
        .and_then(|s| s.lines().next())
        .unwrap_or("");
    Place {
        file: Arc::clone(&template.file),
        line: 1 + before.bytes().filter(|b| *b == b'\n').count() as u32,
        column: Some(template.source.width(line_start..pos) as u32),
        executing: Some(template.name.to_string()),
        context,
        excerpt: excerpt.chars().take(MAX_EXCERPT).collect(),
    }
}
