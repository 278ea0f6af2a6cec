//! [`to_thread`]: one blocking call, out of the loop's way.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::WrapFuture;
use crate::concurrent::FutureError;
use crate::get_running_loop;

/// Runs `work` in a thread of the loop's default executor, and gives its result. asyncio's
/// `to_thread`.
///
/// Like asyncio's, it does nothing until awaited;
/// [`run_in_executor`](crate::LoopRef::run_in_executor) submits at once. Dropping the await cancels
/// the job if it has not begun; a job that runs can't be stopped, it runs on and its result is
/// dropped. Under the simulated loop the job runs as a task of the loop, not in a thread; see there.
///
/// Context variables don't reach the job, as they do in asyncio, which copies the context: here a
/// value need not be `Send`, and a context can't tell which of its values are. The closure takes
/// along what the job needs, and the job may set variables of its own for what it calls:
///
/// ```
/// use bucle_loop::{ContextVar, to_thread};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// bucle_loop::run(async {
///     REQUEST.set(7);
///     let request = REQUEST.get().unwrap();
///     let seen = to_thread(move || (REQUEST.get(), request)).await.unwrap();
///     assert_eq!(seen, (None, 7));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```
/// bucle_loop::run(async {
///     let hosts = bucle_loop::to_thread(|| std::fs::read_to_string("/etc/hosts")).await;
///     let hosts: std::io::Result<String> = hosts.expect("it doesn't panic");
/// #   let _ = hosts;
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`FutureError`]: the job panicked; or it could not be taken, because the executor was shut down
/// or the system started no thread.
///
/// # Panics
/// When polled where no loop is running.
#[track_caller]
pub fn to_thread<T, F>(work: F) -> ToThread<F, T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    ToThread {
        state: State::Unsubmitted(Some(work)),
        location: Location::caller(),
    }
}

/// The future of [`to_thread`].
#[must_use = "it does nothing unless awaited"]
pub struct ToThread<F, T> {
    state: State<F, T>,
    location: &'static Location<'static>,
}

enum State<F, T> {
    /// Empty only while it is being submitted.
    Unsubmitted(Option<F>),
    Submitted(WrapFuture<T>),
}

// The closure is never pinned: it moves out to another thread.
impl<F, T> Unpin for ToThread<F, T> {}

impl<F, T> Future for ToThread<F, T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    type Output = Result<T, FutureError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let location = self.location;
        if let State::Unsubmitted(work) = &mut self.state
            && let Some(work) = work.take()
        {
            let submitted = get_running_loop().run_job(None, work, location);
            self.state = State::Submitted(submitted);
        }
        match &mut self.state {
            State::Submitted(future) => Pin::new(future).poll(cx),
            State::Unsubmitted(_) => panic!("polled after it panicked"),
        }
    }
}

impl<F, T> fmt::Debug for ToThread<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToThread")
            .field("submitted", &matches!(self.state, State::Submitted(_)))
            .field("made_at", &format_args!("{}", self.location))
            .finish()
    }
}
