//! Who, inside a task, may catch its cancellation before it ends the task.
//!
//! [`catch_cancel`](crate::catch_cancel()) and a task group that is being joined each enter a
//! *place* here. Places nest as the futures that made them do, and a task may have several side by
//! side (in a `join!`). A cancellation goes to the innermost place of each branch; the task is woken
//! and goes on instead of being dropped. A place that is left without having done anything with its
//! cancellation passes it on, to the place around it or to the task. This file polls nothing.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

use super::Cancelled;
use super::cell::TaskRef;
use super::error::discard;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// The places of one task.
#[derive(Default)]
pub(crate) struct CatchTree {
    places: RefCell<Slab<Place>>,
    /// The place whose future is being polled.
    inside: Cell<Option<usize>>,
}

struct Place {
    around: Option<usize>,
    /// How many places are directly within this one.
    within: usize,
    caught: Option<Cancelled>,
    /// It works on what it caught, and needs no more.
    holding: bool,
    waker: Waker,
}

impl CatchTree {
    /// Gives a cancellation to the innermost places, or back if there are none.
    pub(crate) fn deliver(&self, cancelled: Cancelled) -> Result<(), Cancelled> {
        let mut wakers = Vec::new();
        let mut places = self.places.borrow_mut();
        let mut taken = false;
        for (_, place) in places.iter_mut().filter(|(_, place)| place.within == 0) {
            taken = true;
            if place.caught.is_none() && !place.holding {
                place.caught = Some(cancelled.clone());
                wakers.push(place.waker.clone());
            }
        }
        drop(places);
        for waker in wakers {
            // A waker of somebody else's making may panic, and the caller doesn't unwind.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                discard(payload);
            }
        }
        if taken { Ok(()) } else { Err(cancelled) }
    }

    /// Whether a place has a cancellation it has not passed on or absorbed yet.
    pub(crate) fn has_caught(&self) -> bool {
        let places = self.places.borrow();
        places
            .iter()
            .any(|(_, place)| place.caught.is_some() || place.holding)
    }

    /// The wakers that are kept here wake their own task only for its cancellation.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        for (_, place) in &*self.places.borrow() {
            let what = What::new(WaitKind::Cancellation, "");
            survey.waits(&place.waker, what, Needs::Itself);
        }
    }

    fn enter(&self, waker: Waker) -> usize {
        let mut places = self.places.borrow_mut();
        let around = self.inside.get();
        if let Some(around) = around.and_then(|key| places.get_mut(key)) {
            around.within += 1;
        }
        places.insert(Place {
            around,
            within: 0,
            caught: None,
            holding: false,
            waker,
        })
    }

    fn leave(&self, key: usize) -> Option<Place> {
        let mut places = self.places.borrow_mut();
        let place = places.try_remove(key)?;
        if let Some(around) = place.around.and_then(|key| places.get_mut(key)) {
            around.within -= 1;
        }
        Some(place)
    }
}

/// One place, held by the future that catches.
#[derive(Default)]
pub(crate) struct Catching {
    entered: Option<Entered>,
}

struct Entered {
    task: TaskRef,
    tree: Rc<CatchTree>,
    key: usize,
}

impl Catching {
    /// A place in `task`, within the one that is being polled.
    pub(super) fn in_tree(task: &TaskRef, waker: &Waker) -> Catching {
        let tree = task.catching_or_new();
        let key = tree.enter(waker.clone());
        let task = task.clone();
        Catching {
            entered: Some(Entered { task, tree, key }),
        }
    }

    /// To be called at each poll: enters the place in the task that polls, and takes what was
    /// caught. Outside of any task nothing can be.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Cancelled> {
        let task = super::current_ref()?;
        match &self.entered {
            Some(entered) if entered.task.id() == task.id() => {
                let (caught, old) = {
                    let mut places = entered.tree.places.borrow_mut();
                    let place = places.get_mut(entered.key)?;
                    let old = (!place.waker.will_wake(cx.waker()))
                        .then(|| std::mem::replace(&mut place.waker, cx.waker().clone()));
                    (place.caught.take(), old)
                };
                drop(old);
                caught
            }
            // New here, or moved here from another task.
            _ => {
                drop(self.entered.take());
                *self = Catching::in_tree(&task, cx.waker());
                None
            }
        }
    }

    /// Runs `body`, which polls what is within the place.
    pub(crate) fn inside<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Outside<'a>(&'a CatchTree, Option<usize>);
        impl Drop for Outside<'_> {
            fn drop(&mut self) {
                self.0.inside.set(self.1);
            }
        }
        let Some(entered) = &self.entered else {
            return body();
        };
        let outside = entered.tree.inside.replace(Some(entered.key));
        let _outside = Outside(&entered.tree, outside);
        body()
    }

    /// Says that the place works on what it caught; further requests are the same one.
    pub(crate) fn hold(&self) {
        if let Some(entered) = &self.entered
            && let Some(place) = entered.tree.places.borrow_mut().get_mut(entered.key)
        {
            place.holding = true;
        }
    }

    /// Leaves the place and passes `cancelled` on to what is around it.
    pub(crate) fn pass_on(&mut self, cancelled: Cancelled) {
        if let Some(entered) = self.entered.take() {
            let task = entered.task.clone();
            drop(entered);
            task.cancel(cancelled);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = self.tree.leave(self.key);
        // Came too late for this place. If the whole task is going, it is not asked again.
        if let Some(cancelled) = left.and_then(|place| place.caught) {
            self.task.cancel(cancelled);
        }
    }
}
