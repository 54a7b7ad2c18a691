//! Lowering a syntax tree to steps.

use std::sync::Arc;

use crate::compile::code::{Builtin, Callee, Command, Decl, Expr, Name, Op, Pipe, RangeOp, Template};
use crate::func::Functions;
use crate::parse::ast::{self, BranchKind};
use crate::parse::ast::{Node, Operand};
use crate::source::Source;
use crate::value::Str;

/// Compiles one tree of a source.
pub(crate) fn lower(
    tree: &ast::Tree<'_>,
    file: &Arc<str>,
    source: &Arc<Source>,
    funcs: &Functions,
) -> Template {
    let mut compiler = Lower {
        funcs,
        source,
        ops: Vec::new(),
        scope: vec![("$", 0)],
        slots: 1,
        next_slot: 1,
        withs: 0,
        breaks: Vec::new(),
    };
    compiler.list(&tree.root);
    Template {
        name: if tree.name == **file {
            Arc::clone(file)
        } else {
            Arc::from(tree.name.as_str())
        },
        file: Arc::clone(file),
        source: Arc::clone(source),
        ops: compiler.ops.into_boxed_slice(),
        slots: compiler.slots,
        empty: tree.root.is_empty(),
    }
}

struct Lower<'s, 'f> {
    funcs: &'f Functions,
    source: &'f Source,
    ops: Vec<Op>,
    /// The variables on Go's run-time stack at this point, and their slots.
    scope: Vec<(&'s str, u32)>,
    slots: usize,
    next_slot: u32,
    /// How many `with` are open.
    withs: usize,
    breaks: Vec<Break>,
}

/// What a `break` leaves.
enum Break {
    /// The innermost range that is running.
    Loop,
    /// The `else` of a range: Go catches the break there, though it parses as the outer range's.
    Else { withs: usize, jumps: Vec<u32> },
}

impl<'s> Lower<'s, '_> {
    fn list(&mut self, list: &ast::List<'s>) {
        for node in &list.nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node<'s>) {
        match node {
            Node::Text { pos, text } => {
                let (start, end) = (*pos as u32, (*pos + text.len()) as u32);
                self.ops.push(Op::Text { start, end });
            }
            Node::Action { pos, pipe } => {
                let pipe = self.pipe(pipe);
                self.ops.push(Op::Action {
                    pos: *pos as u32,
                    pipe,
                });
            }
            Node::Break { .. } => self.break_out(),
            Node::Continue { .. } => self.ops.push(Op::Continue),
            Node::Template(t) => {
                let pipe = t.pipe.as_ref().map(|p| self.pipe(p));
                self.ops.push(Op::Template {
                    pos: t.pos as u32,
                    name: t.name.as_str().into(),
                    pipe,
                });
            }
            Node::Branch(b) if b.kind == BranchKind::Range => self.range(b),
            Node::Branch(b) => self.branch(b),
        }
    }

    fn here(&self) -> u32 {
        self.ops.len() as u32
    }

    /// Sets the targets of the jumps at these places to here.
    fn land(&mut self, jumps: &[u32]) {
        let here = self.here();
        for jump in jumps {
            match self.ops.get_mut(*jump as usize) {
                Some(Op::Jump(to) | Op::If { otherwise: to, .. } | Op::With { otherwise: to, .. }) => {
                    *to = here
                }
                Some(Op::Range(r)) => r.otherwise = here,
                _ => {}
            }
        }
    }

    /// Lowers a list whose variables end with it.
    fn scoped(&mut self, list: &ast::List<'s>) {
        let (scope, slot) = (self.scope.len(), self.next_slot);
        self.list(list);
        self.scope.truncate(scope);
        self.next_slot = slot;
    }

    fn break_out(&mut self) {
        let here = self.ops.len();
        match self.breaks.last_mut() {
            Some(Break::Else { withs, jumps }) => {
                let open = self.withs - *withs;
                jumps.push((here + open) as u32);
                self.ops.extend((0..open).map(|_| Op::EndWith));
                self.ops.push(Op::Jump(0));
            }
            Some(Break::Loop) | None => self.ops.push(Op::Break),
        }
    }

    fn branch(&mut self, b: &ast::Branch<'s>) {
        let (scope, slot) = (self.scope.len(), self.next_slot);
        let mut ends = Vec::new();
        for (pipe, list) in &b.arms {
            let pipe = self.pipe(pipe);
            let test = self.here();
            self.ops.push(match b.kind {
                BranchKind::With => Op::With { pipe, otherwise: 0 },
                _ => Op::If { pipe, otherwise: 0 },
            });
            if b.kind == BranchKind::With {
                self.withs += 1;
                self.scoped(list);
                self.withs -= 1;
                self.ops.push(Op::EndWith);
            } else {
                self.scoped(list);
            }
            ends.push(self.here());
            self.ops.push(Op::Jump(0));
            self.land(&[test]);
        }
        if let Some(list) = &b.otherwise {
            self.list(list);
        }
        self.land(&ends);
        self.scope.truncate(scope);
        self.next_slot = slot;
    }

    fn range(&mut self, b: &ast::Branch<'s>) {
        let (scope, slot) = (self.scope.len(), self.next_slot);
        let Some((pipe, list)) = b.arms.first() else {
            return;
        };
        let pos = pipe.pos as u32;
        let pipe = self.pipe(pipe);
        let start = self.here();
        self.ops.push(Op::Range(Box::new(RangeOp {
            pos,
            pipe,
            otherwise: 0,
            end: 0,
        })));
        self.breaks.push(Break::Loop);
        self.scoped(list);
        self.breaks.pop();
        self.ops.push(Op::Next);
        self.land(&[start]);
        if let Some(list) = &b.otherwise {
            self.breaks.push(Break::Else {
                withs: self.withs,
                jumps: Vec::new(),
            });
            self.list(list);
            if let Some(Break::Else { jumps, .. }) = self.breaks.pop() {
                self.land(&jumps);
            }
        }
        let end = self.here();
        if let Some(Op::Range(r)) = self.ops.get_mut(start as usize) {
            r.end = end;
        }
        self.scope.truncate(scope);
        self.next_slot = slot;
    }

    fn slot(&self, name: &str) -> Option<u32> {
        self.scope.iter().rev().find(|v| v.0 == name).map(|v| v.1)
    }

    fn pipe(&mut self, pipe: &ast::Pipe<'s>) -> Pipe {
        let cmds = pipe.cmds.iter().map(|c| self.command(c)).collect();
        let decl = pipe
            .decl
            .iter()
            .map(|name| {
                let slot = if pipe.assign {
                    self.slot(name)
                } else {
                    Some(self.declare(name))
                };
                Decl {
                    name: (*name).into(),
                    slot,
                }
            })
            .collect();
        Pipe {
            pos: pipe.pos as u32,
            decl,
            cmds,
        }
    }

    fn declare(&mut self, name: &'s str) -> u32 {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.slots = self.slots.max(self.next_slot as usize);
        self.scope.push((name, slot));
        slot
    }

    fn command(&mut self, cmd: &ast::Command<'s>) -> Command {
        let mut args = cmd.args.iter();
        let head = args
            .next()
            .map_or(Expr::Nil { pos: cmd.pos as u32 }, |o| self.operand(o));
        Command {
            pos: cmd.pos as u32,
            head,
            args: args.map(|o| self.operand(o)).collect(),
        }
    }

    fn operand(&mut self, operand: &Operand<'s>) -> Expr {
        let names = |names: &[&str]| names.iter().map(|n| Name::from(*n)).collect();
        let pos = operand.pos() as u32;
        match operand {
            Operand::Identifier { name, .. } => Expr::Call {
                pos,
                name: (*name).into(),
                callee: self.callee(name),
            },
            Operand::Field { names: n, .. } => Expr::Field { pos, names: names(n) },
            Operand::Variable { name, fields, .. } => Expr::Variable {
                pos,
                name: (*name).into(),
                slot: self.slot(name),
                fields: names(fields),
            },
            Operand::Dot { .. } => Expr::Dot { pos },
            Operand::Nil { .. } => Expr::Nil { pos },
            Operand::Bool { value, .. } => Expr::Bool { pos, value: *value },
            Operand::Number { value, .. } => Expr::Number {
                pos,
                value: Box::new(*value),
            },
            Operand::String { value, quoted, .. } => Expr::String {
                pos,
                value: self.text(pos as usize, quoted, value),
            },
            Operand::Pipe(p) => Expr::Pipe(Box::new(self.pipe(p))),
            Operand::Chain { node, fields, .. } => Expr::Chain {
                pos,
                node: Box::new(self.operand(node)),
                fields: names(fields),
            },
        }
    }

    /// A constant's text: between backquotes it is what the source has there, UTF-8 or not.
    fn text(&self, pos: usize, quoted: &str, value: &Str) -> Str {
        if self.source.is_utf8() || !quoted.starts_with('`') {
            return value.clone();
        }
        let mut bytes = self.source.bytes(pos + 1..pos + quoted.len() - 1).into_owned();
        bytes.retain(|byte| *byte != b'\r');
        Str::from(bytes)
    }

    fn callee(&self, name: &str) -> Callee {
        match (self.funcs.get(name), Builtin::named(name)) {
            (Some(f), _) => Callee::Func(Arc::clone(f)),
            (None, Some(b)) => Callee::Builtin(b),
            (None, None) => Callee::Undefined,
        }
    }
}
