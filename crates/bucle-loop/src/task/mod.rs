//! Tasks: futures that the loop runs by themselves.
//!
//! | file | what |
//! |---|---|
//! | `cell` | one allocation a task: the future, then its output; its wakers. The only `unsafe` of this crate |
//! | `table` | the tasks alive on a loop |
//! | `handle` | a task as others than its owner see it |
//! | `builder` | the ways to start one |
//! | `error`, `cancelled` | how a task can end without a value |
//! | `catching`, `unwinding` | a cancellation on its way: who may catch it, what it drops |
//!
//! A [`Task`] is one of three things, by choice: awaited ([`join`](Task::join)), let go
//! ([`detach`](Task::detach)), or cancelled with its handle ([`cancel_on_drop`](Task::cancel_on_drop)).
//! Dropping one without a choice lets it go: it runs on, and a panic in it goes to the loop's
//! exception handler.

mod builder;
mod cancelled;
pub(crate) mod catching;
pub(crate) mod cell;
mod error;
mod handle;
pub(crate) mod table;
pub(crate) mod unwinding;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

pub use builder::{TaskBuilder, spawn, spawn_eager, spawn_named};
pub use cancelled::{CancelPlace, CancelStep, Cancelled};
pub(crate) use error::discard;
pub use error::{Panic, TaskError, TaskTag};
pub use handle::{CallbackId, TaskHandle, all_tasks, current_task};

use crate::LoopRef;
use crate::running::with_running_loop;
use cell::{JoinRef, TaskRef};

/// A running task, and the right to its result.
///
/// Made by [`spawn`](crate::spawn), [`LoopRef::spawn`] or a [`TaskBuilder`]. As a future it gives
/// the task's value, or the [`TaskError`] that says how it ended without one. Awaiting it is
/// cancel-safe: if the await is dropped, the task goes on.
///
/// What others can do with it is in [`TaskHandle`]: see [`handle`](Task::handle).
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
    #[track_caller]
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop {
            task: self,
            location: Location::caller(),
        }
    }

    /// Asks the task to end: see [`TaskHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        handle::cancel(self.task_ref(), reason.into(), Location::caller())
    }

    /// Whether the task has ended, in whatever way.
    #[inline]
    pub fn done(&self) -> bool {
        self.task_ref().is_done()
    }

    /// Whether a cancellation ended the task.
    pub fn cancelled(&self) -> bool {
        self.task_ref().is_cancelled()
    }

    /// Whether it was asked to end and has neither ended nor absorbed the request: see
    /// [`TaskHandle`].
    pub fn cancelling(&self) -> bool {
        self.task_ref().is_cancelling()
    }

    /// Who it is: its number, name and place of spawning.
    pub fn tag(&self) -> TaskTag {
        self.task_ref().tag()
    }

    /// The name that reports and errors show.
    pub fn get_name(&self) -> String {
        self.tag().to_string()
    }

    /// Has `callback` run by the loop, as by `call_soon`, once the task has ended: never inside this
    /// call, but in the next turn if it has ended already. Callbacks run in the order they were added.
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce() + 'static) -> CallbackId {
        handle::add_done_callback(self.task_ref(), Box::new(callback))
    }

    /// Takes a done callback back; true if it was there and will not run.
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.task_ref().remove_done_callback(id.0).is_some()
    }

    /// A handle to the same task for others to watch and cancel it by, without its result.
    pub fn handle(&self) -> TaskHandle {
        TaskHandle::new(self.task_ref().clone())
    }

    /// The result, if the task has ended and its result was not taken yet. asyncio's `result` and
    /// `exception`, which here are one, and which move the value out.
    pub fn try_result(&mut self) -> Option<Result<T, TaskError>> {
        self.join.try_take()
    }

    /// A look at the value, if the task has ended with one and it was not taken yet.
    pub fn peek(&self) -> Option<&T> {
        self.join.peek()
    }

    pub(crate) fn task_ref(&self) -> &TaskRef {
        self.join.task()
    }

    /// Ready when the task has ended; the result stays.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.join.poll_done(cx)
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
        // Few have what a panic is kept in.
        if self.join.task().has_rare() {
            report_unseen(self.join.task());
        }
    }
}

/// Tells of a panic that nobody will hear of any more. Before the task has ended, the loop looks.
#[inline(never)]
fn report_unseen(task: &TaskRef) {
    if let Some(panic) = task.unseen_panic() {
        match with_running_loop(LoopRef::clone) {
            Some(event_loop) => table::report_panic(&event_loop, panic),
            None => eprintln!("bucle: {panic}"),
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        handle::debug(self.join.task(), "Task", f)
    }
}

/// A task that ends with its handle: see [`Task::cancel_on_drop`]. As a future it gives what the
/// task gives.
///
/// Dropping it asks the task to end and doesn't wait for that. If a cancellation drops it, the task
/// gets that cancellation, with its biography.
#[must_use = "dropping it cancels the task"]
#[derive(Debug)]
pub struct CancelOnDrop<T> {
    task: Task<T>,
    location: &'static Location<'static>,
}

impl<T> CancelOnDrop<T> {
    pub(crate) fn task_mut(&mut self) -> &mut Task<T> {
        &mut self.task
    }
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
            let what = CancelPlace::CancelOnDrop;
            let reason = "its handle was dropped";
            let cancelled = unwinding::met_or(what, self.location, reason);
            self.task.task_ref().cancel(cancelled);
        }
    }
}

/// The task that is running.
pub(crate) fn current_ref() -> Option<TaskRef> {
    with_running_loop(|running| running.core.tasks.current()).flatten()
}

/// Who is running.
pub(crate) fn current_tag() -> Option<TaskTag> {
    current_ref().map(|task| task.tag())
}
