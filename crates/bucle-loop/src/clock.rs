//! The time the loop lives by: the monotonic clock, or a virtual one.
//!
//! Inside the loop, time is whole nanoseconds since the clock was made; outside, a
//! [`std::time::Instant`].

use std::cell::Cell;
use std::time::{Duration, Instant};

/// One loop's clock.
pub(crate) struct Clock {
    origin: Instant,
    /// The virtual time, where time is virtual.
    virtual_now: Option<Cell<u64>>,
}

impl Clock {
    pub(crate) fn monotonic() -> Clock {
        Clock {
            origin: Instant::now(),
            virtual_now: None,
        }
    }

    /// A clock that moves only when told to.
    pub(crate) fn simulated() -> Clock {
        Clock {
            origin: Instant::now(),
            virtual_now: Some(Cell::new(0)),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        match &self.virtual_now {
            Some(now) => now.get(),
            None => nanos(self.origin.elapsed()),
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        match &self.virtual_now {
            Some(now) => self.origin + Duration::from_nanos(now.get()),
            None => Instant::now(),
        }
    }

    /// The place of `when` on this clock; what lies before its beginning is its beginning.
    pub(crate) fn deadline(&self, when: Instant) -> u64 {
        nanos(when.saturating_duration_since(self.origin))
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_now.is_some()
    }

    /// Moves a virtual clock forward; a real one moves by itself.
    pub(crate) fn advance_to(&self, deadline: u64) {
        if let Some(now) = &self.virtual_now {
            now.set(now.get().max(deadline));
        }
    }
}

/// 584 years are enough: what is longer is cut to that.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
