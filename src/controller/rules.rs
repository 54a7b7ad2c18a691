//! The rules of a spec that have to be read before they can be used: expressions for health, and what drift may stay.

use std::sync::Arc;

use helmapp_helm::health::expr::{Checks, Error as CheckError, Source};

use crate::api::HealthCheckExpr;
use crate::api::conditions::reason;

use super::Context;
use super::drift::Ignore;
use super::policy::{Again, Error};
use super::subject::Subject;

/// The rules of one HelmApp, as they were read.
#[derive(Debug, Default)]
pub(super) struct Rules {
    generation: i64,
    /// What drift may stay.
    pub ignore: Ignore,
}

/// Reads the rules of the spec, once for each generation, and has the objects' health told by them. Those that can't be
/// used change nothing.
///
/// # Errors
/// The first rule that can't be used.
pub(super) fn learn(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let spec = &subject.app.spec;
    let known = ctx.rules.get(&subject.key);
    if spec.health_check_exprs.is_empty() && spec.drift_detection.ignore.is_empty() {
        if known.is_some() {
            ctx.rules.remove(&subject.key);
            ctx.memory.check_by(&subject.key, None);
        }
        return Ok(());
    }
    let generation = subject.generation();
    if known.is_some_and(|known| known.generation == generation) {
        return Ok(());
    }
    let sources = spec.health_check_exprs.iter().map(source);
    let checks = Checks::compile("spec.healthCheckExprs", sources).map_err(|error| Error::Input {
        reason: reason::INVALID_CEL_EXPRESSION,
        again: match &error {
            CheckError::Thread { .. } => Again::Soon(None),
            _ => Again::OnChange,
        },
        message: error.to_string(),
    })?;
    let ignore = Ignore::compile(&spec.drift_detection.ignore).map_err(|message| Error::Input {
        reason: reason::INVALID_IGNORE_RULE,
        message,
        again: Again::OnChange,
    })?;
    let checks = (!checks.is_empty()).then(|| Arc::new(checks));
    ctx.memory.check_by(&subject.key, checks);
    ctx.rules
        .insert(&subject.key, Arc::new(Rules { generation, ignore }));
    Ok(())
}

fn source(expr: &HealthCheckExpr) -> Source<'_> {
    Source {
        api_version: &expr.api_version,
        kind: expr.kind.as_deref(),
        current: &expr.current,
        in_progress: expr.in_progress.as_deref(),
        failed: expr.failed.as_deref(),
    }
}
