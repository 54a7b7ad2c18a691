//! Name, type and labels of the Secret that holds a record (`pkg/storage/driver/secrets.go`).

use std::collections::BTreeMap;

use super::Release;

/// The Secret's type.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";
/// The key of the Secret's data that holds the record.
pub const SECRET_KEY: &str = "release";
/// Value of the label `owner`, by which Helm finds its records.
pub const OWNER: &str = "helm";
/// Labels that the storage sets itself; users may not.
pub const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

const NAME_PREFIX: &str = "sh.helm.release.v1.";

/// The Secret's name for a revision of a release.
pub fn secret_name(release: &str, revision: i64) -> String {
    format!("{NAME_PREFIX}{release}.v{revision}")
}

/// Release and revision of a Secret's name.
pub fn parse_secret_name(name: &str) -> Option<(&str, i64)> {
    let (release, revision) = name.strip_prefix(NAME_PREFIX)?.rsplit_once(".v")?;
    let revision = revision.parse().ok().filter(|r| *r > 0)?;
    (!release.is_empty()).then_some((release, revision))
}

/// The moment of a write in seconds since 1970, and whether the write makes the record or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteTime {
    /// The record is new.
    Created(i64),
    /// The record changes.
    Modified(i64),
}

/// The Secret's labels: the user's, the moment, and Helm's own, which win.
pub fn secret_labels(release: &Release, at: WriteTime) -> BTreeMap<String, String> {
    let mut labels = release.labels.clone();
    let (key, seconds) = match at {
        WriteTime::Created(s) => ("createdAt", s),
        WriteTime::Modified(s) => ("modifiedAt", s),
    };
    labels.insert(key.to_owned(), seconds.to_string());
    labels.insert("name".to_owned(), release.name.clone());
    labels.insert("owner".to_owned(), OWNER.to_owned());
    labels.insert("status".to_owned(), release.info.status.as_str().to_owned());
    labels.insert("version".to_owned(), release.version.to_string());
    labels
}

/// The user's own labels among a Secret's.
pub fn user_labels<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> BTreeMap<String, String> {
    labels
        .into_iter()
        .filter(|(k, _)| !SYSTEM_LABELS.contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}
