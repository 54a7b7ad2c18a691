//! docs/limits.md: every limit with its default as the code has it, the flag that sets it, and the test that hits it.

use std::{env, fs, path::Path, process::Command};

use helmapp::controller::{redact, veil};
use helmapp::settings::{Fetch, Limits};
use helmapp_gotmpl::{json, parse, re2, semver, set, value};
use helmapp_helm::{chart::MAX_IGNORE_STEPS, health::expr, release, schema, toml, values};

use Setting::{Constant, Flag};

struct Row {
    name: &'static str,
    default: String,
    setting: Setting,
    stops: &'static str,
    /// File and name of a test or of a case in it.
    test: (&'static str, &'static str),
}

/// How a limit is set.
enum Setting {
    /// By this flag of `helmapp run`, without its dashes.
    Flag(&'static str),
    /// Not at all, and why.
    Constant(&'static str),
}

/// What recursion is bounded by.
const STACK: Setting = Constant("the stack of a thread");

const HEAD: &str = "\
# Limits

A chart comes from outside. Whatever it holds, it can't stop, bloat or crash the operator: each thing that can grow
has a limit, and a chart that hits one fails with an error that names it. Other HelmApps do not notice.

Flags are those of `helmapp run`; each is an environment variable too (`--render-steps` is `HELMAPP_RENDER_STEPS`).
Limits without a flag are constants, for the reason that the table gives, and no known chart comes near them.
`helmapp template` renders with the defaults, on a larger stack and without a deadline.

Charts are rendered on threads of their own, at most `--renderers` (2) at once and half of them for the HelmApps of one
namespace, so that many hostile charts take no more memory at a time than that many. Who waits for a thread is tried
again later, and its deadline begins when it has one.

With the defaults a rendering stays under 256 MiB, and ends within a second on a usual core, keys and certificates
apart. `crates/helm/tests/limits` holds hostile charts and measures both for each, in a process of its own. This page
is made by `make generate`, and a test compares it with the code.

";

const FUZZ: &str = "
## Fuzzing

`make fuzz` runs seven targets, ten minutes each (`FUZZ_SECONDS` changes that): `parse` (templates, patterns, version
constraints, searches), `render` (a chart around a template, to objects), `yaml`, `set` (the `--set` family), `archive`
(packed and unpacked charts), `release` (records of Helm's) and `values` (of charts, aliases and layers, merged). Each
asserts that an input keeps no processor for a second. They are guided by coverage: libFuzzer, with LLVM's coverage
counters, on the stable toolchain and without sanitizers, which would need another toolchain and have little to find
in code without `unsafe`; debug assertions and overflow checks are on. `cargo fuzz` is not needed. Seeds are in
`fuzz/seeds`. What is found becomes a named test where it belongs. `make test` runs the same targets on a fixed set
of mutations.
";

fn rows() -> Vec<Row> {
    const HOSTILE: &str = "crates/helm/tests/limits/templates.rs";
    const RECORDER: &str = "crates/helm/src/render/recorder.rs";
    const TEXTS: &str = "crates/helm/tests/limits/texts.rs";
    const REDACT: &str = "src/controller/redact.rs";
    const ARCHIVES: &str = "crates/helm/tests/limits/archives.rs";
    const EXPRESSIONS: &str = "crates/helm/src/health/expr/tests.rs";
    let Limits {
        render_timeout,
        render,
        lookups,
        yaml,
        values: merged,
        manifest_nodes,
        chart,
    } = Limits::default();
    let row = |name, default: String, setting, stops, test| Row {
        name,
        default,
        setting,
        stops,
        test,
    };
    vec![
        row(
            "deadline",
            format!("{} s", render_timeout.as_secs()),
            Flag("render-timeout"),
            "rendering by the clock, lookups included",
            ("crates/gotmpl/src/exec/tests.rs", "each_limit_stops_and_is_named"),
        ),
        row(
            "steps",
            count(render.steps),
            Flag("render-steps"),
            "loops, calls, and walks through large values",
            (HOSTILE, "loops in loops"),
        ),
        row(
            "template depth",
            count(render.template_depth.into()),
            Flag("render-depth"),
            "templates in templates",
            ("crates/gotmpl/src/exec/tests.rs", "each_limit_stops_and_is_named"),
        ),
        row(
            "stack",
            bytes(render.stack_bytes as u64),
            Flag("render-stack-bytes"),
            "recursion of `include`, `template` and `tpl`, before the thread's stack ends",
            (HOSTILE, "tpl of tpl"),
        ),
        row(
            "output size",
            bytes(render.output_bytes as u64),
            Flag("render-output-bytes"),
            "text of all templates of a chart",
            (HOSTILE, "output of many files"),
        ),
        row(
            "text size",
            bytes(render.text_bytes as u64),
            Flag("render-text-bytes"),
            "one text: `repeat`, `indent`, `printf`, `replace`, `toJson`, captured output",
            (HOSTILE, "repeat of repeat"),
        ),
        row(
            "memory",
            bytes(render.memory_bytes as u64),
            Flag("render-memory-bytes"),
            "all values held at a time: lists and dicts that double, kept texts",
            (HOSTILE, "a list that doubles"),
        ),
        row(
            "list items",
            count(render.list_items),
            Flag("render-list-items"),
            "`until`, `untilStep`, `seq`",
            (HOSTILE, "untilStep"),
        ),
        row(
            "key work",
            count(render.key_work),
            Flag("render-key-work"),
            "keys, certificates, bcrypt, `derivePassword`; takes seconds, not one",
            (HOSTILE, "RSA keys"),
        ),
        row(
            "value depth",
            count(value::MAX_VALUE_DEPTH as u64),
            STACK,
            "walks through values that nest, or contain themselves",
            (HOSTILE, "a dict in itself as JSON"),
        ),
        row(
            "parse depth",
            count(parse::MAX_PARSE_DEPTH as u64),
            STACK,
            "parentheses and blocks in templates",
            (HOSTILE, "parentheses"),
        ),
        row(
            "source nodes",
            format!(
                "{}, in all {}",
                count(parse::MAX_SOURCE_NODES as u64),
                count(set::MAX_SET_NODES as u64)
            ),
            Constant("compiled templates are shared by all who use the chart"),
            "long templates and long texts of `tpl`",
            (HOSTILE, "a long template"),
        ),
        row(
            "regex size",
            format!(
                "{}, compiled {}",
                bytes(render.regex_bytes as u64),
                bytes(re2::MAX_PROGRAM_SIZE as u64)
            ),
            Flag("render-regex-bytes"),
            "long patterns and counted repetition",
            (HOSTILE, "a large regex"),
        ),
        row(
            "regex depth",
            count(re2::MAX_DEPTH as u64),
            STACK,
            "groups in groups",
            (HOSTILE, "a deep regex"),
        ),
        row(
            "constraint length",
            bytes(semver::MAX_CONSTRAINT_LEN as u64),
            Constant("no version needs more"),
            "ranges of versions",
            (HOSTILE, "a long range of versions"),
        ),
        row(
            "JSON depth",
            count(json::MAX_DEPTH as u64),
            STACK,
            "`fromJson`",
            (HOSTILE, "fromJson that nests"),
        ),
        row(
            "TOML depth",
            count(toml::MAX_DEPTH as u64),
            STACK,
            "`toToml`, `fromToml`",
            ("crates/helm/src/toml/tests.rs", "refuses_deep_nesting"),
        ),
        row(
            "lookups",
            count(lookups.count as u64),
            Flag("render-lookups"),
            "different questions of `lookup` in a rendering",
            (RECORDER, "lookups_are_limited_in_number_and_size"),
        ),
        row(
            "lookup bytes",
            bytes(lookups.bytes as u64),
            Flag("render-lookup-bytes"),
            "answers of `lookup` in a rendering",
            (RECORDER, "lookups_are_limited_in_number_and_size"),
        ),
        row(
            "archive_bytes",
            bytes(Fetch::default().max_archive_bytes),
            Flag("max-archive-bytes"),
            "packed charts that are read or downloaded",
            ("crates/helm/src/chart/tests.rs", "limits_of_loading_hold"),
        ),
        row(
            "unpacked_bytes",
            bytes(chart.unpacked_bytes),
            Flag("chart-unpacked-bytes"),
            "archives that unpack to much, those within them included",
            (ARCHIVES, "an archive that unpacks to much"),
        ),
        row(
            "file_bytes",
            bytes(chart.file_bytes),
            Flag("chart-file-bytes"),
            "one file of a chart",
            (ARCHIVES, "an archive with a large file"),
        ),
        row(
            "file_count",
            count(chart.file_count as u64),
            Flag("chart-files"),
            "files of a chart",
            (ARCHIVES, "an archive of many files"),
        ),
        row(
            "chart_depth",
            count(chart.chart_depth as u64),
            Flag("chart-depth"),
            "charts in charts",
            (ARCHIVES, "archives in archives"),
        ),
        row(
            "directory_depth",
            count(chart.directory_depth as u64),
            Flag("chart-directory-depth"),
            "directories of an unpacked chart",
            ("crates/helm/src/chart/tests.rs", "limits_of_loading_hold"),
        ),
        row(
            "ignore_steps",
            count(MAX_IGNORE_STEPS),
            Constant("no chart comes near"),
            "`.helmignore` with many lines for many files",
            (ARCHIVES, "many files and lines of .helmignore"),
        ),
        row(
            "input_bytes",
            bytes(yaml.input_bytes as u64),
            Flag("yaml-input-bytes"),
            "one text of YAML",
            ("crates/goyaml/tests/compat/limits.rs", "input_bytes"),
        ),
        row(
            "depth",
            count(yaml.depth as u64),
            STACK,
            "YAML that nests",
            (TEXTS, "values that nest"),
        ),
        row(
            "nodes",
            count(yaml.nodes as u64),
            Flag("yaml-nodes"),
            "values of one YAML document, each time an alias stands for them",
            (HOSTILE, "fromYaml with many nodes"),
        ),
        row(
            "expanded_bytes",
            bytes(yaml.expanded_bytes as u64),
            Flag("yaml-alias-bytes"),
            "text that YAML aliases stand for; go-yaml's own ratio for aliases holds too",
            (TEXTS, "values with long aliases"),
        ),
        row(
            "entries",
            count(merged.entries as u64),
            Flag("values-entries"),
            "values of a chart and its sub-charts, merged",
            ("crates/helm/src/values/tests.rs", "limits_of_values_hold"),
        ),
        row(
            "values_bytes",
            bytes(merged.bytes as u64),
            Flag("values-bytes"),
            "texts and keys of these values at each place where they stand: aliases of a sub-chart, globals",
            (TEXTS, "a long text under many aliases"),
        ),
        row(
            "values_steps",
            count(merged.steps as u64),
            Flag("values-steps"),
            "merging them: aliases of aliases",
            (TEXTS, "aliases of aliases"),
        ),
        row(
            "charts",
            count(merged.charts as u64),
            Flag("chart-dependencies"),
            "charts in a chart, each alias being one",
            (TEXTS, "too many aliases"),
        ),
        row(
            "--set index",
            count(values::set::MAX_INDEX as u64),
            Constant("Helm's own"),
            "`--set a[1000000000]=x`",
            (TEXTS, "--set with a large index"),
        ),
        row(
            "--set nesting",
            count(values::set::MAX_NESTED_NAME_LEVEL as u64),
            Constant("Helm's own"),
            "names in names",
            (TEXTS, "--set that nests"),
        ),
        row(
            "schema steps",
            count(merged.schema_steps),
            Flag("schema-steps"),
            "references of a schema that double, long enumerations",
            (TEXTS, "a schema that doubles"),
        ),
        row(
            "schema depth",
            count(schema::MAX_DEPTH as u64),
            STACK,
            "references of a schema without end",
            (TEXTS, "a schema without end"),
        ),
        row(
            "manifest nodes",
            count(manifest_nodes as u64),
            Flag("manifest-nodes"),
            "values in all objects of a release",
            (HOSTILE, "many values in manifests"),
        ),
        row(
            "decoded bytes",
            bytes(release::DecodeLimits::default().max_decoded_bytes),
            Constant("no record that is written comes near"),
            "release records that unpack to much",
            (ARCHIVES, "a record that unpacks to much"),
        ),
        row(
            "record values",
            count(release::MAX_VALUES as u64),
            Constant("no record that is written comes near"),
            "release records with many small values",
            (ARCHIVES, "a record of many values"),
        ),
        row(
            "expression length",
            bytes(expr::MAX_LENGTH as u64),
            Constant("the CRD has the same maximum"),
            "one expression of `spec.healthCheckExprs`",
            (EXPRESSIONS, "what_is_no_expression_is_named"),
        ),
        row(
            "expression depth",
            count(expr::MAX_DEPTH as u64),
            STACK,
            "brackets in brackets, and long chains, in such an expression",
            (EXPRESSIONS, "what_is_no_expression_is_named"),
        ),
        row(
            "expression steps",
            count(expr::MAX_STEPS),
            Constant("an expression reads one object"),
            "what such an expression could take on an object, told before it is evaluated",
            (EXPRESSIONS, "hostile_expressions_end"),
        ),
        row(
            "secret texts",
            count(redact::MAX_TEXTS as u64),
            Constant("each HelmApp has its own in memory"),
            "texts in Secrets of one HelmApp that are kept out of messages; with more, no message is shown that could quote them",
            (REDACT, "what_was_looked_up_is_taken_out_too"),
        ),
        row(
            "secret bytes",
            bytes(redact::MAX_SECRET_BYTES as u64),
            Constant("each HelmApp has its own in memory"),
            "the same by size, as they are read and as they are kept",
            (REDACT, "what_is_kept_to_look_for_is_bounded"),
        ),
        row(
            "searched text",
            bytes(redact::MAX_TEXT_BYTES as u64),
            Constant("a message is cut long before"),
            "one text that is looked through for secrets; a longer one counts as secret",
            (
                "src/controller/redact/finder.rs",
                "what_can_not_be_looked_through_counts_as_secret",
            ),
        ),
        row(
            "searched objects",
            bytes(veil::MAX_OBJECT_BYTES as u64),
            Constant("a release of this size has no readable diff"),
            "texts of a revision's objects that are looked through for secrets; with more, all count as secret in `diff`",
            (
                "src/controller/veil.rs",
                "texts_that_can_not_be_looked_through_count_as_secret",
            ),
        ),
    ]
}

fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: u64) -> String {
    match n {
        n if n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{} bytes", count(n)),
    }
}

#[test]
fn limits() {
    let mut page = HEAD.to_owned();
    page.push_str(
        "| limit | default | flag, or why it is a constant | what it stops | test |\n|---|---|---|---|---|\n",
    );
    for Row {
        name,
        default,
        setting,
        stops,
        test,
    } in rows()
    {
        let setting = match setting {
            Flag(flag) => format!("`--{flag}`"),
            Constant(why) => format!("constant: {why}"),
        };
        page.push_str(&format!(
            "| {name} | {default} | {setting} | {stops} | {}: {} |\n",
            test.0, test.1
        ));
    }
    page.push_str(FUZZ);
    super::same_as_committed("docs/limits.md", &page);
}

#[test]
fn each_limit_has_the_flag_and_the_test_that_the_page_names() {
    let help = Command::new(env!("CARGO_BIN_EXE_helmapp"))
        .args(["run", "--help"])
        .output()
        .expect("helmapp runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for row in rows() {
        if let Flag(flag) = row.setting {
            assert!(help.contains(&format!("--{flag} <")), "{}: --{flag}", row.name);
        }
        let (file, test) = row.test;
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
        let found = source.contains(&format!("fn {test}(")) || source.contains(&format!("\"{test}\""));
        assert!(found, "{}: {file} has no test or case {test:?}", row.name);
    }
}
