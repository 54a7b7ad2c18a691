//! From a list of violations to the tree that Helm prints.
//!
//! Our validator lists what is wrong with the path of keywords that led there. Helm's stops at the first wrong
//! one of `type`, `const`, `enum` and `format` in a schema, groups what is wrong in one schema, and keeps
//! `allOf` and references that hold several things as levels of their own.

use std::collections::BTreeMap;

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};

use serde_json::Value;

use super::{
    BASE_URI, Violation, draft,
    part::{self, Parts},
    wording,
};

/// The lines for these violations, and the violations that are leaves of the tree.
pub(super) fn report<'e>(
    errors: impl Iterator<Item = ValidationError<'e>>,
    values: &Value,
    parts: &Parts,
) -> (String, Vec<Violation>) {
    let looked = Looked { values, parts };
    let mut root = Schema {
        location: Some(format!("{BASE_URI}#")),
        ..Schema::default()
    };
    for error in errors {
        if is_spurious(&error, values) {
            continue;
        }
        let path = path_of(&error);
        let instance = parts.counted(None, &path, segments(error.instance_path().as_str()));
        root.add(&path, instance, &error, &looked);
    }
    let found = match root.found(&looked) {
        Some(Found {
            kind: FoundKind::Group,
            causes,
            ..
        }) => causes,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let mut lines = Vec::new();
    let mut violations = Vec::new();
    for one in &found {
        one.print(0, &mut lines, &mut violations);
    }
    (lines.join("\n"), violations)
}

/// The validator can call a property missing that is there, when it is an additional one at the same time.
fn is_spurious(error: &ValidationError<'_>, values: &Value) -> bool {
    let Kind::Required { property } = error.kind() else {
        return false;
    };
    let object = values.pointer(error.instance_path().as_str());
    property
        .as_str()
        .is_some_and(|name| object.is_some_and(|object| object.get(name).is_some()))
}

/// The keywords that led to an error. Of a name that a referenced schema finds wrong the validator tells only where that
/// schema is.
fn path_of(error: &ValidationError<'_>) -> Vec<String> {
    let path = segments(error.evaluation_path().as_str());
    let names = "propertyNames";
    if !matches!(error.kind(), Kind::PropertyNames { .. }) || path.iter().any(|keyword| keyword == names) {
        return path;
    }
    let location = error.absolute_keyword_location();
    let known = location.and_then(|location| {
        let (schema, _) = location.as_str().rsplit_once(&format!("/{names}"))?;
        let pointer = part::decoded(schema.strip_prefix(BASE_URI)?.strip_prefix('#')?);
        Some(segments(&format!("{pointer}/{names}")))
    });
    known.unwrap_or(path)
}

fn segments(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// What is checked, and by what.
struct Looked<'v> {
    values: &'v Value,
    parts: &'v Parts,
}

impl Looked<'_> {
    /// What a part of the schema finds wrong with a value that is at `instance`.
    fn found(&self, location: &str, value: &Value, instance: &[String]) -> Option<Found> {
        let validator = self.parts.validator(location)?;
        let below = Looked {
            values: value,
            parts: self.parts,
        };
        let mut schema = Schema {
            location: Some(location.to_owned()),
            ..Schema::default()
        };
        for error in validator.iter_errors(value).take(super::MAX_VIOLATIONS) {
            if is_spurious(&error, value) {
                continue;
            }
            // The path begins with the reference to the part.
            let path = segments(error.evaluation_path().as_str());
            let path = path.get(1..).unwrap_or_default();
            let place = segments(error.instance_path().as_str());
            let place = self.parts.counted(Some(location), path, place);
            schema.add(path, place, &error, &below);
        }
        let mut found = schema.found(&below)?;
        found.move_below(instance);
        Some(found)
    }
}

/// What a schema found wrong with one value.
#[derive(Default)]
struct Schema {
    /// Keywords that failed themselves.
    own: Vec<Own>,
    /// Schemas below, by the keyword and what it applies to.
    below: BTreeMap<Step, Schema>,
    /// How much of the value's path the schemas above have used up.
    instance: Vec<String>,
    /// The same by the count of the values, not that of Helm's validator.
    place: Vec<String>,
    /// The absolute location, as far as it is known.
    location: Option<String>,
}

struct Own {
    keyword: String,
    message: String,
    causes: Vec<Found>,
    instance: Vec<String>,
    /// Names that one line lists together.
    missing: Option<String>,
    /// Whether the causes stand for it.
    spread: bool,
}

/// From a schema to one below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    keyword: String,
    name: Option<String>,
}

/// Keywords that look at what no other has checked.
const UNEVALUATED: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];

impl Step {
    /// Whether it leads to a schema for the same value, which our validator takes for one that holds.
    fn is_beside(&self) -> bool {
        matches!(
            self.keyword.as_str(),
            "$ref" | "$dynamicRef" | "$recursiveRef" | "then" | "else" | "dependentSchemas"
        )
    }

    /// Where it leads from a schema at an absolute location.
    fn below(&self, location: &str, parts: &Parts) -> Option<String> {
        let here = format!("{location}/{}", self.keyword);
        let listed = || parts.at(&here).is_some_and(Value::is_array);
        let name = match self.keyword.as_str() {
            "$ref" => return parts.target(&here),
            "$dynamicRef" | "$recursiveRef" => return None,
            "properties" | "prefixItems" | "allOf" | "dependentSchemas" | "dependencies" => {
                self.name.as_deref()
            }
            "patternProperties" => self.name.as_deref().and_then(|name| name.split('\u{0}').next()),
            "items" if listed() => self.name.as_deref(),
            _ => None,
        };
        let name = name.map(|name| wording::pointer(&[name.to_owned()]));
        Some(here + &part::encoded(&name.unwrap_or_default()))
    }
}

/// A node of the tree that is printed.
struct Found {
    kind: FoundKind,
    instance: Vec<String>,
    causes: Vec<Found>,
}

enum FoundKind {
    Group,
    Reference,
    Keyword(String),
    /// What is wrong with a property's name, which has no place among the values.
    Name(String),
}

impl Schema {
    fn add(
        &mut self,
        path: &[String],
        instance: Vec<String>,
        error: &ValidationError<'_>,
        looked: &Looked<'_>,
    ) {
        if let Some((step, rest, used)) = step(path, instance.get(self.instance.len()..).unwrap_or_default())
        {
            let at = (self.instance.len() + used).min(instance.len());
            let location = || step.below(self.location.as_deref()?, looked.parts);
            let location = location();
            let below = self.below.entry(step).or_insert_with(|| Schema {
                location,
                ..Schema::default()
            });
            below.instance = instance.get(..at).unwrap_or_default().to_vec();
            let place = segments(error.instance_path().as_str());
            below.place = place.get(..at).unwrap_or_default().to_vec();
            below.add(rest, instance, error, looked);
            return;
        }
        let keyword = path.first().cloned().unwrap_or_default();
        if self.add_by_parts(&keyword, &instance, error, looked) {
            return;
        }
        let missing = match error.kind() {
            Kind::Required { property } if keyword == "required" => property.as_str().map(str::to_owned),
            _ => None,
        };
        self.own.push(Own {
            message: wording::message(error, looked.values),
            causes: branches(error, looked),
            missing,
            keyword,
            instance,
            spread: false,
        });
    }

    /// Adds what Helm's validator tells with all that is below, and ours does not: it is asked part by part.
    fn add_by_parts(
        &mut self,
        keyword: &str,
        instance: &[String],
        error: &ValidationError<'_>,
        looked: &Looked<'_>,
    ) -> bool {
        let Some(location) = error.absolute_keyword_location() else {
            return false;
        };
        let value = error.instance();
        let (message, causes, spread) = match error.kind() {
            Kind::Not { .. } => return self.add_contains(location.as_str(), instance, value, looked),
            Kind::PropertyNames { error: inner } => {
                let name = inner.instance();
                let message = wording::message(error, looked.values);
                if self.own.iter().any(|own| own.message == message) {
                    return true;
                }
                let Some((location, _)) = location.as_str().rsplit_once("/propertyNames") else {
                    return false;
                };
                let found = looked.found(&format!("{location}/propertyNames"), name, &[]);
                let causes = found.map_or_else(Vec::new, Found::flattened);
                self.own.push(Own {
                    keyword: keyword.to_owned(),
                    message,
                    causes,
                    instance: Vec::new(),
                    missing: None,
                    spread: false,
                });
                return true;
            }
            Kind::FalseSchema if keyword == "propertyNames" => {
                for (name, _) in value.as_object().into_iter().flatten() {
                    self.own.push(Own {
                        keyword: keyword.to_owned(),
                        message: wording::property_name(name),
                        causes: vec![Found {
                            kind: FoundKind::Keyword("false schema".to_owned()),
                            instance: Vec::new(),
                            causes: Vec::new(),
                        }],
                        instance: Vec::new(),
                        missing: None,
                        spread: false,
                    });
                }
                return true;
            }
            Kind::Required { .. } if matches!(keyword, "dependentRequired" | "dependencies") => {
                let Some((before, _)) = location.as_str().rsplit_once(keyword) else {
                    return false;
                };
                let Some(Value::Object(needs)) = looked.parts.at(&format!("{before}{keyword}")) else {
                    return false;
                };
                let causes = needs
                    .iter()
                    .filter_map(|(name, needed)| wording::dependent(name, needed, value))
                    .map(|message| Found {
                        kind: FoundKind::Keyword(message),
                        instance: instance.to_vec(),
                        causes: Vec::new(),
                    });
                (keyword.to_owned(), causes.collect::<Vec<_>>(), true)
            }
            Kind::UnevaluatedProperties { unexpected } => {
                let below = |name: &String| {
                    let item = value.get(name)?;
                    let at = [instance, std::slice::from_ref(name)].concat();
                    looked.found(location.as_str(), item, &at)
                };
                (
                    keyword.to_owned(),
                    unexpected.iter().filter_map(below).collect(),
                    true,
                )
            }
            Kind::UnevaluatedItems { unexpected } => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let mut left = unexpected.clone();
                let mut causes = Vec::new();
                // The items that others have checked come first.
                for (at, item) in items.iter().enumerate().rev() {
                    let text = item.to_string();
                    let Some(place) = left.iter().position(|other| *other == text) else {
                        continue;
                    };
                    left.swap_remove(place);
                    let below = [instance, &[at.to_string()]].concat();
                    causes.extend(looked.found(location.as_str(), item, &below));
                }
                causes.reverse();
                (keyword.to_owned(), causes, true)
            }
            Kind::Contains => {
                let Some((before, _)) = location.as_str().rsplit_once('/') else {
                    return false;
                };
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let (mut matched, mut causes) = (Vec::new(), Vec::new());
                for (at, item) in items.iter().enumerate() {
                    let below = [instance, &[at.to_string()]].concat();
                    match looked.found(&format!("{before}/contains"), item, &below) {
                        Some(found) => causes.push(found),
                        None => matched.push(at),
                    }
                }
                let bound = |keyword: &str| {
                    looked
                        .parts
                        .at(&format!("{before}/{keyword}"))
                        .and_then(Value::as_u64)
                };
                let (message, over) = wording::contains(&matched, bound("minContains"), bound("maxContains"));
                if over {
                    causes.clear();
                }
                (message, causes, false)
            }
            _ => return false,
        };
        if spread && causes.is_empty() || self.own.iter().any(|own| own.spread && own.message == message) {
            return spread && !causes.is_empty();
        }
        self.own.push(Own {
            keyword: keyword.to_owned(),
            message,
            causes,
            instance: instance.to_vec(),
            missing: None,
            spread,
        });
        true
    }

    /// Adds what the `contains` found wrong that a `not` at a location holds, if it holds one.
    fn add_contains(
        &mut self,
        location: &str,
        instance: &[String],
        value: &Value,
        looked: &Looked<'_>,
    ) -> bool {
        if !looked.parts.at(location).is_some_and(draft::holds_contains) {
            return false;
        }
        let contains = looked.parts.validator(&format!("{location}/anyOf/0/not"));
        let below = Looked {
            values: value,
            parts: looked.parts,
        };
        for error in contains.iter().flat_map(|contains| contains.iter_errors(value)) {
            // The path begins with the reference to the part.
            let path = segments(error.evaluation_path().as_str());
            self.add(
                path.get(1..).unwrap_or_default(),
                instance.to_vec(),
                &error,
                &below,
            );
        }
        let not = format!("{location}/anyOf/1");
        let is_met = looked.parts.at(&not).is_some()
            && looked
                .parts
                .validator(&not)
                .is_some_and(|not| not.is_valid(value));
        if is_met {
            self.own.push(Own {
                keyword: "not".to_owned(),
                message: wording::NOT.to_owned(),
                causes: Vec::new(),
                instance: instance.to_vec(),
                missing: None,
                spread: false,
            });
        }
        true
    }

    /// Has `unevaluatedItems` and `unevaluatedProperties` look at what schemas beside them have checked that found
    /// something wrong: to Helm's validator, that is not evaluated.
    fn add_unevaluated(&mut self, looked: &Looked<'_>) {
        let steps = self.below.keys().filter(|step| step.is_beside());
        let left_out: Vec<_> = steps.map(|step| (&*step.keyword, step.name.as_deref())).collect();
        let Some(location) = self.location.as_deref().filter(|_| !left_out.is_empty()) else {
            return;
        };
        let looks = |keyword: &&str| {
            let schema = looked.parts.at(location);
            schema.is_some_and(|schema| schema.get(*keyword).is_some())
        };
        if !UNEVALUATED.iter().any(looks) {
            return;
        }
        let Some(value) = looked.values.pointer(&wording::pointer(&self.place)) else {
            return;
        };
        let Some(validator) = looked.parts.validator_without(location, &left_out) else {
            return;
        };
        let instance = self.instance.clone();
        for error in validator.iter_errors(value) {
            // The path begins with the reference to the part.
            let path = segments(error.evaluation_path().as_str());
            let Some([keyword]) = path.get(1..) else { continue };
            if UNEVALUATED.contains(&keyword.as_str()) {
                self.own.retain(|own| own.keyword != *keyword);
                self.add_by_parts(keyword, &instance, &error, looked);
            }
        }
    }

    fn found(mut self, looked: &Looked<'_>) -> Option<Found> {
        for first in ["type", "const", "enum", "format"] {
            if let Some(at) = self.own.iter().position(|own| own.keyword == first) {
                let own = self.own.swap_remove(at);
                return Some(own.found());
            }
        }
        self.add_unevaluated(looked);
        let instance = self.instance.clone();
        let missing: Vec<String> = self.own.iter().filter_map(|own| own.missing.clone()).collect();
        let mut found = Vec::new();
        if !missing.is_empty() {
            self.own.retain(|own| own.missing.is_none());
            let one = Found {
                kind: FoundKind::Keyword(wording::missing(&missing)),
                instance: instance.clone(),
                causes: Vec::new(),
            };
            found.push((Turn::of("required", 1, ""), one));
        }
        for own in self.own {
            let keyword = own.keyword.clone();
            let turn = || Turn::of(&keyword, 1, "");
            if own.spread {
                found.extend(own.causes.into_iter().map(|cause| (turn(), cause)));
            } else {
                found.push((turn(), own.found()));
            }
        }
        let mut all_of = Vec::new();
        for (step, below) in self.below {
            let Some(one) = below.found(looked) else { continue };
            let one = match step.keyword.as_str() {
                "allOf" => {
                    all_of.push(one);
                    continue;
                }
                "$ref" | "$dynamicRef" | "$recursiveRef" => Found {
                    instance: instance.clone(),
                    kind: FoundKind::Reference,
                    causes: match one.kind {
                        FoundKind::Group => one.causes,
                        _ => vec![one],
                    },
                },
                _ => one,
            };
            let part = step.name.as_deref().unwrap_or_default();
            let part = part.rsplit('\u{0}').next().unwrap_or_default();
            found.push((Turn::of(&step.keyword, 0, part), one));
        }
        if !all_of.is_empty() {
            let kind = FoundKind::Keyword("'allOf' failed".to_owned());
            let one = Found {
                kind,
                instance: instance.clone(),
                causes: all_of,
            };
            found.push((Turn::of("allOf", 1, ""), one));
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut found: Vec<Found> = found.into_iter().map(|(_, one)| one).collect();
        match found.len() {
            0 => None,
            1 => found.pop(),
            _ => Some(Found {
                kind: FoundKind::Group,
                instance,
                causes: found,
            }),
        }
    }
}

/// When Helm's validator comes to something: the keyword's turn, whether it is the keyword's own failure, and the
/// part of the value; parts of objects, which it takes in no order, go by their names.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn(usize, u8, Option<u64>, String);

/// Keywords in the order in which Helm's validator checks them; those of a line at once, part by part.
const TURNS: [&[&str]; 35] = [
    &["$ref"],
    &["minProperties"],
    &["maxProperties"],
    &["required"],
    &["dependencies"],
    &["properties", "patternProperties", "additionalProperties"],
    &["propertyNames"],
    &["dependentSchemas"],
    &["dependentRequired"],
    &["minItems"],
    &["maxItems"],
    &["uniqueItems"],
    &["prefixItems", "items", "additionalItems"],
    &["contains", "minContains"],
    &["maxContains"],
    &["minLength"],
    &["maxLength"],
    &["pattern"],
    &["contentEncoding"],
    &["contentMediaType"],
    &["contentSchema"],
    &["minimum"],
    &["maximum"],
    &["exclusiveMinimum"],
    &["exclusiveMaximum"],
    &["multipleOf"],
    &["$recursiveRef"],
    &["$dynamicRef"],
    &["not"],
    &["allOf"],
    &["anyOf"],
    &["oneOf"],
    &["if", "then", "else"],
    &["unevaluatedProperties"],
    &["unevaluatedItems"],
];

impl Turn {
    fn of(keyword: &str, own: u8, part: &str) -> Turn {
        let turn = TURNS.iter().position(|names| names.contains(&keyword));
        Turn(
            turn.unwrap_or(TURNS.len()),
            own,
            part.parse().ok(),
            part.to_owned(),
        )
    }
}

impl Own {
    fn found(self) -> Found {
        let kind = if self.keyword == "propertyNames" {
            FoundKind::Name
        } else {
            FoundKind::Keyword
        };
        Found {
            kind: kind(self.message),
            instance: self.instance,
            causes: self.causes,
        }
    }
}

impl Found {
    /// The things found, without the level that only holds them together.
    fn flattened(self) -> Vec<Found> {
        match self.kind {
            FoundKind::Group => self.causes,
            _ => vec![self],
        }
    }

    /// Puts a place before all places.
    fn move_below(&mut self, place: &[String]) {
        if matches!(self.kind, FoundKind::Name(_)) {
            return;
        }
        self.instance = [place, &self.instance].concat();
        for cause in &mut self.causes {
            cause.move_below(place);
        }
    }

    fn print(&self, indent: usize, lines: &mut Vec<String>, violations: &mut Vec<Violation>) {
        let skipped = matches!(self.kind, FoundKind::Reference) && self.causes.len() == 1;
        let mut below = indent;
        if !skipped {
            let path = wording::pointer(&self.instance);
            let message = match &self.kind {
                FoundKind::Keyword(message) | FoundKind::Name(message) => message,
                FoundKind::Group | FoundKind::Reference => "validation failed",
            };
            lines.push(format!(
                "{}- at {}: {message}",
                "  ".repeat(indent),
                wording::quote(&path)
            ));
            if self.causes.is_empty() {
                violations.push(Violation {
                    chart: String::new(),
                    path,
                    message: message.to_owned(),
                });
            }
            below += 1;
        }
        for cause in &self.causes {
            cause.print(below, lines, violations);
        }
    }
}

/// What each of the alternatives of `anyOf` and `oneOf` found wrong.
fn branches(error: &ValidationError<'_>, looked: &Looked<'_>) -> Vec<Found> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else {
        return Vec::new();
    };
    let path = segments(error.evaluation_path().as_str());
    let at = path.len();
    let place = segments(error.instance_path().as_str());
    let instance = looked.parts.counted(None, &path, place.clone());
    let keyword = error
        .absolute_keyword_location()
        .map(|location| location.as_str());
    let alternatives = context.iter().enumerate().map(|(number, errors)| {
        let mut schema = Schema {
            instance: instance.clone(),
            place: place.clone(),
            location: keyword.map(|keyword| format!("{keyword}/{number}")),
            ..Schema::default()
        };
        for error in errors.iter().filter(|error| !is_spurious(error, looked.values)) {
            let path = path_of(error);
            let instance = segments(error.instance_path().as_str());
            let instance = looked.parts.counted(None, &path, instance);
            // The alternative's number comes after the keyword.
            let path = path.get(at + 1..).unwrap_or_default().to_vec();
            schema.add(&path, instance, error, looked);
        }
        schema.found(looked)
    });
    alternatives.flatten().collect()
}

/// The schema below that a path of keywords goes on to, the rest of the path, and how many parts of the value's
/// path that takes. Nothing where the path ends with a keyword's own failure.
fn step<'p>(path: &'p [String], instance: &[String]) -> Option<(Step, &'p [String], usize)> {
    let (keyword, rest) = path.split_first()?;
    let single = |used: usize| {
        (!rest.is_empty()).then(|| {
            (
                Step {
                    keyword: keyword.clone(),
                    name: None,
                },
                rest,
                used,
            )
        })
    };
    let named = |used: usize| {
        let (name, rest) = rest.split_first()?;
        Some((
            Step {
                keyword: keyword.clone(),
                name: Some(name.clone()),
            },
            rest,
            used,
        ))
    };
    match keyword.as_str() {
        "properties" => named(1),
        "patternProperties" => {
            let (mut step, rest, used) = named(1)?;
            step.name = step.name.map(|name| format!("{name}\u{0}{}", first(instance)));
            Some((step, rest, used))
        }
        "prefixItems" => named(1),
        "items"
            if rest
                .first()
                .is_some_and(|next| next.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            named(1)
        }
        "items"
        | "additionalItems"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "unevaluatedItems" => {
            let (mut step, rest, used) = single(1)?;
            step.name = Some(first(instance));
            Some((step, rest, used))
        }
        "allOf" => named(0),
        "dependentSchemas" | "dependencies" if rest.len() > 1 => named(0),
        "$ref" | "$dynamicRef" | "$recursiveRef" | "then" | "else" => single(0),
        _ => None,
    }
}

fn first(instance: &[String]) -> String {
    instance.first().cloned().unwrap_or_default()
}
