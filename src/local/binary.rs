//! The program `helmapp-local`: found in the cache, or built there from the
//! source that this binary carries.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Error, Result};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../deploy/local/", $name)))),*]
    };
}

/// Every file of the Go module that its build reads.
const SOURCES: &[(&str, &str)] = sources![
    "cluster.go",
    "components.go",
    "etcd.go",
    "go.mod",
    "go.sum",
    "kwok.go",
    "main.go",
    "pki.go",
    "ports.go",
    "process.go",
    "stages/pod-complete.yaml",
    "stages/pod-crash-loop.yaml",
    "stages/pod-fail.yaml",
    "stages/pod-image-pull.yaml",
    "stages/service-load-balancer.yaml",
    "stages/volume-delete.yaml",
    "stages/volume-provision.yaml",
    "up.go",
];

/// The components report this version, as their own release builds do.
const LDFLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36 \
    -X k8s.io/component-base/version.gitTreeState=clean";

const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// The path of the built program. Whoever comes while another process builds
/// it waits for that build.
pub(super) async fn find_or_build(progress: fn(&str)) -> Result<PathBuf> {
    let cache = cache_directory(|name| std::env::var_os(name))?;
    let home = cache.join("local").join(digest());
    let binary = home.join("helmapp-local");
    if binary.is_file() {
        return Ok(binary);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Cache { path, source }
    };
    std::fs::create_dir_all(&home).map_err(failed(&home))?;
    let lock = File::create(home.join("lock")).map_err(failed(&home))?;
    let mut waits = false;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(source)) => return Err(failed(&home)(source)),
            Err(TryLockError::WouldBlock) => {
                if !waits {
                    progress("another process builds the local control plane: waiting for it");
                }
                waits = true;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    if !binary.is_file() {
        let source = home.join("source");
        write_sources(&source).map_err(failed(&source))?;
        build(&home, &source, &binary, progress).await?;
    }
    Ok(binary)
}

fn cache_directory(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("HELMAPP_LOCAL_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("helmapp")))
        .or_else(|| set("HOME").map(|path| path.join(".cache").join("helmapp")))
        .ok_or(Error::NoCache)
}

/// Names the directory of a build: equal sources and flags, equal program.
fn digest() -> String {
    let mut hasher = Sha256::new();
    for (name, content) in SOURCES.iter().chain([&("ldflags", LDFLAGS)]) {
        for part in [name, content] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    hasher
        .finalize()
        .iter()
        .take(10)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn write_sources(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory.join("stages"))?;
    for (name, content) in SOURCES {
        std::fs::write(directory.join(name), content)?;
    }
    Ok(())
}

/// Where a build writes until it is done. Go has no time to tidy up when it is killed with us, and goes on for a
/// while when we are killed alone; whoever builds next, under the lock, removes what it finds.
struct Workplace(PathBuf);

impl Workplace {
    fn new(home: &Path) -> std::io::Result<Self> {
        let all = home.join("work");
        // What is still written to stays, and is not ours to use.
        let _ = std::fs::remove_dir_all(&all);
        let own = all.join(std::process::id().to_string());
        std::fs::create_dir_all(&own)?;
        Ok(Self(own))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // The next build removes what is still written to.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Builds beside the final name and renames, so that nobody runs half a file.
async fn build(home: &Path, source: &Path, binary: &Path, progress: fn(&str)) -> Result<()> {
    progress("building the local control plane with Go: once, some minutes");
    let started = Instant::now();
    let workplace = Workplace::new(home).map_err(|source| Error::Cache {
        path: home.to_owned(),
        source,
    })?;
    let partial = workplace.0.join("helmapp-local");
    let output = tokio::process::Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags", LDFLAGS, "-o"])
        .arg(&partial)
        .arg(".")
        .current_dir(source)
        // A workspace above the cache directory is none of this build's business.
        .env("GOWORK", "off")
        .env("GOTMPDIR", &workplace.0)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::pin!(output);
    let output = loop {
        match tokio::time::timeout(PROGRESS_EVERY, &mut output).await {
            Ok(output) => break output.map_err(Error::NoGo)?,
            Err(_) => progress(&format!(
                "building the local control plane: {}s so far",
                started.elapsed().as_secs()
            )),
        }
    };
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = log.trim().lines().collect();
        return Err(Error::Build {
            status: output.status.to_string(),
            log: lines[lines.len().saturating_sub(12)..].join("\n"),
        });
    }
    std::fs::rename(&partial, binary).map_err(|source| Error::Cache {
        path: binary.to_owned(),
        source,
    })?;
    progress(&format!(
        "built the local control plane in {}s",
        started.elapsed().as_secs()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cache_directory_takes_the_first_variable_that_is_set() {
        let of = |variables: &[(&str, &str)]| {
            cache_directory(|name| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| OsString::from(value))
            })
            .ok()
        };
        let all = [
            ("HELMAPP_LOCAL_CACHE", "/a"),
            ("XDG_CACHE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(of(&all), Some("/a".into()));
        assert_eq!(of(&all[1..]), Some("/b/helmapp".into()));
        assert_eq!(of(&all[2..]), Some("/c/.cache/helmapp".into()));
        assert_eq!(
            of(&[("XDG_CACHE_HOME", ""), ("HOME", "/c")]),
            Some("/c/.cache/helmapp".into())
        );
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn sources_are_all_files_of_the_module() {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local");
        let names = |directory: &Path, prefix: &str| -> Vec<String> {
            std::fs::read_dir(directory)
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.file_type().unwrap().is_file())
                .map(|entry| format!("{prefix}{}", entry.file_name().to_str().unwrap()))
                .collect()
        };
        let mut found: BTreeSet<_> = names(&module, "")
            .into_iter()
            .filter(|name| !name.ends_with("_test.go") && name != "README.md")
            .collect();
        found.extend(names(&module.join("stages"), "stages/"));
        let embedded: BTreeSet<_> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(embedded, found);
    }
}
