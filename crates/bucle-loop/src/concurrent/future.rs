//! [`Future`]: a result that another thread will set.

use std::convert::Infallible;
use std::fmt;
use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::error::FutureError;
use super::state::{Cell, Listener, Phase, Watch};
use crate::task::Cancelled;

/// A result that another thread will set, and the right to it. `Future` of concurrent.futures.
///
/// Made by [`ThreadPoolExecutor::submit`](super::ThreadPoolExecutor::submit),
/// [`Promise::new`](super::Promise::new) and
/// [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe). The result may be of a type that
/// can't be copied, so there is one owner who gets it, by [`result`](Future::result) or by awaiting;
/// any number of others may watch and cancel by a [`FutureHandle`].
///
/// Dropping it lets the job run on, without a taker for its result, which is then dropped in the
/// thread that made it; to say so in words, [`detach`](Future::detach). Awaiting works on any loop
/// and on none of ours; dropping such an await is dropping the future. An await that cancels the
/// job when dropped is [`wrap_future`](crate::wrap_future).
///
/// ```
/// use bucle_loop::concurrent::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new();
/// let future = pool.submit(|| std::fs::read_to_string("/proc/self/comm"));
/// let name = future.result()??;
/// # assert!(!name.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the result is had by `result()` or by awaiting; say `detach()` if nobody wants it"]
pub struct Future<T, E = Infallible> {
    cell: Arc<dyn Cell<T, E>>,
}

impl<T, E> Future<T, E> {
    pub(super) fn new(cell: Arc<dyn Cell<T, E>>) -> Future<T, E> {
        Future { cell }
    }

    /// Blocks the thread until the future is done, and gives what it came to.
    ///
    /// On a thread that runs a loop this stops the loop; await instead. A job that waits in this
    /// way for a job of its own pool waits for ever if no thread is free to run that.
    ///
    /// # Errors
    /// [`FutureError`], which says why there is no value.
    ///
    /// # Panics
    /// If the result was taken before, by [`try_result`](Future::try_result).
    pub fn result(self) -> Result<T, FutureError<E>> {
        self.cell.block(None);
        self.taken()
    }

    /// The same for at most `timeout`.
    ///
    /// # Errors
    /// The future itself if it is not done by then: the outer `Err`.
    ///
    /// # Panics
    /// As [`result`](Future::result).
    pub fn result_timeout(
        self,
        timeout: Duration,
    ) -> Result<Result<T, FutureError<E>>, Future<T, E>> {
        if self.cell.block(deadline(timeout)) {
            Ok(self.taken())
        } else {
            Err(self)
        }
    }

    fn taken(self) -> Result<T, FutureError<E>> {
        self.cell
            .state()
            .take()
            .expect("the result of a future was asked for after it had been taken")
    }

    /// The result, if the future is done and it was not taken yet. Never blocks.
    pub fn try_result(&mut self) -> Option<Result<T, FutureError<E>>> {
        self.cell.state().take()
    }

    /// Blocks the thread until the future is done, and gives a copy of why it has no value; `None`
    /// if it has one. The result stays.
    ///
    /// A cancellation is such a reason too.
    pub fn exception(&mut self) -> Option<FutureError<E>>
    where
        E: Clone,
    {
        self.cell.block(None);
        let state = self.cell.state();
        // Nobody but the owner takes, and this borrows it exclusively.
        let outcome = state.take()?;
        let error = outcome.as_ref().err().cloned();
        state.put_back(outcome);
        error
    }

    /// Blocks the thread until the future is done, or for `timeout`; whether it is done.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.cell.block(deadline(timeout))
    }

    /// Cancels the future if its job has not begun: see [`FutureHandle::cancel`].
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        cancel(self.watched(), reason.into())
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.handle().cancelled()
    }

    /// Whether its job is running now: begun, and not done.
    pub fn running(&self) -> bool {
        self.handle().running()
    }

    /// Whether it is done, in whatever way.
    pub fn done(&self) -> bool {
        self.cell.phase().is_done()
    }

    /// Has `callback` called once the future is done: see [`FutureHandle::add_done_callback`].
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureHandle) + Send + 'static) {
        self.handle().add_done_callback(callback);
    }

    /// Gives the result to `callback` when it comes, in the thread that makes it; at once, in this
    /// one, if it is there.
    ///
    /// What concurrent.futures does by a done callback that asks for the result.
    ///
    /// # Panics
    /// In `callback`, in which case standard error is told of it, if the result was taken before.
    pub fn when_done(self, callback: impl FnOnce(Result<T, FutureError<E>>) + Send + 'static)
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let handle = self.handle();
        handle.add_done_callback(move |_| callback(self.taken()));
    }

    /// Lets the job run on by itself. Its result is dropped where it is made; the panic hook tells
    /// of its panic.
    pub fn detach(self) {}

    /// A handle to watch and cancel by, without the result.
    pub fn handle(&self) -> FutureHandle {
        FutureHandle {
            cell: self.watched(),
        }
    }

    fn watched(&self) -> Arc<dyn Watch> {
        self.cell.clone()
    }
}

/// `Instant::now() + timeout`, or never if that is beyond the clock.
pub(super) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

fn cancel(cell: Arc<dyn Watch>, reason: String) -> bool {
    let phase = cell.phase();
    if phase != Phase::Pending {
        return phase == Phase::Cancelled;
    }
    let mut cancelled = Cancelled::new(reason);
    if let Some(task) = crate::current_task() {
        cancelled = cancelled.asked_by(task.tag());
    }
    cell.cancel(cancelled)
}

/// Gives the result to the one who awaits it; see [`Future`] for what dropping does.
///
/// # Panics
/// If it is polled after it gave the result.
impl<T, E> future::Future for Future<T, E> {
    type Output = Result<T, FutureError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.cell.state().poll(cx)
    }
}

impl<T, E> Future<T, E> {
    /// Ready when it is done; the result stays. Otherwise has `cx`'s waker woken when it is.
    pub(crate) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.cell.state().poll_done(cx)
    }

    /// Whether it has an error in place of a value, and no cancellation.
    pub(crate) fn has_failed(&self) -> bool {
        self.cell.state().phase() == Phase::Failed
    }
}

// Nothing in it is ever pinned.
impl<T, E> Unpin for Future<T, E> {}

impl<T, E> Drop for Future<T, E> {
    fn drop(&mut self) {
        self.cell.state().let_go();
    }
}

impl<T, E> fmt::Debug for Future<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future")
            .field("state", &format_args!("{}", self.cell.phase().name()))
            .finish()
    }
}

/// A [`Future`] as others than the owner of its result see it. Cheap to clone.
#[derive(Clone)]
pub struct FutureHandle {
    pub(super) cell: Arc<dyn Watch>,
}

impl FutureHandle {
    /// Cancels the future if its job has not begun; true if it is cancelled now, by this call or by
    /// an earlier one.
    ///
    /// Whoever waits for it gets [`FutureError::Cancelled`] with `reason`, and the task that asked
    /// if one did. The job is never run: it is dropped, with all it captured, before this returns.
    /// A job that runs already can't be stopped, and a future that is done stays as it is: false.
    ///
    /// The future of [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe) can be cancelled
    /// until its task is done.
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        cancel(self.cell.clone(), reason.into())
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.cell.phase() == Phase::Cancelled
    }

    /// Why and by whom it was cancelled, if it was.
    pub fn cancellation(&self) -> Option<Cancelled> {
        self.cell.cancellation()
    }

    /// Whether its job is running now: begun, and not done.
    pub fn running(&self) -> bool {
        self.cell.phase() == Phase::Running
    }

    /// Whether it is done, in whatever way.
    pub fn done(&self) -> bool {
        self.cell.phase().is_done()
    }

    /// Has `callback` called once the future is done: by the thread that completes or cancels it,
    /// or by this one, at once, if it is done already. Callbacks are called in the order they were
    /// added; whoever waits for the result may have it before they are.
    ///
    /// A panic in a callback is told to standard error; the other callbacks are called.
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureHandle) + Send + 'static) {
        let listener = Listener::Callback(Box::new(callback));
        if let Err((listener, phase)) = self.cell.listen(listener) {
            listener.tell(self, phase);
        }
    }
}

impl fmt::Debug for FutureHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureHandle")
            .field("state", &format_args!("{}", self.cell.phase().name()))
            .finish()
    }
}
