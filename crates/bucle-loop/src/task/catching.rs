//! Who, inside a task, may catch its cancellation before it ends the task.
//!
//! [`catch_cancel`](crate::catch_cancel()) and a task group that is being joined each enter a
//! *place* here. Places nest as the futures that made them do, and a task may have several side by
//! side (in a `join!`). A cancellation goes to the innermost place of each branch; the task is woken
//! and goes on instead of being dropped. A place that is left without having done anything with its
//! cancellation passes it on, to the place around it or to the task. This file polls nothing.
//!
//! A future may be polled inside of one place today and of another tomorrow, and outlive either: so
//! what is around a place is what it was last polled in, and what is left hands what is within it to
//! what is around.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::Cancelled;
use super::cell::TaskRef;
use super::error::discard;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// The places of one task.
#[derive(Default)]
pub(crate) struct CatchTree {
    places: RefCell<Places>,
    /// The place whose future is being polled.
    inside: Cell<Option<usize>>,
}

#[derive(Default)]
struct Places(Slab<Place>);

struct Place {
    /// The place it was last polled in: one that is there, and has not passed anything on.
    around: Option<usize>,
    /// How many places are directly within this one.
    within: usize,
    state: State,
    /// Taken when it is woken, and renewed when it is polled again.
    waker: Option<Waker>,
}

#[derive(Default)]
enum State {
    #[default]
    Free,
    /// To be woken by it, or woken.
    Caught(Cancelled),
    /// It works on what it caught, and needs no more.
    Holding,
    /// It passed on what it caught, and takes no more; it waits for what comes of it.
    Passed,
}

impl Places {
    /// Puts a place into another, or outside of all.
    fn put(&mut self, key: usize, around: Option<usize>) {
        let before = match self.0.get_mut(key) {
            Some(Place {
                state: State::Passed,
                ..
            }) => return,
            Some(place) if place.around != around => std::mem::replace(&mut place.around, around),
            _ => return,
        };
        self.count(before, |within| within - 1);
        self.count(around, |within| within + 1);
    }

    fn count(&mut self, around: Option<usize>, count: impl Fn(usize) -> usize) {
        if let Some(place) = around.and_then(|key| self.0.get_mut(key)) {
            place.within = count(place.within);
        }
    }

    fn insert(&mut self, place: Place) -> usize {
        self.count(place.around, |within| within + 1);
        self.0.insert(place)
    }

    /// Hands what is within a place to what is around it.
    fn hand_over(&mut self, key: usize, to: Option<usize>) {
        for (_, inner) in &mut self.0 {
            if inner.around == Some(key) {
                inner.around = to;
            }
        }
    }

    /// Takes a place out from between what is within it and what is around it.
    fn lift(&mut self, key: usize) {
        let Some(place) = self.0.get_mut(key) else {
            return;
        };
        let around = place.around;
        self.put(key, None);
        let within = self
            .0
            .get_mut(key)
            .map_or(0, |place| std::mem::take(&mut place.within));
        if within > 0 {
            self.hand_over(key, around);
            self.count(around, |count| count + within);
        }
    }

    fn remove(&mut self, key: usize) -> Option<Place> {
        self.lift(key);
        self.0.try_remove(key)
    }
}

impl CatchTree {
    /// Gives a cancellation to the innermost places, or back if there are none.
    pub(crate) fn deliver(&self, cancelled: Cancelled) -> Result<(), Cancelled> {
        let mut wakers = Vec::new();
        let mut taken = false;
        for (_, place) in &mut self.places.borrow_mut().0 {
            match place.state {
                _ if place.within > 0 => {}
                State::Free => {
                    place.state = State::Caught(cancelled.clone());
                    wakers.extend(place.waker.take());
                    taken = true;
                }
                State::Caught(_) | State::Holding => taken = true,
                State::Passed => {}
            }
        }
        wake(wakers);
        if taken { Ok(()) } else { Err(cancelled) }
    }

    /// Has those look again who passed their cancellation on: somebody absorbed it, or took it back.
    pub(crate) fn settled(&self) {
        let mut wakers = Vec::new();
        for (_, place) in &mut self.places.borrow_mut().0 {
            if let State::Passed = place.state {
                wakers.extend(place.waker.take());
            }
        }
        wake(wakers);
    }

    /// Whether a place has a cancellation it has not passed on or absorbed yet.
    pub(crate) fn has_caught(&self) -> bool {
        let places = self.places.borrow();
        let mut places = places.0.iter();
        places.any(|(_, place)| matches!(place.state, State::Caught(_) | State::Holding))
    }

    /// The wakers that are kept here wake their own task only for its cancellation.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        for (_, place) in &self.places.borrow().0 {
            if let Some(waker) = &place.waker {
                let what = What::new(WaitKind::Cancellation, "");
                survey.waits(waker, what, Needs::Itself);
            }
        }
    }
}

/// Wakers of somebody else's making may panic, and the callers don't unwind.
fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            discard(payload);
        }
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
        let place = Place {
            around: tree.inside.get(),
            within: 0,
            state: State::Free,
            waker: Some(waker.clone()),
        };
        let key = tree.places.borrow_mut().insert(place);
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
            Some(entered) if entered.task.id() == task.id() => entered.poll(cx),
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
        if let Some(entered) = &self.entered {
            entered.set(State::Holding);
        }
    }

    /// Passes `cancelled` on to what is around the place, which takes no more from now on.
    pub(crate) fn pass_on(&self, cancelled: Cancelled) {
        if let Some(entered) = &self.entered {
            entered.tree.places.borrow_mut().lift(entered.key);
            entered.set(State::Passed);
            entered.task.cancel(cancelled);
        }
    }

    /// Ready if what was passed on ends nothing: it was taken back, or somebody else in the task
    /// absorbed it.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // To be woken then.
        let none = self.poll(cx);
        debug_assert!(none.is_none(), "it takes no more");
        match &self.entered {
            Some(entered) if entered.task.is_cancelling() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }
}

impl Entered {
    fn poll(&self, cx: &mut Context<'_>) -> Option<Cancelled> {
        let (caught, is_known) = {
            let mut places = self.tree.places.borrow_mut();
            places.put(self.key, self.tree.inside.get());
            let place = places.0.get_mut(self.key)?;
            let caught = match std::mem::take(&mut place.state) {
                State::Caught(cancelled) => Some(cancelled),
                other => {
                    place.state = other;
                    None
                }
            };
            let known = place.waker.as_ref();
            (
                caught,
                known.is_some_and(|known| known.will_wake(cx.waker())),
            )
        };
        if !is_known {
            // Cloned and dropped while nothing is borrowed: it may be other people's code.
            let waker = cx.waker().clone();
            let old = match self.tree.places.borrow_mut().0.get_mut(self.key) {
                Some(place) => place.waker.replace(waker),
                None => None,
            };
            drop(old);
        }
        if caught.is_some() {
            self.tree.settled();
        }
        caught
    }

    fn set(&self, state: State) {
        if let Some(place) = self.tree.places.borrow_mut().0.get_mut(self.key) {
            place.state = state;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = self.tree.places.borrow_mut().remove(self.key);
        match left.map(|place| place.state) {
            // Came too late for this place. If the whole task is going, it is not asked again.
            Some(State::Caught(cancelled)) => drop(self.task.cancel(cancelled)),
            Some(State::Holding) => self.tree.settled(),
            _ => {}
        }
    }
}
