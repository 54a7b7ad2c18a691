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

/// A schema in which `const` counts beside a `$ref`, where drafts 6 and 7 know nothing beside it: Helm's validator looks
/// at that first.
pub(super) fn as_helm_reads(schema: Value) -> Value {
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
