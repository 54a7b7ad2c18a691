//! Command lines as people and tools write them for `helm template`.

use clap::Parser as _;

use super::Arguments;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    Line::try_parse_from(["template"].iter().chain(line)).map(|line| line.arguments)
}

#[test]
fn flags_are_read_as_go_reads_them() {
    let given = parse(&[
        "name",
        "--set",
        "-a=b",
        "-n",
        "one",
        "chart",
        "--include-crds=true",
        "--skip-tests=F",
        "--is-upgrade",
        "--no-hooks=false",
        "-n",
        "two",
        "--kube-version=1.30",
        "--kube-version",
        "1.31",
        "--set-string=",
    ])
    .unwrap();
    assert_eq!(given.positional, ["name", "chart"]);
    assert_eq!(given.namespace, "two", "the last one counts");
    assert_eq!(given.kube_version.as_deref(), Some("1.31"));
    assert_eq!(
        (given.set, given.set_string),
        (vec!["-a=b".to_owned()], vec![String::new()])
    );
    assert_eq!(
        (
            given.include_crds,
            given.skip_tests,
            given.is_upgrade,
            given.no_hooks
        ),
        (true, false, true, false)
    );
    let error = parse(&["chart", "--include-crds=maybe"]).unwrap_err().to_string();
    assert!(error.contains("neither true nor false"), "{error}");
}

#[test]
fn flags_that_change_nothing_are_taken() {
    let line = "chart --wait --timeout 5m --create-namespace=true --skip-crds --version 1.2.3 --kube-context c \
                -l a=b --dry-run --validate=false --atomic --description text --kubeconfig file --dependency-update=0";
    let words: Vec<&str> = line.split_whitespace().collect();
    let given = parse(&words).unwrap();
    assert_eq!(given.positional, ["chart"]);
    assert_eq!(given.unused.refused, None);
}

#[test]
fn flags_that_would_change_the_output_are_refused_by_name() {
    for flags in [
        &["--validate"][..],
        &["--dependency-update"],
        &["--post-renderer", "program"],
        &["--post-renderer-args=x"],
        &["--repo", "https://charts.example.com"],
        &["--enable-dns"],
        &["--verify"],
        &["--dry-run=server"],
    ] {
        let line: Vec<&str> = ["name", "chart"].iter().chain(flags).copied().collect();
        let arguments = parse(&line).unwrap();
        let (mut out, mut messages) = (Vec::new(), Vec::new());
        let error = super::template(&arguments, &mut out, &mut messages)
            .unwrap_err()
            .to_string();
        let flag = flags[0].split('=').next().unwrap();
        assert!(error.starts_with(flag), "{flags:?}: {error}");
        assert!(out.is_empty());
    }
    assert!(parse(&["chart", "--dry-run=perhaps"]).is_err());
}

/// A chart of one file, and what the command prints for it.
fn rendered(template: &str, line: &[&str]) -> Result<String, String> {
    let (out, ended) = written(template, line);
    ended.map(|()| out)
}

/// What is on standard output, and how it ended.
fn written(template: &str, line: &[&str]) -> (String, Result<(), String>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("templates")).unwrap();
    std::fs::write(
        directory.path().join("Chart.yaml"),
        "apiVersion: v2\nname: one\nversion: 0.1.0\n",
    )
    .unwrap();
    std::fs::write(directory.path().join("templates/a.yaml"), template).unwrap();
    let chart = directory.path().display().to_string();
    let line: Vec<&str> = ["name", &chart].iter().chain(line).copied().collect();
    let mut out = Vec::new();
    let ended = super::template(&parse(&line).unwrap(), &mut out, &mut Vec::new());
    (
        String::from_utf8(out).unwrap(),
        ended.map_err(|error| error.to_string()),
    )
}

#[test]
fn what_does_not_parse_is_shown_where_it_is_asked_for() {
    let broken = "a: [\n";
    let (out, ended) = written(broken, &[]);
    let error = ended.unwrap_err();
    assert!(
        out.is_empty() && error.ends_with("Use --debug flag to render out invalid YAML"),
        "{error}"
    );
    let (out, ended) = written(broken, &["--debug"]);
    assert_eq!(out, "---\n# Source: one/templates/a.yaml\na: [\n");
    assert!(!ended.unwrap_err().contains("--debug"));
}

#[test]
fn empty_values_of_flags_are_none() {
    let version = "a: {{ .Capabilities.KubeVersion }}\n";
    // What the released binaries of Helm 3.19.5 assume.
    let expected = "---\n# Source: one/templates/a.yaml\na: v1.34.0\n";
    for line in [&[][..], &["--kube-version="], &["-f", ""]] {
        assert_eq!(rendered(version, line).as_deref(), Ok(expected), "{line:?}");
    }
    let namespace = rendered("a: {{ .Release.Namespace }}\n", &["--namespace="]);
    assert_eq!(
        namespace.as_deref(),
        Ok("---\n# Source: one/templates/a.yaml\na: default\n")
    );
}

#[test]
fn templates_call_what_helm_4_added_only_where_that_is_asked_for() {
    let template = "a: {{ durationHours \"90m\" }}\n{{ dict \"b\" 1 | mustToYaml }}\n";
    let expected = "---\n# Source: one/templates/a.yaml\na: 1.5\nb: 1\n";
    let of_helm_4 = rendered(template, &["--template-functions=helm4"]);
    assert_eq!(of_helm_4.as_deref(), Ok(expected));
    for line in [&[][..], &["--template-functions", "helm3"]] {
        let error = rendered(template, line).unwrap_err();
        assert!(
            error.contains("function \"durationHours\" not defined"),
            "{error}"
        );
    }
    assert!(parse(&["chart", "--template-functions=helm5"]).is_err());
}

#[test]
fn what_is_no_chart_is_told_as_helm_tells_it() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().display().to_string();
    let text = "word ".repeat(200);
    // In Helm's words; `FOLDER` is where the files are.
    for (name, content, expected) in [
        (
            "a.tgz",
            "<html><body>404</body></html>",
            "file 'FOLDER/a.tgz' does not appear to be a gzipped archive; got 'text/html; charset=utf-8'",
        ),
        (
            "b.tgz",
            " <?xml version=\"1.0\"?>",
            "file 'FOLDER/b.tgz' does not appear to be a gzipped archive; got 'text/xml; charset=utf-8'",
        ),
        (
            "c.tgz",
            &text,
            "file 'FOLDER/c.tgz' does not appear to be a gzipped archive; got 'text/plain; charset=utf-8'",
        ),
        (
            "d.tgz",
            "short",
            "file 'FOLDER/d.tgz' does not appear to be a gzipped archive; got 'application/octet-stream'",
        ),
        (
            "e.tgz",
            "PK\u{3}\u{4}",
            "file 'FOLDER/e.tgz' does not appear to be a gzipped archive; got 'application/zip'",
        ),
        (
            "f.yaml",
            "a: 1\n",
            "file 'FOLDER/f.yaml' seems to be a YAML file, but expected a gzipped archive",
        ),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let error = super::source::load(&path).unwrap_err().to_string();
        assert_eq!(error.replace(&folder, "FOLDER"), expected);
    }
    let path = directory.path().join("g.tgz");
    std::fs::write(&path, b"\x1F\x8B\x08").unwrap();
    assert_eq!(
        super::source::load(&path).unwrap_err().to_string(),
        "unexpected EOF"
    );
    for (name, reason) in [
        ("no-such/chart", ": repo no-such not found"),
        (
            "no-such",
            ": non-absolute URLs should be in form of repo_name/path_to_chart, got: no-such",
        ),
        ("./no-such", "path \"./no-such\" not found"),
    ] {
        let error = super::source::locate(name).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn a_directory_is_no_values_file() {
    assert_eq!(
        rendered("a: b\n", &["-f", "/"]),
        Err("read /: is a directory".to_owned())
    );
}
