//! The compiled form of a template. It is immutable and shared between threads.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::func::Func;
use crate::parse::number::Number;
use crate::source::Source;
use crate::value::Str;

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: Arc<str>,
    /// The name and text of the source that it stands in.
    pub(crate) file: Arc<str>,
    pub(crate) source: Arc<Source>,
    pub(crate) ops: Box<[Op]>,
    /// How many variables it has at most.
    pub(crate) slots: usize,
    /// Whether there is nothing but white space.
    pub(crate) empty: bool,
}

/// A step. Targets of jumps are indexes into the template's steps.
#[derive(Debug)]
pub(crate) enum Op {
    Text {
        start: u32,
        end: u32,
    },
    Action {
        pos: u32,
        pipe: Pipe,
    },
    If {
        pipe: Pipe,
        otherwise: u32,
    },
    With {
        pipe: Pipe,
        otherwise: u32,
    },
    EndWith,
    Jump(u32),
    Range(Box<RangeOp>),
    /// The end of a range's body, also reached by `continue`.
    Next,
    Break,
    Continue,
    Template {
        pos: u32,
        name: Box<str>,
        pipe: Option<Pipe>,
    },
}

#[derive(Debug)]
pub(crate) struct RangeOp {
    pub(crate) pos: u32,
    pub(crate) pipe: Pipe,
    /// Where to go on when there is nothing to range over.
    pub(crate) otherwise: u32,
    /// Where to go on after the last turn.
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: u32,
    pub(crate) decl: Box<[Decl]>,
    pub(crate) cmds: Box<[Command]>,
}

/// A variable that a pipeline declares or assigns; without a slot it is assigned but not defined.
#[derive(Debug)]
pub(crate) struct Decl {
    pub(crate) name: Box<str>,
    pub(crate) slot: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: u32,
    pub(crate) head: Expr,
    pub(crate) args: Box<[Expr]>,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Call {
        pos: u32,
        name: Box<str>,
        callee: Callee,
    },
    Field {
        pos: u32,
        names: Box<[Name]>,
    },
    Variable {
        pos: u32,
        name: Box<str>,
        slot: Option<u32>,
        fields: Box<[Name]>,
    },
    Dot {
        pos: u32,
    },
    Nil {
        pos: u32,
    },
    Bool {
        pos: u32,
        value: bool,
    },
    Number {
        pos: u32,
        value: Box<Number>,
    },
    String {
        pos: u32,
        value: Str,
    },
    Pipe(Box<Pipe>),
    Chain {
        pos: u32,
        node: Box<Expr>,
        fields: Box<[Name]>,
    },
}

/// The name of a field, and where the last map had it: maps of one chart mostly look alike.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: Box<str>,
    pub(crate) hint: AtomicU32,
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name {
            text: text.into(),
            hint: AtomicU32::new(0),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Callee {
    Func(Arc<Func>),
    Builtin(Builtin),
    /// Neither: only where a template is compiled against other functions than it was parsed with.
    Undefined,
}

/// The functions of text/template itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Html,
    Js,
    UrlQuery,
    Call,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// The kinds of node that errors can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Text,
    Action,
    Branch,
    Template,
    Control,
    Pipe,
    Command,
    Identifier,
    Field,
    Variable,
    Dot,
    Nil,
    Bool,
    Number,
    String,
    Chain,
}

/// The node that is being executed: its kind and position tell it from all others of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) kind: NodeKind,
    pub(crate) pos: u32,
}

impl Expr {
    pub(crate) fn at(&self) -> At {
        let (kind, pos) = match self {
            Expr::Call { pos, .. } => (NodeKind::Identifier, *pos),
            Expr::Field { pos, .. } => (NodeKind::Field, *pos),
            Expr::Variable { pos, .. } => (NodeKind::Variable, *pos),
            Expr::Dot { pos } => (NodeKind::Dot, *pos),
            Expr::Nil { pos } => (NodeKind::Nil, *pos),
            Expr::Bool { pos, .. } => (NodeKind::Bool, *pos),
            Expr::Number { pos, .. } => (NodeKind::Number, *pos),
            Expr::String { pos, .. } => (NodeKind::String, *pos),
            Expr::Pipe(p) => (NodeKind::Pipe, p.pos),
            Expr::Chain { pos, .. } => (NodeKind::Chain, *pos),
        };
        At { kind, pos }
    }
}

impl Builtin {
    pub(crate) fn named(name: &str) -> Option<Builtin> {
        Some(match name {
            "and" => Builtin::And,
            "or" => Builtin::Or,
            "not" => Builtin::Not,
            "len" => Builtin::Len,
            "index" => Builtin::Index,
            "slice" => Builtin::Slice,
            "print" => Builtin::Print,
            "printf" => Builtin::Printf,
            "println" => Builtin::Println,
            "html" => Builtin::Html,
            "js" => Builtin::Js,
            "urlquery" => Builtin::UrlQuery,
            "call" => Builtin::Call,
            "eq" => Builtin::Eq,
            "ne" => Builtin::Ne,
            "lt" => Builtin::Lt,
            "le" => Builtin::Le,
            "gt" => Builtin::Gt,
            "ge" => Builtin::Ge,
            _ => return None,
        })
    }
}
