//! Those who wait for settable futures, all of a loop's in one table.
//!
//! A future that is awaited needs a place for a waker, and the loop must find it there to tell who
//! waits for what ([`waits`](crate::waits)). So the place is in the loop, one of the future's line. A
//! wait allocates nothing once the table has grown, and there is nothing to enter into a list of
//! places and to take out again.
//!
//! Wakers are other people's code when they are called, cloned or dropped: that is done only when
//! the table isn't borrowed, by the callers.

use std::cell::RefCell;
use std::panic::Location;
use std::task::Waker;

use crate::lines::{Line, Lines, NONE};
use crate::task::cell::wake_ours;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// The waits of one loop.
#[derive(Default)]
pub(crate) struct FutureWaits {
    waits: RefCell<Lines<FutureWait>>,
}

#[derive(Default)]
struct FutureWait {
    waker: Option<Waker>,
    /// Where the future was made.
    location: Option<&'static Location<'static>>,
}

impl FutureWaits {
    /// Puts a waker at the end of a line; gives its place.
    ///
    /// # Panics
    /// At 2^32 - 1 waits of one loop.
    #[inline]
    pub(crate) fn add(
        &self,
        line: &mut Line,
        waker: Waker,
        location: &'static Location<'static>,
    ) -> u32 {
        let mut waits = self.waits.borrow_mut();
        let key = waits.link(line);
        let wait = &mut waits[key];
        wait.waker = Some(waker);
        wait.location = Some(location);
        key
    }

    /// Whether a place has this waker.
    #[inline]
    pub(crate) fn has(&self, key: u32, waker: &Waker) -> bool {
        let waits = self.waits.borrow();
        let known = waits[key].waker.as_ref();
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Puts another waker into a place; gives the one before.
    pub(crate) fn renew(&self, key: u32, waker: Waker) -> Option<Waker> {
        self.waits.borrow_mut()[key].waker.replace(waker)
    }

    /// Takes a place out of its line.
    #[inline]
    pub(crate) fn remove(&self, line: &mut Line, key: u32) -> Option<Waker> {
        let mut waits = self.waits.borrow_mut();
        waits.unlink(line, key).0.waker.take()
    }

    /// Wakes all of a line, in order. Nobody enters it any more.
    #[inline]
    pub(crate) fn wake_all(&self, line: Line) {
        /// Takes the rest out if a waker panics.
        struct Rest<'a>(&'a FutureWaits, Line);
        impl Rest<'_> {
            #[inline]
            fn next(&mut self) -> Option<Waker> {
                match self.1.first {
                    NONE => None,
                    first => self.0.remove(&mut self.1, first),
                }
            }
        }
        impl Drop for Rest<'_> {
            #[inline]
            fn drop(&mut self) {
                while let Some(waker) = self.next() {
                    drop(waker);
                }
            }
        }
        let mut rest = Rest(self, line);
        while let Some(waker) = rest.next() {
            if let Err(waker) = wake_ours(waker) {
                waker.wake();
            }
        }
    }

    /// Tells of all who wait.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        for wait in self.waits.borrow().all() {
            if let FutureWait {
                waker: Some(waker),
                location: Some(location),
            } = wait
            {
                let what = What::new(WaitKind::Future, "Future").at(location);
                survey.waits(waker, what, Needs::Anyone);
            }
        }
    }
}
