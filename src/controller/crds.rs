//! The CRDs of a chart's crds/ directories, as the policy says: left out, made, or replaced. Never deleted.

use std::sync::Arc;

use helmapp_helm::release::Status;
use serde_json::Value;

use crate::api::CrdsPolicy;
use crate::api::conditions::reason;
use crate::cluster::crds;
use crate::cluster::discovery::Snapshot;
use crate::store::Head;

use super::Context;
use super::policy::{self, Again, Error};
use super::subject::Subject;

/// What is done with the CRDs of the chart now. Until a revision is deployed it is an install.
pub(super) fn policy(ctx: &Context, subject: &Subject) -> CrdsPolicy {
    let spec = &subject.app.spec;
    match is_first(&ctx.memory.records(&subject.release)) {
        true => spec.install.crds,
        false => spec.upgrade.crds,
    }
}

/// Whether no revision of the release was deployed yet.
pub(super) fn is_first(heads: &[Head]) -> bool {
    let mut of_this_release = heads.iter().take_while(|head| head.status != Status::Uninstalled);
    !of_this_release.any(|head| head.status == Status::Deployed)
}

/// Those of the chart's CRDs that will be as it has them: one that is there stays as it is where it is only to be made.
pub(super) fn brought<'d>(
    ctx: &Context,
    subject: &Subject,
    documents: &'d [Value],
    snapshot: &Snapshot,
) -> Vec<&'d Value> {
    match policy(ctx, subject) {
        CrdsPolicy::Skip => Vec::new(),
        CrdsPolicy::Create => crds::missing(documents, snapshot),
        CrdsPolicy::CreateReplace => documents
            .iter()
            .filter(|document| crds::is_crd(document))
            .collect(),
    }
}

/// Makes sure that the CRDs can be replaced, where they are to be; nothing is written.
///
/// # Errors
/// Every CRD that can't be replaced; the server's refusal, or a failed request.
pub(super) async fn check(ctx: &Context, subject: &Subject, documents: &[Value]) -> Result<(), Error> {
    if policy(ctx, subject) != CrdsPolicy::CreateReplace {
        return Ok(());
    }
    let mut refusals = Vec::new();
    for crd in documents.iter().filter(|document| crds::is_crd(document)) {
        match crds::check(&subject.tenant, crd).await {
            Ok(None) => {}
            Ok(Some(why)) => refusals.push(why),
            Err(error) => return Err(error.into()),
        }
    }
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Error::Input {
        reason: reason::OBJECT_INVALID,
        message: policy::join(&refusals),
        again: Again::Seldom,
    })
}

/// Makes and replaces the CRDs, and waits until they are served.
///
/// # Errors
/// The server's refusal, or CRDs that are not established in time.
pub(super) async fn install(
    ctx: &Context,
    subject: &Subject,
    documents: &[Value],
    snapshot: Arc<Snapshot>,
) -> Result<Arc<Snapshot>, Error> {
    let coming = brought(ctx, subject, documents, &snapshot);
    let names = match policy(ctx, subject) {
        CrdsPolicy::Skip => return Ok(snapshot),
        CrdsPolicy::Create => {
            crds::create(&subject.tenant, &coming, false).await?;
            coming.into_iter().filter_map(crds::name).collect()
        }
        CrdsPolicy::CreateReplace => crds::replace(&subject.tenant, &coming).await?,
    };
    match names.is_empty() {
        true => Ok(snapshot),
        false => serve(ctx, subject, &names).await,
    }
}

/// Waits until the kinds of CRDs are served.
///
/// # Errors
/// CRDs that are not established in time; a failed request.
pub(super) async fn serve(
    ctx: &Context,
    subject: &Subject,
    names: &[String],
) -> Result<Arc<Snapshot>, Error> {
    crds::established(&subject.tenant, names).await?;
    ctx.discovery.invalidate();
    Ok(ctx.discovery.snapshot().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_install_until_a_revision_is_deployed() {
        use Status::{Deployed, Failed, PendingInstall, PendingUpgrade, Superseded, Uninstalled};
        let table: [(&[Status], bool); 9] = [
            (&[], true),
            (&[PendingInstall], true),
            (&[Failed], true),
            (&[Failed, Failed], true),
            (&[Deployed], false),
            (&[Failed, Deployed], false),
            (&[PendingUpgrade, Deployed, Superseded], false),
            (&[PendingUpgrade, Failed], true),
            (&[PendingInstall, Uninstalled, Superseded], true),
        ];
        for (statuses, expected) in table {
            let heads: Vec<Head> = statuses
                .iter()
                .map(|status| Head::bare(1, status.clone()))
                .collect();
            assert_eq!(is_first(&heads), expected, "{statuses:?}");
        }
    }
}
