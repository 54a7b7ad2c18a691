//! What a Secret held when a revision was made is not said later, whatever became of the Secret.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::runtime::{conditions, wait::await_condition};
use serde_json::{Value, json};

use crate::cli::{fails, says};
use crate::fixture::{CONFIG_MAP, Fixture, Own, message};
use crate::support::wait::{events, within};

/// A ConfigMap with a text, a file with a line of it, and a looked-up Secret's token.
const TELLTALE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.text | quote }}
  file: |
    host: db
    password: {{ .Values.text }}
    auth: {{ printf \"me:%s\" .Values.text | b64enc }}
  token: {{ (lookup \"v1\" \"Secret\" .Release.Namespace \"looked\").data.token | b64dec | quote }}
";

async fn secret(fixture: &Fixture, name: &str, data: Value) {
    let object =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    fixture.namespace.apply(object).await;
}

fn from(secret: &str) -> Value {
    json!([{"kind": "Secret", "name": secret}])
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_nothing_of_a_secret_that_is_gone() {
    let fixture = Fixture::shared("gone").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", TELLTALE)]);
    let charts = fixture.charts.display().to_string();
    secret(
        &fixture,
        "values",
        json!({"values.yaml": "text: hidden-before\n"}),
    )
    .await;
    secret(&fixture, "looked", json!({"token": "hidden-token"})).await;
    fixture
        .app(
            "shop",
            json!({"chart": {"path": chart}, "valuesFrom": from("values")}),
        )
        .await;
    fixture.ready("shop").await;

    let spec = json!({"chart": {"path": chart}, "values": {"text": "seen"}});
    let app = json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": "shop"}, "spec": spec});
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), app.to_string()).unwrap();
    let path = file.path().display().to_string();
    let diff = ["diff", &path, "--chart-dir", &charts];
    let secrets: Api<Secret> = fixture.namespace.api();
    secrets.delete("values", &DeleteParams::default()).await.unwrap();
    secret(&fixture, "looked", json!({"token": "other-token"})).await;
    let said = says(&fixture, &diff).await;
    for hidden in ["hidden", "aGlkZGVu", "other-token"] {
        assert!(!said.contains(hidden), "{said}");
    }
    for seen in [
        "-  text: '[redacted] (before)'\n",
        "+  text: seen\n",
        "     host: db\n",
        "+    password: seen\n",
    ] {
        assert!(said.contains(seen), "{seen} is not in: {said}");
    }

    // Back and forth: a stored revision comes back, and with it what it was made from.
    fixture.app("shop", spec.clone()).await;
    fixture.ready("shop").await;
    let mut back = app;
    back["spec"]["rollback"] = json!({"toRevision": 1});
    std::fs::write(file.path(), back.to_string()).unwrap();
    let said = says(&fixture, &diff).await;
    assert!(said.contains("+  text: '[redacted] (after)'\n"), "{said}");
    fixture.app("shop", back["spec"].clone()).await;
    fixture
        .until("shop", |app| {
            let status = app.status.as_ref();
            status.and_then(|status| status.rollback.as_ref()).is_some()
                && crate::fixture::condition(app, "Ready").is_some_and(|ready| ready.status == "True")
        })
        .await;
    std::fs::write(file.path(), json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": "shop"}, "spec": spec}).to_string()).unwrap();
    let again = says(&fixture, &diff).await;
    assert!(again.contains("-  text: '[redacted] (before)'\n"), "{again}");
    for said in [said, again] {
        assert!(!said.contains("hidden") && !said.contains("aGlkZGVu"), "{said}");
    }
}

/// A Secret that is a hook, and an object that has its value, too.
const HOOKED: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: early
  annotations: {helm.sh/hook: \"pre-install,pre-upgrade\"}
stringData: {password: {{ .Values.password }}}
data: {token: {{ .Values.token | b64enc }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: late}
data: {line: \"login {{ .Values.password }} {{ .Values.token }}\", number: \"{{ .Values.number }}\"}
";

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_nothing_of_what_hooks_hold() {
    let fixture = Fixture::shared("early").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", HOOKED)]);
    let charts = fixture.charts.display().to_string();
    let spec = |password: &str, number: u32| json!({"chart": {"path": chart}, "values": {"password": password, "token": "hidden-token", "number": number}});
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let path = file.path().display().to_string();
    let diff = async |spec: Value| {
        let app = json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": "app"}, "spec": spec});
        std::fs::write(file.path(), app.to_string()).unwrap();
        let said = says(&fixture, &["diff", &path, "--chart-dir", &charts]).await;
        // The second is `hidden` in base64.
        for hidden in ["hidden", "aGlkZGVu"] {
            assert!(!said.contains(hidden), "{said}");
        }
        said
    };
    let said = diff(spec("hidden-before", 1)).await;
    assert!(said.contains("login [redacted] [redacted]"), "{said}");
    fixture.app("app", spec("hidden-before", 1)).await;
    fixture.ready("app").await;
    let said = diff(spec("hidden-after", 2)).await;
    for seen in ["number: \"2\"", "[redacted]"] {
        assert!(said.contains(seen), "{seen} is not in: {said}");
    }
}

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: words.secrets.helmapp.io}
spec:
  group: secrets.helmapp.io
  scope: Namespaced
  names: {kind: Word, plural: words}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {text: {type: string}}}
";

fn word() -> ApiResource {
    ApiResource {
        group: "secrets.helmapp.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "secrets.helmapp.io/v1".to_owned(),
        kind: "Word".to_owned(),
        plural: "words".to_owned(),
    }
}

/// The kind stays: other tests list what is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_is_refused_does_not_quote_what_was_secret() {
    let fixture = Fixture::shared("quoted").await;
    let crds: Api<CustomResourceDefinition> = Api::all(fixture.client());
    let crd: Value = helmapp_goyaml::sigs::to_json(CRD, helmapp_goyaml::sigs::Numbers::Exact).unwrap();
    let params = PatchParams::apply("test").force();
    crds.patch("words.secrets.helmapp.io", &params, &Patch::Apply(&crd))
        .await
        .unwrap();
    let established = await_condition(
        crds.clone(),
        "words.secrets.helmapp.io",
        conditions::is_crd_established(),
    );
    tokio::time::timeout(within(30), established)
        .await
        .unwrap()
        .unwrap();
    let word = "apiVersion: secrets.helmapp.io/v1\nkind: Word\nmetadata: {name: one}\nspec: {text: {{ .Values.text }}}\n";
    let chart = fixture.chart("app", &[("templates/a.yaml", word)]);
    secret(&fixture, "values", json!({"values.yaml": "text: hidden-word\n"})).await;
    fixture
        .app(
            "app",
            json!({"chart": {"path": chart}, "valuesFrom": from("values")}),
        )
        .await;
    fixture.ready("app").await;
    let plain = fixture.chart("plain", &[("templates/a.yaml", CONFIG_MAP)]);
    let mut spec = json!({"chart": {"path": plain}, "values": {"text": "one"}});
    fixture.app("app", spec.clone()).await;
    fixture.ready("app").await;
    let secrets: Api<Secret> = fixture.namespace.api();
    secrets.delete("values", &DeleteParams::default()).await.unwrap();

    // Now the kind takes numbers only, and says so with the word in it.
    let mut stricter = crd;
    *stricter
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/text")
        .unwrap() = json!({"type": "string", "pattern": "^[0-9]+$"});
    crds.patch("words.secrets.helmapp.io", &params, &Patch::Apply(&stricter))
        .await
        .unwrap();
    // What the API server takes for its schema follows soon.
    tokio::time::sleep(within(2)).await;
    spec["rollback"] = json!({"toRevision": 1});
    fixture.app("app", spec).await;
    let status = fixture.refused("app", "ObjectInvalid").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("spec.text") && said.contains("\"[redacted]\""),
        "{said}"
    );
    let all = [
        serde_json::to_string(&status).unwrap(),
        events(fixture.client(), &fixture.namespace.name).await,
        crate::fixture::log(),
    ];
    assert!(!all.iter().any(|text| text.contains("hidden-word")), "{all:?}");
}

/// A Secret, and an object that quotes it and that the server refuses with the quotation.
const REFUSED: &str = "\
{{ $drawn := randAlphaNum 16 }}
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {given: {{ .Values.password }}, drawn: {{ $drawn }}}
---
apiVersion: v1
kind: Service
metadata: {name: quotes}
spec: {type: \"{{ .Values.password }}-{{ $drawn }}\", ports: [{port: 80}]}
";

/// Neither password comes from a Secret: one is in the spec, the other is drawn.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_releases_own_secrets_hold_is_not_said() {
    let fixture = Fixture::shared("own").await;
    let refused = fixture.chart("refused", &[("templates/a.yaml", REFUSED)]);
    let spec = json!({"chart": {"path": refused}, "values": {"password": "hunter7"}});
    let quoted = "Unsupported value: \"[redacted]-[redacted]\"";
    let is_quiet = async |status: &helmapp::api::HelmAppStatus| {
        assert!(message(status, "Ready").contains(quoted), "{status:?}");
        let events = events(fixture.client(), &fixture.namespace.name).await;
        for said in [
            serde_json::to_string(status).unwrap(),
            events,
            crate::fixture::log(),
        ] {
            assert!(!said.contains("\"hunter7"), "{said}");
            assert!(!said.contains("hunter7-"), "{said}");
        }
    };
    fixture.app("app", spec.clone()).await;
    is_quiet(&fixture.refused("app", "ObjectInvalid").await).await;
    fixture.warned("app", "ObjectInvalid", &[quoted]).await;

    let plain = fixture.chart("plain", &[("templates/a.yaml", CONFIG_MAP)]);
    fixture
        .app(
            "app",
            json!({"chart": {"path": plain}, "values": {"text": "one"}}),
        )
        .await;
    fixture.ready("app").await;
    let app = json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": "app"}, "spec": spec});
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), app.to_string()).unwrap();
    let (path, charts) = (
        file.path().display().to_string(),
        fixture.charts.display().to_string(),
    );
    let said = fails(&fixture, &["diff", &path, "--chart-dir", &charts]).await;
    assert!(said.contains(quoted) && !said.contains("hunter7"), "{said}");
    fixture.app("app", spec).await;
    is_quiet(&fixture.refused("app", "ObjectInvalid").await).await;
}

/// A new process with a rollback in force renders nothing and reads no values: what it puts back is from the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_is_refused_does_not_quote_what_was_secret() {
    let mut own = Own::start("corrected").await;
    let fixture = own.fixture.clone();
    let crds: Api<CustomResourceDefinition> = Api::all(fixture.client());
    let crd: Value = helmapp_goyaml::sigs::to_json(CRD, helmapp_goyaml::sigs::Numbers::Exact).unwrap();
    let params = PatchParams::apply("test").force();
    let name = "words.secrets.helmapp.io";
    crds.patch(name, &params, &Patch::Apply(&crd)).await.unwrap();
    let established = await_condition(crds.clone(), name, conditions::is_crd_established());
    tokio::time::timeout(within(30), established)
        .await
        .unwrap()
        .unwrap();
    let objects = "\
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {password: {{ .Values.password }}}
---
apiVersion: secrets.helmapp.io/v1
kind: Word
metadata: {name: one}
spec: {text: \"{{ .Values.text }} {{ .Values.password }}\"}
";
    let chart = fixture.chart("app", &[("templates/a.yaml", objects)]);
    secret(&fixture, "values", json!({"values.yaml": "text: hidden-word\n"})).await;
    let values = json!({"password": "hunter7"});
    let mut spec = json!({"chart": {"path": chart}, "values": values, "valuesFrom": from("values")});
    fixture.app("app", spec.clone()).await;
    fixture.ready("app").await;
    let plain = fixture.chart("plain", &[("templates/a.yaml", CONFIG_MAP)]);
    spec["chart"] = json!({"path": plain});
    fixture.app("app", spec.clone()).await;
    fixture.ready("app").await;
    spec["rollback"] = json!({"toRevision": 1});
    fixture.app("app", spec.clone()).await;
    let is_back = |app: &helmapp::api::HelmApp| {
        let status = app.status.as_ref();
        let release = status.and_then(|status| status.release.as_ref());
        release.is_some_and(|release| release.revision == 3 && release.status == "deployed")
    };
    fixture.until("app", is_back).await;
    fixture.ready("app").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    own.stop();

    let mut stricter = crd;
    *stricter
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/text")
        .unwrap() = json!({"type": "string", "pattern": "^[0-9]+$"});
    crds.patch(name, &params, &Patch::Apply(&stricter)).await.unwrap();
    own.resume().await;
    let words: Api<DynamicObject> = Api::namespaced_with(fixture.client(), &fixture.namespace.name, &word());
    words.delete("one", &DeleteParams::default()).await.unwrap();
    let status = fixture.refused("app", "ObjectInvalid").await;
    let said = message(&status, "Ready");
    assert!(said.contains("Invalid value: \"[redacted]\""), "{said}");
    let all = [
        serde_json::to_string(&status).unwrap(),
        events(fixture.client(), &fixture.namespace.name).await,
    ];
    for hidden in ["hidden-word", "hunter7"] {
        assert!(!all.iter().any(|text| text.contains(hidden)), "{all:?}");
    }
}
