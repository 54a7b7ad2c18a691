//! Where `helmapp template` gets the chart and values files from: this machine.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use helmapp_helm::chart::{Chart, DirOptions, Symlinks};
use helmapp_helm::limits::Limits;

use super::content::other_kind;

/// The chart's path, if there is something.
pub(super) fn locate(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name.trim());
    if path.exists() {
        return Ok(path);
    }
    if path.is_absolute() || name.starts_with('.') {
        bail!("path {name:?} not found");
    }
    // Helm looks for a repository of that name now.
    let reason = match name.trim().split_once('/') {
        Some((repository, _)) => format!("repo {repository} not found"),
        None => format!(
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: {}",
            name.trim()
        ),
    };
    bail!(
        "there is no chart's directory or archive {name:?}, and charts of repositories are not fetched: {reason}"
    )
}

/// Loads a directory or an archive.
pub(super) fn load(path: &Path) -> anyhow::Result<Chart> {
    if path.is_dir() {
        let options = DirOptions {
            symlinks: Symlinks::Anywhere,
            ..DirOptions::default()
        };
        return Ok(Chart::load_dir(path, &options)?);
    }
    let archive = std::fs::read(path).map_err(|e| anyhow!("{}", open_error(&path.to_string_lossy(), &e)))?;
    if let Some(kind) = other_kind(&archive) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let path = path.display();
        match is_yaml {
            true => bail!("file '{path}' seems to be a YAML file, but expected a gzipped archive"),
            false => bail!("file '{path}' does not appear to be a gzipped archive; got '{kind}'"),
        }
    }
    Ok(Chart::load_archive(&archive, &Limits::default())?)
}

/// Reads a values file; `-` is standard input.
pub(super) fn read(name: &str) -> Result<Vec<u8>, String> {
    if name.trim() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|e| format!("standard input can not be read: {e}"))?;
        return Ok(bytes);
    }
    if name.contains("://") {
        return Err(format!("{name}: values are read from files only"));
    }
    std::fs::read(name).map_err(|e| open_error(name, &e))
}

/// As Go says that a file could not be opened.
fn open_error(name: &str, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::IsADirectory {
        return format!("read {name}: is a directory");
    }
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("open {name}: {reason}")
}
