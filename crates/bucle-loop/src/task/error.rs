//! Which task, and how it can end other than with a value: cancelled, or by a panic.
//!
//! Both are cheap to clone and may cross threads, so that an error may be given to several waiters
//! and fits `Box<dyn Error + Send + Sync>`.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::{Arc, Mutex, PoisonError};

use super::Cancelled;

/// Which task: its number, its name if it was given one, and where it was spawned.
///
/// Displays as the name, or as `Task-7` if it has none (asyncio's default names).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskTag {
    id: u64,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
}

impl TaskTag {
    pub(crate) fn new(
        id: u64,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
    ) -> TaskTag {
        TaskTag { id, name, location }
    }

    pub(crate) fn into_parts(self) -> (u64, Option<Arc<str>>, &'static Location<'static>) {
        (self.id, self.name, self.location)
    }

    /// The task's number; never reused within a process. A simulated loop numbers its own tasks,
    /// from 1, so that they have the same numbers in each replay.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The name given to the task.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The place in the source where the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for TaskTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "Task-{}", self.id),
        }
    }
}

/// A panic inside a task: what it said and which task it was.
///
/// Clones share the payload: the first [`Panic::take_payload`] gets it.
#[derive(Clone)]
pub struct Panic(Arc<PanicInner>);

struct PanicInner {
    message: Box<str>,
    task: TaskTag,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>, task: TaskTag) -> Panic {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            Box::from(*text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            Box::from(text.as_str())
        } else {
            Box::from("(the panic's payload is not a text)")
        };
        Panic(Arc::new(PanicInner {
            message,
            task,
            payload: Mutex::new(Some(payload)),
        }))
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The task that panicked.
    pub fn task(&self) -> &TaskTag {
        &self.0.task
    }

    /// The panic's payload, for [`std::panic::resume_unwind`]; `None` if it was taken already, from
    /// this or from a clone.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0
            .payload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message())
            .field("task", self.task())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task();
        write!(
            f,
            "task {task} (spawned at {}) panicked: {}",
            task.location(),
            self.message()
        )
    }
}

impl Error for Panic {}

impl Drop for PanicInner {
    fn drop(&mut self) {
        let payload = self
            .payload
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(payload) = payload {
            discard(payload);
        }
    }
}

/// Drops a panic's payload. If even that panics, its own payload is dropped if it is a text, and
/// leaked if it might go on so.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)))
        && !again.is::<&'static str>()
        && !again.is::<String>()
    {
        std::mem::forget(again);
    }
}

/// Why a task has no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// It was cancelled: its future was dropped where it waited.
    Cancelled(Cancelled),
    /// It panicked.
    Panicked(Panic),
    /// It ended with an error that its [`TaskGroup`](crate::TaskGroup) keeps.
    Failed(TaskTag),
}

impl TaskError {
    /// The cancellation, if this is one.
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match self {
            TaskError::Cancelled(cancelled) => Some(cancelled),
            TaskError::Panicked(_) | TaskError::Failed(_) => None,
        }
    }

    /// The panic, if this is one.
    pub fn panicked(&self) -> Option<&Panic> {
        match self {
            TaskError::Panicked(panic) => Some(panic),
            TaskError::Cancelled(_) | TaskError::Failed(_) => None,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Cancelled(cancelled) => cancelled.fmt(f),
            TaskError::Panicked(panic) => panic.fmt(f),
            TaskError::Failed(task) => {
                write!(f, "task {task} failed; its task group has the error")
            }
        }
    }
}

impl Error for TaskError {}

impl From<Cancelled> for TaskError {
    fn from(cancelled: Cancelled) -> TaskError {
        TaskError::Cancelled(cancelled)
    }
}

impl From<Panic> for TaskError {
    fn from(panic: Panic) -> TaskError {
        TaskError::Panicked(panic)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tag(name: Option<&str>) -> TaskTag {
        TaskTag::new(7, name.map(Arc::from), Location::caller())
    }

    #[test]
    fn panic_says_which_task_and_where() {
        let panic = Panic::new(Box::new("boom"), tag(Some("fetch")));
        let text = panic.to_string();
        assert!(text.starts_with("task fetch (spawned at "), "{text}");
        assert!(text.ends_with("panicked: boom"), "{text}");
        let clone = panic.clone();
        assert!(panic.take_payload().is_some());
        assert!(clone.take_payload().is_none());
    }

    #[test]
    fn errors_cross_threads() {
        fn check<T: Error + Send + Sync + 'static>() {}
        check::<TaskError>();
        check::<Cancelled>();
        check::<Panic>();
    }

    #[test]
    fn a_payload_whose_drop_panics_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the payload's drop");
            }
        }
        drop(Panic::new(Box::new(Bomb), tag(None)));
    }
}
