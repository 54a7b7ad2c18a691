//! Objects of kinds that only come with their own release, against the schemas of the CRDs that bring them: the server
//! can't be asked about them before the first write.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::object::Object;
use crate::schema::{Documents, Schema, Violation};

/// What a CRD of the release would refuse of an object, by the structural schema of the object's version. What no schema
/// speaks of, such as CEL rules, is left to the server.
pub fn violations<'a>(object: &Object, crds: impl IntoIterator<Item = &'a Value>) -> Vec<Violation> {
    let Some(schema) = crds.into_iter().find_map(|crd| schema_of(object, crd)) else {
        return Vec::new();
    };
    let Ok(text) = serde_json::to_vec(&whole(schema)) else {
        return Vec::new();
    };
    // A schema that can't be used here is judged by the server.
    match Schema::compile(&text, &Arc::new(Documents::new())) {
        Ok(schema) => schema.check(&without_nulls(&object.value)).1,
        Err(_) => Vec::new(),
    }
}

fn schema_of<'a>(object: &Object, crd: &'a Value) -> Option<&'a Value> {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str);
    let same = text("/kind") == Some("CustomResourceDefinition")
        && text("/spec/group") == Some(&object.id.group)
        && text("/spec/names/kind") == Some(&object.id.kind);
    let versions = crd
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .filter(|_| same)?;
    let named = |version: &&Value| version.get("name").and_then(Value::as_str) == Some(&object.version);
    versions.iter().find(named)?.pointer("/schema/openAPIV3Schema")
}

/// The schema of a whole object: the server knows the type of its metadata.
fn whole(schema: &Value) -> Value {
    let mut schema = converted(schema, true);
    if let Value::Object(schema) = &mut schema {
        with_own_fields(schema);
    }
    schema
}

fn with_own_fields(schema: &mut Map<String, Value>) {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        for field in ["apiVersion", "kind", "metadata"] {
            properties.insert(field.to_owned(), json!({}));
        }
    }
}

/// An OpenAPI v3 schema as JSON Schema. In a structural one the fields that it does not name can't be applied; the
/// schemas in `allOf`, `anyOf`, `oneOf` and `not` only restrict.
fn converted(schema: &Value, structural: bool) -> Value {
    let Value::Object(fields) = schema else {
        return schema.clone();
    };
    let is_set = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    let mut out = Map::new();
    for (name, value) in fields {
        let new = match name.as_str() {
            "properties" | "patternProperties" => each(value, |schema| converted(schema, structural)),
            "items" | "additionalProperties" => converted(value, structural),
            "not" => converted(value, false),
            "allOf" | "anyOf" | "oneOf" => {
                let schemas = value.as_array().into_iter().flatten();
                schemas.map(|schema| converted(schema, false)).collect()
            }
            "required" => required(value, fields.get("properties")),
            "exclusiveMinimum" | "exclusiveMaximum" | "minimum" | "maximum" => continue,
            "type" | "enum" | "pattern" | "minLength" | "maxLength" | "minItems" | "maxItems"
            | "minProperties" | "maxProperties" | "multipleOf" | "uniqueItems" => value.clone(),
            _ => continue,
        };
        out.insert(name.clone(), new);
    }
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        if let Some(value) = fields.get(bound) {
            let name = if is_set(exclusive) { exclusive } else { bound };
            out.insert(name.to_owned(), value.clone());
        }
    }
    if is_set("x-kubernetes-int-or-string") {
        out.insert("type".to_owned(), json!(["integer", "string"]));
    }
    let open = is_set("x-kubernetes-preserve-unknown-fields") || fields.contains_key("additionalProperties");
    if structural && fields.get("type").and_then(Value::as_str) == Some("object") && !open {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if is_set("x-kubernetes-embedded-resource") {
        with_own_fields(&mut out);
    }
    Value::Object(out)
}

fn each(value: &Value, with: impl Fn(&Value) -> Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), with(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// What has a default is never missing.
fn required(names: &Value, properties: Option<&Value>) -> Value {
    let has_default = |name: &Value| {
        let property = name.as_str().and_then(|name| properties?.get(name));
        property.is_some_and(|property| property.get("default").is_some())
    };
    let names = names.as_array().into_iter().flatten();
    names.filter(|name| !has_default(name)).cloned().collect()
}

/// Nulls are defaulted, dropped or refused by rules of the server's own.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name.clone(), without_nulls(member)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ObjectId;

    fn crd() -> Value {
        json!({
            "kind": "CustomResourceDefinition",
            "spec": {"group": "e.io", "names": {"kind": "Gear"}, "versions": [
                {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"type": "object",
                    "x-kubernetes-preserve-unknown-fields": true}}},
                {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {
                        "type": "object", "required": ["size", "mode"],
                        "properties": {
                            "size": {"type": "integer", "minimum": 0, "exclusiveMinimum": true},
                            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                            "port": {"x-kubernetes-int-or-string": true,
                                     "anyOf": [{"type": "integer"}, {"type": "string"}]},
                            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                            "note": {"type": "string", "nullable": true},
                            "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                                    "properties": {"spec": {"type": "object"}}},
                        },
                        "anyOf": [{"required": ["size"]}, {"required": ["port"]}],
                    },
                }}}},
            ]},
        })
    }

    fn found(version: &str, spec: Value) -> Vec<String> {
        let object = Object {
            id: ObjectId {
                group: "e.io".to_owned(),
                kind: "Gear".to_owned(),
                namespace: "web".to_owned(),
                name: "g".to_owned(),
            },
            version: version.to_owned(),
            value: json!({"apiVersion": format!("e.io/{version}"), "kind": "Gear", "metadata": {"name": "g"}, "spec": spec}),
            chart: String::new(),
            warnings: Vec::new(),
        };
        let violations = violations(&object, [&json!({"kind": "ConfigMap"}), &crd()]);
        violations
            .into_iter()
            .map(|found| format!("{}: {}", found.path, found.message))
            .collect()
    }

    #[test]
    fn what_the_server_would_take_is_taken() {
        for spec in [
            json!({"size": 1}),
            json!({"size": 1, "mode": null, "note": null, "port": "http", "labels": {"a": "b"}}),
            json!({"size": 1, "port": 80, "free": {"any": [1]}}),
            json!({"size": 1, "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}}}),
        ] {
            assert_eq!(found("v1", spec.clone()), Vec::<String>::new(), "{spec}");
        }
        assert_eq!(found("v1alpha1", json!("anything")), Vec::<String>::new());
        assert_eq!(
            found("v2", json!({"size": "x"})),
            Vec::<String>::new(),
            "no schema"
        );
    }

    #[test]
    fn what_the_server_would_refuse_is_told_with_its_place() {
        for (spec, place) in [
            (json!({"size": "big"}), "/spec/size: "),
            (json!({"size": 0}), "/spec/size: "),
            (json!({"mode": "a"}), "/spec: "),
            (json!({"size": 1, "mode": "c"}), "/spec/mode: "),
            (json!({"size": 1, "labels": {"a": 1}}), "/spec/labels/a: "),
            (json!({"size": 1, "colour": "red"}), "/spec: "),
            (json!({"size": 1, "port": 1.5}), "/spec/port: "),
        ] {
            let found = found("v1", spec.clone());
            assert!(
                found.iter().any(|line| line.starts_with(place)),
                "{spec}: {found:?}"
            );
        }
    }
}
