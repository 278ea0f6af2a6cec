//! [`Handler`]: what answers requests.

use std::future::Future;

use crate::{Request, Response};

/// Answers requests: any `Fn(Request)` that returns a future of a [`Response`].
///
/// One handler serves one loop, so neither it nor its futures need be `Send`. The future is polled
/// at once, in place; if it is ready, the answer leaves in the same turn, and no task was made for
/// it. If it isn't, it becomes a task of its own. It is dropped when the client goes away first.
///
/// A panic in a handler is answered with 500 and closes that connection; it goes to the loop's
/// exception handler, and the server goes on.
pub trait Handler: 'static {
    /// The answer that is to come.
    type Future: Future<Output = Response> + 'static;

    /// Begins to answer.
    fn call(&self, request: Request) -> Self::Future;
}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + 'static,
    Fut: Future<Output = Response> + 'static,
{
    type Future = Fut;

    #[inline]
    fn call(&self, request: Request) -> Fut {
        self(request)
    }
}
