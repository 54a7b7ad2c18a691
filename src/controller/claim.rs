//! Which of several HelmApps has a release: the oldest one that may keep a release there.

use std::sync::Arc;

use super::memory::AppKey;
use super::policy::Error;
use super::subject::Subject;
use super::{Context, access};
use crate::api::HelmApp;

/// The older HelmApp that has the subject's release; `None` when the subject has it.
///
/// # Errors
/// A failed request about the rights of another HelmApp.
pub(super) async fn holder(ctx: &Context, subject: &Subject) -> Result<Option<AppKey>, Error> {
    let mut older: Vec<Arc<HelmApp>> = ctx
        .apps
        .state()
        .into_iter()
        .filter(|app| is_rival(app, subject) && age(app) < age(&subject.app))
        .collect();
    older.sort_by(|a, b| age(a).cmp(&age(b)));
    for app in older {
        let rival = Subject::new(app, &ctx.identities, &ctx.settings);
        if access::is_granted(ctx, &rival).await? {
            return Ok(Some(rival.key));
        }
    }
    Ok(None)
}

/// Has the HelmApps reconciled that wait for the subject's release.
pub(super) fn wake_others(ctx: &Context, subject: &Subject) {
    for app in ctx.apps.state().iter().filter(|app| is_rival(app, subject)) {
        ctx.memory.wake(&AppKey::of(app));
    }
}

fn is_rival(app: &HelmApp, subject: &Subject) -> bool {
    app.release_name() == subject.release.name
        && app.target_namespace() == subject.release.namespace
        && app.metadata.uid != subject.app.metadata.uid
}

fn age(app: &HelmApp) -> (jiff::Timestamp, &str) {
    let created = app
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(jiff::Timestamp::MAX, |time| time.0);
    (created, app.metadata.uid.as_deref().unwrap_or_default())
}
