//! Locks and queues between tasks of one thread, so that every operation has to wake a task that waits.

use std::rc::Rc;

use crate::plan::{Figures, Plan};
use crate::runtime::Sync;

/// How many tasks want the lock.
const TASKS: u64 = 8;

/// An operation: wait for the lock, let the others run while holding it (so that they queue up), open it.
pub(crate) fn lock<R: Sync>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let lock = Rc::new(R::lock());
            let each = plan.count / TASKS;
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let lock = lock.clone();
                    R::spawn(async move {
                        for _ in 0..each {
                            let guard = R::acquire(&lock).await;
                            R::yield_now().await;
                            drop(guard);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        })
        .await
    })
}

/// An operation: an item goes from one task to another through a queue with room for one.
pub(crate) fn queue<R: Sync>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let (mut put, mut get) = R::queue();
            let gets = R::spawn(async move {
                for number in 0..plan.count {
                    assert_eq!(R::get(&mut get).await, number);
                }
            });
            let puts = R::spawn(async move {
                for number in 0..plan.count {
                    R::put(&mut put, number).await;
                }
            });
            puts.await;
            gets.await;
        })
        .await
    })
}
