//! Every input that can't be used: a stable reason, a sentence that names the place, and an unchanged cluster.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, condition, message, revision};

const LIBRARY: &str = "apiVersion: v2\nname: library\nversion: 1.0.0\ntype: library\n";
const INCOMPLETE: &str = "\
apiVersion: v2
name: incomplete
version: 1.0.0
dependencies: [{name: database, version: 1.0.0, repository: 'https://charts.example.com'}]
";
/// Values that fields of their types can't have.
const UNTYPED: [(&str, &str); 2] = [
    (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {password: '*hunter2*'}\n",
        "no base64",
    ),
    (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {password: '*hunter2*'}\n",
        "illegal base64",
    ),
];

/// Waits for the refusal, checks its words and those of its event, and that only these objects are there.
async fn refused(fixture: &Fixture, spec: Value, reason: &str, words: &[&str]) {
    fixture.app("app", spec).await;
    let status = fixture.refused("app", reason).await;
    let said = message(&status, "Ready");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    fixture.warned("app", reason, words).await;
    assert_eq!(status.release, None);
    assert_eq!(fixture.namespace.objects().await, ["HelmApp/app"]);
    fixture.delete("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_that_are_none() {
    let fixture = Fixture::shared("charts").await;
    refused(
        &fixture,
        json!({"chart": {"path": "nowhere"}}),
        "ChartNotFound",
        &["nowhere"],
    )
    .await;
    refused(
        &fixture,
        json!({"chart": {"path": "../../etc"}}),
        "ChartInvalid",
        &["spec.chart.path", ".."],
    )
    .await;
    let broken = fixture.chart("broken", &[("Chart.yaml", "name: [")]);
    refused(
        &fixture,
        json!({"chart": {"path": broken}}),
        "ChartInvalid",
        &["Chart.yaml"],
    )
    .await;
    let library = fixture.chart("library", &[("Chart.yaml", LIBRARY)]);
    refused(
        &fixture,
        json!({"chart": {"path": library}}),
        "ChartInvalid",
        &["library charts are not installable"],
    )
    .await;
    let incomplete = fixture.chart("incomplete", &[("Chart.yaml", INCOMPLETE)]);
    refused(
        &fixture,
        json!({"chart": {"path": incomplete}}),
        "ChartInvalid",
        &["missing in charts/ directory: database"],
    )
    .await;
    refused(
        &fixture,
        json!({"chart": {"url": "http://127.0.0.1:9/none.tgz"}}),
        "ArtifactFailed",
        &["127.0.0.1:9/none.tgz can not be downloaded: Connection refused"],
    )
    .await;
    refused(
        &fixture,
        json!({"chart": {"path": "nowhere"}, "rollback": {"toRevision": 7}}),
        "RevisionNotFound",
        &["revision 7", "no revision is yet"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_in_objects_that_are_no_archives() {
    let fixture = Fixture::shared("archive").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chart"}, "data": {"chart.tgz": "bm9uZQ=="}});
    fixture.create::<ConfigMap>(map).await;
    fixture
        .app("app", json!({"chart": {"configMap": {"name": "chart"}}}))
        .await;
    let status = fixture.refused("app", "ChartInvalid").await;
    assert!(message(&status, "Ready").contains("chart"), "{status:?}");
    fixture.delete("app").await;
    fixture.namespace.left(&["ConfigMap/chart"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_that_fail() {
    let fixture = Fixture::shared("templates").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", "a: b\nc: {{ .Values.x.y.z }}\n")]);
    let words = ["app/templates/a.yaml:2:", ".Values.x.y.z"];
    refused(
        &fixture,
        json!({"chart": {"path": chart}}),
        "RenderFailed",
        &words,
    )
    .await;
    let chart = fixture.chart("text", &[("templates/a.yaml", "a: [\n")]);
    refused(
        &fixture,
        json!({"chart": {"path": chart}}),
        "RenderFailed",
        &["text/templates/a.yaml"],
    )
    .await;
    // Each link of the chain is in the message; the last says why.
    let chart = fixture.chart(
        "chain",
        &[(
            "templates/a.yaml",
            "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}\n",
        )],
    );
    let words = ["chain/templates/a.yaml:1:", " … ", "nested reference name: a"];
    refused(
        &fixture,
        json!({"chart": {"path": chart}}),
        "RenderFailed",
        &words,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_break_the_schema() {
    let fixture = Fixture::shared("schema").await;
    let schema =
        r#"{"type": "object", "properties": {"replicas": {"type": "integer"}, "text": {"type": "string"}}}"#;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("values.schema.json", schema)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"replicas": "many", "text": 3}});
    refused(&fixture, spec, "SchemaViolation", &["replicas", "text"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_lead_nowhere() {
    let fixture = Fixture::shared("nowhere").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "valuesFrom": [{"kind": "ConfigMap", "name": "none"}]});
    refused(&fixture, spec, "ValuesError", &["spec.valuesFrom[0]", "none"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_an_unknown_kind() {
    let fixture = Fixture::shared("kind").await;
    let nope = "apiVersion: nope.example.com/v1\nkind: Nope\nmetadata: {name: nope}\n";
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", nope)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    refused(
        &fixture,
        spec,
        "UnknownKind",
        &["Nope", "nope.example.com/v1", "install the CRD"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_the_server_refuses() {
    let fixture = Fixture::shared("invalid").await;
    let bad = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n";
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", bad)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    refused(
        &fixture,
        spec,
        "ObjectInvalid",
        &["Service", "spec.ports[0].port"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn immutable_fields_keep_the_release_as_it_is() {
    let fixture = Fixture::shared("immutable").await;
    let values = json!({"text": "one", "replicas": 1, "tag": "v1", "pod": ""});
    fixture.installed(DEPLOYMENT, values.clone()).await;
    let other = DEPLOYMENT.replace("app: {{ .Release.Name }}", "app: other");
    let chart = fixture.chart(
        "other",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", &other)],
    );
    let mut values = values;
    values["text"] = json!("two");
    fixture
        .app("app", json!({"chart": {"path": chart}, "values": values}))
        .await;
    let status = fixture.refused("app", "ImmutableField").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("Deployment.apps")
            && said.contains("spec.selector")
            && said.contains("with Deployment in spec.upgrade.recreate"),
        "{said}"
    );
    assert_eq!(revision(&status), 1);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(
        maps.get("app").await.unwrap().data.unwrap()["text"],
        "one",
        "nothing was written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_can_not_be_changed_is_immutable_not_invalid() {
    let fixture = Fixture::shared("sealed").await;
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata: {name: sealed}\nimmutable: true\nstringData: {text: \"{{ .Values.text }}\"}\n";
    let chart = fixture.chart("app", &[("templates/a.yaml", sealed)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("hidden-one")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("hidden-two")).await;
    let status = fixture.refused("app", "ImmutableField").await;
    let said = message(&status, "Ready");
    assert!(said.contains("Secret") && !said.contains("hidden-"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_without_room_goes_on_when_there_is_some() {
    let fixture = Fixture::shared("room").await;
    let second = CONFIG_MAP.replace("name: {{ .Release.Name }}", "name: second");
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", &second)],
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    // The cluster's own ConfigMap comes on its own time, and has to be counted.
    crate::support::wait::until(
        &maps,
        "kube-root-ca.crt",
        crate::support::wait::within(20),
        |_| true,
    )
    .await;
    // Each of the two has room in its dry run, but not both.
    fixture.quota(json!({"count/configmaps": "2"})).await;
    let install = json!({"timeout": "1s"});
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}, "install": install});
    fixture.app("app", spec).await;
    let is_short = |app: &helmapp::api::HelmApp| {
        let ready = crate::fixture::condition(app, "Ready");
        ready.is_some_and(|ready| ready.status == "False" && ready.message.contains("exceeded quota"))
    };
    fixture.until("app", is_short).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let app = fixture.apps().get("app").await.unwrap();
    assert!(is_short(&app), "{:?}", app.status);
    let release = app.status.unwrap().release.unwrap();
    assert_eq!(
        (release.revision, release.status.as_str()),
        (1, "pending-install")
    );
    fixture.quota(json!({"count/configmaps": "9"})).await;
    let status = fixture
        .until("app", |app| {
            let release = app.status.as_ref().and_then(|status| status.release.as_ref());
            release.is_some_and(|release| release.status == "deployed")
        })
        .await;
    assert_eq!(revision(&status), 1, "the same revision went on");
    fixture.ready("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_there() {
    let fixture = Fixture::shared("no-namespace").await;
    let elsewhere = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: nowhere-to-be-found}\n";
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", elsewhere)],
    );
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "NamespaceNotFound").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("nowhere-to-be-found") && said.contains("create the namespace"),
        "{said}"
    );
    fixture.namespace.left(&["HelmApp/app"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long() {
    let fixture = Fixture::shared("names").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    let long = "a".repeat(54);
    fixture.app(&long, spec.clone()).await;
    let status = fixture.refused(&long, "ReleaseNameInvalid").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("53") && said.contains("set spec.releaseName"),
        "{said}"
    );
    fixture.delete(&long).await;
    fixture.namespace.left(&[]).await;
    let mut named = spec.clone();
    named["releaseName"] = json!(long);
    let error = fixture.try_app("app", named).await.unwrap_err().to_string();
    assert!(error.contains("spec.releaseName"), "{error}");
    let error = fixture
        .try_app(&"a".repeat(64), spec)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("63 characters"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_helmapps_and_one_release() {
    let fixture = Fixture::shared("claims").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec =
        |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}, "releaseName": "shared"});
    fixture.app("first", spec("one")).await;
    fixture.ready("first").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    fixture.app("second", spec("two")).await;
    let status = fixture.refused("second", "ReleaseClaimed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains(&format!("{}/first", fixture.namespace.name)),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("shared").await.unwrap().data.unwrap()["text"], "one");
    fixture.delete("first").await;
    fixture.ready("second").await;
    assert_eq!(maps.get("shared").await.unwrap().data.unwrap()["text"], "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_not_taken() {
    let fixture = Fixture::shared("adoption").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let map = |metadata: Value| -> ConfigMap {
        serde_json::from_value(json!({"metadata": metadata, "data": {"text": "theirs"}})).unwrap()
    };
    maps.create(&PostParams::default(), &map(json!({"name": "app"})))
        .await
        .unwrap();
    let spec = json!({"chart": {"path": chart}, "values": {"text": "one"}});
    fixture.app("app", spec.clone()).await;
    let said = message(&fixture.refused("app", "AdoptionRefused").await, "Ready");
    assert!(
        said.contains("ConfigMap") && said.contains("not made by this release"),
        "{said}"
    );
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "theirs");

    // Our own labels are copied easily; they hand nothing over.
    let marks = |release: &str| {
        json!({
            "name": "app",
            "labels": {
                "app.kubernetes.io/managed-by": "Helm",
                "helmapp.io/name": "app", "helmapp.io/namespace": fixture.namespace.name,
            },
            "annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": fixture.namespace.name},
        })
    };
    fixture
        .namespace
        .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": marks("other")}))
        .await;
    fixture
        .until("app", |app| {
            let ready = crate::fixture::condition(app, "Ready");
            ready.is_some_and(|ready| {
                ready
                    .message
                    .contains(&format!("belongs to release {}/other", fixture.namespace.name))
            })
        })
        .await;
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "theirs");

    // Handed over by its marks, as Helm asks for.
    fixture
        .namespace
        .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": marks("app")}))
        .await;
    fixture.ready("app").await;
    assert_eq!(maps.get("app").await.unwrap().data.unwrap()["text"], "one");
}

/// What a release left by its keep policy still has the HelmApp's labels. Another release of a HelmApp of that name does
/// not take it for its own, although it watches the kind.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_kept_is_not_taken() {
    const KEPT: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Values.name }}
  annotations: {helm.sh/resource-policy: keep}
data: {text: {{ .Release.Name }}}
";
    let fixture = Fixture::shared("kept").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", KEPT)]);
    let spec = |release: &str, name: &str| json!({"chart": {"path": chart}, "releaseName": release, "values": {"name": name}});
    fixture.app("watching", spec("other", "other")).await;
    fixture.ready("watching").await;
    fixture.app("app", spec("first", "kept")).await;
    fixture.ready("app").await;
    fixture.delete("app").await;
    fixture.app("app", spec("second", "kept")).await;
    let said = message(&fixture.refused("app", "AdoptionRefused").await, "Ready");
    assert!(
        said.contains(&format!("belongs to release {}/first", fixture.namespace.name)),
        "{said}"
    );
    let maps: Api<ConfigMap> = fixture.namespace.api();
    assert_eq!(maps.get("kept").await.unwrap().data.unwrap()["text"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_holds_is_not_said() {
    const SECRET: &str = "hunter2-from-a-secret";
    let fixture = Fixture::shared("secret").await;
    let schema = r#"{"type": "object", "properties": {"text": {"type": "string", "pattern": "^[0-9]+$"}}}"#;
    let fails = "{{ fail (printf \"bad text %q\" .Values.text) }}\n";
    let quotes = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: {{ .Values.text }}, ports: [{port: 80}]}\n";
    let secret =
        json!({"metadata": {"name": "values"}, "stringData": {"values.yaml": format!("text: {SECRET}")}});
    fixture.create::<Secret>(secret).await;
    let charts = [
        (
            "schema",
            vec![("templates/a.yaml", CONFIG_MAP), ("values.schema.json", schema)],
            "SchemaViolation",
        ),
        ("fails", vec![("templates/a.yaml", fails)], "RenderFailed"),
        ("quotes", vec![("templates/a.yaml", quotes)], "ObjectInvalid"),
    ];
    for (name, files, reason) in charts {
        let chart = fixture.chart(name, &files);
        let from = json!([{"kind": "Secret", "name": "values"}]);
        fixture
            .app("app", json!({"chart": {"path": chart}, "valuesFrom": from}))
            .await;
        let status = fixture.refused("app", reason).await;
        let said = serde_json::to_string(&status).unwrap();
        assert!(!said.contains(SECRET), "{name}: {said}");
        assert!(message(&status, "Ready").contains("[redacted]"), "{name}: {said}");
        fixture.delete("app").await;
    }
    const LOOKED_UP: &str = "hunter3-that-was-looked-up";
    let looks = "{{ $found := lookup \"v1\" \"Secret\" .Release.Namespace \"other\" }}
{{ fail (printf \"bad text %q\" (b64dec $found.data.text)) }}\n";
    let secret = json!({"metadata": {"name": "other"}, "stringData": {"text": LOOKED_UP}});
    fixture.create::<Secret>(secret).await;
    let chart = fixture.chart("looks", &[("templates/a.yaml", looks)]);
    fixture.app("app", json!({"chart": {"path": chart}})).await;
    let said = message(&fixture.refused("app", "RenderFailed").await, "Ready");
    assert!(said.contains("bad text \"[redacted]\""), "{said}");
    let events = crate::support::wait::events(fixture.client(), &fixture.namespace.name).await;
    for secret in [SECRET, LOOKED_UP] {
        assert!(!events.contains(secret), "{events}");
        assert!(!crate::fixture::log().contains(secret), "in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_type_can_not_have_are_not_tried_again() {
    let fixture = Fixture::shared("untyped").await;
    for (index, (template, words)) in UNTYPED.into_iter().enumerate() {
        let chart = fixture.chart(&format!("app-{index}"), &[("templates/a.yaml", template)]);
        fixture.app("app", json!({"chart": {"path": chart}})).await;
        let status = fixture.refused("app", "ObjectInvalid").await;
        let said = message(&status, "Stalled");
        assert!(said.contains(words), "{said}");
        assert!(
            !(template.contains("Secret") && said.contains("hunter2")),
            "{said}"
        );
        fixture.delete("app").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_a_name_is_told_with_its_template() {
    let fixture = Fixture::shared("nameless").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\n")],
    );
    refused(
        &fixture,
        json!({"chart": {"path": chart}}),
        "ObjectInvalid",
        &["object 1 of the manifest (app/templates/a.yaml) has no metadata.name"],
    )
    .await;
}

/// Times of creation are whole seconds: what came first is not told by them.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_helmapps_of_one_second_one_has_the_release() {
    let fixture = Fixture::shared("twins").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |pair: usize, text: &str| json!({"chart": {"path": chart}, "releaseName": format!("pair{pair}"), "values": {"text": text}});
    let made = (0..6).flat_map(|pair| ["one", "two"].map(|text| (pair, text)));
    let made = made.map(|(pair, text)| {
        let fixture = &fixture;
        let spec = spec(pair, text);
        async move { fixture.app(&format!("{text}-{pair}"), spec).await }
    });
    futures::future::join_all(made).await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    for pair in 0..6 {
        let names = ["one", "two"].map(|text| (text, format!("{text}-{pair}")));
        let decided = |app: &helmapp::api::HelmApp| {
            let ready = condition(app, "Ready");
            ready.is_some_and(|ready| ready.status == "True" || ready.reason == "ReleaseClaimed")
        };
        let mut winners = Vec::new();
        for (text, name) in &names {
            let status = fixture.until(name, decided).await;
            let ready = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == "Ready");
            if ready.is_some_and(|ready| ready.status == "True") {
                winners.push(*text);
            }
        }
        assert_eq!(winners.len(), 1, "pair {pair}: {winners:?}");
        let map = maps.get(&format!("pair{pair}")).await.unwrap();
        assert_eq!(map.data.unwrap()["text"], winners[0], "pair {pair}");
    }
}
