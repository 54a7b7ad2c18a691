//! The text of the node that an error points at. It is found by parsing the source once more, so that
//! templates that never fail need not keep it.

use std::sync::Arc;

use crate::compile::code::{At, NodeKind, Template};
use crate::meter;
use crate::parse::ast::{BranchKind, Command, List, Node, Operand, Pipe};
use crate::parse::parse;

/// The node as Go prints it.
pub(crate) fn describe(template: &Template, at: At) -> String {
    if !meter::may_tell(template.source.text().len()) {
        return "...".to_owned();
    }
    let trees = parse(&Arc::clone(&template.file), template.source.text(), &|name| {
        // Only what the lexer took as keywords matters here.
        !matches!(name, "break" | "continue")
    });
    let Ok((trees, _)) = trees else {
        return String::new();
    };
    let found = trees.get(template.name.as_ref()).and_then(|t| list(&t.root, at));
    found
        .or_else(|| trees.values().find_map(|t| list(&t.root, at)))
        .unwrap_or_default()
}

fn list(nodes: &List<'_>, at: At) -> Option<String> {
    nodes.nodes.iter().find_map(|n| node(n, at))
}

fn node(node: &Node<'_>, at: At) -> Option<String> {
    let is = |kind: NodeKind, pos: usize| at.kind == kind && at.pos as usize == pos;
    match node {
        Node::Text { pos, text } => is(NodeKind::Text, *pos).then(|| text.to_string()),
        Node::Action { pos, pipe: p } => {
            if is(NodeKind::Action, *pos) {
                Some(format!("{{{{{p}}}}}"))
            } else {
                pipe(p, at)
            }
        }
        Node::Break { pos } => is(NodeKind::Control, *pos).then(|| "{{break}}".into()),
        Node::Continue { pos } => is(NodeKind::Control, *pos).then(|| "{{continue}}".into()),
        Node::Template(t) => {
            if is(NodeKind::Template, t.pos) {
                Some(t.to_string())
            } else {
                pipe(t.pipe.as_ref()?, at)
            }
        }
        Node::Branch(b) => {
            for (p, body) in &b.arms {
                if is(NodeKind::Branch, p.pos) {
                    let word = match b.kind {
                        BranchKind::If => "if",
                        BranchKind::With => "with",
                        BranchKind::Range => "range",
                    };
                    return Some(format!("{{{{{word} {p}}}}}"));
                }
                if let Some(found) = pipe(p, at).or_else(|| list(body, at)) {
                    return Some(found);
                }
            }
            list(b.otherwise.as_ref()?, at)
        }
    }
}

fn pipe(p: &Pipe<'_>, at: At) -> Option<String> {
    if at.kind == NodeKind::Pipe && at.pos as usize == p.pos {
        return Some(p.to_string());
    }
    p.cmds.iter().find_map(|c| command(c, at))
}

fn command(c: &Command<'_>, at: At) -> Option<String> {
    if at.kind == NodeKind::Command && at.pos as usize == c.pos {
        return Some(c.to_string());
    }
    c.args.iter().find_map(|a| operand(a, at))
}

fn operand(o: &Operand<'_>, at: At) -> Option<String> {
    let kind = match o {
        Operand::Identifier { .. } => NodeKind::Identifier,
        Operand::Field { .. } => NodeKind::Field,
        Operand::Variable { .. } => NodeKind::Variable,
        Operand::Dot { .. } => NodeKind::Dot,
        Operand::Nil { .. } => NodeKind::Nil,
        Operand::Bool { .. } => NodeKind::Bool,
        Operand::Number { .. } => NodeKind::Number,
        Operand::String { .. } => NodeKind::String,
        Operand::Pipe(p) => return pipe(p, at),
        Operand::Chain { .. } => NodeKind::Chain,
    };
    if at.kind == kind && at.pos as usize == o.pos() {
        return Some(o.to_string());
    }
    match o {
        Operand::Chain { node, .. } => operand(node, at),
        _ => None,
    }
}
