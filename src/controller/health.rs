//! Health of live objects, as the memory keeps it, and what becomes of a deployed release when it turns.

use std::time::Duration;

use helmapp_helm::health::expr::Checks;
use helmapp_helm::health::{self as rules, Status, assess_by};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;
use tracing::info;

use crate::api::conditions;
use crate::cluster::content;

use super::memory::Health;
use super::policy::Error;
use super::reconcile::Next;
use super::settle::{self, Verdict};
use super::subject::Subject;
use super::{Context, causes, report};

/// Kinds that are ready once they exist, whatever is in their status. Their events are of no
/// interest for health.
const LASTING: [(&str, &str); 15] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "LimitRange"),
    ("", "Endpoints"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("networking.k8s.io", "IngressClass"),
    ("batch", "CronJob"),
    ("storage.k8s.io", "StorageClass"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];

/// The health of a live object, by the HelmApp's own expressions where there are some for its kind.
pub fn of(live: &Value, checks: Option<&Checks>) -> Health {
    told(&assess_by(checks, live), "")
}

/// Health with the words that are said of it, and what follows them.
pub(super) fn told(health: &rules::Health, more: &str) -> Health {
    let rules::Health {
        status,
        reason,
        message,
    } = health;
    let said = || match (reason.as_str(), message.as_str()) {
        ("", message) => format!("{message}{more}").into(),
        (reason, "") => format!("{reason}{more}").into(),
        // The reason is what people look for, and not all messages have it.
        (reason, message) if *status == Status::Failed && !message.contains(reason) => {
            format!("{reason}: {message}{more}").into()
        }
        (_, message) => format!("{message}{more}").into(),
    };
    match status {
        Status::Ready | Status::Suspended => Health::Ready,
        Status::Failed => Health::Failed(said()),
        _ => Health::Progressing(said()),
    }
}

/// The health of a live object that was read: what it says itself, and what its StorageClass says of a claim that is not
/// bound.
pub(super) async fn seen(ctx: &Context, subject: &Subject, live: &Value) -> Health {
    let health = of(live, ctx.memory.checks(&subject.key).as_deref());
    let class = rules::storage_class(live).filter(|_| health != Health::Ready);
    let Some(class) = class else {
        return health;
    };
    match content::storage_class(&ctx.identities.operator(), class).await {
        Ok(Some(class)) if rules::waits_for_consumer(live, &class) => Health::Ready,
        Ok(_) => health,
        Err(error) => {
            info!(class, %error, "whether a claim waits for a pod is not known");
            health
        }
    }
}

/// Looks after the health of a deployed release: what turned, and has stayed so for a while, is said.
///
/// # Errors
/// A failed request.
pub(super) async fn stand(ctx: &Context, subject: &Subject) -> Result<Next, Error> {
    settle::look(ctx, subject).await.map_err(Error::lasting)?;
    let objects = ctx.memory.objects(&subject.key);
    let status = ctx.status.current(&subject.app);
    let known = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::HEALTHY);
    let Some(known) = known.filter(|_| !objects.is_empty()) else {
        return Ok(Next::Change);
    };
    let verdict = settle::verdict(&objects);
    let is_unwell = verdict != Verdict::Ready;
    // While all was well nobody is named.
    let others = is_unwell
        && known.status != "True"
        && (!report::says_who_is_ready(&status, &objects) || is_stale(ctx, subject, known, &verdict));
    let unwell = match is_unwell {
        true => ctx.unwell.since(&subject.key).elapsed(),
        false => Duration::ZERO,
    };
    let patience = ctx.settings.health.degraded_after;
    match turn(&known.status, &verdict, others, unwell, patience) {
        Turn::In(wait) => return Ok(Next::After(wait)),
        Turn::Now => {
            if is_unwell {
                causes::ask(ctx, subject, true).await;
            }
            report::health(ctx, subject);
        }
        Turn::None => {}
    }
    ctx.unwell.end(&subject.key);
    Ok(Next::Change)
}

/// Whether what is said of objects that nobody waits for is not what they are waited for now.
fn is_stale(ctx: &Context, subject: &Subject, known: &Condition, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Waiting(text) if known.status == "Unknown" => {
            let first = text.lines().next().unwrap_or_default();
            !known.message.contains(&ctx.clean(subject, first))
        }
        _ => false,
    }
}

/// Whether the health of a deployed release has turned.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    None,
    Now,
    /// If it stays so for this long.
    In(Duration),
}

/// What is said of a release's health changes when it is well again, when something will not get ready by itself, and when
/// something has been unready for a while: a pod that is replaced is no news. So is what is said while it is unwell, where
/// `others` are unready than those that it names. What nobody waited for has to have been ready before it can be missed.
fn turn(known: &str, verdict: &Verdict, others: bool, unwell: Duration, patience: Duration) -> Turn {
    match (known, verdict) {
        ("True", Verdict::Ready) => Turn::None,
        (_, Verdict::Ready) | ("True" | "Unknown", Verdict::Failed(_)) => Turn::Now,
        ("False" | "Unknown", _) if !others => Turn::None,
        _ if unwell < patience => Turn::In(patience - unwell),
        _ => Turn::Now,
    }
}

/// Whether objects of the kind are ready once they exist.
pub fn is_lasting(group: &str, kind: &str) -> bool {
    LASTING.contains(&(group, kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_lasts_is_said() {
        let (ready, failed) = (Verdict::Ready, Verdict::Failed("f".into()));
        let waiting = Verdict::Waiting("w".into());
        let seconds = Duration::from_secs;
        let table = [
            ("True", &ready, false, 0, Turn::None),
            ("True", &waiting, true, 0, Turn::In(seconds(30))),
            ("True", &waiting, true, 29, Turn::In(seconds(1))),
            ("True", &waiting, true, 30, Turn::Now),
            ("True", &failed, true, 0, Turn::Now),
            ("False", &ready, true, 0, Turn::Now),
            ("False", &waiting, false, 99, Turn::None),
            ("False", &waiting, true, 0, Turn::In(seconds(30))),
            ("False", &waiting, true, 30, Turn::Now),
            ("False", &failed, false, 0, Turn::None),
            ("False", &failed, true, 10, Turn::In(seconds(20))),
            ("False", &failed, true, 30, Turn::Now),
            ("Unknown", &ready, true, 0, Turn::Now),
            ("Unknown", &waiting, false, 99, Turn::None),
            ("Unknown", &waiting, true, 0, Turn::In(seconds(30))),
            ("Unknown", &failed, true, 0, Turn::Now),
        ];
        for (known, verdict, others, unwell, expected) in table {
            let got = turn(known, verdict, others, seconds(unwell), seconds(30));
            assert_eq!(got, expected, "{known} {verdict:?} {others} {unwell}");
        }
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        let health = |status, reason: &str, message: &str| rules::Health {
            status,
            reason: reason.into(),
            message: message.into(),
        };
        let table = [
            (health(Status::Failed, "R", "m"), Health::Failed("R: m!".into())),
            (
                health(Status::Failed, "R", "it is R"),
                Health::Failed("it is R!".into()),
            ),
            (health(Status::Failed, "R", ""), Health::Failed("R!".into())),
            (
                health(Status::Progressing, "R", "m"),
                Health::Progressing("m!".into()),
            ),
            (health(Status::Suspended, "R", "m"), Health::Ready),
        ];
        for (health, expected) in table {
            assert_eq!(told(&health, "!"), expected);
        }
    }

    #[test]
    fn health_is_what_the_rules_say() {
        let job = |kind: &str| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {},
                   "status": {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}})
        };
        let of = |live: &Value| of(live, None);
        assert_eq!(of(&job("Complete")), Health::Ready);
        assert!(matches!(of(&job("Failed")), Health::Failed(text) if text.contains('m')));
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        assert_eq!(of(&config), Health::Ready);
        assert!(is_lasting("", "ConfigMap") && !is_lasting("apps", "Deployment"));
    }
}
