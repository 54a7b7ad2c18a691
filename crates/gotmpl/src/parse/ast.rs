//! The syntax tree of a template. It lives from parsing to compiling, and again, parsed anew, when an
//! error has to show an expression.

use std::fmt;

use crate::parse::number::Number;
use crate::strconv;
use crate::value::Str;

/// One template: the source's own or a definition in it.
#[derive(Debug)]
pub(crate) struct Tree<'s> {
    pub(crate) name: String,
    pub(crate) root: List<'s>,
}

#[derive(Debug)]
pub(crate) struct List<'s> {
    pub(crate) nodes: Vec<Node<'s>>,
}

#[derive(Debug)]
pub(crate) enum Node<'s> {
    Text { pos: usize, text: &'s str },
    Action { pos: usize, pipe: Pipe<'s> },
    Branch(Box<Branch<'s>>),
    Template(Box<TemplateCall<'s>>),
    Break { pos: usize },
    Continue { pos: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

#[derive(Debug)]
pub(crate) struct Branch<'s> {
    pub(crate) kind: BranchKind,
    /// The condition and list of the branch itself and of each `else if` or `else with`.
    pub(crate) arms: Vec<(Pipe<'s>, List<'s>)>,
    pub(crate) otherwise: Option<List<'s>>,
}

#[derive(Debug)]
pub(crate) struct TemplateCall<'s> {
    pub(crate) pos: usize,
    pub(crate) name: String,
    pub(crate) pipe: Option<Pipe<'s>>,
}

#[derive(Debug)]
pub(crate) struct Pipe<'s> {
    pub(crate) pos: usize,
    pub(crate) assign: bool,
    pub(crate) decl: Vec<&'s str>,
    pub(crate) cmds: Vec<Command<'s>>,
}

#[derive(Debug)]
pub(crate) struct Command<'s> {
    pub(crate) pos: usize,
    pub(crate) args: Vec<Operand<'s>>,
}

#[derive(Debug)]
pub(crate) enum Operand<'s> {
    Identifier {
        pos: usize,
        name: &'s str,
    },
    Field {
        pos: usize,
        names: Vec<&'s str>,
    },
    Variable {
        pos: usize,
        name: &'s str,
        fields: Vec<&'s str>,
    },
    Dot {
        pos: usize,
    },
    Nil {
        pos: usize,
    },
    Bool {
        pos: usize,
        value: bool,
    },
    Number {
        pos: usize,
        text: &'s str,
        value: Number,
    },
    String {
        pos: usize,
        quoted: &'s str,
        value: Str,
    },
    Pipe(Box<Pipe<'s>>),
    Chain {
        pos: usize,
        node: Box<Operand<'s>>,
        fields: Vec<&'s str>,
    },
}

impl List<'_> {
    /// Whether there is nothing but white space: such a definition does not replace another.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|n| match n {
            Node::Text { text, .. } => text.trim().is_empty(),
            _ => false,
        })
    }
}

impl Operand<'_> {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Operand::Identifier { pos, .. }
            | Operand::Field { pos, .. }
            | Operand::Variable { pos, .. }
            | Operand::Dot { pos }
            | Operand::Nil { pos }
            | Operand::Bool { pos, .. }
            | Operand::Number { pos, .. }
            | Operand::String { pos, .. }
            | Operand::Chain { pos, .. } => *pos,
            Operand::Pipe(p) => p.pos,
        }
    }
}

impl fmt::Display for TemplateCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", strconv::quote(self.name.as_bytes()))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

impl fmt::Display for Pipe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.decl.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        if !self.decl.is_empty() {
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, cmd) in self.cmds.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            cmd.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Operand::Pipe(p) => write!(f, "({p})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// A pipe shows without its parentheses, which its command or chain adds.
impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields =
            |f: &mut fmt::Formatter<'_>, names: &[&str]| names.iter().try_for_each(|n| write!(f, ".{n}"));
        match self {
            Operand::Identifier { name, .. } => f.write_str(name),
            Operand::Field { names, .. } => fields(f, names),
            Operand::Variable {
                name, fields: names, ..
            } => {
                f.write_str(name)?;
                fields(f, names)
            }
            Operand::Dot { .. } => f.write_str("."),
            Operand::Nil { .. } => f.write_str("nil"),
            Operand::Bool { value, .. } => value.fmt(f),
            Operand::Number { text, .. } => f.write_str(text),
            Operand::String { quoted, .. } => f.write_str(quoted),
            Operand::Pipe(p) => p.fmt(f),
            Operand::Chain {
                node, fields: names, ..
            } => {
                match node.as_ref() {
                    Operand::Pipe(p) => write!(f, "({p})")?,
                    node => node.fmt(f)?,
                }
                fields(f, names)
            }
        }
    }
}
