//! What the fuzzers do with their bytes. Each function must end without a panic, whatever the bytes are, within the
//! limits it sets, and with the properties it asserts. Coverage-guided targets under fuzz/ use this file too.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use helmapp_gotmpl::{Functions, Unit, re2, semver, sprig};
use helmapp_goyaml::sigs::{self, Numbers};
use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::{Chart, File};
use helmapp_helm::limits::Limits as ChartLimits;
use helmapp_helm::manifest::Manifest;
use helmapp_helm::release::{DecodeLimits, decode, encode};
use helmapp_helm::render::{CompiledChart, Limits, Memo, ReleaseOptions, RenderInput, prepare};
use helmapp_helm::values::{Table, set};
use serde_json::Value;

pub(crate) type Target = fn(&[u8]);

/// The functions by the names of the targets.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("parse", parse),
    ("render", render),
    ("yaml", yaml),
    ("set", set_flags),
    ("archive", archive),
    ("release", release),
];

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let mut functions = Functions::new();
    sprig::register(&mut functions, &sprig::Options::default());
    functions
});

/// A template, a pattern, a version and a constraint, parsed.
pub(crate) fn parse(data: &[u8]) {
    match Unit::compile("t.yaml", data, &FUNCTIONS) {
        Ok(unit) => assert!(unit.names().count() > 0),
        // Both forms of an error are shown to people.
        Err(error) => assert!(!format!("{error}{error:#}").is_empty()),
    }
    if let Some(short) = data.get(..data.len().min(200)) {
        if let Ok(regex) = re2::Regex::new(short) {
            let _ = regex.replace_all(b"aB1\n\xff-_ ", b"<$0>");
        }
        let text = String::from_utf8_lossy(short);
        let version = semver::Version::parse("1.22.3-gke.100");
        if let (Ok(constraint), Ok(version)) = (semver::Constraint::parse(&text), version) {
            let _ = constraint.check(&version);
        }
        if let Ok(version) = semver::Version::parse(&text) {
            assert!(semver::Version::parse(&version.to_string()).is_ok(), "{version}");
        }
    }
}

const VALUES: &str = r#"{"a": {"b": {"c": "text"}}, "list": [1, 2.5, "x", null, {"k": "v"}], "n": -7, "big": 18446744073709551615,
    "yes": true, "empty": {}, "text": "line one\nline: two\n", "tpl": "{{ .Release.Name }}-{{ .Values.n }}", "date": "2026-11-21"}"#;

const HELPERS: &str = "{{ define \"helper\" }}{{ .Values.n }}{{ end }}{{ define \"nested\" }}{{ include \"helper\" . | quote }}{{ end }}";

/// The time that a rendering may take, beyond which it counts as a hang. Searches and key generation look at the
/// clock often enough.
const HANG: Duration = Duration::from_secs(20);

/// A chart with the bytes as its template, rendered to a manifest.
pub(crate) fn render(data: &[u8]) {
    let file = |name: &str, text: &[u8]| File::new(name, text);
    let files = vec![
        file("Chart.yaml", b"apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        file("templates/_helpers.tpl", HELPERS.as_bytes()),
        file("templates/a.yaml", data),
        file("config/a.txt", b"one\ntwo\n"),
    ];
    let Ok(chart) = Chart::load_files(files, &ChartLimits::default()) else {
        return;
    };
    let values: Table = serde_json::from_str(VALUES).unwrap_or_default();
    let Ok(prepared) = prepare(&chart, &values, Some(&Arc::default()), &mut Vec::new()) else {
        return;
    };
    let Ok(compiled) = CompiledChart::compile(&prepared.chart) else {
        return;
    };
    let release = ReleaseOptions {
        name: "rel".to_owned(),
        namespace: "ns".to_owned(),
        revision: 1,
        is_install: true,
        is_upgrade: false,
    };
    let memo = Memo::new([7; 32], 1_795_266_227);
    let start = Instant::now();
    let limits = Limits {
        steps: 200_000,
        memory_bytes: 16 << 20,
        text_bytes: 1 << 20,
        output_bytes: 4 << 20,
        key_work: 10_000,
        ..Limits::default()
    };
    let run = || {
        let input = RenderInput {
            limits: limits.clone().with_timeout(start, Duration::from_secs(5)),
            ..RenderInput::new(&prepared.values, &release, Arc::new(Capabilities::default()))
        };
        compiled.render(input.with_memo(&memo))
    };
    let first = run();
    assert!(start.elapsed() < HANG, "a rendering took {:?}", start.elapsed());
    match first {
        Ok(files) => {
            if let Ok(again) = run() {
                assert_eq!(files, again, "the same memo gives the same text");
            }
            if let Ok(manifest) = Manifest::build("c", files) {
                let _ = manifest.parse_objects();
            }
        }
        Err(error) => assert!(!format!("{error}{:#}", error.template_error()).is_empty()),
    }
}

/// A text read as YAML; what was read, written and read again is the same.
pub(crate) fn yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = helmapp_goyaml::from_str(&text);
    let _ = sigs::to_json_strict(&text, Numbers::Float64);
    let Ok(value) = sigs::to_json(&text, Numbers::Exact) else {
        return;
    };
    // sigs.k8s.io/yaml writes by way of JSON and reads that as YAML, there as here: U+0085 is a line break then and comes
    // out as a space, and -0 an integer.
    let json = value.to_string();
    if json.contains('\u{85}') || json.contains("-0.0") {
        return;
    }
    let Ok(written) = sigs::from_json(&value) else {
        return;
    };
    let again = sigs::to_json(&written, Numbers::Exact);
    assert_eq!(again.as_ref(), Ok(&value), "written as {written:?}");
}

/// Flags that set values.
pub(crate) fn set_flags(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut values: Table = serde_json::from_str(VALUES).unwrap_or_default();
    let _ = set::parse_into(&text, &mut values);
    let _ = set::parse_string_into(&text, &mut values);
    let _ = set::parse_literal_into(&text, &mut values);
    let _ = set::parse_json_into(&text, &mut values);
    assert!(nodes(&Value::Object(values)) < 5_000_000);
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(entries) => entries.values().map(nodes).sum(),
        _ => 0,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Bytes as a packed chart, as what is inside one, and as a chart's files.
pub(crate) fn archive(data: &[u8]) {
    let limits = ChartLimits {
        archive_bytes: 1 << 20,
        unpacked_bytes: 4 << 20,
        ..ChartLimits::default()
    };
    let _ = Chart::load_archive(data, &limits);
    let _ = Chart::load_archive(&gzip(data), &limits);
    // Lines of `#: path` begin files.
    let text = String::from_utf8_lossy(data);
    let files: Vec<File> = text
        .split("#: ")
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, content)| File::new(name, content.as_bytes()))
        .collect();
    let Ok(chart) = Chart::load_files(files, &limits) else {
        return;
    };
    let values: Table = serde_json::from_str(VALUES).unwrap_or_default();
    let _ = chart.files_digest();
    if let Ok(prepared) = prepare(&chart, &values, Some(&Arc::default()), &mut Vec::new()) {
        let _ = CompiledChart::compile(&prepared.chart);
    }
}

/// A text as a release record, and as the JSON in one; what is read and written is the same when read again.
pub(crate) fn release(data: &[u8]) {
    let limits = DecodeLimits {
        max_decoded_bytes: 4 << 20,
        ..DecodeLimits::default()
    };
    let _ = decode(&String::from_utf8_lossy(data), &limits);
    let packed = base64::engine::general_purpose::STANDARD.encode(gzip(data));
    let Ok(release) = decode(&packed, &limits) else {
        return;
    };
    let text = encode(&release).unwrap_or_default();
    let again = decode(&text, &DecodeLimits::default()).map(|r| encode(&r).unwrap_or_default());
    assert_eq!(again.ok().as_deref(), Some(text.as_str()));
}
