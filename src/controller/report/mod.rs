//! Step 11: what happened, as conditions, history, inventory and events. The only place that writes status.

mod conflicts;
mod failure;
mod objects;
mod removal;
mod revision;
mod rollback;
mod standing;
mod tests;

use helmapp_helm::plan::ObjectId;
use helmapp_helm::release::{ApplyMethod, Release, Status};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, reason};
use crate::api::{Attempt, ChartStatus, HelmAppStatus, HistoryEntry, InventoryEntry, MadeBy, ReleaseStatus};
use crate::excerpt;
use crate::status::{Report, Urgency};
use crate::store::{Head, Stored, status_of};

use super::memory::{Health, InventoryDigest, Tracked};
use super::record::Record;
use super::remediation::{self, Budget};
use super::settle::{Cause, Settling};
use super::subject::Subject;
use super::{Context, asked, digests, history};

pub(super) use conflicts::{Conflicts, met as conflicts};
pub(super) use failure::error;
pub(super) use objects::{corrected, drifted, health, says_who_is_ready, undetected, undrifted};
pub(super) use removal::{hook_failed, left_behind, unhooking, uninstall_begun, uninstalled, uninstalling};
pub(super) use revision::{begun, failed, finished, hooking, settling, warnings};
pub(super) use rollback::went_back;
pub(super) use standing::{in_force, in_vain, observed, suspended, unchanged};
pub(super) use tests::{tested, testing};

/// What the inventory says of an object that is ready.
const READY: &str = "Ready";
/// Most objects that an event names.
const MAX_NAMED: usize = 5;

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
    conflicts::add(ctx, subject, &mut status);
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

fn named(chart: &ChartStatus) -> String {
    format!("{} {}", chart.name, chart.version)
}

/// A revision of the release, as status names it.
fn release(subject: &Subject, head: &Head, input_digest: &str) -> ReleaseStatus {
    ReleaseStatus {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        revision: head.revision,
        status: head.status.as_str().to_owned(),
        input_digest: Some(input_digest.to_owned()),
    }
}

fn released(ctx: &Context, subject: &Subject, report: &mut Report, settling: &Settling, stored: &Record) {
    report.status.chart = Some(settling.chart.clone());
    report.status.release = Some(release(subject, &stored.head, &settling.input_digest));
    let known = shown(report, stored.head.revision).unwrap_or_default();
    let known = digested(ctx, subject, known, stored.held());
    remember(ctx, subject, report, entry(settling, stored, known));
}

/// What the history shows of a revision.
fn shown(report: &Report, revision: i64) -> Option<HistoryEntry> {
    let mut history = report.status.history.iter();
    history.find(|entry| entry.revision == revision).cloned()
}

/// Has the history show a revision, and of the others what became of them.
fn remember(ctx: &Context, subject: &Subject, report: &mut Report, new: HistoryEntry) {
    let history = &mut report.status.history;
    history.retain(|entry| entry.revision != new.revision);
    history.push(new);
    refresh(ctx, subject, report);
}

/// Has the history show what became of its revisions.
fn refresh(ctx: &Context, subject: &Subject, report: &mut Report) {
    let heads = ctx.memory.records(&subject.release);
    let mut history = std::mem::take(&mut report.status.history);
    for entry in &mut history {
        if let Some(head) = heads.iter().find(|head| head.revision == entry.revision) {
            if status_of(&entry.status).is_pending() && head.status == Status::Superseded {
                let later = heads
                    .iter()
                    .map(|head| head.revision)
                    .filter(|n| *n > entry.revision);
                entry.description = later.min().map(history::replaced_by);
            }
            entry.status = head.status.as_str().to_owned();
        }
    }
    history.retain(|entry| heads.iter().any(|head| head.revision == entry.revision));
    report.history(history);
}

/// Has the history show the newest revision, which ended before that was said, or which somebody else made. Returns
/// whether it was not shown yet.
fn found(ctx: &Context, subject: &Subject, report: &mut Report, newest: &Stored) -> bool {
    let revision = newest.head.revision;
    let known = shown(report, revision);
    let ended = known
        .as_ref()
        .is_some_and(|entry| entry.status == newest.head.status.as_str());
    let release = &newest.release;
    let (info, chart) = (&release.info, &release.chart);
    let known = known.unwrap_or_else(|| HistoryEntry {
        revision,
        chart_name: chart.name().to_owned(),
        chart_version: chart.version().to_owned(),
        app_version: Some(chart.app_version().to_owned()).filter(|version| !version.is_empty()),
        made_by: made_by(ctx, subject, release),
        ..HistoryEntry::default()
    });
    let entry = HistoryEntry {
        updated: info.last_deployed.timestamp().map(Time),
        description: Some(info.description.clone()),
        ..digested(ctx, subject, known, Some(release))
    };
    remember(ctx, subject, report, entry);
    !ended
}

/// Who made a revision of which the history does not tell; `None` where that is not known.
fn made_by(ctx: &Context, subject: &Subject, release: &Release) -> Option<MadeBy> {
    let ours = release.apply_method == Some(ApplyMethod::ServerSide);
    match ctx.companions.cached(&subject.key) {
        Some(companion) if companion.companion.revision == release.version => Some(MadeBy::HelmApp),
        // It speaks of the last revision that we made.
        Some(_) => Some(MadeBy::Other),
        None => (!ours).then_some(MadeBy::Other),
    }
}

fn entry(settling: &Settling, stored: &Record, known: HistoryEntry) -> HistoryEntry {
    HistoryEntry {
        revision: stored.head.revision,
        status: stored.head.status.as_str().to_owned(),
        chart_name: settling.chart.name.clone(),
        chart_version: settling.chart.version.clone(),
        app_version: settling.chart.app_version.clone(),
        input_digest: Some(settling.input_digest.clone()),
        updated: stored.made.map(Time),
        description: stored.description.lines().next().map(str::to_owned),
        chart_digest: Some(settling.chart.digest.clone()).filter(|digest| !digest.is_empty()),
        made_by: Some(MadeBy::HelmApp),
        ..known
    }
}

/// Says of the objects what a revision is deployed for.
fn are_ready(report: &mut Report) {
    report.healthy(true, reason::HEALTH_CHECK_SUCCEEDED, "all objects are ready");
}

/// The entry with the digests of its revision, once that is held.
fn digested(
    ctx: &Context,
    subject: &Subject,
    mut entry: HistoryEntry,
    held: Option<&Release>,
) -> HistoryEntry {
    if entry.values_digest.is_none()
        && let (Some(release), Some(companion)) = (held, ctx.companions.cached(&subject.key))
    {
        let key = Some(&companion.companion.digest_key).filter(|key| !key.is_empty());
        entry.values_digest = key.map(|key| digests::values(key, release));
        entry.manifest_digest = key.map(|key| digests::manifest(key, release));
    }
    entry
}

fn attempted(report: &mut Report, input_digest: &str, reason: Option<&str>) {
    report.status.last_attempted = Some(Attempt {
        input_digest: input_digest.to_owned(),
        time: Some(Time(Timestamp::now())),
        reason: reason.map(str::to_owned),
        ..Attempt::default()
    });
}

/// A revision failed for this: says so, and whether the same is tried again.
fn tried_in_vain(ctx: &Context, subject: &Subject, report: &mut Report, cause: &Cause, message: &str) {
    let heads = ctx.memory.records(&subject.release);
    let budget = Budget::after(&subject.app.spec, &heads, Some(cause.reason));
    let Cause {
        reason,
        tries,
        passes,
        ..
    } = *cause;
    let of = budget
        .tries()
        // Fewer may be allowed by now than were made.
        .filter(|all| tries <= *all)
        .map_or_else(String::new, |all| format!(" of {all}"));
    if remediation::is_retried(reason) && budget.tries_again(tries, passes) {
        let counted = match passes {
            true => String::new(),
            false => format!(" (try {tries}{of} failed)"),
        };
        let wait = remediation::pause(tries, &ctx.settings.slow_retry).as_secs();
        report.retrying(
            reason,
            &excerpt::with(
                message,
                &format!("it is tried again {wait} s after that{counted}"),
            ),
        );
    } else if tries > 1 {
        report.stalled(
            reason,
            &excerpt::with(
                message,
                &format!("it is not tried again (try {tries}{of} failed)"),
            ),
        );
    } else {
        report.stalled(reason, message);
    }
    report.status.last_attempted = Some(Attempt {
        input_digest: cause.input_digest.clone(),
        time: Some(Time(Timestamp::now())),
        reason: Some(reason.to_owned()),
        failures: tries,
        passes,
    });
}

fn inventory(ctx: &Context, subject: &Subject, report: &mut Report) {
    let objects = ctx.memory.objects(&subject.key);
    let hooks = ctx
        .memory
        .hooks(&subject.key)
        .into_iter()
        .map(|hook| InventoryEntry {
            hook: true,
            health: None,
            ..inventory_entry(&hook)
        });
    report.inventory(objects.iter().map(inventory_entry).chain(hooks).collect());
    report.status.inventory_digest = Some(known(ctx, subject).to_string());
}

fn known(ctx: &Context, subject: &Subject) -> InventoryDigest {
    ctx.memory.known(&subject.key, &ctx.unwatched(&subject.key))
}

/// How an object is doing, as the inventory says it; `None` where it has not been looked at.
fn health_of(object: &Tracked) -> Option<&'static str> {
    match object.health {
        _ if object.is_missing() => Some("Missing"),
        Health::Ready => Some(READY),
        Health::Progressing(_) => Some("Progressing"),
        Health::Failed(_) => Some("Failed"),
        Health::Unknown => None,
    }
}

fn inventory_entry((id, object): &(ObjectId, Tracked)) -> InventoryEntry {
    InventoryEntry {
        group: id.group.clone(),
        version: object.version.to_string(),
        kind: id.kind.clone(),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: id.name.clone(),
        uid: Some(object.uid.to_string()).filter(|uid| !uid.is_empty()),
        health: health_of(object).map(str::to_owned),
        hook: false,
    }
}
