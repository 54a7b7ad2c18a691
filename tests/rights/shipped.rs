//! What is shipped: the two ways to install the operator give it the same rights and the same pod, and what the
//! chart's values change.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::install;

const POD: &str = "/spec/template/spec";

fn by_name(objects: Vec<Value>) -> BTreeMap<(String, String), Value> {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    objects
        .into_iter()
        .map(|object| ((text(&object, "/kind"), text(&object, "/metadata/name")), object))
        .collect()
}

fn deployment(objects: Vec<Value>) -> Value {
    by_name(objects)
        .remove(&("Deployment".to_owned(), "helmapp".to_owned()))
        .unwrap()
}

fn variables(deployment: &Value) -> BTreeMap<String, Value> {
    let all = deployment
        .pointer("/spec/template/spec/containers/0/env")
        .unwrap();
    let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
    all.as_array()
        .unwrap()
        .iter()
        .map(|one| (name(one), one.clone()))
        .collect()
}

#[test]
fn the_chart_and_the_kustomization_give_the_same_rights() {
    let (base, chart) = (by_name(install::objects()), by_name(install::chart_objects(&[])));
    assert_eq!(base.keys().collect::<Vec<_>>(), chart.keys().collect::<Vec<_>>());
    for (name, object) in &base {
        for part in ["rules", "roleRef", "subjects", "aggregationRule"] {
            assert_eq!(object[part], chart[name][part], "{part} of {name:?}");
        }
    }
}

#[test]
fn the_chart_and_the_kustomization_run_the_same_pod() {
    let (base, chart) = (
        deployment(install::objects()),
        deployment(install::chart_objects(&[])),
    );
    for part in [
        "serviceAccountName",
        "securityContext",
        "terminationGracePeriodSeconds",
    ] {
        let pointer = format!("{POD}/{part}");
        assert_eq!(base.pointer(&pointer), chart.pointer(&pointer), "{part}");
    }
    for part in [
        "args",
        "ports",
        "livenessProbe",
        "readinessProbe",
        "resources",
        "securityContext",
    ] {
        let pointer = format!("{POD}/containers/0/{part}");
        assert_eq!(base.pointer(&pointer), chart.pointer(&pointer), "{part}");
    }
    let chart = variables(&chart);
    for (name, variable) in variables(&base) {
        assert_eq!(Some(&variable), chart.get(&name), "{name}");
    }
}

#[test]
fn values_of_the_chart_come_through() {
    let objects = install::chart_objects(&[
        "clusterAdmin=true",
        "defaultServiceAccount=",
        "chartDirs={/charts,/more}",
        "image.repository=registry.example.com/helmapp,image.tag=v1",
        "watch[0].apiGroups={cert-manager.io},watch[0].resources={certificates}",
        "extraArgs={--workers=4}",
        "replicas=2",
        "templateFunctions=helm4",
    ]);
    let named = by_name(objects.clone());
    let of = |kind: &str, name: &str| &named[&(kind.to_owned(), name.to_owned())];
    assert_eq!(
        of("ClusterRoleBinding", "helmapp-admin")["roleRef"]["name"],
        "cluster-admin"
    );
    let watch = of("ClusterRole", "helmapp-watch-more");
    assert_eq!(
        watch["metadata"]["labels"]["helmapp.io/aggregate-to-operator"],
        "true"
    );
    assert_eq!(
        watch["rules"],
        json!([{"apiGroups": ["cert-manager.io"], "resources": ["certificates"], "verbs": ["list", "watch"]}])
    );
    let deployment = deployment(objects);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/helmapp:v1");
    assert_eq!(container["args"], json!(["run", "--workers=4"]));
    assert_eq!(deployment["spec"]["replicas"], 2);
    let variables = variables(&deployment);
    assert_eq!(variables["HELMAPP_CHART_DIR"]["value"], "/charts:/more");
    assert_eq!(variables["HELMAPP_DEFAULT_SERVICE_ACCOUNT"]["value"], "");
    assert_eq!(variables["HELMAPP_TEMPLATE_FUNCTIONS"]["value"], "helm4");
}
