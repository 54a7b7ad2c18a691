//! Records that one Secret can't hold: what of them stays readable for Helm, and what lies in chunks beside it.
//!
//! The record's own Secret stays a record of Helm's, with something left out. All of it lies in Secrets that are not
//! Helm's, which never change, and which a label of the record's Secret points to: Helm's CLI keeps labels that it does
//! not know.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use helmapp_helm::release::{ChartRecord, DecodeLimits, Info, Release, unpack};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::MAX_SECRET_BYTES;
use crate::cluster::discovery::hex;

/// Label of a record's Secret and of its chunks: see [`Chunks`].
pub const CHUNKS_LABEL: &str = "helmapp.io/chunks";

const NAME_PREFIX: &str = "helmapp.chunk.v1.";

/// Kind of the only object in the manifest of a record whose manifest is left out. No cluster has it: Helm's CLI
/// refuses to work with the record instead of taking its objects for none.
const PLACEHOLDER: &str = "ManifestInChunks";

/// What the record's own Secret is without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// The chart's templates, files and schema.
    Files,
    /// Everything but what lists and histories show.
    Content,
}

/// Where all of a record lies. As the label's value `WITHOUT-REVISION-COUNT-DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    pub without: Without,
    /// The revision that they are of. Helm copies labels into the next revision, where they mean nothing.
    pub revision: i64,
    pub count: usize,
    /// The first half of the SHA-256 of all bytes, in hexadecimal digits: a label's value has 63 characters.
    digest: String,
}

impl Chunks {
    /// Those of a record, if it has some.
    pub(super) fn of(release: &Release) -> Option<Self> {
        let chunks: Self = release.labels.get(CHUNKS_LABEL)?.parse().ok()?;
        (chunks.revision == release.version).then_some(chunks)
    }

    /// The names of their Secrets, in order.
    pub(super) fn names(&self, release: &str) -> impl Iterator<Item = String> {
        let Self { revision, digest, .. } = self;
        let stem = format!("{NAME_PREFIX}{release}.v{revision}.{digest}");
        (0..self.count).map(move |index| format!("{stem}.{index}"))
    }

    /// The record from its bytes; `None` when they are not those that were written.
    pub(super) fn join(&self, bytes: &[u8], limits: &DecodeLimits) -> Option<Release> {
        let same = digest(bytes) == self.digest;
        same.then(|| unpack(bytes, limits).ok()).flatten()
    }
}

impl fmt::Display for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = match self.without {
            Without::Files => "files",
            Without::Content => "content",
        };
        write!(f, "{without}-{}-{}-{}", self.revision, self.count, self.digest)
    }
}

impl FromStr for Chunks {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(4, '-');
        let mut part = || parts.next().ok_or(());
        Ok(Self {
            without: match part()? {
                "files" => Without::Files,
                "content" => Without::Content,
                _ => return Err(()),
            },
            revision: part()?.parse().map_err(drop)?,
            count: part()?.parse().map_err(drop)?,
            digest: part()?.to_owned(),
        })
    }
}

/// A record in pieces.
pub(super) struct Split {
    pub chunks: Chunks,
    pub bytes: Vec<u8>,
}

impl Split {
    /// The bytes of a revision's record.
    pub(super) fn new(revision: i64, without: Without, bytes: Vec<u8>) -> Self {
        let chunks = Chunks {
            without,
            revision,
            count: bytes.len().div_ceil(MAX_SECRET_BYTES),
            digest: digest(&bytes),
        };
        Self { chunks, bytes }
    }

    /// The names and contents of the chunks.
    pub(super) fn pieces(&self, release: &str) -> impl Iterator<Item = (String, &[u8])> {
        self.chunks
            .names(release)
            .zip(self.bytes.chunks(MAX_SECRET_BYTES))
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    hex(digest.get(..16).unwrap_or_default())
}

/// What the record's own Secret keeps.
pub(super) fn abridged(release: &Release, without: Without) -> Release {
    match without {
        Without::Files => Release {
            chart: Arc::new(release.chart.without_files()),
            ..release.clone()
        },
        Without::Content => Release {
            name: release.name.clone(),
            info: Info {
                notes: String::new(),
                ..release.info.clone()
            },
            chart: Arc::new(ChartRecord::new(
                release.chart.metadata.clone(),
                Value::Null,
                Vec::new(),
                Value::Null,
                None,
                Vec::new(),
            )),
            manifest: placeholder(release),
            version: release.version,
            namespace: release.namespace.clone(),
            apply_method: release.apply_method.clone(),
            labels: release.labels.clone(),
            ..Release::default()
        },
    }
}

/// A record as its own Secret has it, with what is left out there. What changes in the life of a revision counts as it
/// stands in the Secret.
pub(super) fn completed(kept: Release, all: Release, without: Without) -> Release {
    match without {
        Without::Files => Release {
            chart: all.chart,
            ..kept
        },
        Without::Content => Release {
            info: Info {
                notes: all.info.notes,
                ..kept.info
            },
            labels: kept.labels,
            ..all
        },
    }
}

fn placeholder(release: &Release) -> String {
    let (name, revision) = (&release.name, release.version);
    format!(
        "---\n# The manifest of this revision is too large for Helm's record. `helmapp get manifest` shows it, and a\n\
         # HelmApp goes back to it; Helm can not work with it.\n\
         apiVersion: helmapp.io/v1alpha1\nkind: {PLACEHOLDER}\nmetadata:\n  name: {name}.v{revision}\n"
    )
}

#[cfg(test)]
mod tests {
    use helmapp_helm::release::{FileRecord, Hook, Status, pack};
    use serde_json::json;

    use super::*;

    fn release() -> Release {
        let files = vec![FileRecord::new("templates/a.yaml", b"a")];
        let chart = ChartRecord::new(
            json!({"name": "demo", "version": "1.0.0"}),
            json!(null),
            files.clone(),
            json!({"replicas": 1}),
            Some(b"{}"),
            files,
        );
        Release {
            name: "shop".to_owned(),
            namespace: "web".to_owned(),
            version: 3,
            info: Info {
                status: Status::Deployed,
                description: "Upgrade complete".to_owned(),
                notes: "Hello".to_owned(),
                ..Info::default()
            },
            chart: Arc::new(chart),
            config: [("a".to_owned(), json!(1))].into_iter().collect(),
            manifest: "---\nkind: ConfigMap\n".to_owned(),
            hooks: vec![Hook::default()],
            ..Release::default()
        }
    }

    fn split(without: Without) -> (Release, Split) {
        let mut release = release();
        let split = Split::new(release.version, without, pack(&release).unwrap());
        let label = split.chunks.to_string();
        assert!(label.len() <= 63, "{label}");
        release.labels.insert(CHUNKS_LABEL.to_owned(), label);
        (release, split)
    }

    #[test]
    fn comes_back_whole_with_what_became_of_it_since() {
        for without in [Without::Files, Without::Content] {
            let (release, split) = split(without);
            let mut kept = abridged(&release, without);
            assert_ne!(kept, release);
            kept.info.status = Status::Superseded;
            let chunks = Chunks::of(&kept).unwrap();
            assert_eq!(chunks, split.chunks);
            let all = chunks.join(&split.bytes, &DecodeLimits::default()).unwrap();
            let mut expected = release.clone();
            expected.info.status = Status::Superseded;
            assert_eq!(completed(kept, all, without), expected);
        }
    }

    #[test]
    fn what_lists_show_is_kept() {
        let (release, _) = split(Without::Content);
        let files = abridged(&release, Without::Files);
        assert!(files.chart.templates.is_empty() && files.chart.files.is_empty());
        assert_eq!(
            (&files.manifest, &files.hooks),
            (&release.manifest, &release.hooks)
        );
        assert_eq!(files.chart.values, release.chart.values);
        let content = abridged(&release, Without::Content);
        assert_eq!(content.chart.version(), "1.0.0");
        assert_eq!(content.info.description, "Upgrade complete");
        assert!(content.config.is_empty() && content.hooks.is_empty());
        let objects = helmapp_helm::manifest::parse_stored(&content.manifest).unwrap();
        assert_eq!(
            objects.len(),
            1,
            "a manifest without objects would be taken for one"
        );
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        let (_, split) = split(Without::Files);
        let limits = DecodeLimits::default();
        let mut damaged = split.bytes.clone();
        damaged[20] ^= 1;
        assert!(split.chunks.join(&damaged, &limits).is_none());
        assert!(split.chunks.join(&[], &limits).is_none());
    }

    #[test]
    fn a_label_that_was_copied_means_nothing() {
        let (mut release, _) = split(Without::Files);
        assert!(Chunks::of(&release).is_some());
        release.version = 4;
        assert_eq!(Chunks::of(&release), None);
        for label in ["", "files", "files-4-1", "else-4-1-ab", "files-x-1-ab"] {
            release.labels.insert(CHUNKS_LABEL.to_owned(), label.to_owned());
            assert_eq!(Chunks::of(&release), None, "{label}");
        }
    }

    #[test]
    fn names_tell_release_revision_and_content() {
        let (_, split) = split(Without::Files);
        let names: Vec<String> = split.pieces("shop").map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [format!("helmapp.chunk.v1.shop.v3.{}.0", split.chunks.digest)]
        );
    }
}
