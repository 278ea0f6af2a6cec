//! Plain counters behind what can be seen of a loop.

use std::cell::Cell;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.set(self.0.get() + n);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// What one loop has done.
#[derive(Default)]
pub(crate) struct Counters {
    /// Turns begun.
    pub(crate) turns: Counter,
    /// Times the system was asked what is ready.
    pub(crate) selects: Counter,
    /// Ready entries run.
    pub(crate) ran: Counter,
    /// Events dropped because their descriptor had a new owner.
    pub(crate) stale_events: Counter,
    /// Calls of the exception handler.
    pub(crate) exceptions: Counter,
    /// Callbacks that were reported as slow.
    pub(crate) slow_callbacks: Counter,
}

/// A copy of a loop's counters, by [`LoopRef::counters`](crate::LoopRef::counters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopCounters {
    /// Turns begun: [`select`](crate::LoopRef::select) begins one.
    pub turns: u64,
    /// Times the system was asked what is ready: at most once a turn.
    pub selects: u64,
    /// Ready entries run.
    pub ran: u64,
    /// Events that were dropped because their descriptor had been closed, or had a new owner, by
    /// the time they were to be delivered.
    pub stale_events: u64,
    /// Errors and panics that reached the exception handler.
    pub exceptions: u64,
    /// Callbacks that were reported as slow.
    pub slow_callbacks: u64,
    /// Tasks that are alive now.
    pub tasks: usize,
    /// Entries in the timer heap now, cancelled ones among them.
    pub timers: usize,
    /// Descriptors watched now.
    pub fds: usize,
}

impl crate::LoopRef {
    /// What this loop has done so far, and holds now.
    pub fn counters(&self) -> LoopCounters {
        let counters = &self.core.counters;
        LoopCounters {
            turns: counters.turns.get(),
            selects: counters.selects.get(),
            ran: counters.ran.get(),
            stale_events: counters.stale_events.get(),
            exceptions: counters.exceptions.get(),
            slow_callbacks: counters.slow_callbacks.get(),
            tasks: self.core.tasks.len(),
            timers: self.core.timers.len(),
            fds: self.watched_fds(),
        }
    }
}
