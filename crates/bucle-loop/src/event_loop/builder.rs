//! [`LoopBuilder`]: what can be settled before a loop is made.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bucle_sys::wake::WakeFd;

use super::asking::LookFirst;
use super::deadlock::DeadlockWatch;
use super::{Core, EventLoop, LoopRef, SLOW_CALLBACK_DURATION, State};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::executor::DefaultExecutor;
use crate::fds::{FdTable, Readiness, Source};
use crate::future_waits::FutureWaits;
use crate::inbox::{Inbox, Notify};
use crate::pollable::AsPollable;
use crate::selector::SelectorKind;
use crate::selector::sim::SimSelector;
use crate::sim::options::Stream;
use crate::sim::{SimNetwork, SimOptions};
use crate::slow::SlowWatch;
use crate::task::cell::HomeRef;
use crate::task::table::TaskTable;
use crate::timers::TimerQueue;
use crate::turn_watch::TurnWatch;

/// Settings of a loop to be made. `Send`, so that it can be carried to the thread that will own
/// the loop.
#[derive(Clone, Debug, Default)]
pub struct LoopBuilder {
    selector: Option<SelectorKind>,
    debug: bool,
    simulation: Option<SimOptions>,
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

    /// Makes the loop a simulated one: virtual time, a network in memory, everything decided by a
    /// seed; see [`sim`](crate::sim). No other selector matters then, `BUCLE_SELECTOR` neither.
    #[must_use]
    pub fn simulated(mut self, options: SimOptions) -> LoopBuilder {
        self.simulation = Some(options);
        self
    }

    /// Makes the loop, owned by this thread from now on.
    ///
    /// # Errors
    /// The system's when it can't give the two descriptors a loop needs (a simulated one needs
    /// none); `InvalidInput` when `BUCLE_SELECTOR` names no selector.
    pub fn build(self) -> io::Result<EventLoop> {
        if let Some(options) = self.simulation {
            return Ok(EventLoop::simulated(options, self.debug));
        }
        let kind = match self.selector {
            Some(kind) => kind,
            None => SelectorKind::from_env()?,
        };
        EventLoop::real(kind, self.debug)
    }
}

impl EventLoop {
    fn real(kind: SelectorKind, debug: bool) -> io::Result<EventLoop> {
        let fds = FdTable::new(kind.open()?);
        let wake = Arc::new(WakeFd::new()?);
        let parts = Parts {
            fds,
            clock: Rc::new(Clock::monotonic()),
            wake: Some(wake.clone()),
            simulation: None,
        };
        let event_loop = EventLoop::with(parts, debug);
        let mut fds = event_loop.core.fds.borrow_mut();
        let source = Rc::new(WakeSource(wake.clone()));
        let registered = fds.register_wake(wake.as_pollable(), source);
        drop(fds);
        registered.map(|()| event_loop)
    }

    fn simulated(options: SimOptions, debug: bool) -> EventLoop {
        let clock = Rc::new(Clock::simulated());
        let network = SimNetwork::new(clock.clone(), &options);
        let parts = Parts {
            fds: FdTable::new(Box::new(SimSelector::new(network.clone()))),
            clock,
            // Nothing sleeps, so there is nothing to wake.
            wake: None,
            simulation: Some((network, options)),
        };
        EventLoop::with(parts, debug)
    }

    fn with(parts: Parts, debug: bool) -> EventLoop {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let notify: Notify = match parts.wake {
            Some(wake) => Box::new(move || wake.wake()),
            None => Box::new(|| ()),
        };
        let simulation = parts.simulation;
        let random = match &simulation {
            Some((_, options)) => options.stream(Stream::Program),
            None => fastrand::Rng::new(),
        };
        let executor = match &simulation {
            Some((_, options)) => DefaultExecutor::simulated(options),
            None => DefaultExecutor::default(),
        };
        let tasks = match &simulation {
            Some(_) => TaskTable::simulated(),
            None => TaskTable::default(),
        };
        let shuffle = simulation.as_ref().and_then(|(_, options)| {
            let rng = options.stream(Stream::Schedule);
            options.shuffle_ready_tasks.then(|| RefCell::new(rng))
        });
        let inbox = Inbox::acquire(id, notify);
        let handle = LoopRef {
            core: Rc::new(Core {
                id,
                ready: HomeRef::new(id, inbox),
                timers: Rc::new(TimerQueue::default()),
                slow: SlowWatch::new(SLOW_CALLBACK_DURATION, parts.clock.is_virtual()),
                clock: parts.clock,
                inbox,
                tasks,
                counters: Counters::default(),
                executor,
                fds: RefCell::new(parts.fds),
                signals: RefCell::default(),
                to_flush: RefCell::default(),
                spent_at_end: Cell::new(0),
                read_buffer: Cell::new(None),
                events: RefCell::default(),
                messages: RefCell::default(),
                calls: RefCell::default(),
                due: RefCell::default(),
                state: Cell::new(State::Idle),
                stopping: Cell::new(false),
                at_end: Cell::new(false),
                wait_places: Rc::default(),
                future_waits: FutureWaits::default(),
                deadlock: DeadlockWatch::default(),
                ask_after: Cell::new(0),
                look_first: LookFirst::default(),
                sim: simulation.map(|(network, _)| network),
                shuffle,
                random: RefCell::new(random),
                debug: Cell::new(debug),
                turn_watch: TurnWatch::default(),
                exception_handler: RefCell::new(None),
            }),
        };
        EventLoop { handle }
    }
}

/// In what a real loop and a simulated one differ.
struct Parts {
    fds: FdTable,
    clock: Rc<Clock>,
    wake: Option<Arc<WakeFd>>,
    simulation: Option<(SimNetwork, SimOptions)>,
}

/// Clears the wake descriptor after another thread has ended the wait with it, where the selector
/// wants that.
struct WakeSource(Arc<WakeFd>);

impl Source for WakeSource {
    fn ready(&self, _: Readiness) {
        self.0.clear();
    }
}
