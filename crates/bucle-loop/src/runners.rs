//! [`run`] and [`Runner`]: a loop from its beginning to a clean end.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::resume_unwind;

use crate::context::{Context, copy_context};
use crate::executor;
use crate::task::cell::TaskRef;
use crate::task::{Cancelled, TaskBuilder, TaskError, TaskHandle};
use crate::{EventLoop, Future as SettableFuture, LoopRef, try_get_running_loop};

/// Runs `future` on a new loop of this thread, and returns what it came to. asyncio's `run`.
///
/// When it is done, in whatever way, the tasks that are left are cancelled, and waited for, and so
/// are the clean-ups of [`on_cancel`](crate::on_cancel()); then the loop is closed. A panic in one of
/// these goes to the exception handler.
///
/// Then this waits for the jobs of the default executor that have begun, for at most
/// [`THREAD_JOIN_TIMEOUT`](crate::THREAD_JOIN_TIMEOUT); see
/// [`shutdown_default_executor`](LoopRef::shutdown_default_executor) for how to wait less.
///
/// # Errors
/// The system's when it can't give the descriptors a loop needs; `InvalidInput` when
/// `BUCLE_SELECTOR` names no selector; `Interrupted` when the loop was stopped, or the task of
/// `future` cancelled, before it was done; `Deadlock` when nothing could ever have woken it, in which
/// case the error tells which task waits for what.
///
/// # Panics
/// When the future panics, with its panic; when a loop is running in this thread already.
#[track_caller]
pub fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future + 'static,
{
    let runner = Runner::new()?;
    let result = runner.run(future);
    runner.close();
    match result {
        Ok(value) => Ok(value),
        Err(TaskError::Panicked(panic)) => match panic.take_payload() {
            Some(payload) => resume_unwind(payload),
            None => panic!("{panic}"),
        },
        Err(TaskError::Cancelled(cancelled)) => {
            let kind = match cancelled.is_deadlock() {
                true => io::ErrorKind::Deadlock,
                false => io::ErrorKind::Interrupted,
            };
            Err(io::Error::new(kind, cancelled))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

/// A loop for several main futures one after the other, with one context, and a clean end. asyncio's
/// `Runner`.
///
/// Signals are left as they are: asyncio's turns SIGINT into a cancellation of the main task, for
/// which there is [`add_signal_handler`](LoopRef::add_signal_handler) here.
///
/// ```
/// use bucle_loop::Runner;
///
/// let runner = Runner::new()?;
/// assert_eq!(runner.run(async { 1 }).unwrap(), 1);
/// assert_eq!(runner.run(async { 2 }).unwrap(), 2);
/// runner.close();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runner {
    event_loop: EventLoop,
    context: Context,
}

impl Runner {
    /// A runner with a new loop of the default settings.
    ///
    /// # Errors
    /// As for [`EventLoop::new`].
    pub fn new() -> io::Result<Runner> {
        EventLoop::new().map(Runner::of)
    }

    /// A runner of a loop that was made before: asyncio's `loop_factory`.
    pub fn of(event_loop: EventLoop) -> Runner {
        Runner {
            event_loop,
            context: copy_context(),
        }
    }

    /// Runs `future` as a task until it is done. Other tasks stay where they are after that, until
    /// the next run or the end. What it sets in context variables the next run sees.
    ///
    /// # Errors
    /// As for [`EventLoop::run_until_complete`].
    ///
    /// # Panics
    /// If a loop is running in this thread already.
    #[track_caller]
    pub fn run<F>(&self, future: F) -> Result<F::Output, TaskError>
    where
        F: Future + 'static,
    {
        let builder = TaskBuilder::new().context(self.context.clone());
        let main = builder.spawn_on(&self.event_loop, future);
        self.event_loop.run_task(main)
    }

    /// The loop.
    pub fn get_loop(&self) -> LoopRef {
        self.event_loop.clone()
    }

    /// Cancels all tasks, waits for them and for the clean-ups of `on_cancel`, closes the loop, and
    /// waits for the jobs of the default executor that have begun, as [`run`] does. Dropping the
    /// runner does the same.
    pub fn close(self) {}
}

impl Drop for Runner {
    fn drop(&mut self) {
        // A runner that is dropped inside a running loop, which `run` has refused: nothing can run.
        if try_get_running_loop().is_none() && !self.event_loop.is_closed() {
            cancel_all_tasks(&self.event_loop);
            let pool = self.event_loop.core.executor.take();
            LoopRef::close(&self.event_loop);
            executor::join(pool);
        }
    }
}

/// Cancels what is left, and runs the loop until that, and all clean-ups, have ended.
fn cancel_all_tasks(event_loop: &EventLoop) {
    let cleanups = event_loop.core.tasks.cleanups();
    let mut waiting: Vec<TaskHandle> = Vec::new();
    for task in event_loop.all_tasks() {
        let is_cleanup = |cleanup: &TaskRef| cleanup.id() == task.task_ref().id();
        if !cleanups.iter().any(is_cleanup) {
            task.task_ref()
                .cancel(Cancelled::new("the main future of the loop is done"));
            waiting.push(task);
        }
    }
    // Cancelling starts clean-ups, which may start others.
    loop {
        let cleanups = event_loop.core.tasks.cleanups().into_iter();
        waiting.extend(cleanups.map(TaskHandle::new));
        if waiting.is_empty() {
            return;
        }
        let round = std::mem::take(&mut waiting);
        let ended = event_loop.run_until_complete(async move {
            for task in round {
                ended(&task).await;
            }
        });
        // The loop was stopped, or nothing can ever happen in it any more.
        if ended.is_err() {
            return;
        }
    }
}

async fn ended(task: &TaskHandle) {
    if !task.done() {
        let end: SettableFuture<()> = SettableFuture::new();
        let set = end.clone();
        task.add_done_callback(move || {
            let _ = set.set_result(());
        });
        let _ = end.await;
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("loop", &self.event_loop)
            .finish()
    }
}
