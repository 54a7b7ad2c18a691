//! Every function with large arguments, in a loop: a step stands for about the same work in all of them, so that the
//! limit on steps is one on time.

use std::sync::Arc;
use std::time::Duration;

use helmapp_gotmpl::{Functions, ParamType, sprig};
use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::{Chart, File};
use helmapp_helm::limits;
use helmapp_helm::render::{CompiledChart, Limits, ReleaseOptions, RenderInput};
use helmapp_helm::values::Shared;
use serde_json::{Map, Value, json};

use crate::clock::{on_processor, slowness};

/// The part of the steps that a case has, and of the second that those may take.
const PART: u32 = 100;

/// What Helm adds to sprig's functions, and what Go has, with the types of their parameters.
const OTHERS: &[(&str, &[Type])] = &[
    ("toYaml", &[Type::Any]),
    ("toYamlPretty", &[Type::Any]),
    ("fromYaml", &[Type::Text]),
    ("fromYamlArray", &[Type::Text]),
    ("toToml", &[Type::Any]),
    ("fromToml", &[Type::Text]),
    ("fromJson", &[Type::Text]),
    ("fromJsonArray", &[Type::Text]),
    ("required", &[Type::Text, Type::Any]),
    ("tpl", &[Type::Text, Type::Any]),
    ("print", &[Type::Any, Type::Any]),
    ("println", &[Type::Any, Type::Any]),
    ("html", &[Type::Any]),
    ("js", &[Type::Any]),
    ("urlquery", &[Type::Any]),
    ("len", &[Type::Any]),
    ("index", &[Type::Any, Type::Number]),
    ("slice", &[Type::Any, Type::Number]),
    ("eq", &[Type::Any, Type::Any]),
    ("lt", &[Type::Any, Type::Any]),
    ("not", &[Type::Any]),
    ("and", &[Type::Any, Type::Any]),
    (".Files.Get", &[Type::Text]),
    (".Files.GetBytes", &[Type::Text]),
    (".Files.Lines", &[Type::Text]),
    (".Files.Glob", &[Type::Text]),
    (".Values.Table", &[Type::Text]),
    (".Values.PathValue", &[Type::Text]),
    (".Capabilities.APIVersions.Has", &[Type::Text]),
];

/// Formats whose arguments are numbers, texts, lists and dicts.
const VERBS: &[&str] = &[
    "%v",
    "%+v",
    "%#v",
    "%T",
    "%d",
    "%b",
    "%o",
    "%x",
    "%X",
    "% x",
    "%#x",
    "%c",
    "%q",
    "%+q",
    "%#q",
    "%U",
    "%#U",
    "%e",
    "%f",
    "%g",
    "%G",
    "%s",
    "%t",
    "%p",
    "%9000d",
    "%-90000s",
    "%090000d",
    "%.9000d",
    "%.300e",
    "%.900f",
    "%900000d",
    "%.900000g",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Any,
    Text,
    Number,
    Dict,
    List,
}

impl Type {
    fn of(parameter: ParamType) -> Type {
        match parameter {
            ParamType::String | ParamType::Bytes => Type::Text,
            ParamType::Int(_) | ParamType::Uint(_) | ParamType::Float(_) => Type::Number,
            ParamType::Map(_) => Type::Dict,
            ParamType::List(_) => Type::List,
            _ => Type::Any,
        }
    }

    /// Large values of the type.
    fn large(self) -> &'static [&'static str] {
        const TEXTS: &[&str] = &[
            ".Values.words",
            ".Values.same",
            ".Values.wide",
            ".Values.marks",
            ".Values.json",
            ".Values.yaml",
            ".Values.short",
        ];
        const LISTS: &[&str] = &[".Values.list", ".Values.numbers"];
        const DICTS: &[&str] = &[".Values.dict"];
        const NUMBERS: &[&str] = &["5000", "100000"];
        match self {
            Type::Text => TEXTS,
            Type::Number => NUMBERS,
            Type::Dict => DICTS,
            Type::List => LISTS,
            Type::Any => &[
                ".Values.words",
                ".Values.wide",
                ".Values.short",
                ".Values.list",
                ".Values.numbers",
                ".Values.dict",
                "1e308",
                "now",
            ],
        }
    }

    fn small(self) -> &'static [&'static str] {
        match self {
            Type::Any => &["1", "\"a\"", "(list \"a\" \"b\")"],
            Type::Text => &["\"a\"", "\" \"", "\"\""],
            Type::Number => &["1", "-1"],
            Type::Dict => &["(dict \"a\" 1)"],
            Type::List => &["(list 1)"],
        }
    }
}

fn values() -> Shared {
    let text = |part: &str, bytes: usize| part.repeat(bytes / part.len());
    let list: Vec<String> = (0..10_000)
        .map(|n| format!("item-{}", n * 7919 % 10_000))
        .collect();
    let dict: Map<String, Value> = (0..5_000)
        .map(|n| (format!("key-{n}"), json!({"a": n, "b": "text: {"})))
        .collect();
    let object = Value::Object(dict.clone()).to_string();
    Shared::from(&json!({
        "words": text("someWords and HTTPServer2xx, more_of-them\n", 200_000),
        "same": text("a", 200_000),
        "wide": text("Größe übermäßig 名前と漢字 ", 100_000),
        "marks": text("<&\"'%=.\\{}[]()\n\t$", 100_000),
        "json": object,
        "yaml": text("- a: [1, 2, {b: c}]\n  d: |\n    text\n", 100_000),
        "short": "3h2m1.5s",
        "list": list,
        "numbers": (0..5_000).map(|n| f64::from(n) * 1.7e300).collect::<Vec<f64>>(),
        "dict": dict,
    }))
}

/// The calls of a function in which one argument is large.
fn calls(name: &str, types: &[Type], variadic: bool) -> Vec<String> {
    let mut calls = Vec::new();
    let mut types = types.to_vec();
    if variadic {
        types.extend(types.last().copied());
    }
    for at in 0..types.len() {
        for large in types[at].large() {
            let most = types.iter().map(|t| t.small().len()).max().unwrap_or(1);
            for variant in 0..if types.len() == 2 { most } else { 1 } {
                let arguments = types.iter().enumerate().map(|(i, ty)| match i == at {
                    true => *large,
                    false => ty.small()[variant % ty.small().len()],
                });
                calls.push(format!("{name} {}", arguments.collect::<Vec<_>>().join(" ")));
            }
        }
    }
    // Both of two are large.
    if let [first, second] = types[..] {
        let (first, second) = (first.large(), second.large());
        calls.extend(first.iter().zip(second).map(|(a, b)| format!("{name} {a} {b}")));
    }
    calls.sort();
    calls.dedup();
    calls
}

fn all_calls() -> Vec<String> {
    let mut functions = Functions::new();
    sprig::register(&mut functions, &sprig::Options::default());
    let mut names: Vec<&str> = functions.names().collect();
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        let signature = functions.get(name).expect("a function of that name").signature();
        let types: Vec<Type> = signature.params.iter().map(|ty| Type::of(*ty)).collect();
        all.extend(calls(name, &types, signature.variadic));
    }
    for (name, types) in OTHERS {
        all.extend(calls(name, types, false));
    }
    for verb in VERBS {
        let large = Type::Any.large().iter().chain(&["1e-300", "9223372036854775807"]);
        all.extend(large.map(|large| format!("printf {verb:?} {large}")));
    }
    all
}

struct Bench {
    values: Shared,
    release: ReleaseOptions,
    limits: Limits,
}

impl Bench {
    fn new() -> Bench {
        let limits = Limits::default();
        Bench {
            values: values(),
            release: ReleaseOptions {
                name: "r".to_owned(),
                namespace: "n".to_owned(),
                revision: 1,
                is_install: true,
                is_upgrade: false,
            },
            limits: Limits {
                steps: limits.steps / u64::from(PART),
                // Its work is no steps: it has a limit and tests of its own.
                key_work: 0,
                ..limits
            },
        }
    }

    /// What calls in a loop take until something stops them, and what that is.
    fn run(&self, call: &str) -> (Duration, String) {
        let template = format!(
            "{{{{ range 1000000000 }}}}{{{{ with $ }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}{{{{ end }}}}"
        );
        let files = vec![
            File::new("Chart.yaml", &b"apiVersion: v2\nname: c\nversion: 1.0.0\n"[..]),
            File::new("templates/a.yaml", template.as_bytes()),
            File::new("a", "a line\n".repeat(40_000).as_bytes()),
        ];
        let chart = Chart::load_files(files, &limits::Limits::default()).expect("a chart");
        let compiled = match CompiledChart::compile(&chart) {
            Ok(compiled) => compiled,
            Err(error) => return (Duration::ZERO, error.to_string()),
        };
        let input = RenderInput {
            limits: self.limits.clone(),
            ..RenderInput::new(&self.values, &self.release, Arc::new(Capabilities::default()))
        };
        let before = on_processor();
        let end = compiled
            .render(input)
            .map_or_else(|e| e.to_string(), |_| "done".to_owned());
        (on_processor() - before, end)
    }
}

/// How often a call is tried again that takes too long.
const RUNS: usize = 4;

#[test]
fn steps_stand_for_time_in_every_function() {
    let most = Duration::from_secs(1) / PART;
    let only = std::env::var("HELMAPP_ONLY_FUNCTION").unwrap_or_default();
    let bench = Bench::new();
    let (mut slow, mut stopped, mut count) = (Vec::new(), 0, 0);
    for call in all_calls().iter().filter(|call| call.starts_with(&only)) {
        let (mut took, end) = bench.run(call);
        // The least disturbed run counts.
        for _ in 0..RUNS {
            if took > most {
                let slowness = slowness();
                took = took.min(bench.run(call).0.div_f64(slowness));
            }
        }
        count += 1;
        stopped += usize::from(end.contains("limit exceeded"));
        if took > most {
            slow.push((took, format!("{call}: {took:?}")));
        }
    }
    slow.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    let slow: Vec<String> = slow.into_iter().map(|(_, text)| text).collect();
    println!("{count} calls, {stopped} of them stopped by a limit");
    assert!(
        slow.is_empty(),
        "{} take more than {most:?}:\n{}",
        slow.len(),
        slow.join("\n")
    );
    assert!(
        stopped * 3 > count || !only.is_empty(),
        "{stopped} of {count} calls were stopped by a limit"
    );
}
