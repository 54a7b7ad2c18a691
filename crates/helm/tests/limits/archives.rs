//! Archives and release records that unpack to too much.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use helmapp_helm::chart::{Chart, DirOptions};
use helmapp_helm::limits::Limits;
use helmapp_helm::release::{DecodeLimits, decode};

use crate::{Case, Expected};

fn gzip(write: impl FnOnce(&mut GzEncoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    write(&mut encoder);
    encoder.finish().expect("gzip in memory")
}

/// An archive of files by name, each of so many zeros.
fn archive(files: impl IntoIterator<Item = (String, usize)>) -> Vec<u8> {
    gzip(|out| {
        let mut tar = tar::Builder::new(out);
        for (name, size) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(size as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, std::io::repeat(b' ').take(size as u64))
                .expect("tar in memory");
        }
        tar.finish().expect("tar in memory");
    })
}

fn load(archive: &[u8]) -> Result<(), String> {
    Chart::load_archive(archive, &Limits::default())
        .map(drop)
        .map_err(|e| e.to_string())
}

/// An archive whose only entry has a name of so many bytes.
fn long_name(bytes: usize) -> Vec<u8> {
    gzip(|out| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(bytes as u64);
        header.set_cksum();
        out.write_all(header.as_bytes()).expect("memory");
        let block = [b'a'; 512];
        for _ in 0..bytes.div_ceil(512) {
            out.write_all(&block).expect("memory");
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_cksum();
        out.write_all(header.as_bytes()).expect("memory");
        out.write_all(&[0; 1024]).expect("memory");
    })
}

/// Charts within charts, packed.
fn nested(levels: usize) -> Vec<u8> {
    let mut inner: Option<Vec<u8>> = None;
    for level in 0..levels {
        inner = Some(gzip(|out| {
            let mut tar = tar::Builder::new(out);
            let mut add = |name: &str, data: &[u8]| {
                let mut header = tar::Header::new_gnu();
                header.set_size(data.len() as u64);
                header.set_mode(0o644);
                tar.append_data(&mut header, name, data).expect("tar in memory");
            };
            let metadata = format!("apiVersion: v2\nname: c{level}\nversion: 1.0.0\n");
            add(&format!("c{level}/Chart.yaml"), metadata.as_bytes());
            if let Some(inner) = &inner {
                add(&format!("c{level}/charts/c{}-1.0.0.tgz", level - 1), inner);
            }
            tar.finish().expect("tar in memory");
        }));
    }
    inner.unwrap_or_default()
}

/// A directory with so many files, and a `.helmignore` of so many lines that match none of them.
fn ignored(files: usize, lines: usize) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    let rules: String = (0..lines).map(|n| format!("*a*a*a*a*b{n}\n")).collect();
    write(".helmignore", &rules);
    for n in 0..files {
        write(&format!("{}{n}", "a".repeat(100)), "");
    }
    Chart::load_dir(directory.path(), &DirOptions::default())
        .map(drop)
        .map_err(|e| e.to_string())
}

fn record(json: impl FnOnce(&mut GzEncoder<Vec<u8>>)) -> Result<(), String> {
    let text = base64::engine::general_purpose::STANDARD.encode(gzip(json));
    decode(&text, &DecodeLimits::default())
        .map(drop)
        .map_err(|e| e.to_string())
}

pub(crate) fn cases() -> Vec<Case> {
    use Expected::Error;
    macro_rules! cases {
        ($($name:literal, $expected:expr, $work:expr;)*) => {
            vec![$(Case { name: $name, expected: $expected, work: || $work },)*]
        };
    }
    cases! {
        "an archive that unpacks to much", Error("unpacked_bytes"), load(&archive((0..40).map(|i| (format!("c/f{i}"), 4 << 20))));
        "an archive with a large file", Error("file_bytes"), load(&archive([("c/f".to_owned(), 6 << 20)]));
        "an archive of many files", Error("file_count"), load(&archive((0..30_000).map(|i| (format!("c/f{i}"), 0))));
        "an archive with a long name", Error("unpacked_bytes"), load(&long_name(100 << 20));
        "archives in archives", Error("chart_depth"), load(&nested(40));
        "many files and lines of .helmignore", Error("limit ignore_steps"), ignored(300, 20_000);
        "a record that unpacks to much", Error("limit: max decoded bytes"), record(|out| {
            let block = [b' '; 1 << 16];
            for _ in 0..10_000 {
                out.write_all(&block).expect("memory");
            }
        });
        "a record that nests", Error(""), record(|out| out.write_all("[".repeat(1 << 20).as_bytes()).expect("memory"));
        "a record of many values", Error("limit: max values"), record(|out| {
            let config = format!("{{\"name\": \"a\", \"config\": {{\"a\": [{}1]}}}}", "1,".repeat(8 << 20));
            out.write_all(config.as_bytes()).expect("memory");
        });
    }
}
