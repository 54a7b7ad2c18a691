//! What identifies a chart: a hash of all it is made of.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Chart, File};

impl Chart {
    /// The digest of a packed chart: SHA-256 over the archive, as registries and repository indexes have it.
    pub fn archive_digest(archive: &[u8]) -> String {
        hex(&Sha256::digest(archive))
    }

    /// The digest of a chart's files: SHA-256 over their names and contents in the order of names. It does not
    /// depend on the order of loading, nor on what `.helmignore` leaves out.
    pub fn files_digest(&self) -> String {
        let mut files: Vec<&File> = self.raw.iter().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.data.cmp(&b.data)));
        let mut hash = Sha256::new();
        for file in files {
            // Lengths keep one name and content from being taken for another pair.
            for part in [file.name.as_bytes(), &file.data] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a String can not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
