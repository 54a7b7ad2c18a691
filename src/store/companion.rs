//! The companion Secret: what Helm's records have no place for. Losing it costs a render, never the release.

use helmapp_helm::render::Memo;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, ReleaseKey, Result, SecretPlaces, Store, is_conflict, is_not_found, refused};
use crate::cluster::{brief, retry};
use crate::failpoints::failpoint;

/// Label by which companions are found and watched.
pub const COMPANION_LABEL: &str = "helmapp.io/record";
pub const COMPANION_VALUE: &str = "companion";
/// Label with the release's name.
pub(super) const RELEASE_LABEL: &str = "helmapp.io/release";
const SECRET_TYPE: &str = "helmapp.io/companion.v1";
const DATA_KEY: &str = "companion";
const NAME_PREFIX: &str = "helmapp.v1.";

/// Most objects that [`Companion::left`] holds.
pub const MAX_LEFT: usize = 1000;

/// Most objects that [`Companion::taken`] holds. Where it is full, remedies delete nothing.
pub const MAX_TAKEN: usize = 5000;

/// The companion Secret's name.
pub fn companion_name(release: &str) -> String {
    format!("{NAME_PREFIX}{release}")
}

/// What we know of a release beyond Helm's records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Companion {
    /// The HelmApp that the release belongs to.
    pub owner: Owner,
    /// The revision that the digest and the lookups belong to.
    pub revision: i64,
    /// Digest of everything that the revision was made from.
    pub input_digest: String,
    /// All objects of the revision were applied. It is noted only where the revision fails: another one is either gone
    /// on with or through.
    #[serde(skip_serializing_if = "is_not")]
    pub applied: bool,
    /// Digest of what the user gave of that: chart, spec and what it refers to, without what the cluster can do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub made_from: String,
    /// Version of the engine that rendered it.
    pub engine: String,
    /// What the chart's lookups were answered, by their arguments.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub lookups: Map<String, Value>,
    /// Objects that a remedy left in the cluster because they can hold data. They stay known until the release is
    /// uninstalled, however long ago their revision was trimmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftObject>,
    /// UIDs of objects that the release took over: they were there before, and no remedy deletes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<String>,
    /// There may be chunks: said before the first one is written.
    #[serde(skip_serializing_if = "is_not")]
    pub chunks: bool,
    /// Goes into the digests of revisions, so that nothing can be guessed from them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest_key: String,
    /// Where the objects of stored revisions hold what came from Secrets.
    #[serde(skip_serializing_if = "SecretPlaces::is_empty")]
    pub secret_places: SecretPlaces,
    /// What makes the chart's random values, once it asked for some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<KeptMemo>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn is_not(so: &bool) -> bool {
    !so
}

/// What makes the random values of a release, the same at each rendering. As secret as these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMemo {
    #[serde(flatten)]
    pub memo: Memo,
    /// What the HelmApp's annotation [`RENEW`](crate::api::RENEW) was when it was made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub renewal: String,
}

impl KeptMemo {
    /// Whether it may be used while the annotation is this. Without one nothing is asked for.
    pub fn is_for(&self, renewal: Option<&str>) -> bool {
        renewal.is_none_or(|renewal| renewal == self.renewal)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// An object that no revision has any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftObject {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// UID of the live object; empty where it was not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl LeftObject {
    fn is_same(&self, other: &Self) -> bool {
        self.group == other.group
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl Companion {
    /// Adds objects to those that were taken over, up to [`MAX_TAKEN`].
    pub fn take(&mut self, uids: &[String]) {
        for uid in uids {
            if self.taken.len() < MAX_TAKEN && !self.taken.contains(uid) {
                self.taken.push(uid.clone());
            }
        }
    }

    /// Adds objects to those that were left, up to [`MAX_LEFT`]; returns those that had no place.
    pub fn leave(&mut self, objects: Vec<LeftObject>) -> Vec<LeftObject> {
        let mut over = Vec::new();
        for object in objects {
            let full = self.left.len() >= MAX_LEFT;
            match self.left.iter_mut().find(|left| left.is_same(&object)) {
                Some(left) => *left = object,
                None if full => over.push(object),
                None => self.left.push(object),
            }
        }
        over
    }
}

/// A companion and the version of its Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCompanion {
    pub companion: Companion,
    pub resource_version: String,
    pub uid: String,
}

impl Store {
    /// The companion of a release.
    pub async fn companion(&self, key: &ReleaseKey) -> Result<Option<StoredCompanion>> {
        let (api, name) = (self.secrets(key), companion_name(&key.name));
        let secret = retry::transient(|| async {
            api.get_opt(&name)
                .await
                .map_err(|error| refused(format!("read the companion of release {key}"), error))
        })
        .await?;
        secret.map(|secret| decode(key, secret)).transpose()
    }

    /// Writes the companion if nobody else has since it was read; `last` is what was read, None if there was
    /// none.
    pub async fn write_companion(
        &self,
        key: &ReleaseKey,
        companion: Companion,
        last: Option<&StoredCompanion>,
    ) -> Result<StoredCompanion> {
        let name = companion_name(&key.name);
        let secret = encode(key, &companion, last)?;
        failpoint("companion.write.before");
        let written = retry::transient(|| async {
            let answer = match last {
                Some(_) => brief::replace(&self.client, &key.namespace, &name, &secret).await,
                None => brief::create(&self.client, &key.namespace, &secret).await,
            };
            match answer {
                Err(error) if is_conflict(&error) || is_not_found(&error) && last.is_some() => Ok(None),
                other => other
                    .map(Some)
                    .map_err(|error| refused(format!("write the companion of release {key}"), error)),
            }
        })
        .await?;
        failpoint("companion.write.after");
        let Some(written) = written else {
            // An answer that was lost looks like another's write; the content tells.
            return match self.companion(key).await? {
                Some(stored) if stored.companion == companion => Ok(stored),
                _ => Err(Error::Changed {
                    key: key.clone(),
                    what: "companion record".to_owned(),
                }),
            };
        };
        Ok(StoredCompanion {
            companion,
            resource_version: written.resource_version.unwrap_or_default(),
            uid: written.uid.unwrap_or_default(),
        })
    }

    /// Deletes the companion. One that is gone already is no error.
    pub async fn delete_companion(&self, key: &ReleaseKey) -> Result<()> {
        match self.companion_uid(key).await? {
            Some(uid) => self.delete_known_companion(key, &uid).await,
            None => Ok(()),
        }
    }

    pub(super) async fn delete_known_companion(&self, key: &ReleaseKey, uid: &str) -> Result<()> {
        failpoint("companion.delete.before");
        self.delete_secret(key, &companion_name(&key.name), uid).await?;
        failpoint("companion.delete.after");
        Ok(())
    }

    async fn companion_uid(&self, key: &ReleaseKey) -> Result<Option<String>> {
        let (api, name) = (self.secrets(key), companion_name(&key.name));
        let found = retry::transient(|| async {
            api.get_metadata_opt(&name)
                .await
                .map_err(|error| refused(format!("read the companion of release {key}"), error))
        })
        .await?;
        Ok(found.and_then(|secret| secret.metadata.uid))
    }
}

fn decode(key: &ReleaseKey, secret: Secret) -> Result<StoredCompanion> {
    let data = secret.data.unwrap_or_default();
    let bytes = data
        .get(DATA_KEY)
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default();
    let companion = serde_json::from_slice(bytes).map_err(|error| Error::Companion {
        key: key.clone(),
        line: error.line(),
        column: error.column(),
    })?;
    Ok(StoredCompanion {
        companion,
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        uid: secret.metadata.uid.unwrap_or_default(),
    })
}

fn encode(key: &ReleaseKey, companion: &Companion, last: Option<&StoredCompanion>) -> Result<Secret> {
    let text = serde_json::to_vec(companion).map_err(|source| Error::WriteCompanion {
        key: key.clone(),
        source,
    })?;
    let labels = [
        (COMPANION_LABEL, COMPANION_VALUE),
        (RELEASE_LABEL, key.name.as_str()),
    ];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(companion_name(&key.name)),
            namespace: Some(key.namespace.clone()),
            labels: Some(
                labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            ),
            resource_version: last.map(|stored| stored.resource_version.clone()),
            uid: last.map(|stored| stored.uid.clone()),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some([(DATA_KEY.to_owned(), ByteString(text))].into()),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Places;

    fn key() -> ReleaseKey {
        ReleaseKey::new("web", "shop")
    }

    fn left(name: &str, uid: &str) -> LeftObject {
        LeftObject {
            version: "v1".to_owned(),
            kind: "PersistentVolumeClaim".to_owned(),
            namespace: "web".to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            ..LeftObject::default()
        }
    }

    #[test]
    fn what_is_left_is_known_once_and_up_to_a_limit() {
        let mut companion = companion();
        assert_eq!(companion.leave(vec![left("data", "w"), left("more", "x")]), []);
        assert_eq!(companion.left, [left("data", "w"), left("more", "x")]);
        let many = (0..MAX_LEFT).map(|n| left(&n.to_string(), "")).collect();
        let over = companion.leave(many);
        assert_eq!((companion.left.len(), over.len()), (MAX_LEFT, 2));
    }

    #[test]
    fn what_was_taken_over_is_known_once_and_up_to_a_limit() {
        let mut companion = companion();
        companion.take(&["t".to_owned(), "x".to_owned()]);
        assert_eq!(companion.taken, ["t", "x"]);
        let many: Vec<String> = (0..MAX_TAKEN).map(|n| n.to_string()).collect();
        companion.take(&many);
        assert_eq!(companion.taken.len(), MAX_TAKEN);
    }

    fn secret_places() -> SecretPlaces {
        let (mut all, mut places) = (SecretPlaces::default(), Places::default());
        places.add("ConfigMap web/a", "/data/a".to_owned());
        all.put(3, places);
        all
    }

    fn companion() -> Companion {
        Companion {
            owner: Owner {
                namespace: "web".to_owned(),
                name: "shop".to_owned(),
                uid: "u1".to_owned(),
            },
            revision: 3,
            input_digest: "sha256:1".to_owned(),
            applied: true,
            engine: "0.1.0".to_owned(),
            lookups: Map::new(),
            made_from: "sha256:2".to_owned(),
            left: vec![left("data", "u")],
            taken: vec!["t".to_owned()],
            chunks: true,
            digest_key: "ab".to_owned(),
            secret_places: secret_places(),
            memo: Some(memo("first")),
            extra: [("later".to_owned(), json!({"a": 1}))].into_iter().collect(),
        }
    }

    fn memo(renewal: &str) -> KeptMemo {
        KeptMemo {
            memo: Memo::new([7; 32], 1_700_000_000),
            renewal: renewal.to_owned(),
        }
    }

    #[test]
    fn a_memo_lasts_until_another_is_asked_for() {
        for (made_for, asked, expected) in [
            ("", None, true),
            ("a", None, true),
            ("a", Some("a"), true),
            ("a", Some("b"), false),
            ("", Some("a"), false),
        ] {
            let kept = memo(made_for);
            assert_eq!(kept.is_for(asked), expected, "{made_for:?} {asked:?}");
            assert!(!format!("{kept:?}").contains("BwcH"), "{kept:?}");
        }
        let text = serde_json::to_string(&memo("")).unwrap();
        assert!(text.contains("BwcH") && !text.contains("renewal"), "{text}");
        assert_eq!(serde_json::from_str::<KeptMemo>(&text).unwrap(), memo(""));
    }

    #[test]
    fn comes_back_as_it_was_written_with_fields_of_later_versions() {
        let mut secret = encode(&key(), &companion(), None).unwrap();
        assert_eq!(secret.metadata.name.as_deref(), Some("helmapp.v1.shop"));
        assert_eq!(secret.metadata.resource_version, None);
        secret.metadata.resource_version = Some("5".to_owned());
        secret.metadata.uid = Some("s1".to_owned());
        let stored = decode(&key(), secret).unwrap();
        let expected = StoredCompanion {
            companion: companion(),
            resource_version: "5".to_owned(),
            uid: "s1".to_owned(),
        };
        assert_eq!(stored, expected);
        let again = encode(&key(), &stored.companion, Some(&stored)).unwrap();
        assert_eq!(again.metadata.resource_version.as_deref(), Some("5"));
        assert_eq!(again.metadata.uid.as_deref(), Some("s1"));
    }

    #[test]
    fn a_damaged_companion_is_named_and_not_quoted() {
        let mut secret = encode(&key(), &companion(), None).unwrap();
        secret.data = Some([(DATA_KEY.to_owned(), ByteString(b"{\"hunter2\": ".to_vec()))].into());
        let text = decode(&key(), secret).unwrap_err().to_string();
        assert_eq!(
            text,
            "the companion record of release web/shop can not be read (line 1, column 12)"
        );
    }
}
