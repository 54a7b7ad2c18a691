//! Charts and values in ConfigMaps and Secrets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use helmapp::{
    api::{ChartReference, ChartSource, HelmAppSpec, conditions::reason},
    controller::values,
    settings::Settings,
    source::{Retry, Sources},
};
use serde_json::{Value, json};

use crate::support::{namespace::TestNamespace, plane};

fn archive(version: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: web\nversion: {version}\n");
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "web/Chart.yaml", text.as_bytes())
        .unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

fn reference(name: &str, key: &str) -> Option<ChartReference> {
    Some(ChartReference {
        name: name.to_owned(),
        key: key.to_owned(),
    })
}

fn config_map(name: &str, key: &str) -> ChartSource {
    ChartSource {
        config_map: reference(name, key),
        ..ChartSource::default()
    }
}

fn secret(name: &str, key: &str) -> ChartSource {
    ChartSource {
        secret: reference(name, key),
        ..ChartSource::default()
    }
}

fn object(kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

#[tokio::test]
async fn charts_are_read_from_objects_with_the_clients_rights() {
    let namespace = TestNamespace::create(plane::client().await, "objects-chart").await;
    let packed = STANDARD.encode(archive("1.0.0"));
    let map = json!({
        "binaryData": { "chart.tgz": packed },
        "data": { "text.tgz": STANDARD.encode(archive("2.0.0")), "bad.tgz": "hello" },
    });
    namespace.apply(object("ConfigMap", "charts", &map)).await;
    namespace
        .apply(object(
            "Secret",
            "charts",
            &json!({ "data": { "chart.tgz": packed } }),
        ))
        .await;
    let sources = Sources::new(&Settings::default());
    let fetch = |source: ChartSource| {
        let (sources, namespace) = (&sources, &namespace);
        async move { sources.fetch(&source, &namespace.name, &namespace.client).await }
    };
    let first = fetch(config_map("charts", "chart.tgz")).await.unwrap();
    let second = fetch(secret("charts", "chart.tgz")).await.unwrap();
    let text = fetch(config_map("charts", "text.tgz")).await.unwrap();
    assert_eq!(
        (&first.digest, &*first.chart.metadata.version),
        (&second.digest, "1.0.0")
    );
    assert_eq!(text.chart.metadata.version, "2.0.0");
    for (source, reason, part) in [
        (
            config_map("none", "chart.tgz"),
            reason::CHART_NOT_FOUND,
            "ConfigMap \"none\" of namespace",
        ),
        (
            secret("charts", "none.tgz"),
            reason::CHART_NOT_FOUND,
            "has no key \"none.tgz\"",
        ),
        (
            config_map("charts", "bad.tgz"),
            reason::CHART_INVALID,
            "key \"bad.tgz\" of ConfigMap",
        ),
    ] {
        let error = fetch(source).await.unwrap_err();
        assert_eq!(
            (error.reason(), error.retry()),
            (reason, Retry::Seldom),
            "{error}"
        );
        assert!(error.to_string().contains(part), "{error}");
    }
    let nobody = plane::shared().await.user_client("nobody", &[]).await.unwrap();
    let error = sources
        .fetch(&secret("charts", "chart.tgz"), &namespace.name, &nobody)
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason(), error.retry()),
        (reason::FORBIDDEN, Retry::Seldom),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("\"nobody\" cannot get resource \"secrets\""),
        "{error}"
    );
}

#[tokio::test]
async fn values_are_read_once_an_object_and_put_together() {
    let namespace = TestNamespace::create(plane::client().await, "objects-values").await;
    let map = json!({ "data": { "values.yaml": "size: 1000000\nfrom: map\n" } });
    namespace.apply(object("ConfigMap", "base", &map)).await;
    let data = json!({ "stringData": { "password": "hunter2", "user": "me" } });
    namespace.apply(object("Secret", "login", &data)).await;
    let spec: HelmAppSpec = serde_json::from_value(json!({
        "chart": { "path": "web" },
        "values": { "from": "spec" },
        "valuesFrom": [
            { "kind": "ConfigMap", "name": "base" },
            { "kind": "Secret", "name": "login", "valuesKey": "password", "targetPath": "db.password" },
            { "kind": "Secret", "name": "login", "valuesKey": "user", "targetPath": "db.user" },
            { "kind": "Secret", "name": "none", "optional": true },
        ],
    }))
    .unwrap();
    let contents = values::read(&namespace.client, &namespace.name, &spec)
        .await
        .unwrap();
    assert_eq!(contents.len(), 2);
    assert!(
        contents
            .values()
            .all(|content| !content.uid.is_empty() && !content.resource_version.is_empty())
    );
    assert!(!format!("{contents:?}").contains("hunter2"));
    let chart = Sources::new(&Settings::default());
    let packed = json!({ "binaryData": { "chart.tgz": STANDARD.encode(archive("1.0.0")) } });
    namespace.apply(object("ConfigMap", "charts", &packed)).await;
    let source = config_map("charts", "chart.tgz");
    let fetched = chart
        .fetch(&source, &namespace.name, &namespace.client)
        .await
        .unwrap();
    let composed = values::compose(&spec, &fetched.chart, &contents, &Default::default()).unwrap();
    assert_eq!(
        Value::Object(composed),
        json!({ "size": 1_000_000, "from": "spec", "db": { "password": "hunter2", "user": "me" } })
    );
    let nobody = plane::shared().await.user_client("nobody", &[]).await.unwrap();
    let error = values::read(&nobody, &namespace.name, &spec).await.unwrap_err();
    assert_eq!(error.reason(), reason::FORBIDDEN, "{error}");
}
