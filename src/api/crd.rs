//! The CustomResourceDefinition, and its text for `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::HelmApp;

/// The CustomResourceDefinition of HelmApp.
///
/// An optional field is absent or set, never null: the API server drops nulls before it validates, so that
/// validation rules need to ask for presence only.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = HelmApp::crd();
    for version in &mut crd.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        tidy(schema);
    }
    crd
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        // The code's lines are not kubectl's.
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}

/// The CustomResourceDefinition as a YAML document, as it stands in `crds/`.
///
/// # Errors
/// None in practice: a test writes and reads the very same document.
pub fn crd_yaml() -> Result<String, helmapp_goyaml::Error> {
    let value =
        serde_json::to_value(crd()).map_err(|error| helmapp_goyaml::Error::NotJson(error.to_string()))?;
    helmapp_goyaml::sigs::from_json(&value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn schema() -> Value {
        serde_json::to_value(crd()).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    fn each<'a>(schema: &'a Value, path: String, visit: &mut impl FnMut(&str, &'a Value)) {
        visit(&path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            each(property, format!("{path}.{name}"), visit);
        }
        if schema["items"].is_object() {
            each(&schema["items"], format!("{path}[]"), visit);
        }
    }

    #[test]
    fn every_field_has_one_type_and_none_is_nullable() {
        each(&schema(), String::new(), &mut |path, field| {
            assert!(field["type"].is_string(), "{path}: {field}");
            assert_eq!(field["nullable"], Value::Null, "{path}");
            for key in ["oneOf", "anyOf", "allOf", "$ref", "const"] {
                assert_eq!(field[key], Value::Null, "{path}.{key}");
            }
        });
    }

    #[test]
    fn every_field_of_spec_is_explained_in_one_line() {
        each(
            &schema()["properties"]["spec"],
            "spec".to_owned(),
            &mut |path, field| {
                // The items of a list of texts are explained by the list.
                let is_item = path.ends_with("[]") && field["type"] == "string";
                let description = field["description"].as_str().unwrap_or_default();
                assert!(is_item || !description.is_empty(), "{path}");
                assert!(!description.contains('\n'), "{path}: {description}");
            },
        );
    }

    #[test]
    fn every_list_and_string_of_spec_has_a_maximum() {
        each(
            &schema()["properties"]["spec"],
            "spec".to_owned(),
            &mut |path, field| match field["type"].as_str() {
                Some("array") => assert!(field["maxItems"].is_u64(), "{path}"),
                Some("string") => {
                    assert!(field["maxLength"].is_u64() || field["enum"].is_array(), "{path}")
                }
                _ => {}
            },
        );
    }

    #[test]
    fn only_what_has_no_default_is_required() {
        let mut required = Vec::new();
        each(&schema(), String::new(), &mut |path, field| {
            for name in field["required"].as_array().into_iter().flatten() {
                required.push(format!("{path}.{}", name.as_str().unwrap()));
            }
        });
        required.retain(|path| !path.starts_with(".status"));
        let expected = [
            ".spec",
            ".spec.chart",
            ".spec.chart.configMap.name",
            ".spec.chart.secret.name",
            ".spec.healthCheckExprs[].apiVersion",
            ".spec.healthCheckExprs[].current",
            ".spec.test.filters[].name",
            ".spec.valuesFrom[].kind",
            ".spec.valuesFrom[].name",
        ];
        assert_eq!(required, expected);
    }

    #[test]
    fn defaults_are_in_the_schema() {
        let spec = &schema()["properties"]["spec"]["properties"];
        for (pointer, expected) in [
            ("/maxHistory/default", json!(10)),
            (
                "/install/default",
                json!({"disableHooks": false, "crds": "Create", "disableWait": false, "disableWaitForJobs": false,
                       "remediation": {"retries": 0, "strategy": "none", "remediateLastFailure": true},
                       "timeout": "5m0s"}),
            ),
            ("/driftDetection/properties/mode/default", json!("enabled")),
            ("/upgrade/properties/crds/default", json!("Skip")),
            ("/adoption/default", json!("refuse")),
            ("/install/properties/timeout/default", json!("5m0s")),
            (
                "/upgrade/properties/remediation/properties/strategy/default",
                json!("none"),
            ),
            (
                "/upgrade/properties/remediation/properties/strategy/enum",
                json!(["none", "rollback", "uninstall"]),
            ),
            (
                "/install/properties/remediation/properties/strategy/enum",
                json!(["none", "uninstall"]),
            ),
            (
                "/uninstall/properties/deletionPropagation/default",
                json!("background"),
            ),
            (
                "/chart/properties/configMap/properties/key/default",
                json!("chart.tgz"),
            ),
            (
                "/valuesFrom/items/properties/valuesKey/default",
                json!("values.yaml"),
            ),
            ("/suspend/default", json!(false)),
            ("/values/x-kubernetes-preserve-unknown-fields", json!(true)),
        ] {
            assert_eq!(spec.pointer(pointer), Some(&expected), "{pointer}");
        }
    }
}
