//! What keeps random functions from giving a release something else each time that it is rendered.
//!
//! It is made at the first rendering that asks for something random, and kept in the companion until the release is
//! uninstalled or the HelmApp's annotation asks for it anew.

use helmapp_helm::render::Memo;
use jiff::Timestamp;

use crate::api::conditions::reason;
use crate::store::KeptMemo;

use super::Context;
use super::policy::{Again, Error};
use super::subject::Subject;

/// The release's memo, or a new one that is kept if the rendering asks for something random.
///
/// # Errors
/// A failed request, or a system without random numbers.
pub(super) async fn of(ctx: &Context, subject: &Subject, revision: i64) -> Result<KeptMemo, Error> {
    let renewal = subject.app.renewal();
    // A release without a record has none: what a rendering drew that came to nothing, nobody has seen.
    if revision > 1
        && let Some(stored) = ctx.companions.known(ctx, subject).await?
        && let Some(kept) = &stored.companion.memo
        && kept.is_for(renewal)
    {
        return Ok(kept.clone());
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::Input {
        reason: reason::RENDER_FAILED,
        message: format!("the system gives no random numbers: {error}"),
        again: Again::Soon(None),
    })?;
    Ok(KeptMemo {
        memo: Memo::new(seed, Timestamp::now().as_second()),
        renewal: renewal.unwrap_or_default().to_owned(),
    })
}
