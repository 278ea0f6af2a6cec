//! Each primitive beside a plain model of it: random steps, every future polled by hand and dropped
//! at any point. After each step what can be seen is the same, and whatever could go on was woken.

mod barrier;
mod condition;
mod event;
mod lock;
mod queue;
mod semaphore;

use std::future::Future;
use std::task::Poll;

use super::ByHand;

/// The futures that are under way, by number.
struct Pending<F: Future> {
    next: usize,
    futures: Vec<(usize, ByHand<F>)>,
}

impl<F: Future> Pending<F> {
    fn new() -> Pending<F> {
        Pending {
            next: 0,
            futures: Vec::new(),
        }
    }

    /// Polls a new future once. Its number, and what it gave if it is done.
    fn start(&mut self, future: F) -> (usize, Poll<F::Output>) {
        let number = self.next;
        self.next += 1;
        let mut future = ByHand::new(future);
        let polled = future.poll();
        if polled.is_pending() {
            self.futures.push((number, future));
        }
        (number, polled)
    }

    fn number(&self, which: prop::sample::Index) -> Option<usize> {
        let len = self.futures.len();
        (len > 0).then(|| self.futures[which.index(len)].0)
    }

    fn place(&self, number: usize) -> usize {
        let found = self.futures.iter().position(|(n, _)| *n == number);
        found.expect("it is under way")
    }

    fn poll(&mut self, number: usize) -> Poll<F::Output> {
        let place = self.place(number);
        let polled = self.futures[place].1.poll();
        if polled.is_ready() {
            self.futures.remove(place);
        }
        polled
    }

    fn poll_with_another_waker(&mut self, number: usize) -> Poll<F::Output> {
        let place = self.place(number);
        self.futures[place].1.change_waker();
        self.poll(number)
    }

    fn cancel(&mut self, number: usize) -> ByHand<F> {
        let place = self.place(number);
        self.futures.remove(place).1
    }

    fn woken(&self, number: usize) -> bool {
        self.futures[self.place(number)].1.woken()
    }

    /// One that was woken, if any was.
    fn next_woken(&self) -> Option<usize> {
        let found = self.futures.iter().find(|(_, future)| future.woken());
        found.map(|(number, _)| *number)
    }
}

use proptest::prelude::*;

/// How one of the futures under way is to be chosen.
fn which() -> impl Strategy<Value = prop::sample::Index> {
    any::<prop::sample::Index>()
}
