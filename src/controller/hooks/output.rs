//! What the pods of a hook wrote.

use helmapp_helm::health::pods::Log;
use helmapp_helm::hooks::speaker;
use helmapp_helm::plan::Object;
use helmapp_helm::release::{Hook, Release};
use serde_json::Value;
use tracing::debug;

use crate::api::conditions::reason;
use crate::cluster::apply::Applier;
use crate::cluster::pods;

use super::super::policy::Error;
use super::super::subject::Subject;
use super::super::{Context, veil};
use super::Call;

/// Shows the last lines of a hook in an event. That there are none to be had is no failure.
pub(super) async fn show(
    ctx: &Context,
    subject: &Subject,
    call: &Call,
    hook: &Hook,
    release: &Release,
    objects: &[Object],
) {
    if let Some(tail) = tail(ctx, subject, release, objects).await {
        let note = format!("{} hook {} {}: {tail}", call.event.as_str(), hook.kind, hook.name);
        ctx.events.normal(&subject.app, reason::HOOK_OUTPUT, &note);
    }
}

/// The last lines of the container of a hook that says most, without what came from Secrets, and which that is.
/// Containers print what the release's own Secrets hold, too, and those of its hooks.
pub(super) async fn tail(
    ctx: &Context,
    subject: &Subject,
    release: &Release,
    objects: &[Object],
) -> Option<String> {
    if let Err(error) = veil::recall_all(ctx, subject, release).await {
        debug!(release = %subject.release, %error, "what is secret is not known");
        return None;
    }
    for object in objects {
        match try_tail(ctx, subject, object).await {
            Ok(Some(tail)) => return Some(tail),
            Ok(None) => {}
            Err(error) => debug!(object = %object.id, %error, "no log"),
        }
    }
    None
}

async fn try_tail(ctx: &Context, subject: &Subject, object: &Object) -> Result<Option<String>, Error> {
    let Some(Log {
        pod,
        container,
        previous,
    }) = speaker(&pods_of(ctx, subject, object).await?)
    else {
        return Ok(None);
    };
    let operator = ctx.identities.operator();
    let text = pods::log_tail(&operator, &object.id.namespace, &pod, &container, previous).await?;
    let text = ctx.clean(subject, &text);
    let which = format!("the end of the log of container {container} of pod {pod}");
    Ok((!text.is_empty()).then(|| format!("{which}:\n{text}")))
}

pub(super) async fn pods_of(ctx: &Context, subject: &Subject, object: &Object) -> Result<Vec<Value>, Error> {
    let (namespace, name) = (object.id.namespace.as_str(), object.id.name.as_str());
    Ok(match (object.id.group.as_str(), object.id.kind.as_str()) {
        ("batch", "Job") => {
            pods::list(&ctx.identities.operator(), namespace, &format!("job-name={name}")).await?
        }
        ("", "Pod") => {
            let snapshot = ctx.discovery.snapshot().await?;
            let applier = Applier::new(subject.tenant.clone(), snapshot, subject.owner.clone());
            applier
                .get(&object.id, &object.version)
                .await?
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    })
}
