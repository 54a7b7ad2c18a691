use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;
use crate::capabilities::KubeVersion;
use crate::chart::File;

/// Charts with what Helm 3.19.5's engine made of them for release `rel` in namespace `ns` on Kubernetes 1.35.
const RECORDED: &str = include_str!("../../testdata/render/cases.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    files: BTreeMap<String, String>,
    #[serde(default)]
    values: Map<String, Value>,
    #[serde(default)]
    output: BTreeMap<String, String>,
    #[serde(default)]
    error: String,
}

fn chart(files: &BTreeMap<String, String>) -> Chart {
    let files = files
        .iter()
        .map(|(name, text)| File::new(name.as_str(), text.as_bytes()))
        .collect();
    Chart::load_files(files, &crate::limits::Limits::default()).unwrap()
}

fn one_template(text: &str) -> Chart {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/a.yaml", text),
    ];
    chart(
        &files
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    )
}

fn release() -> ReleaseOptions {
    ReleaseOptions {
        name: "rel".into(),
        namespace: "ns".into(),
        revision: 1,
        is_install: true,
        is_upgrade: false,
    }
}

/// Numbers as Helm reads them from JSON.
fn floats(value: &mut Value) {
    match value {
        Value::Number(n) => *value = Value::from(n.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(map) => map.values_mut().for_each(floats),
        _ => {}
    }
}

/// Runs with the stack that nested templates may need in an unoptimised build.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(66 << 20)
            .spawn_scoped(scope, work)
            .unwrap()
            .join()
            .unwrap()
    })
}

fn render(chart: &Chart, values: &Map<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    let mut values = Value::Object(values.clone());
    floats(&mut values);
    render_as_given(chart, values.as_object().unwrap())
}

fn render_as_given(chart: &Chart, values: &Map<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    let Prepared { chart, values } = prepare(chart, values, None, &mut Vec::new()).unwrap();
    let version = KubeVersion::parse("1.35.0").unwrap();
    let release = release();
    let input = RenderInput::new(
        &values,
        &release,
        Arc::new(Capabilities::without_cluster(version, &[])),
    );
    let limits = Limits {
        stack_bytes: 64 << 20,
        ..Limits::default()
    };
    CompiledChart::compile(&chart)?.render(RenderInput { limits, ..input })
}

#[test]
fn a_whole_number_of_a_helmapp_stays_one_and_of_a_file_is_a_float() {
    let chart = one_template("{{ .Values.count }} {{ kindOf .Values.count }}");
    let of_helmapp: Value = serde_json::from_str(r#"{"count": 1000000}"#).unwrap();
    let of_file = crate::values::read_yaml(b"count: 1000000\n").unwrap();
    let render =
        |values: &Map<String, Value>| render_as_given(&chart, values).unwrap()["c/templates/a.yaml"].clone();
    assert_eq!(render(of_helmapp.as_object().unwrap()), "1000000 int64");
    assert_eq!(render(&of_file), "1e+06 float64");
}

#[test]
fn renders_as_helm_does() {
    let cases: Vec<Case> = serde_json::from_str(RECORDED).unwrap();
    assert!(cases.len() > 35);
    on_a_large_stack(|| {
        let mut wrong = Vec::new();
        for case in cases {
            let (output, error) = match render(&chart(&case.files), &case.values) {
                Ok(output) => (output, String::new()),
                Err(error) => (BTreeMap::new(), error.to_string()),
            };
            if error != case.error || output != case.output {
                wrong.push(format!(
                    "{}:\n  {error} {output:?}\ninstead of\n  {} {:?}",
                    case.name, case.error, case.output
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn a_template_within_itself_a_thousand_times_fails_as_in_helm() {
    let chart = one_template("{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}");
    let error = on_a_large_stack(|| render(&chart, &Map::new()).unwrap_err());
    let text = error.to_string();
    assert!(
        text.ends_with("rendering template has a nested reference name: r: unable to execute template"),
        "{text}"
    );
    assert_eq!(text.matches("error calling include").count(), 1002);
}

#[test]
fn lookups_are_asked_of_the_host_and_their_failure_fails_the_render() {
    struct Cluster;
    impl Lookup for Cluster {
        fn lookup(
            &self,
            api: &str,
            kind: &str,
            namespace: &str,
            name: &str,
        ) -> Result<Map<String, Value>, String> {
            match name {
                "gone" => Err("the server is away".to_owned()),
                _ => Ok(Map::from_iter([(
                    "is".to_owned(),
                    Value::from(format!("{api} {kind} {namespace}/{name}")),
                )])),
            }
        }
    }
    let run = |text: &str| {
        let chart = one_template(text);
        let release = release();
        let input = RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()));
        CompiledChart::compile(&chart).unwrap().render(RenderInput {
            lookup: Arc::new(Cluster),
            ..input
        })
    };
    let output = run("{{ (lookup \"v1\" \"Secret\" .Release.Namespace \"a\").is }}").unwrap();
    assert_eq!(output["c/templates/a.yaml"], "v1 Secret ns/a");
    let error = run("{{ lookup \"v1\" \"Secret\" \"x\" \"gone\" }}")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("error calling lookup: the server is away"),
        "{error}"
    );
}

#[test]
fn a_render_brings_its_own_clock_and_randomness() {
    struct Fixed;
    impl Clock for Fixed {
        fn now(&self, _: &mut State) -> (i64, u32) {
            (1_795_266_227, 0)
        }
    }
    impl Entropy for Fixed {
        fn fill(&self, _: &mut State, out: &mut [u8]) -> Result<(), helmapp_gotmpl::Error> {
            out.fill(7);
            Ok(())
        }
    }
    let compiled =
        CompiledChart::compile(&one_template("{{ now | unixEpoch }} {{ randAlphaNum 8 }}")).unwrap();
    let release = release();
    let run = || {
        let input = RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()));
        compiled
            .render(RenderInput {
                clock: Arc::new(Fixed),
                entropy: Arc::new(Fixed),
                ..input
            })
            .unwrap()
    };
    let first = run();
    assert!(
        first["c/templates/a.yaml"].starts_with("1795266227 "),
        "{first:?}"
    );
    assert_eq!(first, run());
}

#[test]
fn limits_stop_a_render_and_are_named() {
    let stop = |text: &str, limits: Limits| {
        let chart = one_template(text);
        let release = release();
        let input = RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()));
        let error = CompiledChart::compile(&chart)
            .unwrap()
            .render(RenderInput { limits, ..input })
            .unwrap_err();
        error.template_error().limit().map(helmapp_gotmpl::Limit::name)
    };
    let steps = Limits {
        steps: 1000,
        ..Limits::default()
    };
    assert_eq!(stop("{{ range until 5000 }}x{{ end }}", steps), Some("steps"));
    let output = Limits {
        output_bytes: 100,
        ..Limits::default()
    };
    assert_eq!(
        stop("{{ range until 500 }}x{{ end }}", output),
        Some("output size")
    );
}

#[test]
fn questions_to_the_capabilities_are_noted() {
    let many: String = (0..=MAX_QUESTIONS)
        .map(|n| format!("{{{{ .Capabilities.APIVersions.Has \"g{n}/v1\" }}}}"))
        .collect();
    // template, whether it asks for the version, for the list, and which API versions
    let table: [(&str, bool, bool, &[&str]); 10] = [
        (
            "{{ .Release.Name }}{{ .Capabilities.HelmVersion.Version }}",
            false,
            false,
            &[],
        ),
        ("{{ .Capabilities.KubeVersion.Minor }}", true, false, &[]),
        (
            "{{ if .Capabilities.APIVersions.Has \"a.b/v1/C\" }}{{ end }}{{ .Capabilities.APIVersions.Has \"v1\" }}",
            false,
            false,
            &["a.b/v1/C", "v1"],
        ),
        (
            "{{ with .Capabilities.Copy }}{{ .APIVersions.Has \"a/v1\" }}{{ end }}",
            false,
            false,
            &["a/v1"],
        ),
        ("{{ has \"a/v1\" .Capabilities.APIVersions }}", false, true, &[]),
        (
            "{{ .Capabilities.APIVersions.Has \"a/v1\" }}{{ range .Capabilities.APIVersions }}{{ end }}",
            false,
            true,
            &[],
        ),
        ("{{ toYaml .Capabilities }}", true, true, &[]),
        // What no cluster can serve is no question, and may be anything.
        (
            "{{ .Capabilities.APIVersions.Has \"a word\" }}{{ .Capabilities.APIVersions.Has \"hunter2\" }}",
            false,
            false,
            &[],
        ),
        (
            "{{ .Capabilities.APIVersions.Has \"a/v1\" }}{{ fail \"no\" }}",
            false,
            false,
            &["a/v1"],
        ),
        (&many, false, true, &[]),
    ];
    let (release, values) = (release(), Shared::default());
    for (template, kube_version, all_api_versions, api_versions) in table {
        let input = RenderInput::new(&values, &release, Arc::default());
        let asked = input.asked.clone();
        let _ = CompiledChart::compile(&one_template(template))
            .unwrap()
            .render(input);
        let expected = Questions {
            kube_version,
            all_api_versions,
            api_versions: api_versions.iter().map(|version| (*version).to_owned()).collect(),
        };
        assert_eq!(asked.questions(), expected, "{template}");
    }
}

#[test]
fn answers_change_with_what_was_asked_only() {
    let plain = Capabilities::default();
    let more = Capabilities::without_cluster(KubeVersion::default(), &["a.b/v1/C".to_owned()]);
    let newer = Capabilities::without_cluster(KubeVersion::parse("1.35").unwrap(), &[]);
    let has = |version: &str| Questions {
        api_versions: [version.to_owned()].into(),
        ..Questions::default()
    };
    let version = Questions {
        kube_version: true,
        ..Questions::default()
    };
    let list = Questions {
        all_api_versions: true,
        ..Questions::default()
    };
    for (questions, with_more, with_newer) in [
        (Questions::default(), true, true),
        (has("a.b/v1/C"), false, true),
        (has("a.b/v1/D"), true, true),
        (version, true, false),
        (list, false, true),
    ] {
        let answers = questions.answers(&plain);
        assert_eq!(answers == questions.answers(&more), with_more, "{questions:?}");
        assert_eq!(answers == questions.answers(&newer), with_newer, "{questions:?}");
    }
}

#[test]
fn release_names_are_checked() {
    for good in ["a", "a-b", "a.b", "1", &"a".repeat(53)] {
        assert_eq!(check_release_name(good), Ok(()), "{good}");
    }
    for bad in ["A", "-a", "a-", "a..b", "a_b", ".a", &"a".repeat(54)] {
        assert_eq!(
            check_release_name(bad),
            Err(ReleaseNameError::Invalid(bad.to_owned())),
            "{bad}"
        );
    }
    assert_eq!(
        check_release_name("").unwrap_err().to_string(),
        "release name \"\": no name provided"
    );
    assert_eq!(name_from_template("app-{{ \"X\" | lower }}").unwrap(), "app-x");
}

#[test]
fn a_compiled_chart_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<CompiledChart>();
}

/// Charts give `dict` a value too few, and the key that is left over is all that they know, files included.
#[test]
fn a_key_can_be_the_text_of_a_large_chart() {
    let size = 2_500_000;
    let files = [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 1.0.0\n".to_owned(),
        ),
        ("big.txt", "z".repeat(size)),
        (
            "templates/a.yaml",
            "{{ range keys (dict \"a\" 1 .Files) }}{{ len . }} {{ end }}".to_owned(),
        ),
    ];
    let chart = chart(&files.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
    let output = render(&chart, &Map::new()).unwrap();
    let key = "map[big.txt:[".len() + "122 ".len() * size - 1 + "]]".len();
    assert_eq!(output["c/templates/a.yaml"], format!("1 {key} "));
}
