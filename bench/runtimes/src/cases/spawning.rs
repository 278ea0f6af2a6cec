//! Tasks that are done when they are first polled, spawned and joined.

use std::hint::black_box;

use crate::plan::{Figures, Plan};
use crate::runtime::Runtime;

/// How many are spawned before the first is joined.
const BATCH: u64 = 1_000;

/// Each is joined before the next is spawned.
pub(crate) fn one_by_one<R: Runtime>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            for number in 0..plan.count {
                black_box(R::spawn(async move { number }).await);
            }
        })
        .await
    })
}

/// A thousand are spawned, then joined in the same order.
pub(crate) fn in_batches<R: Runtime>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let mut sum = 0;
            let mut left = plan.count;
            while left > 0 {
                let batch = left.min(BATCH);
                left -= batch;
                let mut tasks = Vec::with_capacity(batch as usize);
                for number in 0..batch {
                    tasks.push(R::spawn(async move { number }));
                }
                for task in tasks {
                    sum += task.await;
                }
            }
            black_box(sum);
        })
        .await
    })
}
