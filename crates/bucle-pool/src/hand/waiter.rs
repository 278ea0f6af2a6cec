//! A task that waits for something that the hub of a queue, a lock or a semaphore gives it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The place where it is given.
pub(super) struct Waiter<T> {
    given: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Waiter<T> {
    pub(super) fn new() -> Rc<Waiter<T>> {
        Rc::new(Waiter {
            given: Cell::new(None),
            waker: RefCell::new(None),
        })
    }

    /// Gives it, and wakes the task.
    pub(super) fn set(&self, value: T) {
        self.given.set(Some(value));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The wait. Dropped before it is over, it calls `given_up` with what was given and not taken.
pub(super) struct Waiting<'a, T, G: FnOnce(Option<T>)> {
    waiter: &'a Waiter<T>,
    given_up: Option<G>,
}

impl<'a, T, G: FnOnce(Option<T>)> Waiting<'a, T, G> {
    pub(super) fn new(waiter: &'a Waiter<T>, given_up: G) -> Waiting<'a, T, G> {
        Waiting {
            waiter,
            given_up: Some(given_up),
        }
    }
}

impl<T, G: FnOnce(Option<T>) + Unpin> Future for Waiting<'_, T, G> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = self.waiter.given.take() {
            self.given_up = None;
            return Poll::Ready(value);
        }
        self.waiter.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<T, G: FnOnce(Option<T>)> Drop for Waiting<'_, T, G> {
    fn drop(&mut self) {
        if let Some(given_up) = self.given_up.take() {
            given_up(self.waiter.given.take());
        }
    }
}
