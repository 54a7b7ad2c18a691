//! A chart's files as they lie about: `.helmignore`, lock files, hidden and oddly named files, packed sub-charts, links,
//! and archives as different programs write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_oracle::Random;
use helmapp_oracle::helm::File;

use crate::chart::file;
use crate::disk::packed;

/// Lines of a `.helmignore` that leave most of a chart as it is.
const HARMLESS: [&str; 40] = [
    "*.bak",
    "*~",
    ".git/",
    "# a comment",
    "",
    "  *.md  ",
    "files/*.txt",
    "/files",
    "files/",
    "files/deep/",
    "*.prov",
    "templates/tests/",
    "README*",
    "?*.json",
    "crds/sub/",
    "crds/",
    "ci",
    "ci/",
    "deep",
    "[A-Z]*.md",
    "[^a-z]*.json",
    "*.y?ml.bak",
    "NOTES.txt",
    "templates/NOTES.txt",
    "/NOTES.txt",
    "\\#*",
    "\\*",
    "é.yaml",
    "templates/é*",
    "/templates/1?*",
    "charts/lib",
    "/charts/lib/",
    "charts/*.tgz",
    "[[]*",
    "templates/[0-1]*",
    ".gitignore",
    "a b.yaml",
    "templates/sub",
    "lib/",
    "templates/?*.tpl",
];

/// Lines that take much away, or that are refused.
const HARSH: [&str; 22] = [
    "*",
    ".*",
    "!*",
    "!*.yaml",
    "!files",
    "!templates/",
    "!charts/",
    "**/x",
    "a/**",
    "[",
    "a[",
    "[]a]",
    "a\\",
    "values.yaml",
    "Chart.yaml",
    "templates/",
    "charts/",
    "/",
    "!",
    "sub",
    "*.yaml",
    "!/Chart.yaml",
];

/// Files with odd names, and what is in them; some are templates.
const ODD: [(&str, &str); 56] = [
    ("templates/.hidden.yaml", "a: hidden\n"),
    ("templates/.dot/x.yaml", "a: in a hidden folder\n"),
    ("templates/a b.yaml", "kind: Pod\nmetadata: {name: blank}\n"),
    (
        "templates/é.yaml",
        "kind: Pod\nmetadata: {name: \"{{ .Template.Name }}\"}\n",
    ),
    (
        "templates/日本/x.yaml",
        "kind: Pod\nmetadata: {name: \"{{ .Template.BasePath }}\"}\n",
    ),
    ("templates/x.yaml~", "a: backup {{ .Chart.Name }}\n"),
    ("templates/#x.yaml#", "a: editor\n"),
    ("templates/x.yaml.bak", "a: {{ .Values.text | quote }}\n"),
    (
        "templates/tests/t.yaml",
        "kind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
    ),
    ("templates/Z.YAML", "kind: Service\n"),
    (
        "templates/x.json",
        "{\"kind\": \"Secret\", \"metadata\": {\"name\": \"j\"}}\n",
    ),
    ("templates/README.md", "# About {{ .Chart.Name }}\n"),
    ("templates/sub/NOTES.txt", "Notes below {{ .Release.Name }}\n"),
    ("templates/my-NOTES.txt", "Notes by suffix\n"),
    ("templates/notes.txt", "a: small notes\n"),
    (
        "templates/_dir/x.yaml",
        "kind: Role\nmetadata: {name: in-partials}\n",
    ),
    (
        "templates/sub/_partial.tpl",
        "{{ define \"sub.partial\" }}p{{ end }}not shown\n",
    ),
    ("templates/x.tpl", "{{ define \"x.tpl\" }}x{{ end }}\n"),
    ("templates/empty.yaml", ""),
    ("templates/white.yaml", " \n\n\t \n"),
    ("templates/comment.yaml", "# only a comment\n---\n# another\n"),
    ("templates/bom.yaml", "\u{feff}kind: Pod\nmetadata: {name: bom}\n"),
    (
        "templates/crlf.yaml",
        "kind: Pod\r\nmetadata:\r\n  name: crlf\r\n---\r\nkind: Role\r\n",
    ),
    ("templates/[x].yaml", "a: brackets\n"),
    ("templates/a,b'c.yaml", "a: quotes\n"),
    ("templates/a\"b.yaml", "a: double\n"),
    ("templates/10.yaml", "kind: ConfigMap\nmetadata: {name: ten}\n"),
    ("templates/9.yaml", "kind: ConfigMap\nmetadata: {name: nine}\n"),
    (
        "templates/a/b/c/d.yaml",
        "kind: ConfigMap\nmetadata: {name: deep}\n",
    ),
    ("templates/a/b.yaml", "kind: ConfigMap\nmetadata: {name: less}\n"),
    ("templates", "a file, not a folder\n"),
    (
        "Chart.lock",
        "dependencies: []\ndigest: x\ngenerated: \"2020-01-01T00:00:00Z\"\n",
    ),
    ("Chart.lock", ""),
    (
        "requirements.lock",
        "dependencies:\n- name: a\n  version: 1\n  repository: \"\"\ndigest: d\ngenerated: 2020-01-01T00:00:00Z\n",
    ),
    ("requirements.yaml", "dependencies: []\n"),
    (
        "requirements.yaml",
        "dependencies:\n- name: sub\n  version: \"*\"\n  condition: on.enabled\n",
    ),
    ("values.yaml.bak", "a: 1\n"),
    ("ci/values.yaml", "a: 1\n"),
    (".git/config", "[core]\n"),
    (".gitignore", "*.tgz\n"),
    ("chart.yaml", "name: small\n"),
    ("Templates/x.yaml", "a: {{ fail \"no template\" }}\n"),
    ("templates2/x.yaml", "a: {{ fail \"no template\" }}\n"),
    (
        "crds/sub/y.yaml",
        "kind: CustomResourceDefinition\nmetadata:\n  name: y\n",
    ),
    ("crds/z.json", "{\"kind\": \"CustomResourceDefinition\"}\n"),
    ("crds/README.md", "# CRDs\n"),
    ("crds/_x.yaml", "kind: CustomResourceDefinition\n"),
    ("crds/.x.yaml", "kind: CustomResourceDefinition\n"),
    (
        "crds/w.yml",
        "kind: CustomResourceDefinition\n---\nkind: CustomResourceDefinition\n",
    ),
    ("crds.yaml", "kind: CustomResourceDefinition\n"),
    ("charts/.keep", ""),
    ("charts/_old/Chart.yaml", "name: [\n"),
    ("charts/sub-0.1.0.tgz.prov", "signature\n"),
    ("files/bom.txt", "\u{feff}with a mark\n"),
    ("files/a b/c'd,e.txt", "odd\n"),
    ("files/[x]/{y}.txt", "glob\n"),
];

/// Files that break a chart.
const BROKEN: [(&str, &str); 12] = [
    ("charts/README.md", "# Charts\n"),
    ("charts/none/values.yaml", "a: 1\n"),
    ("charts/x.tgz", "no archive"),
    ("charts/x.tgz", "<html><body>404</body></html>\n"),
    ("charts/x.tgz", "text"),
    ("charts/x.tgz", ""),
    ("Chart.lock", "dependencies: {"),
    ("Chart.lock", "digest: [1]\n"),
    ("requirements.yaml", "dependencies: {a: 1}\n"),
    ("requirements.yaml", "- a\n"),
    ("charts/sub-1.2.3.tgz/x", "a file below an archive's name\n"),
    ("templates/broken.yaml", "{{ end }}"),
];

/// A template that shows which files there are.
const LISTING: &str = "kind: ConfigMap\nmetadata: {name: listing}\ndata:\n{{- range $path, $data := .Files.Glob \"**\" }}\n  \
    {{ $path | quote }}: {{ $data | toString | trunc 40 | quote }}\n{{- end }}\n{{- range $path, $_ := .Files }}\n  {{ printf \"all %s\" $path | \
    quote }}: x\n{{- end }}\n";

/// A chart in a directory.
pub(crate) fn directory(random: &mut Random, mut files: Vec<File>) -> Vec<File> {
    littered(random, &mut files);
    if random.below(4) > 0 {
        ignored(random, &mut files);
    }
    packed_subcharts(random, &mut files);
    if random.one_in(12) {
        linked(random, &mut files);
    }
    // A directory can't have two of a name, nor a file where a folder is.
    let mut kept: Vec<File> = Vec::new();
    for file in files {
        let clashes = |other: &File| {
            let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
            other.name == file.name || below(&other.name, &file.name) || below(&file.name, &other.name)
        };
        if !kept.iter().any(clashes) {
            kept.push(file);
        }
    }
    kept
}

/// A chart in an archive.
pub(crate) fn archive(random: &mut Random, mut files: Vec<File>) -> Vec<File> {
    littered(random, &mut files);
    if random.one_in(3) {
        // It means nothing in an archive.
        ignored(random, &mut files);
    }
    packed_subcharts(random, &mut files);
    if random.one_in(3) {
        shuffle(random, &mut files);
    }
    if random.one_in(15) {
        let again = random.pick(&[
            "values.yaml",
            "templates/0a.yaml",
            "Chart.yaml",
            "files/a.txt",
            "templates/_helpers.tpl",
        ]);
        if let Some(found) = files.iter().find(|f| f.name == again).cloned() {
            files.push(found);
        }
    }
    rooted(random, files, 60)
}

/// The files below an archive's directory, by the names that different programs give to it; those that are odd once in
/// a while.
fn rooted(random: &mut Random, files: Vec<File>, odd_in: usize) -> Vec<File> {
    let root = random.pick(&["root", "root", "root", "other", "a b", "é", "root-1.2.3", "."]);
    let odd = random.below(odd_in);
    let mut entries: Vec<File> = Vec::new();
    if random.one_in(3) {
        entries.push(file(&format!("{root}/"), ""));
    }
    for mut one in files {
        one.name = match odd {
            0 => format!("{root}//{}", one.name),
            1 => format!("{root}/./{}", one.name),
            2 => format!("{root}\\{}", one.name.replace('/', "\\")),
            3 => format!("{root}/x/../{}", one.name),
            _ => format!("{root}/{}", one.name),
        };
        entries.push(one);
    }
    match odd {
        4 => entries.push(file("Chart.yaml", "name: top\n")),
        5 => entries.push(file("root/../../x", "out\n")),
        6 => entries.push(file("/etc/x", "absolute\n")),
        7 => entries.push(file("root//etc/x", "absolute below\n")),
        8 => entries.push(file("root/c:/x", "drive\n")),
        9 => entries.push(file("loose.txt", "beside the chart\n")),
        10 => entries.push(file("second/README.md", "another folder\n")),
        11 => entries.push(file(&format!("{root}/{}.txt", "long/".repeat(30)), "long\n")),
        12 => entries.push(file(&format!("{root}/templates/folder/"), "")),
        13 => entries.push(File {
            link: "values.yaml".into(),
            ..file(&format!("{root}/link.yaml"), "")
        }),
        14 => entries.clear(),
        _ => {}
    }
    entries
}

fn shuffle(random: &mut Random, files: &mut [File]) {
    for at in (1..files.len()).rev() {
        files.swap(at, random.below(at + 1));
    }
}

fn littered(random: &mut Random, files: &mut Vec<File>) {
    let has_sub = files.iter().any(|f| f.name == "charts/sub/Chart.yaml");
    for _ in 0..random.below(6) {
        let (name, text) = random.pick(&ODD);
        let below = if has_sub && random.one_in(6) {
            "charts/sub/"
        } else {
            ""
        };
        files.push(file(&format!("{below}{name}"), text));
    }
    if random.one_in(80) {
        let (name, text) = random.pick(&BROKEN);
        files.push(file(name, text));
    }
    if random.one_in(2) {
        files.push(file("templates/listing.yaml", LISTING));
    }
}

fn ignored(random: &mut Random, files: &mut Vec<File>) {
    let mut text = String::new();
    if random.one_in(10) {
        text.push('\u{feff}');
    }
    for _ in 0..1 + random.below(5) {
        text.push_str(if random.one_in(25) {
            random.pick(&HARSH)
        } else {
            random.pick(&HARMLESS)
        });
        text.push_str(random.pick(&["\n", "\n", "\n", "\r\n", "\n\n"]));
    }
    files.push(file(".helmignore", &text));
    if random.one_in(10) && files.iter().any(|f| f.name == "charts/sub/Chart.yaml") {
        // Only the one of the chart that is loaded counts.
        files.push(file("charts/sub/.helmignore", "*\n"));
    }
}

/// Packs what lies in a folder of `charts/`, now and then.
fn packed_subcharts(random: &mut Random, files: &mut Vec<File>) {
    for name in ["sub", "lib"] {
        let below = format!("charts/{name}/");
        if !random.one_in(3) || !files.iter().any(|f| f.name.starts_with(&below)) {
            continue;
        }
        let (inside, rest): (Vec<File>, Vec<File>) =
            files.drain(..).partition(|f| f.name.starts_with(&below));
        *files = rest;
        let inside = inside.into_iter().map(|f| File {
            name: f.name.replacen(&below, "", 1),
            ..f
        });
        let entries = rooted(random, inside.collect(), 300);
        let archive = random.pick(&["sub-1.2.3.tgz", "x.tgz", "lib-0.1.0+b.tgz", "a b.tgz", "s.tar.gz"]);
        let mut archive = File {
            packed: entries,
            ..file(&format!("charts/{name}-{archive}"), "")
        };
        if random.one_in(20) {
            archive = cut(random, &archive);
        }
        if !(archive.packed.is_empty() && archive.bytes.is_empty()) {
            files.push(archive);
        }
    }
}

/// An archive that ends too soon.
fn cut(random: &mut Random, archive: &File) -> File {
    let mut bytes = packed(&archive.packed);
    bytes.truncate(random.below(bytes.len()));
    File {
        bytes: STANDARD.encode(bytes),
        ..file(&archive.name, "")
    }
}

/// Links to what is in the chart, or is not.
fn linked(random: &mut Random, files: &mut Vec<File>) {
    let (name, link) = random.pick(&[
        ("files/link.txt", "../values.yaml"),
        ("templates/link.yaml", "_helpers.tpl"),
        ("linked", "files"),
        ("templates/linked", "../files"),
        ("charts/linked", "sub"),
        ("README.link", "README.md"),
        ("broken.link", "nowhere"),
    ]);
    files.push(File {
        link: link.into(),
        ..file(name, "")
    });
}
