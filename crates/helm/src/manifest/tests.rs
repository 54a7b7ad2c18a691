use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// Documents with what Helm 3.19.5's `SortManifests` made of each.
const RECORDED: &str = include_str!("../../testdata/manifest/documents.json");

#[derive(Deserialize)]
struct Case {
    text: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    objects: Vec<Recorded>,
    #[serde(default)]
    hooks: Vec<Value>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Recorded {
    kind: String,
    version: String,
    name: String,
    annotations: BTreeMap<String, String>,
}

fn one_file(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("c/templates/a.yaml".to_owned(), text.to_owned())])
}

#[test]
fn reads_documents_as_helm_does() {
    let cases: Vec<Case> = serde_json::from_str(RECORDED).unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        match Manifest::build("c", one_file(&case.text)) {
            Err(e) => assert_eq!(e.to_string(), case.error, "{:?}", case.text),
            Ok(manifest) => {
                assert_eq!("", case.error, "{:?}", case.text);
                let objects: Vec<Recorded> = manifest
                    .objects
                    .iter()
                    .map(|o| Recorded {
                        kind: o.head.kind.clone(),
                        version: o.head.api_version.clone(),
                        name: o.head.name.clone(),
                        annotations: o.head.annotations.clone(),
                    })
                    .collect();
                assert_eq!(objects, case.objects, "{:?}", case.text);
                assert_eq!(
                    serde_json::to_value(&manifest.hooks).unwrap(),
                    json!(case.hooks),
                    "{:?}",
                    case.text
                );
            }
        }
    }
}

#[test]
fn sorts_files_into_objects_hooks_and_notes() {
    let files = [
        ("c/templates/NOTES.txt", "Hello\n"),
        ("c/charts/sub/templates/NOTES.txt", "not me"),
        ("c/templates/_helpers.tpl", "kind: Ignored"),
        ("c/templates/blank.yaml", " \n\n"),
        (
            "c/templates/b.yaml",
            "kind: Deployment\n---\n# only words\n---\nkind: Service\n",
        ),
        (
            "c/templates/a.yaml",
            "\nkind: Deployment\nmetadata: {name: first}\n",
        ),
        (
            "c/templates/h.yaml",
            "kind: Job\nmetadata:\n  annotations: {helm.sh/hook: 'Pre-Install, test-success', helm.sh/hook-weight: '-3'}",
        ),
        (
            "c/templates/u.yaml",
            "kind: Job\nmetadata:\n  annotations: {helm.sh/hook: crd-install}",
        ),
    ];
    let files = files
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let manifest = Manifest::build("c", files).unwrap();
    assert_eq!(manifest.notes.as_deref(), Some("Hello\n"));
    assert_eq!(
        manifest.text,
        "---\n# Source: c/templates/b.yaml\nkind: Service\n\
         ---\n# Source: c/templates/a.yaml\nkind: Deployment\nmetadata: {name: first}\n\
         ---\n# Source: c/templates/b.yaml\nkind: Deployment\n\
         ---\n# Source: c/templates/b.yaml\n# only words\n"
    );
    assert_eq!(manifest.parse_objects().len(), 3);
    assert_eq!(manifest.hooks.len(), 1);
    assert_eq!(manifest.hooks[0].events, [HookEvent::PreInstall, HookEvent::Test]);
    assert_eq!(manifest.hooks[0].weight, -3);
    assert_eq!(
        manifest.warnings,
        ["info: skipping unknown hook: \"crd-install\""]
    );
}

#[test]
fn a_stored_manifest_gives_the_same_objects() {
    let text = "kind: Service\n---\nkind: Deployment\ndata: |\n  a\n\n---\n# words\n";
    let manifest = Manifest::build("c", one_file(text)).unwrap();
    assert_eq!(parse_stored(&manifest.text).unwrap(), manifest.objects);
    assert_eq!(parse_stored("kind: A").unwrap()[0].source, "");
}
