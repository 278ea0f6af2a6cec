//! The watch over slow callbacks.
//!
//! The clock is read once a callback: the end of one is the beginning of the next. By default it is
//! the system's coarse clock, which costs a few nanoseconds and is as fine as the scheduler's tick;
//! that is enough to tell 100 ms from nothing.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::clock::nanos;
use crate::exceptions::ExceptionContext;

type Handler = Box<dyn Fn(&ExceptionContext)>;

/// Coarser than this, the coarse clock would miss or invent slow callbacks.
const PRECISE_BELOW: Duration = Duration::from_millis(50);

pub(crate) struct SlowWatch {
    threshold: Cell<u64>,
    precise: Cell<bool>,
    /// Under virtual time nothing takes time.
    off: bool,
    since: Cell<u64>,
    pub(crate) handler: RefCell<Option<Handler>>,
}

impl SlowWatch {
    pub(crate) fn new(threshold: Duration, off: bool) -> SlowWatch {
        SlowWatch {
            threshold: Cell::new(nanos(threshold)),
            precise: Cell::new(false),
            off,
            since: Cell::new(0),
            handler: RefCell::new(None),
        }
    }

    pub(crate) fn threshold(&self) -> Duration {
        Duration::from_nanos(self.threshold.get())
    }

    pub(crate) fn set_threshold(&self, threshold: Duration) {
        self.threshold.set(nanos(threshold));
    }

    pub(crate) fn set_precise(&self, precise: bool) {
        self.precise.set(precise);
    }

    fn now(&self) -> u64 {
        if self.precise.get() || self.threshold.get() < nanos(PRECISE_BELOW) {
            bucle_sys::clock::monotonic()
        } else {
            bucle_sys::clock::monotonic_coarse()
        }
    }

    /// The first callback after a wait begins.
    #[inline]
    pub(crate) fn start(&self) {
        if !self.off {
            self.since.set(self.now());
        }
    }

    /// What the clock was when it was last read: the end of the last callback.
    #[inline]
    pub(crate) fn last_reading(&self) -> u64 {
        self.since.get()
    }

    /// A callback has ended, and the next begins: how long it took, if that was too long.
    #[inline]
    pub(crate) fn check(&self) -> Option<Duration> {
        if self.off {
            return None;
        }
        let now = self.now();
        let took = now.saturating_sub(self.since.replace(now));
        (took >= self.threshold.get()).then(|| Duration::from_nanos(took))
    }
}
