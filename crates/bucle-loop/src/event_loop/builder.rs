//! [`LoopBuilder`]: what can be settled before a loop is made.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Core, EventLoop, LoopRef, SLOW_CALLBACK_DURATION, State};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::fds::{FdTable, Interest, Readiness, Source};
use crate::inbox::Inbox;
use crate::ready::ReadyQueue;
use crate::selector::SelectorKind;
use crate::slow::SlowWatch;
use crate::task::table::TaskTable;
use crate::timers::TimerQueue;

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
}

/// Clears the wake descriptor after another thread has ended the wait with it.
struct WakeSource(Arc<bucle_sys::wake::WakeFd>);

impl Source for WakeSource {
    fn ready(&self, _: Readiness) {
        self.0.clear();
    }
}
