//! Whole charts: metadata, values, sub-charts with conditions, tags, aliases and imports, library charts, helpers,
//! templates, hooks, notes, schemas, CRDs and files.

use std::collections::BTreeSet;

use helmapp_oracle::Random;
use helmapp_oracle::helm::{Case, File};

use crate::expression::{Expressions, Table};
use crate::formats;
use crate::packaging;
use crate::schema;
use crate::template;
use crate::values;

/// What every template may use.
const HELPERS: &str = r#"{{- define "d.show" -}}<{{ . | toJson }}>{{- end -}}
{{- define "d.pair" -}}{{ index . 0 }}={{ index . 1 }}{{- end -}}
{{- define "d.labels" -}}
app: {{ .Chart.Name | quote }}
release: {{ .Release.Name }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- define "d.name" }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
"#;

/// A case, and the functions that it uses.
pub(crate) struct Made {
    pub(crate) case: Case,
    pub(crate) used: BTreeSet<&'static str>,
}

/// One chart whose notes print functions: the one whose turn it is, and any.
pub(crate) fn functions(random: &mut Random, turn: usize) -> Made {
    let mut expressions = Expressions::new(random);
    // At first each function has a case of its own, lest another's error hide it.
    let more = match turn / Table::get().len() {
        0..4 => 0,
        _ => expressions.random.below(3),
    };
    let actions: Vec<String> = (0..1 + more)
        .map(|at| expressions.action((at == 0).then_some(turn)))
        .collect();
    let used = expressions.used;
    let files = vec![
        file(
            "Chart.yaml",
            "apiVersion: v2\nname: fun\nversion: 1.2.3\nannotations: {k: v}\n",
        ),
        file("values.yaml", include_str!("base.yaml")),
        file("templates/_helpers.tpl", HELPERS),
        file("templates/NOTES.txt", &actions.join("\n")),
        file("files/a.txt", "line one\nline \"two\"\n"),
        file("files/b.json", "{\"k\": [1, 2]}"),
    ];
    Made {
        case: release(random, files),
        used,
    }
}

/// A chart that has notes, and the values that expressions use.
pub(crate) fn of_notes(text: &str) -> Case {
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.2.3\n"),
        file("values.yaml", include_str!("base.yaml")),
        file("templates/NOTES.txt", text),
    ];
    Case {
        op: "template".into(),
        files,
        name: "rel".into(),
        namespace: "default".into(),
        ..Case::default()
    }
}

pub(crate) fn file(name: &str, text: &str) -> File {
    File {
        name: name.into(),
        text: text.into(),
        ..File::default()
    }
}

fn release(random: &mut Random, files: Vec<File>) -> Case {
    let mut case = Case {
        op: "template".into(),
        files,
        name: random.pick(&["rel", "rel", "my-release", "a.b", "x1"]).into(),
        namespace: random.pick(&["default", "ns", "é"]).into(),
        ..Case::default()
    };
    match random.below(12) {
        0 => {
            case.kube_version = random
                .pick(&["1.29", "v1.24.3", "1.18.0", "v1.30.1-eks-abc+x"])
                .into()
        }
        1 => case.api_versions = vec!["example.com/v1".into(), "example.com/v1/Thing".into()],
        2 => case.upgrade = true,
        3 => case.include_crds = true,
        4 if random.one_in(4) => case.name = random.pick(&["", "Upper", "a_b", "-x", "a..b"]).into(),
        5 if random.one_in(4) => case.kube_version = random.pick(&["x", "1", "1.2.3.4", "v1.31"]).into(),
        _ => {}
    }
    case
}

/// A whole chart with values layers.
pub(crate) fn whole(random: &mut Random) -> Made {
    let Made { mut case, used } = composed(random);
    // As a directory or an archive has them.
    case.files.sort_by(|a, b| a.name.cmp(&b.name));
    layered(&mut case, random);
    Made { case, used }
}

/// The same on disk: a directory with what lies about in one, or an archive.
pub(crate) fn on_disk(random: &mut Random) -> Made {
    let Made { mut case, used } = composed(random);
    let files = std::mem::take(&mut case.files);
    if random.one_in(2) {
        case.form = "dir".into();
        case.files = packaging::directory(random, files);
    } else {
        case.form = "tgz".into();
        case.files = packaging::archive(random, files);
    }
    layered(&mut case, random);
    Made { case, used }
}

/// Now and then a file that Helm reads as YAML in UTF-16.
fn encoded(random: &mut Random, files: &mut [File]) {
    const READ: [&str; 4] = ["Chart.yaml", "values.yaml", "requirements.yaml", "Chart.lock"];
    for file in files {
        let name = file.name.rsplit('/').next().unwrap_or_default();
        if READ.contains(&name) && random.one_in(40) {
            *file = file.utf_16(random.one_in(2));
        }
    }
}

/// A chart that is all about its schema.
pub(crate) fn with_schema(random: &mut Random) -> Made {
    if random.one_in(4) {
        let (schema, values) = formats::schema_and_values(random);
        let files = vec![
            file("Chart.yaml", "apiVersion: v2\nname: root\nversion: 1.2.3\n"),
            file("values.yaml", &values),
            file("values.schema.json", &schema),
        ];
        return Made {
            case: release(random, files),
            used: BTreeSet::new(),
        };
    }
    let mut files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: root\nversion: 1.2.3\n"),
        file("values.yaml", include_str!("base.yaml")),
        file("values.schema.json", &schema::schema(random)),
        file("templates/a.yaml", "kind: Pod\n"),
    ];
    if random.one_in(4) {
        files.push(file(
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 1.2.3\n",
        ));
        files.push(file("charts/sub/values.yaml", include_str!("base.yaml")));
        files.push(file("charts/sub/values.schema.json", &schema::schema(random)));
    }
    let mut case = release(random, files);
    if random.one_in(3) {
        case.values
            .push(values::layer(random, &["text", "n", "l", "m", "sub"]));
    }
    Made {
        case,
        used: BTreeSet::new(),
    }
}

/// Layers over the values of a chart that [`composed`] made.
fn layered(case: &mut Case, random: &mut Random) {
    values::add_layers(case, random, &LAYERED);
    case.skip_schema = random.one_in(15);
}

/// What layers set beside the keys of the charts' values.
const LAYERED: [&str; 9] = [
    "global", "tags", "labels", "on", "data", "sub", "lib", "alias", "other",
];

fn composed(random: &mut Random) -> Made {
    let mut maker = Maker {
        expressions: Expressions::new(random),
        files: Vec::new(),
    };
    maker.chart("", "root", 2);
    let Maker {
        expressions,
        mut files,
    } = maker;
    let used = expressions.used;
    encoded(random, &mut files);
    Made {
        case: release(random, files),
        used,
    }
}

struct Maker<'r> {
    expressions: Expressions<'r>,
    files: Vec<File>,
}

impl Maker<'_> {
    fn one_in(&mut self, n: usize) -> bool {
        self.expressions.random.one_in(n)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.expressions.random.pick(from)
    }

    fn add(&mut self, folder: &str, name: &str, text: &str) {
        self.files.push(file(&format!("{folder}{name}"), text));
    }

    /// A chart below a folder.
    fn chart(&mut self, folder: &str, name: &str, depth: usize) {
        let v1 = self.one_in(8);
        let library = !folder.is_empty() && self.one_in(8);
        let mut chart = format!(
            "apiVersion: {}\nname: {name}\nversion: {}\n",
            if v1 { "v1" } else { "v2" },
            self.pick(&["1.2.3", "0.1.0", "1.2.3", "2.0.0-rc.1+b5", "1.2"])
        );
        if library {
            chart.push_str("type: library\n");
        }
        chart.push_str(self.pick(&[
            "",
            "",
            "appVersion: \"1.16\"\n",
            "appVersion: 1.16\n",
            "description: \"d: #x\"\nkeywords: [a, b]\n",
            "annotations: {a: b, c: \"1\"}\n",
            "kubeVersion: \">=1.20.0-0\"\n",
            "home: https://h\nsources: [s]\nicon: i\nmaintainers: [{name: n, email: e@x, url: u}]\n",
            "deprecated: true\n",
            "unknown: {x: 1}\n",
        ]));
        if self.one_in(120) {
            chart.push_str(self.pick(&[
                "kubeVersion: \"<1.10\"\n",
                "kubeVersion: \"x\"\n",
                "type: other\n",
                "version: 2\n",
                "name: [x]\n",
                "dependencies: [{name: absent, version: 1}]\n",
                "annotations: [x]\n",
            ]));
        }
        let (declared, dependencies) = self.subcharts(folder, depth);
        if v1 && !declared.is_empty() {
            self.add(folder, "requirements.yaml", &declared);
        } else {
            chart.push_str(&declared);
        }
        self.add(folder, "Chart.yaml", &chart);
        self.values(folder, &dependencies);
        self.templates(folder, name);
        self.extras(folder);
    }

    fn subcharts(&mut self, folder: &str, depth: usize) -> (String, Vec<String>) {
        let mut declared = String::new();
        let mut known = Vec::new();
        if depth == 0 {
            return (declared, known);
        }
        for name in ["sub", "lib"] {
            if !self.one_in(2) {
                continue;
            }
            let below = format!("{folder}charts/{name}/");
            self.chart(&below, name, depth - 1);
            known.push(name.to_owned());
            if self.one_in(5) {
                // In charts/, and not declared.
                continue;
            }
            for alias in ["", if name == "sub" { "alias" } else { "other" }] {
                if !alias.is_empty() && !self.one_in(3) {
                    continue;
                }
                declared.push_str(&self.dependency(name, alias));
                if !alias.is_empty() {
                    known.push(alias.to_owned());
                }
            }
        }
        if !declared.is_empty() {
            declared.insert_str(0, "dependencies:\n");
        }
        (declared, known)
    }

    fn dependency(&mut self, name: &str, alias: &str) -> String {
        let version = self.pick(&["\"*\"", "\">=0-0\"", "\"*-0\"", "1.2.3", "~1.2", "^9", "\"\""]);
        let mut text = format!("- name: {name}\n  version: {version}\n");
        if !alias.is_empty() {
            text.push_str(&format!("  alias: {alias}\n"));
        }
        if self.one_in(3) {
            let condition = self.pick(&[
                "on.enabled",
                "on.off",
                "sub.enabled",
                "missing.x,on.off",
                "text",
                "global.on",
                " on.off , on.enabled",
                "l",
                "alias.enabled",
            ]);
            text.push_str(&format!("  condition: {condition:?}\n"));
        }
        if self.one_in(4) {
            text.push_str(self.pick(&["  tags: [front]\n", "  tags: [back, front]\n", "  tags: [none]\n"]));
        }
        if self.one_in(8) {
            text.push_str(self.pick(&["  enabled: false\n", "  enabled: true\n"]));
        }
        if self.one_in(3) {
            text.push_str(self.pick(&[
                "  import-values: [data]\n",
                "  import-values: [data, missing]\n",
                "  import-values:\n  - child: m\n    parent: imported\n",
                "  import-values:\n  - child: nested.a\n    parent: .\n",
                "  import-values:\n  - child: text\n    parent: x\n",
                "  import-values:\n  - {child: exports.data, parent: m}\n  - data\n",
                "  import-values: [5]\n",
            ]));
        }
        text
    }

    fn values(&mut self, folder: &str, dependencies: &[String]) {
        let mut text = String::new();
        if self.one_in(10) {
            text.push_str(self.pick(&["", "# nothing\n", "{}\n"]));
        } else {
            let keep = |line: &&str| !line.starts_with(' ');
            // Of the base's values, most; a block goes with its first line.
            let mut taken = true;
            for line in include_str!("base.yaml").lines() {
                if keep(&line) {
                    taken = !self.one_in(5);
                }
                if taken {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        if self.one_in(3) {
            text.push_str(self.pick(&[
                "tags: {front: false}\n",
                "tags: {front: true, back: false}\n",
                "tags: {back: x}\n",
                "tags: []\n",
            ]));
        }
        if self.one_in(3) {
            let below = values::tree(self.expressions.random, 2);
            text.push_str(&format!("exports:\n  data: {below}\n"));
        }
        if self.one_in(3) {
            text.push_str("labels: {team: x, \"odd key\": 5}\n");
        }
        for name in dependencies {
            if self.one_in(2) {
                let below = match self.expressions.random.below(20) {
                    0 => values::tree(self.expressions.random, 3),
                    _ => format!(
                        "{{enabled: {}, text: {}, m: {}, global: {}}}",
                        self.pick(&["true", "false", "~", "\"x\""]),
                        values::tree(self.expressions.random, 0),
                        values::tree(self.expressions.random, 2),
                        values::tree(self.expressions.random, 2)
                    ),
                };
                text.push_str(&format!("{name}: {below}\n"));
            }
        }
        if !self.one_in(12) {
            self.add(folder, "values.yaml", &text);
        }
        if self.one_in(25) {
            let schema = schema::schema(self.expressions.random);
            self.add(folder, "values.schema.json", &schema);
        }
    }

    fn templates(&mut self, folder: &str, name: &str) {
        self.add(folder, "templates/_helpers.tpl", HELPERS);
        if self.one_in(3) {
            let text = format!(
                "{{{{ define \"own\" }}}}{name}:{{{{ .Values.text }}}}{{{{ end }}}}{}",
                self.pick(&[
                    "",
                    "\n{{ define \"d.name\" }}override{{ end }}",
                    "text",
                    "{{ $x := 1 }}"
                ])
            );
            self.add(folder, "templates/_own.tpl", &text);
        }
        for at in 0..1 + self.expressions.random.below(3) {
            let text = template::document(&mut self.expressions);
            let name = self.pick(&[
                "a.yaml",
                "b.yml",
                "sub/c.yaml",
                "d.tpl",
                "_e.yaml",
                "f.txt",
                "G.yaml",
            ]);
            self.add(folder, &format!("templates/{at}{name}"), &text);
        }
        if self.one_in(3) {
            let text = template::notes(&mut self.expressions);
            self.add(folder, "templates/NOTES.txt", &text);
        }
    }

    fn extras(&mut self, folder: &str) {
        if self.one_in(3) {
            self.add(folder, "files/a.txt", "line one\nline \"two\"\n");
            self.add(folder, "files/b.json", "{\"k\": [1, 2]}");
            self.add(folder, "files/deep/c.conf", "x={{ .Values.text }}\r\n");
            self.add(folder, "README.md", "# é\n");
        }
        if self.one_in(8) {
            let crd = self.pick(&[
                "kind: CustomResourceDefinition\nmetadata:\n  name: x\n",
                "---\na: 1\n---\nb: {{ raw }}\n",
                "",
            ]);
            self.add(folder, "crds/x.yaml", crd);
        }
        if self.one_in(12) {
            self.add(folder, "charts/_skipped.txt", "x");
            self.add(folder, "LICENSE", "x");
        }
    }
}
