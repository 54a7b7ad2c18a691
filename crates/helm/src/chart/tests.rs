use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::{Chart, DirOptions, Error, File, Symlinks, ignore::Rules, path};
use crate::limits::Limits;

const CHART_YAML: &str = "apiVersion: v2\nname: demo\nversion: 1.2.3\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An archive with these entries, whatever their names are.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, data) in entries {
        let mut header = Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *data).unwrap();
    }
    gzip(&tar.into_inner().unwrap())
}

fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<_> = files
        .iter()
        .map(|(name, data)| (*name, EntryType::Regular, data.as_bytes()))
        .collect();
    archive(&entries)
}

fn load_packed(files: &[(&str, &str)]) -> Result<Chart, Error> {
    Chart::load_archive(&packed(files), &Limits::default())
}

fn load(files: &[(&str, &str)]) -> Result<Chart, Error> {
    let files = files
        .iter()
        .map(|(name, data)| File::new(*name, data.as_bytes()))
        .collect();
    Chart::load_files(files, &Limits::default())
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| &*file.name).collect()
}

#[test]
fn an_archive_is_told_apart_into_its_files() {
    let chart = load_packed(&[
        ("demo/Chart.yaml", CHART_YAML),
        ("demo/values.yaml", "\u{feff}replicas: 2\nmode: 0644\n"),
        ("demo/values.schema.json", "{}"),
        ("demo/templates/a.yaml", "a"),
        ("demo/templates/sub/_b.tpl", "b"),
        ("demo/crds/x.yaml", "x"),
        ("demo/crds/readme.md", "x"),
        ("demo/README.md", "r"),
        ("demo/charts/README.md", "not in a chart"),
        ("demo/charts/_off/Chart.yaml", "broken: ["),
        ("demo/charts/.off/Chart.yaml", "broken: ["),
        ("demo/charts/one-1.0.0.tgz.prov", "signature"),
        ("demo/charts/one/Chart.yaml", "name: one\nversion: 1.0.0\n"),
        ("demo/charts/one/crds/y.yml", "y"),
    ]);
    // A file directly in charts/ that is no archive makes a chart without Chart.yaml, as in Helm.
    assert!(matches!(chart, Err(Error::Subchart { name, .. }) if name == "README.md"));

    let chart = load_packed(&[
        ("demo/Chart.yaml", CHART_YAML),
        ("demo/values.yaml", "\u{feff}replicas: 2\nmode: 0644\n"),
        ("demo/values.schema.json", "{}"),
        ("demo/templates/a.yaml", "a"),
        ("demo/templates/sub/_b.tpl", "b"),
        ("demo/crds/x.yaml", "x"),
        ("demo/crds/readme.md", "x"),
        ("demo/README.md", "r"),
        ("demo/charts/_off/Chart.yaml", "broken: ["),
        ("demo/charts/one-1.0.0.tgz.prov", "signature"),
        ("demo/charts/one/Chart.yaml", "name: one\nversion: 1.0.0\n"),
        ("demo/charts/one/crds/y.yml", "y"),
    ])
    .unwrap();
    assert_eq!((chart.name(), chart.metadata.version.as_str()), ("demo", "1.2.3"));
    assert_eq!(chart.values.to_json(), json!({"replicas": 2.0, "mode": 420.0}));
    assert_eq!(
        chart.values_raw.as_deref(),
        Some(&b"replicas: 2\nmode: 0644\n"[..])
    );
    assert_eq!(chart.schema.as_deref(), Some(&b"{}"[..]));
    assert_eq!(
        names(&chart.templates),
        ["templates/a.yaml", "templates/sub/_b.tpl"]
    );
    assert_eq!(
        names(&chart.files),
        [
            "crds/x.yaml",
            "crds/readme.md",
            "README.md",
            "charts/one-1.0.0.tgz.prov"
        ]
    );
    assert_eq!(chart.raw.len(), 12);
    let sub = &chart.dependencies[0];
    assert_eq!((sub.name(), sub.metadata.api_version.as_str()), ("one", "v1"));
    assert_eq!(sub.full_path(), "demo/charts/one");
    assert!(chart.is_root() && !sub.is_root());
    let crds: Vec<String> = chart.crd_objects().into_iter().map(|crd| crd.filename).collect();
    assert_eq!(crds, ["demo/crds/x.yaml", "demo/charts/one/crds/y.yml"]);
}

#[test]
fn sub_charts_in_archives_nest() {
    let inner = packed(&[
        ("inner/Chart.yaml", "name: inner\nversion: 0.1.0\n"),
        ("inner/values.yaml", "a: b"),
    ]);
    let entries: Vec<(&str, EntryType, &[u8])> = vec![
        ("demo/Chart.yaml", EntryType::Regular, CHART_YAML.as_bytes()),
        ("demo/charts/inner-0.1.0.tgz", EntryType::Regular, &inner),
    ];
    let outer = archive(&entries);
    let chart = Chart::load_archive(&outer, &Limits::default()).unwrap();
    assert_eq!(chart.dependencies[0].full_path(), "demo/charts/inner");
    assert_eq!(chart.dependencies[0].values.to_json(), json!({"a": "b"}));

    let shallow = Limits {
        chart_depth: 1,
        ..Limits::default()
    };
    let error = Chart::load_archive(&outer, &shallow).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error unpacking subchart inner-0.1.0.tgz in demo: sub-charts nest deeper than 1 charts (limit chart_depth)"
    );
}

#[test]
fn archives_with_bad_paths_are_refused() {
    let cases = [
        (
            "demo//etc/passwd",
            "chart illegally contains absolute paths: \"demo//etc/passwd\"",
        ),
        (
            "demo/../../x",
            "chart illegally references parent directory: \"demo/../../x\"",
        ),
        (
            "demo\\..\\..\\x",
            "chart illegally references parent directory: \"demo\\\\..\\\\..\\\\x\"",
        ),
        (
            "demo\\\\x",
            "chart illegally contains absolute paths: \"demo\\\\\\\\x\"",
        ),
        ("/etc/x", "chart illegally contains absolute paths: \"/etc/x\""),
        ("c:\\x", "chart contains illegally named files: \"c:\\\\x\""),
        ("demo/c:/x", "chart contains illegally named files: \"demo/c:/x\""),
        (
            "demo/.",
            "chart illegally contains content outside the base directory: \"demo/.\"",
        ),
        (
            "x",
            "chart illegally contains content outside the base directory: \"x\"",
        ),
        ("Chart.yaml/x", "chart yaml not in base directory"),
    ];
    for (name, message) in cases {
        let error = load_packed(&[("demo/Chart.yaml", CHART_YAML), (name, "x")]).unwrap_err();
        assert_eq!(error.to_string(), message, "{name}");
    }
    let windows = load_packed(&[("demo\\Chart.yaml", CHART_YAML), ("demo\\templates\\a.yaml", "")]).unwrap();
    assert_eq!(names(&windows.templates), ["templates/a.yaml"]);
}

#[test]
fn archives_with_two_charts_are_refused() {
    let error =
        load_packed(&[("demo/Chart.yaml", CHART_YAML), ("other/Chart.yaml", CHART_YAML)]).unwrap_err();
    assert!(matches!(error, Error::DuplicateChartYaml), "{error}");
}

#[test]
fn archives_with_links_and_devices_are_refused() {
    for kind in [EntryType::Symlink, EntryType::Link] {
        let error = Chart::load_archive(&archive(&[("demo/x", kind, b"")]), &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Link(name) if name == "demo/x"));
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let error = Chart::load_archive(&archive(&[("demo/x", kind, b"")]), &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Irregular(name) if name == "demo/x"));
    }
}

#[test]
fn what_is_no_chart_archive_is_refused() {
    let load = |bytes: &[u8]| Chart::load_archive(bytes, &Limits::default()).unwrap_err();
    assert!(matches!(load(b"apiVersion: v2"), Error::NotGzip));
    assert!(matches!(load(b""), Error::NoBytes));
    assert!(matches!(load(b"\x1F\x8B\x08 damaged"), Error::Unpack(_)));
    assert!(matches!(load(b"text"), Error::CutShort));
    assert!(matches!(load(&gzip(&[0; 1024])), Error::Empty));
    assert!(matches!(load(&gzip(&[b'x'; 1024])), Error::Unpack(_)));
    let whole = packed(&[("demo/Chart.yaml", CHART_YAML)]);
    assert!(matches!(load(&whole[..whole.len() / 2]), Error::CutShort));
    assert!(matches!(
        load(&packed(&[("demo/values.yaml", "")])),
        Error::NoChartYaml
    ));
    let twice = packed(&[("demo/Chart.yaml", CHART_YAML), ("demo/./Chart.yaml", CHART_YAML)]);
    assert!(matches!(load(&twice), Error::DuplicateChartYaml));
}

#[test]
fn limits_of_loading_hold() {
    let archive = packed(&[("demo/Chart.yaml", CHART_YAML), ("demo/a", "0123456789")]);
    let unpacked = CHART_YAML.len() as u64 + 10;
    let load = |limits: Limits| {
        Chart::load_archive(&archive, &limits)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    let just = Limits {
        archive_bytes: archive.len() as u64,
        unpacked_bytes: unpacked + 1,
        file_bytes: CHART_YAML.len() as u64,
        file_count: 2,
        ..Limits::default()
    };
    assert_eq!(load(just), Ok(()));
    let cases = [
        (
            Limits {
                archive_bytes: just.archive_bytes - 1,
                ..just
            },
            "(limit archive_bytes)",
        ),
        (
            Limits {
                unpacked_bytes: unpacked,
                ..just
            },
            "(limit unpacked_bytes)",
        ),
        (
            Limits {
                file_bytes: just.file_bytes - 1,
                ..just
            },
            "(limit file_bytes)",
        ),
        (
            Limits {
                file_count: 1,
                ..just
            },
            "(limit file_count)",
        ),
    ];
    for (limits, name) in cases {
        let error = load(limits).unwrap_err();
        assert!(error.ends_with(name), "{error}");
    }
}

/// A name or an extension header may claim any size; it does not get the memory.
#[test]
fn a_bomb_of_headers_is_stopped() {
    let mut header = Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(64 * 1024 * 1024);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.resize(64 * 1024 * 1024, b'a');
    let limits = Limits {
        unpacked_bytes: 1024 * 1024,
        file_count: 10,
        ..Limits::default()
    };
    let error = Chart::load_archive(&gzip(&tar), &limits).unwrap_err();
    assert!(
        matches!(error, Error::UnpackedTooLarge { limit } if limit == 1024 * 1024),
        "{error}"
    );
}

#[test]
fn chart_yaml_is_read_as_go_reads_it() {
    let chart = load(&[(
        "Chart.yaml",
        "APIVersion: v2\nNAME: demo\nversion: 1.10\nappVersion: 1e7\nhome: .inf\nicon: 12345678\nkeywords: [1, true, a]\n\
         annotations: {a: 1, b: yes}\ndeprecated: true\ndescription: \"a\\tb\\u0007c\\u00a0d\\u200be\"\nunknown: 1\n",
    )])
    .unwrap();
    let metadata = serde_json::to_string(&chart.metadata).unwrap();
    assert_eq!(
        metadata,
        "{\"name\":\"demo\",\"home\":\"+Inf\",\"version\":\"1.1\",\"description\":\"a bc de\",\"keywords\":[\"1\",\"true\",\"a\"],\
         \"icon\":\"12345678\",\"apiVersion\":\"v2\",\"appVersion\":\"1e+07\",\"deprecated\":true,\
         \"annotations\":{\"a\":\"1\",\"b\":\"true\"}}"
    );
}

#[test]
fn bad_chart_yaml_is_refused_in_helms_words() {
    let cases = [
        ("", "validation: chart.metadata.name is required"),
        ("name: a", "validation: chart.metadata.version is required"),
        (
            "name: a/b\nversion: 1.0.0",
            "validation: chart.metadata.name \"a/b\" is invalid",
        ),
        (
            "name: a\nversion: one",
            "validation: chart.metadata.version \"one\" is invalid",
        ),
        (
            "name: a\nversion: 1.0.0\ntype: x",
            "validation: chart.metadata.type must be application or library",
        ),
        (
            "name: a\nversion: 1.0.0\nmaintainers: [null]",
            "validation: maintainers must not contain empty or null nodes",
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [null]",
            "validation: dependencies must not contain empty or null nodes",
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [{name: x, alias: a.b}]",
            "validation: dependency \"x\" has disallowed characters in the alias",
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [{name: x}, {name: y, alias: x}]",
            "validation: more than one dependency with name or alias \"x\"",
        ),
        (
            "name: [a]",
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array \
             into Go struct field Metadata.name of type string",
        ),
        (
            "- a",
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array \
             into Go value of type chart.Metadata",
        ),
        (
            "dependencies: [{tags: x}]",
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string \
             into Go struct field Dependency.dependencies.tags of type []string",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(
            load(&[("Chart.yaml", text)]).unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
    let error = load(&[("Chart.yaml", CHART_YAML), ("values.yaml", "- a")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into \
         Go value of type map[string]interface {}"
    );
}

#[test]
fn v1_charts_declare_dependencies_in_their_own_files() {
    let requirements = "dependencies: [{name: x, version: 1.0.0, repository: r, import-values: [a]}]";
    let lock = "generated: 2020-02-29T10:00:00.120+01:00\ndigest: sha256:0\ndependencies: [{name: x}]";
    let chart = load(&[
        ("requirements.yaml", requirements),
        ("Chart.yaml", "name: a\nversion: 1.0.0\napiVersion: v1"),
        ("requirements.lock", lock),
    ])
    .unwrap();
    assert_eq!(chart.metadata.dependencies[0].import_values, [Value::from("a")]);
    assert_eq!(names(&chart.files), ["requirements.yaml", "requirements.lock"]);
    assert_eq!(
        serde_json::to_string(&chart.lock).unwrap(),
        "{\"generated\":\"2020-02-29T10:00:00.12+01:00\",\"digest\":\"sha256:0\",\
         \"dependencies\":[{\"name\":\"x\",\"repository\":\"\"}]}"
    );
    let v2 = load(&[
        ("Chart.yaml", CHART_YAML),
        ("requirements.yaml", requirements),
        ("Chart.lock", ""),
    ])
    .unwrap();
    assert_eq!((v2.metadata.dependencies.len(), v2.files.len()), (1, 0));
    let bad = load(&[("Chart.yaml", CHART_YAML), ("Chart.lock", "generated: yesterday")]).unwrap_err();
    assert!(bad.to_string().starts_with("cannot load Chart.lock: "), "{bad}");
}

#[test]
fn digests_identify_contents() {
    let files = [("Chart.yaml", CHART_YAML), ("a", "1"), ("b", "2")];
    let digest = load(&files).unwrap().files_digest();
    assert_eq!(digest.len(), "sha256:".len() + 64);
    let reordered = [files[2], files[0], files[1]];
    assert_eq!(load(&reordered).unwrap().files_digest(), digest);
    assert_ne!(
        load(&[files[0], ("a", "12"), ("b", "")]).unwrap().files_digest(),
        digest
    );
    assert_ne!(
        load(&[files[0], ("a1", ""), ("b", "2")]).unwrap().files_digest(),
        digest
    );
    assert_eq!(
        Chart::archive_digest(b"abc"),
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, data) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }
}

#[test]
fn a_directory_is_loaded_without_what_it_ignores() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("Chart.yaml", CHART_YAML),
            (
                ".helmignore",
                "# comment\n*.bak\n/top.txt\ntests/\n!templates/*\n",
            ),
            ("templates/a.yaml", ""),
        ],
    );
    let error = Chart::load_dir(root.path(), &DirOptions::default()).unwrap_err();
    assert!(
        matches!(error, Error::NoChartYaml),
        "a negated rule leaves out what it does not match: {error}"
    );

    fs::write(
        root.path().join(".helmignore"),
        "# comment\n*.bak\n/top.txt\ntests/\n",
    )
    .unwrap();
    write(
        root.path(),
        &[
            ("templates/.hidden", ""),
            ("templates/b.bak", ""),
            ("top.txt", ""),
            ("sub/top.txt", ""),
            ("sub/tests/x", ""),
            ("tests.txt", "\u{feff}text"),
        ],
    );
    let chart = Chart::load_dir(root.path(), &DirOptions::default()).unwrap();
    assert_eq!(
        names(&chart.raw),
        [
            ".helmignore",
            "Chart.yaml",
            "sub/top.txt",
            "templates/a.yaml",
            "tests.txt"
        ]
    );
    assert_eq!(chart.files.last().and_then(File::text), Some("text"));

    fs::write(root.path().join(".helmignore"), "ok\na/**\n").unwrap();
    let error = Chart::load_dir(root.path(), &DirOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        ".helmignore line 2: double-star (**) syntax is not supported"
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_only_as_far_as_asked() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), &[("secret", "s")]);
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("Chart.yaml", CHART_YAML), ("real/a.txt", "a")]);
    symlink("real", root.path().join("alias")).unwrap();
    let inside = DirOptions::default();
    let chart = Chart::load_dir(root.path(), &inside).unwrap();
    assert_eq!(names(&chart.files), ["alias/a.txt", "real/a.txt"]);

    symlink(outside.path().join("secret"), root.path().join("out")).unwrap();
    let error = Chart::load_dir(root.path(), &inside).unwrap_err();
    assert!(matches!(error, Error::LinkEscapes { path } if path == "out"));
    let anywhere = DirOptions {
        symlinks: Symlinks::Anywhere,
        ..inside
    };
    assert_eq!(Chart::load_dir(root.path(), &anywhere).unwrap().files.len(), 3);

    symlink("..", root.path().join("real/up")).unwrap();
    let error = Chart::load_dir(root.path(), &anywhere).unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
}

#[test]
fn deep_directories_are_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("Chart.yaml", CHART_YAML), ("a/b/c", "")]);
    let load = |directory_depth| {
        let limits = Limits {
            directory_depth,
            ..Limits::default()
        };
        Chart::load_dir(
            root.path(),
            &DirOptions {
                limits,
                ..DirOptions::default()
            },
        )
    };
    assert!(load(2).is_ok());
    assert!(matches!(load(1), Err(Error::DirectoriesTooDeep { path, limit: 1 }) if path == "a/b"));
}

/// Patterns, names and what Go's `filepath.Match` says of them.
#[test]
fn patterns_match_as_in_go() {
    let cases = include_str!("../../testdata/chart/match.json");
    let cases: Vec<(String, String, Option<bool>)> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 500);
    for (pattern, name, want) in cases {
        assert_eq!(path::matches(&pattern, &name).ok(), want, "{pattern:?} {name:?}");
    }
}

/// Paths and what Go's `path.Clean`, `filepath.Base` and `filepath.Ext` make of them.
#[test]
fn paths_are_those_of_go() {
    let cases = [
        ("", ".", ".", ""),
        ("/", "/", "/", ""),
        ("a", "a", "a", ""),
        ("a/b/", "a/b", "b", ""),
        ("a//b.c", "a/b.c", "b.c", ".c"),
        ("./a", "a", "a", ""),
        ("a/./b", "a/b", "b", ""),
        ("a/../b", "b", "b", ""),
        ("../a", "../a", "a", ""),
        ("a/../../b", "../b", "b", ""),
        ("/../a", "/a", "a", ""),
        ("a/..", ".", "..", "."),
        ("///", "/", "/", ""),
        ("a.b/c", "a.b/c", "c", ""),
        (".a", ".a", ".a", ".a"),
    ];
    for (text, clean, base, extension) in cases {
        assert_eq!(
            (&*path::clean(text), path::base(text), path::extension(text)),
            (clean, base, extension)
        );
    }
}

#[test]
fn rules_know_their_lines() {
    let mut rules = Rules::parse("\u{feff}#a\n\n  b.*  \n").unwrap();
    assert!(rules.ignores("x/b.c", false).unwrap() && !rules.ignores("b", false).unwrap());
    assert!(matches!(
        Rules::parse("a\n[x"),
        Err(Error::Ignore { line: 2, .. })
    ));
}

/// Every chart of the corpus loads, and its file name is its name and version.
#[test]
fn the_corpus_loads() {
    let corpus = std::env::var_os("HELMAPP_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus")),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(corpus.join("charts")) else {
        println!("corpus: not run, {} has no charts", corpus.display());
        return;
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let chart = Chart::load_archive(&fs::read(&path).unwrap(), &Limits::default());
        let chart = chart.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(name, format!("{}-{}", chart.name(), chart.metadata.version));
        count += 1;
    }
    println!("corpus: {count} charts loaded");
    assert!(count > 0, "{} is empty", corpus.display());
}
