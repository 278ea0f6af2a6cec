//! [`wrap_future`]: a concurrent future, awaited on a loop.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::concurrent::{self, FutureError, FutureHandle};

/// Ties a concurrent future to the await of it: awaiting gives its result; dropping the await
/// before it is done cancels it, if its job has not begun. asyncio's `wrap_future`.
///
/// The job's thread wakes the loop through its inbox. Awaiting the [`concurrent::Future`] itself
/// does the same but leaves the job alone when dropped.
///
/// ```
/// use bucle_loop::concurrent::ThreadPoolExecutor;
///
/// bucle_loop::run(async {
///     let pool = ThreadPoolExecutor::new();
///     let job = pool.submit(|| (0..10_000_u64).sum::<u64>());
///     assert_eq!(bucle_loop::wrap_future(job).await.unwrap(), 49_995_000);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wrap_future<T, E>(future: concurrent::Future<T, E>) -> WrapFuture<T, E> {
    WrapFuture {
        future: Some(future),
    }
}

/// The future of [`wrap_future`] and of
/// [`run_in_executor`](crate::LoopRef::run_in_executor).
///
/// # Panics
/// If it is polled after it gave the result.
#[must_use = "dropping it cancels the job if that has not begun; await it, or say `detach()`"]
pub struct WrapFuture<T, E = Infallible> {
    /// Until it gave the result, or was detached.
    future: Option<concurrent::Future<T, E>>,
}

impl<T, E> WrapFuture<T, E> {
    /// Lets the job run by itself. Its result is dropped where it is made; the panic hook tells of
    /// its panic.
    pub fn detach(mut self) {
        self.future = None;
    }

    /// Unties it again: dropping what this gives cancels nothing, and a thread can wait for it.
    ///
    /// # Panics
    /// If the result was given out.
    pub fn into_concurrent(mut self) -> concurrent::Future<T, E> {
        self.future
            .take()
            .expect("a wrapped future was untied after its result was taken")
    }

    /// Ready when the job is done, or its result was given out.
    pub(crate) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.future {
            Some(future) => future.poll_done(cx),
            None => Poll::Ready(()),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.future
            .as_ref()
            .is_some_and(concurrent::Future::has_failed)
    }

    /// A handle to watch and cancel the job by; `None` once the result was given out.
    pub fn handle(&self) -> Option<FutureHandle> {
        self.future.as_ref().map(concurrent::Future::handle)
    }
}

impl<T, E> Future for WrapFuture<T, E> {
    type Output = Result<T, FutureError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else {
            panic!("a wrapped future was polled after its result was taken");
        };
        let result = Pin::new(future).poll(cx);
        if result.is_ready() {
            self.future = None;
        }
        result
    }
}

impl<T, E> Drop for WrapFuture<T, E> {
    fn drop(&mut self) {
        if let Some(future) = &self.future {
            future.cancel("the await of it was dropped");
        }
    }
}

impl<T, E> fmt::Debug for WrapFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WrapFuture").field(&self.future).finish()
    }
}
