//! The documents that a schema may refer to: those that are given, and no other.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

use super::Documents;

/// Gives the documents that are there, fetches none, and remembers what it was asked for in vain. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Given {
    documents: Arc<Documents>,
    /// What the schema says that its draft is.
    draft: Option<String>,
    missing: Arc<Mutex<BTreeSet<String>>>,
}

impl Given {
    pub(super) fn new(documents: &Arc<Documents>, schema: &Value) -> Self {
        let draft = schema.get("$schema").and_then(Value::as_str);
        let without_fragment = |uri: &str| uri.split('#').next().unwrap_or_default().to_owned();
        Self {
            documents: Arc::clone(documents),
            draft: draft.map(without_fragment),
            missing: Arc::default(),
        }
    }

    /// Why a schema can not be used that asked for another document: in Helm's words as far as they do not depend on
    /// what it finds. Of several documents the first by its address is told, whichever was asked for first.
    pub(super) fn refusal(&self) -> Option<String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let uri = missing.first()?;
        let reason = match uri.split_once(':') {
            Some(("file", path)) => format!(
                "open {}: no such file or directory (files are not read; put what the schema refers to into it)",
                path.strip_prefix("//").unwrap_or(path)
            ),
            Some(("http" | "https", _)) => {
                "it is not fetched; put what the schema refers to into it".to_owned()
            }
            _ => format!("no URLLoader registered for \"{uri}\""),
        };
        Some(format!("failing loading \"{uri}\": {reason}"))
    }
}

impl Retrieve for Given {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(document) = self.documents.get(uri.as_str()) {
            return Ok(document.clone());
        }
        // The library goes by the draft's name where it is not to be had.
        if self.draft.as_deref() == Some(uri.as_str()) {
            return Err(format!("{uri} is not fetched").into());
        }
        // As in Helm, a URN that nobody resolves allows everything.
        if uri.scheme().as_str() != "urn" {
            let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
            missing.insert(uri.as_str().to_owned());
        }
        // An error here would end the search for others, which goes in no order.
        Ok(Value::Bool(true))
    }
}
