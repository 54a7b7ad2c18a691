//! docs/helmapp.md: every field of the CRD.

use serde_json::Value;

use crate::{code, parts_as_committed, row};

#[test]
fn every_field_of_the_crd_is_explained() {
    let crd = serde_json::to_value(helmapp::api::crd()).expect("a document");
    let schema = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties")
        .expect("a schema");
    let part = |name: &'static str| {
        let mut rows = row(&["field", "type", "default", "meaning"]);
        rows.push_str("|---|---|---|---|\n");
        let schema = schema.get(name).unwrap_or_else(|| panic!("no {name}"));
        fields("", schema, &mut rows);
        (name, rows)
    };
    parts_as_committed("docs/helmapp.md", &[part("spec"), part("status")]);
}

/// The fields below a schema, parents before children.
fn fields(path: &str, schema: &Value, rows: &mut String) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in properties.into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|required| required.iter().any(|one| one == name));
        let default = match field.get("default") {
            Some(Value::Object(_)) | None if required => "(required)".to_owned(),
            Some(Value::Object(_)) | None => String::new(),
            Some(default) => code(&default.to_string()),
        };
        let meaning = field
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        rows.push_str(&row(&[&code(&path), &kind(field), &default, meaning]));
        match field.get("items") {
            Some(items) => fields(&format!("{path}[]"), items, rows),
            None => fields(&path, field, rows),
        }
    }
}

fn kind(field: &Value) -> String {
    let text = |key: &str| field.get(key).and_then(Value::as_str);
    if let Some(words) = field.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(code).collect();
        return words.join(", ");
    }
    match (text("type"), field.get("items")) {
        (Some("array"), Some(items)) => format!("list of {}", kind(items)),
        (Some("string"), _) if text("format") == Some("date-time") => "time".to_owned(),
        (Some(kind), _) => kind.to_owned(),
        (None, _) => String::new(),
    }
}
