//! What the wait-for graph reads of a cell. Nothing here changes a task.

use super::{CANCEL, CLOSED, RUNNING, SCHEDULED, TaskRef, count};
use crate::primitives::Ordering;
use crate::waits::WakerKey;

impl TaskRef {
    /// What its wakers are told by.
    pub(crate) fn waker_key(&self) -> WakerKey {
        WakerKey::at(self.ptr.addr().get())
    }

    /// How many wakers it has, wherever they are. Read while other threads drop theirs it may be too
    /// many; it is never fewer than there were at some moment during the call: a waker that was
    /// cloned on another thread is counted there, and so is its origin.
    pub(crate) fn wakers(&self) -> i64 {
        let header = self.header();
        let shared = header.shared_wakers.load(Ordering::Acquire) / count::ONE;
        i64::from(header.local_wakers.get()) + i64::from(shared)
    }

    /// Who waits for its end.
    pub(crate) fn joiner_key(&self) -> Option<WakerKey> {
        let header = self.header();
        let joiner = header.rare.take_joiner(header.home())?;
        let key = WakerKey::of(&joiner);
        header.rare.set_joiner(joiner, header.home());
        Some(key)
    }

    /// Whether it will run, or end, by itself: it is in the ready queue, runs, is to be cancelled,
    /// or is closed.
    pub(crate) fn is_under_way(&self) -> bool {
        self.header().flags.get() & (SCHEDULED | RUNNING | CANCEL | CLOSED) != 0
    }
}
