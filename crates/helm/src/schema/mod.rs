//! `values.schema.json`: values checked against the schemas of a chart and its sub-charts, chart by chart.
//!
//! Violations are worded as Helm's validator words them. References to other documents are never fetched: a
//! schema that needs one is an error, unless the document is given.

mod cost;
mod draft;
mod formats;
mod given;
mod part;
mod patterns;
mod report;
mod wording;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jsonschema::{PatternOptions, ValidationError, ValidationOptions, Validator};
use serde_json::{Number, Value};

use crate::{
    chart::Chart,
    values::{Shared, text},
};

use cost::Steps;
pub use cost::{MAX_DEPTH, MAX_STEPS};
use given::Given;
use part::Parts;
pub use wording::number;

/// Documents that schemas may refer to, by their URI.
pub type Documents = BTreeMap<String, Value>;

/// Where a schema is said to be.
const BASE_URI: &str = "file:///values.schema.json";

/// Size of a compiled pattern, in bytes. Helm has no such limit.
const PATTERN_SIZE: usize = 1024 * 1024;

/// Violations that are told; a list of many wrong items has as many.
const MAX_VIOLATIONS: usize = 1000;

/// A violation of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The chart whose schema it is.
    pub chart: String,
    /// Where in the chart's values, as a JSON pointer; the empty text is the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Values do not meet the schemas, or a schema can not be used. The text is Helm's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The violations of all charts, one for each line of the text.
    pub violations: Vec<Violation>,
    text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "values don't meet the specifications of the schema(s) in the following chart(s):\n{}",
            self.text
        )
    }
}

impl std::error::Error for Error {}

/// Checks the values of a chart and of its sub-charts against their schemas, in [`MAX_STEPS`] for all together.
///
/// # Errors
/// [`Error`] with all violations of all charts.
pub fn validate(chart: &Chart, values: &Shared, documents: &Arc<Documents>) -> Result<(), Error> {
    validate_within(chart, values, documents, MAX_STEPS)
}

/// [`validate`] in so many steps.
///
/// # Errors
/// As [`validate`].
pub fn validate_within(
    chart: &Chart,
    values: &Shared,
    documents: &Arc<Documents>,
    steps: u64,
) -> Result<(), Error> {
    let mut checks = Checks {
        documents,
        left: Steps::new(steps),
        error: Error {
            violations: Vec::new(),
            text: String::new(),
        },
    };
    // One copy for all charts: what a sub-chart's schema is for lies within it.
    let json = has_schema(chart).then(|| whole_json(values));
    checks.chart(chart, values, json.as_ref());
    let error = checks.error;
    if error.text.is_empty() { Ok(()) } else { Err(error) }
}

/// Whether the chart or a chart within it has a schema.
fn has_schema(chart: &Chart) -> bool {
    chart.schema.is_some() || chart.dependencies.iter().any(has_schema)
}

/// The checks of a chart and of those within it.
struct Checks<'a> {
    documents: &'a Arc<Documents>,
    left: Steps,
    error: Error,
}

impl Checks<'_> {
    /// Checks a chart's values, which `json` is a copy of, and those within them.
    fn chart(&mut self, chart: &Chart, values: &Shared, json: Option<&Value>) {
        if let (Some(schema), Some(json)) = (&chart.schema, json) {
            self.schema(chart.name(), schema, json);
        }
        for dependency in &chart.dependencies {
            let name = dependency.name();
            match values.get(name) {
                None | Some(Shared::Null) => {}
                Some(below @ Shared::Table(_)) => {
                    self.chart(dependency, below, json.and_then(|json| json.get(name)));
                }
                Some(other) => {
                    let message = format!(
                        "invalid type for values: expected object (map), got {}",
                        text::go_type_of(other)
                    );
                    self.error.text += &format!("{name}:\n{message}\n");
                    self.error.violations.push(Violation {
                        chart: name.to_owned(),
                        path: String::new(),
                        message,
                    });
                }
            }
        }
    }

    fn schema(&mut self, chart: &str, schema: &[u8], json: &Value) {
        let (lines, violations) = match Schema::compile_within(schema, json, self.documents, &mut self.left) {
            Ok(schema) => {
                let (lines, violations) = schema.check_whole(json);
                let end = if lines.is_empty() { "" } else { "\n" };
                (lines + end, violations)
            }
            Err(problem) => (
                problem.clone(),
                vec![Violation {
                    chart: String::new(),
                    path: String::new(),
                    message: problem,
                }],
            ),
        };
        if lines.is_empty() {
            return;
        }
        self.error.text += &format!("{chart}:\n{lines}");
        self.error
            .violations
            .extend(violations.into_iter().map(|found| Violation {
                chart: chart.to_owned(),
                ..found
            }));
    }
}

/// A schema that is ready to check values.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    parts: Parts,
}

impl Schema {
    /// Reads a schema of any draft; without `$schema` it is draft 2020-12.
    ///
    /// # Errors
    /// Why the schema can not be used.
    pub fn compile(schema: &[u8], documents: &Arc<Documents>) -> Result<Self, String> {
        Self::build(read(schema)?, documents)
    }

    /// As [`compile`](Self::compile), for these values: a schema is refused by which checking them would cost more
    /// than [`MAX_STEPS`] or nest deeper than [`MAX_DEPTH`].
    ///
    /// # Errors
    /// Why the schema can not be used.
    pub fn compile_for(schema: &[u8], values: &Value, documents: &Arc<Documents>) -> Result<Self, String> {
        Self::compile_within(schema, values, documents, &mut Steps::new(MAX_STEPS))
    }

    /// The same with the steps that are left.
    fn compile_within(
        schema: &[u8],
        values: &Value,
        documents: &Arc<Documents>,
        left: &mut Steps,
    ) -> Result<Self, String> {
        cost::spend_on_text(schema, left)?;
        let schema = read(schema)?;
        cost::check(&schema, values, left)?;
        Self::build(schema, documents)
    }

    fn build(schema: Value, documents: &Arc<Documents>) -> Result<Self, String> {
        let rewritten = draft::evaluates_nothing_by_contains(&schema);
        let original = rewritten.then(|| schema.clone());
        let schema = draft::as_helm_reads(schema);
        let given = Given::new(documents, &schema);
        let built = options(BASE_URI, given.clone()).build(&schema);
        let usable = match given.refusal() {
            Some(refusal) => Err(refusal),
            None => built.map_err(|error| unusable(&error)),
        };
        let as_given = original.as_ref().unwrap_or(&schema);
        let validator = usable.map_err(|problem| draft::violations(as_given).unwrap_or(problem))?;
        let parts = Parts::new(schema, documents);
        Ok(Self { validator, parts })
    }

    /// The lines that Helm prints for the violations, and the violations themselves; nothing for values that
    /// meet the schema.
    pub fn check(&self, values: &Value) -> (String, Vec<Violation>) {
        self.check_whole(&whole_numbers(values))
    }

    /// [`check`](Self::check) of values whose whole floats are integers.
    fn check_whole(&self, values: &Value) -> (String, Vec<Violation>) {
        if self.validator.is_valid(values) {
            return (String::new(), Vec::new());
        }
        let errors = self.validator.iter_errors(values).take(MAX_VIOLATIONS);
        report::report(errors, values, &self.parts)
    }
}

/// Why a schema that keeps to its draft can not be used.
fn unusable(error: &ValidationError<'_>) -> String {
    let text = error.to_string();
    let nowhere = text
        .strip_prefix("Pointer '")
        .and_then(|rest| rest.strip_suffix("' does not exist"));
    match nowhere {
        Some(pointer) => format!("json-pointer in \"{BASE_URI}#{pointer}\" not found"),
        None => format!(
            "values.schema.json is not a usable schema: at '{}': {text}",
            error.instance_path()
        ),
    }
}

/// How schemas are used, Helm's and parts of them: texts that hold encoded content are not looked into.
fn options(base_uri: &str, given: Given) -> ValidationOptions<'static> {
    formats::register(jsonschema::options())
        .with_base_uri(base_uri.to_owned())
        .with_retriever(given)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .without_content_encoding_support("base64")
        .without_content_media_type_support("application/json")
}

/// Reads the text of a schema; what is no JSON is refused in the words of Go's decoder.
fn read(schema: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(schema).map_err(|error| match helmapp_gotmpl::json::decode(schema) {
        Err(_) if schema.trim_ascii().is_empty() => "EOF".to_owned(),
        Err(go) => match go.to_string() {
            text if text == "unexpected end of JSON input" => "unexpected EOF".to_owned(),
            text if text.ends_with(" after top-level value") => {
                "invalid character after top-level value".to_owned()
            }
            text => text,
        },
        Ok(_) => error.to_string(),
    })
}

/// Whole floats below this, 2 to the 63rd, are integers of 64 bits.
const MAX_WHOLE: f64 = 9_223_372_036_854_775_808.0;

/// Values with whole floats as integers: a schema's `integer` means the value, while some drafts go by the kind.
fn whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole_number(number)),
        Value::Array(items) => items.iter().map(whole_numbers).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), whole_numbers(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The JSON of merged values, with whole floats as integers.
fn whole_json(values: &Shared) -> Value {
    match values {
        Shared::Null => Value::Null,
        Shared::Bool(value) => Value::Bool(*value),
        Shared::Number(number) => Value::Number(whole_number(number)),
        Shared::Text(text) => Value::from(&**text),
        Shared::List(items) => items.iter().map(whole_json).collect(),
        Shared::Table(entries) => entries
            .iter()
            .map(|(key, value)| (key.to_string(), whole_json(value)))
            .collect(),
    }
}

fn whole_number(number: &Number) -> Number {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) if float.fract() == 0.0 && float.abs() < MAX_WHOLE => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the float is whole and small enough"
            )]
            let whole = float as i64;
            Number::from(whole)
        }
        _ => number.clone(),
    }
}
