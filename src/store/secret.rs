//! The Secrets of a record: Helm's own, and its chunks where that one can't hold all of it.

use std::collections::BTreeMap;

use helmapp_helm::release::{
    self, Release, SECRET_KEY, SECRET_TYPE, WriteTime, pack, secret_labels, secret_name,
};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};

use super::chunks::{CHUNKS_LABEL, Chunks, Split, Without, abridged};
use super::companion::RELEASE_LABEL;
use super::{Error, HOLDER_ANNOTATION, Head, MAX_SECRET_BYTES, ReleaseKey, Result};

/// What a new record leaves free of its Secret: how the revision ends is written into it, and that must not fail. Enough
/// for a description of [`MAX_MESSAGE`](crate::api::MAX_MESSAGE) bytes that can't be compressed.
const END_BYTES: usize = 16 * 1024;

const CHUNK_TYPE: &str = "helmapp.io/chunk.v1";
/// The key of a chunk's data.
pub(super) const CHUNK_KEY: &str = "chunk";

/// A new record in its Secrets.
pub(super) struct New {
    pub secret: Secret,
    pub chunks: Vec<Secret>,
}

/// The Secrets of a new record. The label that points to its chunks is added to it.
pub(super) fn new(key: &ReleaseKey, release: &mut Release, holder: &str) -> Result<New> {
    const LIMIT: usize = MAX_SECRET_BYTES - END_BYTES;
    release.labels.remove(CHUNKS_LABEL);
    let failed = |source| failed(key, release.version, source);
    let bytes = pack(release).map_err(failed)?;
    let text = release::text(&bytes);
    if text.len() <= LIMIT {
        return Ok(New {
            secret: record(release, text, Some(holder), None),
            chunks: Vec::new(),
        });
    }
    for without in [Without::Files, Without::Content] {
        let text = release::encode(&abridged(release, without)).map_err(failed)?;
        if text.len() > LIMIT {
            continue;
        }
        let split = Split::new(release.version, without, bytes);
        let label = split.chunks.to_string();
        release.labels.insert(CHUNKS_LABEL.to_owned(), label);
        let pieces = split.pieces(&key.name);
        return Ok(New {
            chunks: pieces.map(|(name, bytes)| chunk(release, name, bytes)).collect(),
            secret: record(release, text, Some(holder), None),
        });
    }
    Err(too_large(key, release.version, LIMIT))
}

/// The Secret of a record that changes. Its chunks stay as they are.
pub(super) fn changed(
    key: &ReleaseKey,
    release: &Release,
    holder: Option<&str>,
    head: &Head,
) -> Result<Secret> {
    let text = match Chunks::of(release) {
        Some(chunks) => release::encode(&abridged(release, chunks.without)),
        None => release::encode(release),
    };
    let text = text.map_err(|source| failed(key, release.version, source))?;
    if text.len() > MAX_SECRET_BYTES {
        return Err(too_large(key, release.version, MAX_SECRET_BYTES));
    }
    Ok(record(release, text, holder, Some(head)))
}

fn record(release: &Release, text: String, holder: Option<&str>, head: Option<&Head>) -> Secret {
    let now = Timestamp::now().as_second();
    let at = if head.is_some() {
        WriteTime::Modified(now)
    } else {
        WriteTime::Created(now)
    };
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(&release.name, release.version)),
            namespace: Some(release.namespace.clone()),
            labels: Some(secret_labels(release, at)),
            annotations: holder.map(|holder| [(HOLDER_ANNOTATION.to_owned(), holder.to_owned())].into()),
            resource_version: head.map(|head| head.resource_version.clone()),
            uid: head.map(|head| head.uid.clone()),
            creation_timestamp: head.and_then(|head| head.created).map(Time),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some([(SECRET_KEY.to_owned(), ByteString(text.into_bytes()))].into()),
        ..Secret::default()
    }
}

fn chunk(release: &Release, name: String, bytes: &[u8]) -> Secret {
    let pointer = release.labels.get(CHUNKS_LABEL).cloned();
    let labels = BTreeMap::from([
        (RELEASE_LABEL.to_owned(), release.name.clone()),
        (CHUNKS_LABEL.to_owned(), pointer.unwrap_or_default()),
    ]);
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(release.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        type_: Some(CHUNK_TYPE.to_owned()),
        data: Some([(CHUNK_KEY.to_owned(), ByteString(bytes.to_vec()))].into()),
        immutable: Some(true),
        ..Secret::default()
    }
}

fn failed(key: &ReleaseKey, revision: i64, source: release::Error) -> Error {
    match source {
        release::Error::TooLarge { limit } => {
            too_large(key, revision, usize::try_from(limit).unwrap_or(usize::MAX))
        }
        source => Error::Encode {
            key: key.clone(),
            revision,
            source,
        },
    }
}

fn too_large(key: &ReleaseKey, revision: i64, limit: usize) -> Error {
    Error::TooLarge {
        key: key.clone(),
        revision,
        limit,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use helmapp_helm::release::{ChartRecord, FileRecord, Info, Status};
    use serde_json::json;

    use super::*;
    use crate::api::MAX_MESSAGE;

    /// Text that does not compress: a sequence of a simple generator.
    fn noise(length: usize) -> String {
        let mut state = 1_u64;
        let next = (0..length).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from((state >> 33) % 70).unwrap())
        });
        next.collect()
    }

    fn key() -> ReleaseKey {
        ReleaseKey::new("web", "shop")
    }

    fn release(noise: &str, description: &str) -> Release {
        Release {
            name: "shop".to_owned(),
            namespace: "web".to_owned(),
            version: 1,
            config: [("noise".to_owned(), json!(noise))].into_iter().collect(),
            info: Info {
                description: description.to_owned(),
                ..Info::default()
            },
            ..Release::default()
        }
    }

    fn with_file(file: &str) -> Release {
        let files = vec![FileRecord::new("files/noise", file.as_bytes())];
        let chart = ChartRecord::new(
            json!({"name": "demo"}),
            json!(null),
            vec![],
            json!({}),
            None,
            files,
        );
        Release {
            chart: Arc::new(chart),
            ..release("", "")
        }
    }

    fn head() -> Head {
        Head {
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            ..Head::bare(1, Status::PendingInstall)
        }
    }

    fn size(secret: &Secret) -> usize {
        let data = secret.data.as_ref().unwrap().values();
        data.map(|bytes| bytes.0.len()).sum()
    }

    #[test]
    fn a_record_that_can_be_begun_can_be_ended() {
        let text = noise(2_000_000);
        let in_one = |length: usize| {
            new(&key(), &mut release(&text[..length], ""), "me")
                .unwrap()
                .chunks
                .is_empty()
        };
        let (mut fits, mut not) = (0, text.len());
        while not - fits > 100 {
            let middle = (fits + not) / 2;
            if in_one(middle) {
                fits = middle
            } else {
                not = middle
            }
        }
        assert!(fits > 500_000, "{fits}");
        let ended = release(&text[..fits], &noise(MAX_MESSAGE));
        let secret = changed(&key(), &ended, None, &head()).unwrap();
        assert!(size(&secret) > MAX_SECRET_BYTES - END_BYTES && size(&secret) <= MAX_SECRET_BYTES);
    }

    #[test]
    fn only_as_much_as_is_needed_is_left_out() {
        let text = noise(3_000_000);
        let cases = [
            (with_file(&text[..100]), None),
            (with_file(&text), Some(Without::Files)),
            (release(&text, ""), Some(Without::Content)),
        ];
        for (mut release, expected) in cases {
            let new = new(&key(), &mut release, "me").unwrap();
            let chunks = Chunks::of(&release);
            assert_eq!(chunks.as_ref().map(|chunks| chunks.without), expected);
            assert_eq!(new.chunks.len(), chunks.map_or(0, |chunks| chunks.count));
            for secret in std::iter::once(&new.secret).chain(&new.chunks) {
                assert!(size(secret) <= MAX_SECRET_BYTES);
            }
            for chunk in &new.chunks {
                let labels = chunk.metadata.labels.as_ref().unwrap();
                assert!(!labels.contains_key("owner"), "{labels:?}");
                assert_ne!(chunk.type_.as_deref(), Some(SECRET_TYPE));
            }
            // What is written of it later fits as well, and says where the rest is.
            let secret = changed(&key(), &release, None, &head()).unwrap();
            assert_eq!(
                secret.metadata.labels.unwrap().get(CHUNKS_LABEL),
                release.labels.get(CHUNKS_LABEL)
            );
        }
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let mut release = release(&"0".repeat(33 << 20), "");
        let error = new(&key(), &mut release, "me").err().unwrap().to_string();
        assert!(error.contains("33554432 bytes"), "{error}");
        assert!(error.contains(".helmignore"), "{error}");
    }

    #[test]
    fn labels_of_the_last_revision_are_not_taken_for_ones_own() {
        let mut release = release("", "");
        release
            .labels
            .insert(CHUNKS_LABEL.to_owned(), "files-1-1-ab".to_owned());
        release.labels.insert("team".to_owned(), "web".to_owned());
        let new = new(&key(), &mut release, "me").unwrap();
        let labels = new.secret.metadata.labels.unwrap();
        assert!(
            !labels.contains_key(CHUNKS_LABEL) && labels.contains_key("team"),
            "{labels:?}"
        );
    }
}
