//! The chart and the kustomization install the operator with the same rights.

use std::collections::BTreeMap;

use helmapp_goyaml::sigs::{self, Numbers};
use helmapp_helm::manifest::split_documents;
use serde_json::{Value, json};

use crate::install::{NAMESPACE, objects};
use crate::output;

/// The objects that say who may do what: by kind and name, without what only one of the two has (labels of Helm).
fn rights(objects: Vec<Value>) -> BTreeMap<String, Value> {
    const KINDS: [&str; 5] = [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    ];
    objects
        .into_iter()
        .filter(|object| KINDS.iter().any(|kind| object["kind"] == *kind))
        .map(|object| {
            let metadata = &object["metadata"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!("{} {}", text(&object["kind"]), text(&metadata["name"]));
            let aggregated = metadata["labels"]["helmapp.io/aggregate-to-operator"].clone();
            let said = json!({
                "namespace": metadata["namespace"],
                "aggregated": aggregated,
                "aggregates": object["aggregationRule"],
                "rules": object["rules"],
                "roleRef": object["roleRef"],
                "subjects": object["subjects"],
            });
            (name, said)
        })
        .collect()
}

fn rendered(arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["template", "helmapp", "charts/helmapp", "-n", NAMESPACE];
    all.extend(arguments);
    let text = output(env!("CARGO_BIN_EXE_helmapp"), &all);
    split_documents(&text)
        .map(|document| sigs::to_json(document, Numbers::Exact).expect("YAML"))
        .filter(|object| !object.is_null())
        .collect()
}

#[test]
fn the_chart_and_the_kustomization_give_the_same_rights() {
    let chart = rights(rendered(&[]));
    let kustomization = rights(objects());
    let (names, others): (Vec<_>, Vec<_>) = (chart.keys().collect(), kustomization.keys().collect());
    assert_eq!(names, others);
    assert!(names.len() >= 8, "{names:?}");
    for (name, said) in &chart {
        assert_eq!(Some(said), kustomization.get(name), "{name}");
    }
}

#[test]
fn more_rights_come_only_when_they_are_asked_for() {
    let plain = rights(rendered(&[]));
    let admin = rights(rendered(&["--set", "clusterAdmin=true"]));
    let more: Vec<_> = admin.keys().filter(|name| !plain.contains_key(*name)).collect();
    assert_eq!(more, ["ClusterRoleBinding helmapp-admin"]);
}
