//! Charts on disk: a case's files as a directory or as an archive, for Helm's own loader and for this crate's.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use helmapp_oracle::helm::{Answer, Case, File};
use tempfile::TempDir;

/// What stands for the folder's path in answers.
const FOLDER: &str = "/FOLDER";

/// A case whose chart lies where its path says, as long as this lives.
pub(crate) struct Written {
    pub(crate) case: Case,
    folder: Option<TempDir>,
}

impl Written {
    pub(crate) fn of(case: &Case) -> Written {
        if case.form.is_empty() {
            return Written {
                case: case.clone(),
                folder: None,
            };
        }
        let folder = tempfile::tempdir().expect("a folder for charts");
        let path = match case.form.as_str() {
            "dir" => {
                let path = folder.path().join("chart");
                write(&path, &case.files);
                path
            }
            "tgz" => {
                let path = folder.path().join("chart.tgz");
                std::fs::write(&path, packed(&case.files)).expect("a file");
                path
            }
            form => panic!("no form of a chart: {form}"),
        };
        let case = Case {
            path: path.to_string_lossy().into_owned(),
            files: Vec::new(),
            ..case.clone()
        };
        Written {
            case,
            folder: Some(folder),
        }
    }

    /// The answer without the folder's path, which is another each time.
    pub(crate) fn told(&self, mut answer: Answer) -> Answer {
        if let Some(folder) = &self.folder {
            let path = folder.path().to_string_lossy().into_owned();
            let texts = [&mut answer.out, &mut answer.err, &mut answer.notes];
            for text in texts.into_iter().chain(&mut answer.warnings) {
                *text = text.replace(&path, FOLDER);
            }
        }
        answer
    }
}

fn write(folder: &Path, files: &[File]) {
    std::fs::create_dir_all(folder).expect("a folder");
    for file in files {
        let path = folder.join(&file.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder");
        }
        if file.link.is_empty() {
            std::fs::write(&path, content(file)).expect("a file");
        } else {
            std::os::unix::fs::symlink(&file.link, &path).expect("a link");
        }
    }
}

fn content(file: &File) -> Vec<u8> {
    if file.packed.is_empty() {
        file.data()
    } else {
        packed(&file.packed)
    }
}

/// An archive of entries by these very names, as no careful program would write them.
pub(crate) fn packed(files: &[File]) -> Vec<u8> {
    let mut tar = Vec::new();
    for file in files {
        let data = content(file);
        let kind = match file.name.as_bytes() {
            [.., b'/'] => b'5',
            _ if !file.link.is_empty() => b'2',
            _ => b'0',
        };
        if file.name.len() > NAME_BYTES {
            let mut name = file.name.clone().into_bytes();
            name.push(0);
            entry(&mut tar, "././@LongLink", b'L', &name, "");
        }
        entry(&mut tar, &file.name, kind, &data, &file.link);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).expect("gzip in memory");
    gzip.finish().expect("gzip in memory")
}

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;

fn entry(tar: &mut Vec<u8>, name: &str, kind: u8, data: &[u8], link: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
    header.set_entry_type(tar::EntryType::new(kind));
    // The crate's own setters refuse what charts must be tried with.
    let old = header.as_old_mut();
    let bytes = name.as_bytes();
    let most = bytes.len().min(NAME_BYTES);
    old.name[..most].copy_from_slice(&bytes[..most]);
    let target = link.as_bytes();
    old.linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}
