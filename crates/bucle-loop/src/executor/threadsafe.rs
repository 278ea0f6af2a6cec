//! [`run_coroutine_threadsafe`]: a thread has a loop run a coroutine, and waits for its result.

use std::future::Future;
use std::panic::Location;

use crate::concurrent::{self, FutureError, Promise, Rejected};
use crate::inbox::Message;
use crate::running::with_running_loop;
use crate::task::cell::RemoteCall;
use crate::task::{Cancelled, TaskError};
use crate::{LoopRef, Remote};

/// Has the loop of `remote` run the future that `make_future` makes, as a task, and gives a
/// concurrent future for its result. From any thread but the loop's own, which would wait for
/// itself if it blocked on that. asyncio's `run_coroutine_threadsafe`.
///
/// Only `make_future` and the result travel between the threads; the future itself is made, lives
/// and ends on the loop's thread, and need not be `Send`. Cancelling the concurrent future cancels
/// the task, also when it runs already; dropping it lets the task run on.
///
/// ```
/// use std::rc::Rc;
///
/// let event_loop = bucle_loop::EventLoop::new()?;
/// let remote = event_loop.remote();
/// let thread = std::thread::spawn(move || {
///     let answer = bucle_loop::run_coroutine_threadsafe(remote, || {
///         let local = Rc::new(42);
///         async move {
///             bucle_loop::yield_now().await;
///             *local
///         }
///     });
///     let answer = answer.result();
///     let _ = remote.call_soon_threadsafe(|| bucle_loop::get_running_loop().stop());
///     answer
/// });
/// event_loop.run_forever();
/// assert_eq!(thread.join().unwrap().unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// By the future: [`FutureError::Cancelled`] if the task was cancelled, or the loop closed before it
/// was done; [`FutureError::Panicked`] if `make_future` or the task panicked;
/// [`FutureError::Rejected`] if the loop is closed.
#[track_caller]
pub fn run_coroutine_threadsafe<F, Fut>(
    remote: Remote,
    make_future: F,
) -> concurrent::Future<Fut::Output>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let location = Location::caller();
    let (promise, future) = Promise::new();
    let answer = Answer(promise);
    let start = move || {
        // The inbox is emptied by a running loop only.
        with_running_loop(|event_loop| start(event_loop, remote, answer, make_future, location));
    };
    if let Err(message) = remote
        .inbox
        .push(remote.id, Message::Call(RemoteCall::new(start), location))
    {
        drop(message);
        let (promise, refused) = Promise::new();
        promise.set(Err(FutureError::Rejected(Rejected::LoopClosed)));
        return refused;
    }
    future
}

/// On the loop's thread.
fn start<F, Fut>(
    event_loop: &LoopRef,
    remote: Remote,
    answer: Answer<Fut::Output>,
    make_future: F,
    location: &'static Location<'static>,
) where
    F: FnOnce() -> Fut + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    if answer.0.handle().done() {
        return;
    }
    // Made inside the task, so that a panic in the making is the task's.
    let work = async move { make_future().await };
    let mut task = event_loop
        .core
        .tasks
        .spawn(event_loop, work, None, location);
    let handle = task.handle();
    let (key, id) = (handle.task_ref().key(), handle.tag().id());
    answer.0.handle().add_done_callback(move |future| {
        if let Some(why) = future.cancellation() {
            // A task can't leave its thread, but its number can.
            let _ = remote.call_soon_threadsafe(move || cancel(key, id, why));
        }
    });
    handle.add_done_callback(move || {
        let outcome = match task.try_result() {
            Some(Ok(value)) => Ok(value),
            Some(Err(TaskError::Panicked(panic))) => Err(FutureError::Panicked(panic.into())),
            Some(Err(TaskError::Cancelled(why))) => Err(FutureError::Cancelled(why)),
            // Neither comes: the task is done and its result is ours, and only a task group's own
            // ones fail by an error, which the group keeps.
            Some(Err(TaskError::Failed(_))) | None => Err(FutureError::Abandoned),
        };
        answer.0.set(outcome);
    });
}

fn cancel(key: u32, id: u64, why: Cancelled) {
    let task = with_running_loop(|event_loop| event_loop.core.tasks.find(key, id)).flatten();
    if let Some(task) = task {
        task.cancel(why);
    }
}

/// The promise; dropped unset because the loop is gone, it says that.
struct Answer<T: Send + 'static>(Promise<T>);

impl<T: Send + 'static> Drop for Answer<T> {
    fn drop(&mut self) {
        self.0.set(Err(FutureError::Cancelled(Cancelled::new(
            "the event loop was closed",
        ))));
    }
}
