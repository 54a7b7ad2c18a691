//! What checking values against a schema would cost, counted before it is done.
//!
//! A schema of a few lines can make a validator do 2^30 steps, by references that double at each level, or recurse
//! without end. The count goes over pairs of a subschema and a value, each once, so that it stays small itself.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::patterns::Pattern;

/// Keywords and subschemas that a check may evaluate by default, all values and schemas together.
pub const MAX_STEPS: u64 = 5_000_000;

/// How deep subschemas may be evaluated within others, references followed.
pub const MAX_DEPTH: usize = 400;

/// Pairs of a subschema and a value.
const MAX_PAIRS: usize = 1_000_000;

/// What a reference counts for whose target is in no schema of the chart: such as a draft's own schema.
const FOREIGN: u64 = 100;

/// Keywords that hold one schema for the value itself.
const SAME: &[&str] = &["not", "if", "then", "else"];
/// Keywords that hold several.
const SAME_ALL: &[&str] = &["allOf", "anyOf", "oneOf"];
const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];
/// Keywords that hold a schema for members of an object.
const MEMBERS: &[&str] = &["additionalProperties", "unevaluatedProperties", "propertyNames"];
/// Keywords that hold a pattern, or patterns as their members' names.
const PATTERNS: [&str; 2] = ["pattern", "patternProperties"];
/// Keywords that hold a schema for items of a list.
const ITEMS: &[&str] = &["items", "additionalItems", "unevaluatedItems", "contains"];

/// The steps that are left to the checks of a chart and its sub-charts.
#[derive(Debug)]
pub(super) struct Steps {
    most: u64,
    left: u64,
}

impl Steps {
    pub(super) fn new(most: u64) -> Steps {
        Steps { most, left: most }
    }

    /// Once there is too little, nothing is left to the charts that follow.
    fn spend(&mut self, steps: u64) -> Result<(), String> {
        let rest = self.left.checked_sub(steps);
        self.left = rest.unwrap_or_default();
        rest.map(drop)
            .ok_or_else(|| over(format!("takes more than {} steps", self.most), "schema steps"))
    }
}

/// Bytes of a schema's text whose reading counts as a step.
const BYTES_OF_A_STEP: u64 = 2;

/// Takes what reading a schema from its text costs from what is left.
///
/// # Errors
/// The name of the limit that it passes.
pub(super) fn spend_on_text(schema: &[u8], left: &mut Steps) -> Result<(), String> {
    left.spend(1 + schema.len() as u64 / BYTES_OF_A_STEP)
}

/// Takes what the check costs from what is left.
///
/// # Errors
/// The name of the limit that it passes.
pub(super) fn check(schema: &Value, values: &Value, left: &mut Steps) -> Result<(), String> {
    let mut counter = Counter {
        root: schema,
        named: HashMap::new(),
        known: HashMap::new(),
        patterns: Vec::new(),
    };
    counter.collect_names(schema);
    left.spend(counter.steps(schema, values, 0)?)
}

fn over(what: String, limit: &str) -> String {
    format!("values.schema.json is not a usable schema: checking the values {what} (limit {limit})")
}

struct Counter<'a> {
    root: &'a Value,
    /// Subschemas by their anchors and identifiers.
    named: HashMap<&'a str, &'a Value>,
    /// All patterns of the schema.
    patterns: Vec<Pattern>,
    /// The steps of pairs by their addresses; none while a pair is being counted.
    known: HashMap<(usize, usize), Option<u64>>,
}

impl<'a> Counter<'a> {
    fn collect_names(&mut self, schema: &'a Value) {
        match schema {
            Value::Object(keywords) => {
                for name in ["$id", "id", "$anchor", "$dynamicAnchor"] {
                    if let Some(name) = keywords.get(name).and_then(Value::as_str) {
                        self.named.insert(name.trim_end_matches('#'), schema);
                    }
                }
                for found in PATTERNS.iter().filter_map(|name| keywords.get(*name)) {
                    match found {
                        Value::String(pattern) => self.patterns.push(Pattern::of(pattern)),
                        Value::Object(members) => {
                            self.patterns
                                .extend(members.keys().map(|pattern| Pattern::of(pattern)));
                        }
                        _ => {}
                    }
                }
                keywords.values().for_each(|below| self.collect_names(below));
            }
            Value::Array(items) => items.iter().for_each(|below| self.collect_names(below)),
            _ => {}
        }
    }

    fn steps(&mut self, schema: &'a Value, value: &'a Value, depth: usize) -> Result<u64, String> {
        let Value::Object(keywords) = schema else {
            return Ok(1);
        };
        if depth > MAX_DEPTH {
            return Err(over(format!("nests deeper than {MAX_DEPTH}"), "schema depth"));
        }
        let pair = (address(schema), address(value));
        match self.known.get(&pair) {
            Some(Some(steps)) => return Ok(*steps),
            Some(None) => return Err(over("never ends".to_owned(), "schema depth")),
            None => {}
        }
        if self.known.len() >= MAX_PAIRS {
            return Err(over(format!("takes more than {MAX_PAIRS} pairs"), "schema steps"));
        }
        self.known.insert(pair, None);
        let below = self.here(keywords, value, depth + 1)?;
        let steps = below.saturating_add(own(keywords));
        self.known.insert(pair, Some(steps));
        Ok(steps)
    }

    /// The steps of the subschemas.
    fn here(
        &mut self,
        keywords: &'a Map<String, Value>,
        value: &'a Value,
        depth: usize,
    ) -> Result<u64, String> {
        let mut sum = 0u64;
        let mut add = |steps: u64| sum = sum.saturating_add(steps);
        for name in SAME.iter().filter_map(|name| keywords.get(*name)) {
            add(self.steps(name, value, depth)?);
        }
        let lists = SAME_ALL.iter().filter_map(|name| keywords.get(*name)?.as_array());
        for schema in lists.flatten() {
            add(self.steps(schema, value, depth)?);
        }
        for reference in REFERENCES.iter().filter_map(|name| keywords.get(*name)?.as_str()) {
            match self.target(reference) {
                Some(schema) => add(self.steps(schema, value, depth)?),
                None => add(FOREIGN),
            }
        }
        let maps = ["dependentSchemas", "dependencies"]
            .iter()
            .filter_map(|name| keywords.get(*name)?.as_object());
        for schema in maps.flat_map(Map::values) {
            add(self.steps(schema, value, depth)?);
        }
        match value {
            Value::Object(members) => add(self.members(keywords, members, depth)?),
            Value::Array(items) => add(self.items(keywords, items, depth)?),
            Value::String(text) => {
                if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) {
                    add(Pattern::of(pattern).steps(text));
                }
            }
            _ => {}
        }
        Ok(sum)
    }

    fn members(
        &mut self,
        keywords: &'a Map<String, Value>,
        members: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<u64, String> {
        let mut sum = 0u64;
        if let Some(properties) = keywords.get("properties").and_then(Value::as_object) {
            for (name, schema) in properties {
                if let Some(member) = members.get(name) {
                    sum = sum.saturating_add(self.steps(schema, member, depth)?);
                }
            }
        }
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let mut looked_for: Vec<Pattern> = patterns
            .into_iter()
            .flat_map(Map::keys)
            .map(|pattern| Pattern::of(pattern))
            .collect();
        if keywords.contains_key("propertyNames") {
            // Whichever of them it leads to.
            looked_for.extend(&self.patterns);
        }
        for pattern in looked_for {
            sum = members
                .keys()
                .fold(sum, |sum, name| sum.saturating_add(pattern.steps(name)));
        }
        let all = patterns
            .into_iter()
            .flat_map(Map::values)
            .chain(MEMBERS.iter().filter_map(|name| keywords.get(*name)));
        for schema in all {
            for member in members.values() {
                sum = sum.saturating_add(self.steps(schema, member, depth)?);
            }
        }
        Ok(sum)
    }

    fn items(
        &mut self,
        keywords: &'a Map<String, Value>,
        items: &'a [Value],
        depth: usize,
    ) -> Result<u64, String> {
        let mut sum = 0u64;
        for schema in ITEMS.iter().filter_map(|name| keywords.get(*name)) {
            if schema.is_array() {
                continue;
            }
            for item in items {
                sum = sum.saturating_add(self.steps(schema, item, depth)?);
            }
        }
        let tuples = ["items", "prefixItems"]
            .iter()
            .filter_map(|name| keywords.get(*name)?.as_array());
        for (schema, item) in tuples.flat_map(|schemas| schemas.iter().zip(items)) {
            sum = sum.saturating_add(self.steps(schema, item, depth)?);
        }
        Ok(sum)
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = if document.is_empty() {
            self.root
        } else {
            let same = |id: &str| {
                id == document || id.strip_suffix(document).is_some_and(|rest| rest.ends_with('/'))
            };
            self.named.iter().find(|(id, _)| same(id))?.1
        };
        match fragment {
            "" => Some(base),
            pointer if pointer.starts_with('/') => base.pointer(&decoded(pointer)),
            anchor => self.named.get(anchor).copied(),
        }
    }
}

/// The steps of a schema's keywords, without subschemas.
fn own(keywords: &Map<String, Value>) -> u64 {
    let lengths = keywords.iter().map(|(name, value)| match (name.as_str(), value) {
        ("enum" | "required", Value::Array(items)) => items.len() as u64,
        ("properties" | "patternProperties", Value::Object(members)) => members.len() as u64,
        _ => 1,
    });
    lengths.fold(1, u64::saturating_add)
}

/// A JSON pointer of a URI's fragment without its percent-encoding.
fn decoded(pointer: &str) -> String {
    let bytes = pointer.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, values: &Value) -> Result<(), String> {
        super::check(schema, values, &mut Steps::new(MAX_STEPS))
    }

    fn doubling(levels: usize) -> Value {
        let mut definitions = Map::new();
        for level in 0..levels {
            let next = json!({"$ref": format!("#/definitions/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({"allOf": [next, next]}));
        }
        definitions.insert(format!("d{levels}"), json!({"type": "object"}));
        json!({"definitions": definitions, "$ref": "#/definitions/d0"})
    }

    #[test]
    fn doubling_references_are_counted_without_following_each() {
        assert_eq!(check(&doubling(10), &json!({})), Ok(()));
        let error = check(&doubling(40), &json!({})).unwrap_err();
        assert!(
            error.ends_with("takes more than 5000000 steps (limit schema steps)"),
            "{error}"
        );
    }

    #[test]
    fn references_without_end_and_too_deep_are_found() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$id": "https://a.test/s.json", "anyOf": [{"$ref": "s.json"}]}),
            json!({"$anchor": "me", "not": {"$ref": "#me"}}),
        ] {
            let error = check(&schema, &json!({})).unwrap_err();
            assert!(error.contains("limit schema depth"), "{schema}: {error}");
        }
        // Endless only in the schema: the values end it.
        let tree = json!({"properties": {"a": {"$ref": "#"}}});
        assert_eq!(check(&tree, &json!({"a": {"a": {"a": 1}}})), Ok(()));
        let mut chain = Map::new();
        for level in 0..1000 {
            chain.insert(
                format!("d/{level}"),
                json!({"$ref": format!("#/$defs/d~1{}", level + 1)}),
            );
        }
        let error = check(&json!({"$defs": chain, "$ref": "#/%24defs/d~10"}), &json!(1)).unwrap_err();
        assert!(error.contains("nests deeper than 400"), "{error}");
    }

    #[test]
    fn patterns_count_by_their_size_and_the_text() {
        let pattern = "(?:a?b?c?){300}[^ab]";
        let schemas = [
            json!({"properties": {"text": {"pattern": pattern}}}),
            json!({"propertyNames": {"pattern": pattern}}),
            json!({"patternProperties": {pattern: {}}}),
        ];
        let long = "a".repeat(1 << 20);
        let values = [json!({"text": long}), json!({long.as_str(): 1}), json!({long: 1})];
        for (schema, values) in schemas.iter().zip(&values) {
            let error = check(schema, values).unwrap_err();
            assert!(error.contains("limit schema steps"), "{schema}: {error}");
            assert_eq!(check(schema, &json!({"text": "a.b"})), Ok(()));
        }
    }

    #[test]
    fn long_enumerations_count_for_each_item() {
        let words: Vec<String> = (0..10_000).map(|n| format!("w{n}")).collect();
        let schema = json!({"properties": {"l": {"items": {"enum": words}}}});
        assert_eq!(check(&schema, &json!({"l": vec![1; 100]})), Ok(()));
        assert!(check(&schema, &json!({"l": vec![1; 1000]})).is_err());
    }
}
