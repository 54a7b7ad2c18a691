//! Templates as charts have them: objects with control structures, helpers, hooks, files and capabilities.

use crate::expression::Expressions;

const KINDS: [&str; 22] = [
    "ConfigMap",
    "Secret",
    "Deployment",
    "Service",
    "ServiceAccount",
    "Namespace",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "Ingress",
    "Job",
    "CronJob",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "Thing",
    "APIService",
    "Pod",
    "PriorityClass",
    "NetworkPolicy",
    "StatefulSet",
    "ValidatingWebhookConfiguration",
    "DaemonSet",
];

/// Objects.
pub(crate) fn document(made: &mut Expressions<'_>) -> String {
    let mut text = String::new();
    if made.random.one_in(6) {
        text.push_str(made.random.pick(&[
            "{{- if (.Values.t | default .Values.on) }}\n",
            "{{/* a comment */ -}}\n",
            "# a comment\n",
            "\n\n",
            "{{- $top := . -}}\n",
            "---\n",
        ]));
        if text.starts_with("{{- if") {
            text.push_str(&objects(made));
            text.push_str(
                made.random
                    .pick(&["{{- end }}\n", "{{ else }}# none\n{{ end -}}", "{{ end }}"]),
            );
            return text;
        }
    }
    text.push_str(&objects(made));
    if made.random.one_in(150) {
        // Cut somewhere: mostly an error of parsing.
        let at = made.random.below(text.len().max(1));
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(at.unwrap_or(0));
    }
    text
}

fn objects(made: &mut Expressions<'_>) -> String {
    let count = made.random.pick(&[0, 1, 1, 1, 1, 2, 3]);
    let objects: Vec<String> = (0..count).map(|at| object(made, at)).collect();
    objects.join(
        made.random
            .pick(&["\n---\n", "\n--- \n", "\n---\n# c\n", "\n---\n---\n"]),
    )
}

fn object(made: &mut Expressions<'_>, at: usize) -> String {
    if made.random.one_in(50) {
        return made
            .random
            .pick(&[
                "just text",
                "- a\n- b",
                "a: {",
                "key: value",
                "# only a comment",
                "null",
                "kind: 5",
                "apiVersion: v1\nkind: [x]",
                "metadata: x\n",
                "\t",
                "kind: List\nitems: []\n",
            ])
            .to_owned();
    }
    let kind = made.random.pick(&KINDS);
    let name = made.random.pick(&[
        "{{ include \"d.name\" . }}",
        "{{ .Release.Name }}-x",
        "{{ .Chart.Name }}",
        "{{ .Values.text | default \"d\" | toString | trunc 5 }}",
        "fixed",
        "{{ template \"d.name\" . }}",
    ]);
    let version = made
        .random
        .pick(&["v1", "apps/v1", "example.com/v1", "{{ \"v1\" }}"]);
    let mut text = format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}-{at}\n");
    if made.random.one_in(3) {
        text.push_str("  labels:\n    {{- include \"d.labels\" . | nindent 4 }}\n");
    }
    if made.random.one_in(5) {
        text.push_str(&annotations(made));
    }
    let section = match kind {
        "ConfigMap" => "data",
        "Secret" => "stringData",
        _ => "spec",
    };
    text.push_str(&format!("{section}:\n"));
    for at in 0..1 + made.random.below(4) {
        text.push_str(&entry(made, at, "  ", 2));
    }
    text
}

fn annotations(made: &mut Expressions<'_>) -> String {
    let hook = made.random.pick(&[
        "pre-install",
        "post-install,post-upgrade",
        "test",
        "test-success",
        "pre-delete, pre-rollback",
        "unknown",
        "\"\"",
        "PRE-INSTALL",
        "crd-install",
        "pre-install,nope",
    ]);
    let mut text = format!("  annotations:\n    helm.sh/hook: {hook}\n");
    text.push_str(made.random.pick(&[
        "",
        "    helm.sh/hook-weight: \"5\"\n",
        "    helm.sh/hook-weight: \"-3\"\n",
        "    helm.sh/hook-weight: 7\n",
        "    helm.sh/hook-weight: \"x\"\n",
        "    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded\n",
        "    helm.sh/resource-policy: keep\n",
        "    helm.sh/hook-output-log-policy: hook-failed\n",
    ]));
    text
}

/// A line or a block of an object.
fn entry(made: &mut Expressions<'_>, at: usize, pad: &str, depth: usize) -> String {
    if depth > 0 && made.random.one_in(4) {
        return block(made, pad, depth - 1);
    }
    let key = format!("{pad}k{at}");
    match made.random.below(12) {
        0..4 => {
            format!("{key}: {{{{ {} | quote }}}}\n", made.ordinary('S'))
        }
        4 => format!("{key}: {{{{ {} }}}}\n", made.ordinary('I')),
        5 => {
            let indent = pad.len() + 2;
            format!(
                "{key}:\n{pad}  {{{{- toYaml {} | nindent {indent} }}}}\n",
                made.ordinary('A')
            )
        }
        6 => format!("{key}: {{{{ {} | toJson }}}}\n", made.ordinary('A')),
        7 => format!("{key}: {}\n", builtin(made)),
        8 => format!(
            "{key}: |-\n{pad}  {{{{ {} | nindent {} }}}}\n",
            made.ordinary('S'),
            pad.len() + 2
        ),
        9 => format!("{key}: {{{{ tpl {} . | quote }}}}\n", text_of_tpl(made)),
        10 if made.random.one_in(4) => format!("{key}: {}\n", made.action(None)),
        _ => format!("{key}: {{{{ {} | squote }}}}\n", made.ordinary('S')),
    }
}

fn text_of_tpl(made: &mut Expressions<'_>) -> &'static str {
    if made.random.one_in(60) {
        return made.random.pick(&[
            "\"{{ if }}\"",
            "\"{{ .Values.nope.deeper }}\"",
            "\"{{ .Nope.deeper }}\"",
        ]);
    }
    made.random.pick(&[
        "\"{{ .Values.text }}\"",
        "\"{{ .Template.Name }}:{{ .Template.BasePath }}\"",
        "\"{{ include \\\"d.name\\\" . }}\"",
        "(.Values.text | toString)",
        "\"{{ define \\\"t\\\" }}T{{ end }}{{ template \\\"t\\\" }}\"",
        "\"{{ tpl \\\"{{ 1 }}\\\" . }}\"",
        "(toYaml .Values.m)",
        "\"{{ $x := .Values.n }}{{ range $i, $e := until (min 5 (int $x) | int) }}{{ $i }}{{ end }}\"",
    ])
}

/// What Helm gives to templates.
fn builtin(made: &mut Expressions<'_>) -> &'static str {
    if made.random.one_in(60) {
        return made.random.pick(&[
            "{{ .Subcharts.sub.Values | toJson | quote }}",
            "{{ .Values.AsMap | len }}",
            "{{ .Values.nope.deeper }}",
            "{{ .Chart.Nope }}",
            "{{ .Release.Nope.deeper }}",
            "{{ required \"text is needed\" .Values.nope }}",
            "{{ include \"missing\" . }}",
            "{{ include \"own\" . | quote }}",
        ]);
    }
    made.random.pick(&[
        "{{ .Release.Name }}-{{ .Release.Namespace }}-{{ .Release.Service }}-{{ .Release.Revision }}",
        "{{ .Release.IsInstall }}{{ .Release.IsUpgrade }}",
        "{{ .Chart | toJson | quote }}",
        "{{ .Chart.Version }}/{{ .Chart.AppVersion }}/{{ .Chart.IsRoot }}/{{ .Chart.Type }}",
        "{{ .Chart.Dependencies | toJson | quote }}",
        "{{ range .Chart.Dependencies }}{{ .Name }}{{ end }}",
        "{{ range .Chart.Dependencies }}{{ .Validate }}{{ end }}{{ range .Chart.Maintainers }}{{ .Validate }}{{ .Name }}{{ end }}",
        "{{ .Capabilities.KubeVersion }}",
        "{{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.KubeVersion.GitVersion }}",
        "{{ .Capabilities.APIVersions.Has \"example.com/v1/Thing\" }}{{ .Capabilities.APIVersions.Has \"apps/v1\" }}",
        "{{ .Capabilities.APIVersions.Has \"v1/Pod\" | ternary 1 2 }}",
        "{{ len .Capabilities.APIVersions }}",
        "{{ .Template.Name }} {{ .Template.BasePath }}",
        "{{ .Files.Get \"files/a.txt\" | quote }}",
        "{{ .Files.GetBytes \"files/b.json\" | toString | quote }}",
        "{{ (.Files.Glob \"files/*\").AsConfig | quote }}",
        "{{ (.Files.Glob \"files/**.conf\").AsSecrets | quote }}",
        "{{ .Files.Lines \"files/a.txt\" | toJson }}",
        "{{ range $path, $data := .Files.Glob \"**\" }}{{ $path }}={{ len $data }};{{ end }}",
        "{{ (.Files.Glob \"nothing/*\").AsConfig }}",
        "{{ .Files.Get \"missing\" | quote }}",
        "{{ .Subcharts | keys | sortAlpha }}",
        "{{ range $n, $c := .Subcharts }}{{ $n }}:{{ $c.Chart.Name }}:{{ $c.Values.text }};{{ end }}",
        "{{ with .Subcharts.sub }}{{ include \"d.name\" . }}{{ end }}",
        "{{ .Values | toJson | quote }}",
        "{{ .Values.global | toYaml | quote }}",
        "{{ (lookup \"v1\" \"Pod\" \"ns\" \"x\").metadata }}",
        "{{ lookup \"v1\" \"Pod\" \"\" \"\" | len }}",
        "{{ .Release }}",
        "{{ keys . | sortAlpha | join \",\" }}",
        "{{ .Nope }}",
        "{{ required \"never\" .Values.text | quote }}",
        "{{ .Capabilities.HelmVersion.Version }}",
        "{{ printf \"%T\" .Values.n }} {{ printf \"%v\" .Values.m }}",
    ])
}

/// A control structure around entries.
fn block(made: &mut Expressions<'_>, pad: &str, depth: usize) -> String {
    let open = made.random.pick(&["{{- ", "{{ "]);
    // Trimming on the right takes the next line's indentation, too.
    let close = if made.random.one_in(30) { " -}}\n" } else { " }}\n" };
    let inner = |made: &mut Expressions<'_>, from: usize| -> String {
        (0..1 + made.random.below(2))
            .map(|at| entry(made, from + at, pad, depth))
            .collect()
    };
    let kind = made.random.below(6);
    let mut text = match kind {
        0 | 1 => {
            let condition = match made.random.below(3) {
                0 => made.ordinary('B'),
                1 => made.ordinary('A'),
                _ => format!("and {} {}", made.ordinary('A'), made.ordinary('B')),
            };
            format!("{open}if {condition}{close}")
        }
        2 => format!("{open}with {}{close}", made.ordinary('A')),
        3 => {
            let over = made.ordinary('L');
            format!("{open}range $i, $e := {over}{close}{pad}i{{{{ $i }}}}: {{{{ $e | toJson | quote }}}}\n")
        }
        4 => {
            let over = made.ordinary('M');
            format!(
                "{open}range $k, $v := {over}{close}{pad}{{{{ $k | quote }}}}: {{{{ $v | toJson | quote }}}}\n"
            )
        }
        _ => {
            let value = made.ordinary('A');
            format!(
                "{open}$x := {value}{close}{pad}x{}: {{{{ $x | toJson }}}}\n",
                made.random.below(9)
            )
        }
    };
    match kind {
        0 | 1 => {
            text.push_str(&inner(made, 10));
            if made.random.one_in(3) {
                let condition = made.ordinary('B');
                text.push_str(&format!("{open}else if {condition}{close}"));
                text.push_str(&inner(made, 20));
            }
            if made.random.one_in(3) {
                text.push_str(&format!("{open}else{close}"));
                text.push_str(&inner(made, 30));
            }
            text.push_str(&format!("{open}end{close}"));
        }
        2 => {
            text.push_str(&format!("{pad}w: {{{{ . | toJson | quote }}}}\n"));
            text.push_str(&format!("{pad}r: {{{{ $.Release.Name }}}}\n"));
            text.push_str(&format!("{open}end{close}"));
        }
        3 | 4 => {
            if made.random.one_in(4) {
                text.push_str(made.random.pick(&[
                    "{{- if eq (kindOf $) \"map\" }}{{ break }}{{ end }}\n",
                    "{{- if not . }}{{ continue }}{{ end }}\n",
                ]));
            }
            if made.random.one_in(3) {
                text.push_str(&format!("{open}else{close}{pad}none: true\n"));
            }
            text.push_str(&format!("{open}end{close}"));
        }
        _ => {}
    }
    text
}

/// Notes.
pub(crate) fn notes(made: &mut Expressions<'_>) -> String {
    let mut text = "Notes of {{ .Chart.Name }}: {{ .Values.text }}\n".to_owned();
    for _ in 0..made.random.below(3) {
        match made.random.below(8) {
            0 => text.push_str(&made.action(None)),
            _ => text.push_str(&format!("{{{{ {} }}}}", made.ordinary('A'))),
        }
        text.push_str(made.random.pick(&["\n", "\n\n", "{{- \"\" }}\n", "  \n"]));
    }
    text
}
