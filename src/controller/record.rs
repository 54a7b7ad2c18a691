//! The record of a revision, whole only while the revision is under way.
//!
//! A release that failed may stay so for months: what its records hold is read again when it is needed.

use std::sync::Arc;

use helmapp_helm::release::Release;
use jiff::Timestamp;

use crate::store::{self, Head, Stored};

use super::Context;
use super::subject::Subject;

/// The record of a revision.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Its head.
    pub head: Head,
    /// What it says of how it ended; empty where only the head is known.
    pub description: String,
    /// When it was made, as it says.
    pub made: Option<Timestamp>,
    whole: Option<Arc<Release>>,
}

impl From<Stored> for Record {
    fn from(stored: Stored) -> Self {
        let info = &stored.release.info;
        Self {
            description: info.description.clone(),
            made: info.last_deployed.timestamp(),
            head: stored.head,
            whole: Some(Arc::new(stored.release)),
        }
    }
}

impl Record {
    /// A record of which only the head is known.
    pub(super) fn of_head(head: Head) -> Self {
        Self {
            head,
            description: String::new(),
            made: None,
            whole: None,
        }
    }

    /// The same without its content.
    #[must_use]
    pub(super) fn let_go(self) -> Self {
        Self { whole: None, ..self }
    }

    /// The same, with more to say than the record itself.
    #[must_use]
    pub(super) fn described(self, description: String) -> Self {
        Self { description, ..self }
    }

    /// Its content, where that is held.
    pub(super) fn held(&self) -> Option<&Release> {
        self.whole.as_deref()
    }

    /// Its content, read where it is not held; `None` when it is not there any more.
    ///
    /// # Errors
    /// A failed request, or a record that can't be read.
    pub(super) async fn content(
        &self,
        ctx: &Context,
        subject: &Subject,
    ) -> Result<Option<Arc<Release>>, store::Error> {
        match &self.whole {
            Some(release) => Ok(Some(release.clone())),
            None => {
                let stored = ctx.store.read(&subject.release, self.head.revision).await?;
                Ok(stored.map(|stored| Arc::new(stored.release)))
            }
        }
    }

    /// All of it, read where it is not held; `None` when it is not there any more.
    ///
    /// # Errors
    /// A failed request, or a record that can't be read.
    pub(super) async fn stored(
        &self,
        ctx: &Context,
        subject: &Subject,
    ) -> Result<Option<Stored>, store::Error> {
        match &self.whole {
            Some(release) => Ok(Some(Stored {
                release: Release::clone(release),
                head: self.head.clone(),
            })),
            None => ctx.store.read(&subject.release, self.head.revision).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use helmapp_helm::chart::{Chart, DirOptions};
    use helmapp_helm::release::{ChartRecord, Info, Status};
    use serde_json::json;

    use super::*;

    /// What a record holds: its content is counted as text.
    fn bytes(record: &Record) -> usize {
        let head = &record.head;
        let texts = [&head.uid, &head.resource_version, &record.description];
        let held = record.held().map_or(0, |release| format!("{release:?}").len());
        size_of::<Record>() + texts.iter().map(|text| text.len()).sum::<usize>() + held
    }

    #[test]
    fn a_failed_revision_holds_no_content() {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/demo");
        let chart = Chart::load_dir(&charts, &DirOptions::default()).unwrap();
        let release = Release {
            name: "demo".into(),
            namespace: "web".into(),
            version: 2,
            info: Info {
                status: Status::Failed,
                description: "Upgrade \"demo\" failed: not ready within 300 s".into(),
                last_deployed: Timestamp::UNIX_EPOCH.into(),
                ..Info::default()
            },
            chart: Arc::new(ChartRecord::of(&chart).unwrap()),
            config: [("replicas".to_owned(), json!(2))].into_iter().collect(),
            manifest: "---\nkind: Deployment\n".repeat(50),
            ..Release::default()
        };
        let head = Head {
            revision: 2,
            status: Status::Failed,
            uid: "11111111-2222-3333-4444-555555555555".into(),
            resource_version: "1234567".into(),
            holder: None,
            created: None,
            changed: None,
        };
        let whole = Record::from(Stored { release, head });
        let light = whole.clone().let_go();
        println!(
            "a record: {} bytes while it is held, {} after",
            bytes(&whole),
            bytes(&light)
        );
        assert!(
            bytes(&whole) > 3_000 && bytes(&light) < 400,
            "{} {}",
            bytes(&whole),
            bytes(&light)
        );
        assert_eq!(
            (&light.head, &light.description),
            (&whole.head, &whole.description)
        );
        assert_eq!((light.made, light.held().is_none()), (whole.made, true));
    }
}
