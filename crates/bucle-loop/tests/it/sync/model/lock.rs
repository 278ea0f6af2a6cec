//! `Lock`: a holder and a line.

use std::collections::VecDeque;
use std::task::Poll;

use bucle_loop::sync::{Lock, LockAcquire, LockGuard};
use proptest::prelude::*;

use super::{Pending, which};

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    TryAcquire,
    Poll(prop::sample::Index, bool),
    Cancel(prop::sample::Index),
    /// The guard is dropped, or forgotten and released.
    Release,
    Forget,
    ReleaseByHand,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Acquire),
        1 => Just(Step::TryAcquire),
        4 => (which(), any::<bool>()).prop_map(|(i, other)| Step::Poll(i, other)),
        2 => which().prop_map(Step::Cancel),
        3 => Just(Step::Release),
        1 => Just(Step::Forget),
        2 => Just(Step::ReleaseByHand),
    ]
}

#[derive(Default)]
struct Model {
    /// Has it, or was handed it.
    holder: Option<usize>,
    line: VecDeque<usize>,
}

impl Model {
    fn release(&mut self) {
        self.holder = self.line.pop_front();
    }

    fn cancel(&mut self, number: usize) {
        if self.holder == Some(number) {
            self.release();
        } else {
            self.line.retain(|waiting| *waiting != number);
        }
    }
}

/// Who has the lock for good: a guard, or nobody's guard any more.
enum Holding<'a> {
    Guard(LockGuard<'a, u32>),
    ByHand,
}

proptest! {
    #[test]
    fn a_lock(steps in prop::collection::vec(step(), 0..60)) {
        let lock = Lock::of(0);
        let mut pending: Pending<LockAcquire<'_, u32>> = Pending::new();
        let mut holding = None;
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Acquire => {
                    let (number, polled) = pending.start(lock.acquire());
                    if let Poll::Ready(guard) = polled {
                        prop_assert!(model.holder.is_none());
                        model.holder = Some(number);
                        holding = Some(Holding::Guard(guard));
                    } else {
                        prop_assert!(model.holder.is_some());
                        model.line.push_back(number);
                    }
                }
                Step::TryAcquire => match lock.try_acquire() {
                    Some(guard) => {
                        prop_assert!(model.holder.is_none());
                        model.holder = Some(usize::MAX);
                        holding = Some(Holding::Guard(guard));
                    }
                    None => prop_assert!(model.holder.is_some()),
                },
                Step::Poll(which, another) => if let Some(number) = pending.number(which) {
                    let polled = match another {
                        true => pending.poll_with_another_waker(number),
                        false => pending.poll(number),
                    };
                    prop_assert_eq!(polled.is_ready(), model.holder == Some(number));
                    if let Poll::Ready(mut guard) = polled {
                        *guard += 1;
                        holding = Some(Holding::Guard(guard));
                    }
                },
                Step::Cancel(which) => if let Some(number) = pending.number(which) {
                    drop(pending.cancel(number));
                    model.cancel(number);
                },
                Step::Release => match holding.take() {
                    Some(Holding::Guard(guard)) => {
                        drop(guard);
                        model.release();
                    }
                    other => holding = other,
                },
                Step::Forget => match holding.take() {
                    Some(Holding::Guard(guard)) => {
                        LockGuard::forget(guard);
                        holding = Some(Holding::ByHand);
                    }
                    other => holding = other,
                },
                Step::ReleaseByHand => {
                    let allowed = matches!(holding, Some(Holding::ByHand));
                    prop_assert_eq!(lock.release().is_ok(), allowed);
                    if allowed {
                        holding = None;
                        model.release();
                    }
                }
            }
            prop_assert_eq!(lock.locked(), model.holder.is_some());
            for (number, future) in &pending.futures {
                // Neither a lost wake-up nor a needless one.
                prop_assert_eq!(future.woken(), model.holder == Some(*number));
            }
        }
        // Given up again and again, it comes to all that wait, in order.
        match holding {
            Some(Holding::Guard(guard)) => {
                drop(guard);
                model.release();
            }
            Some(Holding::ByHand) => {
                lock.release().unwrap();
                model.release();
            }
            None => {}
        }
        while let Some(next) = model.holder {
            prop_assert_eq!(pending.next_woken(), Some(next));
            prop_assert!(pending.poll(next).is_ready(), "and the guard is dropped at once");
            model.release();
        }
        prop_assert!(pending.futures.is_empty());
        prop_assert!(!lock.locked());
    }
}
