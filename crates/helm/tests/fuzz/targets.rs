//! What the fuzzers do with their bytes. Each function must end without a panic, whatever the bytes are, within the
//! limits it sets, and with the properties it asserts. Coverage-guided targets under fuzz/ use this file too.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use helmapp_gotmpl::{Functions, Map, State, Str, TemplateSet, Unit, Value as Template, re2, semver, sprig};
use helmapp_goyaml::sigs::{self, Numbers};
use helmapp_goyaml::{Limits as YamlLimits, Options};
use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::{Chart, File};
use helmapp_helm::limits::Limits as ChartLimits;
use helmapp_helm::manifest::Manifest;
use helmapp_helm::release::{DecodeLimits, decode, encode};
use helmapp_helm::render::{
    CompiledChart, Limits, Memo, ReleaseOptions, RenderInput, prepare, prepare_within,
};
use helmapp_helm::values::{Layers, Shared, Table, ValueLimits, set};
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
    ("values", values),
];

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let mut functions = Functions::new();
    sprig::register(&mut functions, &sprig::Options::default());
    functions
});

/// What one input may keep a processor.
const MOST: Duration = Duration::from_secs(1);

/// The time that this thread has had on a processor.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// Does the work, which must not keep a processor for longer than [`MOST`].
fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let before = on_processor();
    let done = work();
    let took = on_processor() - before;
    assert!(took <= MOST, "{what} took {took:?}");
    done
}

/// A template, a pattern, a version and a constraint, parsed; and the pattern looked for in a text of some length.
pub(crate) fn parse(data: &[u8]) {
    match Unit::compile("t.yaml", data, &FUNCTIONS) {
        Ok(unit) => assert!(unit.names().count() > 0),
        // Both forms of an error are shown to people.
        Err(error) => assert!(!format!("{error}{error:#}").is_empty()),
    }
    if let Some(short) = data.get(..data.len().min(200)) {
        if let Ok(regex) = re2::Regex::new(short) {
            let _ = regex.replace_all(b"aB1\n\xff-_ ", b"<$0>");
            in_time("a search", || search(short, data));
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

/// What patterns are looked for in: a short text mostly, so that there is time for many patterns, and 256 KiB for one
/// of so many, in which what goes with the square of the length shows.
const SHORT: usize = 1 << 10;
const LONG: usize = 256 << 10;
const ONE_LONG_OF: u32 = 64;

/// How long the text is for a pattern: always the same, so that what is found can be found again.
fn searched(pattern: &[u8]) -> usize {
    let sum = pattern.iter().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add((*byte).into())
    });
    if sum.is_multiple_of(ONE_LONG_OF) {
        LONG
    } else {
        SHORT
    }
}

static SEARCHES: LazyLock<Arc<TemplateSet>> = LazyLock::new(|| {
    const TEMPLATE: &str = "{{ $_ := regexMatch .p .t }}{{ $_ := regexFindAll .p .t -1 }}{{ $_ := regexSplit .p .t -1 }}\
                            {{ $_ := regexReplaceAll .p .t \"<$0$1>\" }}";
    let mut set = TemplateSet::new("search", Arc::new(FUNCTIONS.clone()));
    let added = set.add("search", TEMPLATE);
    assert!(added.is_ok(), "{added:?}");
    Arc::new(set)
});

/// Looks for the pattern in the bytes, over and over again, in all ways.
fn search(pattern: &[u8], bytes: &[u8]) {
    let text: Vec<u8> = bytes.iter().copied().cycle().take(searched(pattern)).collect();
    let data: Map = [("p", Str::from(pattern)), ("t", Str::from(text))]
        .map(|(key, text)| (key, Template::String(text)))
        .into_iter()
        .collect();
    let limits = Limits {
        steps: 2_000_000,
        ..Limits::default()
    };
    let _ = SEARCHES.execute("search", &Template::Map(data), &mut State::new(limits));
}

const VALUES: &str = r#"{"a": {"b": {"c": "text"}}, "list": [1, 2.5, "x", null, {"k": "v"}], "n": -7, "big": 18446744073709551615,
    "yes": true, "empty": {}, "text": "line one\nline: two\n", "tpl": "{{ .Release.Name }}-{{ .Values.n }}", "date": "2026-11-21"}"#;

const HELPERS: &str = "{{ define \"helper\" }}{{ .Values.n }}{{ end }}{{ define \"nested\" }}{{ include \"helper\" . | quote }}{{ end }}";

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
            limits: limits.clone(),
            ..RenderInput::new(&prepared.values, &release, Arc::new(Capabilities::default()))
        };
        compiled.render(input.with_memo(&memo))
    };
    match in_time("a rendering", run) {
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

/// What the round trips hold several times at once, which none but they do: less than the limits leave, so that all of
/// it together stays below what one rendering may take. The full limits are for crates/helm/tests/limits.
const NODES: usize = 100_000;
const BYTES: usize = 8 << 20;

/// Bytes read as YAML, those that are no text as one that is; what was read, written and read again is the same.
pub(crate) fn yaml(data: &[u8]) {
    let text = helmapp_goyaml::decode_text(data).unwrap_or_else(|_| String::from_utf8_lossy(data));
    in_time("reading YAML", || read_and_write(&text));
}

fn read_and_write(text: &str) {
    let _ = helmapp_goyaml::from_str(text);
    let _ = sigs::to_json_strict(text, Numbers::Float64);
    let options = Options {
        limits: YamlLimits {
            nodes: NODES,
            expanded_bytes: BYTES,
            ..YamlLimits::default()
        },
        ..Options::default()
    };
    let Ok(value) = sigs::to_json_with(text, Numbers::Exact, &options) else {
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

/// The charts around the files of [`values`], which may be replaced.
const CHARTS: &[(&str, &str)] = &[
    (
        "Chart.yaml",
        "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {name: a, version: '*', alias: x, import-values: [data]}\n\
         - {name: a, version: '*', condition: a.on, import-values: [{child: t, parent: u}]}\n",
    ),
    (
        "charts/a/Chart.yaml",
        "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: b, version: '>=1', tags: [t]}]\n",
    ),
    (
        "charts/a/charts/b/Chart.yaml",
        "apiVersion: v2\nname: b\nversion: 1.2.3\n",
    ),
];

/// Values of a chart, of its sub-charts under aliases, and of layers above them, merged. Lines of `#: path` begin files
/// of the chart; those whose names begin with `layer` are values files, and those that begin with `set` are flags.
pub(crate) fn values(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parts: Vec<(&str, &str)> = text
        .split("#: ")
        .filter_map(|part| part.split_once('\n'))
        .collect();
    let of = |start: &str| {
        let given = parts.iter().filter(|(name, _)| name.starts_with(start));
        given
            .map(|(_, content)| (*content).to_owned())
            .collect::<Vec<_>>()
    };
    let layers = Layers {
        value_files: of("layer"),
        values: of("set"),
        ..Layers::default()
    };
    let own = parts
        .iter()
        .filter(|(name, _)| !name.starts_with("layer") && !name.starts_with("set"));
    let own: Vec<_> = own.copied().collect();
    let around = CHARTS
        .iter()
        .filter(|(name, _)| own.iter().all(|(other, _)| other != name));
    let files = around
        .chain(&own)
        .map(|(name, content)| File::new(*name, content.as_bytes()));
    let limits = ChartLimits {
        chart_depth: 6,
        ..ChartLimits::default()
    };
    let few = ValueLimits {
        entries: NODES,
        bytes: BYTES,
        ..ValueLimits::default()
    };
    let files: Vec<File> = files.collect();
    in_time("merging", || {
        let chart = Chart::load_files(files, &limits);
        // A layer's name is its content.
        let given = layers.merge(|content| Ok(content.as_bytes().to_vec()));
        if let (Ok(chart), Ok(given)) = (chart, given)
            && let Ok(prepared) = prepare_within(&chart, &given, Some(&Arc::default()), few, &mut Vec::new())
        {
            let json = prepared.values.to_json();
            assert!(nodes(&json) <= few.entries + 1);
            assert_eq!(Shared::from(&json), prepared.values);
        }
    });
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
        max_values: NODES,
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
