//! `Semaphore` and `BoundedSemaphore`: a number and a line.

use std::task::Poll;

use bucle_loop::sync::{BoundedSemaphore, Semaphore, SemaphoreAcquire, SemaphorePermit};
use proptest::prelude::*;

use super::{Pending, which};

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    TryAcquire,
    Poll(prop::sample::Index, bool),
    Cancel(prop::sample::Index),
    Drop(prop::sample::Index),
    Forget(prop::sample::Index),
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Acquire),
        1 => Just(Step::TryAcquire),
        4 => (which(), any::<bool>()).prop_map(|(i, other)| Step::Poll(i, other)),
        2 => which().prop_map(Step::Cancel),
        3 => which().prop_map(Step::Drop),
        1 => which().prop_map(Step::Forget),
        2 => Just(Step::Release),
    ]
}

#[derive(Default)]
struct Model {
    value: usize,
    /// The number of each that waits, and whether a permit is put aside for it.
    line: Vec<(usize, bool)>,
}

impl Model {
    fn settle(&mut self) {
        for (_, granted) in &mut self.line {
            if self.value > 0 && !*granted {
                *granted = true;
                self.value -= 1;
            }
        }
    }

    fn release(&mut self) {
        self.value += 1;
        self.settle();
    }

    /// Takes a waiter out of the line. Whether it had a permit.
    fn leave(&mut self, number: usize) -> bool {
        let place = self.line.iter().position(|(n, _)| *n == number).unwrap();
        self.line.remove(place).1
    }

    fn granted(&self, number: usize) -> bool {
        self.line.contains(&(number, true))
    }
}

enum Any<'a> {
    Plain(&'a Semaphore),
    Bounded(&'a BoundedSemaphore),
}

impl<'a> Any<'a> {
    fn acquire(&self) -> SemaphoreAcquire<'a> {
        match self {
            Any::Plain(semaphore) => semaphore.acquire(),
            Any::Bounded(semaphore) => semaphore.acquire(),
        }
    }

    fn try_acquire(&self) -> Option<SemaphorePermit<'a>> {
        match self {
            Any::Plain(semaphore) => semaphore.try_acquire(),
            Any::Bounded(semaphore) => semaphore.try_acquire(),
        }
    }

    fn release(&self) -> bool {
        match self {
            Any::Plain(semaphore) => {
                semaphore.release();
                true
            }
            Any::Bounded(semaphore) => semaphore.release().is_ok(),
        }
    }

    fn seen(&self) -> (bool, usize) {
        match self {
            Any::Plain(semaphore) => (semaphore.locked(), semaphore.value()),
            Any::Bounded(semaphore) => (semaphore.locked(), semaphore.value()),
        }
    }
}

proptest! {
    #[test]
    fn a_semaphore(
        value in 0..4usize,
        bounded: bool,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let plain = Semaphore::new(value);
        let with_bound = BoundedSemaphore::new(value);
        let semaphore = match bounded {
            true => Any::Bounded(&with_bound),
            false => Any::Plain(&plain),
        };
        let mut pending: Pending<SemaphoreAcquire<'_>> = Pending::new();
        let mut permits: Vec<SemaphorePermit<'_>> = Vec::new();
        let mut model = Model { value, line: Vec::new() };
        let (mut forgotten, mut released) = (0, 0);
        for step in steps {
            match step {
                Step::Acquire => {
                    let free = model.value > 0 && model.line.is_empty();
                    let (number, polled) = pending.start(semaphore.acquire());
                    prop_assert_eq!(polled.is_ready(), free);
                    if let Poll::Ready(permit) = polled {
                        model.value -= 1;
                        permits.push(permit);
                    } else {
                        model.line.push((number, false));
                        model.settle();
                    }
                }
                Step::TryAcquire => {
                    let free = model.value > 0 && model.line.is_empty();
                    let permit = semaphore.try_acquire();
                    prop_assert_eq!(permit.is_some(), free);
                    if let Some(permit) = permit {
                        model.value -= 1;
                        permits.push(permit);
                    }
                }
                Step::Poll(which, another) => if let Some(number) = pending.number(which) {
                    let polled = match another {
                        true => pending.poll_with_another_waker(number),
                        false => pending.poll(number),
                    };
                    prop_assert_eq!(polled.is_ready(), model.granted(number));
                    if let Poll::Ready(permit) = polled {
                        model.leave(number);
                        permits.push(permit);
                    }
                },
                Step::Cancel(which) => if let Some(number) = pending.number(which) {
                    drop(pending.cancel(number));
                    if model.leave(number) {
                        model.release();
                    }
                },
                Step::Drop(which) => if !permits.is_empty() {
                    drop(permits.remove(which.index(permits.len())));
                    model.release();
                },
                Step::Forget(which) => if !permits.is_empty() {
                    permits.remove(which.index(permits.len())).forget();
                    forgotten += 1;
                },
                Step::Release => {
                    let done = semaphore.release();
                    prop_assert_eq!(done, !bounded || forgotten > released);
                    if done {
                        released += 1;
                        model.release();
                    }
                }
            }
            let locked = model.value == 0 || !model.line.is_empty();
            prop_assert_eq!(semaphore.seen(), (locked, model.value));
            let granted = model.line.iter().filter(|(_, granted)| *granted).count();
            // No permit is made or lost.
            prop_assert_eq!(
                model.value + granted + permits.len() + forgotten,
                value + released
            );
            for (number, granted) in &model.line {
                prop_assert_eq!(pending.woken(*number), *granted);
            }
        }
        // As many as there are permits go on, and when those are back, the others, all in order.
        permits.clear();
        for _ in 0..forgotten.saturating_sub(released) {
            prop_assert!(semaphore.release());
            released += 1;
        }
        if value + released > forgotten {
            let mut order = Vec::new();
            while let Some(number) = pending.next_woken() {
                prop_assert!(pending.poll(number).is_ready());
                order.push(number);
            }
            prop_assert!(order.is_sorted());
            prop_assert!(pending.futures.is_empty());
            prop_assert_eq!(semaphore.seen().1, value + released - forgotten);
        }
    }
}
