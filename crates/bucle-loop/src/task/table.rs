//! The tasks that are alive on one loop: what keeps them alive, and what runs them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cell::{CurrentTask, JoinRef, Places, Ran, TaskRef};
use super::{Cancelled, Panic, Task, TaskTag};
use crate::LoopRef;
use crate::context::{self, Context};
use crate::exceptions::ExceptionContext;
use crate::handles::HandleCell;
use crate::ready::Entry;

/// All tasks of a loop that are not done.
#[derive(Default)]
pub(crate) struct TaskTable {
    alive: Places,
    /// The one that is being run.
    current: CurrentTask,
    /// Those that run the clean-up of an `on_cancel`, ended ones among them.
    cleanups: RefCell<Vec<TaskRef>>,
    numbers: Numbers,
}

/// How many numbers a loop takes for its tasks at once.
const NUMBERS: u64 = 256;

/// Numbers are the process's: two loops' tasks are told apart in one log.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// The numbers a loop has for its next tasks: a block at a time, as an atomic addition would be a
/// tenth of what a task costs.
#[derive(Default)]
struct Numbers {
    next: Cell<u64>,
    end: Cell<u64>,
}

impl Numbers {
    /// All there are, for a loop whose tasks are numbered by themselves.
    fn of_its_own() -> Numbers {
        Numbers {
            next: Cell::new(1),
            end: Cell::new(u64::MAX),
        }
    }

    #[inline]
    fn next(&self) -> u64 {
        if self.next.get() == self.end.get() {
            self.take_block();
        }
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    #[cold]
    fn take_block(&self) {
        let first = NEXT_NUMBER.fetch_add(NUMBERS, Ordering::Relaxed);
        self.next.set(first);
        self.end.set(first + NUMBERS);
    }
}

impl Drop for Numbers {
    /// Gives the rest back, if no other loop has taken a block since: where loops come one after
    /// another the numbers have no gaps.
    fn drop(&mut self) {
        let (next, end) = (self.next.get(), self.end.get());
        let relaxed = Ordering::Relaxed;
        if next != end {
            // If another has, the rest is lost; there are enough.
            let _ = NEXT_NUMBER.compare_exchange(end, next, relaxed, relaxed);
        }
    }
}

impl TaskTable {
    /// The table of a simulated loop: a run that is repeated gives its tasks the same numbers again.
    pub(crate) fn simulated() -> TaskTable {
        TaskTable {
            numbers: Numbers::of_its_own(),
            ..TaskTable::default()
        }
    }

    /// Starts a task, to be polled in the next turn.
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
        let (task, join) = self.add(event_loop, future, name, None, location);
        task.into_ready();
        Task::new(join)
    }

    /// Makes a task, which is not in the ready queue yet. On a closed loop it has ended.
    pub(super) fn add<F>(
        &self,
        event_loop: &LoopRef,
        future: F,
        name: Option<Arc<str>>,
        context: Option<Context>,
        location: &'static Location<'static>,
    ) -> (TaskRef, JoinRef<F::Output>)
    where
        F: Future + 'static,
    {
        let core = &*event_loop.core;
        let tag = TaskTag::new(self.numbers.next(), name, location);
        let (task, join) = TaskRef::new(future, tag, core.ready.clone());
        if event_loop.is_closed() {
            task.abandon(Cancelled::new("the event loop is closed"));
            return (task, join);
        }
        task.set_parent(self.current.id());
        if let Some(context) = context.or_else(context::inherited) {
            task.set_context(context);
        }
        task.set_key(self.alive.insert(task.clone()));
        (task, join)
    }

    /// Asks for the memory of a task that is run soon, and of its place here.
    #[inline]
    pub(crate) fn prefetch(&self, task: &TaskRef) {
        task.prefetch();
        self.alive.prefetch(task.key());
    }

    /// Runs a task that is ready, to its next await.
    #[inline(always)]
    pub(crate) fn run(&self, event_loop: &LoopRef, task: &TaskRef) {
        if let Ran::Done = self.current.run(task) {
            self.ended(event_loop, task);
        }
    }

    #[inline]
    fn ended(&self, event_loop: &LoopRef, task: &TaskRef) {
        // The table's reference; the caller has another.
        drop(self.alive.remove(task));
        // Nobody waits by a callback, and it has a value: as most.
        if task.has_rare() {
            self.ended_with_rare(event_loop, task);
        }
    }

    #[inline(never)]
    fn ended_with_rare(&self, event_loop: &LoopRef, task: &TaskRef) {
        for callback in task.take_done_callbacks() {
            let cell = HandleCell::new(callback, task.location());
            event_loop.core.ready.push(Entry::Callback(cell));
        }
        if task.is_detached()
            && let Some(panic) = task.unseen_panic()
        {
            report_panic(event_loop, panic);
        }
        if task.is_cancelled()
            && event_loop.debug()
            && let Some(cancelled) = task.cancellation()
        {
            let tag = task.tag();
            eprintln!(
                "bucle: task {tag} (spawned at {}) ended: {cancelled:#}",
                tag.location()
            );
        }
    }

    /// Drops the futures of all tasks, in the order of their places; what they spawn meanwhile too.
    pub(crate) fn abandon_all(&self, event_loop: &LoopRef) {
        loop {
            let tasks = self.alive.take_all();
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                self.current
                    .abandon(&task, Cancelled::new("the event loop was closed"));
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

    /// Notes that a task runs a clean-up.
    pub(crate) fn keep_cleanup(&self, task: &TaskRef) {
        let is_full = {
            let cleanups = self.cleanups.borrow();
            cleanups.len() == cleanups.capacity()
        };
        if is_full {
            self.forget_done_cleanups();
        }
        self.cleanups.borrow_mut().push(task.clone());
    }

    /// The clean-ups that have not ended.
    pub(crate) fn cleanups(&self) -> Vec<TaskRef> {
        self.forget_done_cleanups();
        self.cleanups.borrow().clone()
    }

    /// The references to them may be the last, and are dropped while nothing is borrowed.
    fn forget_done_cleanups(&self) {
        let is_done = |task: &mut TaskRef| task.is_done();
        let done: Vec<TaskRef> = self.cleanups.borrow_mut().extract_if(.., is_done).collect();
        drop(done);
    }

    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }

    pub(crate) fn all(&self) -> Vec<TaskRef> {
        self.alive.all()
    }

    /// The task with this number, which was put at `key`; `None` once it has ended.
    pub(crate) fn find(&self, key: u32, id: u64) -> Option<TaskRef> {
        self.alive.get(key).filter(|task| task.id() == id)
    }

    pub(crate) fn current(&self) -> Option<TaskRef> {
        self.current.get()
    }

    /// Ends a task now, outside of its loop's turn.
    pub(crate) fn abandon(&self, event_loop: &LoopRef, task: &TaskRef, why: Cancelled) {
        if !task.is_done() {
            self.current.abandon(task, why);
            // Called from inside the task it is only a request.
            if task.is_done() {
                self.ended(event_loop, task);
            }
        }
    }

    /// The task with this number, if it is alive, where nobody kept its key: looks at each.
    pub(crate) fn find_by_id(&self, id: u64) -> Option<TaskRef> {
        self.alive.find(|task| task.id() == id)
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
