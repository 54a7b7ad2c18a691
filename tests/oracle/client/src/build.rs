//! The programs: built by Go into the cache, once for equal sources, whichever test asks first.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// text/template, fmt and sprig.
    Template,
    /// sigs.k8s.io/yaml and go-yaml.
    Yaml,
    /// `helm template` of Helm 3.
    Helm3,
    /// `helm template` of Helm 4.
    Helm4,
    /// Helm 3's own program.
    Helm3Cli,
    /// Helm 4's own program.
    Helm4Cli,
}

impl Program {
    fn module(self) -> &'static str {
        match self {
            Program::Template => "template",
            Program::Yaml => "yaml",
            Program::Helm3 | Program::Helm3Cli => "helm3",
            Program::Helm4 | Program::Helm4Cli => "helm4",
        }
    }

    /// What of the module is built, and the program's name.
    fn package(self) -> (&'static str, &'static str) {
        match self {
            Program::Helm3Cli => ("helm.sh/helm/v3/cmd/helm", "helm"),
            Program::Helm4Cli => ("helm.sh/helm/v4/cmd/helm", "helm"),
            _ => (".", "judge"),
        }
    }
}

/// Helm's own builds set the version of Kubernetes that it takes for granted to that of its client library.
const LDFLAGS: &str = "-s -w \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34";

/// The path of the built program. Whoever comes while another process builds it waits for that build.
///
/// # Panics
/// There is no Go, or the program does not build.
pub fn binary(program: Program) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let module = sources.join(program.module());
    let digest = digest(&[&module, &sources.join("judge")]);
    let (package, name) = program.package();
    let home = cache()
        .join("oracle")
        .join(format!("{}-{digest:016x}", program.module()));
    let binary = home.join(name);
    if binary.is_file() {
        return binary;
    }
    std::fs::create_dir_all(&home).expect("the cache is writable");
    let lock = File::create(home.join(format!("{name}.lock"))).expect("the cache is writable");
    lock.lock().expect("the cache can be locked");
    if !binary.is_file() {
        println!("building {package} of tests/oracle/{}", program.module());
        let partial = binary.with_extension("partial");
        go_build(&module, package, &partial);
        std::fs::rename(&partial, &binary).expect("the cache is writable");
    }
    binary
}

fn go_build(module: &Path, package: &str, target: &Path) {
    let built = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", LDFLAGS, "-o"])
        .arg(target)
        .arg(package)
        .current_dir(module)
        // A workspace above is none of this build's business.
        .env("GOWORK", "off")
        .output();
    match built {
        Err(e) => panic!("this test needs Go (https://go.dev/dl), which could not be run: {e}"),
        Ok(out) if !out.status.success() => {
            let log = String::from_utf8_lossy(&out.stderr);
            panic!("{} does not build: {log}", module.display());
        }
        Ok(_) => {}
    }
}

/// Beside the local control plane's program.
fn cache() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set("HELMAPP_LOCAL_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("helmapp")))
        .or_else(|| set("HOME").map(|p| p.join(".cache").join("helmapp")))
        .expect("HOME or HELMAPP_LOCAL_CACHE names where built programs are kept")
}

/// Equal sources and flags, equal program.
fn digest(modules: &[&Path]) -> u64 {
    let mut hasher = DefaultHasher::new();
    LDFLAGS.hash(&mut hasher);
    for module in modules {
        let mut files: Vec<PathBuf> = std::fs::read_dir(module)
            .expect("the judges' sources are there")
            .map(|entry| entry.expect("a folder can be read").path())
            .collect();
        files.sort();
        for file in files {
            file.file_name().hash(&mut hasher);
            std::fs::read(&file)
                .expect("a source can be read")
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}
