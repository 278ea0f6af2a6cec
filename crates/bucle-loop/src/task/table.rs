//! The tasks that are alive on one loop: what keeps them alive, and what runs them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use slab::Slab;

use super::cell::{Ran, TaskRef};
use super::{Cancelled, Panic, Task, TaskTag};
use crate::LoopRef;
use crate::exceptions::ExceptionContext;
use crate::handles::{Action, HandleCell};
use crate::ready::Entry;

/// All tasks of a loop that are not done.
#[derive(Default)]
pub(crate) struct TaskTable {
    alive: RefCell<Slab<TaskRef>>,
    /// The one that is being run.
    current: Cell<Option<TaskRef>>,
}

impl TaskTable {
    pub(crate) fn spawn<F>(
        &self,
        event_loop: &LoopRef,
        future: F,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
    ) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        // Numbers are the process's: two loops' tasks are told apart in one log.
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let core = &*event_loop.core;
        let tag = TaskTag::new(NEXT_ID.fetch_add(1, Ordering::Relaxed), name, location);
        let (task, join) = TaskRef::new(future, tag, core.id, core.inbox, core.ready.clone());
        if event_loop.is_closed() {
            task.abandon(Cancelled::new("the event loop is closed"));
        } else {
            let mut alive = self.alive.borrow_mut();
            let place = alive.vacant_entry();
            task.set_key(place.key());
            place.insert(task.clone());
            drop(alive);
            task.schedule();
        }
        Task::new(join)
    }

    /// Runs a task that is ready, to its next await.
    #[inline]
    pub(crate) fn run(&self, event_loop: &LoopRef, task: &TaskRef) {
        let before = self.current.replace(Some(task.clone()));
        let ran = task.run();
        self.current.set(before);
        if let Ran::Done = ran {
            self.ended(event_loop, task);
        }
    }

    fn ended(&self, event_loop: &LoopRef, task: &TaskRef) {
        // The table's reference; the caller has another.
        drop(self.alive.borrow_mut().try_remove(task.key()));
        for callback in task.take_done_callbacks() {
            let cell = HandleCell::new(Action::Call(callback), task.location());
            event_loop.core.ready.push(Entry::Callback(cell));
        }
        if task.is_detached()
            && let Some(panic) = task.unseen_panic()
        {
            report_panic(event_loop, panic);
        }
    }

    /// Drops the futures of all tasks, in the order of their places; what they spawn meanwhile too.
    pub(crate) fn abandon_all(&self, event_loop: &LoopRef) {
        loop {
            let tasks: Vec<TaskRef> = {
                let mut alive = self.alive.borrow_mut();
                alive.drain().collect()
            };
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                task.abandon(Cancelled::new("the event loop was closed"));
                // Nobody is left to run what waits for its end, but it is dropped here.
                event_loop.guard("close", None, || drop(task.take_done_callbacks()));
                if task.is_detached()
                    && let Some(panic) = task.unseen_panic()
                {
                    report_panic(event_loop, panic);
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.alive.borrow().len()
    }

    pub(crate) fn all(&self) -> Vec<TaskRef> {
        self.alive
            .borrow()
            .iter()
            .map(|(_, task)| task.clone())
            .collect()
    }

    /// The task with this number, which was put at `key`; `None` once it has ended.
    pub(crate) fn find(&self, key: usize, id: u64) -> Option<TaskRef> {
        let alive = self.alive.borrow();
        let task = alive.get(key)?;
        (task.tag().id() == id).then(|| task.clone())
    }

    pub(crate) fn current(&self) -> Option<TaskRef> {
        let current = self.current.take();
        self.current.set(current.clone());
        current
    }

    /// Ends a task now, outside of its loop's turn.
    pub(crate) fn abandon(&self, event_loop: &LoopRef, task: &TaskRef, why: Cancelled) {
        if !task.is_done() {
            task.abandon(why);
            self.ended(event_loop, task);
        }
    }
}

/// Tells the exception handler of a panic that nobody who awaits the task will hear of.
pub(crate) fn report_panic(event_loop: &LoopRef, panic: Panic) {
    let tag = panic.task();
    let mut context = ExceptionContext::new("task", format!("panicked: {}", panic.message()));
    context.name = Some(tag.to_string());
    context.location = Some(tag.location());
    context.panic = panic.take_payload();
    event_loop.call_exception_handler(context);
}
