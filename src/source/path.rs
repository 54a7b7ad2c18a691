//! Charts from the operator's disk, only below the directories that its settings name.

use std::{
    fs,
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};

use helmapp_helm::limits::Limits;

use super::{Error, Result};

#[derive(Debug)]
pub(super) enum Found {
    Archive { bytes: Vec<u8>, name: String },
    Directory { directory: PathBuf, name: String },
}

/// Reads the archive or finds the directory at `path`, which must lie below one of `roots` once all links are
/// followed.
pub(super) fn read(roots: &[PathBuf], path: &str, limits: &Limits) -> Result<Found> {
    let place = resolve(roots, path)?;
    let unreadable = |source| Error::PathUnreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(&place).map_err(unreadable)?;
    let name = format!("spec.chart.path {path:?}");
    if metadata.is_dir() {
        return Ok(Found::Directory {
            directory: place,
            name,
        });
    }
    // A pipe or a device would never end.
    if !metadata.is_file() {
        return Err(Error::PathNotFound {
            path: path.to_owned(),
        });
    }
    let limit = limits.archive_bytes;
    let mut bytes = Vec::new();
    let file = fs::File::open(&place).map_err(unreadable)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { name, limit });
    }
    Ok(Found::Archive { bytes, name })
}

fn resolve(roots: &[PathBuf], path: &str) -> Result<PathBuf> {
    if roots.is_empty() {
        return Err(Error::PathsOff);
    }
    let wanted = Path::new(path);
    if wanted.components().any(|part| part == Component::ParentDir) {
        return Err(Error::PathParent {
            path: path.to_owned(),
        });
    }
    for root in roots {
        let Ok(root) = fs::canonicalize(root) else {
            continue;
        };
        // An absolute path takes the root's place in the join; what it leads to decides.
        match fs::canonicalize(root.join(wanted)) {
            Ok(place) if place.starts_with(&root) => return Ok(place),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::PathUnreadable {
                    path: path.to_owned(),
                    source: error,
                });
            }
            Err(_) => {}
        }
    }
    Err(Error::PathNotFound {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree {
        _temporary: tempfile::TempDir,
        first: PathBuf,
        second: PathBuf,
        outside: PathBuf,
    }

    fn tree() -> Tree {
        let temporary = tempfile::tempdir().unwrap();
        let [first, second, outside] = ["first", "second", "outside"].map(|name| {
            let directory = temporary.path().join(name);
            fs::create_dir(&directory).unwrap();
            directory
        });
        fs::create_dir(first.join("web")).unwrap();
        fs::write(second.join("db.tgz"), b"archive").unwrap();
        fs::write(outside.join("secret.tgz"), b"secret").unwrap();
        symlink(&outside, first.join("out")).unwrap();
        symlink(outside.join("secret.tgz"), second.join("out.tgz")).unwrap();
        symlink(first.join("web"), first.join("alias")).unwrap();
        symlink(second.join("db.tgz"), first.join("across.tgz")).unwrap();
        Tree {
            _temporary: temporary,
            first,
            second,
            outside,
        }
    }

    fn read_one(tree: &Tree, path: &str) -> Result<Found> {
        read(
            &[tree.first.clone(), tree.second.clone()],
            path,
            &Limits::default(),
        )
    }

    #[test]
    fn finds_charts_below_the_directories() {
        let tree = tree();
        let web = fs::canonicalize(tree.first.join("web")).unwrap();
        for path in ["web", "./web", "alias", &tree.first.join("web").to_string_lossy()] {
            match read_one(&tree, path) {
                Ok(Found::Directory { directory, .. }) => assert_eq!(directory, web, "{path}"),
                other => panic!("{path}: {other:?}"),
            }
        }
        for path in ["db.tgz", &tree.second.join("db.tgz").to_string_lossy()] {
            match read_one(&tree, path) {
                Ok(Found::Archive { bytes, .. }) => assert_eq!(bytes, b"archive", "{path}"),
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn nothing_outside_is_reached() {
        let tree = tree();
        let outside = tree.outside.join("secret.tgz").to_string_lossy().into_owned();
        for path in [
            "../outside/secret.tgz",
            "web/../../outside/secret.tgz",
            "out/secret.tgz",
            "out.tgz",
            "out",
            "nothing",
            &outside,
            "/etc/passwd",
            "/",
        ] {
            match read_one(&tree, path) {
                Err(Error::PathParent { .. }) => assert!(path.contains(".."), "{path}"),
                Err(Error::PathNotFound { .. }) => {}
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_link_within_a_directory_may_not_lead_into_another() {
        let tree = tree();
        let one = read(
            std::slice::from_ref(&tree.first),
            "across.tgz",
            &Limits::default(),
        );
        assert!(matches!(one, Err(Error::PathNotFound { .. })), "{one:?}");
    }

    #[test]
    fn no_directory_means_no_path() {
        assert!(matches!(
            read(&[], "web", &Limits::default()),
            Err(Error::PathsOff)
        ));
    }

    #[test]
    fn a_large_archive_is_not_read() {
        let tree = tree();
        let limits = Limits {
            archive_bytes: 6,
            ..Limits::default()
        };
        let error = read(&[tree.second], "db.tgz", &limits).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 6, .. }), "{error}");
        assert!(error.to_string().contains("--max-archive-bytes"), "{error}");
    }
}
