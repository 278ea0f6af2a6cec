//! The places where tasks wait, as far as the loop can be told of them.
//!
//! A task that waits leaves its waker somewhere: in a lock's line, in a future, in a child that is
//! joined. The loop keeps no edge "this task waits for that": the wakers are the edges. What can't
//! be reached from the loop's own tables (tasks and timers can) is kept here, weakly, from the first
//! time that somebody waits in it until it is dropped; a wait by itself costs nothing here. Whoever
//! wants to know who waits for what asks each place: see `wait_graph`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;

use slab::Slab;

use crate::LoopRef;
use crate::running::with_running_loop;
use crate::task::cell::{TaskRef, note_wait_of, task_of};
use crate::wait_graph::Survey;

/// Something that holds wakers of those who wait.
pub(crate) trait Waited {
    /// Tells `survey` of each of them. Runs nobody else's code.
    fn tell(&self, survey: &mut Survey);
}

/// The places of one loop.
#[derive(Default)]
pub(crate) struct WaitPlaces {
    places: RefCell<Slab<Weak<dyn Waited>>>,
}

impl WaitPlaces {
    /// All that are alive.
    pub(crate) fn all(&self) -> Vec<Rc<dyn Waited>> {
        let places = self.places.borrow();
        places
            .iter()
            .filter_map(|(_, place)| place.upgrade())
            .collect()
    }
}

/// A member of the running loop's places; belongs into the place itself.
#[derive(Default)]
pub(crate) struct Member {
    /// Of which loop; 0 for none.
    loop_id: Cell<u64>,
    entry: Cell<Option<(Rc<WaitPlaces>, usize)>>,
}

impl Member {
    /// Has the running loop know `place`, whose member this is, and notes that somebody began to
    /// wait. Does nothing where no loop runs.
    #[inline]
    pub(crate) fn begin<W: Waited + 'static>(&self, place: &Rc<W>) {
        with_running_loop(|event_loop| self.begin_on(event_loop, place));
    }

    /// The same for a place that keeps `waker`; gives the task that waits, if one runs and the
    /// waker doesn't tell by itself ([`task_of`]).
    #[inline]
    pub(crate) fn begin_with<W: Waited + 'static>(
        &self,
        place: &Rc<W>,
        waker: &Waker,
    ) -> Option<TaskRef> {
        if note_wait_of(waker, self.loop_id.get()) {
            return None;
        }
        self.begin_otherwise(place, waker)
    }

    #[inline(never)]
    fn begin_otherwise<W: Waited + 'static>(
        &self,
        place: &Rc<W>,
        waker: &Waker,
    ) -> Option<TaskRef> {
        let current = with_running_loop(|event_loop| {
            self.begin_on(event_loop, place);
            event_loop.core.tasks.current()
        });
        match task_of(waker) {
            Some(_) => None,
            None => current.flatten(),
        }
    }

    #[inline]
    fn begin_on<W: Waited + 'static>(&self, event_loop: &LoopRef, place: &Rc<W>) {
        let core = &*event_loop.core;
        core.ready.note_wait();
        if self.loop_id.get() != core.id {
            let weak = Rc::downgrade(place);
            self.enter(core.id, &core.wait_places, weak);
        }
    }

    #[cold]
    fn enter(&self, loop_id: u64, places: &Rc<WaitPlaces>, place: Weak<dyn Waited>) {
        self.leave();
        self.loop_id.set(loop_id);
        let key = places.places.borrow_mut().insert(place);
        self.entry.set(Some((places.clone(), key)));
    }

    fn leave(&self) {
        if let Some((places, key)) = self.entry.take() {
            let removed = places.places.borrow_mut().try_remove(key);
            drop(removed);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whom a waker wakes, to be compared: the address it carries. That of a task's wakers is the task,
/// and no waker of another make has an address of ours while that is alive. The tables of functions
/// are left out: the standard library's may be there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WakerKey(usize);

impl WakerKey {
    pub(crate) fn of(waker: &Waker) -> WakerKey {
        WakerKey(waker.data().addr())
    }

    pub(crate) fn at(address: usize) -> WakerKey {
        WakerKey(address)
    }
}
