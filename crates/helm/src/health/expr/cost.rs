//! What an expression may take on an object, told before it is evaluated.
//!
//! An evaluation can't be stopped, and a text that is doubled a hundred times fits into one line. So sizes are carried
//! through the expression instead of values: how large what a part gives can be at most, and how long the lists in it.

use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use serde_json::Value;

/// What a regular expression costs before it has matched anything.
const PATTERN: f64 = 10_000.0;
/// Functions whose result is no larger than what they are applied to.
const SHRINKING: [&str; 10] = [
    "lowerAscii",
    "upperAscii",
    "trim",
    "substring",
    "charAt",
    "reverse",
    "dyn",
    "orValue",
    "or",
    "value",
];

/// The largest that a value can be.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    /// Bytes of all texts in it, and some for each value.
    size: f64,
    /// Items of the longest list or map in it.
    count: f64,
}

impl Bound {
    const SMALL: Self = Self {
        size: 8.0,
        count: 0.0,
    };

    fn max(self, other: Self) -> Self {
        Self {
            size: self.size.max(other.size),
            count: self.count.max(other.count),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            size: self.size + other.size,
            count: self.count + other.count,
        }
    }
}

/// Steps of evaluating an expression on an object, at most.
pub(super) fn of(expr: &Expr, object: &Value) -> f64 {
    let mut walk = Walk {
        object: measure(object),
        scope: Vec::new(),
        steps: 0.0,
    };
    walk.visit(expr, 1.0);
    walk.steps
}

/// How deep an expression nests.
pub(super) fn depth(expr: &Expr) -> usize {
    1 + children(expr).into_iter().map(depth).max().unwrap_or_default()
}

fn measure(value: &Value) -> Bound {
    let own = match value {
        Value::String(text) => Bound {
            size: 8.0 + text.len() as f64,
            count: 0.0,
        },
        Value::Array(items) => Bound {
            size: 8.0,
            count: items.len() as f64,
        },
        Value::Object(members) => Bound {
            size: 8.0 + members.keys().map(String::len).sum::<usize>() as f64,
            count: members.len() as f64,
        },
        _ => Bound::SMALL,
    };
    let add = |total: Bound, value: &Value| {
        let below = measure(value);
        Bound {
            size: total.size + below.size,
            count: total.count.max(below.count),
        }
    };
    match value {
        Value::Array(items) => items.iter().fold(own, add),
        Value::Object(members) => members.values().fold(own, add),
        _ => own,
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Call(call) => call
            .target
            .iter()
            .map(|target| &target.expr)
            .chain(call.args.iter().map(|arg| &arg.expr))
            .collect(),
        Expr::Comprehension(all) => vec![
            &all.iter_range.expr,
            &all.accu_init.expr,
            &all.loop_cond.expr,
            &all.loop_step.expr,
            &all.result.expr,
        ],
        Expr::List(list) => list.elements.iter().map(|item| &item.expr).collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Struct(all) => all
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Select(select) => vec![&select.operand.expr],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&Expr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value.expr],
        EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
    }
}

struct Walk<'e> {
    object: Bound,
    /// Variables of the macros around, the innermost last.
    scope: Vec<(&'e str, Bound)>,
    steps: f64,
}

impl<'e> Walk<'e> {
    /// The bound of what a part gives that is evaluated so many times.
    fn visit(&mut self, expr: &'e Expr, times: f64) -> Bound {
        self.steps += times;
        match expr {
            Expr::Ident(name) => {
                let known = self.scope.iter().rev().find(|(known, _)| known == name);
                known.map_or(self.object, |(_, bound)| *bound)
            }
            Expr::Literal(literal) => literal_bound(literal),
            Expr::Select(select) => self.visit(&select.operand.expr, times),
            Expr::Call(call) => {
                let parts: Vec<Bound> = children(expr)
                    .into_iter()
                    .map(|part| self.visit(part, times))
                    .collect();
                let (bound, cost) = call_bound(&call.func_name, &parts);
                self.steps += times * cost;
                bound
            }
            Expr::Comprehension(all) => {
                let range = self.visit(&all.iter_range.expr, times);
                let turns = times * range.count;
                let init = self.visit(&all.accu_init.expr, times);
                let depth = self.scope.len();
                self.scope.push((&all.iter_var, range));
                if let Some(second) = &all.iter_var2 {
                    self.scope.push((second, range));
                }
                // Macros only ever add to what they gather.
                self.scope.push((&all.accu_var, Bound::default()));
                self.visit(&all.loop_cond.expr, turns);
                let step = self.visit(&all.loop_step.expr, turns);
                self.scope.truncate(depth);
                // A list that grows is copied with each turn.
                self.steps += turns * range.count;
                let gathered = Bound {
                    size: init.size + range.count * step.size,
                    count: (init.count + range.count).max(step.count),
                };
                self.scope.push((&all.accu_var, gathered));
                let result = self.visit(&all.result.expr, times);
                self.scope.truncate(depth);
                result
            }
            Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => {
                let parts: Vec<Bound> = children(expr)
                    .into_iter()
                    .map(|part| self.visit(part, times))
                    .collect();
                let length = parts.len() as f64;
                let size = 8.0 + parts.iter().map(|part| part.size).sum::<f64>();
                self.steps += times * size;
                let count = parts.iter().map(|part| part.count).fold(length, f64::max);
                Bound { size, count }
            }
            Expr::Unspecified => Bound::SMALL,
        }
    }
}

fn literal_bound(literal: &LiteralValue) -> Bound {
    let size = match literal {
        LiteralValue::String(text) => 8.0 + text.inner().len() as f64,
        LiteralValue::Bytes(bytes) => 8.0 + bytes.inner().len() as f64,
        _ => 8.0,
    };
    Bound { size, count: 0.0 }
}

/// What a function gives, and what it costs by itself.
fn call_bound(function: &str, parts: &[Bound]) -> (Bound, f64) {
    let first = parts.first().copied().unwrap_or_default();
    let last = parts.last().copied().unwrap_or_default();
    let total: f64 = parts.iter().map(|part| part.size).sum();
    match function {
        operators::ADD => (first.plus(last), total),
        operators::CONDITIONAL => {
            let either = parts
                .iter()
                .skip(1)
                .fold(Bound::default(), |all, part| all.max(*part));
            (either, 0.0)
        }
        operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => (first, last.size),
        operators::EQUALS | operators::NOT_EQUALS => (Bound::SMALL, first.size.min(last.size)),
        operators::IN => (Bound::SMALL, last.count * first.size.min(last.size)),
        operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE => (Bound::SMALL, 0.0),
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
            (Bound::SMALL, first.size.min(last.size))
        }
        operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE
        | "size"
        | "int"
        | "uint"
        | "double"
        | "bool"
        | "type"
        | "hasValue"
        | "startsWith"
        | "endsWith"
        | "contains"
        | "indexOf"
        | "lastIndexOf" => (Bound::SMALL, total),
        "matches" => (Bound::SMALL, PATTERN + first.size * last.size),
        // A list of single letters.
        "split" => (
            Bound {
                size: 9.0 * first.size,
                count: first.size,
            },
            9.0 * first.size,
        ),
        "join" => {
            let size = first.size + first.count * last.size;
            (Bound { size, count: 0.0 }, size)
        }
        _ if SHRINKING.contains(&function) => (parts.iter().fold(first, |all, part| all.max(*part)), total),
        // What is not known may repeat each part for each byte of the others.
        _ => {
            let size = parts.iter().map(|part| 1.0 + part.size).product::<f64>();
            (Bound { size, count: size }, size)
        }
    }
}
