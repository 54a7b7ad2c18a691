//! What `helmapp dev` says when it can't start a control plane.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// `helmapp dev` with this cache and this search path.
fn command(cache: &Path, search: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helmapp"));
    command
        .arg("dev")
        .env("HELMAPP_LOCAL_CACHE", cache)
        .env("PATH", search);
    command
}

/// Runs it with an empty cache; returns its exit code and its last lines.
fn dev(cache: &Path, search: &Path) -> (Option<i32>, String) {
    let output = command(cache, search).output().expect("helmapp runs");
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), said)
}

/// A directory with a program `go` that is this script.
fn script(directory: &TempDir, text: &str) -> PathBuf {
    let go = directory.path().join("go");
    fs::write(&go, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")).expect("written");
    fs::set_permissions(&go, fs::Permissions::from_mode(0o700)).expect("executable");
    directory.path().to_owned()
}

#[test]
fn without_go_it_says_what_to_install() {
    let (cache, search) = (TempDir::new().expect("made"), TempDir::new().expect("made"));
    let (code, said) = dev(cache.path(), search.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.ends_with(
            "Error: the local control plane is built by Go, and `go` can't be run \
             (No such file or directory (os error 2)): install Go 1.26 or later\n"
        ),
        "{said}"
    );
}

#[test]
fn failed_build_shows_the_end_of_its_output() {
    let (cache, search) = (TempDir::new().expect("made"), TempDir::new().expect("made"));
    let go = script(&search, "echo 'up.go:1: no such module' >&2; exit 3");
    let (code, said) = dev(cache.path(), &go);
    assert_eq!(code, Some(1), "{said}");
    let expected =
        "Error: building the local control plane failed (exit status: 3): up.go:1: no such module\n";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn builds_leave_nothing_but_the_program() {
    let (cache, search) = (TempDir::new().expect("made"), TempDir::new().expect("made"));
    let left = || {
        let builds = cache.path().join("local");
        let home = fs::read_dir(builds).expect("a list").next().expect("one build");
        let work = home.expect("a directory").path().join("work");
        fs::read_dir(work).map_or(0, |entries| entries.count())
    };
    // Go's own scratch directory, and its parent killed in the midst of the build.
    let killed = script(&search, "mkdir \"$GOTMPDIR/go-build1\"; kill -9 $PPID; exit 1");
    let (code, said) = dev(cache.path(), &killed);
    assert_eq!(code, None, "{said}");
    assert_eq!(left(), 1, "nobody could tidy up");
    let fails = script(&search, "mkdir \"$GOTMPDIR/go-build1\"; echo no >&2; exit 1");
    let (code, said) = dev(cache.path(), &fails);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(left(), 0);
}

#[test]
fn build_only_builds_once_and_starts_nothing() {
    let (cache, search) = (TempDir::new().expect("made"), TempDir::new().expect("made"));
    let build = "while [ \"$1\" != -o ]; do shift; done; echo built > \"$2\"";
    let go = script(&search, build);
    let build_only = || {
        let output = command(cache.path(), &go).arg("--build-only").output();
        output.expect("helmapp runs")
    };
    let first = build_only();
    assert!(first.status.success(), "{first:?}");
    let path = String::from_utf8(first.stdout).expect("text");
    let built = fs::read_to_string(path.trim_end()).expect("the program is there");
    assert_eq!(built, "built\n");
    let said = String::from_utf8(first.stderr).expect("text");
    assert!(
        said.contains("building the local control plane with Go"),
        "{said}"
    );

    let second = build_only();
    assert_eq!(String::from_utf8(second.stdout).expect("text"), path);
    assert_eq!(second.stderr, b"", "it is there already");
}

#[test]
fn program_that_ends_at_once_is_reported_with_its_last_words() {
    let (cache, search) = (TempDir::new().expect("made"), TempDir::new().expect("made"));
    // `go build … -o FILE .`: what is built here says something and dies.
    let build = "while [ \"$1\" != -o ]; do shift; done\n\
                 printf '#!/bin/sh\\necho \"helmapp-local: etcd ended\" >&2\\nexit 1\\n' > \"$2\"\n\
                 /bin/chmod 700 \"$2\"";
    let go = script(&search, build);
    let (code, said) = dev(cache.path(), &go);
    assert_eq!(code, Some(1), "{said}");
    let expected = "Error: the local control plane ended: etcd ended\n";
    assert!(said.ends_with(expected), "{said}");
}

/// The socket's path is too long for the system: etcd is the one that fails.
#[test]
fn component_that_fails_is_named_with_the_end_of_its_log() {
    let temporary = TempDir::new().expect("made");
    let long = temporary.path().join("x".repeat(120));
    fs::create_dir(&long).expect("made");
    let output = Command::new(env!("CARGO_BIN_EXE_helmapp"))
        .arg("dev")
        .env("TMPDIR", &long)
        .output()
        .expect("helmapp runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("etcd ended; the end of its log:"), "{said}");
    assert!(said.contains("invalid argument"), "{said}");
    let left: Vec<_> = fs::read_dir(&long).expect("a list").collect();
    assert!(left.is_empty(), "{left:?}");
}
