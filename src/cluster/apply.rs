//! Server-side apply, dry or real, and what the server's answer says about the live object.

use std::sync::Arc;

use helmapp_helm::plan::{
    Answer, Conflict, Live, Object, ObjectId, Owner, Ownership, Yield, classify, give_way, leftovers, prepare,
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use kube::Client;
use kube::api::PropagationPolicy;
use kube::client::Body;
use kube::core::{ApiResource, DynamicObject, Resource};
use serde_json::Value;

use super::brief::METADATA_ONLY;
use super::discovery::Snapshot;
use super::managed_fields::take_over;
use super::{Error, Result, prune, retry};
use crate::failpoints::failpoint;

/// The manager of our fields: the one that Helm 4 uses, so that its CLI and we own the same fields.
pub const FIELD_MANAGER: &str = "helm";

const APPLY_PATCH: &str = "application/apply-patch+yaml";
const MERGE_PATCH: &str = "application/merge-patch+json";
const WHOLE: HeaderValue = HeaderValue::from_static("application/json");
/// Most bytes of one answer that are read; etcd's own limit for an object is far below.
const MAX_ANSWER: usize = 16 << 20;

/// The live object after an apply.
#[derive(Debug, Clone)]
pub struct Applied {
    /// It did not exist before.
    pub created: bool,
    /// The object as the server keeps it, or of it what was asked for.
    pub live: Value,
    /// Fields that others had set otherwise.
    pub conflicts: Vec<Conflict>,
}

/// How much of an object an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

/// One identity that applies objects for one release.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    snapshot: Arc<Snapshot>,
    owner: Owner,
    yields: Arc<[Yield]>,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl Applier {
    /// Applies with `client`'s identity, for `owner`.
    pub fn new(client: Client, snapshot: Arc<Snapshot>, owner: Owner) -> Self {
        Self {
            client,
            snapshot,
            owner,
            yields: Arc::default(),
        }
    }

    /// The same, without taking fields from these managers.
    #[must_use]
    pub fn yielding(self, yields: Arc<[Yield]>) -> Self {
        Self { yields, ..self }
    }

    /// The same with newer discovery, after a CRD was established.
    pub fn with_snapshot(self, snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, ..self }
    }

    /// Asks the server what an apply would do. `known_uid` is the UID of the live object where we watch it as
    /// ours; then its ownership needs no further question.
    ///
    /// # Errors
    /// Only what says nothing about the object: transient failures after their retries.
    pub async fn dry_run(&self, object: &Object, known_uid: Option<&str>) -> Result<Answer> {
        let applied = match self.write(object, None, true, METADATA_ONLY).await {
            Ok(applied) => applied,
            Err(error) => {
                let mut answer = refusal(error)?;
                if let Answer::Immutable { live, .. } = &mut answer {
                    *live = self.standing(object).await?;
                }
                return Ok(answer);
            }
        };
        let conflicts = applied.conflicts;
        if applied.created {
            return Ok(Answer::Absent);
        }
        let uid = uid_of(&applied.live);
        if known_uid == Some(uid) {
            return Ok(Answer::Present {
                uid: uid.to_owned(),
                ownership: Ownership::Ours,
                conflicts,
            });
        }
        // Our own marks are in the answer, so it can't tell whose the object was.
        match self.metadata(&object.id, &object.version).await {
            Ok(Some(live)) => Ok(Answer::Present {
                uid: uid_of(&live).to_owned(),
                ownership: classify(&live, &self.owner),
                conflicts,
            }),
            Ok(None) => Ok(Answer::Absent),
            Err(error) => refusal(error),
        }
    }

    /// The live object that stands in the way of another; `None` where it can't be read.
    async fn standing(&self, object: &Object) -> Result<Option<Live>> {
        // Only of StatefulSets more than the metadata matters.
        let whole = object.id.group == "apps" && object.id.kind == "StatefulSet";
        let detail = if whole { WHOLE } else { METADATA_ONLY };
        let live = match self.read(&object.id, &object.version, detail).await {
            Err(error) if error.is_forbidden() => None,
            read => read?,
        };
        Ok(live.map(|live| Live {
            uid: uid_of(&live).to_owned(),
            ownership: classify(&live, &self.owner),
            spec: live.get("spec").cloned().unwrap_or_default(),
        }))
    }

    /// Applies the object. Fields are taken from other managers, but for those that the release yields to. With `uid` only while the live object has that UID.
    ///
    /// # Errors
    /// The server's refusal, or a transient failure after its retries; [`Error::is_replaced`] for another object
    /// than that of the UID, or none.
    pub async fn apply(&self, object: &Object, uid: Option<&str>, answer: Detail) -> Result<Applied> {
        let answer = match answer {
            Detail::Metadata => METADATA_ONLY,
            Detail::Object => WHOLE,
        };
        failpoint("object.apply.before");
        let mut applied = self.write(object, uid, false, answer.clone()).await?;
        if !applied.created && self.take_over(object, &applied.live).await? {
            // What another Helm had and the chart has not goes only now that it is ours.
            let again = self.write(object, uid, false, answer).await?;
            applied.live = again.live;
        }
        failpoint("object.apply.after");
        Ok(applied)
    }

    async fn take_over(&self, object: &Object, live: &Value) -> Result<bool> {
        let resource = self.resource(&object.id, &object.version)?;
        let uri = object_path(&resource, &object.id);
        let doing = format!("take over the fields of {}", object.id);
        take_over(&self.client, &uri, &doing, is_secret(&object.id), live).await
    }

    /// Deletes the object that has this UID, and no other. `false` when it is not there any more.
    ///
    /// # Errors
    /// The server's refusal, or a transient failure after its retries.
    pub async fn delete(
        &self,
        id: &ObjectId,
        version: &str,
        uid: &str,
        propagation: &PropagationPolicy,
    ) -> Result<bool> {
        prune::delete(&self.client, &self.snapshot, id, version, uid, propagation).await
    }

    /// The object as an apply would leave it; nothing is written.
    ///
    /// # Errors
    /// The server's refusal, or a transient failure after its retries.
    pub async fn would_be(&self, object: &Object) -> Result<Value> {
        Ok(self.write(object, None, true, WHOLE).await?.live)
    }

    /// The live object, `None` when it does not exist.
    ///
    /// # Errors
    /// The server's refusal, or a transient failure after its retries.
    pub async fn get(&self, id: &ObjectId, version: &str) -> Result<Option<Value>> {
        self.read(id, version, WHOLE).await
    }

    /// The live object's metadata, `None` when it does not exist.
    ///
    /// # Errors
    /// The server's refusal, or a transient failure after its retries.
    pub async fn metadata(&self, id: &ObjectId, version: &str) -> Result<Option<Value>> {
        self.read(id, version, METADATA_ONLY).await
    }

    /// Applies the object, dry or not: first without taking anything from anybody. What others have set otherwise is
    /// taken or left to them then, and what only defaults made and stands in the way is cleared away.
    async fn write(
        &self,
        object: &Object,
        uid: Option<&str>,
        dry: bool,
        answer: HeaderValue,
    ) -> Result<Applied> {
        let mut value = prepare(&object.value, &self.owner);
        if let (Some(uid), Some(metadata)) = (uid, value.get_mut("metadata").and_then(Value::as_object_mut)) {
            metadata.insert("uid".to_owned(), uid.into());
        }
        let write = Write { object, dry, answer };
        match self.apply_or_take(&write, &mut value).await {
            Err(error) if error.is_invalid() && !is_secret(&object.id) => {
                self.clear(&write, value, error).await
            }
            other => other,
        }
    }

    async fn apply_or_take(&self, write: &Write<'_>, value: &mut Value) -> Result<Applied> {
        match self.patch(write, APPLY_PATCH, "", value).await {
            Err(Error::Conflicts { conflicts, .. }) => {
                let mut conflicts = give_way(value, conflicts, &self.yields);
                // A client-side Helm is no other.
                conflicts.retain(|conflict| conflict.manager != FIELD_MANAGER);
                let applied = self.patch(write, APPLY_PATCH, "&force=true", value).await?;
                Ok(Applied { conflicts, ..applied })
            }
            other => other,
        }
    }

    /// An object that the server does not accept, perhaps for what its defaults left in the live one.
    async fn clear(&self, write: &Write<'_>, mut value: Value, refused: Error) -> Result<Applied> {
        let object = write.object;
        let Ok(Some(live)) = self.get(&object.id, &object.version).await else {
            return Err(refused);
        };
        let Some(mut found) = leftovers(&value, &live, FIELD_MANAGER) else {
            return Err(refused);
        };
        if write.dry {
            // One request can't show what two would do; a patch can take away what an apply can't.
            let without = self.patch(write, MERGE_PATCH, "", &found.without).await;
            return without.map_err(|_| refused);
        }
        if let Some(metadata) = found.claim.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), uid_of(&live).into());
        }
        self.patch(write, APPLY_PATCH, "", &found.claim).await?;
        self.apply_or_take(write, &mut value).await
    }

    async fn patch(&self, write: &Write<'_>, form: &str, force: &str, value: &Value) -> Result<Applied> {
        let Write { object, dry, answer } = write;
        let doing = format!("{} {}", if *dry { "check" } else { "apply" }, object.id);
        let resource = self.resource(&object.id, &object.version)?;
        let query = if *dry { "&dryRun=All" } else { "" };
        let path = object_path(&resource, &object.id);
        let uri = format!("{path}?fieldManager={FIELD_MANAGER}{force}{query}");
        let body = serde_json::to_vec(value).map_err(|error| Error::Connection {
            doing: doing.clone(),
            message: error.to_string(),
        })?;
        let secret = is_secret(&object.id);
        retry::transient(|| async {
            let request = Request::builder()
                .method(Method::PATCH)
                .uri(&uri)
                .header(header::CONTENT_TYPE, form)
                .header(header::ACCEPT, answer.clone())
                .body(Body::from(body.clone()));
            let (status, live) = send(&self.client, request, &doing, secret).await?;
            Ok(Applied {
                created: status == StatusCode::CREATED,
                live,
                conflicts: Vec::new(),
            })
        })
        .await
    }

    async fn read(&self, id: &ObjectId, version: &str, answer: HeaderValue) -> Result<Option<Value>> {
        let doing = format!("read {id}");
        let resource = self.resource(id, version)?;
        let uri = object_path(&resource, id);
        let read = retry::transient(|| async {
            let request = Request::get(&uri)
                .header(header::ACCEPT, answer.clone())
                .body(Body::empty());
            send(&self.client, request, &doing, is_secret(id)).await
        });
        match read.await {
            Ok((_, live)) => Ok(Some(live)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn resource(&self, id: &ObjectId, version: &str) -> Result<ApiResource> {
        self.snapshot
            .resource_of(id, version)
            .ok_or_else(|| Error::UnknownKind {
                api_version: if id.group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{}/{version}", id.group)
                },
                kind: id.kind.clone(),
            })
    }
}

/// One object on its way to the server.
struct Write<'a> {
    object: &'a Object,
    /// Nothing is to be written.
    dry: bool,
    /// The form of the answer.
    answer: HeaderValue,
}

fn uid_of(live: &Value) -> &str {
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
    uid.unwrap_or_default()
}

/// Whether the server's words about the object could quote a secret.
pub fn is_secret(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Secret"
}

/// The request path of an object.
pub fn object_path(resource: &ApiResource, id: &ObjectId) -> String {
    let namespace = (!id.namespace.is_empty()).then_some(id.namespace.as_str());
    format!(
        "{}/{}",
        DynamicObject::url_path(resource, namespace),
        escape(&id.name)
    )
}

/// A failed dry run that says something about the object is an answer.
fn refusal(error: Error) -> Result<Answer> {
    let immutable = error.is_immutable();
    let forbidden = error.is_forbidden();
    let untyped = error.is_untyped();
    match error {
        Error::Api { message, fields, .. } if immutable => Ok(Answer::Immutable {
            fields,
            message,
            live: None,
        }),
        Error::Api { message, .. } if forbidden => Ok(Answer::Forbidden { message }),
        Error::Api {
            code: 404, message, ..
        } => Ok(Answer::Missing { message }),
        Error::Api { message, .. } if untyped => Ok(Answer::Invalid { message }),
        Error::Api {
            code: 400 | 403 | 405 | 406 | 413 | 415 | 422,
            message,
            ..
        } => Ok(Answer::Invalid { message }),
        Error::UnknownKind { .. } => Ok(Answer::Missing {
            message: error.to_string(),
        }),
        error => Err(error),
    }
}

/// Sends a request about an object. With `secret` the server's words about it are not passed on.
///
/// # Errors
/// The server's refusal, or no answer.
pub(super) async fn send(
    client: &Client,
    request: http::Result<Request<Body>>,
    doing: &str,
    secret: bool,
) -> Result<(StatusCode, Value)> {
    let failed = |message: String| Error::Connection {
        doing: doing.to_owned(),
        message,
    };
    let request = request.map_err(|error| failed(error.to_string()))?;
    let response = client
        .send(request)
        .await
        .map_err(|error| Error::from_kube(doing, error, secret))?;
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER);
    let bytes = http_body_util::BodyExt::collect(body)
        .await
        .map_err(|error| failed(error.to_string()))?
        .to_bytes();
    if status.is_success() {
        let value =
            serde_json::from_slice(&bytes).map_err(|error| failed(format!("unreadable answer: {error}")))?;
        return Ok((status, value));
    }
    let answer = serde_json::from_slice::<kube::core::Status>(&bytes)
        .unwrap_or_else(|_| kube::core::Status::failure(&String::from_utf8_lossy(&bytes), status.as_str()));
    Err(Error::from_kube(
        doing,
        kube::Error::Api(answer.with_code(status.as_u16()).boxed()),
        secret,
    ))
}

/// Names are mostly plain; RBAC allows colons and more.
fn escape(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes()
        .fold(String::with_capacity(name.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, message: &str) -> Error {
        Error::Api {
            doing: "check x".into(),
            code,
            reason: String::new(),
            message: message.into(),
            fields: vec!["spec.f".into()],
            retry_after: None,
        }
    }

    #[test]
    fn refusals_are_answers_and_outages_are_errors() {
        let message = |text: &str| text.to_owned();
        let table = [
            (
                422,
                "field is immutable",
                Some(Answer::Immutable {
                    fields: vec!["spec.f".into()],
                    message: message("field is immutable"),
                    live: None,
                }),
            ),
            (
                422,
                "must be positive",
                Some(Answer::Invalid {
                    message: message("must be positive"),
                }),
            ),
            (
                400,
                "strict decoding error",
                Some(Answer::Invalid {
                    message: message("strict decoding error"),
                }),
            ),
            (
                403,
                "User x cannot patch",
                Some(Answer::Forbidden {
                    message: message("User x cannot patch"),
                }),
            ),
            (
                403,
                "exceeded quota",
                Some(Answer::Invalid {
                    message: message("exceeded quota"),
                }),
            ),
            (
                404,
                "namespaces \"x\" not found",
                Some(Answer::Missing {
                    message: message("namespaces \"x\" not found"),
                }),
            ),
            (500, "webhook down", None),
            (429, "slow down", None),
        ];
        for (code, text, expected) in table {
            assert_eq!(refusal(api(code, text)).ok(), expected, "{code} {text}");
        }
    }

    #[test]
    fn paths() {
        let resource = ApiResource {
            group: "rbac.authorization.k8s.io".into(),
            version: "v1".into(),
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: "Role".into(),
            plural: "roles".into(),
        };
        let mut id = ObjectId {
            group: resource.group.clone(),
            kind: "Role".into(),
            namespace: "web".into(),
            name: "system:a b/c".into(),
        };
        let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/web/roles/system:a%20b%2Fc";
        assert_eq!(object_path(&resource, &id), path);
        id.namespace.clear();
        assert_eq!(
            object_path(&resource, &id),
            "/apis/rbac.authorization.k8s.io/v1/roles/system:a%20b%2Fc"
        );
    }
}
