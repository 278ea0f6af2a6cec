//! Two tasks that take turns: an operation is one value that went from one to the other, which had to be woken for it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::plan::{Figures, Plan};
use crate::runtime::{Runtime, Sync};

/// A place for one value: the least two tasks of one thread can share. The same code for every runtime.
#[derive(Default)]
struct Slot {
    value: Cell<Option<u64>>,
    waiter: Cell<Option<Waker>>,
}

impl Slot {
    fn put(&self, value: u64) {
        self.value.set(Some(value));
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    fn take(&self) -> impl Future<Output = u64> {
        poll_fn(|context| match self.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.waiter.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
    }
}

/// The value goes there and back over two slots.
pub(crate) fn over_slots<R: Runtime>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let rounds = plan.count / 2;
            let (there, back) = (Rc::new(Slot::default()), Rc::new(Slot::default()));
            let answers = R::spawn({
                let (there, back) = (there.clone(), back.clone());
                async move {
                    for _ in 0..rounds {
                        back.put(there.take().await);
                    }
                }
            });
            let asks = R::spawn(async move {
                for round in 0..rounds {
                    there.put(round);
                    assert_eq!(back.take().await, round);
                }
            });
            asks.await;
            answers.await;
        })
        .await
    })
}

/// The same, but each value goes over a new oneshot, whose sending end is handed over through a slot-like cell.
pub(crate) fn over_oneshots<R: Sync>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let rounds = plan.count / 2;
            // Each side leaves the sender the other is to use next before it sends, so that it is always there.
            let (first, first_receiver) = R::oneshot();
            let to_answerer = Rc::new(Cell::new(Some(first)));
            let to_asker = Rc::new(Cell::new(None));
            let answers = R::spawn({
                let (to_answerer, to_asker) = (to_answerer.clone(), to_asker.clone());
                async move {
                    let mut value = first_receiver.await;
                    for _ in 1..rounds {
                        let (sender, receiver) = R::oneshot();
                        to_answerer.set(Some(sender));
                        R::send(to_asker.take().expect("the asker left it"), value);
                        value = receiver.await;
                    }
                    R::send(to_asker.take().expect("the asker left it"), value);
                }
            });
            let asks = R::spawn(async move {
                for round in 0..rounds {
                    let (sender, receiver) = R::oneshot();
                    to_asker.set(Some(sender));
                    R::send(to_answerer.take().expect("the answerer left it"), round);
                    assert_eq!(receiver.await, round);
                }
            });
            asks.await;
            answers.await;
        })
        .await
    })
}
