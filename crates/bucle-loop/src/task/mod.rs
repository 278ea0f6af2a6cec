//! Tasks: futures that the loop runs by themselves.
//!
//! | file | what |
//! |---|---|
//! | `cell` | one allocation a task: the future, then its output; its wakers. The only `unsafe` of this crate |
//! | `table` | the tasks alive on a loop |
//! | `error` | how a task can end without a value |
//!
//! A [`Task`] is one of three things, by choice: awaited ([`join`](Task::join)), let go
//! ([`detach`](Task::detach)), or cancelled with its handle ([`cancel_on_drop`](Task::cancel_on_drop)).
//! Dropping one without a choice lets it go: it runs on, and a panic in it goes to the loop's
//! exception handler.

pub(crate) mod cell;
mod error;
pub(crate) mod table;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) use error::discard;
pub use error::{Cancelled, Panic, TaskError, TaskTag};

use crate::handles::{Action, HandleCell};
use crate::ready::Entry;
use crate::running::with_running_loop;
use crate::{LoopRef, get_running_loop};
use cell::{JoinRef, TaskRef};

/// A running task, and the right to its result.
///
/// Made by [`spawn`](crate::spawn) or [`LoopRef::spawn`]. As a future it gives the task's value, or
/// the [`TaskError`] that says how it ended without one. Awaiting it is cancel-safe: if the await is
/// dropped, the task goes on.
///
/// ```
/// bucle_loop::run(async {
///     let task = bucle_loop::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "await the task, or say `detach()` or `cancel_on_drop()`; dropped, it runs on"]
pub struct Task<T> {
    join: JoinRef<T>,
}

impl<T> Task<T> {
    pub(crate) fn new(join: JoinRef<T>) -> Task<T> {
        Task { join }
    }

    /// Waits for the task to end: the same as awaiting it.
    ///
    /// # Errors
    /// [`TaskError`]: it was cancelled, or it panicked.
    pub async fn join(self) -> Result<T, TaskError> {
        self.await
    }

    /// Lets the task run on by itself. A panic in it goes to the loop's exception handler.
    pub fn detach(self) {}

    /// Binds the task to its handle: dropping the returned handle cancels the task.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { task: self }
    }

    /// Asks the task to end: see [`TaskHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        cancel(self.join.task(), reason.into())
    }

    /// Whether the task has ended, in whatever way.
    pub fn done(&self) -> bool {
        self.join.task().is_done()
    }

    /// Who it is: its number, name and place of spawning.
    pub fn tag(&self) -> TaskTag {
        self.join.task().tag()
    }

    /// Has `callback` run by the loop, as by `call_soon`, once the task has ended; at once if it
    /// has ended already. Callbacks run in the order they were added.
    pub fn add_done_callback(&self, callback: impl FnOnce() + 'static) {
        add_done_callback(self.join.task(), Box::new(callback));
    }

    /// A handle to the same task for others to watch and cancel it by, without its result.
    pub fn handle(&self) -> TaskHandle {
        TaskHandle {
            task: self.join.task().clone(),
        }
    }

    /// The result, if the task has ended and its result was not taken yet.
    pub fn try_result(&mut self) -> Option<Result<T, TaskError>> {
        self.join.try_take()
    }
}

// The future lives in its cell and is pinned there.
impl<T> Unpin for Task<T> {}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.join.poll_join(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        // A panic that nobody will hear of any more. Before the task has ended, the loop looks.
        if let Some(panic) = self.join.task().unseen_panic() {
            match with_running_loop(LoopRef::clone) {
                Some(event_loop) => table::report_panic(&event_loop, panic),
                None => eprintln!("bucle: {panic}"),
            }
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.join.task(), "Task", f)
    }
}

fn debug(task: &TaskRef, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tag = task.tag();
    f.debug_struct(what)
        .field("name", &format_args!("{tag}"))
        .field("spawned_at", &format_args!("{}", tag.location()))
        .field("done", &task.is_done())
        .finish()
}

#[track_caller]
fn cancel(task: &TaskRef, reason: String) -> bool {
    if task.is_done() {
        return false;
    }
    let mut cancelled = Cancelled::new(reason);
    if let Some(by) = with_running_loop(|running| running.core.tasks.current()).flatten() {
        cancelled = cancelled.asked_by(by.tag());
    }
    task.cancel(cancelled)
}

fn add_done_callback(task: &TaskRef, callback: Box<dyn FnOnce()>) {
    if let Err(callback) = task.add_done_callback(callback) {
        // Ended already: its loop runs the callback next.
        let cell = HandleCell::new(Action::Call(callback), task.location());
        task.ready_queue().push(Entry::Callback(cell));
    }
}

/// A task as others than its owner see it: to be watched and cancelled. Cheap to clone; for the
/// loop's own thread.
#[derive(Clone)]
pub struct TaskHandle {
    task: TaskRef,
}

impl TaskHandle {
    /// Asks the task to end; false if it has ended already.
    ///
    /// Its future is dropped, where it waits, when the loop next comes to it, never under the
    /// caller's feet; whoever awaits the task gets [`Cancelled`] with `reason` and the task that
    /// asked. A task that cancels itself ends at its next await. The first reason given counts.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        cancel(&self.task, reason.into())
    }

    /// Whether the task has ended, in whatever way.
    pub fn done(&self) -> bool {
        self.task.is_done()
    }

    /// Who it is: its number, name and place of spawning.
    pub fn tag(&self) -> TaskTag {
        self.task.tag()
    }

    pub(crate) fn task_ref(&self) -> &TaskRef {
        &self.task
    }

    /// See [`Task::add_done_callback`].
    pub fn add_done_callback(&self, callback: impl FnOnce() + 'static) {
        add_done_callback(&self.task, Box::new(callback));
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.task, "TaskHandle", f)
    }
}

/// A task that ends with its handle: see [`Task::cancel_on_drop`]. As a future it gives what the
/// task gives.
#[must_use = "dropping it cancels the task"]
#[derive(Debug)]
pub struct CancelOnDrop<T> {
    task: Task<T>,
}

impl<T> std::ops::Deref for CancelOnDrop<T> {
    type Target = Task<T>;

    fn deref(&self) -> &Task<T> {
        &self.task
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if !self.task.done() {
            self.task.cancel("its handle was dropped");
        }
    }
}

/// Starts `future` as a task of the running loop: asyncio's `create_task`. It is first polled in
/// the next turn.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
{
    get_running_loop().spawn(future)
}

/// [`spawn`] with a name that reports and errors will show.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn spawn_named<F>(name: &str, future: F) -> Task<F::Output>
where
    F: Future + 'static,
{
    get_running_loop().spawn_named(name, future)
}

/// The task that is running, if this is called from one. asyncio's `current_task`.
pub fn current_task() -> Option<TaskHandle> {
    with_running_loop(|running| running.core.tasks.current())
        .flatten()
        .map(|task| TaskHandle { task })
}

/// The tasks of the running loop that have not ended. asyncio's `all_tasks`.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn all_tasks() -> Vec<TaskHandle> {
    get_running_loop()
        .core
        .tasks
        .all()
        .into_iter()
        .map(|task| TaskHandle { task })
        .collect()
}
