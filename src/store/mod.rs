//! Release records in the cluster: Helm's own Secrets, and one companion Secret a release for what Helm's
//! records have no place for.
//!
//! Every change of a record names the resourceVersion that it was decided on, so that a process that lost its
//! lead, or a Helm CLI beside us, is noticed instead of overwritten.

mod chunks;
mod companion;
mod head;
mod places;
mod progress;
mod recent;
mod secret;
mod whole;

use std::fmt;
use std::sync::Arc;

use helmapp_helm::release::{self, DecodeLimits, Release, SECRET_KEY, Status, secret_name, user_labels};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Preconditions},
};

use crate::cluster::{self, brief, retry};
use crate::failpoints::failpoint;

use self::recent::Recent;

pub use self::{
    chunks::CHUNKS_LABEL,
    companion::{
        COMPANION_LABEL, COMPANION_VALUE, Companion, KeptMemo, LeftObject, MAX_LEFT, MAX_TAKEN, Owner,
        StoredCompanion, companion_name,
    },
    head::{HOLDER_ANNOTATION, Head, ReleaseKey, status_of, surplus},
    places::{MAX_ALL_PLACES, MAX_PLACES, Places, SecretPlaces},
    progress::Progress,
};

/// Most bytes of a Secret's data that the API server takes.
pub const MAX_SECRET_BYTES: usize = 1024 * 1024;

/// Label selector of Helm's own records.
pub const HELM_RECORDS: &str = "owner=helm";

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// Somebody made the revision before us. Read the history again.
    #[error("revision {revision} of release {key} was made by somebody else in the meantime")]
    Exists { key: ReleaseKey, revision: i64 },
    /// Somebody changed the record since it was read. Read it again.
    #[error("the {what} of release {key} was changed by somebody else in the meantime")]
    Changed { key: ReleaseKey, what: String },
    #[error(
        "revision {revision} of release {key} can not be read: {source}; mend Secret {}/{}, or delete it",
        .key.namespace, secret_name(&.key.name, *.revision)
    )]
    Decode {
        key: ReleaseKey,
        revision: i64,
        #[source]
        source: release::Error,
    },
    #[error("revision {revision} of release {key} can not be written: {source}")]
    Encode {
        key: ReleaseKey,
        revision: i64,
        #[source]
        source: release::Error,
    },
    /// A part of it that its own Secret has no room for is not there as it was written.
    #[error(
        "revision {revision} of release {key} can not be read: {why}; restore Secret {}/{secret}, or delete Secret {}",
        .key.namespace, secret_name(&.key.name, *.revision)
    )]
    Incomplete {
        key: ReleaseKey,
        revision: i64,
        secret: String,
        why: &'static str,
    },
    #[error(
        "the record of revision {revision} of release {key} is larger than {limit} bytes; leave large files out of \
         the chart with .helmignore"
    )]
    TooLarge {
        key: ReleaseKey,
        revision: i64,
        limit: usize,
    },
    /// The companion's text is left out: it could quote what a lookup read.
    #[error("the companion record of release {key} can not be read (line {line}, column {column})")]
    Companion {
        key: ReleaseKey,
        line: usize,
        column: usize,
    },
    #[error("the companion record of release {key} can not be written: {source}")]
    WriteCompanion {
        key: ReleaseKey,
        #[source]
        source: serde_json::Error,
    },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the same step can succeed later, with the history read again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_transient(),
            Self::Exists { .. } | Self::Changed { .. } => true,
            _ => false,
        }
    }

    /// Whether a record is not what can be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Decode { .. } | Self::Incomplete { .. })
    }
}

/// A record and the version of its Secret that it was read from or written to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub release: Release,
    pub head: Head,
}

/// The record of a new revision that fits into its Secrets.
pub struct Prepared {
    release: Release,
    secret: Secret,
    chunks: Vec<Secret>,
    holder: String,
}

impl Prepared {
    /// Whether one Secret can't hold it.
    pub fn has_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }
}

/// Without the content, which holds values.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("revision", &self.release.version)
            .finish_non_exhaustive()
    }
}

/// Reads and writes records with the operator's own rights.
#[derive(Clone)]
pub struct Store {
    client: Client,
    limits: DecodeLimits,
    recent: Arc<Recent>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            limits: DecodeLimits::default(),
            recent: Arc::default(),
        }
    }

    fn secrets(&self, key: &ReleaseKey) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }

    /// All revisions of a release, newest first, without their contents.
    pub async fn heads(&self, key: &ReleaseKey) -> Result<Vec<Head>> {
        let api = self.secrets(key);
        let selector = ListParams::default().labels(&format!("{HELM_RECORDS},name={}", key.name));
        let list = retry::transient(|| async {
            api.list_metadata(&selector)
                .await
                .map_err(|error| refused(format!("list the revisions of release {key}"), error))
        })
        .await?;
        let mut heads: Vec<Head> = list
            .items
            .iter()
            .filter_map(|secret| Head::of(&secret.metadata))
            .map(|(_, head)| head)
            .collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.revision));
        Ok(heads)
    }

    /// One revision without its content.
    pub async fn head(&self, key: &ReleaseKey, revision: i64) -> Result<Option<Head>> {
        let (api, name) = (self.secrets(key), secret_name(&key.name, revision));
        let found = retry::transient(|| async {
            api.get_metadata_opt(&name)
                .await
                .map_err(|error| refused(format!("read revision {revision} of release {key}"), error))
        })
        .await?;
        Ok(found
            .and_then(|secret| Head::of(&secret.metadata))
            .map(|(_, head)| head))
    }

    /// One revision with its content, but for a chart's files that its Secret has no room for: see
    /// [`complete`](Self::complete).
    pub async fn read(&self, key: &ReleaseKey, revision: i64) -> Result<Option<Stored>> {
        let (api, name) = (self.secrets(key), secret_name(&key.name, revision));
        let secret = retry::transient(|| async {
            api.get_opt(&name)
                .await
                .map_err(|error| refused(format!("read revision {revision} of release {key}"), error))
        })
        .await?;
        let stored = secret
            .map(|secret| self.stored(key, revision, &secret))
            .transpose()?;
        match stored {
            Some(stored) => Ok(Some(self.with_content(key, stored).await?)),
            None => Ok(None),
        }
    }

    /// The revision with this head, without a request where this process ended it lately; `None` when it is not there.
    pub async fn read_known(&self, key: &ReleaseKey, head: &Head) -> Result<Option<Stored>> {
        match self.recent.get(key, head) {
            Some(secret) => Ok(Some(self.stored(key, head.revision, &secret)?)),
            None => self.read(key, head.revision).await,
        }
    }

    fn stored(&self, key: &ReleaseKey, revision: i64, secret: &Secret) -> Result<Stored> {
        let text = secret.data.as_ref().and_then(|data| data.get(SECRET_KEY));
        let text = text
            .map(|bytes| String::from_utf8_lossy(&bytes.0))
            .unwrap_or_default();
        let mut release = release::decode(&text, &self.limits).map_err(|source| Error::Decode {
            key: key.clone(),
            revision,
            source,
        })?;
        release.labels = user_labels(secret.metadata.labels.iter().flatten());
        let head = Head::of_record(&release, &secret.metadata);
        Ok(Stored { release, head })
    }

    /// Makes the record of a new revision without a request, so that one that does not fit is known before anything
    /// is written. `holder` names who works on the revision.
    pub fn prepare(mut release: Release, holder: &str) -> Result<Prepared> {
        let key = ReleaseKey::of(&release);
        let secret::New { secret, chunks } = secret::new(&key, &mut release, holder)?;
        Ok(Prepared {
            release,
            secret,
            chunks,
            holder: holder.to_owned(),
        })
    }

    /// Writes a new revision, in whatever state it says, before the first change that it stands for.
    ///
    /// The very record that is already there is an earlier try of this call whose answer was lost: it is taken over.
    /// Another one of the same holder was begun by an earlier call, and goes on as what it is.
    pub async fn begin(&self, record: Prepared) -> Result<Stored> {
        let Prepared {
            release,
            secret,
            chunks,
            holder,
        } = record;
        let key = ReleaseKey::of(&release);
        let revision = release.version;
        self.write_chunks(&key, revision, &chunks).await?;
        failpoint("record.create.before");
        let written = retry::transient(|| async {
            match brief::create(&self.client, &key.namespace, &secret).await {
                Err(error) if is_conflict(&error) => Ok(None),
                other => other
                    .map(Some)
                    .map_err(|error| refused(format!("write revision {revision} of release {key}"), error)),
            }
        })
        .await?;
        failpoint("record.create.after");
        if let Some(written) = written {
            let head = Head::of_record(&release, &written);
            return Ok(Stored { release, head });
        }
        match self.read(&key, revision).await? {
            Some(stored)
                if stored.head.holder.as_deref() == Some(holder.as_str())
                    && stored.release.info.last_deployed == release.info.last_deployed
                    && stored.release.manifest == release.manifest =>
            {
                Ok(stored)
            }
            _ => Err(Error::Exists { key, revision }),
        }
    }

    /// Writes a changed record, if nobody else has changed it since. `holder` names who goes on working on
    /// it; nobody when it is done.
    pub async fn update(&self, stored: Stored, holder: Option<&str>) -> Result<Stored> {
        let Stored { release, head } = stored;
        let key = ReleaseKey::of(&release);
        let revision = release.version;
        let mut secret = secret::changed(&key, &release, holder, &head)?;
        let name = secret_name(&key.name, revision);
        failpoint("record.write.before");
        let written = retry::transient(|| async {
            match brief::replace(&self.client, &key.namespace, &name, &secret).await {
                Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(None),
                other => other
                    .map(Some)
                    .map_err(|error| refused(format!("write revision {revision} of release {key}"), error)),
            }
        })
        .await?;
        failpoint("record.write.after");
        match written {
            Some(written) => {
                let head = Head::of_record(&release, &written);
                if head.status == Status::Deployed && !release.labels.contains_key(CHUNKS_LABEL) {
                    secret.metadata = written;
                    self.recent.keep(&key, secret);
                }
                Ok(Stored { release, head })
            }
            None => Err(Error::Changed {
                key,
                what: format!("revision {revision}"),
            }),
        }
    }

    /// Ends the work on a revision.
    pub async fn finish(
        &self,
        mut stored: Stored,
        status: Status,
        description: impl Into<String>,
    ) -> Result<Stored> {
        stored.release.info.status = status;
        stored.release.info.description = description.into();
        self.update(stored, None).await
    }

    /// Marks an earlier revision as superseded; nothing is written when it already is.
    pub async fn supersede(&self, mut stored: Stored) -> Result<Stored> {
        if stored.release.info.status == Status::Superseded {
            return Ok(stored);
        }
        stored.release.info.status = Status::Superseded;
        self.update(stored, None).await
    }

    /// Deletes the revisions beyond `max` as [`surplus`] chooses them. Returns which.
    pub async fn trim(&self, key: &ReleaseKey, heads: &[Head], max: u32) -> Result<Vec<i64>> {
        let surplus = surplus(heads, max);
        for head in &surplus {
            self.delete(key, head).await?;
        }
        Ok(surplus.iter().map(|head| head.revision).collect())
    }

    /// Deletes one revision, unless it was made anew meanwhile. One that is gone already is no error.
    pub async fn delete(&self, key: &ReleaseKey, head: &Head) -> Result<()> {
        self.recent.forget(key);
        failpoint("record.delete.before");
        self.delete_secret(key, &secret_name(&key.name, head.revision), &head.uid)
            .await?;
        failpoint("record.delete.after");
        Ok(())
    }

    async fn delete_secret(&self, key: &ReleaseKey, name: &str, uid: &str) -> Result<()> {
        let api = self.secrets(key);
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        retry::transient(|| async {
            match api.delete(name, &parameters).await {
                Ok(_) => Ok(()),
                Err(error) if is_not_found(&error) => Ok(()),
                Err(error) => match refused(format!("delete Secret {}/{name}", key.namespace), error) {
                    // Made anew. Any other conflict says that it is still there.
                    error if error.is_replaced() => Ok(()),
                    error => Err(error),
                },
            }
        })
        .await?;
        Ok(())
    }
}

fn refused(doing: String, error: kube::Error) -> cluster::Error {
    cluster::Error::from_kube(doing, error, true)
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
