//! What tells whether two revisions of a release have the same values and the same manifest, without telling what these
//! are: a short password could be guessed from a plain digest.

use helmapp_helm::release::Release;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::api::conditions::reason;
use crate::cluster::discovery::hex;

use super::policy::{Again, Error};

/// Bytes of a digest, and of the key that goes into all digests of a release.
const BYTES: usize = 16;

/// A key for the digests of a release.
///
/// # Errors
/// A system without random numbers.
pub(super) fn key() -> Result<String, Error> {
    let mut key = [0; BYTES];
    getrandom::fill(&mut key).map_err(|error| Error::Input {
        reason: reason::RENDER_FAILED,
        message: format!("the system gives no random numbers: {error}"),
        again: Again::Soon(None),
    })?;
    Ok(hex(&key))
}

/// The digest of a revision's values.
pub(super) fn values(key: &str, release: &Release) -> String {
    digest(key, &json!(release.config).to_string())
}

/// The digest of a revision's manifest and hooks.
pub(super) fn manifest(key: &str, release: &Release) -> String {
    let hooks: Vec<&str> = release.hooks.iter().map(|hook| hook.manifest.as_str()).collect();
    digest(key, &json!([release.manifest, hooks]).to_string())
}

fn digest(key: &str, text: &str) -> String {
    let digest = Sha256::new().chain_update(key).chain_update(text).finalize();
    hex(digest.get(..BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use helmapp_helm::release::Hook;

    use super::*;

    #[test]
    fn the_same_has_the_same_digest_within_a_release() {
        let release = |password: &str, hook: &str| Release {
            config: [("password".to_owned(), json!(password))].into_iter().collect(),
            manifest: "---\nkind: A\n".to_owned(),
            hooks: vec![Hook {
                manifest: hook.to_owned(),
                ..Hook::default()
            }],
            ..Release::default()
        };
        let (one, other) = (key().unwrap(), key().unwrap());
        let (a, b) = (release("a", "x"), release("b", "y"));
        assert_eq!(values(&one, &a), values(&one, &release("a", "y")));
        assert_ne!(values(&one, &a), values(&one, &b));
        assert_ne!(values(&one, &a), values(&other, &a));
        assert_eq!(manifest(&one, &a), manifest(&one, &release("b", "x")));
        assert_ne!(manifest(&one, &a), manifest(&one, &b));
        assert_eq!(values(&one, &a).len(), 2 * BYTES);
    }
}
