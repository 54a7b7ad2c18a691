//! Chart archives in ConfigMaps and Secrets, read with the tenant's rights.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use helmapp_helm::limits::Limits;
use kube::Client;

use super::{Error, Result};
use crate::{
    api::{ChartReference, ValuesKind},
    cluster::content,
};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// An archive and the words for it in messages.
#[derive(Debug, PartialEq)]
pub(super) struct Archive {
    pub(super) bytes: Vec<u8>,
    pub(super) name: String,
}

/// Reads the archive from a ConfigMap or a Secret of the namespace.
pub(super) async fn read(
    client: &Client,
    kind: ValuesKind,
    namespace: &str,
    reference: &ChartReference,
    limits: &Limits,
) -> Result<Archive> {
    let place = Place {
        kind: kind.as_str(),
        namespace,
        reference,
    };
    let found = content::read(client, kind, namespace, &reference.name, &place.doing())
        .await?
        .ok_or_else(|| place.missing())?;
    let mut data = found.data;
    place.archive(data.remove(&reference.key), limits)
}

struct Place<'a> {
    kind: &'static str,
    namespace: &'a str,
    reference: &'a ChartReference,
}

impl Place<'_> {
    fn doing(&self) -> String {
        format!(
            "read the chart in {} {}/{}",
            self.kind, self.namespace, self.reference.name
        )
    }

    fn missing(&self) -> Error {
        Error::ObjectNotFound {
            kind: self.kind,
            namespace: self.namespace.to_owned(),
            name: self.reference.name.clone(),
        }
    }

    fn archive(&self, bytes: Option<Vec<u8>>, limits: &Limits) -> Result<Archive> {
        let ChartReference { name, key } = self.reference;
        let bytes = bytes.ok_or_else(|| Error::NoKey {
            kind: self.kind,
            namespace: self.namespace.to_owned(),
            name: name.clone(),
            key: key.clone(),
        })?;
        let name = format!("key {key:?} of {} {}/{name}", self.kind, self.namespace);
        let bytes = unwrap(bytes);
        if bytes.len() as u64 > limits.archive_bytes {
            return Err(Error::TooLarge {
                name,
                limit: limits.archive_bytes,
            });
        }
        Ok(Archive { bytes, name })
    }
}

/// Text fields carry archives as base64. What is neither goes on as it is: loading says what is wrong with it.
fn unwrap(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(GZIP_MAGIC) {
        return bytes;
    }
    let text: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    match STANDARD.decode(&text) {
        Ok(decoded) if decoded.starts_with(GZIP_MAGIC) => decoded,
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> ChartReference {
        ChartReference {
            name: "charts".to_owned(),
            key: "web.tgz".to_owned(),
        }
    }

    fn archive(bytes: Option<&[u8]>, limit: u64) -> Result<Archive> {
        let reference = reference();
        let place = Place {
            kind: "ConfigMap",
            namespace: "web",
            reference: &reference,
        };
        let limits = Limits {
            archive_bytes: limit,
            ..Limits::default()
        };
        place.archive(bytes.map(<[u8]>::to_vec), &limits)
    }

    #[test]
    fn takes_archives_as_they_are_and_as_base64() {
        let gzip = [0x1f, 0x8b, 0x08, 0x00, 0x01, 0x02];
        let folded = b"H4sI\nAAEC\n";
        for bytes in [&gzip[..], &folded[..]] {
            let expected = Archive {
                bytes: gzip.to_vec(),
                name: "key \"web.tgz\" of ConfigMap web/charts".to_owned(),
            };
            assert_eq!(archive(Some(bytes), 6).unwrap(), expected);
        }
        assert_eq!(
            archive(Some(b"bm90IGd6aXA="), 100).unwrap().bytes,
            b"bm90IGd6aXA="
        );
    }

    #[test]
    fn says_what_is_missing_or_too_large() {
        let missing = archive(None, 6).unwrap_err().to_string();
        assert_eq!(
            missing,
            "ConfigMap \"charts\" of namespace \"web\" has no key \"web.tgz\"; spec.chart refers to it"
        );
        let large = archive(Some(&[0x1f, 0x8b, 0, 0]), 3).unwrap_err();
        assert!(matches!(large, Error::TooLarge { limit: 3, .. }), "{large}");
    }
}
