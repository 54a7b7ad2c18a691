//! How far a revision's hooks are, in an annotation of its record: written before each step, and only while the record
//! is as the writer knows it. A process that is not its holder any more learns of that before it acts.
//!
//! Whoever else changes the record drops the annotation with the holder's. What ran goes into Helm's own fields when
//! the revision ends.

use helmapp_helm::hooks::Run;
use helmapp_helm::release::secret_name;
use http::{Method, Request, header::CONTENT_TYPE};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, HOLDER_ANNOTATION, Head, ReleaseKey, Result, Store, is_conflict, is_not_found, refused};
use crate::cluster::{self, brief, retry};
use crate::failpoints::failpoint;

/// Annotation of a record's Secret that says how far its hooks are.
const PROGRESS_ANNOTATION: &str = "helmapp.io/progress";

/// How far the hooks of a revision are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// What ran, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// What asked for them, where the revision alone does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

impl Store {
    /// Notes how far the hooks of a revision are, if nobody else has changed its record since.
    pub async fn note(&self, key: &ReleaseKey, head: &Head, progress: &Progress) -> Result<Head> {
        let text = json!(progress).to_string();
        self.annotate(key, head, PROGRESS_ANNOTATION, &text).await
    }

    /// How far the hooks of a revision are. A note that can't be read is none: it is of a version to come.
    pub async fn progress(&self, key: &ReleaseKey, revision: i64) -> Result<Progress> {
        let annotations = self.annotations(key, revision).await?;
        let text = annotations
            .as_ref()
            .and_then(|(_, all)| all.get(PROGRESS_ANNOTATION)?.as_str());
        Ok(text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default())
    }

    /// Goes on with a pending revision in the place of its holder, if nobody else has changed its record since.
    pub async fn take_over(&self, key: &ReleaseKey, head: &Head, holder: &str) -> Result<Head> {
        self.annotate(key, head, HOLDER_ANNOTATION, holder).await
    }

    async fn annotate(&self, key: &ReleaseKey, head: &Head, name: &str, text: &str) -> Result<Head> {
        let revision = head.revision;
        let patch = json!({"metadata": {
            "uid": head.uid,
            "resourceVersion": head.resource_version,
            "annotations": {name: text},
            // It is what tells others that the work goes on.
            "labels": {"modifiedAt": Timestamp::now().as_second().to_string()},
        }});
        let secret = secret_name(&key.name, revision);
        let url = format!("{}/{secret}", Secret::url_path(&(), Some(&key.namespace)));
        let body = patch.to_string().into_bytes();
        let doing = || format!("write revision {revision} of release {key}");
        failpoint("record.note.before");
        let written = retry::transient(|| async {
            let request = Request::builder()
                .method(Method::PATCH)
                .uri(&url)
                .header(CONTENT_TYPE, "application/merge-patch+json")
                .body(body.clone())
                .map_err(|error| cluster::Error::Connection {
                    doing: doing(),
                    message: error.to_string(),
                })?;
            match brief::send(&self.client, request).await {
                Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(None),
                other => other.map(Some).map_err(|error| refused(doing(), error)),
            }
        })
        .await?;
        failpoint("record.note.after");
        let found = match written {
            Some(metadata) => Head::of(&metadata).map(|(_, head)| head),
            // An answer that was lost looks like another's write; the content tells.
            None => match self.annotations(key, revision).await? {
                Some((found, all)) if all.get(name).and_then(Value::as_str) == Some(text) => Some(found),
                _ => None,
            },
        };
        found.ok_or_else(|| Error::Changed {
            key: key.clone(),
            what: format!("revision {revision}"),
        })
    }

    async fn annotations(
        &self,
        key: &ReleaseKey,
        revision: i64,
    ) -> Result<Option<(Head, Map<String, Value>)>> {
        let (api, name) = (self.secrets(key), secret_name(&key.name, revision));
        let found = retry::transient(|| async {
            api.get_metadata_opt(&name)
                .await
                .map_err(|error| refused(format!("read revision {revision} of release {key}"), error))
        })
        .await?;
        Ok(found.and_then(|secret| {
            let (_, head) = Head::of(&secret.metadata)?;
            let annotations = secret.metadata.annotations.unwrap_or_default().into_iter();
            Some((
                head,
                annotations.map(|(key, value)| (key, value.into())).collect(),
            ))
        }))
    }
}

#[cfg(test)]
mod tests {
    use helmapp_helm::release::{HookEvent, HookPhase};

    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_is_short() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let mut ended = Run::begin(0, &HookEvent::PreInstall, now);
        ended.made = true;
        ended.end(HookPhase::Succeeded, now);
        let progress = Progress {
            runs: vec![ended, Run::begin(3, &HookEvent::Test, now)],
            asked: Some("test-now".to_owned()),
        };
        let text = json!(progress).to_string();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        assert!(text.len() < 300, "{text}");
        assert_eq!(
            serde_json::from_str::<Progress>("{}").unwrap(),
            Progress::default()
        );
    }
}
