//! Where `helmapp template` gets the chart and values files from: this machine.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use helmapp_helm::chart::{Chart, DirOptions, Symlinks};
use helmapp_helm::limits::Limits;

/// The chart's path, if there is something.
pub(super) fn locate(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name.trim());
    if path.exists() {
        return Ok(path);
    }
    if path.is_absolute() || name.starts_with('.') {
        bail!("path {name:?} not found");
    }
    bail!("chart {name:?} not found: give the path of a chart's directory or archive")
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
