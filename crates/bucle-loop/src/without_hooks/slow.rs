//! The twin of `slow.rs` in the build that shows what the hooks cost: it reads no clock, and finds nothing slow.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::exceptions::ExceptionContext;

type Handler = Box<dyn Fn(&ExceptionContext)>;

/// What would have taken too long.
pub(crate) struct Slow {
    pub(crate) took: Duration,
    pub(crate) steps: u32,
}

/// Keeps what it was given, for nobody.
pub(crate) struct SlowWatch {
    pub(crate) ask_at: Cell<u64>,
    pub(crate) handler: RefCell<Option<Handler>>,
}

impl SlowWatch {
    pub(crate) fn new(_: Duration, _: bool) -> SlowWatch {
        SlowWatch {
            ask_at: Cell::new(0),
            handler: RefCell::new(None),
        }
    }

    pub(crate) fn threshold(&self) -> Duration {
        Duration::MAX
    }

    pub(crate) fn set_threshold(&self, _: Duration) {}

    pub(crate) fn set_precise(&self, _: bool) {}

    #[inline]
    pub(crate) fn start(&self, _: bool) {}

    /// As where steps are short, which is where the cost of the hooks is looked for: so that the
    /// system is asked as seldom as with them.
    #[inline]
    pub(crate) fn finds_steps_short(&self) -> bool {
        true
    }

    #[inline]
    pub(crate) fn check(&self) -> Option<Slow> {
        None
    }

    #[inline]
    pub(crate) fn check_begun(&self) -> Option<Slow> {
        None
    }
}
