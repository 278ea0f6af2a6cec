//! `Condition`: a lock with its line, and a second line of those that wait for a notification.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bucle_loop::sync::{Condition, ConditionWait, LockAcquire, LockGuard};
use proptest::prelude::*;

use super::{Pending, which};

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    Poll(prop::sample::Index, bool),
    Cancel(prop::sample::Index),
    Release,
    Wait,
    Notify(usize),
    NotifyAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Acquire),
        5 => (which(), any::<bool>()).prop_map(|(i, other)| Step::Poll(i, other)),
        2 => which().prop_map(Step::Cancel),
        2 => Just(Step::Release),
        4 => Just(Step::Wait),
        3 => (0..3usize).prop_map(Step::Notify),
        1 => Just(Step::NotifyAll),
    ]
}

/// Both kinds of waits, which end in the same way.
enum Either<'a> {
    Acquire(LockAcquire<'a>),
    Wait(ConditionWait<'a>),
}

impl<'a> Future for Either<'a> {
    type Output = LockGuard<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'a>> {
        match &mut *self {
            Either::Acquire(acquire) => Pin::new(acquire).poll(cx),
            Either::Wait(wait) => Pin::new(wait).poll(cx),
        }
    }
}

#[derive(Default)]
struct Model {
    holder: Option<usize>,
    line: VecDeque<usize>,
    /// Those that wait for a notification, and whether they got it.
    waiting: Vec<(usize, bool)>,
    /// Those that were notified and are in the lock's line.
    returning: Vec<usize>,
}

impl Model {
    fn release(&mut self) {
        self.holder = self.line.pop_front();
    }

    fn notify(&mut self, n: usize) {
        let unaware = self.waiting.iter_mut().filter(|(_, notified)| !*notified);
        for (_, notified) in unaware.take(n) {
            *notified = true;
        }
    }

    /// Asks for the lock: whether it is there.
    fn acquire(&mut self, number: usize) -> bool {
        if self.holder.is_some() {
            self.line.push_back(number);
            return false;
        }
        self.holder = Some(number);
        true
    }

    /// Whether this poll gives the guard.
    fn poll(&mut self, number: usize) -> bool {
        match self.waiting.iter().position(|(n, _)| *n == number) {
            Some(place) if self.waiting[place].1 => {
                self.waiting.remove(place);
                if self.acquire(number) {
                    return true;
                }
                self.returning.push(number);
                false
            }
            Some(_) => false,
            None if self.holder == Some(number) => {
                self.returning.retain(|n| *n != number);
                true
            }
            None => false,
        }
    }

    fn cancel(&mut self, number: usize) {
        if let Some(place) = self.waiting.iter().position(|(n, _)| *n == number) {
            if self.waiting.remove(place).1 {
                self.notify(1);
            }
            return;
        }
        if let Some(place) = self.returning.iter().position(|n| *n == number) {
            self.returning.remove(place);
            self.notify(1);
        }
        if self.holder == Some(number) {
            self.release();
        }
        self.line.retain(|n| *n != number);
    }

    /// Whether a poll would do something.
    fn can_go_on(&self, number: usize) -> bool {
        self.holder == Some(number) || self.waiting.contains(&(number, true))
    }
}

proptest! {
    #[test]
    fn a_condition(steps in prop::collection::vec(step(), 0..80)) {
        let condition = Condition::new();
        let mut pending: Pending<Either<'_>> = Pending::new();
        let mut guard = None;
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Acquire => {
                    let (number, polled) = pending.start(Either::Acquire(condition.acquire()));
                    prop_assert_eq!(polled.is_ready(), model.acquire(number));
                    if let Poll::Ready(got) = polled {
                        guard = Some(got);
                    }
                }
                Step::Poll(which, another) => if let Some(number) = pending.number(which) {
                    let polled = match another {
                        true => pending.poll_with_another_waker(number),
                        false => pending.poll(number),
                    };
                    prop_assert_eq!(polled.is_ready(), model.poll(number));
                    if let Poll::Ready(got) = polled {
                        guard = Some(got);
                    }
                },
                Step::Cancel(which) => if let Some(number) = pending.number(which) {
                    drop(pending.cancel(number));
                    model.cancel(number);
                },
                Step::Release => if guard.take().is_some() {
                    model.release();
                },
                Step::Wait => if let Some(guard) = guard.take() {
                    let (number, polled) = pending.start(Either::Wait(condition.wait(guard)));
                    prop_assert!(polled.is_pending());
                    model.waiting.push((number, false));
                    model.release();
                },
                Step::Notify(n) => {
                    prop_assert_eq!(condition.notify(n).is_ok(), model.holder.is_some());
                    if model.holder.is_some() {
                        model.notify(n);
                    }
                }
                Step::NotifyAll => {
                    prop_assert_eq!(condition.notify_all().is_ok(), model.holder.is_some());
                    if model.holder.is_some() {
                        model.notify(usize::MAX);
                    }
                }
            }
            prop_assert_eq!(condition.locked(), model.holder.is_some());
            for (number, future) in &pending.futures {
                prop_assert_eq!(future.woken(), model.can_go_on(*number));
            }
        }
        // Once all are notified and nobody keeps the lock, everybody comes through.
        drop(guard);
        let last = condition.lock().try_acquire();
        if let Some(last) = last {
            condition.notify_all().unwrap();
            drop(last);
        } else {
            // Somebody was handed the lock and will run next.
            condition.notify_all().unwrap();
        }
        while let Some(number) = pending.next_woken() {
            drop(pending.poll(number));
        }
        prop_assert!(pending.futures.is_empty());
        prop_assert!(!condition.locked());
    }
}
