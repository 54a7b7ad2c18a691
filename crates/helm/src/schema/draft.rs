//! Drafts: what Helm's validator makes of a schema besides what its draft says, and what a draft finds wrong with a
//! schema itself.

use std::sync::Arc;

use jsonschema::{draft4, draft6, draft7, draft201909, draft202012};
use serde_json::{Map, Value, json};

use super::{Documents, Parts, report};

/// Keywords that hold data, not schemas.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// What others may refer to, or what says where a schema is.
const KEPT: [&str; 6] = ["$schema", "$id", "id", "definitions", "$defs", "$comment"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draft {
    Four,
    Six,
    Seven,
    Later,
}

impl Draft {
    fn of(schema: &Value) -> Self {
        let uri = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let is = |draft: &str| uri.contains(draft);
        match () {
            () if is("/draft-04/") => Draft::Four,
            () if is("/draft-06/") => Draft::Six,
            () if is("/draft-07/") => Draft::Seven,
            () => Draft::Later,
        }
    }
}

/// Keywords whose members are schemas by names.
const NAMED: [&str; 6] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "definitions",
    "$defs",
];

/// Keywords of `contains`.
const CONTAINS: [&str; 3] = ["contains", "minContains", "maxContains"];

/// What says that a `not` holds a `contains`, first among what must not be.
const HOLDS_CONTAINS: &str = "contains, which evaluates nothing";

/// A schema in which `const` counts beside a `$ref`, where drafts 6 and 7 know nothing beside it: Helm's validator looks
/// at that first. In draft 2019-09, what `contains` finds is not evaluated by that.
pub(super) fn as_helm_reads(schema: Value) -> Value {
    if evaluates_nothing_by_contains(&schema) {
        return with_contains_apart(schema);
    }
    match Draft::of(&schema) {
        Draft::Four | Draft::Later => schema,
        draft => with_siblings(schema, draft),
    }
}

fn with_siblings(schema: Value, draft: Draft) -> Value {
    let mut members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => {
            return items.into_iter().map(|item| with_siblings(item, draft)).collect();
        }
        other => return other,
    };
    for (keyword, below) in &mut members {
        if !DATA.contains(&keyword.as_str()) {
            *below = with_siblings(below.take(), draft);
        }
    }
    match members.get("$ref") {
        Some(Value::String(reference)) if members.contains_key("const") => {
            let reference = json!({ "$ref": reference });
            let mut apart: Map<String, Value> = members
                .into_iter()
                .filter(|(keyword, _)| keyword == "const" || KEPT.contains(&keyword.as_str()))
                .collect();
            if draft == Draft::Seven {
                apart.insert("if".to_owned(), Value::Bool(true));
                apart.insert("then".to_owned(), reference);
            } else {
                apart.insert("allOf".to_owned(), json!([reference]));
            }
            Value::Object(apart)
        }
        _ => Value::Object(members),
    }
}

/// Whether our validator, which takes what `contains` finds for evaluated in draft 2019-09 as in the later one, would
/// find something else than Helm's.
pub(super) fn evaluates_nothing_by_contains(schema: &Value) -> bool {
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    draft.contains("/2019-09/")
        && mentions(schema, "contains", &|_| true)
        && mentions(schema, "unevaluatedItems", &|_| true)
        && !mentions(schema, "$ref", &|reference| {
            reference.as_str().is_some_and(|text| text.contains("contains"))
        })
}

/// Whether a keyword stands anywhere in a schema, with such a value.
fn mentions(schema: &Value, keyword: &str, such: &dyn Fn(&Value) -> bool) -> bool {
    match schema {
        Value::Object(members) => members
            .iter()
            .any(|(name, below)| name == keyword && such(below) || mentions(below, keyword, such)),
        Value::Array(items) => items.iter().any(|item| mentions(item, keyword, such)),
        _ => false,
    }
}

/// A schema in which each `contains` is behind two `not`, from where it evaluates nothing.
fn with_contains_apart(schema: Value) -> Value {
    let mut members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => return items.into_iter().map(with_contains_apart).collect(),
        other => return other,
    };
    for (keyword, below) in &mut members {
        match below {
            Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                for (_, schema) in named {
                    *schema = with_contains_apart(schema.take());
                }
            }
            below if !DATA.contains(&keyword.as_str()) => *below = with_contains_apart(below.take()),
            _ => {}
        }
    }
    if members.contains_key("contains") {
        let own = CONTAINS
            .iter()
            .filter_map(|keyword| members.remove_entry(*keyword));
        let own: Map<String, Value> = own.collect();
        let mut wrong = vec![json!({ "not": own })];
        wrong.extend(members.remove("not"));
        members.insert(
            "not".to_owned(),
            json!({ "$comment": HOLDS_CONTAINS, "anyOf": wrong }),
        );
    }
    Value::Object(members)
}

/// Whether what stands at `not` holds the `contains` of the schema around it, at `/anyOf/0/not`, before what the schema
/// itself says must not be, at `/anyOf/1`.
pub(super) fn holds_contains(not: &Value) -> bool {
    not.get("$comment").and_then(Value::as_str) == Some(HOLDS_CONTAINS)
}

/// What the draft of a schema finds wrong with it, as Helm says it; nothing for what is a schema.
pub(super) fn violations(schema: &Value) -> Option<String> {
    let uri = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let (meta, location) = match Draft::of(schema) {
        Draft::Four => (
            draft4::meta::validator(),
            "http://json-schema.org/draft-04/schema#",
        ),
        Draft::Six => (
            draft6::meta::validator(),
            "http://json-schema.org/draft-06/schema#",
        ),
        Draft::Seven => (
            draft7::meta::validator(),
            "http://json-schema.org/draft-07/schema#",
        ),
        Draft::Later if uri.contains("/2019-09/") => (
            draft201909::meta::validator(),
            "https://json-schema.org/draft/2019-09/schema#",
        ),
        Draft::Later => (
            draft202012::meta::validator(),
            "https://json-schema.org/draft/2020-12/schema#",
        ),
    };
    let parts = Parts::new(Value::Null, &Arc::new(Documents::new()));
    let (lines, _) = report::report(meta.iter_errors(schema), schema, &parts);
    (!lines.is_empty()).then(|| {
        format!(
            "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with \
             '{location}'\n{lines}"
        )
    })
}
