//! Charts in directories: which files belong to them, and where links may lead.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Chart, File,
    error::{Error, Result},
    ignore::Rules,
    load,
};
use crate::limits::{Budget, Limits};

/// How to read a chart's directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirOptions {
    /// What the chart may cost.
    pub limits: Limits,
    /// Where symbolic links may lead. Default [`Symlinks::Inside`].
    pub symlinks: Symlinks,
}

/// Where a chart's symbolic links may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Only to what lies in the chart's directory: for charts that somebody else wrote.
    #[default]
    Inside,
    /// Anywhere, as in Helm: for a chart on one's own disk.
    Anywhere,
}

impl Chart {
    /// Loads a chart from its directory, without what its `.helmignore` names. Files come in the order of
    /// Helm's walk: by name, directory by directory.
    ///
    /// # Errors
    /// [`Error`], with Helm's text where Helm refuses the directory too.
    pub fn load_dir(directory: &Path, options: &DirOptions) -> Result<Self> {
        let root = fs::canonicalize(directory).map_err(|source| read_error(directory, source))?;
        let ignore_file = root.join(".helmignore");
        let mut walk = Walk {
            rules: Rules::parse(&read_rules(&ignore_file)?)?,
            symlinks: options.symlinks,
            budget: Budget::new(&options.limits),
            files: Vec::new(),
            ancestors: Vec::new(),
            root: root.clone(),
        };
        walk.directory(&root, "")?;
        let Walk {
            files, mut budget, ..
        } = walk;
        load::load(files, &mut budget)
    }
}

fn read_rules(path: &Path) -> Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(read_error(path, source)),
    }
}

fn read_error(path: &Path, source: io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source,
    }
}

struct Walk {
    root: PathBuf,
    rules: Rules,
    symlinks: Symlinks,
    budget: Budget,
    files: Vec<File>,
    /// The directories around the present one, without links in their paths.
    ancestors: Vec<PathBuf>,
}

impl Walk {
    fn directory(&mut self, path: &Path, name: &str) -> Result<()> {
        let limit = self.budget.limits.directory_depth;
        if self.ancestors.len() > limit {
            return Err(Error::DirectoriesTooDeep {
                path: name.to_owned(),
                limit,
            });
        }
        self.ancestors.push(path.to_owned());
        for entry in self.list(path)? {
            let below = if name.is_empty() {
                entry.clone()
            } else {
                format!("{name}/{entry}")
            };
            self.entry(&path.join(&entry), &below)?;
        }
        self.ancestors.pop();
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|source| read_error(path, source))? {
            let name = entry.map_err(|source| read_error(path, source))?.file_name();
            let name = name
                .into_string()
                .map_err(|name| Error::PathNotUtf8(path.join(name).to_string_lossy().into_owned()))?;
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }

    fn entry(&mut self, path: &Path, name: &str) -> Result<()> {
        let metadata = fs::symlink_metadata(path).map_err(|source| read_error(path, source))?;
        if !metadata.is_symlink() {
            return self.resolved(path, name, &metadata);
        }
        let target = fs::canonicalize(path).map_err(|source| read_error(path, source))?;
        let metadata = fs::symlink_metadata(&target).map_err(|source| read_error(&target, source))?;
        // A link that the chart leaves out may lead anywhere.
        if self.rules.ignores(name, metadata.is_dir())? {
            return Ok(());
        }
        if self.symlinks == Symlinks::Inside && !target.starts_with(&self.root) {
            return Err(Error::LinkEscapes {
                path: name.to_owned(),
            });
        }
        if self.ancestors.contains(&target) {
            return Err(Error::LinkLoop {
                path: name.to_owned(),
            });
        }
        self.resolved(&target, name, &metadata)
    }

    fn resolved(&mut self, path: &Path, name: &str, metadata: &fs::Metadata) -> Result<()> {
        if self.rules.ignores(name, metadata.is_dir())? {
            return Ok(());
        }
        if metadata.is_dir() {
            return self.directory(path, name);
        }
        if !metadata.is_file() {
            return Err(Error::Irregular(name.to_owned()));
        }
        self.budget.take_file(name, metadata.len())?;
        let data = fs::read(path).map_err(|source| read_error(path, source))?;
        let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&data);
        self.files.push(File::new(name, data));
        Ok(())
    }
}
