//! The loop: [`EventLoop`], the references to it, and the turn.
//!
//! One loop a thread, for life. Nothing here is atomic, locked or `Send` but the inbox through
//! which other threads reach it.
//!
//! A turn, in asyncio's order, is [`LoopRef::turn`]:
//!
//! 1. `select`: wait for the operating system;
//! 2. `dispatch`: what it reported goes to the ready queue;
//! 3. `expire`: timers that are due go to the ready queue;
//! 4. `run_ready`: run the entries that stood in the queue when this phase began;
//! 5. `flush`: what was written piecemeal during the turn leaves together.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::exceptions::{ExceptionContext, panic_message};
use crate::fds::{FdTable, Interest, Owner, Registration, Source, Watcher, split_token};
use crate::handles::{Action, Handle, HandleCell, TimerHandle};
use crate::inbox::{Inbox, Message};
use crate::ready::{Entry, ReadyQueue};
use crate::remote::Remote;
use crate::running;
use crate::selector::{Event, SelectorKind};
use crate::signals::Signals;
use crate::slow::SlowWatch;
use crate::task::table::TaskTable;
use crate::task::{Cancelled, Task, TaskError, TaskTag};
use crate::timers::TimerQueue;

/// How long a callback may run before it is reported (asyncio's `slow_callback_duration`).
pub const SLOW_CALLBACK_DURATION: Duration = Duration::from_millis(100);

/// The size of the one buffer that all reads of a loop go through.
pub const READ_BUFFER: usize = 64 * 1024;

type ExceptionHandler = Rc<dyn Fn(&LoopRef, ExceptionContext)>;

/// Why a loop ended by itself: no event can ever come.
const DEADLOCK: &str = "deadlock: nothing is ready, no timer is armed and no descriptor is watched, \
                        so no task of this simulated loop can ever be woken";

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
    pub(crate) ready: Rc<ReadyQueue>,
    pub(crate) timers: Rc<TimerQueue>,
    pub(crate) clock: Rc<Clock>,
    pub(crate) inbox: &'static Inbox,
    pub(crate) tasks: TaskTable,
    pub(crate) counters: Counters,
    fds: RefCell<FdTable>,
    signals: RefCell<Signals>,
    to_flush: RefCell<Vec<Rc<dyn Source>>>,
    read_buffer: Cell<Option<Box<[u8]>>>,
    /// Scratch of `select` and `dispatch`.
    events: RefCell<Vec<Event>>,
    messages: RefCell<Vec<Message>>,
    state: Cell<State>,
    stopping: Cell<bool>,
    /// The simulated selector found that nothing can ever happen.
    deadlocked: Cell<bool>,
    debug: Cell<bool>,
    slow: SlowWatch,
    exception_handler: RefCell<Option<ExceptionHandler>>,
}

/// The owner of an event loop, which closes it when dropped.
///
/// Everything a loop can be asked to do is a method of [`LoopRef`], to which this dereferences.
/// A loop belongs for life to the thread that made it; other threads speak to it through a
/// [`Remote`]. This is asyncio's `new_event_loop()`.
///
/// ```
/// use bucle_loop::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// let answer = event_loop.run_until_complete(async { 6 * 7 });
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct EventLoop {
    handle: LoopRef,
}

/// A reference to an event loop, for its own thread; cheap to clone.
///
/// Get the one of the running loop by [`get_running_loop`](crate::get_running_loop). It outlives
/// its loop without harm: on a closed loop, callbacks are dropped unrun and tasks end cancelled.
#[derive(Clone)]
pub struct LoopRef {
    pub(crate) core: Rc<Core>,
}

/// Settings of a loop to be made. `Send`, so that it can be carried to the thread that will own
/// the loop.
#[derive(Clone, Debug, Default)]
pub struct LoopBuilder {
    selector: Option<SelectorKind>,
    debug: bool,
}

impl LoopBuilder {
    /// Asks for one selector, whatever `BUCLE_SELECTOR` says.
    #[must_use]
    pub fn selector(mut self, kind: SelectorKind) -> LoopBuilder {
        self.selector = Some(kind);
        self
    }

    /// Switches debug mode on from the start; see [`LoopRef::set_debug`].
    #[must_use]
    pub fn debug(mut self, on: bool) -> LoopBuilder {
        self.debug = on;
        self
    }

    /// Makes the loop, owned by this thread from now on.
    ///
    /// # Errors
    /// The system's when it can't give the two descriptors a loop needs; `InvalidInput` when
    /// `BUCLE_SELECTOR` names no selector.
    pub fn build(self) -> io::Result<EventLoop> {
        let kind = match self.selector {
            Some(kind) => kind,
            None => SelectorKind::from_env()?,
        };
        EventLoop::with(
            FdTable::new(kind.open()?),
            Rc::new(Clock::monotonic()),
            self.debug,
        )
    }
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

    fn with(fds: FdTable, clock: Rc<Clock>, debug: bool) -> io::Result<EventLoop> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let wake = Arc::new(bucle_sys::wake::WakeFd::new()?);
        let inbox = {
            let wake = wake.clone();
            Inbox::acquire(id, Box::new(move || wake.wake()))
        };
        let handle = LoopRef {
            core: Rc::new(Core {
                id,
                ready: Rc::new(ReadyQueue::default()),
                timers: Rc::new(TimerQueue::default()),
                slow: SlowWatch::new(SLOW_CALLBACK_DURATION, clock.is_virtual()),
                clock,
                inbox,
                tasks: TaskTable::default(),
                counters: Counters::default(),
                fds: RefCell::new(fds),
                signals: RefCell::default(),
                to_flush: RefCell::default(),
                read_buffer: Cell::new(None),
                events: RefCell::default(),
                messages: RefCell::default(),
                state: Cell::new(State::Idle),
                stopping: Cell::new(false),
                deadlocked: Cell::new(false),
                debug: Cell::new(debug),
                exception_handler: RefCell::new(None),
            }),
        };
        let event_loop = EventLoop { handle };
        event_loop
            .core
            .fds
            .borrow_mut()
            .register(
                wake.as_fd(),
                Interest::READ,
                Rc::new(WakeSource(wake.clone())),
            )?
            .1
            .discard();
        Ok(event_loop)
    }

    /// Runs until `future` is done, and returns what it came to.
    ///
    /// The future becomes a task of this loop. Other tasks go on as long as this runs, and stay
    /// where they are when it returns. This is asyncio's `run_until_complete`.
    ///
    /// # Errors
    /// [`TaskError::Panicked`] when the future panicked; [`TaskError::Cancelled`] when its task was
    /// cancelled, or the loop stopped by [`stop`](LoopRef::stop) before it was done.
    ///
    /// # Panics
    /// If the loop is closed, or a loop is running in this thread already.
    #[track_caller]
    pub fn run_until_complete<F>(&self, future: F) -> Result<F::Output, TaskError>
    where
        F: Future + 'static,
    {
        let mut main = self.spawn(future);
        let stop = self.handle.clone();
        main.add_done_callback(move || stop.stop());
        self.run_forever();
        if let Some(result) = main.try_result() {
            return result;
        }
        let why = Cancelled::new(if self.core.deadlocked.take() {
            DEADLOCK
        } else {
            "the loop was stopped before the future was done"
        });
        let task = main.handle();
        self.core.tasks.abandon(self, task.task_ref(), why.clone());
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

/// Running: the turn and its phases.
impl LoopRef {
    /// Runs until [`stop`](LoopRef::stop) is called.
    ///
    /// # Panics
    /// If the loop is closed, or a loop is running in this thread already.
    #[track_caller]
    pub fn run_forever(&self) {
        let _running = self.enter();
        loop {
            self.turn();
            if self.core.stopping.replace(false) {
                break;
            }
        }
    }

    #[track_caller]
    fn enter(&self) -> impl Drop {
        match self.core.state.get() {
            State::Idle => {}
            State::Running => panic!("this event loop is running already"),
            State::Closing | State::Closed => panic!("this event loop is closed"),
        }
        let entered = running::enter(self.clone());
        self.core.state.set(State::Running);
        Leave {
            core: self.core.clone(),
            _entered: entered,
        }
    }

    /// One turn. An embedder may call the phases one by one instead, in this order.
    pub fn turn(&self) {
        self.select();
        self.dispatch();
        self.expire();
        self.run_ready();
        self.flush();
        self.core.counters.turns.add(1);
    }

    /// Phase 1: waits for the operating system; not at all if something is ready, else until the
    /// next timer is due.
    pub fn select(&self) {
        let core = &*self.core;
        let mut timeout = self.timeout();
        let asleep = timeout != Some(Duration::ZERO);
        if asleep && !core.inbox.prepare_sleep() {
            timeout = Some(Duration::ZERO);
        }
        let result = core
            .fds
            .borrow_mut()
            .selector
            .select(timeout, &mut core.events.borrow_mut());
        if asleep {
            core.inbox.awake();
        }
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::Deadlock => self.end_deadlock(),
            Err(error) => self.call_exception_handler(ExceptionContext::new(
                "selector",
                format!("waiting for events failed: {error}"),
            )),
        }
    }

    /// How long `select` may wait.
    fn timeout(&self) -> Option<Duration> {
        let core = &*self.core;
        if !core.ready.is_empty()
            || core.stopping.get()
            || core.inbox.has_pending()
            || !core.to_flush.borrow().is_empty()
        {
            return Some(Duration::ZERO);
        }
        core.timers
            .next_deadline()
            .map(|deadline| Duration::from_nanos(deadline.saturating_sub(core.clock.now())))
    }

    fn end_deadlock(&self) {
        self.core.deadlocked.set(true);
        self.call_exception_handler(ExceptionContext::new("loop", DEADLOCK));
        self.stop();
    }

    /// Phase 2: puts what `select` saw, and what other threads sent, into the ready queue.
    pub fn dispatch(&self) {
        let core = &*self.core;
        for event in core.events.borrow_mut().drain(..) {
            let (fd, generation) = split_token(event.token);
            core.ready.push(Entry::Io {
                fd,
                generation,
                readiness: event.readiness,
            });
        }
        if core.inbox.has_pending() {
            let mut messages = core.messages.take();
            core.inbox.drain(&mut messages);
            for message in messages.drain(..) {
                match message {
                    Message::Task(task) => task.wake_from_inbox(),
                    Message::Call(callback, location) => core.ready.push(Entry::Callback(
                        HandleCell::new(Action::Call(callback), location),
                    )),
                }
            }
            core.messages.replace(messages);
        }
    }

    /// Phase 3: puts the timers that are due into the ready queue.
    pub fn expire(&self) {
        let core = &*self.core;
        // The clock is not read when nothing can be due.
        if core.timers.len() == 0 {
            return;
        }
        let now = core.clock.now();
        while let Some(cell) = core.timers.pop_due(now) {
            // A sleep wakes its task here; a callback goes through the queue like any other.
            match cell.take() {
                Some(Action::Wake(waker)) => {
                    self.guard("waker", Some(cell.location()), || waker.wake())
                }
                Some(action) => {
                    cell.put_back(action);
                    core.ready.push(Entry::Callback(cell));
                }
                None => {}
            }
        }
    }

    /// Phase 4: runs the entries that are in the ready queue now; what they add runs next turn.
    pub fn run_ready(&self) {
        let core = &*self.core;
        let count = core.ready.len();
        if count == 0 {
            return;
        }
        core.slow.start();
        for _ in 0..count {
            let Some(entry) = core.ready.pop() else {
                break;
            };
            self.run_entry(entry);
        }
        core.counters.ran.add(count as u64);
    }

    /// Phase 5: lets the sources that asked for it write what they gathered during the turn.
    pub fn flush(&self) {
        let core = &*self.core;
        if core.to_flush.borrow().is_empty() {
            return;
        }
        let mut sources = core.to_flush.take();
        for source in sources.drain(..) {
            self.guard("transport", None, || source.flush());
        }
        // The vector keeps its capacity, unless flushing asked for more flushing.
        let mut place = core.to_flush.borrow_mut();
        if place.is_empty() {
            *place = sources;
        }
    }

    #[inline]
    fn run_entry(&self, entry: Entry) {
        let core = &*self.core;
        match entry {
            Entry::Task(task) => {
                core.tasks.run(self, &task);
                if let Some(took) = core.slow.check() {
                    self.report_slow("task", Some(task.tag()), task.location(), took);
                }
            }
            Entry::Callback(cell) => {
                if let Some(action) = cell.take() {
                    let location = cell.location();
                    self.guard("callback", Some(location), || match action {
                        Action::Call(callback) => callback(),
                        Action::Wake(waker) => waker.wake(),
                    });
                    if let Some(took) = core.slow.check() {
                        self.report_slow("callback", None, location, took);
                    }
                }
            }
            Entry::Io {
                fd,
                generation,
                readiness,
            } => {
                // The table is not borrowed while the owner runs.
                let owner = core.fds.borrow().owner(fd, generation);
                match owner {
                    None => core.counters.stale_events.add(1),
                    Some(Owner::Source(source)) => {
                        self.guard("transport", None, || source.ready(readiness));
                        if let Some(took) = core.slow.check() {
                            self.report_slow("transport", None, Location::caller(), took);
                        }
                    }
                    Some(Owner::Callbacks { reader, writer }) => {
                        if let Some(reader) = reader.filter(|_| readiness.readable()) {
                            self.run_watcher("reader", fd, generation, Interest::READ, &reader);
                        }
                        if let Some(writer) = writer.filter(|_| readiness.writable()) {
                            self.run_watcher("writer", fd, generation, Interest::WRITE, &writer);
                        }
                    }
                }
            }
        }
    }

    /// Runs one reader or writer callback, unless the callback before it has taken it away.
    fn run_watcher(
        &self,
        source: &'static str,
        fd: i32,
        generation: u32,
        side: Interest,
        watcher: &Watcher,
    ) {
        let core = &*self.core;
        if !core.fds.borrow().watches(fd, generation, side, watcher) {
            return;
        }
        self.guard(source, Some(watcher.location), || {
            // A callback that runs the loop inside itself finds itself borrowed: it is skipped, and
            // reported again by the next, level-triggered wait.
            if let Ok(mut callback) = watcher.callback.try_borrow_mut() {
                callback();
            }
        });
        if let Some(took) = core.slow.check() {
            self.report_slow(source, None, watcher.location, took);
        }
    }

    /// Runs `body`; a panic goes to the exception handler and no further.
    pub(crate) fn guard(
        &self,
        source: &'static str,
        location: Option<&'static Location<'static>>,
        body: impl FnOnce(),
    ) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
            self.call_exception_handler(ExceptionContext::panic(source, location, payload));
        }
    }

    /// Makes [`run_forever`](LoopRef::run_forever) return at the end of the current turn, or of the
    /// next one if the loop is not running.
    pub fn stop(&self) {
        self.core.stopping.set(true);
    }

    /// Whether the loop is running now.
    pub fn is_running(&self) -> bool {
        self.core.state.get() == State::Running
    }

    /// Whether the loop was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.core.state.get(), State::Closing | State::Closed)
    }

    /// Drops everything the loop still holds, in order: tasks, timers, callbacks, watched
    /// descriptors, signal handlers; then refuses everything. A second call does nothing.
    ///
    /// The futures of unfinished tasks are dropped here, on the loop's thread; who awaits them
    /// elsewhere gets a cancellation.
    ///
    /// # Panics
    /// If the loop is running.
    #[track_caller]
    pub fn close(&self) {
        let core = &*self.core;
        match core.state.get() {
            State::Idle => {}
            State::Running => panic!("a running event loop can't be closed; call `stop` first"),
            State::Closing | State::Closed => return,
        }
        core.state.set(State::Closing);
        let entered = running::enter_for_close(self.clone());
        core.tasks.abandon_all(self);
        let discard = |drop_it: &mut dyn FnMut()| self.guard("close", None, drop_it);
        for cell in core.timers.clear() {
            let mut action = cell.take();
            discard(&mut || drop(action.take()));
        }
        for source in core.to_flush.take() {
            let mut source = Some(source);
            discard(&mut || drop(source.take()));
        }
        while let Some(entry) = core.ready.pop() {
            let mut entry = Some(entry);
            discard(&mut || drop(entry.take()));
        }
        drop(core.signals.take());
        let removed = core.fds.borrow_mut().clear();
        for removed in removed {
            let mut removed = Some(removed);
            discard(&mut || {
                if let Some(removed) = removed.take() {
                    removed.close();
                }
            });
        }
        for message in core.inbox.close(core.id) {
            let mut message = Some(message);
            discard(&mut || drop(message.take()));
        }
        // What the destructors above scheduled was refused; what they left in the queue goes too.
        while let Some(entry) = core.ready.pop() {
            let mut entry = Some(entry);
            discard(&mut || drop(entry.take()));
        }
        let handler = core.exception_handler.take();
        drop(handler);
        core.fds.borrow_mut().close();
        core.state.set(State::Closed);
        drop(entered);
    }
}

/// Scheduling: callbacks, timers, time.
impl LoopRef {
    /// Runs `callback` in the next turn (or this one, if called before the ready entries run), in
    /// the order of calling.
    ///
    /// On a closed loop the callback is dropped and the handle says it was cancelled.
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        let cell = HandleCell::new(Action::Call(Box::new(callback)), Location::caller());
        if self.is_closed() {
            cell.cancel();
        } else {
            self.core.ready.push(Entry::Callback(cell.clone()));
        }
        Handle { cell }
    }

    /// Runs `callback` once `delay` has passed, never sooner.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        let when = far(self.time(), delay);
        self.call_at(when, callback)
    }

    /// Runs `callback` once [`time`](LoopRef::time) has come to `when`. Callbacks for the same
    /// nanosecond run in the order they were scheduled; a time that has passed is the next turn.
    #[track_caller]
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + 'static) -> TimerHandle {
        let cell = HandleCell::new(Action::Call(Box::new(callback)), Location::caller());
        self.arm(when, cell)
    }

    /// A timer that wakes a task instead of calling something.
    #[track_caller]
    pub(crate) fn wake_at(&self, when: Instant, waker: Waker) -> TimerHandle {
        let cell = HandleCell::new(Action::Wake(waker), Location::caller());
        self.arm(when, cell)
    }

    /// `call_soon` for a callback that was given elsewhere.
    pub(crate) fn call_soon_from(
        &self,
        callback: Box<dyn FnOnce()>,
        location: &'static Location<'static>,
    ) {
        if !self.is_closed() {
            let cell = HandleCell::new(Action::Call(callback), location);
            self.core.ready.push(Entry::Callback(cell));
        }
    }

    fn arm(&self, when: Instant, cell: Rc<HandleCell>) -> TimerHandle {
        if self.is_closed() {
            cell.cancel();
        } else {
            let deadline = self.core.clock.deadline(when);
            self.core.timers.arm(deadline, cell.clone());
        }
        TimerHandle {
            cell,
            when,
            timers: self.core.timers.clone(),
        }
    }

    /// The loop's time: the monotonic clock's, or the virtual one's under simulation.
    pub fn time(&self) -> Instant {
        self.core.clock.instant()
    }

    /// A handle with which other threads reach this loop.
    pub fn remote(&self) -> Remote {
        Remote {
            id: self.core.id,
            inbox: self.core.inbox,
        }
    }

    /// Starts `future` as a task of its own; asyncio's `create_task`.
    ///
    /// It is first polled in the next turn. On a closed loop the future is dropped and the task
    /// ends cancelled.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        self.core
            .tasks
            .spawn(self, future, None, Location::caller())
    }

    /// [`spawn`](LoopRef::spawn) with a name that reports and errors will show.
    #[track_caller]
    pub fn spawn_named<F>(&self, name: &str, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        self.core
            .tasks
            .spawn(self, future, Some(name.into()), Location::caller())
    }
}

/// Descriptors and signals.
impl LoopRef {
    /// Calls `callback` whenever `fd` is readable, until [`remove_reader`](LoopRef::remove_reader).
    ///
    /// Level-triggered: as long as something is left to read, it is called again every turn. A
    /// second call for the same descriptor replaces the first callback. The descriptor stays the
    /// caller's, who removes the reader before closing it.
    ///
    /// # Errors
    /// `InvalidInput` for a regular file or directory, which is always ready; `ResourceBusy` for a
    /// descriptor that a transport owns; the system's.
    #[track_caller]
    pub fn add_reader(&self, fd: impl AsFd, callback: impl FnMut() + 'static) -> io::Result<()> {
        self.add_watcher(fd, Interest::READ, Box::new(callback), Location::caller())
    }

    /// Calls `callback` whenever `fd` is writable; otherwise as [`add_reader`](LoopRef::add_reader).
    ///
    /// # Errors
    /// As [`add_reader`](LoopRef::add_reader).
    #[track_caller]
    pub fn add_writer(&self, fd: impl AsFd, callback: impl FnMut() + 'static) -> io::Result<()> {
        self.add_watcher(fd, Interest::WRITE, Box::new(callback), Location::caller())
    }

    fn add_watcher(
        &self,
        fd: impl AsFd,
        side: Interest,
        callback: Box<dyn FnMut()>,
        location: &'static Location<'static>,
    ) -> io::Result<()> {
        self.check_open()?;
        let watcher = Watcher {
            callback: Rc::new(RefCell::new(callback)),
            location,
        };
        let removed = self
            .core
            .fds
            .borrow_mut()
            .add_watcher(fd.as_fd(), side, watcher);
        removed.map(drop)
    }

    /// Takes the reader of `fd` away at once: it is not called again, not even for an event of this
    /// turn. Returns whether there was one.
    pub fn remove_reader(&self, fd: impl AsFd) -> bool {
        self.remove_watcher(fd, Interest::READ)
    }

    /// Takes the writer of `fd` away; see [`remove_reader`](LoopRef::remove_reader).
    pub fn remove_writer(&self, fd: impl AsFd) -> bool {
        self.remove_watcher(fd, Interest::WRITE)
    }

    fn remove_watcher(&self, fd: impl AsFd, side: Interest) -> bool {
        let removed = self.core.fds.borrow_mut().remove_watcher(fd.as_fd(), side);
        // Dropped when the table is free again.
        removed.is_some()
    }

    /// Gives a descriptor to a [`Source`], which gets its events until
    /// [`deregister`](LoopRef::deregister): the seam that transports stand on.
    ///
    /// # Errors
    /// The system's; the loop being closed.
    pub fn register(
        &self,
        fd: impl AsFd,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<Registration> {
        self.check_open()?;
        let result = self
            .core
            .fds
            .borrow_mut()
            .register(fd.as_fd(), interest, source);
        let (generation, removed) = result?;
        removed.discard();
        Ok(Registration { generation })
    }

    /// Changes what a registered source waits for. Costs nothing when nothing changes.
    ///
    /// # Errors
    /// The system's.
    pub fn set_interest(
        &self,
        fd: impl AsFd,
        registration: &Registration,
        interest: Interest,
    ) -> io::Result<()> {
        self.core
            .fds
            .borrow_mut()
            .set_interest(fd.as_fd(), registration.generation, interest)
    }

    /// Ends a registration, before its descriptor is closed. Events of it that are still on their
    /// way, in this turn too, are dropped.
    pub fn deregister(&self, fd: impl AsFd, registration: Registration) {
        let removed = self
            .core
            .fds
            .borrow_mut()
            .deregister(fd.as_fd(), registration.generation);
        drop(removed);
    }

    /// Calls [`Source::flush`] at the end of this turn. Asked twice, it is called twice: the caller
    /// keeps count.
    pub fn flush_soon(&self, source: Rc<dyn Source>) {
        if !self.is_closed() {
            self.core.to_flush.borrow_mut().push(source);
        }
    }

    /// Lends the one buffer that all reads of this loop go through, so that idle connections need
    /// none of their own. A nested call gets a buffer of its own.
    pub fn with_read_buffer<R>(&self, body: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self
            .core
            .read_buffer
            .take()
            .unwrap_or_else(|| vec![0; READ_BUFFER].into_boxed_slice());
        let result = body(&mut buffer);
        self.core.read_buffer.set(Some(buffer));
        result
    }

    /// The number of turns this loop has made: what was looked at in this turn need not be looked
    /// at again.
    pub fn turn_number(&self) -> u64 {
        self.core.counters.turns.get()
    }

    /// Calls `callback` on the loop whenever the process gets `signal`, in place of the signal's
    /// default effect. A second call for the same signal replaces the first callback.
    ///
    /// # Errors
    /// `InvalidInput` for a signal that can't be handled (`SIGKILL`, `SIGSTOP`) or that a handler
    /// could not return from (`SIGSEGV`, `SIGFPE`, `SIGILL`), and for numbers that are no signals.
    #[track_caller]
    pub fn add_signal_handler(
        &self,
        signal: i32,
        mut callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.check_open()?;
        if self.core.clock.is_virtual() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "signals are real; a simulated loop has none",
            ));
        }
        let pipe = self.core.signals.borrow_mut().add(signal)?;
        let source = pipe.clone();
        let watcher = move || {
            for _ in 0..source.drain() {
                callback();
            }
        };
        self.add_watcher(
            &*pipe,
            Interest::READ,
            Box::new(watcher),
            Location::caller(),
        )
    }

    /// Gives `signal` its default effect back; true if a handler was there.
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        let removed = self.core.signals.borrow_mut().remove(signal);
        removed.is_some_and(|pipe| self.remove_reader(&*pipe))
    }

    fn check_open(&self) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::Error::other("the event loop is closed"));
        }
        Ok(())
    }
}

/// Errors and debugging.
impl LoopRef {
    /// Sets who is told of panics and errors that reach the loop; without one they are printed to
    /// standard error. The loop goes on either way, also when the handler itself panics.
    pub fn set_exception_handler(&self, handler: impl Fn(&LoopRef, ExceptionContext) + 'static) {
        let old = self
            .core
            .exception_handler
            .borrow_mut()
            .replace(Rc::new(handler));
        drop(old);
    }

    /// Goes back to printing.
    pub fn reset_exception_handler(&self) {
        let old = self.core.exception_handler.borrow_mut().take();
        drop(old);
    }

    /// Tells the exception handler of `context`.
    pub fn call_exception_handler(&self, context: ExceptionContext) {
        self.core.counters.exceptions.add(1);
        let handler = self.core.exception_handler.borrow().clone();
        let Some(handler) = handler else {
            eprintln!("bucle: {context}");
            return;
        };
        let told = context.to_string();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(self, context))) {
            eprintln!(
                "bucle: the exception handler panicked ({}) when told: {told}",
                panic_message(&*payload)
            );
        }
    }

    /// Switches debug mode: with it on, slow callbacks are measured to the nanosecond instead of to
    /// the system's tick (a few milliseconds).
    pub fn set_debug(&self, on: bool) {
        self.core.debug.set(on);
        self.core.slow.set_precise(on);
    }

    /// Whether debug mode is on.
    pub fn debug(&self) -> bool {
        self.core.debug.get()
    }

    /// Sets how long a callback or a step of a task may run before it is reported to standard
    /// error; 100 ms until set. [`Duration::MAX`] switches the report off.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.core.slow.set_threshold(duration);
    }

    /// How long a callback may run before it is reported.
    pub fn slow_callback_duration(&self) -> Duration {
        self.core.slow.threshold()
    }

    #[cold]
    fn report_slow(
        &self,
        source: &'static str,
        task: Option<TaskTag>,
        location: &'static Location<'static>,
        took: Duration,
    ) {
        self.core.counters.slow_callbacks.add(1);
        let context = ExceptionContext {
            name: task.map(|task| task.to_string()),
            location: Some(location),
            ..ExceptionContext::new(
                source,
                format!(
                    "held the loop for {} ms; move long work to a thread, or yield in between",
                    took.as_millis()
                ),
            )
        };
        match &*self.core.slow.handler.borrow() {
            Some(handler) => handler(&context),
            None => eprintln!("bucle: slow {context}"),
        }
    }

    /// Sets who is told of slow callbacks, in place of standard error.
    pub fn set_slow_callback_handler(&self, handler: impl Fn(&ExceptionContext) + 'static) {
        *self.core.slow.handler.borrow_mut() = Some(Box::new(handler));
    }

    /// The name of the selector in use: `epoll`, `poll`, `sim`.
    pub fn selector_name(&self) -> &'static str {
        self.core.fds.borrow().selector.name()
    }

    /// How many descriptors are watched, the loop's own one not counted.
    pub fn watched_fds(&self) -> usize {
        self.core.fds.borrow().watched().saturating_sub(1)
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

/// Puts the loop's state back when `run_forever` returns or unwinds.
struct Leave<E> {
    core: Rc<Core>,
    _entered: E,
}

impl<E> Drop for Leave<E> {
    fn drop(&mut self) {
        self.core.state.set(State::Idle);
    }
}

/// Clears the wake descriptor after another thread has ended the wait with it.
struct WakeSource(Arc<bucle_sys::wake::WakeFd>);

impl Source for WakeSource {
    fn ready(&self, _: crate::fds::Readiness) {
        self.0.clear();
    }
}

/// `now + delay`, or as far as the clock reaches.
pub(crate) fn far(now: Instant, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

/// Runs `future` on a new loop of this thread, and returns what it came to. asyncio's `run`.
///
/// Tasks that are left when it is done are dropped with the loop.
///
/// # Errors
/// The system's when it can't give the descriptors a loop needs; `InvalidInput` when
/// `BUCLE_SELECTOR` names no selector; `Interrupted` when the loop was stopped, or the task of
/// `future` cancelled, before it was done.
///
/// # Panics
/// When the future panics, with its panic; when a loop is running in this thread already.
#[track_caller]
pub fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future + 'static,
{
    let event_loop = EventLoop::new()?;
    match event_loop.run_until_complete(future) {
        Ok(value) => Ok(value),
        Err(TaskError::Cancelled(cancelled)) => {
            Err(io::Error::new(io::ErrorKind::Interrupted, cancelled))
        }
        Err(TaskError::Panicked(panic)) => match panic.take_payload() {
            Some(payload) => resume_unwind(payload),
            None => panic!("{panic}"),
        },
    }
}
