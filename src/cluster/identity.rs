//! Clients that act as a ServiceAccount: the operator's own connections, with an impersonation header.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Request};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// Clients of tenants that are kept; beyond it the cache is emptied and built up again.
pub const MAX_CLIENTS: usize = 256;

/// The operator's client and the clients made from it.
#[derive(Debug)]
pub struct Identities {
    base: Hidden<Client>,
    tenants: Mutex<HashMap<String, Hidden<Client>>>,
}

/// `kube::Client` has no `Debug`.
struct Hidden<T>(T);

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Identities {
    /// Identities over the operator's own client.
    pub fn new(base: Client) -> Self {
        Self {
            base: Hidden(base),
            tenants: Mutex::default(),
        }
    }

    /// The operator's own client.
    pub fn operator(&self) -> Client {
        self.base.0.clone()
    }

    /// A client that acts as the ServiceAccount, or as the operator where there is none. A name that can't be
    /// a ServiceAccount's gives a client whose requests the server refuses.
    pub fn tenant(&self, service_account: Option<(&str, &str)>) -> Client {
        let Some((namespace, name)) = service_account else {
            return self.operator();
        };
        let user = user_name(namespace, name);
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MAX_CLIENTS && !tenants.contains_key(&user) {
            tenants.clear();
        }
        let base = &self.base.0;
        tenants
            .entry(user.clone())
            .or_insert_with(|| Hidden(impersonate(base.clone(), &user)))
            .0
            .clone()
    }
}

/// The user name of a ServiceAccount.
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

fn impersonate(base: Client, user: &str) -> Client {
    // A header can't carry control characters; a ServiceAccount's name never has one.
    let header = HeaderValue::from_str(user).unwrap_or(HeaderValue::from_static("system:anonymous"));
    let namespace = base.default_namespace().to_owned();
    let service = service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert(IMPERSONATE_USER, header.clone());
        let base = base.clone();
        async move { base.send(request).await }
    });
    Client::new(service, namespace)
}
