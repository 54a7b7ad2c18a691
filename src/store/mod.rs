//! Release records in the cluster: Helm's own Secrets, and one companion Secret a release for what Helm's
//! records have no place for.
//!
//! Every change of a record names the resourceVersion that it was decided on, so that a process that lost its
//! lead, or a Helm CLI beside us, is noticed instead of overwritten.

mod companion;
mod head;
mod places;

use std::fmt;

use helmapp_helm::release::{
    self, DecodeLimits, Release, SECRET_KEY, SECRET_TYPE, Status, WriteTime, secret_labels, secret_name,
    user_labels,
};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Preconditions},
};

use crate::cluster::{self, brief, retry};
use crate::failpoints::failpoint;

pub use self::{
    companion::{
        COMPANION_LABEL, COMPANION_VALUE, Companion, KeptMemo, LeftObject, MAX_LEFT, Owner, StoredCompanion,
        companion_name,
    },
    head::{HOLDER_ANNOTATION, Head, ReleaseKey, surplus},
    places::{MAX_ALL_PLACES, MAX_PLACES, Places, SecretPlaces},
};

/// Most bytes of a Secret's data that the API server takes.
pub const MAX_SECRET_BYTES: usize = 1024 * 1024;

/// What a new record leaves free of that: how the revision ends is written into it, and that must not fail. Enough
/// for a description of [`MAX_MESSAGE`](crate::api::MAX_MESSAGE) bytes that can't be compressed.
const END_BYTES: usize = 16 * 1024;

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
    #[error(
        "the record of revision {revision} of release {key} has {bytes} bytes, more than the {limit} that a \
         Secret can hold of it; leave large files out of the chart with .helmignore"
    )]
    TooLarge {
        key: ReleaseKey,
        revision: i64,
        bytes: usize,
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
}

/// A record and the version of its Secret that it was read from or written to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub release: Release,
    pub head: Head,
}

/// The record of a new revision that fits into its Secret.
pub struct Prepared {
    release: Release,
    secret: Secret,
    holder: String,
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

    /// One revision with its content.
    pub async fn read(&self, key: &ReleaseKey, revision: i64) -> Result<Option<Stored>> {
        let (api, name) = (self.secrets(key), secret_name(&key.name, revision));
        let secret = retry::transient(|| async {
            api.get_opt(&name)
                .await
                .map_err(|error| refused(format!("read revision {revision} of release {key}"), error))
        })
        .await?;
        secret
            .map(|secret| self.stored(key, revision, &secret))
            .transpose()
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
    pub fn prepare(release: Release, holder: &str) -> Result<Prepared> {
        let key = ReleaseKey::of(&release);
        let secret = encode(&key, &release, Some(holder), None)?;
        let holder = holder.to_owned();
        Ok(Prepared {
            release,
            secret,
            holder,
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
            holder,
        } = record;
        let key = ReleaseKey::of(&release);
        let revision = release.version;
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
        let secret = encode(&key, &release, holder, Some(&head))?;
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
                Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(()),
                Err(error) => Err(refused(format!("delete Secret {}/{name}", key.namespace), error)),
                Ok(_) => Ok(()),
            }
        })
        .await?;
        Ok(())
    }

    /// Deletes all revisions of a release but those to keep, oldest first, and its companion.
    pub async fn purge(&self, key: &ReleaseKey, keep: &[i64]) -> Result<()> {
        for head in self.heads(key).await?.iter().rev() {
            if !keep.contains(&head.revision) {
                self.delete(key, head).await?;
            }
        }
        self.delete_companion(key).await
    }
}

fn encode(key: &ReleaseKey, release: &Release, holder: Option<&str>, head: Option<&Head>) -> Result<Secret> {
    let revision = release.version;
    let text = release::encode(release).map_err(|source| Error::Encode {
        key: key.clone(),
        revision,
        source,
    })?;
    let limit = match head {
        Some(_) => MAX_SECRET_BYTES,
        None => MAX_SECRET_BYTES - END_BYTES,
    };
    if text.len() > limit {
        return Err(Error::TooLarge {
            key: key.clone(),
            revision,
            bytes: text.len(),
            limit,
        });
    }
    let now = Timestamp::now().as_second();
    let at = if head.is_some() {
        WriteTime::Modified(now)
    } else {
        WriteTime::Created(now)
    };
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(&key.name, revision)),
            namespace: Some(key.namespace.clone()),
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
    })
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

#[cfg(test)]
mod tests {
    use helmapp_helm::release::Info;
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

    #[test]
    fn a_record_that_can_be_begun_can_be_ended() {
        let text = noise(2_000_000);
        let begun = |length: usize| Store::prepare(release(&text[..length], ""), "me").is_ok();
        let (mut fits, mut not) = (0, text.len());
        while not - fits > 100 {
            let middle = (fits + not) / 2;
            if begun(middle) {
                fits = middle
            } else {
                not = middle
            }
        }
        assert!(fits > 500_000, "{fits}");
        let head = Head {
            revision: 1,
            status: Status::PendingInstall,
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            holder: None,
            created: None,
            changed: None,
        };
        let ended = release(&text[..fits], &noise(MAX_MESSAGE));
        encode(&ReleaseKey::new("web", "shop"), &ended, None, Some(&head)).unwrap();
        let error = Store::prepare(release(&text[..not], ""), "me").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("more than the 1032192 that a Secret can hold of it"),
            "{error}"
        );
    }
}
