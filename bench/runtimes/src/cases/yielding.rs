//! Tasks that do nothing but let each other run.

use crate::plan::{Figures, Plan};
use crate::runtime::Runtime;

/// `tasks` of them share the count.
pub(crate) fn tasks<R: Runtime>(plan: Plan, tasks: u64) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let each = plan.count / tasks;
            let spawned: Vec<_> = (0..tasks)
                .map(|_| {
                    R::spawn(async move {
                        for _ in 0..each {
                            R::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in spawned {
                task.await;
            }
        })
        .await
    })
}
