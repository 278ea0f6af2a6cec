//! The loop: [`EventLoop`], the references to it, and the turn.
//!
//! One loop a thread, for life. Nothing here is atomic, locked or `Send` but the inbox through
//! which other threads reach it.
//!
//! | file | what |
//! |---|---|
//! | `turn` | the turn on one screen, and its five phases |
//! | `scheduling` | callbacks, timers, time, tasks |
//! | `descriptors` | readers, writers, sources, signals |
//! | `debugging` | the exception handler, slow callbacks, what can be asked |
//! | `builder`, `closing` | the two ends of a loop's life |
//!
//! A turn, in asyncio's order, is [`LoopRef::turn`]:
//!
//! 1. `select`: wait for the operating system;
//! 2. `dispatch`: what it reported goes to the ready queue;
//! 3. `expire`: timers that are due go to the ready queue;
//! 4. `run_ready`: run the entries that stood in the queue when this phase began;
//! 5. `flush`: what was written piecemeal during the turn leaves together.

mod asking;
mod builder;
mod closing;
mod deadlock;
mod debugging;
mod descriptors;
mod scheduling;
mod turn;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub use builder::LoopBuilder;
pub(crate) use scheduling::{FAR, far};
pub use turn::Entered;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::exceptions::ExceptionContext;
use crate::executor::DefaultExecutor;
use crate::fds::{FdTable, Source};
use crate::future_waits::FutureWaits;
use crate::inbox::{Inbox, Message};
use crate::selector::Event;
use crate::signals::Signals;
use crate::sim::SimNetwork;
use crate::slow::SlowWatch;
use crate::task::cell::{HomeRef, RemoteCall};
use crate::task::table::TaskTable;
use crate::task::{Cancelled, Task, TaskError};
use crate::timers::{Due, TimerQueue};
use crate::turn_watch::TurnWatch;
use crate::waits::WaitPlaces;
use asking::LookFirst;
use deadlock::DeadlockWatch;

/// How long a callback may run before it is reported (asyncio's `slow_callback_duration`).
pub const SLOW_CALLBACK_DURATION: Duration = Duration::from_millis(100);

/// The size in bytes of the one buffer that all reads of a loop go through.
pub const READ_BUFFER: usize = 64 * 1024;

type ExceptionHandler = Rc<dyn Fn(&LoopRef, ExceptionContext)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    Closing,
    Closed,
}

/// All that a loop owns. Shared by the owner and its references, never by threads.
pub(crate) struct Core {
    pub(crate) id: u64,
    pub(crate) ready: HomeRef,
    pub(crate) timers: Rc<TimerQueue>,
    pub(crate) clock: Rc<Clock>,
    pub(crate) inbox: &'static Inbox,
    pub(crate) tasks: TaskTable,
    pub(crate) counters: Counters,
    pub(crate) executor: DefaultExecutor,
    fds: RefCell<FdTable>,
    signals: RefCell<Signals>,
    to_flush: RefCell<Vec<Rc<dyn Source>>>,
    /// What sources have spent in the flush of this turn, of what they share.
    spent_at_end: Cell<usize>,
    read_buffer: Cell<Option<Box<[u8]>>>,
    /// Scratch of `select` and `dispatch`.
    events: RefCell<Vec<Event>>,
    messages: RefCell<Vec<Message>>,
    /// The callbacks of other threads, for each of which an entry is in the ready queue.
    calls: RefCell<VecDeque<(RemoteCall, &'static Location<'static>)>>,
    /// Scratch of `expire`.
    due: RefCell<Vec<Due>>,
    state: Cell<State>,
    stopping: Cell<bool>,
    /// Something is to be done at the end of the turn: `to_flush` isn't empty, or the loop stops.
    at_end: Cell<bool>,
    /// Where tasks wait.
    pub(crate) wait_places: Rc<WaitPlaces>,
    /// And those of them that wait for settable futures.
    pub(crate) future_waits: FutureWaits,
    deadlock: DeadlockWatch,
    /// How many entries may run between two times; 0: it is asked every turn.
    ask_after: Cell<u64>,
    look_first: LookFirst,
    /// The simulated world, where the loop lives in one.
    sim: Option<SimNetwork>,
    /// Decides in which order ready tasks run, where that is left to the seed.
    shuffle: Option<RefCell<fastrand::Rng>>,
    random: RefCell<fastrand::Rng>,
    debug: Cell<bool>,
    slow: SlowWatch,
    pub(crate) turn_watch: TurnWatch,
    exception_handler: RefCell<Option<ExceptionHandler>>,
}

/// The owner of an event loop, which closes it when dropped.
///
/// Everything a loop can be asked to do is a method of [`LoopRef`], to which this dereferences.
/// A loop belongs for life to the thread that made it; other threads speak to it through a
/// [`Remote`](crate::Remote). This is asyncio's `new_event_loop()`.
///
/// ```
/// use bucle_loop::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// let answer = event_loop.run_until_complete(async { 6 * 7 });
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("new_event_loop", "SelectorEventLoop"))]
pub struct EventLoop {
    handle: LoopRef,
}

/// A reference to an event loop, for its own thread; cheap to clone.
///
/// Get the one of the running loop by [`get_running_loop`](crate::get_running_loop). It outlives
/// its loop without harm: on a closed loop, callbacks are dropped unrun and tasks end cancelled.
#[doc(alias = "AbstractEventLoop")]
#[derive(Clone)]
pub struct LoopRef {
    pub(crate) core: Rc<Core>,
}

impl EventLoop {
    /// A loop with the default settings.
    ///
    /// # Errors
    /// As [`LoopBuilder::build`].
    pub fn new() -> io::Result<EventLoop> {
        LoopBuilder::default().build()
    }

    /// Settings to change before the loop is made.
    pub fn builder() -> LoopBuilder {
        LoopBuilder::default()
    }

    /// Runs until `future` is done, and returns what it came to.
    ///
    /// The future becomes a task of this loop. Other tasks go on as long as this runs, and stay
    /// where they are when it returns. This is asyncio's `run_until_complete`.
    ///
    /// # Errors
    /// [`TaskError::Panicked`] when the future panicked; [`TaskError::Cancelled`] when its task was
    /// cancelled, or the loop stopped by [`stop`](LoopRef::stop) before it was done, or ended
    /// because the future can never be done: then the cancellation is a
    /// [deadlock](Cancelled::is_deadlock), whose reason tells which task waits for what.
    ///
    /// # Panics
    /// If the loop is closed, or a loop is running in this thread already.
    #[track_caller]
    pub fn run_until_complete<F>(&self, future: F) -> Result<F::Output, TaskError>
    where
        F: Future + 'static,
    {
        let main = self.spawn(future);
        self.run_task(main)
    }

    /// [`run_until_complete`](EventLoop::run_until_complete) for a task of this loop.
    #[doc(hidden)]
    #[track_caller]
    pub fn run_task<T>(&self, mut main: Task<T>) -> Result<T, TaskError> {
        // The callback may still be queued when this returns, if somebody else stopped the loop in the
        // turn in which the task ended: it isn't to stop the next run.
        let runs = Rc::new(Cell::new(true));
        let stop = (self.handle.clone(), runs.clone());
        let done = main.add_done_callback(move || {
            let (event_loop, runs) = stop;
            if runs.get() {
                event_loop.stop();
            }
        });
        let watched = self.core.deadlock.watch(main.task_ref());
        self.run_forever();
        runs.set(false);
        let deadlock = watched.end();
        if let Some(result) = main.try_result() {
            return result;
        }
        let why = deadlock
            .unwrap_or_else(|| Cancelled::new("the loop was stopped before the future was done"));
        main.remove_done_callback(done);
        let task = main.task_ref().clone();
        self.core.tasks.abandon(self, &task, why.clone());
        main.try_result().unwrap_or(Err(TaskError::Cancelled(why)))
    }

    /// Closes the loop: see [`LoopRef::close`]. Dropping does the same.
    pub fn close(self) {}
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Deref for EventLoop {
    type Target = LoopRef;

    fn deref(&self) -> &LoopRef {
        &self.handle
    }
}

impl std::fmt::Debug for LoopRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopRef")
            .field("id", &self.core.id)
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handle.fmt(f)
    }
}
