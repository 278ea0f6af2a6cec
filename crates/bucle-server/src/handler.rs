//! [`Handler`]: what answers requests; [`Answer`]: what a function that is one may return.

use std::future::{Future, Ready, ready};

use crate::into_response::IntoResponse;
use crate::{Request, Response};

/// Answers requests: an `async fn(Request)` that returns what becomes a [`Response`], a plain
/// `fn(Request) -> Response`, or a closure of either kind, which is where state goes.
///
/// ```
/// use std::cell::Cell;
/// use bucle_server::{BodyError, Handler, Request, Response};
///
/// async fn shout(mut request: Request) -> Result<String, BodyError> {
///     let body = request.body().collect(64 * 1024).await?;
///     Ok(String::from_utf8_lossy(&body).to_uppercase())
/// }
///
/// fn path(request: Request) -> Response {
///     Response::text(request.path().to_owned())
/// }
///
/// fn is_handler(_: impl Handler) {}
/// is_handler(shout);
/// is_handler(path);
/// let visits = Cell::new(0);
/// is_handler(move |_: Request| {
///     visits.set(visits.get() + 1);
///     Response::text(format!("{} visits", visits.get()))
/// });
/// ```
///
/// One handler serves one loop, so neither it nor its futures need be `Send`. The future is polled
/// at once, in place; if it is ready, the answer leaves in the same turn, and no task was made for
/// it. If it isn't, it becomes a task of its own. It is dropped when the client goes away first:
/// when the connection is lost, not when the client has ended only its side. Which of the two it is
/// shows when something is sent, so two seconds after such an end, and now and then from then on, the
/// client is sent `102 Processing`, which means nothing to one that waits (RFC 9110 section 15.2).
///
/// A panic in a handler is answered with 500 and closes that connection; it goes to the loop's
/// exception handler, and the server goes on.
///
/// Several handlers by path and method are one: [`Routes`](crate::Routes).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    note = "a handler is an `async fn(Request)` whose result is `IntoResponse`, or a plain \
            `fn(Request) -> Response`; a closure says the type of its argument: `|request: Request|`"
)]
pub trait Handler: 'static {
    /// The answer that is to come.
    type Future: Future<Output: IntoResponse> + 'static;

    /// Begins to answer.
    fn call(&self, request: Request) -> Self::Future;
}

/// What a function that is a [`Handler`] returns: a future of what becomes a response, as an `async
/// fn` does, or a [`Response`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer",
    note = "a handler is an `async fn(Request)` whose result is `IntoResponse`, or a plain \
            `fn(Request) -> Response`"
)]
pub trait Answer {
    /// The future it is, or becomes.
    type Future: Future<Output: IntoResponse> + 'static;

    /// Makes it a future.
    fn into_future(self) -> Self::Future;
}

impl<F> Answer for F
where
    F: Future<Output: IntoResponse> + 'static,
{
    type Future = F;

    #[inline]
    fn into_future(self) -> F {
        self
    }
}

impl Answer for Response {
    type Future = Ready<Response>;

    #[inline]
    fn into_future(self) -> Ready<Response> {
        ready(self)
    }
}

impl<F, A> Handler for F
where
    F: Fn(Request) -> A + 'static,
    A: Answer,
{
    type Future = A::Future;

    #[inline]
    fn call(&self, request: Request) -> A::Future {
        self(request).into_future()
    }
}
