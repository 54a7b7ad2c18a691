use std::io::Read;

use base64::Engine as _;
use serde_json::{Value, json};

use super::*;

const HELM3: &str = include_str!("../../testdata/release/helm3.txt");
const HELM3_JSON: &str = include_str!("../../testdata/release/helm3.json");

fn unpack(text: &str) -> Value {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let mut json = String::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice())
        .read_to_string(&mut json)
        .unwrap();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn reads_what_helm_wrote() {
    let r = decode(HELM3, &DecodeLimits::default()).unwrap();
    assert_eq!(
        (r.name.as_str(), r.version, r.namespace.as_str()),
        ("web", 3, "prod")
    );
    assert_eq!(r.info.status, Status::Deployed);
    assert_eq!(
        r.info.first_deployed.timestamp().unwrap().to_string(),
        "2026-11-21T09:20:30.123456789Z"
    );
    assert!(r.info.deleted.is_zero());
    assert_eq!(
        (r.chart.name(), r.chart.version(), r.chart.app_version()),
        ("demo", "1.2.3", "9")
    );
    assert_eq!(r.hooks[0].events, [HookEvent::PreInstall, HookEvent::Test]);
    assert_eq!(
        r.hooks[0].delete_policies,
        [
            HookDeletePolicy::BeforeHookCreation,
            HookDeletePolicy::Other("odd".into())
        ]
    );
    assert_eq!(r.hooks[0].last_run.phase, HookPhase::Succeeded);
    assert_eq!(r.hooks[1].last_run.phase, HookPhase::Never);
    assert_eq!(r.apply_method, None);
}

#[test]
fn writes_what_helm_writes() {
    let r = decode(HELM3, &DecodeLimits::default()).unwrap();
    let ours = unpack(&encode(&r).unwrap());
    assert_eq!(ours, serde_json::from_str::<Value>(HELM3_JSON).unwrap());
}

#[test]
fn keeps_unknown_fields_and_the_apply_method() {
    let text = json!({
        "name": "a", "future": {"x": [1]}, "apply_method": "ssa",
        "info": {"status": "paused", "later": true, "first_deployed": null, "last_deployed": "", "deleted": ""},
        "chart": {"metadata": {"name": "c"}, "lock": null, "templates": null, "values": {}, "schema": null,
                  "files": [{"name": "f", "data": "", "mode": 5}], "modtime": "2026-01-01T00:00:00Z"},
        "hooks": [{"name": "h", "events": null, "last_run": {"phase": "Odd"}, "when": "x"}],
    });
    let packed = base64::engine::general_purpose::STANDARD.encode(text.to_string());
    let r = decode(&packed, &DecodeLimits::default()).unwrap();
    assert_eq!(r.apply_method, Some(ApplyMethod::ServerSide));
    assert_eq!(r.info.status, Status::Other("paused".into()));
    let again = unpack(&encode(&r).unwrap());
    for pointer in [
        "/future/x/0",
        "/info/later",
        "/info/status",
        "/chart/modtime",
        "/chart/files/0/mode",
        "/hooks/0/when",
    ] {
        assert_eq!(again.pointer(pointer), text.pointer(pointer), "{pointer}");
    }
    assert_eq!(again.pointer("/hooks/0/last_run/phase"), Some(&json!("Odd")));
    assert_eq!(again.pointer("/apply_method"), Some(&json!("ssa")));
}

#[test]
fn a_shared_chart_is_compressed_once() {
    let r = decode(HELM3, &DecodeLimits::default()).unwrap();
    let other = Release {
        name: "other".into(),
        ..r.clone()
    };
    encode(&r).unwrap();
    let first = r.chart.compressed().unwrap().as_ptr();
    encode(&other).unwrap();
    assert_eq!(first, other.chart.compressed().unwrap().as_ptr());
}

#[test]
fn refuses_records_over_the_limit_and_damaged_ones() {
    let big = Release {
        manifest: "x".repeat(1 << 20),
        ..Release::default()
    };
    let text = encode(&big).unwrap();
    assert!(
        text.len() < 8192,
        "a megabyte of one letter packs into {} bytes",
        text.len()
    );
    let limits = DecodeLimits {
        max_decoded_bytes: 1 << 20,
        ..DecodeLimits::default()
    };
    assert_eq!(
        decode(&text, &limits).unwrap_err().to_string(),
        "release record is larger than 1048576 bytes (limit: max decoded bytes)"
    );
    assert!(matches!(
        decode("not base64!", &DecodeLimits::default()),
        Err(Error::Base64(_))
    ));
    assert!(matches!(
        decode(&text[..text.len() / 8 * 4], &DecodeLimits::default()),
        Err(Error::Decompress(_))
    ));
    let secret = base64::engine::general_purpose::STANDARD
        .encode(r#"{"config":{"password":"hunter2"},"version":"hunter2"}"#);
    let error = decode(&secret, &DecodeLimits::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("release record is not valid JSON of a release"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn names_and_labels_of_secrets() {
    let mut r = decode(HELM3, &DecodeLimits::default()).unwrap();
    r.labels.insert("team".into(), "a".into());
    r.labels.insert("status".into(), "mine".into());
    assert_eq!(secret_name(&r.name, r.version), "sh.helm.release.v1.web.v3");
    assert_eq!(
        parse_secret_name("sh.helm.release.v1.a.v1.v12"),
        Some(("a.v1", 12))
    );
    for bad in [
        "sh.helm.release.v1.a",
        "sh.helm.release.v1.a.v0",
        "sh.helm.release.v1..v1",
        "x.v1",
    ] {
        assert_eq!(parse_secret_name(bad), None, "{bad}");
    }
    let labels = secret_labels(&r, WriteTime::Created(1795266227));
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        pairs.join(","),
        "createdAt=1795266227,name=web,owner=helm,status=deployed,team=a,version=3"
    );
    assert_eq!(user_labels(&labels).into_keys().collect::<Vec<_>>(), ["team"]);
    assert_eq!(
        secret_labels(&r, WriteTime::Modified(7))
            .get("modifiedAt")
            .map(String::as_str),
        Some("7")
    );
}

#[test]
fn takes_over_a_chart() {
    let files = [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: '9'\n",
        ),
        ("values.yaml", "replicas: 2\n"),
        ("values.schema.json", "{}"),
        ("templates/a.yaml", "kind: A\n"),
        ("README.md", "# x\n"),
    ];
    let files = files
        .into_iter()
        .map(|(n, d)| crate::chart::File::new(n, d.as_bytes()))
        .collect();
    let chart = crate::chart::Chart::load_files(files, &crate::limits::Limits::default()).unwrap();
    let record = ChartRecord::of(&chart).unwrap();
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(
        json["metadata"],
        json!({"apiVersion": "v2", "name": "demo", "version": "1.2.3", "appVersion": "9"})
    );
    assert_eq!(
        json["templates"],
        json!([{"name": "templates/a.yaml", "data": "a2luZDogQQo="}])
    );
    assert_eq!(json["files"], json!([{"name": "README.md", "data": "IyB4Cg=="}]));
    assert_eq!(json["values"], json!({"replicas": 2.0}));
    assert_eq!((&json["lock"], &json["schema"]), (&Value::Null, &json!("e30=")));
    assert!(record.without_files().templates.is_empty());
}
