//! How far hooks are, noted on the record: only while it is this process's.

use std::sync::Arc;

use tracing::warn;

use crate::store::{self, Head};

use super::super::Context;
use super::super::policy::Error;
use super::super::subject::Subject;
use super::Course;

/// Notes on the record how far its hooks are, if it is still as this process left it.
pub(super) async fn note(ctx: &Context, subject: &Subject, course: &mut Course) -> Result<(), Error> {
    let known = &course.record.head;
    let head = match ctx.store.note(&subject.release, known, &course.progress).await {
        Err(store::Error::Changed { .. }) => {
            let found = ctx.store.head(&subject.release, known.revision).await?;
            match found {
                // Somebody put a label on it, or the like.
                Some(found) if is_same(&found, known) => {
                    ctx.store.note(&subject.release, &found, &course.progress).await?
                }
                found => {
                    lose(ctx, subject, known, found);
                    return Err(changed(subject, known).into());
                }
            }
        }
        noted => noted?,
    };
    ctx.memory.recorded(&subject.release, head.clone());
    course.record.head = head;
    Ok(())
}

/// Somebody else has decided about the record, or goes on with it: this process does not any more.
fn lose(ctx: &Context, subject: &Subject, known: &Head, found: Option<Head>) {
    warn!(release = %subject.release, revision = known.revision, "another writer has the revision");
    ctx.settling.remove(&subject.key);
    ctx.lost.insert(&subject.key, Arc::new(known.uid.clone()));
    match found {
        Some(found) => ctx.memory.recorded(&subject.release, found),
        None => ctx.memory.unrecorded(&subject.release, known.revision),
    }
}

fn is_same(found: &Head, known: &Head) -> bool {
    found.uid == known.uid && found.status == known.status && found.holder == known.holder
}

pub(super) fn changed(subject: &Subject, head: &Head) -> store::Error {
    store::Error::Changed {
        key: subject.release.clone(),
        what: format!("revision {}", head.revision),
    }
}
