//! [`CurrentTask`]: which task of a loop is inside its poll.

use std::cell::Cell;
use std::ptr::NonNull;

use super::{Header, Ran, TaskRef};
use crate::task::Cancelled;

/// The task of a loop that is being run, if one is. Knowing it costs the run no reference: whoever
/// runs a task holds one all the while.
#[derive(Default)]
pub(crate) struct CurrentTask {
    /// Set while a `Restore` lives only, to the cell of a task that it borrows.
    cell: Cell<Option<NonNull<Header>>>,
}

/// Puts back the one before, however the run ends.
struct Restore<'a> {
    current: &'a CurrentTask,
    before: Option<NonNull<Header>>,
    _borrowed: &'a TaskRef,
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        self.current.cell.set(self.before);
    }
}

impl CurrentTask {
    /// [`TaskRef::run`], with `task` as the current one.
    #[inline(always)]
    pub(crate) fn run(&self, task: &TaskRef) -> Ran {
        let _restore = self.enter(task);
        task.run()
    }

    /// [`TaskRef::abandon`], with `task` as the current one for what its destructors look for.
    pub(crate) fn abandon(&self, task: &TaskRef, why: Cancelled) {
        let _restore = self.enter(task);
        task.abandon(why);
    }

    /// Makes `task` the current one for as long as what is returned lives.
    #[inline]
    fn enter<'a>(&'a self, task: &'a TaskRef) -> Restore<'a> {
        Restore {
            current: self,
            before: self.cell.replace(Some(task.ptr)),
            _borrowed: task,
        }
    }

    /// A reference to the current task.
    #[inline]
    pub(crate) fn get(&self) -> Option<TaskRef> {
        self.look(TaskRef::clone)
    }

    /// The current task's number, 0 if there is none.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.look(TaskRef::id).unwrap_or(0)
    }

    #[inline]
    fn look<R>(&self, look: impl FnOnce(&TaskRef) -> R) -> Option<R> {
        let ptr = self.cell.get()?;
        // Not counted, so it is not dropped either.
        let task = std::mem::ManuallyDrop::new(TaskRef { ptr });
        // Whoever runs it borrows a `TaskRef` to this cell until the place is empty again, so
        // that the cell is alive and this is its owner's thread.
        Some(look(&task))
    }
}
