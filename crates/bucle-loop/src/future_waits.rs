//! Those who wait for settable futures, all of a loop's in one table.
//!
//! A future that is awaited needs a place for a waker, and the loop must find it there to tell who
//! waits for what ([`waits`](crate::waits)). So the place is in the loop: a node in a slab, linked
//! to the future's others. A wait allocates nothing once the slab has grown, and there is nothing to
//! enter into a list of places and to take out again.
//!
//! Wakers are other people's code when they are called, cloned or dropped: that is done only when
//! the table isn't borrowed, by the callers.

use std::cell::RefCell;
use std::panic::Location;
use std::task::Waker;

use slab::Slab;

use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// No node.
const NONE: u32 = u32::MAX;

/// The waits of one loop.
#[derive(Default)]
pub(crate) struct FutureWaits {
    nodes: RefCell<Slab<Node>>,
}

struct Node {
    waker: Waker,
    /// Where the future was made.
    location: &'static Location<'static>,
    previous: u32,
    next: u32,
}

/// One future's, in the order they came. All calls with it are to the same `FutureWaits`.
pub(crate) struct Line {
    first: u32,
    last: u32,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            first: NONE,
            last: NONE,
        }
    }
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
        let mut nodes = self.nodes.borrow_mut();
        let entry = nodes.vacant_entry();
        let key = match u32::try_from(entry.key()) {
            Ok(key) if key != NONE => key,
            _ => panic!("2^32 - 1 waits for futures of one loop"),
        };
        entry.insert(Node {
            waker,
            location,
            previous: line.last,
            next: NONE,
        });
        match line.last {
            NONE => line.first = key,
            last => nodes[last as usize].next = key,
        }
        line.last = key;
        key
    }

    /// Whether a place has this waker.
    #[inline]
    pub(crate) fn has(&self, key: u32, waker: &Waker) -> bool {
        self.nodes.borrow()[key as usize].waker.will_wake(waker)
    }

    /// Puts another waker into a place; gives the one before.
    pub(crate) fn renew(&self, key: u32, waker: Waker) -> Waker {
        let node = &mut self.nodes.borrow_mut()[key as usize];
        std::mem::replace(&mut node.waker, waker)
    }

    /// Takes a place out of its line.
    #[inline]
    pub(crate) fn remove(&self, line: &mut Line, key: u32) -> Waker {
        let mut nodes = self.nodes.borrow_mut();
        let node = nodes.remove(key as usize);
        match node.previous {
            NONE => line.first = node.next,
            previous => nodes[previous as usize].next = node.next,
        }
        match node.next {
            NONE => line.last = node.previous,
            next => nodes[next as usize].previous = node.previous,
        }
        node.waker
    }

    /// Takes the first out of a line that nobody enters any more.
    #[inline]
    fn take_first(&self, line: &mut Line) -> Option<Waker> {
        if line.first == NONE {
            return None;
        }
        let node = self.nodes.borrow_mut().remove(line.first as usize);
        line.first = node.next;
        Some(node.waker)
    }

    /// Wakes all of a line, in order.
    #[inline]
    pub(crate) fn wake_all(&self, line: Line) {
        /// Takes the rest out if a waker panics.
        struct Rest<'a>(&'a FutureWaits, Line);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                while let Some(waker) = self.0.take_first(&mut self.1) {
                    drop(waker);
                }
            }
        }
        let mut rest = Rest(self, line);
        while let Some(waker) = self.take_first(&mut rest.1) {
            waker.wake();
        }
    }

    /// Tells of all who wait.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        for (_, node) in &*self.nodes.borrow() {
            let what = What::new(WaitKind::Future, "Future").at(node.location);
            survey.waits(&node.waker, what, Needs::Anyone);
        }
    }
}
