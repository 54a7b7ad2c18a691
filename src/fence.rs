//! Until when a process may act: what changes something is not sent any more once the lead has run out by our own
//! clock. A process that was stopped for a while, and goes on before it has learned that another one leads, changes
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, service_fn};

/// Open for good, or until a time that each renewal of the lead puts off.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    /// Open until then.
    pub fn put_off(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// A client that changes nothing once the time is over.
    pub fn guard(&self, client: Client) -> Client {
        let fence = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |request: Request<Body>| {
            let (fence, client) = (fence.clone(), client.clone());
            async move {
                if !fence.lets_through(request.method(), Instant::now()) {
                    return Err(BoxError::from("the lead has run out"));
                }
                client.send(request).await.map_err(BoxError::from)
            }
        });
        Client::new(service, namespace)
    }

    fn lets_through(&self, method: &Method, now: Instant) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        method == Method::GET || until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_is_changed_after_the_lead_has_run_out() {
        let (fence, now) = (Fence::default(), Instant::now());
        assert!(
            fence.lets_through(&Method::PATCH, now),
            "without an election it is open"
        );
        fence.put_off(now + Duration::from_secs(1));
        let late = now + Duration::from_secs(1);
        for (method, at, expected) in [
            (Method::PATCH, now, true),
            (Method::PATCH, late, false),
            (Method::DELETE, late, false),
            (Method::GET, late, true),
        ] {
            assert_eq!(fence.clone().lets_through(&method, at), expected, "{method}");
        }
        fence.put_off(late + Duration::from_secs(1));
        assert!(fence.lets_through(&Method::POST, late));
    }
}
