//! Scheduling: callbacks, timers, time, tasks.

use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::LoopRef;
use crate::handles::{Handle, HandleCell, TimerHandle};
use crate::ready::Entry;
use crate::remote::Remote;
use crate::sim::{SimEventKind, SimNetwork};
use crate::task::Task;

impl LoopRef {
    /// Runs `callback` in the next turn (or this one, if called before the ready entries run), in
    /// the order of calling.
    ///
    /// On a closed loop the callback is dropped and the handle says it was cancelled.
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        let cell = HandleCell::new(Box::new(callback), Location::caller());
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
        let cell = HandleCell::new(Box::new(callback), Location::caller());
        self.arm(when, cell)
    }

    /// `call_soon` for a callback that was given elsewhere.
    pub(crate) fn call_soon_from(
        &self,
        callback: Box<dyn FnOnce()>,
        location: &'static Location<'static>,
    ) {
        if !self.is_closed() {
            let cell = HandleCell::new(callback, location);
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

    /// A random number: from the seed under simulation, else not to be foreseen (and not for secrets
    /// either). What a program draws here is the same in every replay.
    pub fn random_u64(&self) -> u64 {
        let drawn = self.core.random.borrow_mut().u64(..);
        if let Some(network) = &self.core.sim {
            network
                .net
                .borrow_mut()
                .note_of_loop(SimEventKind::Drew(drawn));
        }
        drawn
    }

    /// The network of a simulated loop; `None` in the real world.
    pub fn sim_network(&self) -> Option<SimNetwork> {
        self.core.sim.clone()
    }

    /// A handle with which other threads reach this loop.
    ///
    /// From the first call on, the loop takes it that another thread may wake it at any time, and
    /// never ends because nothing could.
    pub fn remote(&self) -> Remote {
        self.core.deadlock.note_remote();
        Remote {
            id: self.core.id,
            inbox: self.core.inbox,
        }
    }

    /// Starts `future` as a task of its own; asyncio's `create_task`.
    ///
    /// It is first polled in the next turn. On a closed loop the future is dropped and the task
    /// ends cancelled.
    #[doc(alias = "create_task")]
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

/// As far as the clock reaches.
pub(crate) const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

/// `now + delay`, or as far as the clock reaches.
pub(crate) fn far(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}
