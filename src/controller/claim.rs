//! Which of several HelmApps has a release: the oldest one.

use super::Context;
use super::memory::AppKey;
use super::subject::Subject;
use crate::api::HelmApp;

/// The older HelmApp that has the subject's release; `None` when the subject has it.
pub(super) fn holder(ctx: &Context, subject: &Subject) -> Option<AppKey> {
    let apps = ctx.apps.state();
    let rivals = apps.iter().filter(|app| is_rival(app, subject));
    let oldest = rivals
        .filter(|app| age(app) < age(&subject.app))
        .min_by_key(|app| age(app))?;
    Some(AppKey::of(oldest))
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
