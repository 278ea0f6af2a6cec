//! `Barrier`: who is in it, who may leave, and who came too early for the next time.

use std::task::Poll;

use bucle_loop::sync::{Barrier, BarrierWait, BrokenBarrierError};
use proptest::prelude::*;

use super::{Pending, which};

#[derive(Clone, Debug)]
enum Step {
    Wait,
    Poll(prop::sample::Index, bool),
    Cancel(prop::sample::Index),
    Reset,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => Just(Step::Wait),
        16 => (which(), any::<bool>()).prop_map(|(i, other)| Step::Poll(i, other)),
        4 => which().prop_map(Step::Cancel),
        2 => Just(Step::Reset),
        1 => Just(Step::Abort),
    ]
}

/// A barrier as a round that fills, a round that leaves, and those who came meanwhile.
struct Model {
    parties: usize,
    entering: Vec<usize>,
    filling: Vec<usize>,
    /// Those that are yet to leave, each with its number.
    leaving: Vec<(usize, usize)>,
    /// Those that leave do so with an error.
    spoilt: bool,
    broken: bool,
}

type Polled = Poll<Result<usize, BrokenBarrierError>>;

impl Model {
    fn room(&self) -> usize {
        match self.leaving.is_empty() {
            _ if self.broken => usize::MAX,
            true => self.parties - self.filling.len(),
            false => 0,
        }
    }

    fn wait(&mut self, number: usize) -> Polled {
        if self.broken {
            return Poll::Ready(Err(BrokenBarrierError));
        }
        if self.room() == 0 || !self.entering.is_empty() {
            self.entering.push(number);
            return Poll::Pending;
        }
        self.enter(number)
    }

    fn enter(&mut self, number: usize) -> Polled {
        if self.filling.len() + 1 < self.parties {
            self.filling.push(number);
            return Poll::Pending;
        }
        // The last to come doesn't wait.
        self.spoilt = false;
        self.leaving = self.filling.drain(..).zip(0..).collect();
        Poll::Ready(Ok(self.parties - 1))
    }

    fn poll(&mut self, number: usize) -> Polled {
        if let Some(place) = self.leaving.iter().position(|(n, _)| *n == number) {
            let (_, index) = self.leaving.remove(place);
            return Poll::Ready(match self.spoilt || self.broken {
                true => Err(BrokenBarrierError),
                false => Ok(index),
            });
        }
        match self.entering.iter().position(|n| *n == number) {
            Some(place) if place < self.room() => {
                self.entering.remove(place);
                match self.broken {
                    true => Poll::Ready(Err(BrokenBarrierError)),
                    false => self.enter(number),
                }
            }
            _ => Poll::Pending,
        }
    }

    fn cancel(&mut self, number: usize) {
        self.leaving.retain(|(n, _)| *n != number);
        self.filling.retain(|n| *n != number);
        self.entering.retain(|n| *n != number);
    }

    fn spoil(&mut self) {
        self.spoilt = true;
        let spoilt = self.filling.drain(..).map(|number| (number, 0));
        self.leaving.extend(spoilt);
    }

    fn reset(&mut self) {
        self.broken = false;
        self.spoil();
    }

    fn abort(&mut self) {
        self.broken = true;
        self.spoil();
    }
}

proptest! {
    #[test]
    fn a_barrier(parties in 1..5usize, steps in prop::collection::vec(step(), 0..120)) {
        let barrier = Barrier::new(parties);
        let mut pending: Pending<BarrierWait<'_>> = Pending::new();
        let mut model = Model {
            parties,
            entering: Vec::new(),
            filling: Vec::new(),
            leaving: Vec::new(),
            spoilt: false,
            broken: false,
        };
        for step in steps {
            match step {
                Step::Wait => {
                    let (number, polled) = pending.start(barrier.wait());
                    prop_assert_eq!(polled, model.wait(number));
                }
                Step::Poll(which, another) => if let Some(number) = pending.number(which) {
                    let polled = match another {
                        true => pending.poll_with_another_waker(number),
                        false => pending.poll(number),
                    };
                    prop_assert_eq!(polled, model.poll(number));
                },
                Step::Cancel(which) => if let Some(number) = pending.number(which) {
                    drop(pending.cancel(number));
                    model.cancel(number);
                },
                Step::Reset => {
                    barrier.reset();
                    model.reset();
                }
                Step::Abort => {
                    barrier.abort();
                    model.abort();
                }
            }
            let n_waiting = match model.leaving.is_empty() && !model.broken {
                true => model.filling.len(),
                false => 0,
            };
            prop_assert_eq!(barrier.n_waiting(), n_waiting);
            prop_assert!(n_waiting < parties);
            prop_assert_eq!(barrier.broken(), model.broken);
            for number in &model.filling {
                prop_assert!(!pending.woken(*number));
            }
            for (number, _) in &model.leaving {
                prop_assert!(pending.woken(*number), "one that may leave was not woken");
            }
            for number in model.entering.iter().take(model.room()) {
                prop_assert!(pending.woken(*number), "one that may enter was not woken");
            }
        }
    }
}
