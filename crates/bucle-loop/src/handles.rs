//! [`Handle`] and [`TimerHandle`]: the means to take a scheduled callback back.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Instant;

use crate::timers::TimerQueue;

/// What a handle does when its time has come.
pub(crate) type Action = Box<dyn FnOnce()>;

/// The shared part of a scheduled callback: the queue or the timer heap holds one reference, the
/// user's handle another.
pub(crate) struct HandleCell {
    action: Cell<Option<Action>>,
    cancelled: Cell<bool>,
    /// Whether the cell is in the timer heap.
    pub(crate) armed: Cell<bool>,
    location: &'static Location<'static>,
}

impl HandleCell {
    pub(crate) fn new(action: Action, location: &'static Location<'static>) -> Rc<HandleCell> {
        Rc::new(HandleCell {
            action: Cell::new(Some(action)),
            cancelled: Cell::new(false),
            armed: Cell::new(false),
            location,
        })
    }

    /// What is to be done, once: a second call, or one after a cancel, gives `None`.
    pub(crate) fn take(&self) -> Option<Action> {
        self.action.take()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Drops the action now; true if there was one to drop.
    pub(crate) fn cancel(&self) -> bool {
        let action = self.action.take();
        if action.is_some() {
            self.cancelled.set(true);
        }
        // The callback's captures are dropped here, after the cell is in its final state: their
        // destructors may look at this very handle.
        action.is_some()
    }
}

/// A callback scheduled by [`call_soon`](crate::LoopRef::call_soon).
///
/// Dropping the handle leaves the callback scheduled. This is asyncio's `Handle`.
#[derive(Clone)]
pub struct Handle {
    pub(crate) cell: Rc<HandleCell>,
}

impl Handle {
    /// Takes the callback back and drops it, with all it captured, before this returns. Does
    /// nothing once it has run or begun to.
    pub fn cancel(&self) {
        self.cell.cancel();
    }

    /// Whether the callback was cancelled before it could run.
    pub fn cancelled(&self) -> bool {
        self.cell.is_cancelled()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("cancelled", &self.cancelled())
            .field("scheduled_at", &format_args!("{}", self.cell.location()))
            .finish()
    }
}

/// A callback scheduled by [`call_later`](crate::LoopRef::call_later) or
/// [`call_at`](crate::LoopRef::call_at).
///
/// Dropping the handle leaves the timer armed. This is asyncio's `TimerHandle`.
#[derive(Clone)]
pub struct TimerHandle {
    pub(crate) cell: Rc<HandleCell>,
    pub(crate) when: Instant,
    pub(crate) timers: Rc<TimerQueue>,
}

impl TimerHandle {
    /// Takes the callback back and drops it, with all it captured, before this returns. Does
    /// nothing once it has run or begun to.
    ///
    /// Costs the same however many timers are armed; the timer's place in the heap is given back
    /// later, together with others.
    pub fn cancel(&self) {
        if self.cell.cancel() {
            self.timers.note_cancelled(&self.cell);
        }
    }

    /// Whether the callback was cancelled before it could run.
    pub fn cancelled(&self) -> bool {
        self.cell.is_cancelled()
    }

    /// The time the callback was scheduled for, on the loop's clock.
    pub fn when(&self) -> Instant {
        self.when
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when)
            .field("cancelled", &self.cancelled())
            .field("scheduled_at", &format_args!("{}", self.cell.location()))
            .finish()
    }
}
