//! Which of several HelmApps has a release: the oldest one that may keep a release there.

use std::sync::Arc;

use jiff::Timestamp;

use super::memory::AppKey;
use super::policy::Error;
use super::subject::Subject;
use super::{Context, access};
use crate::api::HelmApp;

/// The HelmApp that has the subject's release: an older one, or one of the same second that came first to it. `None` when
/// the subject has it.
///
/// # Errors
/// A failed request about the rights of another HelmApp, or about whose the release was.
pub(super) async fn holder(ctx: &Context, subject: &Subject) -> Result<Option<AppKey>, Error> {
    let mut rivals: Vec<Arc<HelmApp>> = ctx.apps.state();
    rivals.retain(|app| is_rival(app, subject) && created(app) <= created(&subject.app));
    if rivals.is_empty() {
        return Ok(None);
    }
    let twins = rivals.iter().any(|app| created(app) == created(&subject.app));
    let first = match twins {
        true => first(ctx, subject).await?,
        false => None,
    };
    let age = |app: &HelmApp| age(app, first.as_deref());
    let mut older = rivals;
    older.retain(|app| age(app) < age(&subject.app));
    older.sort_by_key(|app| age(app));
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

/// UID of the HelmApp that has begun with the release, as far as is known: it keeps it against one of the same second.
async fn first(ctx: &Context, subject: &Subject) -> Result<Option<String>, Error> {
    if let Some(owner) = ctx.memory.owner(&subject.release) {
        let apps = ctx.apps.state();
        let found = apps.iter().find(|app| AppKey::of(app) == owner);
        return Ok(found.and_then(|app| app.metadata.uid.clone()));
    }
    if ctx.memory.records(&subject.release).is_empty() {
        return Ok(None);
    }
    let stored = ctx.companions.read(ctx, subject).await?;
    Ok(stored.map(|stored| stored.companion.owner.uid))
}

fn created(app: &HelmApp) -> Timestamp {
    let created = app.metadata.creation_timestamp.as_ref();
    created.map_or(Timestamp::MAX, |time| time.0)
}

/// What makes a HelmApp older than others, in the order in which it counts. Times of creation are whole seconds.
fn age(app: &HelmApp, first: Option<&str>) -> (Timestamp, bool, String) {
    let uid = app.metadata.uid.clone().unwrap_or_default();
    (created(app), first != Some(&uid), uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_came_first_counts_only_within_a_second() {
        let app = |uid: &str, second: u32| -> HelmApp {
            let created = format!("2026-01-01T00:00:{second:02}Z");
            let metadata =
                json!({"name": uid, "namespace": "apps", "uid": uid, "creationTimestamp": created});
            serde_json::from_value(json!({"metadata": metadata, "spec": {"chart": {"path": "demo"}}}))
                .unwrap()
        };
        let oldest = |apps: &[HelmApp], first: Option<&str>| {
            let found = apps.iter().min_by_key(|app| age(app, first)).unwrap();
            found.metadata.uid.clone().unwrap()
        };
        let twins = [app("a", 1), app("b", 1), app("c", 2)];
        assert_eq!(oldest(&twins, None), "a");
        assert_eq!(oldest(&twins, Some("b")), "b");
        assert_eq!(oldest(&twins, Some("c")), "a", "it is younger");
    }
}
