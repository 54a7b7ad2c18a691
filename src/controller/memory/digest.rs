//! What status keeps of the objects, so that the next process knows which of them changed while it was not there.

use std::fmt;

use helmapp_helm::plan::ObjectId;
use sha2::{Digest, Sha256};

use crate::cluster::discovery::hex;

use super::object::Look;

/// Two digests as one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryDigest {
    /// Of our fields: equal when nobody touched them in between.
    pub marks: String,
    /// Of what health depends on: equal when all were ready and none has changed.
    pub looks: String,
}

impl InventoryDigest {
    /// A digest as status has it. A text that is none equals no digest.
    pub fn parse(text: &str) -> Self {
        let (marks, looks) = text.split_once('.').unwrap_or((text, ""));
        Self {
            marks: marks.to_owned(),
            looks: looks.to_owned(),
        }
    }
}

impl fmt::Display for InventoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.marks, self.looks)
    }
}

/// Takes objects in order.
#[derive(Debug, Default)]
pub(super) struct Digester {
    marks: Sha256,
    looks: Sha256,
}

impl Digester {
    pub(super) fn add(&mut self, id: &ObjectId, look: Look) {
        let id = id.to_string();
        for (hash, number) in [(&mut self.marks, look.mark), (&mut self.looks, look.version)] {
            hash.update(id.as_bytes());
            hash.update(number.to_be_bytes());
        }
    }

    pub(super) fn finish(self) -> InventoryDigest {
        let text = |hash: Sha256| hex(hash.finalize().get(..8).unwrap_or_default());
        InventoryDigest {
            marks: text(self.marks),
            looks: text(self.looks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(mark: u64, version: u64) -> InventoryDigest {
        let id = ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "web".into(),
            name: "d".into(),
        };
        let mut digest = Digester::default();
        digest.add(&id, Look { mark, version });
        digest.finish()
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let digest = digest(1, 2);
        assert_eq!(InventoryDigest::parse(&digest.to_string()), digest);
        assert_ne!(InventoryDigest::parse("0123456789abcdef"), digest);
    }

    #[test]
    fn fields_and_health_are_told_apart() {
        assert_eq!(digest(1, 2).marks, digest(1, 3).marks);
        assert_ne!(digest(1, 2).looks, digest(1, 3).looks);
        assert_eq!(digest(1, 2).looks, digest(2, 2).looks);
        assert_ne!(digest(1, 2).marks, digest(2, 2).marks);
    }
}
