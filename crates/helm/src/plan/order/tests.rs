//! Manifests against the turns that their order gives.

use serde_json::{Value, json};

use super::*;
use crate::plan::{Document, Scope, objects};

/// An object in words: `Kind name`, and what is in its metadata and beside it.
fn object(words: &str, annotations: Value, spec: Value) -> Value {
    let (kind, name) = words.split_once(' ').unwrap();
    let api_version = match kind {
        "Deployment" | "StatefulSet" => "apps/v1",
        "Job" => "batch/v1",
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
        "Widget" => "example.com/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "ValidatingWebhookConfiguration" => "admissionregistration.k8s.io/v1",
        _ => "v1",
    };
    let mut object = json!({"apiVersion": api_version, "kind": kind,
                            "metadata": {"name": name, "annotations": annotations}});
    for (key, value) in spec.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn plain(words: &str) -> Value {
    object(words, json!({}), json!({}))
}

fn with(words: &str, annotations: Value) -> Value {
    object(words, annotations, json!({}))
}

fn built(documents: Vec<Value>) -> Vec<Object> {
    let cluster = [
        "Namespace",
        "CustomResourceDefinition",
        "ValidatingWebhookConfiguration",
    ];
    let scope = |_: &str, _: &str, kind: &str| {
        Some(if cluster.contains(&kind) {
            Scope::Cluster
        } else {
            Scope::Namespaced
        })
    };
    objects(documents, "web", scope).unwrap()
}

#[test]
fn what_was_applied_last_goes_first() {
    let wave = |words: &str, number: &str| with(words, json!({"argocd.argoproj.io/sync-wave": number}));
    let after = |words: &str| {
        with(
            words,
            json!({"werf.io/deploy-dependency-a": "state=ready,name=one"}),
        )
    };
    let table = [
        (
            vec![plain("ConfigMap a"), plain("Deployment b")],
            vec![vec![0, 1]],
        ),
        (
            vec![
                wave("ConfigMap last", "2"),
                plain("ConfigMap first"),
                wave("Deployment early", "-1"),
                wave("Deployment late", "2"),
            ],
            vec![vec![0, 3], vec![1], vec![2]],
        ),
        (
            vec![
                plain("ConfigMap one"),
                after("Deployment two"),
                plain("Secret three"),
            ],
            vec![vec![1], vec![0, 2]],
        ),
        // What has no order goes at once.
        (
            vec![wave("ConfigMap a", "soon"), wave("ConfigMap b", "1")],
            vec![vec![0, 1]],
        ),
        (vec![], vec![]),
    ];
    for (documents, expected) in table {
        // In the order of the manifest.
        let names: Vec<String> = documents
            .iter()
            .map(|document| document["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        let mut objects = built(documents);
        objects.sort_by_key(|object| names.iter().position(|name| *name == object.id.name));
        assert_eq!(removal_waves(&objects, &[]), expected, "{names:?}");
    }
}

/// What is applied, in which turns; a bar is a wait until all that was applied is ready.
fn turns_of(objects: &[Object], order: &Order) -> Vec<String> {
    let mut done = vec![false; objects.len()];
    let mut ready = vec![false; objects.len()];
    let mut turns = Vec::new();
    loop {
        match order.next(&done, |index| ready[index]) {
            Turn::Apply(found) => {
                let names: Vec<&str> = found
                    .iter()
                    .map(|index| objects[*index].id.name.as_str())
                    .collect();
                turns.push(names.join(" "));
                found.iter().for_each(|index| done[*index] = true);
            }
            Turn::Wait(found) => {
                assert!(!found.is_empty(), "waits for nothing after {turns:?}");
                assert!(found.iter().all(|index| done[*index] && !ready[*index]));
                turns.push("|".to_owned());
                found.iter().for_each(|index| ready[*index] = true);
            }
            Turn::Done => return turns,
        }
        assert!(turns.len() < 100, "{turns:?}");
    }
}

fn turns(documents: Vec<Value>) -> Vec<String> {
    let objects = built(documents);
    turns_of(&objects, &Order::of(&objects, &[]).unwrap())
}

#[test]
fn without_annotations_it_is_helms_order_and_nothing_waits() {
    let documents = vec![
        plain("ValidatingWebhookConfiguration hook"),
        plain("Widget widget"),
        plain("Deployment web"),
        plain("Service web-service"),
        plain("ConfigMap config"),
        plain("Secret secret"),
        plain("Deployment worker"),
        plain("ServiceAccount account"),
    ];
    assert_eq!(
        turns(documents.clone()),
        [
            "account",
            "config secret",
            "web-service",
            "web worker",
            "widget",
            "hook"
        ]
    );
    assert!(!Order::of(&built(documents), &[]).unwrap().waits());
    assert_eq!(turns(vec![]), Vec::<String>::new());
}

#[test]
fn weights_and_waves_wait_for_those_below_them() {
    let wave = |wave: &str| json!({"argocd.argoproj.io/sync-wave": wave});
    let documents = vec![
        with("Deployment last", wave("5")),
        plain("Deployment middle"),
        with("Job first", wave("-1")),
        with(
            "ConfigMap also-last",
            json!({"werf.io/weight": "5", "argocd.argoproj.io/sync-wave": "-7"}),
        ),
    ];
    assert_eq!(
        turns(documents),
        ["first", "|", "middle", "|", "also-last", "last"]
    );
}

#[test]
fn what_is_needed_goes_with_the_first_that_needs_it() {
    let pod = json!({"spec": {"template": {"spec": {
        "serviceAccountName": "account",
        "volumes": [{"name": "v", "configMap": {"name": "config"}}],
        "containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "secret"}}}]}],
    }}}});
    let binding = json!({"roleRef": {"kind": "Role", "name": "role"},
                         "subjects": [{"kind": "ServiceAccount", "name": "account"}]});
    let documents = vec![
        object("Job migrate", json!({"werf.io/weight": "-10"}), pod),
        plain("ConfigMap config"),
        plain("ConfigMap other"),
        plain("Secret secret"),
        plain("ServiceAccount account"),
        plain("Role role"),
        object("RoleBinding binding", json!({}), binding),
        with("Secret stays", json!({"werf.io/weight": "1"})),
        plain("Deployment web"),
    ];
    assert_eq!(
        turns(documents),
        [
            "account",
            "config secret",
            "role",
            "binding",
            "migrate",
            "|",
            "other",
            "web",
            "|",
            "stays"
        ]
    );
}

#[test]
fn a_dependency_waits_for_what_it_names_and_for_nothing_else() {
    let on = |text: &str| json!({"werf.io/deploy-dependency-db": text});
    let documents = vec![
        with("Deployment web", on("state=ready,kind=StatefulSet,name=db")),
        plain("StatefulSet db"),
        // Not ready before web is: nobody may wait for it.
        plain("Deployment proxy"),
        with("Service late", on("state=present, name=web")),
    ];
    assert_eq!(turns(documents), ["proxy", "db", "|", "web", "late"]);
    let objects = built(vec![with("Service a", on("state=ready,name=nowhere"))]);
    let order = Order::of(&objects, &[]).unwrap();
    assert_eq!(
        order.warnings,
        ["Service web/a: nothing in the release is name=nowhere, which it should wait for"]
    );
    assert_eq!(turns_of(&objects, &order), ["a"]);
}

#[test]
fn groups_wait_for_their_groups_and_the_rest_for_all_of_them() {
    let group = |group: &str, on: &str| json!({"helm.sh/resource-group": group, "helm.sh/depends-on/resource-groups": on});
    let documents = vec![
        plain("ConfigMap rest"),
        with("Deployment app", group("app", r#"["database", "queue"]"#)),
        with("StatefulSet db", json!({"helm.sh/resource-group": "database"})),
        with("Deployment queue", json!({"helm.sh/resource-group": "queue"})),
        with("ConfigMap alone", json!({"helm.sh/resource-group": "alone"})),
        with(
            "ConfigMap lost",
            json!({"helm.sh/depends-on/resource-groups": r#"["nothing"]"#}),
        ),
        with(
            "Job after",
            json!({"helm.sh/depends-on/resource-groups": r#"["app"]"#}),
        ),
    ];
    let objects = built(documents);
    let order = Order::of(&objects, &[]).unwrap();
    assert_eq!(
        turns_of(&objects, &order),
        ["queue", "db", "|", "app", "|", "rest alone lost", "after"]
    );
    assert_eq!(
        order.warnings,
        ["ConfigMap web/lost: there is no group \"nothing\", so that it comes last"]
    );
}

#[test]
fn groups_are_of_one_chart_and_sub_charts_come_first_where_chart_yaml_says_so() {
    let group = |group: &str| json!({"helm.sh/resource-group": group});
    let on = |group: &str| json!({"helm.sh/depends-on/resource-groups": format!("[{group:?}]")});
    let documents = [
        ("app/templates/a.yaml", with("ConfigMap own", json!({}))),
        ("app/templates/a.yaml", with("ConfigMap one", group("g"))),
        ("app/templates/a.yaml", with("ConfigMap two", on("g"))),
        ("app/charts/db/templates/a.yaml", with("ConfigMap db", on("g"))),
        (
            "app/charts/db/charts/deep/templates/a.yaml",
            plain("ConfigMap deep"),
        ),
        ("app/charts/free/templates/a.yaml", plain("ConfigMap free")),
    ];
    let documents = documents.map(|(source, value)| Document {
        source: source.to_owned(),
        value,
    });
    let objects = objects(documents, "web", |_, _, _| Some(Scope::Namespaced)).unwrap();
    let order = Order::of(&objects, &["db".to_owned(), "switched-off".to_owned()]).unwrap();
    assert_eq!(
        turns_of(&objects, &order),
        ["db deep free", "|", "one", "|", "own two"]
    );
    let metadata = json!({"annotations": {"helm.sh/depends-on/subcharts": r#"["db", "queue"]"#}});
    assert_eq!(subcharts_before(&metadata), ["db", "queue"]);
}

#[test]
fn kinds_and_namespaces_come_before_what_is_of_them() {
    let crd = json!({"spec": {"group": "example.com", "names": {"kind": "Widget"}}});
    let wave = || json!({"argocd.argoproj.io/sync-wave": "-1"});
    let documents = vec![
        with("Widget widget", wave()),
        object("CustomResourceDefinition widgets.example.com", json!({}), crd),
        plain("Namespace web"),
        plain("ValidatingWebhookConfiguration hook"),
        plain("Deployment app"),
    ];
    assert_eq!(
        turns(documents),
        ["web", "widgets.example.com", "widget", "|", "app", "hook"]
    );
}

#[test]
fn what_a_person_says_wins_over_what_is_guessed() {
    let pod = json!({"spec": {"template": {"spec": {
        "volumes": [{"name": "v", "configMap": {"name": "config"}}], "containers": []}}}});
    let documents = vec![
        with(
            "ConfigMap config",
            json!({"werf.io/deploy-dependency-a": "state=present,name=web"}),
        ),
        object("Deployment web", json!({}), pod.clone()),
    ];
    assert_eq!(turns(documents), ["web", "config"]);
    let documents = vec![
        with("ConfigMap config", json!({"werf.io/weight": "1"})),
        object("Deployment web", json!({}), pod),
    ];
    assert_eq!(turns(documents), ["web", "|", "config"]);
}

#[test]
fn a_circle_is_named() {
    let on = |name: &str| json!({"werf.io/deploy-dependency-x": format!("state=ready,name={name}")});
    let objects = built(vec![
        plain("ConfigMap free"),
        with("ConfigMap a", on("b")),
        with("ConfigMap b", on("c")),
        with("ConfigMap c", on("a")),
        with("ConfigMap behind", on("a")),
    ]);
    let errors = Order::of(&objects, &[]).unwrap_err();
    let [OrderError::Cycle(circle)] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    let mut names: Vec<&str> = circle.iter().map(|id| id.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    let text = errors[0].to_string();
    assert!(
        text.starts_with("these wait for each other, by their annotations: ConfigMap web/"),
        "{text}"
    );
    let group = |own: &str, on: &str| json!({"helm.sh/resource-group": own, "helm.sh/depends-on/resource-groups": format!("[{on:?}]")});
    let objects = built(vec![
        with("ConfigMap a", group("x", "y")),
        with("ConfigMap b", group("y", "x")),
    ]);
    assert!(matches!(
        Order::of(&objects, &[]).unwrap_err()[..],
        [OrderError::Cycle(_)]
    ));
}

#[test]
fn annotations_that_can_not_be_read_are_all_named() {
    let objects = built(vec![
        with("ConfigMap a", json!({"werf.io/weight": "heavy"})),
        with("ConfigMap b", json!({"argocd.argoproj.io/sync-wave": "1.5"})),
        with(
            "ConfigMap c",
            json!({"helm.sh/depends-on/resource-groups": "database"}),
        ),
        with(
            "ConfigMap d",
            json!({"werf.io/deploy-dependency-x": "state=gone,name=a"}),
        ),
        with(
            "ConfigMap e",
            json!({"werf.io/deploy-dependency-x": "state=ready"}),
        ),
        with(
            "ConfigMap f",
            json!({"werf.io/deploy-dependency-x": "state=ready,colour=red"}),
        ),
    ]);
    let errors = Order::of(&objects, &[]).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "ConfigMap web/a: annotation werf.io/weight: \"heavy\" is no whole number",
            "ConfigMap web/b: annotation argocd.argoproj.io/sync-wave: \"1.5\" is no whole number",
            "ConfigMap web/c: annotation helm.sh/depends-on/resource-groups: \"database\" is no list of names, such as [\"database\"]",
            "ConfigMap web/d: annotation werf.io/deploy-dependency-x: it needs state=ready or state=present",
            "ConfigMap web/e: annotation werf.io/deploy-dependency-x: it needs a name, a kind, or what else tells the object",
            "ConfigMap web/f: annotation werf.io/deploy-dependency-x: \"colour=red\" is none of state, name, namespace, kind, group and version",
        ]
    );
}
