//! Requests of an operator that fail although the API server is well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The API server does it, and the connection is cut before its answer comes.
    LostAnswer,
    /// The API server is not reached.
    Unavailable,
}

/// The requests that go wrong: so many of this method with this text in their path and query.
#[derive(Clone, Debug)]
struct Fault {
    method: Method,
    part: String,
    harm: Harm,
    left: u32,
}

/// What goes wrong of an operator's requests, in their order.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    /// Writes that still get through; all of them where there is no number.
    writes: Option<u32>,
    /// Writes that did not get through.
    cut: u32,
}

impl Faults {
    /// Has the next `times` requests go wrong whose path ends with `part` before the query.
    pub fn add(&self, method: Method, part: &str, harm: Harm, times: u32) {
        self.state().faults.push(Fault {
            method,
            part: part.to_owned(),
            harm,
            left: times,
        });
    }

    /// Has no write get through any more after the next `writes`, as if the operator had ended then.
    pub fn cut_after(&self, writes: u32) {
        let mut state = self.state();
        state.writes = Some(writes);
        state.cut = 0;
    }

    /// Whether a write did not get through.
    pub fn is_cut(&self) -> bool {
        self.state().cut > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panicking test has left is still a list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has nothing go wrong any more.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Whether all that was to go wrong did.
    pub fn all_done(&self) -> bool {
        self.state().faults.iter().all(|fault| fault.left == 0)
    }

    fn next(&self, request: &Request<Body>) -> Option<Harm> {
        let dry = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("dryRun"));
        let mut state = self.state();
        if !dry && *request.method() != Method::GET {
            match &mut state.writes {
                None => {}
                Some(0) => {
                    state.cut += 1;
                    return Some(Harm::Unavailable);
                }
                Some(left) => *left -= 1,
            }
        }
        let fault = state.faults.iter_mut().find(|fault| {
            fault.left > 0 && fault.method == *request.method() && request.uri().path().ends_with(&fault.part)
        })?;
        if dry {
            return None;
        }
        fault.left -= 1;
        Some(fault.harm)
    }
}

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty {
            inner,
            faults: self.clone(),
        }
    }
}

/// A client's service with [`Faults`].
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S, B> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let harm = self.faults.next(&request);
        if harm == Some(Harm::Unavailable) {
            return Box::pin(async { Err("nobody answers".into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            match harm {
                Some(Harm::LostAnswer) => Err("the connection was cut".into()),
                _ => Ok(answer),
            }
        })
    }
}
