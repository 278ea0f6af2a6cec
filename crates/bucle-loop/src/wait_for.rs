//! [`wait_for`], and [`Task::wait_for`] for tasks that exist already.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::sleep::sleep;
use crate::task::{CancelPlace, Cancelled, Task, TaskError, unwinding};
use crate::timeout::{TimeoutError, timeout};

/// Waits for `future`, for at most `limit` if there is one. asyncio's `wait_for`, in its order of
/// arguments; the rest is as for [`timeout`](crate::timeout()).
///
/// A `limit` of zero still polls the future once; asyncio doesn't begin a coroutine then.
///
/// # Errors
/// [`TimeoutError`] if the time was up first.
///
/// # Panics
/// When polled where no loop is running.
#[track_caller]
pub fn wait_for<F: Future>(
    future: F,
    limit: impl Into<Option<Duration>>,
) -> impl Future<Output = Result<F::Output, TimeoutError>> {
    timeout(limit, future)
}

impl<T> Task<T> {
    /// Waits for the task, for at most `limit` if there is one; when the time is up, cancels the
    /// task and waits until it has ended. asyncio's `wait_for` with a task.
    ///
    /// The task may absorb the cancellation, by [`catch_cancel`](crate::catch_cancel()): its value,
    /// or its panic, is the result then, as in asyncio. Dropping this cancels the task and doesn't
    /// wait for its end.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// bucle_loop::run(async {
    ///     let task = bucle_loop::spawn(std::future::pending::<()>());
    ///     let handle = task.handle();
    ///     assert!(task.wait_for(Duration::from_millis(1)).await.is_err());
    ///     assert!(handle.cancelled());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TimeoutError`] if the time was up and the task ended cancelled.
    ///
    /// # Panics
    /// When polled where no loop is running.
    #[track_caller]
    pub fn wait_for(
        self,
        limit: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<Result<T, TaskError>, TimeoutError>> {
        let limit = limit.into();
        let location = Location::caller();
        let mut waited = Waited {
            task: self,
            location,
        };
        async move {
            let mut end = limit.map(sleep);
            let mut expired = false;
            poll_fn(|cx| {
                loop {
                    if let Poll::Ready(result) = Pin::new(&mut waited.task).poll(cx) {
                        return Poll::Ready(match (result, limit) {
                            (Err(TaskError::Cancelled(_)), Some(limit)) if expired => {
                                Err(TimeoutError::new(limit))
                            }
                            (result, _) => Ok(result),
                        });
                    }
                    let (false, Some(end)) = (expired, &mut end) else {
                        return Poll::Pending;
                    };
                    if Pin::new(end).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    expired = true;
                    let why = TimeoutError::new(limit.unwrap_or_default()).to_string();
                    let cancelled = Cancelled::new(why).asked_here(location);
                    waited.task.task_ref().cancel(cancelled);
                }
            })
            .await
        }
    }
}

/// Cancels the task if the wait for it is dropped.
struct Waited<T> {
    task: Task<T>,
    location: &'static Location<'static>,
}

impl<T> Drop for Waited<T> {
    fn drop(&mut self) {
        if !self.task.done() {
            let reason = "the wait for it was dropped";
            let cancelled = unwinding::met_or(CancelPlace::WaitFor, self.location, reason);
            self.task.task_ref().cancel(cancelled);
        }
    }
}
