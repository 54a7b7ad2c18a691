//! Health by expressions in CEL, for kinds whose status says it in a way of its own.
//!
//! The names are Flux's, and so is what they mean: of a kind that has expressions, an object is in progress while its
//! controller has not seen its newest generation, else the first of `inProgress`, `failed` and `current` that is true
//! says what it is; where none is, it is in progress. Each top-level field of the object is a variable.
//!
//! An expression may come from anybody. [`MAX_LENGTH`] and [`MAX_DEPTH`] bound it, and [`MAX_STEPS`] what it may take on an
//! object, which is known before it is evaluated.

mod cost;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program};
use serde_json::Value;

use super::{Condition, Health, Status, condition, generation, group_kind};

/// Longest expression, in bytes.
pub const MAX_LENGTH: usize = 2048;
/// Deepest nesting of brackets in an expression, and of what it is made of.
pub const MAX_DEPTH: usize = 40;
/// Most that one evaluation may take: values that are looked at, bytes of texts that are made or compared.
pub const MAX_STEPS: u64 = 10_000_000;

/// Stack of the thread that reads expressions: their grammar nests ten times as deep as they do.
const STACK: usize = 64 << 20;

/// The expressions for one kind, as they were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'s> {
    /// API group and version of the kind; the version does not matter.
    pub api_version: &'s str,
    /// The kind; `None` for all of the group.
    pub kind: Option<&'s str>,
    /// True when an object is ready.
    pub current: &'s str,
    /// True while it is on its way.
    pub in_progress: Option<&'s str>,
    /// True when it will not become ready.
    pub failed: Option<&'s str>,
}

/// Why expressions can not be used; the text names the one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is too long.
    #[error("{name} has {length} bytes, more than {MAX_LENGTH}")]
    TooLong {
        /// Which.
        name: String,
        /// How long it is.
        length: usize,
    },
    /// It nests too deep.
    #[error("{name} nests deeper than {MAX_DEPTH}")]
    TooDeep {
        /// Which.
        name: String,
    },
    /// It is no CEL.
    #[error("{name} is no expression in CEL: {message}")]
    Syntax {
        /// Which.
        name: String,
        /// Where and why.
        message: String,
    },
    /// It can not be read now.
    #[error("{name} can not be read: {message}")]
    Thread {
        /// Which.
        name: String,
        /// Why.
        message: String,
    },
}

/// The expressions of one HelmApp.
#[derive(Debug, Default)]
pub struct Checks(Vec<Check>);

#[derive(Debug)]
struct Check {
    group: String,
    kind: Option<String>,
    /// With what each says when it is true, in the order in which they are asked.
    expressions: Vec<(Status, Expression)>,
}

struct Expression {
    name: String,
    program: Program,
    env: Arc<Env>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expression")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Checks {
    /// Reads expressions. Errors name them by `field` and their position.
    ///
    /// # Errors
    /// The first expression that can not be used.
    pub fn compile<'s>(field: &str, sources: impl IntoIterator<Item = Source<'s>>) -> Result<Self, Error> {
        let env = Arc::new(environment());
        let checks = sources.into_iter().enumerate().map(|(position, source)| {
            let of = |name: &str, text: &str| {
                Expression::compile(format!("{field}[{position}].{name}"), text, &env)
            };
            let mut expressions = Vec::new();
            if let Some(text) = source.in_progress {
                expressions.push((Status::Progressing, of("inProgress", text)?));
            }
            if let Some(text) = source.failed {
                expressions.push((Status::Failed, of("failed", text)?));
            }
            expressions.push((Status::Ready, of("current", source.current)?));
            let (group, _) = source.api_version.split_once('/').unwrap_or(("", ""));
            Ok(Check {
                group: group.to_owned(),
                kind: source.kind.map(str::to_owned),
                expressions,
            })
        });
        checks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are expressions for a kind.
    pub fn has(&self, group: &str, kind: &str) -> bool {
        self.of(group, kind).is_some()
    }

    fn of(&self, group: &str, kind: &str) -> Option<&Check> {
        let of = |check: &&Check| check.group == group && check.kind.as_deref().is_none_or(|of| of == kind);
        self.0.iter().find(of)
    }

    /// What the expressions for its kind say of an object; `None` where there are none.
    pub(super) fn assess(&self, object: &Value) -> Option<Health> {
        let (group, kind) = group_kind(object);
        let check = self.of(group, kind)?;
        Some(generation(object).unwrap_or_else(|| check.assess(object)))
    }
}

impl Check {
    fn assess(&self, object: &Value) -> Health {
        for (status, expression) in &self.expressions {
            match expression.is_true(object) {
                Ok(true) => return said(*status, expression, object),
                Ok(false) => {}
                // A status that is not there yet has nothing to ask.
                Err(why) => {
                    return Health::progressing("HealthCheckExprs", format!("{}: {why}", expression.name));
                }
            }
        }
        let last = self
            .expressions
            .last()
            .map_or("", |(_, expression)| expression.name.as_str());
        Health::progressing("HealthCheckExprs", format!("{last} is not true{}", ready(object)))
    }
}

fn said(status: Status, expression: &Expression, object: &Value) -> Health {
    match status {
        Status::Ready => Health::ready(),
        _ => Health::new(
            status,
            "HealthCheckExprs",
            format!("{} is true{}", expression.name, ready(object)),
        ),
    }
}

/// What the object itself says of being ready, if it does.
fn ready(object: &Value) -> String {
    let ready = condition(object, "Ready");
    let Some(Condition { reason, message, .. }) = ready.filter(|ready| ready.status != "True") else {
        return String::new();
    };
    match (reason, message) {
        ("", "") => String::new(),
        ("", text) | (text, "") => format!(" ({text})"),
        (reason, message) => format!(" ({reason}: {message})"),
    }
}

fn environment() -> Env {
    let mut env = Env::stdlib().with_optional_support(true);
    // It can only fail by declaring what is there already.
    if env.add_extension(cel::extensions::strings).is_err() {
        return Env::stdlib().with_optional_support(true);
    }
    env
}

impl Expression {
    fn compile(name: String, text: &str, env: &Arc<Env>) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            let length = text.len();
            return Err(Error::TooLong { name, length });
        }
        if nesting(text) > MAX_DEPTH {
            return Err(Error::TooDeep { name });
        }
        let (text, for_thread) = (text.to_owned(), env.clone());
        // What is too deep is dropped where there is room for it, too.
        let read = move || {
            let program = for_thread.compile(&text).map_err(|error| Some(message(&error)))?;
            match cost::depth(&program.expression().expr) > MAX_DEPTH {
                true => Err(None),
                false => Ok(program),
            }
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(read);
        let failed = |message: String| Error::Thread {
            name: name.clone(),
            message,
        };
        let read = thread.map_err(|error| failed(error.to_string()))?.join();
        match read.map_err(|_| failed("it ended early".to_owned()))? {
            Ok(program) => Ok(Self {
                name,
                program,
                env: env.clone(),
            }),
            Err(Some(message)) => Err(Error::Syntax { name, message }),
            Err(None) => Err(Error::TooDeep { name }),
        }
    }

    /// Whether it is true of an object. The error says why that can't be told, without any value.
    fn is_true(&self, object: &Value) -> Result<bool, String> {
        if cost::of(&self.program.expression().expr, object) > MAX_STEPS as f64 {
            return Err(format!(
                "it could take more than {MAX_STEPS} steps on this object"
            ));
        }
        let mut context = Context::with_env(self.env.clone());
        for (name, value) in object.as_object().into_iter().flatten() {
            context.add_variable_from_value(name.as_str(), convert(value));
        }
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(yes)) => Ok(yes),
            Ok(_) => Err("it is neither true nor false".to_owned()),
            Err(error) => Err(why(&error)),
        }
    }
}

/// The first error, in one line.
fn message(errors: &cel::ParseErrors) -> String {
    let first = errors.errors.first().map(|error| {
        let (line, column) = error.pos;
        format!("line {line}, column {column}: {}", error.msg)
    });
    first
        .unwrap_or_else(|| "it is empty".to_owned())
        .replace('\n', " ")
}

/// How deep brackets nest in a text. Those in quotes count as well.
fn nesting(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Why an expression has no value, without the values that the error has in it.
fn why(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no {key}"),
        ExecutionError::UndeclaredReference(name) => format!("there is no {name}"),
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::UnexpectedType { got, want } => format!("a {got} stands where a {want} should"),
        ExecutionError::FunctionError { function, .. } => format!("{function} fails"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function has {actual} arguments and needs {expected}")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, _, _) => {
            format!("what stands on both sides of an operator ({operator}) does not fit")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "it divides by 0".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "a list has fewer items than that".to_owned(),
        _ => "types of values do not fit".to_owned(),
    }
}

/// JSON as CEL has it: whole numbers are integers with a sign, whatever they are.
fn convert(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(yes) => cel::Value::Bool(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(convert).collect())),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), convert(value)));
            let map: HashMap<Key, cel::Value> = members.collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}
