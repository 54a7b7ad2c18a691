//! Charts whose templates ask for too much.

use std::sync::Arc;

use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::{Chart, File};
use helmapp_helm::limits;
use helmapp_helm::manifest::Manifest;
use helmapp_helm::render::{CompiledChart, Limits, ReleaseOptions, RenderInput, prepare};
use serde_json::Map;

use crate::{Case, Expected};

const METADATA: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// Loads, prepares, compiles and renders a chart and reads its manifest, on a usual thread.
pub(crate) fn chart(files: Vec<(String, Vec<u8>)>) -> Result<(), String> {
    chart_within(files, Limits::default())
}

/// The stack that the operator gives to templates.
const LARGE_STACK: usize = 32 << 20;

/// As [`chart`], on a thread as the operator's are.
fn deep_chart(files: Vec<(String, Vec<u8>)>) -> Result<(), String> {
    let limits = Limits {
        stack_bytes: LARGE_STACK,
        ..Limits::default()
    };
    chart_within(files, limits)
}

/// As [`template`], on a thread as the operator's are.
fn deep(text: impl Into<String>) -> Result<(), String> {
    deep_chart(vec![("templates/a.yaml".to_owned(), text.into().into_bytes())])
}

fn chart_within(files: Vec<(String, Vec<u8>)>, limits: Limits) -> Result<(), String> {
    let stack = limits.stack_bytes + (1 << 20);
    let work = move || {
        let mut all = vec![File::new("Chart.yaml", METADATA.as_bytes())];
        all.extend(files.into_iter().map(|(name, data)| File::new(name, data)));
        let chart = Chart::load_files(all, &limits::Limits::default()).map_err(|e| e.to_string())?;
        let prepared = prepare(&chart, &Map::new(), Some(&Arc::default()), &mut Vec::new())
            .map_err(|e| e.to_string())?;
        let release = ReleaseOptions {
            name: "r".to_owned(),
            namespace: "n".to_owned(),
            revision: 1,
            is_install: true,
            is_upgrade: false,
        };
        let input = RenderInput {
            limits,
            ..RenderInput::new(&prepared.values, &release, Arc::new(Capabilities::default()))
        };
        let compiled = CompiledChart::compile(&prepared.chart).map_err(|e| e.to_string())?;
        let rendered = compiled.render(input).map_err(|e| e.to_string())?;
        let manifest = Manifest::build("c", rendered).map_err(|e| e.to_string())?;
        drop(manifest.parse_objects());
        Ok(())
    };
    let thread = std::thread::Builder::new().stack_size(stack).spawn(work);
    thread.expect("a thread").join().expect("no panic")
}

/// A chart with one template.
fn template(text: impl Into<String>) -> Result<(), String> {
    chart(vec![("templates/a.yaml".to_owned(), text.into().into_bytes())])
}

/// As [`template`], with less work on keys than by default, which takes seconds.
fn keys(text: &str) -> Result<(), String> {
    let limits = Limits {
        key_work: 100_000,
        ..Limits::default()
    };
    chart_within(
        vec![("templates/a.yaml".to_owned(), text.as_bytes().to_vec())],
        limits,
    )
}

fn file(name: &str, bytes: usize, line: &str) -> (String, Vec<u8>) {
    (name.to_owned(), line.repeat(bytes / line.len()).into_bytes())
}

/// `$l`, a list that holds another twice, and so on 60 times.
const DOUBLED: &str = "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}";

/// `$s`, a million digits in no order.
const DIGITS: &str = "{{ $l := list }}{{ range until 256 }}{{ $l = append $l (sha512sum (toString .)) }}{{ end }}{{ $s := join \"\" $l }}{{ range until 5 }}{{ $s = print $s (sha512sum $s) $s }}{{ end }}";

macro_rules! cases {
    ($($name:literal, $expected:expr, $work:expr;)*) => {
        vec![$(Case { name: $name, expected: $expected, work: || $work },)*]
    };
}

pub(crate) fn cases() -> Vec<Case> {
    use Expected::{Error, Harmless};
    const STEPS: Expected = Error("steps limit exceeded");
    const TEXT: Expected = Error("text size limit exceeded");
    const MEMORY: Expected = Error("memory limit exceeded");
    const STACK: Expected = Error("stack limit exceeded");
    const TEMPLATES: Expected = Error("exceeded maximum template depth");
    const NESTED: Expected = Error("nested reference name");
    const OUTPUT: Expected = Error("output size limit exceeded");
    const KEYS: Expected = Error("key work limit exceeded");
    const ITEMS: Expected = Error("list items limit exceeded");
    const DEPTH: Expected = Error("value depth limit exceeded");
    const NODES: Expected = Error("source nodes limit exceeded");
    cases! {
        "loops in loops", STEPS, template("{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}");
        "a loop over a huge number", STEPS, template("{{ range 1000000000000000 }}{{ end }}");
        "a loop that lengthens text", STEPS,
            template("{{ range until 1000000 }}{{ $x := repeat 4000 \"a\" | upper }}{{ end }}");
        "include without end", STACK, template("{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}");
        "template without end", STACK, template("{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}");
        "includes in turn", STACK, template(
            "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}");
        "tpl of tpl", STACK, chart(vec![
            ("values.yaml".to_owned(), b"t: '{{ tpl .Values.t . }}'".to_vec()),
            ("templates/a.yaml".to_owned(), b"{{ tpl .Values.t . }}".to_vec())]);
        "tpl of a long tpl", STACK, chart(vec![
            ("values.yaml".to_owned(), format!("t: '{{{{ tpl .Values.t . }}}} {}'", "x".repeat(1 << 17)).into_bytes()),
            ("templates/a.yaml".to_owned(), b"{{ tpl .Values.t . }}".to_vec())]);
        "include without end, deep", NESTED, deep("{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}");
        "template without end, deep", TEMPLATES, deep("{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}");
        "includes in turn, deep", TEMPLATES, deep(
            "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}");
        "include within much else, deep", STACK, deep(format!(
            "{{{{ define \"r\" }}}}{}{{{{ print {}include \"r\" .{} }}}}{}{{{{ end }}}}{{{{ include \"r\" . }}}}",
            "{{ range list 1 }}{{ with $ }}{{ if true }}".repeat(30), "(trim (nindent 2 (".repeat(30), ")))".repeat(30), "{{ end }}{{ end }}{{ end }}".repeat(30)));
        "tpl of tpl, deep", TEMPLATES, deep_chart(vec![
            ("values.yaml".to_owned(), b"t: '{{ tpl .Values.t . }}'".to_vec()),
            ("templates/a.yaml".to_owned(), b"{{ tpl .Values.t . }}".to_vec())]);
        "tpl of a long tpl, deep", TEMPLATES, deep_chart(vec![
            ("values.yaml".to_owned(), format!("t: '{{{{ tpl .Values.t . }}}} {}'", "x".repeat(1 << 16)).into_bytes()),
            ("templates/a.yaml".to_owned(), b"{{ tpl .Values.t . }}".to_vec())]);
        "a failure under long tpls", Error("boom"), chart(vec![
            ("values.yaml".to_owned(), format!("t: '{{{{ if gt (int .n) 250 }}}}{{{{ fail \"boom\" }}}}{{{{ end }}}}{{{{ tpl .t (dict \"t\" .t \"n\" (add1 .n)) }}}} {}'", "x".repeat(1 << 17)).into_bytes()),
            ("templates/a.yaml".to_owned(), b"{{ tpl .Values.t (dict \"t\" .Values.t \"n\" 0) }}".to_vec())]);
        "many texts of tpl", MEMORY, template("{{ range $i := until 1000000 }}{{ tpl (printf \"{{ %d }}\" $i) $ }}{{ end }}");
        "a long text of tpl", NODES, template("{{ tpl (repeat 1000000 \"{{.}}\") . }}");
        "a long template", NODES, template("{{ .a }}".repeat(600_000));
        "many long templates", NODES, chart((0..12).map(|i| (format!("templates/{i}.yaml"), "{{.a}}".repeat(60_000).into_bytes())).collect());
        "many variables", NODES, template("{{$a:=1}}".repeat(50_000) + &"{{$a}}".repeat(50_000));
        "parentheses", Error("parse depth limit exceeded"), template(format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)));
        "ifs in ifs", Error("parse depth limit exceeded"), template("{{ if 1 }}".repeat(100_000));
        "output", OUTPUT, template("{{ $x := repeat 1000000 \"a\" }}{{ range until 100 }}{{ $x }}{{ end }}");
        "output of many files", OUTPUT, chart((0..50).map(|i| (format!("templates/{i}.yaml"), b"{{ repeat 1000000 \"a\" }}".to_vec())).collect());
        "captured output", TEXT, template(
            "{{ define \"r\" }}{{ $x := repeat 1000000 \"a\" }}{{ range until 100 }}{{ $x }}{{ end }}{{ end }}{{ include \"r\" . | len }}");
        "captured output in captured", MEMORY, template(
            "{{ define \"r\" }}{{ repeat 1000000 \"a\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . | len }}");
        "repeat", TEXT, template("{{ repeat 1000000000 \"a\" }}");
        "repeat of repeat", TEXT, template("{{ repeat 1000000 (repeat 1000000 \"a\") }}");
        "text that doubles", TEXT, template("{{ $s := \"a\" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}");
        "indent", TEXT, template("{{ indent 1000000000 \"a\" }}");
        "nindent", TEXT, template("{{ nindent 9223372036854775807 \"a\\nb\" }}");
        "printf with a width", Harmless, template("{{ $_ := printf \"%1000000000d\" 1 }}");
        "printf with many widths", TEXT, template("{{ printf \"%9000000d%9000000d%9000000d\" 1 2 3 }}");
        "printf of a list with a width", TEXT, template("{{ printf \"%1000000d\" (until 1000) }}");
        "printf with a star", TEXT, template(format!("{{{{ printf \"{}\"{} | len }}}}", "%*d".repeat(18), " 999999 1".repeat(18)));
        "a list that doubles", MEMORY, template("{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}");
        "append in a loop", STEPS, template("{{ $l := list }}{{ range until 1000000 }}{{ $l = append $l . }}{{ end }}");
        "many kept texts", MEMORY, template("{{ $l := list }}{{ range until 1000 }}{{ $l = append $l (repeat 1000000 \"a\") }}{{ end }}");
        "many kept small texts", STEPS, template("{{ $d := dict }}{{ range until 1000000 }}{{ $_ := set $d (printf \"%d\" .) (printf \"%100d\" .) }}{{ end }}");
        "a doubled list as JSON", TEXT, template(format!("{DOUBLED}{{{{ toJson $l }}}}"));
        "a doubled list as YAML", TEXT, template(format!("{DOUBLED}{{{{ toYaml $l }}}}"));
        "a doubled list as pretty YAML", TEXT, template(format!("{DOUBLED}{{{{ toYamlPretty $l }}}}"));
        "a doubled list as TOML", STEPS, template(format!("{DOUBLED}{{{{ toToml (dict \"l\" $l) }}}}"));
        "a doubled list printed", TEXT, template(format!("{DOUBLED}{{{{ $l }}}}"));
        "a doubled list joined", TEXT, template(format!("{DOUBLED}{{{{ join \",\" $l }}}}"));
        "a doubled list copied", MEMORY, template(format!("{DOUBLED}{{{{ deepCopy $l }}}}"));
        "doubled lists compared", STEPS, template(
            "{{ $l := list 1 }}{{ $m := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ $m = list $m $m }}{{ end }}{{ deepEqual $l $m }}");
        "a doubled list searched", STEPS, template(
            "{{ $l := list 1 }}{{ $m := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ $m = list $m $m }}{{ end }}{{ has $l (list $m) }}");
        "a dict in itself as JSON", DEPTH, template("{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ toJson $d }}");
        "a dict in itself as YAML", DEPTH, template("{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ toYaml $d }}");
        "a dict in itself printed", DEPTH, template("{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ $d }}");
        "a dict in itself copied", DEPTH, template("{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ deepCopy $d }}");
        "a dict in itself merged", DEPTH, template(
            "{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ $e := dict }}{{ $_ := set $e \"self\" $e }}{{ merge $d $e }}");
        "dicts in dicts", DEPTH, template("{{ $d := dict }}{{ range until 100000 }}{{ $d = dict \"d\" $d }}{{ end }}{{ toYaml $d }}");
        "a dict that doubles", MEMORY, template(
            "{{ $d := dict \"a\" 1 }}{{ range $i := until 60 }}{{ $_ := set $d (printf \"k%d\" $i) (deepCopy $d) }}{{ end }}");
        "a merge that doubles", MEMORY, template(
            "{{ $d := dict \"a\" 1 }}{{ range $i := until 60 }}{{ $d = merge (dict (printf \"k%d\" $i) (deepCopy $d)) (deepCopy $d) }}{{ end }}");
        "ranges in ranges over a large map", MEMORY, template(
            "{{ define \"r\" }}{{ range $k, $v := . }}{{ include \"r\" $ }}{{ end }}{{ end }}{{ $d := dict }}{{ range until 20000 }}{{ $_ := set $d (toString .) . }}{{ end }}{{ include \"r\" $d }}");
        "randAlphaNum", TEXT, template("{{ randAlphaNum 1000000000 }}");
        "randBytes", TEXT, template("{{ randBytes 1000000000 }}");
        "shuffle", STEPS, template("{{ $s := repeat 8000000 \"a\" }}{{ range until 1000 }}{{ $_ := shuffle $s }}{{ end }}");
        "digests", STEPS, template("{{ $s := repeat 8000000 \"a\" }}{{ range until 1000 }}{{ $_ := sha512sum $s }}{{ end }}");
        "RSA keys", KEYS, keys("{{ range until 1000 }}{{ $_ := genPrivateKey \"rsa\" }}{{ end }}");
        "DSA keys", KEYS, keys("{{ range until 1000 }}{{ $_ := genPrivateKey \"dsa\" }}{{ end }}");
        "certificates", KEYS, keys("{{ range until 1000 }}{{ $_ := genCA \"a\" 1 }}{{ end }}");
        "bcrypt", KEYS, keys("{{ range until 1000 }}{{ $_ := bcrypt \"a\" }}{{ end }}");
        "htpasswd", KEYS, keys("{{ range until 1000 }}{{ $_ := htpasswd \"a\" \"b\" }}{{ end }}");
        "derivePassword", KEYS, keys("{{ range until 1000 }}{{ $_ := derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}{{ end }}");
        "a large regex", Error("regex size limit exceeded"), template("{{ regexMatch \"(?:\\\\pL{100}){10}\\\\pL{900}\" \"a\" }}");
        "a long regex", Error("regex size limit exceeded"), template("{{ regexMatch (repeat 1000000 \"a\") \"a\" }}");
        "a deep regex", Error("regex depth limit exceeded"), template("{{ regexMatch (print (repeat 10000 \"(\") (repeat 10000 \")\")) \"a\" }}");
        "many large regexes", STEPS, template("{{ range until 1000000 }}{{ $_ := regexMatch (printf \"(?:\\\\pL{9}){9}%d\" .) \"a\" }}{{ end }}");
        "regexReplaceAll", TEXT, template("{{ regexReplaceAll \"(.*)\" (repeat 1000000 \"a\") (repeat 1000 \"$1\") }}");
        "regexReplaceAllLiteral", TEXT, template("{{ regexReplaceAllLiteral \"a\" (repeat 1000000 \"a\") (repeat 1000 \"b\") }}");
        "regexFindAll", MEMORY, template("{{ regexFindAll \"\" (repeat 8000000 \"a\") -1 }}");
        "regexSplit", MEMORY, template("{{ regexSplit \"a\" (repeat 8000000 \"a\") -1 }}");
        "a pattern of many states", Harmless, template("a: {{ regexMatch \"(?:a?b?c?){300}[^ab]\" (repeat 1000000 \"a\") }}");
        "a pattern of ever new states", STEPS, template(format!("{DIGITS}{{{{ regexMatch \"[0-9a-f]*[0-7][0-9a-f]{{300}}z\" $s }}}}"));
        "a pattern that looks ahead to the end", STEPS, template("{{ $s := repeat 1000000 \"A\" }}{{ regexReplaceAll \".*[^A-Z]|[A-Z]\" $s \"\" }}");
        "a pattern that looks ahead from each letter", STEPS, template("{{ regexFindAll \"a+b|a\" (repeat 1000000 \"a\") -1 }}");
        "a pattern with groups that may begin anywhere", Harmless, template("a: {{ regexReplaceAll \"(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x?\" (repeat 1000000 \"a\") \"$8\" }}");
        "a group in many ways", STEPS, template("{{ regexReplaceAll \"(a?b?c?){300}\" (repeat 1000000 \"a\") \"$1\" }}");
        "no boundaries of words in wide letters", Harmless, template("a: {{ regexReplaceAll \"\\\\B\" (repeat 500000 \"é\") \"\" | len }}");
        "searches in a loop", STEPS, template("{{ $s := repeat 1000000 \"a\" }}{{ range until 1000000 }}{{ $_ := regexMatch \"a[^a]\" $s }}{{ end }}");
        "groups in a loop", STEPS, template("{{ $s := repeat 100000 \"a\" }}{{ range until 1000000 }}{{ $_ := regexReplaceAll \"(.*)(.*)(.*)x?\" $s \"$2\" }}{{ end }}");
        "one way through groups in a loop", STEPS, template("{{ $s := repeat 100000 \"a\" }}{{ range until 1000000 }}{{ $_ := regexReplaceAll \"(a*)b?\" $s \"$1\" }}{{ end }}");
        "small patterns in a loop", STEPS, template("{{ range until 1000000 }}{{ $_ := regexMatch (printf \"a{900}%d\" .) \"a\" }}{{ end }}");
        "until", ITEMS, template("{{ until 1000000000 }}");
        "untilStep", ITEMS, template("{{ untilStep 0 9223372036854775807 1 }}");
        "seq", ITEMS, template("{{ seq 1 1000000000 }}");
        "splitList", MEMORY, template("{{ splitList \"\" (repeat 8000000 \"a\") }}");
        "split", MEMORY, template("{{ split \"a\" (repeat 8000000 \"a\") }}");
        "replace", TEXT, template("{{ replace \"a\" (repeat 1000000 \"b\") (repeat 1000000 \"a\") }}");
        "join", TEXT, template("{{ join (repeat 1000000 \"b\") (until 1000000) }}");
        "wrapWith", TEXT, template("{{ wrapWith 1 (repeat 1000000 \"b\") (repeat 1000000 \"a\") }}");
        "quote of quote", TEXT, template("{{ $s := \"\\\"\" }}{{ range until 60 }}{{ $s = quote $s }}{{ end }}");
        "base64 of base64", TEXT, template("{{ $s := repeat 1000000 \"a\" }}{{ range until 60 }}{{ $s = b64enc $s }}{{ end }}");
        "html of html", TEXT, template("{{ $s := repeat 8000000 \"&\" }}{{ html $s | len }}");
        "cat in a loop", TEXT, template("{{ $s := \"a\" }}{{ range until 60 }}{{ $s = cat $s $s }}{{ end }}");
        "sort", STEPS, template("{{ $l := until 100000 }}{{ range until 1000000 }}{{ $_ := sortAlpha $l }}{{ end }}");
        "uniq", STEPS, template("{{ uniq (until 1000000) }}");
        "fromYaml with many nodes", Error("limit nodes"), template("{{ fromYamlArray (print \"[\" (repeat 3000000 \"1,\") \"]\") }}");
        "fromYaml with aliases", Harmless, template(format!("{{{{ $_ := fromYaml {:?} }}}}", aliases()));
        "fromYaml that nests", Error("limit depth"), template("{{ fromYamlArray (repeat 100000 \"[\") }}");
        "fromJson with many values", MEMORY, template("{{ $_ := fromJsonArray (print \"[\" (repeat 3000000 \"1,\") \"1]\") }}");
        "fromJson that nests", Harmless, template("{{ $_ := fromJsonArray (repeat 1000000 \"[\") }}");
        "fromToml with many values", MEMORY, template("{{ $_ := fromToml (print \"a = [\" (repeat 3000000 \"1,\") \"1]\") }}");
        "a range of versions", Harmless, template("{{ $_ := semverCompare (repeat 7 \">=1 \") \"1.2.3\" }}");
        "a long range of versions", Error("limit constraint length"), template("{{ semverCompare (repeat 1000000 \">=1 ||\") \"1.2.3\" }}");
        "a long date layout", STEPS, template("{{ $l := repeat 2000000 \"2006\" }}{{ range until 1000 }}{{ $_ := date $l now }}{{ end }}");
        "decimals", STEPS, template("{{ range 10000000 }}{{ $_ := mulf 1e300 1e-300 1.1 }}{{ end }}");
        "all lines of a file", MEMORY, chart(vec![file("f", 5 << 20, "\n"), ("templates/a.yaml".to_owned(), b"{{ .Files.Lines \"f\" }}".to_vec())]);
        "all files as YAML", TEXT, chart((0..8).map(|i| file(&format!("f{i}"), 4 << 20, "a: b\n")).chain(
            [("templates/a.yaml".to_owned(), b"{{ .Files.AsSecrets }}".to_vec())]).collect());
        "copies of a file", MEMORY, chart(vec![file("f", 5 << 20, "a"), ("templates/a.yaml".to_owned(),
            b"{{ $l := list }}{{ range until 1000 }}{{ $l = append $l ($.Files.GetBytes \"f\") }}{{ end }}".to_vec())]);
        "selections of files", MEMORY, chart((0..5000).map(|i| file(&format!("f{i}"), 8, "a")).chain([("templates/a.yaml".to_owned(),
            b"{{ $l := list }}{{ range until 1000000 }}{{ $l = append $l ($.Files.Glob \"*\") }}{{ end }}".to_vec())]).collect());
        "many values in manifests", Error("limit manifest nodes"), chart((0..12).map(|i| (format!("templates/{i}.yaml"),
            b"a: [{{ repeat 50000 \"1,\" }}]".to_vec())).collect());
        "a manifest with many values", Error("limit nodes"), template("a: [{{ repeat 3000000 \"1,\" }}]");
        "a manifest of aliases", Error("excessive aliasing"), template(aliases());
        "a failure with a long text", Harmless, template("{{ fail (repeat 8000000 \"a\") }}").or_else(|e| if e.len() > 1 << 20 { Ok(()) } else { Err(e) });
    }
}

/// Aliases that would stand for ten million scalars.
pub(crate) fn aliases() -> String {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ["b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g"])
    {
        text += &format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 10].join(", "));
    }
    text
}
