//! The target namespace: there, made on request, or missed with a clear word.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};

use crate::cluster::apply::FIELD_MANAGER;
use crate::cluster::{Error as ClusterError, retry};
use crate::failpoints::failpoint;

use super::Context;
use super::policy::Error;
use super::subject::Subject;

/// The target namespace, if it does not exist and is to be made.
///
/// # Errors
/// [`Error::NoNamespace`] when it does not exist and is not to be made; a failed request.
pub(super) async fn missing(ctx: &Context, subject: &Subject) -> Result<BTreeSet<String>, Error> {
    let name = &subject.release.namespace;
    // The HelmApp's own namespace exists, and one with revisions in it does.
    if *name == subject.key.namespace || !ctx.memory.records(&subject.release).is_empty() {
        return Ok(BTreeSet::new());
    }
    let api: Api<Namespace> = Api::all(ctx.identities.operator());
    let found = retry::transient(|| async {
        let read = api.get_metadata_opt(name).await;
        read.map_err(|error| ClusterError::from_kube(format!("read Namespace {name}"), error, false))
    });
    match found.await? {
        Some(_) => Ok(BTreeSet::new()),
        None if subject.app.spec.create_namespace => Ok(BTreeSet::from([name.clone()])),
        None => Err(Error::NoNamespace(name.clone())),
    }
}

/// Whether the namespace is gone or on its way: what is in it goes without us.
///
/// # Errors
/// A failed request.
pub(super) async fn is_going(ctx: &Context, name: &str) -> Result<bool, Error> {
    let api: Api<Namespace> = Api::all(ctx.identities.operator());
    let found = retry::transient(|| async {
        let read = api.get_metadata_opt(name).await;
        read.map_err(|error| ClusterError::from_kube(format!("read Namespace {name}"), error, false))
    });
    Ok(found
        .await?
        .is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}

/// Makes the namespaces, with the rights of the release, or asks what the server would say to it. They are never deleted,
/// so they carry no owner.
///
/// # Errors
/// A failed request.
pub(super) async fn create(subject: &Subject, names: &BTreeSet<String>, dry_run: bool) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(subject.tenant.clone());
    let parameters = PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    for name in names {
        let namespace = Namespace {
            metadata: kube::api::ObjectMeta {
                name: Some(name.clone()),
                labels: Some([("name".to_owned(), name.clone())].into()),
                ..kube::api::ObjectMeta::default()
            },
            ..Namespace::default()
        };
        failpoint("namespace.create.before");
        retry::transient(|| async {
            match api.create(&parameters, &namespace).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                Err(error) => Err(ClusterError::from_kube(
                    format!("create Namespace {name}"),
                    error,
                    false,
                )),
            }
        })
        .await?;
        failpoint("namespace.create.after");
    }
    Ok(())
}
