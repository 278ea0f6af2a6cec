//! [`TaskHandle`]: a task as others than its owner see it.

use std::fmt;
use std::panic::Location;

use super::cell::{DoneCallback, TaskRef};
use super::{Cancelled, TaskTag};
use crate::handles::HandleCell;
use crate::ready::Entry;
use crate::running::with_running_loop;
use crate::{LoopRef, get_running_loop};

/// A task as others than its owner see it: to be watched and cancelled. Cheap to clone; for the
/// loop's own thread.
///
/// # Cancelling, and what asyncio counts
///
/// A request to end is one thing with one reason: the first one given counts, and repeating it
/// changes nothing until the task has ended or somebody inside it has absorbed the request
/// ([`catch_cancel`](crate::catch_cancel())), after which the next one is a new one. asyncio counts
/// the requests instead (`cancelling()` is a number, `uncancel()` takes one off), because there a
/// timeout inside a task cancels the whole task and must be told apart from a request from outside.
/// Here a timeout drops the future it is around and the task never learns of it, so there is
/// nothing to count: [`cancelling`](TaskHandle::cancelling) is yes or no, and
/// [`uncancel`](TaskHandle::uncancel) takes a request back that has not been obeyed yet.
#[derive(Clone)]
pub struct TaskHandle {
    task: TaskRef,
}

/// A done callback that was added, to be taken back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackId(pub(crate) u64);

impl CallbackId {
    /// Of a callback that is under way already.
    pub(crate) const GONE: CallbackId = CallbackId(u64::MAX);
}

impl TaskHandle {
    pub(crate) fn new(task: TaskRef) -> TaskHandle {
        TaskHandle { task }
    }

    /// Asks the task to end; false if it has ended already.
    ///
    /// Its future is dropped, where it waits, when the loop next comes to it, never under the
    /// caller's feet; whoever awaits the task gets [`Cancelled`] with `reason`, the task that asked
    /// and the place it asked from. A task that cancels itself ends at its next await. A task that
    /// waits inside a [`catch_cancel`](crate::catch_cancel()) goes on from there instead.
    ///
    /// Asked a second time before it has ended, it keeps the first reason, and this is true again;
    /// asked again after it has absorbed a request, it is a new request. asyncio counts requests:
    /// here there is one, or none.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        cancel(&self.task, reason.into(), Location::caller())
    }

    /// Whether the task was asked to end and has neither ended nor absorbed the request.
    pub fn cancelling(&self) -> bool {
        self.task.is_cancelling()
    }

    /// Takes back a request to end that the task has not come to yet; gives it to the caller, or
    /// `None` if there was none, or it is too late.
    pub fn uncancel(&self) -> Option<Cancelled> {
        self.task.uncancel()
    }

    /// Whether the task has ended, in whatever way.
    pub fn done(&self) -> bool {
        self.task.is_done()
    }

    /// Whether a cancellation ended the task.
    pub fn cancelled(&self) -> bool {
        self.task.is_cancelled()
    }

    /// Who it is: its number, name and place of spawning.
    pub fn tag(&self) -> TaskTag {
        self.task.tag()
    }

    /// The name that reports and errors show: the one given, or `Task-` and its number. asyncio's
    /// `get_name`.
    pub fn get_name(&self) -> String {
        self.task.tag().to_string()
    }

    /// Names the task, also anew. asyncio's `set_name`.
    pub fn set_name(&self, name: &str) {
        self.task.set_name(name.into());
    }

    /// The number of the task that spawned this one; `None` if none did.
    pub fn parent_id(&self) -> Option<u64> {
        Some(self.task.parent()).filter(|id| *id != 0)
    }

    /// The task that spawned this one, if it has not ended. Looks through all tasks of the running
    /// loop: for reports, not for hot paths.
    pub fn parent(&self) -> Option<TaskHandle> {
        let id = self.parent_id()?;
        let parent = with_running_loop(|running| running.core.tasks.find_by_id(id)).flatten();
        parent.map(TaskHandle::new)
    }

    pub(crate) fn task_ref(&self) -> &TaskRef {
        &self.task
    }

    /// See [`Task::add_done_callback`](crate::Task::add_done_callback).
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce() + 'static) -> CallbackId {
        add_done_callback(&self.task, Box::new(callback))
    }

    /// Takes a done callback back; true if it was there and will not run.
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.task.remove_done_callback(id.0).is_some()
    }
}

/// The same task, not two that look alike.
impl PartialEq for TaskHandle {
    fn eq(&self, other: &TaskHandle) -> bool {
        self.task.is(&other.task)
    }
}

impl Eq for TaskHandle {}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.task, "TaskHandle", f)
    }
}

pub(super) fn debug(task: &TaskRef, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tag = task.tag();
    let state = if task.is_cancelled() {
        "cancelled"
    } else if task.is_done() {
        "done"
    } else if task.is_cancelling() {
        "cancelling"
    } else {
        "pending"
    };
    f.debug_struct(what)
        .field("name", &format_args!("{tag}"))
        .field("state", &format_args!("{state}"))
        .field("spawned_at", &format_args!("{}", tag.location()))
        .finish()
}

pub(super) fn cancel(task: &TaskRef, reason: String, location: &'static Location<'static>) -> bool {
    !task.is_done() && task.cancel(Cancelled::new(reason).asked_here(location))
}

#[track_caller]
pub(super) fn add_done_callback(task: &TaskRef, callback: DoneCallback) -> CallbackId {
    match task.add_done_callback(callback) {
        Ok(number) => CallbackId(number),
        Err(callback) => {
            if task.is_loop_closed() {
                // Nobody is left to run it: it is dropped here.
                return CallbackId::GONE;
            }
            // Ended already: its loop runs the callback next.
            let cell = HandleCell::new(callback, Location::caller());
            task.ready_queue().push(Entry::Callback(cell));
            CallbackId::GONE
        }
    }
}

/// The task that is running, if this is called from one. asyncio's `current_task`.
pub fn current_task() -> Option<TaskHandle> {
    super::current_ref().map(TaskHandle::new)
}

/// The tasks of the running loop that have not ended. asyncio's `all_tasks`.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn all_tasks() -> Vec<TaskHandle> {
    get_running_loop().all_tasks()
}

impl LoopRef {
    /// The tasks of this loop that have not ended, also while it isn't running.
    pub fn all_tasks(&self) -> Vec<TaskHandle> {
        let all = self.core.tasks.all().into_iter();
        all.map(TaskHandle::new).collect()
    }
}
