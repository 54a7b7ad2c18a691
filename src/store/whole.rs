//! Chunks in the cluster: written before their record, deleted after it, never changed.

use std::collections::BTreeSet;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::ListParams, core::PartialObjectMeta};
use tracing::warn;

use super::chunks::{CHUNKS_LABEL, Chunks, Without, completed};
use super::companion::{RELEASE_LABEL, companion_name};
use super::secret::CHUNK_KEY;
use super::{Error, HELM_RECORDS, Head, ReleaseKey, Result, Store, Stored, is_conflict, refused};
use crate::cluster::{brief, retry};

impl Store {
    /// Writes the chunks of a new record. One that is there has what it is to have: its name tells its content.
    pub(super) async fn write_chunks(
        &self,
        key: &ReleaseKey,
        revision: i64,
        chunks: &[Secret],
    ) -> Result<()> {
        for chunk in chunks {
            retry::transient(|| async {
                match brief::create(&self.client, &key.namespace, chunk).await {
                    Err(error) if !is_conflict(&error) => Err(refused(
                        format!("write a chunk of revision {revision} of release {key}"),
                        error,
                    )),
                    _ => Ok(()),
                }
            })
            .await?;
        }
        Ok(())
    }

    /// The record with its content, wherever that lies.
    pub(super) async fn with_content(&self, key: &ReleaseKey, stored: Stored) -> Result<Stored> {
        match Chunks::of(&stored.release) {
            Some(chunks) if chunks.without == Without::Content => self.join(key, stored, &chunks).await,
            _ => Ok(stored),
        }
    }

    /// The record with all files of its chart. Where they are lost, it stays without: a way back to the revision does
    /// not need them.
    ///
    /// # Errors
    /// A failed request.
    pub async fn complete(&self, key: &ReleaseKey, stored: Stored) -> Result<Stored> {
        let Some(chunks) = Chunks::of(&stored.release).filter(|chunks| chunks.without == Without::Files)
        else {
            return Ok(stored);
        };
        match self.join(key, stored.clone(), &chunks).await {
            Err(error @ Error::Incomplete { .. }) => {
                warn!(release = %key, %error, "the chart of a revision has lost its files");
                Ok(stored)
            }
            joined => joined,
        }
    }

    async fn join(&self, key: &ReleaseKey, stored: Stored, chunks: &Chunks) -> Result<Stored> {
        let api = self.secrets(key);
        let revision = chunks.revision;
        let incomplete = |secret: &str, why| Error::Incomplete {
            key: key.clone(),
            revision,
            secret: secret.to_owned(),
            why,
        };
        let (mut bytes, mut last) = (Vec::new(), String::new());
        for name in chunks.names(&key.name) {
            let found = retry::transient(|| async {
                api.get_opt(&name)
                    .await
                    .map_err(|error| refused(format!("read Secret {}/{name}", key.namespace), error))
            })
            .await?;
            let data = found.and_then(|secret| secret.data?.remove(CHUNK_KEY));
            let data = data.ok_or_else(|| incomplete(&name, "a part of it is missing"))?;
            bytes.extend_from_slice(&data.0);
            last = name;
        }
        let all = chunks.join(&bytes, &self.limits);
        let all = all.ok_or_else(|| incomplete(&last, "a part of it is not what was written"))?;
        Ok(Stored {
            release: completed(stored.release, all, chunks.without),
            head: stored.head,
        })
    }

    /// Deletes the chunks that no record points to any more: those of deleted revisions, and what a process left that
    /// ended before it wrote the record. Returns whether there are others.
    ///
    /// Only for whoever has written the newest revision: chunks of later ones are left alone, and earlier ones can't be
    /// begun any more.
    pub async fn sweep(&self, key: &ReleaseKey) -> Result<bool> {
        let chunks = self.of_release(key).await?;
        let chunks = chunks.iter().filter_map(|chunk| Some((chunk, pointer(chunk)?)));
        let chunks: Vec<_> = chunks.collect();
        if chunks.is_empty() {
            return Ok(false);
        }
        let records = self
            .listed(key, &format!("{HELM_RECORDS},name={}", key.name))
            .await?;
        let stored = records.iter().filter_map(Head::of).map(|(_, head)| head.revision);
        let newest = stored.max().unwrap_or_default();
        let needed: BTreeSet<_> = records.iter().filter_map(own_pointer).collect();
        let mut left = false;
        for (chunk, pointer) in chunks {
            let (_, revision) = pointer;
            if revision > newest || needed.contains(&pointer) {
                left = true;
            } else {
                self.delete_listed(key, chunk).await?;
            }
        }
        Ok(left)
    }

    /// The releases of which there are chunks.
    ///
    /// # Errors
    /// A failed request.
    pub async fn chunked(&self) -> Result<BTreeSet<ReleaseKey>> {
        let api: Api<Secret> = Api::all(self.client.clone());
        let selector = ListParams::default().labels(&format!("{RELEASE_LABEL},{CHUNKS_LABEL}"));
        let list = retry::transient(|| async {
            api.list_metadata(&selector)
                .await
                .map_err(|error| refused("list the chunks of all releases".to_owned(), error))
        })
        .await?;
        let key = |secret: PartialObjectMeta<Secret>| {
            let name = secret.metadata.labels?.remove(RELEASE_LABEL)?;
            Some(ReleaseKey::new(secret.metadata.namespace?, name))
        };
        Ok(list.items.into_iter().filter_map(key).collect())
    }

    /// Deletes all revisions of a release but those to keep, oldest first, then their chunks and its companion.
    pub async fn purge(&self, key: &ReleaseKey, keep: &[i64]) -> Result<()> {
        for head in self.heads(key).await?.iter().rev() {
            if !keep.contains(&head.revision) {
                self.delete(key, head).await?;
            }
        }
        let (companions, chunks): (Vec<_>, Vec<_>) = self
            .of_release(key)
            .await?
            .into_iter()
            .partition(|metadata| metadata.name.as_deref() == Some(companion_name(&key.name).as_str()));
        for chunk in &chunks {
            if pointer(chunk).is_none_or(|(_, revision)| !keep.contains(&revision)) {
                self.delete_listed(key, chunk).await?;
            }
        }
        match companions.into_iter().find_map(|companion| companion.uid) {
            Some(uid) => self.delete_known_companion(key, &uid).await,
            None => Ok(()),
        }
    }

    /// Companion and chunks of a release.
    async fn of_release(&self, key: &ReleaseKey) -> Result<Vec<ObjectMeta>> {
        self.listed(key, &format!("{RELEASE_LABEL}={}", key.name)).await
    }

    async fn listed(&self, key: &ReleaseKey, labels: &str) -> Result<Vec<ObjectMeta>> {
        let api = self.secrets(key);
        let selector = ListParams::default().labels(labels);
        let list = retry::transient(|| async {
            api.list_metadata(&selector)
                .await
                .map_err(|error| refused(format!("list the Secrets of release {key}"), error))
        })
        .await?;
        let metadata = |secret: PartialObjectMeta<Secret>| secret.metadata;
        Ok(list.items.into_iter().map(metadata).collect())
    }

    async fn delete_listed(&self, key: &ReleaseKey, metadata: &ObjectMeta) -> Result<()> {
        match (&metadata.name, &metadata.uid) {
            (Some(name), Some(uid)) => self.delete_secret(key, name, uid).await,
            _ => Ok(()),
        }
    }
}

/// Which chunks a Secret belongs to or points to, and the revision that they are of.
fn pointer(metadata: &ObjectMeta) -> Option<(&str, i64)> {
    let text = metadata.labels.as_ref()?.get(CHUNKS_LABEL)?;
    let chunks: Chunks = text.parse().ok()?;
    Some((text, chunks.revision))
}

/// The chunks of a record. What Helm copied from another one points to those of that one.
fn own_pointer(record: &ObjectMeta) -> Option<(&str, i64)> {
    let (_, head) = Head::of(record)?;
    pointer(record).filter(|(_, revision)| *revision == head.revision)
}
