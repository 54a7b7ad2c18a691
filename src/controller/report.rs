//! Step 11: what happened, as conditions, history, inventory and events. The only place that writes status.

use helmapp_helm::plan::ObjectId;
use helmapp_helm::release::Release;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, reason};
use crate::api::{
    Attempt, ChartStatus, HelmAppStatus, HistoryEntry, InventoryEntry, ReleaseStatus, RollbackStatus,
};
use crate::metrics::Action;
use crate::status::{Report, Urgency};
use crate::store::{Head, Stored};

use super::drift::Left;
use super::inputs::Gathered;
use super::memory::{Health, InventoryDigest, Tracked};
use super::policy::{Again, Error};
use super::record::Record;
use super::revision::Change;
use super::settle::{self, Cause, Settling, Verdict};
use super::subject::Subject;
use super::{Context, asked};

/// Most objects that an event names.
const MAX_NAMED: usize = 5;

/// `spec.suspend` is true.
pub(super) fn suspended(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    report.suspended();
    put(ctx, subject, report, Urgency::Now);
}

/// A revision was begun.
pub(super) fn begun(ctx: &Context, subject: &Subject, settling: &Settling) {
    let mut report = start(ctx, subject);
    let message = format!(
        "{} to revision {} is under way",
        settling.change.noun(),
        settling.record.head.revision
    );
    report.progressing(reason::PROGRESSING, &message);
    released(ctx, subject, &mut report, settling, &settling.record);
    if let (Change::Rollback(to_revision), None) = (settling.change, &settling.cause) {
        let revision = settling.record.head.revision;
        let spec_digest = subject.spec_digest();
        report.status.rollback = Some(RollbackStatus {
            to_revision,
            revision,
            spec_digest,
        });
    } else if settling.cause.is_none() {
        leave_rollback(subject, &mut report);
        report.forget(conditions::REMEDIATED);
    }
    put(ctx, subject, report, Urgency::Soon);
}

/// A rollback that the spec has moved on from does not come back with the old spec.
fn leave_rollback(subject: &Subject, report: &mut Report) {
    match (&mut report.status.rollback, subject.app.spec.rollback.to_revision) {
        (Some(done), Some(_)) => done.spec_digest.clear(),
        (done, None) => *done = None,
        (None, Some(_)) => {}
    }
}

/// What Ready says beside the rest when the spec still names a rollback that later values have ended.
fn superseded(subject: &Subject, report: &Report) -> String {
    let wanted = subject.app.spec.rollback.to_revision;
    match &report.status.rollback {
        Some(done) if wanted == Some(done.to_revision) && done.spec_digest != subject.spec_digest() => {
            format!(
                "; the rollback to revision {} (done as revision {}) was superseded by a later change of chart or values: take spec.rollback.toRevision away, and set it again to go back once more",
                done.to_revision, done.revision
            )
        }
        _ => String::new(),
    }
}

/// Objects are applied and not all ready.
pub(super) fn settling(ctx: &Context, subject: &Subject, settling: &Settling, waiting: &str) {
    let mut report = start(ctx, subject);
    let message = format!(
        "waiting for revision {}: {waiting}",
        settling.record.head.revision
    );
    report
        .progressing(reason::PROGRESSING, &message)
        .settling(&message);
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Progress);
}

/// A revision is deployed and its objects are ready.
pub(super) fn finished(ctx: &Context, subject: &Subject, settling: &Settling, deployed: &Record) {
    let mut report = start(ctx, subject);
    released(ctx, subject, &mut report, settling, deployed);
    let revision = deployed.head.revision;
    let (change, message) = match settling.change {
        Change::Rollback(to) => (
            settling.change,
            format!("went back to revision {to}, as revision {revision}"),
        ),
        change => (
            change,
            format!(
                "{} succeeded: {}, revision {revision}",
                change.noun(),
                named(&settling.chart)
            ),
        ),
    };
    let success = settle::success(change);
    report.released(true, success, &message).healthy(
        true,
        reason::HEALTH_CHECK_SUCCEEDED,
        "all objects are ready",
    );
    match &settling.cause {
        Some(cause) => {
            let message = format!("{}; {message}", cause.message);
            report
                .stalled(cause.reason, &message)
                .remediated(true, success, &message);
            attempted(&mut report, &cause.input_digest, Some(cause.reason));
        }
        None => {
            let also = superseded(subject, &report);
            report.ready(success, &format!("{message}{also}"));
            attempted(&mut report, &settling.input_digest, None);
        }
    }
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(action(settling), true);
    ctx.events.normal(&subject.app, success, &message);
    put(ctx, subject, report, Urgency::Now);
}

/// A revision was given up.
pub(super) fn failed(ctx: &Context, subject: &Subject, settling: &Settling, cause: &Cause) {
    let mut report = start(ctx, subject);
    released(ctx, subject, &mut report, settling, &settling.record);
    let unhealthy = if settling.applied {
        reason::HEALTH_CHECK_FAILED
    } else {
        cause.reason
    };
    report
        .released(false, cause.reason, &cause.message)
        .healthy(false, unhealthy, &cause.message);
    match &settling.cause {
        Some(first) => {
            unremedied(&mut report, first, cause.reason, &cause.message);
            attempted(&mut report, &first.input_digest, Some(first.reason));
        }
        None => {
            report.stalled(cause.reason, &cause.message);
            attempted(&mut report, &cause.input_digest, Some(cause.reason));
        }
    }
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(action(settling), false);
    ctx.metrics.failed(cause.reason);
    ctx.events.warning(&subject.app, cause.reason, &cause.message);
    put(ctx, subject, report, Urgency::Now);
}

/// A remedy failed. What it was to remedy stays said.
fn unremedied(report: &mut Report, first: &Cause, reason: &str, message: &str) {
    let message = format!("{}; the remedy failed too: {message}", first.message);
    report
        .stalled(first.reason, &message)
        .remediated(false, reason, &message);
}

/// Objects were put back; the texts say what had been changed.
pub(super) fn corrected(ctx: &Context, subject: &Subject, objects: &[(ObjectId, String)]) {
    let mut report = start(ctx, subject);
    let names = some(objects.iter().map(|(id, change)| match change.as_str() {
        "" => id.to_string(),
        change => format!("{id} ({change})"),
    }));
    let message = format!("put back what was changed or deleted: {}", names.join(", "));
    report.drifted(false, reason::DRIFT_CORRECTED, &message);
    inventory(ctx, subject, &mut report);
    ctx.metrics.acted(Action::Repair, true);
    ctx.events.normal(&subject.app, reason::DRIFT_CORRECTED, &message);
    put(ctx, subject, report, Urgency::Soon);
}

/// Objects are not as they should be and are left so.
pub(super) fn drifted(ctx: &Context, subject: &Subject, objects: &[(ObjectId, Left)]) {
    let texts = some(objects.iter().map(|(id, left)| format!("{id}: {}", left.why)));
    let message = format!("changed by others, and left alone: {}", texts.join("; "));
    let refused = objects
        .iter()
        .any(|(_, left)| left.reason == reason::ADOPTION_REFUSED);
    let reason = if refused {
        reason::ADOPTION_REFUSED
    } else {
        reason::DRIFT_DETECTED
    };
    let mut report = start(ctx, subject);
    let said = report
        .condition(conditions::DRIFTED)
        .is_some_and(|drifted| drifted.status == "True" && drifted.message == message);
    if said {
        return;
    }
    report.drifted(true, reason, &message);
    ctx.events.warning(&subject.app, reason, &message);
    put(ctx, subject, report, Urgency::Soon);
}

/// The first texts, and how many more there are.
fn some(all: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = all.len().saturating_sub(MAX_NAMED);
    let mut texts: Vec<String> = all.take(MAX_NAMED).collect();
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts
}

/// All objects are as they should be, as far as the operator may see them.
pub(super) fn undrifted(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    let said = report
        .condition(conditions::DRIFTED)
        .map(|drifted| (drifted.status.clone(), drifted.message.clone()));
    let mut changed = false;
    match ctx.forbidden(&subject.key) {
        Some((kinds, why)) => {
            let message = format!(
                "what others do to objects of kind {} is not noticed: {why}; give the operator the right to list and watch them, with a ClusterRole that has the label helmapp.io/aggregate-to-operator: \"true\"",
                kinds.join(", ")
            );
            if said.is_none_or(|(status, text)| status != "Unknown" || text != message) {
                report.unwatched(reason::NOT_WATCHED, &message);
                ctx.events.warning(&subject.app, reason::NOT_WATCHED, &message);
                changed = true;
            }
        }
        None if said.is_some_and(|(status, _)| status != "False") => {
            report.drifted(false, reason::NO_DRIFT, "all objects are as the release has them");
            changed = true;
        }
        None => {}
    }
    // The next process compares with this.
    let noted = report.status.inventory_digest.as_deref();
    let stale = noted.is_some_and(|noted| InventoryDigest::parse(noted).marks != known(ctx, subject).marks);
    if stale && ctx.settling.get(&subject.key).is_none() {
        inventory(ctx, subject, &mut report);
        changed = true;
    }
    if changed {
        put(ctx, subject, report, Urgency::Soon);
    }
}

/// The health of a deployed release, after a look.
pub(super) fn health(ctx: &Context, subject: &Subject) {
    let status = ctx.status.current(&subject.app);
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::READY);
    let known = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::HEALTHY);
    let (Some(ready), Some(known)) = (ready, known) else {
        return;
    };
    let objects = ctx.memory.objects(&subject.key);
    let verdict = settle::verdict(&objects);
    let healthy = verdict == Verdict::Ready;
    if objects.is_empty() || (known.status == "True") == healthy {
        return;
    }
    let mut report = start(ctx, subject);
    match verdict {
        Verdict::Ready => {
            report.healthy(true, reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready");
            // Only what Ready says of health is taken back; a failed upgrade stays said.
            if ready.reason == reason::HEALTH_CHECK_FAILED {
                report.ready(reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready");
            }
        }
        Verdict::Waiting(message) | Verdict::Failed(message) => {
            report.healthy(false, reason::HEALTH_CHECK_FAILED, &message);
            if ready.status == "True" {
                report.degraded(reason::HEALTH_CHECK_FAILED, &message);
            }
            ctx.events
                .warning(&subject.app, reason::HEALTH_CHECK_FAILED, &message);
        }
    }
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Soon);
}

/// The inputs were looked at and ask for nothing new.
pub(super) fn observed(ctx: &Context, subject: &Subject) {
    let mut report = start(ctx, subject);
    let generation = subject.generation();
    let resumed = report
        .condition(conditions::STALLED)
        .is_some_and(|stalled| stalled.reason == reason::SUSPENDED);
    if resumed {
        report.forget(conditions::STALLED);
    }
    if report.status.observed_generation == Some(generation) && !resumed {
        return;
    }
    report.status.observed_generation = Some(generation);
    for condition in &mut report.status.conditions {
        condition.observed_generation = Some(generation);
    }
    put(ctx, subject, report, Urgency::Now);
}

/// What the inputs ask for was tried in vain, for this reason, and an error that is over took its place in Ready.
pub(super) fn in_vain(ctx: &Context, subject: &Subject, reason: &str) {
    let mut report = start(ctx, subject);
    let said = [conditions::REMEDIATED, conditions::RELEASED, conditions::READY]
        .into_iter()
        .filter_map(|kind| report.condition(kind))
        .find(|condition| condition.type_ == conditions::REMEDIATED || condition.reason == reason);
    let message = match said {
        Some(condition) => condition.message.clone(),
        None => "what is asked for was tried and failed".to_owned(),
    };
    report.stalled(reason, &message);
    put(ctx, subject, report, Urgency::Now);
}

/// The deployed revision is what the inputs ask for: whatever an earlier attempt left in the conditions is over.
pub(super) fn in_force(ctx: &Context, subject: &Subject, head: &Head) {
    let objects = ctx.memory.objects(&subject.key);
    let verdict = settle::verdict(&objects);
    let unseen = objects.iter().any(|(_, object)| object.health == Health::Unknown);
    let mut report = start(ctx, subject);
    let said = |kind| report.condition(kind).map(|condition| condition.status.clone());
    let ready = said(conditions::READY).as_deref() == Some("True");
    let calm = said(conditions::STALLED).is_none() && said(conditions::RECONCILING).is_none();
    let recorded = report
        .status
        .release
        .as_ref()
        .is_some_and(|release| release.status == head.status.as_str());
    if unseen || calm && recorded && ready == (verdict == Verdict::Ready) {
        observed(ctx, subject);
        return;
    }
    if let Some(release) = &mut report.status.release {
        head.status.as_str().clone_into(&mut release.status);
    }
    for entry in &mut report.status.history {
        if entry.revision == head.revision {
            head.status.as_str().clone_into(&mut entry.status);
        }
    }
    let message = format!("revision {} is deployed", head.revision);
    let also = superseded(subject, &report);
    report.released(true, reason::UPGRADE_SUCCEEDED, &message);
    match &verdict {
        Verdict::Ready => {
            report
                .healthy(true, reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready")
                .ready(reason::UPGRADE_SUCCEEDED, &format!("{message}{also}"));
        }
        Verdict::Waiting(message) | Verdict::Failed(message) => {
            report
                .healthy(false, reason::HEALTH_CHECK_FAILED, message)
                .degraded(reason::HEALTH_CHECK_FAILED, message);
        }
    }
    put(ctx, subject, report, Urgency::Now);
}

/// Other inputs gave the manifest that is deployed: no revision is made for that.
pub(super) fn unchanged(ctx: &Context, subject: &Subject, gathered: &Gathered, newest: &Stored) {
    let mut report = start(ctx, subject);
    leave_rollback(subject, &mut report);
    report.status.chart = Some(gathered.chart_status.clone());
    report.status.release = Some(ReleaseStatus {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        revision: newest.head.revision,
        status: newest.head.status.as_str().to_owned(),
        input_digest: Some(gathered.digest.clone()),
    });
    attempted(&mut report, &gathered.digest, None);
    let message = format!(
        "{}, revision {}",
        named(&gathered.chart_status),
        newest.head.revision
    );
    let also = superseded(subject, &report);
    report.ready(reason::UPGRADE_SUCCEEDED, &format!("{message}{also}"));
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Now);
}

/// A rollback was through before its end was said.
pub(super) fn went_back(ctx: &Context, subject: &Subject, to: i64, newest: &Stored, digest: &str) {
    let mut report = start(ctx, subject);
    let chart = report.status.chart.take().unwrap_or_default();
    report.status.chart = Some(chart_of(&newest.release, &chart));
    let revision = newest.head.revision;
    report.status.rollback = Some(RollbackStatus {
        to_revision: to,
        revision,
        spec_digest: subject.spec_digest(),
    });
    report.status.release = Some(ReleaseStatus {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        revision,
        status: newest.head.status.as_str().to_owned(),
        input_digest: Some(digest.to_owned()),
    });
    attempted(&mut report, digest, None);
    let message = format!("went back to revision {to}, as revision {revision}");
    report
        .released(true, reason::ROLLBACK_SUCCEEDED, &message)
        .ready(reason::ROLLBACK_SUCCEEDED, &message);
    inventory(ctx, subject, &mut report);
    put(ctx, subject, report, Urgency::Now);
}

/// A reconcile did not get where it should.
pub(super) fn error(ctx: &Context, subject: &Subject, error: &Error, message: &str) {
    let mut report = start(ctx, subject);
    let reason = error.reason();
    ctx.metrics.failed(reason);
    let said = report.condition(conditions::READY).is_some_and(|ready| {
        ready.reason == reason && ready.status == "False" && ready.message.contains(message.trim())
    });
    let observed = report.status.observed_generation == Some(subject.generation());
    // The remedy of this revision is under way and does not get on.
    let failed = ctx
        .settling
        .get(&subject.key)
        .filter(|settling| settle::remedy(subject, settling).is_some());
    match (error.again(), failed) {
        (Again::OnChange, Some(failed)) => {
            unremedied(&mut report, &settle::cause_of(&failed), reason, message);
        }
        (_, Some(failed)) => {
            let message = format!(
                "{}; its remedy waits: {message}",
                settle::cause_of(&failed).message
            );
            report
                .retrying(reason, &message)
                .remediated(false, reason, &message);
        }
        (Again::OnChange, None) => {
            report.stalled(reason, message);
            // Without a digest the inputs themselves can't be read; they are tried again after a restart.
            if let Some(digest) = ctx.attempts.get(&subject.key) {
                attempted(&mut report, &digest, Some(reason));
            }
        }
        (Again::Soon(_) | Again::Seldom, None) => {
            report.retrying(reason, message);
        }
    }
    if !(said && observed) {
        ctx.events.warning(&subject.app, reason, message);
    }
    put(ctx, subject, report, Urgency::Now);
}

/// Objects of a deleted HelmApp are going.
pub(super) fn uninstalling(ctx: &Context, subject: &Subject, remaining: &[ObjectId], late: bool) {
    let mut report = start(ctx, subject);
    let names: Vec<String> = remaining
        .iter()
        .take(MAX_NAMED)
        .map(ToString::to_string)
        .collect();
    let message = format!(
        "{} of the release's objects are still there: {}",
        remaining.len(),
        names.join(", ")
    );
    if late {
        let message = format!("{message}; look at their finalizers");
        report.retrying(reason::UNINSTALL_FAILED, &message);
    } else {
        report.progressing(reason::PROGRESSING, &message);
    }
    put(ctx, subject, report, Urgency::Soon);
}

/// Something of a deleted HelmApp's release stays in the cluster.
pub(super) fn left_behind(ctx: &Context, subject: &Subject, what: &str, why: &str) {
    let message = format!("left in the cluster, as {why}: {what}");
    ctx.events
        .warning(&subject.app, reason::UNINSTALL_FAILED, &message);
}

/// A deleted HelmApp's release is gone.
pub(super) fn uninstalled(ctx: &Context, subject: &Subject) {
    let message = format!("release {} is uninstalled", subject.release);
    ctx.metrics.acted(Action::Uninstall, true);
    ctx.events
        .normal(&subject.app, reason::UNINSTALL_SUCCEEDED, &message);
}

/// The chart of a record, for status. The digest is only known while the chart is the one in use.
pub(super) fn chart_of(release: &Release, known: &ChartStatus) -> ChartStatus {
    let chart = &release.chart;
    let same = known.name == chart.name() && known.version == chart.version();
    ChartStatus {
        name: chart.name().to_owned(),
        version: chart.version().to_owned(),
        app_version: Some(chart.app_version().to_owned()).filter(|version| !version.is_empty()),
        digest: if same { known.digest.clone() } else { String::new() },
    }
}

fn start(ctx: &Context, subject: &Subject) -> Report {
    Report::new(
        ctx.status.current(&subject.app),
        subject.generation(),
        Timestamp::now(),
    )
}

fn put(ctx: &Context, subject: &Subject, report: Report, urgency: Urgency) {
    let mut status = report.build();
    status.asked = asked::shown(ctx, subject, &status);
    count(ctx, subject, &status);
    ctx.status.put(&subject.app, status, urgency);
}

/// Has the metrics say what the status says.
pub(super) fn count(ctx: &Context, subject: &Subject, status: &HelmAppStatus) {
    if let Some(release) = &status.release {
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == conditions::READY);
        let ready = ready.is_some_and(|ready| ready.status == "True");
        ctx.metrics.release(&subject.release, ready, release.revision);
    }
}

/// What a revision was for, as metrics count it.
fn action(settling: &Settling) -> Action {
    match settling.change {
        _ if settling.cause.is_some() => Action::Remediate,
        Change::Install => Action::Install,
        Change::Upgrade => Action::Upgrade,
        Change::Rollback(_) => Action::Rollback,
    }
}

fn named(chart: &ChartStatus) -> String {
    format!("{} {}", chart.name, chart.version)
}

fn released(ctx: &Context, subject: &Subject, report: &mut Report, settling: &Settling, stored: &Record) {
    report.status.chart = Some(settling.chart.clone());
    report.status.release = Some(ReleaseStatus {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        revision: stored.head.revision,
        status: stored.head.status.as_str().to_owned(),
        input_digest: Some(settling.input_digest.clone()),
    });
    let heads = ctx.memory.records(&subject.release);
    let mut history = std::mem::take(&mut report.status.history);
    history.retain(|entry| entry.revision != stored.head.revision);
    history.push(entry(settling, stored));
    for entry in &mut history {
        if let Some(head) = heads.iter().find(|head| head.revision == entry.revision) {
            entry.status = head.status.as_str().to_owned();
        }
    }
    history.retain(|entry| heads.iter().any(|head| head.revision == entry.revision));
    report.history(history);
}

fn entry(settling: &Settling, stored: &Record) -> HistoryEntry {
    HistoryEntry {
        revision: stored.head.revision,
        status: stored.head.status.as_str().to_owned(),
        chart_name: settling.chart.name.clone(),
        chart_version: settling.chart.version.clone(),
        app_version: settling.chart.app_version.clone(),
        input_digest: Some(settling.input_digest.clone()),
        updated: stored.made.map(Time),
        description: Some(stored.description.clone()),
    }
}

fn attempted(report: &mut Report, input_digest: &str, reason: Option<&str>) {
    report.status.last_attempted = Some(Attempt {
        input_digest: input_digest.to_owned(),
        time: Some(Time(Timestamp::now())),
        reason: reason.map(str::to_owned),
    });
}

fn inventory(ctx: &Context, subject: &Subject, report: &mut Report) {
    let objects = ctx.memory.objects(&subject.key);
    report.inventory(objects.iter().map(inventory_entry).collect());
    report.status.inventory_digest = Some(known(ctx, subject).to_string());
}

fn known(ctx: &Context, subject: &Subject) -> InventoryDigest {
    ctx.memory.known(&subject.key, &ctx.unwatched(&subject.key))
}

fn inventory_entry((id, object): &(ObjectId, Tracked)) -> InventoryEntry {
    let health = match object.health {
        Health::Ready => Some("Ready"),
        Health::Progressing(_) => Some("Progressing"),
        Health::Failed(_) => Some("Failed"),
        Health::Unknown => None,
    };
    InventoryEntry {
        group: id.group.clone(),
        version: object.version.to_string(),
        kind: id.kind.clone(),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: id.name.clone(),
        uid: Some(object.uid.to_string()).filter(|uid| !uid.is_empty()),
        health: health.map(str::to_owned),
    }
}
