//! Tables of revisions and answers against the plans they must give.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;

fn scope(group: &str, version: &str, kind: &str) -> Option<Scope> {
    match (group, version, kind) {
        ("", "v1", "Namespace") | ("rbac.authorization.k8s.io", "v1", "ClusterRole") => Some(Scope::Cluster),
        ("apps", "v1", "Deployment") | ("", "v1", _) => Some(Scope::Namespaced),
        ("policy", "v1" | "v1beta1", "PodDisruptionBudget") | ("example.com", "v1", "Widget") => {
            Some(Scope::Namespaced)
        }
        _ => None,
    }
}

fn config_map(name: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": data}})
}

fn build(documents: Vec<Value>) -> Vec<Object> {
    objects(documents, "web", scope).unwrap()
}

fn owner() -> Owner {
    Owner {
        release: "demo".into(),
        namespace: "web".into(),
        app: Some(("apps".into(), "demo".into())),
    }
}

struct Case {
    last: Vec<Object>,
    left: Vec<Object>,
    new: Vec<Object>,
    dirty: Vec<&'static str>,
    last_applied: bool,
    answers: Vec<(&'static str, Answer)>,
    coming_kinds: BTreeSet<(String, String)>,
    coming_namespaces: BTreeSet<String>,
    rules: Rules<'static>,
}

impl Case {
    fn new(last: Vec<Value>, new: Vec<Value>) -> Self {
        Self {
            last: build(last),
            left: Vec::new(),
            new: build(new),
            dirty: Vec::new(),
            last_applied: true,
            answers: Vec::new(),
            coming_kinds: BTreeSet::new(),
            coming_namespaces: BTreeSet::new(),
            rules: Rules::default(),
        }
    }

    fn answer(mut self, name: &'static str, answer: Answer) -> Self {
        self.answers.push((name, answer));
        self
    }

    fn find(&self, name: &str) -> ObjectId {
        let mut all = self.new.iter().chain(&self.last).chain(&self.left);
        all.find(|object| object.id.name == name).unwrap().id.clone()
    }

    fn draft<T>(&self, read: impl FnOnce(&Draft<'_>) -> T) -> T {
        let dirty = self.dirty.iter().map(|name| self.find(name)).collect();
        let inputs = Inputs {
            last: &self.last,
            left: &self.left,
            new: &self.new,
            dirty: &dirty,
            last_applied: self.last_applied,
            coming_kinds: &self.coming_kinds,
            coming_namespaces: &self.coming_namespaces,
        };
        read(&draft(&inputs))
    }

    fn dry_runs(&self) -> Vec<String> {
        self.draft(|draft| draft.dry_runs().map(|object| object.id.name.clone()).collect())
    }

    fn decide(&self) -> Result<Vec<(String, Action)>, Refused> {
        let answers: BTreeMap<_, _> = self
            .answers
            .iter()
            .map(|(name, answer)| (self.find(name), answer.clone()))
            .collect();
        self.draft(|draft| {
            let plan = decide(draft, &answers, &self.rules)?;
            Ok(plan
                .operations
                .into_iter()
                .map(|op| (op.object.id.name.clone(), op.action))
                .collect())
        })
    }
}

fn ours(uid: &str) -> Answer {
    Answer::Present {
        uid: uid.into(),
        ownership: Ownership::Ours,
        conflicts: Vec::new(),
    }
}

fn unowned() -> Answer {
    Answer::Present {
        uid: "u".into(),
        ownership: Ownership::Unowned,
        conflicts: Vec::new(),
    }
}

fn another() -> Answer {
    let ownership = Ownership::Another {
        release: "blog".into(),
        namespace: "prod".into(),
    };
    Answer::Present {
        uid: "u".into(),
        ownership,
        conflicts: Vec::new(),
    }
}

fn plan(expected: &[(&str, Action)]) -> Vec<(String, Action)> {
    expected
        .iter()
        .map(|(name, action)| ((*name).to_owned(), action.clone()))
        .collect()
}

#[test]
fn install_creates_in_order() {
    let case = Case::new(vec![], vec![config_map("b", "1"), config_map("a", "1")])
        .answer("a", Answer::Absent)
        .answer("b", Answer::Absent);
    assert_eq!(case.dry_runs(), ["b", "a"]);
    assert_eq!(
        case.decide().unwrap(),
        plan(&[("b", Action::Create), ("a", Action::Create)])
    );
}

#[test]
fn upgrade_touches_only_what_changed() {
    let case = Case::new(
        vec![
            config_map("same", "1"),
            config_map("changed", "1"),
            config_map("x", "1"),
            config_map("y", "1"),
        ],
        vec![
            config_map("same", "1"),
            config_map("changed", "2"),
            config_map("added", "1"),
        ],
    )
    .answer("changed", ours("u1"))
    .answer("added", Answer::Absent);
    assert_eq!(case.dry_runs(), ["changed", "added"]);
    let expected = plan(&[
        ("same", Action::Keep),
        ("changed", Action::Apply { uid: "u1".into() }),
        ("added", Action::Create),
        ("y", Action::Delete),
        ("x", Action::Delete),
    ]);
    assert_eq!(case.decide().unwrap(), expected);
}

#[test]
fn equal_revisions_need_nothing() {
    let case = Case::new(vec![config_map("a", "1")], vec![config_map("a", "1")]);
    assert!(case.draft(|draft| draft.is_empty()));
    assert_eq!(case.decide().unwrap(), plan(&[("a", Action::Keep)]));
}

#[test]
fn dirty_objects_and_unfinished_revisions_are_checked_again() {
    let mut case = Case::new(
        vec![config_map("a", "1"), config_map("b", "1")],
        vec![config_map("a", "1"), config_map("b", "1")],
    );
    case.dirty = vec!["b"];
    assert_eq!(case.dry_runs(), ["b"]);
    case.dirty = vec![];
    case.last_applied = false;
    assert_eq!(case.dry_runs(), ["a", "b"]);
}

#[test]
fn a_new_api_version_is_the_same_object() {
    let budget = |version: &str| json!({"apiVersion": format!("policy/{version}"), "kind": "PodDisruptionBudget", "metadata": {"name": "p"}});
    let case = Case::new(vec![budget("v1beta1")], vec![budget("v1")]).answer("p", ours("u"));
    assert_eq!(case.dry_runs(), ["p"]);
    assert_eq!(
        case.decide().unwrap(),
        plan(&[("p", Action::Apply { uid: "u".into() })])
    );
}

#[test]
fn keep_policy_leaves_objects_behind() {
    for (policy, action) in [
        ("keep", Action::LeaveBehind),
        (" Keep ", Action::LeaveBehind),
        ("delete", Action::Delete),
        ("", Action::Delete),
    ] {
        let mut kept = config_map("k", "1");
        kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": policy});
        let case = Case::new(vec![kept], vec![]);
        assert_eq!(
            case.decide().unwrap(),
            plan(&[("k", action)]),
            "policy {policy:?}"
        );
    }
}

#[test]
fn what_revisions_in_between_left_goes_but_is_not_taken_over() {
    let mut case = Case::new(
        vec![config_map("a", "1"), config_map("b", "1")],
        vec![config_map("a", "1"), config_map("c", "1")],
    )
    .answer("c", unowned());
    case.left = build(vec![
        config_map("b", "2"),
        config_map("c", "2"),
        config_map("d", "2"),
    ]);
    let refused = case.decide().unwrap_err();
    assert_eq!(refused.reason(), RefusalReason::NotOwned);
    case.answers.clear();
    let case = case.answer("c", ours("u"));
    let expected = plan(&[
        ("a", Action::Keep),
        ("c", Action::Adopt { uid: "u".into() }),
        ("b", Action::Delete),
        ("d", Action::Delete),
    ]);
    assert_eq!(case.decide().unwrap(), expected);
}

#[test]
fn ownership_decides_between_apply_adopt_and_refuse() {
    let apply = Ok(Action::Apply { uid: "u".into() });
    let adopt = Ok(Action::Adopt { uid: "u".into() });
    let table = [
        (true, ours("u"), apply.clone()),
        (false, ours("u"), adopt),
        (true, unowned(), apply),
        (false, unowned(), Err(RefusalReason::NotOwned)),
        (true, another(), Err(RefusalReason::OwnedByAnother)),
        (false, another(), Err(RefusalReason::OwnedByAnother)),
        (true, Answer::Absent, Ok(Action::Create)),
        (false, Answer::Absent, Ok(Action::Create)),
    ];
    for (known, answer, expected) in table {
        let last = if known { vec![config_map("a", "1")] } else { vec![] };
        let case = Case::new(last, vec![config_map("a", "2")]).answer("a", answer.clone());
        let got = case
            .decide()
            .map(|plan| plan[0].1.clone())
            .map_err(|refused| refused.reason());
        assert_eq!(got, expected, "known {known}, {answer:?}");
    }
}

#[test]
fn every_refusal_is_reported_and_nothing_is_planned() {
    let message = "m".to_owned();
    let case = Case::new(
        vec![config_map("a", "1")],
        ["a", "b", "c", "d", "e", "f"]
            .map(|name| config_map(name, "2"))
            .to_vec(),
    )
    .answer(
        "a",
        Answer::Immutable {
            fields: vec!["spec.selector".into()],
            message: message.clone(),
            live: None,
        },
    )
    .answer(
        "b",
        Answer::Invalid {
            message: message.clone(),
        },
    )
    .answer(
        "c",
        Answer::Missing {
            message: message.clone(),
        },
    )
    .answer("d", another())
    .answer("e", Answer::Absent)
    .answer("f", Answer::Forbidden { message });
    let refused = case.decide().unwrap_err();
    let reasons: Vec<_> = refused
        .0
        .iter()
        .map(|refusal| (refusal.id.name.as_str(), refusal.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            ("a", RefusalReason::ImmutableField),
            ("b", RefusalReason::Invalid),
            ("c", RefusalReason::Missing),
            ("d", RefusalReason::OwnedByAnother),
            ("f", RefusalReason::Forbidden),
        ]
    );
    assert_eq!(refused.reason(), RefusalReason::Forbidden);
    let text = refused.to_string();
    assert!(
        text.starts_with("ConfigMap web/a: spec.selector can't be changed"),
        "{text}"
    );
    assert!(
        text.contains("ConfigMap web/d: belongs to release prod/blog"),
        "{text}"
    );
}

#[test]
fn kinds_and_namespaces_of_the_same_plan_are_checked_later() {
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
    let mut inside = config_map("inside", "1");
    inside["metadata"]["namespace"] = json!("fresh");
    let mut case = Case::new(vec![], vec![config_map("a", "1"), widget, inside]);
    case.coming_kinds = BTreeSet::from([("example.com".into(), "Widget".into())]);
    case.coming_namespaces = BTreeSet::from(["fresh".into()]);
    assert_eq!(case.dry_runs(), ["a"]);
    let case = case.answer("a", Answer::Absent);
    let expected = plan(&[
        ("a", Action::Create),
        ("w", Action::CheckAndApply),
        ("inside", Action::CheckAndApply),
    ]);
    assert_eq!(case.decide().unwrap(), expected);
}

#[test]
fn namespaces_follow_the_scope_of_the_kind() {
    let built = build(vec![
        config_map("a", "1"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "other"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "c", "namespace": "web"}}),
    ]);
    let ids: Vec<_> = built.iter().map(|object| object.id.to_string()).collect();
    assert_eq!(
        ids,
        [
            "ConfigMap web/a",
            "ConfigMap other/b",
            "ClusterRole.rbac.authorization.k8s.io c"
        ]
    );
    assert_eq!(built[0].value["metadata"]["namespace"], "web");
    assert_eq!(built[2].value["metadata"].get("namespace"), None);
    assert_eq!(built[2].api_version(), "rbac.authorization.k8s.io/v1");
}

#[test]
fn lists_are_flattened_and_the_later_duplicate_stays() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        config_map("a", "1"),
        {"apiVersion": "v1", "kind": "ConfigMapList", "items": [config_map("b", "1")]},
    ]});
    let built = build(vec![list, config_map("a", "2")]);
    let names: Vec<_> = built.iter().map(|object| object.id.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(built[1].value["data"]["k"], "2");
    assert_eq!(
        built[1].warnings,
        ["ConfigMap web/a is 2 times in the manifest: the last one counts"]
    );
    let from = |source: &str, value| Document {
        source: source.into(),
        value,
    };
    let twice = vec![
        from("demo/templates/a.yaml", config_map("a", "1")),
        from("demo/templates/b.yaml", config_map("a", "2")),
        from("demo/templates/c.yaml", json!({"kind": "ConfigMap"})),
    ];
    let errors = objects(twice.clone(), "web", scope).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "object 3 of the manifest (demo/templates/c.yaml) has no apiVersion"
    );
    let built = objects(twice.into_iter().take(2), "web", scope).unwrap();
    assert_eq!(
        built[0].warnings,
        [
            "ConfigMap web/a is 2 times in the manifest (demo/templates/a.yaml, demo/templates/b.yaml): the last one counts"
        ]
    );
}

#[test]
fn documents_that_are_no_objects_are_all_named() {
    let mut deep = json!({"kind": "List", "items": []});
    for _ in 0..10 {
        deep = json!({"kind": "List", "items": [deep]});
    }
    let errors = objects(
        vec![
            json!("text"),
            json!({"apiVersion": "v1", "metadata": {"name": "x"}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
            json!({"apiVersion": "nope.io/v1", "kind": "Nope", "metadata": {"name": "n"}}),
            deep,
        ],
        "web",
        scope,
    )
    .unwrap_err();
    let expected = [
        ObjectError::Incomplete {
            position: 1,
            source_template: String::new(),
            field: "apiVersion",
        },
        ObjectError::Incomplete {
            position: 2,
            source_template: String::new(),
            field: "kind",
        },
        ObjectError::Incomplete {
            position: 3,
            source_template: String::new(),
            field: "metadata.name",
        },
        ObjectError::UnknownKind {
            api_version: "nope.io/v1".into(),
            kind: "Nope".into(),
            name: "n".into(),
        },
        ObjectError::ListTooDeep { position: 5 },
    ];
    assert_eq!(errors, expected);
}

#[test]
fn prepare_marks_the_object_and_not_its_pods() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "labels": null, "annotations": {"a": "b", "helm.sh/depends-on/resource-groups": "[]"}, "creationTimestamp": null},
        "spec": {"template": {"metadata": {"labels": {"x": "y"}}, "spec": {"nodeSelector": null, "args": [null, "1"]}}},
    });
    assert_eq!(
        prepare(&object, &owner()),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "d",
                "labels": {
                    "app.kubernetes.io/managed-by": "Helm",
                    "helmapp.io/name": "demo",
                    "helmapp.io/namespace": "apps",
                },
                "annotations": {
                    "a": "b",
                    "meta.helm.sh/release-name": "demo",
                    "meta.helm.sh/release-namespace": "web",
                },
            },
            "spec": {"template": {"metadata": {"labels": {"x": "y"}}, "spec": {"args": [null, "1"]}}},
        })
    );
}

#[test]
fn classify_wants_all_three_marks() {
    let live = |managed_by: &str, release: &str, namespace: &str| {
        json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": managed_by},
            "annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace},
        }})
    };
    let another = Ownership::Another {
        release: "demo".into(),
        namespace: "prod".into(),
    };
    let table = [
        (live("Helm", "demo", "web"), Ownership::Ours),
        (live("kustomize", "demo", "web"), Ownership::Unowned),
        (live("Helm", "demo", "prod"), another),
        (
            json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "demo"}}}),
            Ownership::Unowned,
        ),
        (json!({}), Ownership::Unowned),
    ];
    for (live, expected) in table {
        assert_eq!(classify(&live, &owner()), expected, "{live}");
    }
}

#[test]
fn crds_name_the_kinds_they_serve() {
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Widget", "plural": "widgets"},
                 "versions": [{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}, {"name": "v2"}]},
    });
    let kinds = crd_kinds([&crd, &config_map("a", "1")]);
    let key = |version: &str| ("example.com".to_owned(), version.to_owned(), "Widget".to_owned());
    let plural = ("widgets".to_owned(), Scope::Cluster);
    assert_eq!(
        kinds,
        BTreeMap::from([(key("v1"), plural.clone()), (key("v2"), plural)])
    );
}

fn immutable(live: Option<Live>) -> Answer {
    Answer::Immutable {
        fields: vec!["spec.x".into()],
        message: "m".into(),
        live,
    }
}

fn live(ownership: Ownership) -> Option<Live> {
    Some(Live {
        uid: "u".into(),
        ownership,
        spec: Value::Null,
    })
}

#[test]
fn what_can_not_be_changed_is_made_anew_only_if_it_is_the_releases() {
    let recreate = Ok(Action::Recreate {
        uid: "u".into(),
        propagation: Propagation::Foreground,
        fields: vec!["spec.x".into()],
    });
    let refused = || Err(RefusalReason::ImmutableField);
    let anew = json!({"werf.io/delete-policy": "before-creation-if-immutable"});
    let frozen = json!({"werf.io/resource-policy": "skip-update", "werf.io/delete-policy": "before-creation-if-immutable"});
    let table = [
        (true, &anew, live(Ownership::Ours), recreate.clone()),
        (true, &anew, live(Ownership::Unowned), recreate.clone()),
        (false, &anew, live(Ownership::Ours), recreate),
        (false, &anew, live(Ownership::Unowned), refused()),
        (true, &anew, None, refused()),
        (true, &json!({}), live(Ownership::Ours), refused()),
        (true, &frozen, live(Ownership::Ours), Ok(Action::Keep)),
    ];
    for (known, annotations, live, expected) in table {
        let mut new = config_map("a", "2");
        new["metadata"]["annotations"] = annotations.clone();
        let last = if known { vec![config_map("a", "1")] } else { vec![] };
        let mut case = Case::new(last, vec![new]).answer("a", immutable(live.clone()));
        case.rules.adopt = true;
        let got = case
            .decide()
            .map(|plan| plan[0].1.clone())
            .map_err(|refused| refused.reason());
        assert_eq!(got, expected, "{known} {annotations} {live:?}");
    }
}

#[test]
fn objects_are_taken_over_only_where_that_is_asked_for_and_never_from_a_release() {
    let ended = BTreeSet::from([("prod".to_owned(), "blog".to_owned())]);
    let ended: &'static BTreeSet<_> = Box::leak(Box::new(ended));
    let adopted = Ok(Action::Adopt { uid: "u".into() });
    let table = [
        (false, None, unowned(), Err(RefusalReason::NotOwned)),
        (true, None, unowned(), adopted.clone()),
        (true, None, another(), Err(RefusalReason::OwnedByAnother)),
        (true, Some(ended), another(), adopted),
        (false, Some(ended), another(), Err(RefusalReason::OwnedByAnother)),
    ];
    for (adopt, ended, answer, expected) in table {
        let mut case = Case::new(vec![], vec![config_map("a", "1")]).answer("a", answer);
        case.rules = Rules {
            adopt,
            ended,
            ..Rules::default()
        };
        let got = case
            .decide()
            .map(|plan| plan[0].1.clone())
            .map_err(|refused| refused.reason());
        assert_eq!(got, expected, "{adopt} {ended:?}");
    }
}

#[test]
fn objects_can_ask_to_be_left_alone() {
    let table = [
        ("skip-create", Answer::Absent, Action::SkipCreate),
        ("skip-create", ours("u"), Action::Apply { uid: "u".into() }),
        ("skip-update", Answer::Absent, Action::Create),
        ("skip-update", ours("u"), Action::Keep),
    ];
    for (policy, answer, expected) in table {
        let mut new = config_map("a", "2");
        new["metadata"]["annotations"] = json!({"werf.io/resource-policy": policy});
        let case = Case::new(vec![config_map("a", "1")], vec![new]).answer("a", answer);
        assert_eq!(case.decide().unwrap(), plan(&[("a", expected)]), "{policy}");
    }
}

#[test]
fn instructions_of_patches_are_explained_where_the_server_refuses_them() {
    let mut new = config_map("a", "2");
    new["spec"] = json!({"containers": [{"$patch": "delete", "name": "x"}]});
    let invalid = Answer::Invalid {
        message: "field not declared in schema".into(),
    };
    let refused = Case::new(vec![], vec![new])
        .answer("a", invalid)
        .decide()
        .unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("field not declared in schema; spec.containers.0.$patch is an instruction"),
        "{text}"
    );
}
