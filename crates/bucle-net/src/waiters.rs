//! Who waits for something: a list that whoever stops waiting has left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// A place to wait in, in one list at a time. Dropping it is to wait no longer.
#[derive(Default)]
pub(crate) struct Seat(Option<Rc<Place>>);

#[derive(Default)]
struct Place {
    waker: Cell<Option<Waker>>,
    /// Whether a list has it.
    listed: Cell<bool>,
}

/// Those who wait for the same thing, in the order they came.
#[derive(Default)]
pub(crate) struct Waiters(RefCell<Vec<Rc<Place>>>);

impl Waiters {
    /// Waits in `seat`, by `waker`, for the next [`wake`](Waiters::wake).
    pub(crate) fn join(&self, seat: &mut Seat, waker: &Waker) {
        seat.sit(waker);
        self.enter(seat);
    }

    /// Has whoever sits in `seat` wait. Runs nobody's code.
    pub(crate) fn enter(&self, seat: &Seat) {
        if let Some(place) = &seat.0
            && !place.listed.replace(true)
        {
            let mut places = self.0.borrow_mut();
            // Whose seat is gone stays until the vector would grow.
            if places.len() == places.capacity() {
                places.retain(|place| Rc::strong_count(place) > 1);
            }
            places.push(place.clone());
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Wakes all, and empties the list; false if nobody waited.
    pub(crate) fn wake(&self) -> bool {
        let mut any = false;
        for place in self.0.take() {
            place.listed.set(false);
            if let Some(waker) = place.waker.take() {
                any = true;
                waker.wake();
            }
        }
        any
    }

    /// Shows each waker.
    pub(crate) fn each(&self, mut tell: impl FnMut(&Waker)) {
        for place in &*self.0.borrow() {
            if let Some(waker) = place.waker.take() {
                tell(&waker);
                place.waker.set(Some(waker));
            }
        }
    }
}

impl Seat {
    /// Makes `waker` the one to wake. May run anybody's code, which a waker's clone and drop are.
    pub(crate) fn sit(&mut self, waker: &Waker) {
        let place = self.0.get_or_insert_default();
        match place.waker.take() {
            Some(known) if known.will_wake(waker) => place.waker.set(Some(known)),
            before => {
                drop(before);
                place.waker.set(Some(waker.clone()));
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            drop(place.waker.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Counting>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_seat_is_woken_once_however_often_it_asks() {
        let (waiters, count) = (Waiters::default(), Arc::<Counting>::default());
        let waker = Waker::from(count.clone());
        let mut seat = Seat::default();
        for _ in 0..3 {
            waiters.join(&mut seat, &waker);
        }
        assert!(waiters.wake());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!waiters.wake());
        waiters.join(&mut seat, &waker);
        assert!(waiters.wake());
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn whoever_leaves_takes_the_waker_along_and_the_list_stays_short() {
        let (waiters, count) = (Waiters::default(), Arc::<Counting>::default());
        let waker = Waker::from(count.clone());
        let mut stays = Seat::default();
        waiters.join(&mut stays, &waker);
        let before = Arc::strong_count(&count);
        for _ in 0..10_000 {
            waiters.join(&mut Seat::default(), &waker);
        }
        assert_eq!(Arc::strong_count(&count), before);
        assert!(waiters.0.borrow().capacity() < 16);
        assert!(waiters.wake());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
