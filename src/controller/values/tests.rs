//! How layers of values come together, and what is said when one can not be used.

use helmapp_helm::{chart::File, limits::Limits};
use serde_json::json;

use super::*;

fn spec(text: Value) -> HelmAppSpec {
    let mut all = json!({ "chart": { "path": "web" } });
    for (key, value) in text.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn composed(spec: &HelmAppSpec, contents: &Contents) -> Result<Table> {
    compose(spec, &chart(), contents, &helmapp_goyaml::Limits::default())
}

fn chart() -> Chart {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("values-big.yaml", "replicas: 1000000\nsize: big\nlist: [1]\n"),
        ("env/prod.yaml", "size: prod\n"),
        ("broken.yaml", "a: [1\n"),
    ];
    let files = files.map(|(name, text)| File::new(name, text.as_bytes().to_vec()));
    Chart::load_files(files.to_vec(), &Limits::default()).unwrap()
}

type Data<'a> = &'a [(&'a str, &'a [u8])];

fn contents(objects: &[(ValuesKind, &str, Data<'_>)]) -> Contents {
    objects
        .iter()
        .map(|(kind, name, data)| {
            let reference = Reference {
                kind: *kind,
                name: (*name).to_owned(),
            };
            let data = data
                .iter()
                .map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec()))
                .collect();
            (
                reference,
                Content {
                    uid: "u".to_owned(),
                    resource_version: "1".to_owned(),
                    data,
                },
            )
        })
        .collect()
}

#[test]
fn layers_win_in_their_order() {
    let spec = spec(json!({
        "valuesFiles": ["values-big.yaml", "./env/prod.yaml"],
        "valuesFrom": [
            { "kind": "Secret", "name": "last", "valuesKey": "password", "targetPath": "db.password" },
            { "kind": "ConfigMap", "name": "first" },
            { "kind": "Secret", "name": "second", "valuesKey": "more" },
            { "kind": "ConfigMap", "name": "none", "optional": true },
            { "kind": "ConfigMap", "name": "first", "valuesKey": "none", "optional": true },
        ],
        "values": { "from": "spec", "db": { "password": "spec" }, "gone": null, "count": 3000000 },
    }));
    let contents = contents(&[
        (
            ValuesKind::ConfigMap,
            "first",
            &[("values.yaml", b"from: first\nfirst: true\nbig: 2000000\n")],
        ),
        (
            ValuesKind::Secret,
            "second",
            &[("more", b"from: second\nfirst: false\ndb: {user: me}\n")],
        ),
        (ValuesKind::Secret, "last", &[("password", b"hunter2")]),
    ]);
    let expected = json!({
        "replicas": 1000000, "size": "prod", "list": [1],
        "from": "spec", "first": false, "big": 2000000, "count": 3000000, "gone": null,
        "db": { "user": "me", "password": "hunter2" },
    });
    assert_eq!(Value::Object(composed(&spec, &contents).unwrap()), expected);
}

#[test]
fn a_target_path_reads_its_content_as_set_does() {
    for (content, literal, expected) in [
        ("true", false, json!(true)),
        ("5", false, json!(5)),
        ("'5'", false, json!("5")),
        ("\"true\"", false, json!("true")),
        ("5", true, json!("5")),
        ("a,b={c}", true, json!("a,b={c}")),
        ("{a,b}", false, json!(["a", "b"])),
        ("null", false, json!(null)),
        ("'", false, json!("'")),
    ] {
        let spec = spec(json!({ "valuesFrom": [{
            "kind": "ConfigMap", "name": "c", "valuesKey": "k", "targetPath": "a.b", "literal": literal,
        }]}));
        let contents = contents(&[(ValuesKind::ConfigMap, "c", &[("k", content.as_bytes())])]);
        let values = composed(&spec, &contents).unwrap();
        assert_eq!(values["a"]["b"], expected, "{content} {literal}");
    }
}

#[test]
fn what_can_not_be_used_is_named_and_secrets_are_not_quoted() {
    let secret: Data<'_> = &[
        ("bad", b"hunter2: [1"),
        ("list", b"[hunter2]"),
        ("binary", &[0xff]),
        ("set", b"hunter2["),
    ];
    let map: Data<'_> = &[("bad", b"a: [1\nb: 2")];
    let contents = contents(&[
        (ValuesKind::Secret, "s", secret),
        (ValuesKind::ConfigMap, "c", map),
    ]);
    for (from, expected) in [
        (
            json!({ "kind": "Secret", "name": "none" }),
            "spec.valuesFrom[0]: Secret \"none\" does not exist; create it, or set optional",
        ),
        (
            json!({ "kind": "Secret", "name": "s" }),
            "spec.valuesFrom[0]: Secret \"s\" has no key \"values.yaml\"; set valuesKey, or optional",
        ),
        (
            json!({ "kind": "Secret", "name": "s", "valuesKey": "bad" }),
            "spec.valuesFrom[0]: key \"bad\" of Secret \"s\": it is not YAML (the parser's message is not shown because \
             the object is a Secret)",
        ),
        (
            json!({ "kind": "Secret", "name": "s", "valuesKey": "list" }),
            "spec.valuesFrom[0]: key \"list\" of Secret \"s\": it is not a mapping of values",
        ),
        (
            json!({ "kind": "Secret", "name": "s", "valuesKey": "binary" }),
            "spec.valuesFrom[0]: key \"binary\" of Secret \"s\": it is not UTF-8",
        ),
        (
            json!({ "kind": "Secret", "name": "s", "valuesKey": "set", "targetPath": "a[" }),
            "spec.valuesFrom[0]: key \"set\" of Secret \"s\": it can not be set at targetPath \"a[\"; set literal to take \
             it as it is",
        ),
    ] {
        let error = composed(&spec(json!({ "valuesFrom": [from] })), &contents).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.reason(), reason::VALUES_ERROR);
    }
    let from = json!({ "kind": "ConfigMap", "name": "c", "valuesKey": "bad" });
    let error = composed(&spec(json!({ "valuesFrom": [from] })), &contents)
        .unwrap_err()
        .to_string();
    assert!(error.contains("yaml: line 1: did not find"), "{error}");
    for (file, part) in [("none.yaml", "the chart has no file"), ("broken.yaml", "line 1")] {
        let spec = spec(json!({ "valuesFiles": ["env/prod.yaml", file] }));
        let error = composed(&spec, &Contents::new()).unwrap_err().to_string();
        assert!(
            error.starts_with("spec.valuesFiles[1]") && error.contains(part),
            "{error}"
        );
    }
}

#[test]
fn references_are_listed_once() {
    let spec: HelmAppSpec = serde_json::from_value(json!({
        "chart": { "secret": { "name": "b" } },
        "valuesFrom": [
            { "kind": "Secret", "name": "b" },
            { "kind": "ConfigMap", "name": "a" },
            { "kind": "ConfigMap", "name": "a", "valuesKey": "x" },
        ],
    }))
    .unwrap();
    let names: Vec<(ValuesKind, String)> = references(&spec)
        .into_iter()
        .map(|reference| (reference.kind, reference.name))
        .collect();
    assert_eq!(
        names,
        [
            (ValuesKind::ConfigMap, "a".to_owned()),
            (ValuesKind::Secret, "b".to_owned())
        ]
    );
}

#[test]
fn contents_are_not_shown() {
    let contents = contents(&[(ValuesKind::Secret, "s", &[("password", b"hunter2")])]);
    let text = format!("{contents:?}");
    assert!(
        text.contains("password") && !text.contains("hunter2") && !text.contains("104"),
        "{text}"
    );
}

#[test]
fn what_yaml_may_cost_holds_for_values() {
    let limits = helmapp_goyaml::Limits {
        nodes: 4,
        ..helmapp_goyaml::Limits::default()
    };
    let spec = spec(json!({ "valuesFiles": ["values-big.yaml"] }));
    let error = compose(&spec, &chart(), &Contents::new(), &limits).unwrap_err();
    assert!(error.to_string().contains("nodes"), "{error}");
}
